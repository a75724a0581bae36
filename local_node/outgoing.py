"""The outgoing log: every row of the outbox with when, to which hub, and what came of it, a page at a time.

For people of this node: unlike the page for everybody it has what waits, and what was said in confidence.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node.confidence import NO_SEQ
from local_node.orm import OutboxRow, WithdrawalRow
from local_node.outbox import ERASED, OutboxState
from shared_schema.entry import Receipt
from shared_schema.envelope import parse_envelope
from shared_schema.errors import ContractError

ROWS_A_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One envelope for one hub. `index` is its place in the hub's log, `kind` empty where the text is erased."""

    id: int
    signed_at: datetime
    hub: str
    kind: str
    digest: str
    seq: int | None
    state: OutboxState
    attempts: int
    reason: str | None
    index: int | None
    confirmed_at: datetime | None
    is_erased: bool


@dataclass(frozen=True, slots=True)
class OutgoingPage:
    """Some rows, newest first; `older` is the id before which the next page begins, None at the end."""

    rows: tuple[Outgoing, ...]
    older: int | None


def list_outgoing(session: Session, *, hub: str = "", before: int | None = None) -> OutgoingPage:
    """The newest rows, of one hub or of all, from before an id if one is given."""
    query = select(OutboxRow).order_by(OutboxRow.id.desc()).limit(ROWS_A_PAGE + 1)
    if hub:
        query = query.where(OutboxRow.hub == hub)
    if before is not None:
        query = query.where(OutboxRow.id < before)
    rows = session.scalars(query).all()
    erased = [row.digest for row in rows if row.envelope == ERASED]
    kinds = {row.item: row.kind for row in session.scalars(select(WithdrawalRow).where(WithdrawalRow.item.in_(erased)))}
    shown = tuple(_outgoing(row, kinds.get(row.digest, "")) for row in rows[:ROWS_A_PAGE])
    return OutgoingPage(shown, shown[-1].id if len(rows) > ROWS_A_PAGE else None)


def _outgoing(row: OutboxRow, kind: str) -> Outgoing:
    return Outgoing(
        id=row.id,
        signed_at=row.created_at,
        hub=row.hub,
        kind=kind if row.envelope == ERASED else parse_envelope(row.envelope).kind,
        digest=row.digest,
        seq=None if row.seq == NO_SEQ else row.seq,
        state=OutboxState(row.state),
        attempts=row.attempts,
        reason=row.reason,
        index=_index_of(row),
        confirmed_at=row.confirmed_at,
        is_erased=row.envelope == ERASED,
    )


def _index_of(row: OutboxRow) -> int | None:
    """The place in the hub's log; what was said in confidence has a receipt of another form, and no place."""
    if row.receipt is None or row.seq == NO_SEQ:
        return None
    try:
        return Receipt.from_bytes(row.receipt).index
    except ContractError:
        return None
