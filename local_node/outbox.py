"""The outbox: signed envelopes on their way to the hubs, one row per envelope and hub.

Rows leave in order of `seq`, because a hub takes no lower seq after a higher one; what is said in confidence has none
and goes first. A row that waits for its next try holds back those behind it, a refused one does not. States change by
compare-and-swap:

    waiting -> sending -> delivered | refused | waiting (later, with the reason) | withdrawn

What is taken back loses its bytes in every row and is never sent again (`erase`); a row that waited becomes withdrawn.

A row that a crash left in `sending` is taken up again at the next start (`take_up_again`); sending it twice is
harmless, because a hub answers the same envelope with the same receipt for ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from local_node.errors import NodeError
from local_node.orm import OutboxRow
from shared_schema.entry import Receipt
from shared_schema.envelope import Envelope, parse_envelope
from shared_schema.service.database import forget

FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
"""A hub that has been away for a while is asked once an hour, so that its return is not a stampede."""


ERASED = b""
"""In place of an envelope that was taken back; the digest and the receipt stay."""


class OutboxState(StrEnum):
    WAITING = "waiting"
    SENDING = "sending"
    DELIVERED = "delivered"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


UNSETTLED = (OutboxState.WAITING.value, OutboxState.SENDING.value)


class OutboxError(NodeError):
    """A row is not in the state that this step starts from."""

    code = "outbox"


@dataclass(frozen=True, slots=True)
class ClaimedItem:
    """An envelope that is ours to send, and nobody else's. Only `claim_next` makes one."""

    row_id: int
    hub: str
    digest: str
    seq: int
    envelope: bytes
    attempts: int


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """One row, for people."""

    hub: str
    digest: str
    seq: int
    state: OutboxState
    attempts: int
    reason: str | None
    next_try_at: datetime | None
    created_at: datetime


def enqueue(session: Session, envelope: Envelope, seq: int, hubs: Sequence[str], now: datetime) -> None:
    """Put a signed envelope in the way of every hub in `hubs`; the same one twice has the effect of once."""
    known = set(session.scalars(select(OutboxRow.hub).where(OutboxRow.digest == envelope.digest)))
    for hub in hubs:
        if hub in known:
            continue
        session.add(
            OutboxRow(
                digest=envelope.digest,
                seq=seq,
                envelope=envelope.stored_bytes,
                hub=hub,
                state=OutboxState.WAITING.value,
                attempts=0,
                created_at=now,
            )
        )
    session.flush()


def claim_next(session: Session, hub: str, now: datetime, *, patient: bool = True) -> ClaimedItem | None:
    """Take the next row of `hub`, or None when nothing is due.

    A patient caller keeps to the time of the next try; a person who asks for a sync does not have to.
    """
    row = session.scalars(
        select(OutboxRow)
        .where(OutboxRow.hub == hub, OutboxRow.state.in_(UNSETTLED))
        .order_by(OutboxRow.seq, OutboxRow.id)
        .limit(1)
    ).first()
    if row is None or (patient and row.next_try_at is not None and row.next_try_at > now):
        return None
    claimed = session.execute(
        update(OutboxRow)
        .where(OutboxRow.id == row.id, OutboxRow.state == OutboxState.WAITING.value)
        .values(state=OutboxState.SENDING.value)
        .execution_options(synchronize_session=False)
    )
    if claimed.rowcount != 1:  # type: ignore[attr-defined]
        return None  # another worker got there first
    return ClaimedItem(row.id, row.hub, row.digest, row.seq, row.envelope, row.attempts)


def mark_delivered(session: Session, item: ClaimedItem, receipt: Receipt | Envelope) -> None:
    """The hub has proved that it logged the item, or signed that it holds it in confidence.

    The receipt must have been verified before.
    """
    _settle(session, item, state=OutboxState.DELIVERED.value, receipt=receipt.to_bytes(), reason=None, next_try_at=None)


def mark_refused(session: Session, item: ClaimedItem, code: str) -> None:
    """The hub will never take this item; those behind it go on."""
    _settle(session, item, state=OutboxState.REFUSED.value, reason=code, next_try_at=None)


