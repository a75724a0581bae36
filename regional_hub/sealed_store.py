"""A hub keeps its batches of sealed totals through every crash, as leader and as helper.

Every step is one transaction: read, let `shared_schema.sealed` say what comes next, store that, and only then send it.

    with database.read() as session:
        before = read_helper(session, batch_id)
        after, answer = answer_once(before.batch, read_shares(session, batch_id), question)   # may take a minute
    with database.write() as session:
        change(session, before, after)                                     # or nothing, when somebody was faster
    send(answer)

`change` locks the row and compares it with what was read, so of two processes one goes on, and the other is refused
and reads again: then the answer is there. Whoever sends the same question again gets the same bytes; the database
itself has room for one word only of each kind.

What opens shares is erased with the step that ends a batch. A hub that has gone back to an earlier state, or may have,
erases it everywhere (`erase_secrets`): it could have answered something that it no longer knows, and without keys it
cannot answer another time. What it had not signed by then can only end as void.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Generic, TypeVar

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from regional_hub.orm import SealedBatchRow, SealedWordRow
from regional_hub.sealed_rows import (
    Step,
    Word,
    add_row,
    add_words,
    change_row,
    helper_of,
    leader_of,
    plan_of,
    read_words,
    words_of,
)
from regional_hub.sealed_shares import erase_shares, read_digests
from shared_schema.errors import BatchError
from shared_schema.names import parse_time
from shared_schema.problem import ProblemCode
from shared_schema.sealed.helper import HelperBatch
from shared_schema.sealed.hub import check_may, destroyed
from shared_schema.sealed.leader import LeaderBatch
from shared_schema.sealed.states import HAS_SECRETS, BatchEvent, BatchState
from shared_schema.sealed.terms import Role
from shared_schema.service.database import forget

KEPT_AFTER_CLOSE: Final = timedelta(days=30)
"""So long after the close keys and shares wait for the other hub; then they go, however far the batch is."""
TABLES = ("sealed_batches", "sealed_shares", "sealed_words")
Batch = TypeVar("Batch", LeaderBatch, HelperBatch)


@dataclass(frozen=True, slots=True)
class Stored(Generic[Batch]):
    """A batch as it is in the database, the hub on the other side, and the digests of the shares that have come."""

    id: int
    other: str
    batch: Batch
    shares: frozenset[str]


# --- reading ----------------------------------------------------------------------------------------------------------


def find_batch(session: Session, role: Role, *, proposal: str | None = None, batch: str | None = None) -> int | None:
    """The batch of a proposal (SHA-256 of its bytes), or of the digest of a statement."""
    column, value = (SealedBatchRow.proposal, proposal) if batch is None else (SealedBatchRow.batch, batch)
    return session.scalar(select(SealedBatchRow.id).where(SealedBatchRow.role == role, column == value))


def list_batches(session: Session, role: Role, *, all_of_them: bool = False) -> list[int]:
    """The batches that have not ended, oldest first: with these a hub goes on when it starts."""
    query = select(SealedBatchRow.id).where(SealedBatchRow.role == role).order_by(SealedBatchRow.id)
    if not all_of_them:
        query = query.where(SealedBatchRow.state.in_(sorted(state.value for state in HAS_SECRETS)))
    return list(session.scalars(query))


def list_of(session: Session, role: Role, subject: str) -> list[SealedBatchRow]:
    """All batches of a table and period, newest first, ended ones as well."""
    mine = (SealedBatchRow.role == role, SealedBatchRow.subject == subject)
    return list(session.scalars(select(SealedBatchRow).where(*mine).order_by(SealedBatchRow.id.desc())))


def read_leader(session: Session, batch_id: int, *, lock: bool = False) -> Stored[LeaderBatch]:
    """Raises BatchError when this hub leads no such batch. With `lock` nobody else can move it on until the end."""
    row = _row(session, batch_id, "leader", lock)
    batch = leader_of(row, read_words(session, row.id))
    return Stored(row.id, row.other, batch, read_digests(session, row.id))


def read_helper(session: Session, batch_id: int, *, lock: bool = False) -> Stored[HelperBatch]:
    """As `read_leader`, of a batch that this hub helps with."""
    row = _row(session, batch_id, "helper", lock)
    batch = helper_of(row, read_words(session, row.id))
    return Stored(row.id, row.other, batch, read_digests(session, row.id))


def _row(session: Session, batch_id: int, role: Role, lock: bool) -> SealedBatchRow:
    query = select(SealedBatchRow).where(SealedBatchRow.id == batch_id, SealedBatchRow.role == role)
    query = query.with_for_update() if lock else query
    row = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise BatchError("expected a batch of this hub")
    return row


def is_asked(session: Session, batch_id: int) -> bool:
    """Whether the leader has asked about the shares: from then on it is fixed which cities came too late."""
    return Step.PREPARE in read_words(session, batch_id)


# --- beginning --------------------------------------------------------------------------------------------------------


def propose(session: Session, batch: LeaderBatch, *, now: datetime) -> int:
    """Keep a proposal before it is sent; `ask_once` has its bytes.

    Raises BatchError (`already-answered`) when there is a batch for this table, period and set of cities.
    """
    return _begin(session, batch, batch.proposal.helper, now)


def agree_once(
    session: Session, leader: str, question: bytes, agree: Callable[[], tuple[HelperBatch, bytes]], *, now: datetime
) -> bytes:
    """The answer to a proposal of `leader`, made and stored when it comes for the first time.

    Raises what `agree` raises, and BatchError (`already-answered`) for another proposal about the same.
    """
    proposal = sha256(question).hexdigest()
    known = find_batch(session, "helper", proposal=proposal)
    if known is None:
        batch, answer = agree()
        try:
            _begin(session, batch, leader, now)
        except BatchError:  # another process may have been faster, with this very question
            known = find_batch(session, "helper", proposal=proposal)
            if known is None:
                raise
        else:
            return answer
    stored = read_helper(session, known)
    if stored.other != leader:
        raise BatchError("expected the leader's own proposal", code=ProblemCode.ALREADY_ANSWERED)
    return stored.batch.proposal.answer


def _begin(session: Session, batch: LeaderBatch | HelperBatch, other: str, now: datetime) -> int:
    try:
        with session.begin_nested():
            return add_row(session, batch, other=other, now=now).id
    except IntegrityError:
        code = ProblemCode.ALREADY_ANSWERED
        raise BatchError("expected one batch for a table, a period and a set of cities", code=code) from None


# --- going on ---------------------------------------------------------------------------------------------------------


def change(session: Session, before: Stored[Batch], after: Batch) -> None:
    """Store the next step of a batch. With a step that ends it, keys and shares are erased; digests and seed stay.

    Raises BatchError and changes nothing when the batch is not what was read any more: then read it again.
    """
    now: object = (read_leader if before.batch.role == "leader" else read_helper)(session, before.id, lock=True)
    if now != before:
        raise BatchError("expected a batch that nobody else has moved on")
    change_row(session, before.id, before.batch.state, after)
    known = read_words(session, before.id)
    add_words(session, before.id, known, words_of(after))
    if after.state not in HAS_SECRETS:
        _erase_ended(session, before.id, after)


def ask_once(session: Session, stored: Stored[LeaderBatch], step: Step, question: bytes | None = None) -> bytes:
    """What this leader asks the helper in a step: stored before it is sent, the same bytes at every time.

    Without a question, what was stored before. Raises BatchError (`already-answered`) for another one than that, and
    (`batch-state`) for a new one that was made of an earlier state: a share may have come late while it was made, and
    a question that leaves it out could never be made again.
    """
    now = read_leader(session, stored.id, lock=True)
    words = read_words(session, stored.id)
    if question is not None:
        if step not in words and now != stored:
            raise BatchError("expected a batch that nobody else has moved on")
        add_words(session, stored.id, words, {step: Word.of(question)})
        return question
    content = words[step].content if step in words else None
    if content is None:
        raise BatchError("expected a question that is to be asked")
    return content


def destroy(session: Session, stored: Stored[Batch]) -> None:
    """Both sums are in the logs: end the batch. A hub whose keys are gone already ends it as well."""
    batch = stored.batch
    if batch.secrets is None:
        row = _row(session, stored.id, batch.role, lock=True)
        change(session, stored, replace(batch, state=check_may(batch, BatchEvent.DESTROY), noise_seed=row.noise_seed))
    else:
        change(session, stored, destroyed(batch))


# --- destroying -------------------------------------------------------------------------------------------------------


def erase_secrets(session: Session, batch_id: int | None = None) -> int:
    """Erase whatever opens a share, in one batch or in all; how many had something. What was fixed before stays."""
    mine = () if batch_id is None else (SealedBatchRow.id == batch_id,)
    erased = session.execute(
        update(SealedBatchRow)
        .where(SealedBatchRow.hpke_key.is_not(None), *mine)
        .values(hpke_key=None, verify_key=None)
        .execution_options(synchronize_session="fetch")
    )
    erase_shares(session, batch_id)
    forget(session, *TABLES)
    return int(getattr(erased, "rowcount", 0))


def is_kept_too_long(stored: Stored[LeaderBatch] | Stored[HelperBatch], now: datetime) -> bool:
    """Whether keys and shares of this batch have waited long enough for its end.

    Also when the other hub has gone for good: what was not signed by then can only end as void, as after a restore.
    """
    closes = parse_time(plan_of(stored.batch).closes)
    return stored.batch.secrets is not None and now > closes + KEPT_AFTER_CLOSE


def _erase_ended(session: Session, batch_id: int, after: LeaderBatch | HelperBatch) -> None:
    """The row itself has lost its keys with the step."""
    erase_shares(session, batch_id)
    steps = [Step.SUM] if after.state is BatchState.VOID else []
    steps += [Step.PREPARE] if isinstance(after, LeaderBatch) else []
    session.execute(
        update(SealedWordRow)
        .where(SealedWordRow.batch_id == batch_id, SealedWordRow.step.in_([step.value for step in steps]))
        .values(content=None)
        .execution_options(synchronize_session="fetch")
    )
    forget(session, *TABLES)
