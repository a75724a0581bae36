"""What somebody has written that became a release: signed, taken back, or refused without a draft. The newest first."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from local_node.orm import OutboxRow, ReleaseRequestRow, WithdrawalRow
from local_node.outbox import OutboxState
from local_node.review import RequestState
from shared_schema.canonical import parse_strict
from shared_schema.statement import Kind

ENDED = (RequestState.SIGNED.value, RequestState.WITHDRAWN.value)


@dataclass(frozen=True, slots=True)
class WrittenItem:
    """A text that was signed. `is_received` once a hub has it; `title` is None when it is erased."""

    request: str
    digest: str
    kind: Kind
    title: str | None
    asked_at: datetime
    is_received: bool
    is_taken_back: bool


def list_sent_by(session: Session, person: str, *, limit: int) -> tuple[WrittenItem, ...]:
    """The signed texts that this person asked for or had a hand in."""
    row = ReleaseRequestRow
    query = select(row).where(
        row.state.in_(ENDED),
        row.kind != Kind.TREND.value,
        row.digest.is_not(None),
        or_(row.requested_by == person, row.writers.contains(f'"{person}"', autoescape=True)),
    )
    rows = session.scalars(query.order_by(row.number.desc()).limit(limit)).all()
    digests = [str(each.digest) for each in rows]
    received = set(
        session.scalars(
            select(OutboxRow.digest).where(
                OutboxRow.digest.in_(digests), OutboxRow.state == OutboxState.DELIVERED.value
            )
        )
    )
    back = set(
        session.scalars(
            select(WithdrawalRow.item).where(WithdrawalRow.item.in_(digests), WithdrawalRow.narrow_to.is_(None))
        )
    )
    return tuple(_item(each, str(each.digest) in received, str(each.digest) in back) for each in rows)


def _item(row: ReleaseRequestRow, is_received: bool, is_taken_back: bool) -> WrittenItem:
    body = parse_strict(row.body.encode())
    title = body.get("title") or body.get("text") or body.get("lessons")
    return WrittenItem(
        row.id, str(row.digest), Kind(row.kind), title, row.requested_at, is_received,
        is_taken_back or row.state == RequestState.WITHDRAWN.value,
    )  # fmt: skip
