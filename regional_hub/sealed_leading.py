"""The leader of a sealed total: one step at a time, each stored before anything is said, and asked of the second hub.

    leading = Leading(database, name, level, operator, key, trust, now, ask)
    leading.propose(plan, helper)
    leading.go_on(batch_id)            -> the state that it has come to, or None when it has to wait

`ask(helper, step, batch, body)` sends one signed question and gives the answer's bytes; it raises HubUnreachable, and
HubRefused with the problem code of the second hub.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from regional_hub import log, sealed_log, sealed_store
from regional_hub.members import Trust
from regional_hub.orm import SealedShareRow
from regional_hub.publication import publish_statement
from regional_hub.sealed_rows import Step
from regional_hub.sealed_shares import read_envelopes, read_late, read_shares
from regional_hub.sealed_store import Stored
from shared_schema.errors import BatchError, SchemaError, VerificationError
from shared_schema.governance import Level
from shared_schema.keys import SigningKey
from shared_schema.names import parse_time
from shared_schema.problem import ProblemCode
from shared_schema.sealed import leader as steps
from shared_schema.sealed.agreed import read_batch, read_roster, read_void
from shared_schema.sealed.bodies import RosterBody, VoidBody
from shared_schema.sealed.countersign import Countersignature
from shared_schema.sealed.hub import agreed_of, committed, dropped, opened, voided
from shared_schema.sealed.hub import publish as publish_sum
from shared_schema.sealed.leader import LeaderBatch
from shared_schema.sealed.messages import PrepareAnswer, ProposalAnswer
from shared_schema.sealed.states import BatchState
from shared_schema.sealed.sums import SECRETS_SIZE, HubSecrets
from shared_schema.sealed.terms import BatchPlan, VoidTerms
from shared_schema.service.database import Database
from shared_schema.service.hub_api import HubRefused
from shared_schema.statement import Kind, StatementBody, VerifiedStatement

PATIENCE: Final = timedelta(days=3)
"""So long after the close a second hub may refuse what it is asked; then the batch is given up."""
NO_ANSWER: Final = (SchemaError, VerificationError)
"""What an answer raises that is none, or does not hold: it is the same one for ever, and only giving up is left."""


class Ask(Protocol):
    """Ask the second hub: `proposals`, and of a batch `shares`, `prepare`, `roster`, `void`."""

    def __call__(self, helper: str, step: str, batch: str | None, body: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Leading:
    """This hub as a leader, at one moment."""

    database: Database
    name: str
    level: Level
    operator: str | None
    key: SigningKey
    trust: Trust
    now: datetime
    ask: Ask
    draw: Callable[[int], bytes] = secrets.token_bytes
    """So many random bytes."""

    def propose(self, plan: BatchPlan, helper: str) -> int:
        """Store a proposal; `go_on` sends it. Raises BatchError (`already-answered`, `batch-terms`)."""
        if self.operator is None:
            raise BatchError("expected a hub that says who runs it", code=ProblemCode.BATCH_TERMS)
        own = HubSecrets.from_randomness(self.draw(SECRETS_SIZE))
        batch = steps.propose(plan, name=self.name, operator=self.operator, helper=helper, secrets=own)
        with self.database.write() as session:
            return sealed_store.propose(session, batch, now=self.now)

    def go_on(self, batch_id: int) -> str | None:
        """One step further. Raises HubUnreachable, HubRefused, or ContractError for an answer that does not hold."""
        with self.database.read() as session:
            stored = sealed_store.read_leader(session, batch_id)
        match stored.batch.state:
            case BatchState.PROPOSED:
                return self._agree(stored)
            case BatchState.OPEN:
                return self._close(stored) if self._is_over(stored) else None
            case BatchState.CLOSED:
                return self._decide(stored) if stored.batch.secrets is not None else self.give_up(stored)
            case BatchState.ANSWERED:
                return self._end(stored)
            case BatchState.COMMITTED:
                return self._publish(stored)
            case BatchState.PUBLISHED:
                return self._destroy(stored)
        return None

    # --- from the proposal to the close -----------------------------------------------------------------------------

    def _agree(self, stored: Stored[LeaderBatch]) -> str:
        if stored.batch.secrets is None or self.now >= parse_time(stored.batch.proposal.plan.closes):
            return self._drop(stored)
        with self.database.write() as session:
            question = sealed_store.ask_once(session, stored, Step.PROPOSAL)
        try:
            answer = ProposalAnswer.from_bytes(self.ask(stored.other, "proposals", None, question))
        except HubRefused:
            self._drop(stored)
            raise
        after, body = steps.agree(stored.batch, answer)
        with self.database.write() as session:
            said, entry = self._say(session, stored, Kind.BATCH, body)
            agreed = read_batch(said, self.trust.directory, at=self.now, position=entry)
            after = opened(after, agreed)
            sealed_store.change(session, stored, after)
        return after.state.value

    def _drop(self, stored: Stored[LeaderBatch]) -> str:
        return self._store(stored, dropped(stored.batch))

    def _is_over(self, stored: Stored[LeaderBatch]) -> bool:
        """At the close, or when every member has sent."""
        plan = agreed_of(stored.batch).plan
        if self.now >= parse_time(plan.closes):
            return True
        with self.database.read() as session:
            sent = select(func.count()).where(SealedShareRow.batch_id == stored.id, ~SealedShareRow.late)
            return session.scalar(sent) == len(plan.members)

    def _close(self, stored: Stored[LeaderBatch]) -> str:
        with self.database.write() as session:
            log.get_head(session, for_append=True)  # no share is on its way into the log
            again = sealed_store.read_leader(session, stored.id, lock=True)
            after = steps.closed(again.batch)
            sealed_store.change(session, again, after)
        return after.state.value

    # --- deciding ---------------------------------------------------------------------------------------------------

    def _decide(self, stored: Stored[LeaderBatch]) -> str:
        """Hand on every share, ask about all of them, and add up."""
        batch = agreed_of(stored.batch).digest
        with self.database.read() as session:
            shares, late = read_shares(session, stored.id), read_late(session, stored.id)
            envelopes = read_envelopes(session, stored.id)
        prepared = steps.prepare(stored.batch, shares, late=late)
        with self.database.write() as session:
            question = sealed_store.ask_once(session, stored, Step.PREPARE, prepared.request.to_bytes())
        try:
            for envelope in envelopes:
                self._hand_on(stored.other, batch, envelope)
            answer = PrepareAnswer.from_bytes(self.ask(stored.other, "prepare", batch, question))
            after, terms = steps.take_answer(stored.batch, prepared, answer)
        except (HubRefused, *NO_ANSWER) as error:
            return self._lose_patience(stored, error)
        with self.database.write() as session:
            sealed_store.change(session, stored, after)
            if isinstance(terms, VoidTerms):
                again = sealed_store.read_leader(session, stored.id)
                sealed_store.ask_once(session, again, Step.TOO_FEW, terms.to_bytes())
        return after.state.value

    def _hand_on(self, helper: str, batch: str, envelope: bytes) -> None:
        """A share goes to the second hub. Where that one has another of the same city, it answers so (`twice`)."""
        try:
            self.ask(helper, "shares", batch, envelope)
        except HubRefused as error:
            if error.code != ProblemCode.ALREADY_ANSWERED.value:
                raise

    def _end(self, stored: Stored[LeaderBatch]) -> str:
        """Ask for the signature of what came of it, and log it."""
        agreed, terms = agreed_of(stored.batch), stored.batch.roster_terms
        with self.database.write() as session:
            question = sealed_store.ask_once(session, stored, Step.TOO_FEW if terms is None else Step.ROSTER)
        try:
            answer = self.ask(stored.other, "void" if terms is None else "roster", agreed.digest, question)
            signature = Countersignature.from_bytes(answer)
        except (HubRefused, *NO_ANSWER) as error:
            return self._lose_patience(stored, error)
        if terms is None:
            return self._log_void(stored, VoidTerms.from_bytes(question), signature)
        with self.database.write() as session:
            said, entry = self._say(session, stored, Kind.ROSTER, RosterBody(terms=terms, helper=signature))
            roster = read_roster(said, agreed, self.trust.directory, at=self.now, position=entry)
            after = committed(stored.batch, roster)
            sealed_store.change(session, stored, after)
        return after.state.value

    def _lose_patience(self, stored: Stored[LeaderBatch], refused: Exception) -> str:
        """The second hub has refused, or answered what does not hold: wait, until the batch has waited long enough."""
        if self.now < parse_time(agreed_of(stored.batch).plan.closes) + PATIENCE:
            raise refused
        return self.give_up(stored)

    def give_up(self, stored: Stored[LeaderBatch]) -> str:
        """Both sign that nothing is opened, unless the second hub has signed a roster before: then it refuses."""
        terms = steps.give_up(stored.batch)
        with self.database.write() as session:
            question = sealed_store.ask_once(session, stored, Step.GIVEN_UP, terms.to_bytes())
        answer = self.ask(stored.other, "void", agreed_of(stored.batch).digest, question)
        return self._log_void(stored, terms, Countersignature.from_bytes(answer))

    def _log_void(self, stored: Stored[LeaderBatch], terms: VoidTerms, signature: Countersignature) -> str:
        with self.database.write() as session:
            said, entry = self._say(session, stored, Kind.VOID, VoidBody(terms=terms, helper=signature))
            read_void(said, agreed_of(stored.batch), self.trust.directory, at=self.now, position=entry)
            after = voided(stored.batch)
            sealed_store.change(session, stored, after)
        return after.state.value

    # --- opening ----------------------------------------------------------------------------------------------------

    def _publish(self, stored: Stored[LeaderBatch]) -> str | None:
        if stored.batch.sum is None:
            return None
        after, body = publish_sum(stored.batch)
        with self.database.write() as session:
            self._say(session, stored, Kind.AGGREGATE_SHARE, body)
            sealed_store.change(session, stored, after)
        return after.state.value

    def _destroy(self, stored: Stored[LeaderBatch]) -> str | None:
        batch = stored.batch
        if batch.roster is None:
            return None
        with self.database.read() as session:
            other = sealed_log.find_sum(session, self.trust.directory, agreed_of(batch), batch.roster, "helper")
        if other is None and self.now < parse_time(agreed_of(batch).plan.closes) + sealed_store.KEPT_AFTER_CLOSE:
            return None
        with self.database.write() as session:
            sealed_store.destroy(session, stored)
        return BatchState.DONE.value

    # --- storing and saying -----------------------------------------------------------------------------------------

    def _store(self, stored: Stored[LeaderBatch], after: LeaderBatch) -> str:
        with self.database.write() as session:
            sealed_store.change(session, stored, after)
        return after.state.value

    def _say(
        self, session: Session, stored: Stored[LeaderBatch], kind: Kind, body: StatementBody
    ) -> tuple[VerifiedStatement, int]:
        """Log a statement of this hub, in the transaction that stores the step: before the batch's row is locked."""
        audience = sealed_log.audience_for(self.trust.directory, self.level, stored.other)
        entry, said = publish_statement(session, kind, body, audience, name=self.name, key=self.key, now=self.now)
        return said, entry.index
