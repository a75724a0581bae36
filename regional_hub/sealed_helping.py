"""The second hub of a sealed total: what it answers to the leader, each question once, and how it goes on by itself.

    helping = Helping(database, name, level, operator, key, trust, now)
    helping.hear_proposal("sachsen.de", question)      -> the answer, stored before it is given
    helping.hear_share("sachsen.de", batch, envelope)
    helping.hear_prepare("sachsen.de", batch, question)
    helping.hear_roster("sachsen.de", batch, question)
    helping.go_on(batch_id)                            -> what has happened, in a word

The leader has signed each request, and whose it is was verified before (`web.sealed_api`). What protects the cities
from a leader that lies is in `shared_schema.sealed.helper`, and here: no city is asked twice, and a batch whose roster
stands in any log is never void.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy.orm import Session

from regional_hub import log, sealed_arrivals, sealed_log, sealed_plan, sealed_store
from regional_hub.members import Trust
from regional_hub.publication import publish
from regional_hub.sealed_rows import subject_of
from regional_hub.sealed_shares import read_shares
from regional_hub.sealed_store import Stored
from shared_schema.directory import verify_with
from shared_schema.envelope import parse_envelope
from shared_schema.errors import BatchError, VerificationError
from shared_schema.governance import Level
from shared_schema.keys import SigningKey
from shared_schema.names import parse_time
from shared_schema.problem import ProblemCode
from shared_schema.sealed import helper as steps
from shared_schema.sealed.checks import check_proposal
from shared_schema.sealed.helper import HelperBatch
from shared_schema.sealed.hub import committed, dropped, opened
from shared_schema.sealed.hub import publish as publish_sum
from shared_schema.sealed.messages import check_question_size
from shared_schema.sealed.states import HAS_SECRETS, BatchState
from shared_schema.sealed.terms import BatchProposal
from shared_schema.service.database import Database
from shared_schema.statement import Kind, read_statement

NEVER_ANNOUNCED = timedelta(days=100)
"""So long after its close a batch that its leader has not announced is forgotten."""


@dataclass(frozen=True, slots=True)
class Helping:
    """This hub as a helper, at one moment. `operator` is who runs it, None where nobody has said so."""

    database: Database
    name: str
    level: Level
    operator: str | None
    key: SigningKey
    trust: Trust
    now: datetime
    draw: Callable[[int], bytes] = secrets.token_bytes
    """So many random bytes."""

    # --- what the leader asks ---------------------------------------------------------------------------------------

    def hear_proposal(self, leader: str, question: bytes) -> bytes:
        """Agree to a proposal of `leader`. The same one gets the same answer for ever.

        Raises ContractError: what `check_proposal` and `check_disjoint` raise, `already-answered`, and `batch-terms`
        while nobody has said who runs this hub.
        """
        check_question_size(question)
        with self.database.write() as session:
            log.lock_head(session)  # of two proposals at once, also in two processes, one sees the other's batch
            known = sealed_store.find_batch(session, "helper", proposal=sha256(question).hexdigest())
            if known is None:
                proposal = BatchProposal.from_bytes(question)
                facts = sealed_plan.facts_for(self.trust, proposal.plan, leader, self.now)
                check_proposal(proposal, leader=leader, facts=facts)
                sealed_plan.check_disjoint(session, proposal.plan, leader)
                sealed_plan.check_few_waiting(session, leader)
            return sealed_store.agree_once(session, leader, question, lambda: self._agree(question), now=self.now)

    def _agree(self, question: bytes) -> tuple[HelperBatch, bytes]:
        if self.operator is None:
            raise BatchError("expected a hub that says who runs it", code=ProblemCode.BATCH_TERMS)
        randomness = self.draw(steps.RANDOMNESS_SIZE)
        return steps.agree_to(question, name=self.name, operator=self.operator, randomness=randomness, key=self.key)

    def hear_share(self, leader: str, batch: str, stored: bytes) -> None:
        """Take a city's share that the leader hands on: the city's own signature counts.

        Raises ContractError (`unknown-key`, `key-not-valid`, `wrong-origin`, `already-answered`, `batch-state`).

        The leader hands it on weeks after it was sent. A city that has left since, was suspended or has lost its key
        is in the batch all the same: what counts is that its key had not ended when the batch was announced. Else one
        city could end a batch of a thousand.
        """
        envelope = parse_envelope(stored)
        known = self.trust.directory.find_key(envelope.keyid)
        if known is None:
            raise VerificationError("expected a key of the directory", code=ProblemCode.UNKNOWN_KEY)
        verified, _ = verify_with(envelope, (known,))
        if read_statement(verified).statement.origin != known.name:
            raise VerificationError("expected a share of the city that signed it", code=ProblemCode.WRONG_ORIGIN)
        with self.database.write() as session:
            sealed_log.check_counted_in(session, batch, known)
            sealed_arrivals.take_relayed(session, self._find(session, leader, batch), verified, at=self.now)

    def hear_prepare(self, leader: str, batch: str, question: bytes) -> bytes:
        """Look at every share, add up, and answer: once. It may take a minute, during which nothing is locked."""
        with self.database.read() as session:
            before = sealed_store.read_helper(session, self._find(session, leader, batch))
            after, answer = steps.answer_once(before.batch, read_shares(session, before.id), question)
        if after != before.batch:
            with self.database.write() as session:
                sealed_store.change(session, before, after)
        return answer

    def hear_roster(self, leader: str, batch: str, question: bytes) -> bytes:
        """Sign the roster that this hub's own answer leads to, once."""
        return self._sign(leader, batch, question, is_void=False)

    def hear_void(self, leader: str, batch: str, question: bytes) -> bytes:
        """Sign that nothing is opened, once; never for a batch whose roster is in the log of its leader."""
        return self._sign(leader, batch, question, is_void=True)

    def _sign(self, leader: str, batch: str, question: bytes, *, is_void: bool) -> bytes:
        sign = steps.sign_void_once if is_void else steps.sign_roster_once
        check_question_size(question)
        with self.database.write() as session:
            before = sealed_store.read_helper(session, self._find(session, leader, batch), lock=True)
            if is_void and sealed_log.has_said_roster(session, batch, leader):
                raise BatchError("expected no roster of this batch in the log", code=ProblemCode.ALREADY_ANSWERED)
            after, answer = sign(before.batch, question, self.key)
            if after != before.batch:
                sealed_store.change(session, before, after)
        return answer

    def _find(self, session: Session, leader: str, batch: str) -> int:
        found = sealed_store.find_batch(session, "helper", batch=batch)
        if found is None:
            raise BatchError("expected a batch that is in this hub's log; follow first")
        if sealed_store.read_helper(session, found).other != leader:
            raise BatchError("expected the batch's own leader", code=ProblemCode.NOT_FOUND)
        return found

    # --- what it does by itself -------------------------------------------------------------------------------------

    def go_on(self, batch_id: int) -> str | None:
        """One step further, as far as this hub's log allows; what was done, or None."""
        with self.database.read() as session:
            stored = sealed_store.read_helper(session, batch_id)
            after = self._follow(session, stored)
        if after is not None:
            return self._store(stored, after)
        if stored.batch.state is BatchState.COMMITTED and stored.batch.sum is not None:
            return self._publish(batch_id)
        if stored.batch.state is BatchState.PUBLISHED and self._may_destroy(stored):
            with self.database.write() as session:
                sealed_store.destroy(session, stored)
            return BatchState.DONE.value
        return None

    def _follow(self, session: Session, stored: Stored[HelperBatch]) -> HelperBatch | None:
        """The state that the log leads to, when it is another one."""
        batch = stored.batch
        if batch.terms is None or batch.state not in HAS_SECRETS:
            return None
        if batch.state is BatchState.AGREED:
            directory, subject = self.trust.directory, subject_of(batch.terms.plan)
            found = sealed_log.find_batch(session, directory, batch.terms, subject)
            if found is not None:
                return opened(batch, found)
            is_forgotten = self.now > parse_time(batch.terms.plan.closes) + NEVER_ANNOUNCED
            return dropped(batch) if is_forgotten else None
        if batch.state is BatchState.SIGNED and batch.agreed is not None:
            roster = sealed_log.find_roster(session, self.trust.directory, batch.agreed)
            return None if roster is None else committed(batch, roster)
        return None

    def _store(self, stored: Stored[HelperBatch], after: HelperBatch) -> str:
        with self.database.write() as session:
            sealed_store.change(session, stored, after)
        return after.state.value

    def _publish(self, batch_id: int) -> str:
        with self.database.write() as session:
            log.get_head(session, for_append=True)  # before the batch is locked, as at intake
            stored = sealed_store.read_helper(session, batch_id, lock=True)
            after, body = publish_sum(stored.batch)
            audience = sealed_log.audience_for(self.trust.directory, self.level, stored.other)
            publish(session, Kind.AGGREGATE_SHARE, body, audience, name=self.name, key=self.key, now=self.now)
            sealed_store.change(session, stored, after)
        return after.state.value

    def _may_destroy(self, stored: Stored[HelperBatch]) -> bool:
        batch = stored.batch
        if batch.agreed is None or batch.roster is None:
            return False
        with self.database.read() as session:
            found = sealed_log.find_sum(session, self.trust.directory, batch.agreed, batch.roster, "leader")
        return found is not None or self.now > parse_time(batch.agreed.plan.closes) + sealed_store.KEPT_AFTER_CLOSE
