"""What this city has said, item by item: on its way, received, refused, taken back. One item has a row for every hub.

page = list_sent(session, Shelf.WAITING, limit=50)
page[0].rows[0].state                  OutboxState.WAITING
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, exists, func, select, true
from sqlalchemy.orm import Session, aliased

from local_node import recalls
from local_node.orm import InboxRow, OutboxRow, ReleaseRequestRow, WithdrawalRow
from local_node.outbox import ERASED, UNSETTLED, OutboxState
from shared_schema.canonical import parse_strict
from shared_schema.entry import Receipt
from shared_schema.errors import ContractError
from shared_schema.recall import Tally
from shared_schema.statement import Kind


class Shelf(StrEnum):
    """One way to look at what was sent."""

    ALL = "all"
    WAITING = "waiting"
    SENT = "sent"
    REFUSED = "refused"
    BACK = "back"


def _lies_on(shelf: Shelf, row: type[OutboxRow]) -> ColumnElement[bool]:
    """Whether a row of the outbox puts its item on a shelf."""
    match shelf:
        case Shelf.WAITING:
            return row.state.in_(UNSETTLED)
        case Shelf.SENT:
            return and_(row.state == OutboxState.DELIVERED.value, func.length(row.envelope) > 0)
        case Shelf.REFUSED:
            return row.state == OutboxState.REFUSED.value
        case Shelf.BACK:
            return row.digest.in_(select(WithdrawalRow.item))
        case Shelf.ALL:
            return true()


@dataclass(frozen=True, slots=True)
class HubRow:
    """How far an item is with one hub. `index` is its place in the hub's log, once there is a receipt."""

    hub: str
    state: OutboxState
    attempts: int
    reason: str | None
    next_try_at: datetime | None
    index: int | None


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A withdrawal of an item, and what the hubs have said of it; `tally` is None before they have."""

    asked_at: datetime
    asked_by: str
    reason: str
    narrow_to: str | None
    is_open: bool
    in_confidence: bool
    tally: Tally | None
    told_at: datetime | None


@dataclass(frozen=True, slots=True)
class SentItem:
    """One signed item. `title` is None for what has none or is erased; `came_back` once it stood in a hub's feed."""

    digest: str
    kind: Kind
    title: str | None
    subject: str | None
    request: str | None
    created_at: datetime
    rows: tuple[HubRow, ...]
    taken_back: TakenBack | None
    came_back: bool

    @property
    def was_sent(self) -> bool:
        """Whether a hub may have it."""
        return any(row.state is not OutboxState.WAITING or row.attempts > 0 for row in self.rows)


def list_sent(session: Session, shelf: Shelf, *, limit: int, offset: int = 0) -> tuple[SentItem, ...]:
    """Items, the newest first; what takes another back is told with that one."""
    newer = aliased(OutboxRow)
    has_newer = exists().where(newer.digest == OutboxRow.digest, newer.id > OutboxRow.id, _lies_on(shelf, newer))
    query = select(OutboxRow.digest).where(
        OutboxRow.digest.not_in(_TAKING_BACK), _lies_on(shelf, OutboxRow), ~has_newer
    )
    digests = session.scalars(query.order_by(OutboxRow.id.desc()).limit(limit).offset(offset)).all()
    return tuple(_read(session, digests))


def count_sent(session: Session) -> dict[Shelf, int]:
    """How many items lie on every shelf; one that is on its way to a hub and received by another lies on both.

    Each is counted in an index. No row is read for it but those of items whose text may be erased.
    """
    count = select(func.count(OutboxRow.digest.distinct())).where(OutboxRow.digest.not_in(_TAKING_BACK))
    counts = {
        shelf: session.scalar(count.where(_lies_on(shelf, OutboxRow))) or 0
        for shelf in Shelf
        if shelf is not Shelf.SENT
    }
    delivered = count.where(OutboxRow.state == OutboxState.DELIVERED.value)
    erased = delivered.where(OutboxRow.digest.in_(select(WithdrawalRow.item)), func.length(OutboxRow.envelope) == 0)
    return counts | {Shelf.SENT: (session.scalar(delivered) or 0) - (session.scalar(erased) or 0)}


def find_sent(session: Session, digest: str) -> SentItem | None:
    """One item by its whole digest; None for what takes another back as well."""
    known = select(OutboxRow.digest).where(OutboxRow.digest == digest, OutboxRow.digest.not_in(_TAKING_BACK))
    return next(iter(_read(session, session.scalars(known.limit(1)).all())), None)


def find_bytes(session: Session, digest: str) -> bytes | None:
    """The signed envelope as it is stored; None when it is erased or was never here."""
    query = select(OutboxRow.envelope).where(OutboxRow.digest == digest, OutboxRow.envelope != ERASED)
    return session.scalars(query.limit(1)).first()


_TAKING_BACK = select(WithdrawalRow.digest).where(WithdrawalRow.digest.is_not(None))


def _read(session: Session, digests: Sequence[str]) -> list[SentItem]:
    rows: defaultdict[str, list[OutboxRow]] = defaultdict(list)
    for row in session.scalars(select(OutboxRow).where(OutboxRow.digest.in_(digests)).order_by(OutboxRow.hub)):
        rows[row.digest].append(row)
    known = {
        row.digest: row
        for row in session.scalars(select(ReleaseRequestRow).where(ReleaseRequestRow.digest.in_(digests)))
    }
    back = {
        row.item: row
        for row in session.scalars(
            select(WithdrawalRow).where(WithdrawalRow.item.in_(digests)).order_by(WithdrawalRow.id)
        )
    }
    seen = set(session.scalars(select(InboxRow.digest).where(InboxRow.digest.in_(digests))))
    return [
        _item(session, digest, rows[digest], known.get(digest), back.get(digest), digest in seen) for digest in digests
    ]


def _item(
    session: Session,
    digest: str,
    rows: Sequence[OutboxRow],
    request: ReleaseRequestRow | None,
    back: WithdrawalRow | None,
    came_back: bool,
) -> SentItem:
    body = {} if request is None else parse_strict(request.body.encode())
    kind = Kind(request.kind) if request is not None else Kind(back.kind) if back is not None else Kind.WITHDRAWAL
    return SentItem(
        digest=digest,
        kind=kind,
        title=body.get("title") or body.get("text") or body.get("lessons"),
        subject=None if request is None else request.subject,
        request=None if request is None else request.id,
        created_at=min(row.created_at for row in rows),
        rows=tuple(
            HubRow(row.hub, OutboxState(row.state), row.attempts, row.reason, row.next_try_at, _index(row))
            for row in rows
        ),
        taken_back=None if back is None else _taken_back(session, back),
        came_back=came_back,
    )


def _index(row: OutboxRow) -> int | None:
    """The place in the hub's log; what was said in confidence has another receipt, and what waits has none."""
    try:
        return Receipt.from_bytes(row.receipt or b"").index
    except ContractError:
        return None


def _taken_back(session: Session, row: WithdrawalRow) -> TakenBack:
    said = None if row.digest is None else recalls.tally_of(session, row.digest)
    return TakenBack(
        row.asked_at,
        row.asked_by,
        row.reason,
        row.narrow_to,
        row.is_open,
        row.in_confidence,
        None if said is None else said[0],
        None if said is None else said[1],
    )
