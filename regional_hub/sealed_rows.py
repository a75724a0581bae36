"""A batch of a sealed total and its rows: how one becomes the other, and that what was said once is never replaced.

These are the values of `shared_schema.sealed`, as they were when they were stored: the gates that made them were
passed then. What reads or writes is one transaction of the caller, `sealed_store`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from regional_hub.orm import SealedBatchRow, SealedWordRow
from shared_schema import canonical
from shared_schema.errors import BatchError
from shared_schema.problem import ProblemCode
from shared_schema.sealed.agreed import AgreedBatch, AgreedRoster
from shared_schema.sealed.helper import HelperBatch
from shared_schema.sealed.hpke import PrivateKey
from shared_schema.sealed.hub import HubBatch
from shared_schema.sealed.leader import LeaderBatch
from shared_schema.sealed.messages import Answered
from shared_schema.sealed.states import HAS_SECRETS, TRANSITIONS, BatchState
from shared_schema.sealed.sums import HubSecrets
from shared_schema.sealed.terms import Attendance, BatchPlan, BatchProposal, BatchTerms, RosterTerms


class Step(StrEnum):
    """What a hub says once in a batch. A leader asks `PROPOSAL` to `GIVEN_UP`; a helper signs one `END`."""

    PROPOSAL = "proposal"
    PREPARE = "prepare"
    ROSTER = "roster"
    TOO_FEW = "too-few"
    GIVEN_UP = "given-up"
    ATTENDANCE = "attendance"
    SUM = "sum"
    END = "end"


@dataclass(frozen=True, slots=True)
class Word:
    """What stands in a row: the content, and the digest that stays of it."""

    digest: str
    content: bytes | None

    @classmethod
    def of(cls, content: bytes) -> "Word":
        return cls(hashlib.sha256(content).hexdigest(), content)

    @classmethod
    def answering(cls, answered: Answered) -> "Word":
        return cls(answered.question, answered.answer)


Words = Mapping[Step, Word]


def slot_of(plan: BatchPlan) -> str:
    """What there is one batch for: this table, this period, this set of cities."""
    about = {
        "members": list(plan.members), "period": plan.period.to_object(), "table": plan.table.to_object(),
    }  # fmt: skip
    return hashlib.sha256(canonical.encode(about)).hexdigest()


def subject_of(plan: BatchPlan) -> str:
    """`table@version/period`, as the log has it for figures."""
    return f"{plan.table.id}@{plan.table.version}/{plan.period.label}"


def plan_of(batch: LeaderBatch | HelperBatch) -> BatchPlan:
    """Raises BatchError for a helper without terms, which there is not."""
    if isinstance(batch, LeaderBatch):
        return batch.proposal.plan
    if batch.terms is None:
        raise BatchError("expected a batch with terms")
    return batch.terms.plan


# --- from rows ------------------------------------------------------------------------------------------------------


def read_words(session: Session, batch_id: int) -> dict[Step, Word]:
    rows = session.scalars(
        select(SealedWordRow).where(SealedWordRow.batch_id == batch_id).execution_options(populate_existing=True)
    )
    return {Step(row.step): Word(row.digest, row.content) for row in rows}


def leader_of(row: SealedBatchRow, words: Words) -> LeaderBatch:
    """The leader's batch in this row."""
    proposal = BatchProposal.from_bytes(_content(words, Step.PROPOSAL) or b"")
    own = _alike(row, words)
    return LeaderBatch(
        state=own.state, secrets=own.secrets, verify_key=own.verify_key, terms=own.terms, agreed=own.agreed,
        roster_terms=own.roster_terms, roster=own.roster, sum=own.sum, noise_seed=own.noise_seed, proposal=proposal,
    )  # fmt: skip


def helper_of(row: SealedBatchRow, words: Words) -> HelperBatch:
    """The helper's batch in this row."""
    own, attendance = _alike(row, words), _content(words, Step.ATTENDANCE)
    proposal = _answered(words, Step.PROPOSAL)
    if proposal is None:
        raise BatchError("expected a batch whose proposal was answered")
    return HelperBatch(
        state=own.state, secrets=own.secrets, verify_key=own.verify_key, terms=own.terms, agreed=own.agreed,
        roster_terms=own.roster_terms, roster=own.roster, sum=own.sum, noise_seed=own.noise_seed, proposal=proposal,
        attendance=None if attendance is None else Attendance.from_bytes(attendance),
        prepare=_answered(words, Step.PREPARE), end=_answered(words, Step.END),
    )  # fmt: skip