def put_back(
    session: Session, item: ClaimedItem, reason: str, now: datetime, *, retry_after: int | None = None
) -> datetime:
    """Leave the item for later with its reason, and return when the next try is due."""
    wait = max(wait_after(item.attempts), timedelta(seconds=retry_after or 0))
    next_try_at = now + min(wait, LONGEST_WAIT)
    _settle(session, item, state=OutboxState.WAITING.value, reason=reason, next_try_at=next_try_at)
    _close_erased(session)
    return next_try_at


def wait_after(failed_attempts: int) -> timedelta:
    """How long to wait after so many failures before this one: doubling from half a minute to an hour."""
    doublings: int = 2 ** min(failed_attempts, 20)
    return min(FIRST_WAIT * doublings, LONGEST_WAIT)


def take_up_again(session: Session) -> int:
    """Put back what a crash left in `sending`; called once at the start, when nobody can be sending."""
    taken = session.execute(
        update(OutboxRow)
        .where(OutboxRow.state == OutboxState.SENDING.value)
        # it may have arrived: from now on it counts as sent
        .values(state=OutboxState.WAITING.value, next_try_at=None, attempts=OutboxRow.attempts + 1)
        .execution_options(synchronize_session=False)
    )
    _close_erased(session)
    return int(taken.rowcount)  # type: ignore[attr-defined]


def waits_with_another_key(session: Session, keyid: str) -> bool:
    """Whether something waits that was signed with another key than this one."""
    waiting = session.scalars(
        select(OutboxRow.envelope).where(OutboxRow.state.in_(UNSETTLED), OutboxRow.envelope != ERASED)
    )
    return any(parse_envelope(envelope).keyid != keyid for envelope in waiting)


def erase(session: Session, digest: str) -> None:
    """Erase an item's bytes in every row; one that waits is withdrawn, one on its way right now when that has ended."""
    session.execute(
        update(OutboxRow)
        .where(OutboxRow.digest == digest)
        .values(envelope=ERASED)
        .execution_options(synchronize_session="fetch")
    )
    _close_erased(session)
    forget(session, "outbox")


def _close_erased(session: Session) -> None:
    session.execute(
        update(OutboxRow)
        .where(OutboxRow.state == OutboxState.WAITING.value, OutboxRow.envelope == ERASED)
        .values(state=OutboxState.WITHDRAWN.value, next_try_at=None)
        .execution_options(synchronize_session="fetch")
    )


def remove(session: Session, digest: str) -> None:
    """Take an item out that never left. Raises OutboxError when somebody has begun to send it meanwhile."""
    removed = session.execute(
        delete(OutboxRow).where(
            OutboxRow.digest == digest, OutboxRow.state == OutboxState.WAITING.value, OutboxRow.attempts == 0
        )
    )
    if session.scalars(select(OutboxRow.id).where(OutboxRow.digest == digest)).first() is not None:
        raise OutboxError("expected an item that nobody has begun to send")
    if removed.rowcount:  # type: ignore[attr-defined]
        forget(session, "outbox")


def list_rows(session: Session, *, state: OutboxState | None = None, limit: int = 500) -> tuple[OutboxItem, ...]:
    """The rows, newest first."""
    query = select(OutboxRow).order_by(OutboxRow.seq.desc(), OutboxRow.hub).limit(limit)
    if state is not None:
        query = query.where(OutboxRow.state == state.value)
    return tuple(
        OutboxItem(
            hub=row.hub,
            digest=row.digest,
            seq=row.seq,
            state=OutboxState(row.state),
            attempts=row.attempts,
            reason=row.reason,
            next_try_at=row.next_try_at,
            created_at=row.created_at,
        )
        for row in session.scalars(query)
    )


def count_rows(session: Session) -> dict[OutboxState, int]:
    """How many rows stand in every state."""
    rows = session.execute(select(OutboxRow.state, func.count()).group_by(OutboxRow.state))
    return {OutboxState(state): count for state, count in rows}


def _settle(session: Session, item: ClaimedItem, **values: object) -> None:
    changed = session.execute(
        update(OutboxRow)
        .where(OutboxRow.id == item.row_id, OutboxRow.state == OutboxState.SENDING.value)
        .values(attempts=item.attempts + 1, **values)
        .execution_options(synchronize_session=False)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise OutboxError(f"expected row {item.row_id} of the outbox to be in sending")