def _alike(row: SealedBatchRow, words: Words) -> HubBatch:
    terms = None if row.terms is None else BatchTerms.from_bytes(row.terms)
    roster = _content(words, Step.ROSTER)
    roster_terms = None if roster is None else RosterTerms.from_bytes(roster)
    state = BatchState(row.state)
    return HubBatch(
        state=state,
        secrets=None if row.hpke_key is None else HubSecrets(PrivateKey(row.hpke_key), row.noise_seed),
        verify_key=row.verify_key,
        terms=terms,
        agreed=None if row.batch is None or terms is None else AgreedBatch(terms, row.batch),
        roster_terms=roster_terms,
        roster=None if row.roster is None or roster_terms is None else AgreedRoster(roster_terms, row.roster),
        sum=_content(words, Step.SUM),
        noise_seed=row.noise_seed if state is BatchState.DONE else None,
    )


def _content(words: Words, step: Step) -> bytes | None:
    return words[step].content if step in words else None


def _answered(words: Words, step: Step) -> Answered | None:
    content = _content(words, step)
    return None if content is None else Answered(words[step].digest, content)


# --- to rows --------------------------------------------------------------------------------------------------------


def words_of(batch: LeaderBatch | HelperBatch) -> dict[Step, Word]:
    """What this batch says of itself. Whatever else a leader asks is stored when it is asked (`ask_once`)."""
    found: dict[Step, Word] = {}
    if batch.roster_terms is not None:
        found[Step.ROSTER] = Word.of(batch.roster_terms.to_bytes())
    if batch.sum is not None:
        found[Step.SUM] = Word.of(batch.sum)
    if isinstance(batch, LeaderBatch):
        return found | {Step.PROPOSAL: Word.of(batch.proposal.to_bytes())}
    found[Step.PROPOSAL] = Word.answering(batch.proposal)
    if batch.attendance is not None:
        found[Step.ATTENDANCE] = Word.of(batch.attendance.to_bytes())
    for step, answered in ((Step.PREPARE, batch.prepare), (Step.END, batch.end)):
        if answered is not None:
            found[step] = Word.answering(answered)
    return found


def add_row(session: Session, batch: LeaderBatch | HelperBatch, *, other: str, now: datetime) -> SealedBatchRow:
    """A new row with all its words. The database refuses a second one for a slot, or for a proposal."""
    words = words_of(batch)
    if batch.secrets is None:
        raise BatchError("expected a batch whose keys are here")
    plan = plan_of(batch)
    row = SealedBatchRow(
        role=batch.role, other=other, slot=slot_of(plan), subject=subject_of(plan), state=batch.state.value,
        made_at=now, proposal=words[Step.PROPOSAL].digest, noise_seed=batch.secrets.noise_seed, **_columns(batch),
    )  # fmt: skip
    session.add(row)
    session.flush()
    add_words(session, row.id, {}, words)
    return row


def change_row(session: Session, row_id: int, before: BatchState, batch: LeaderBatch | HelperBatch) -> None:
    """Move on a row that the caller has locked. Raises BatchError for a step that the transition table does not have,
    or when the row is not where it was."""
    if batch.state is not before and batch.state not in _after(batch, before):
        raise BatchError(f"expected a step of the table from {before.value}, got {batch.state.value}")
    changed = session.execute(
        update(SealedBatchRow)
        .where(SealedBatchRow.id == row_id, SealedBatchRow.state == before.value)
        .values(state=batch.state.value, **_columns(batch))
        .execution_options(synchronize_session=False)
    )
    if getattr(changed, "rowcount", 0) != 1:
        raise BatchError("expected a batch that nobody else has moved on")


def add_words(session: Session, row_id: int, known: Words, words: Words) -> None:
    """Add what is new. Raises BatchError (`already-answered`) for another word than one that was said."""
    for step, word in words.items():
        if step not in known:
            session.add(SealedWordRow(batch_id=row_id, step=step.value, digest=word.digest, content=word.content))
        elif known[step] != word:
            raise BatchError("expected what was said before", code=ProblemCode.ALREADY_ANSWERED)
    session.flush()


def _after(batch: LeaderBatch | HelperBatch, before: BatchState) -> set[BatchState]:
    return {after for (state, _), after in TRANSITIONS[batch.role].items() if state is before}


def _columns(batch: LeaderBatch | HelperBatch) -> dict[str, bytes | str | None]:
    kept = batch.secrets if batch.state in HAS_SECRETS else None
    return {
        "terms": None if batch.terms is None else batch.terms.to_bytes(),
        "batch": None if batch.agreed is None else batch.agreed.digest,
        "roster": None if batch.roster is None else batch.roster.digest,
        "hpke_key": None if kept is None else kept.key.raw,
        "verify_key": None if kept is None else batch.verify_key,
    }
