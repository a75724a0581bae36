"""Who has confirmed what this city took back: what its hubs say of that, asked for while something is open."""

from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node.orm import OutboxRow, RecallRow, WithdrawalRow
from local_node.outbox import OutboxState
from shared_schema import canonical
from shared_schema.entry import Receipt
from shared_schema.recall import Recall, Tally, add_up, is_settled
from shared_schema.service.database import Database
from shared_schema.service.hub_api import HubApi, HubRefused, HubUnreachable

MAX_PAGES = 50


def ask(database: Database, hub: str, api: HubApi, clock: Callable[[], datetime]) -> None:
    """Ask a hub about the withdrawals of this city that are not settled there, and store what it says.

    A hub that is away or of an older release says nothing; then what it said last stands.
    """
    with database.read() as session:
        wanted = _open_at(session, hub)
    if not wanted:
        return
    found: dict[str, Recall] = {}
    since: int | None = min(wanted.values())
    try:
        for _ in range(MAX_PAGES):
            if since is None:
                break
            page = api.recalls(since)
            found |= {each.withdrawal: each for each in page.recalls if each.withdrawal in wanted}
            since = page.next if page.next is not None and page.next > since else None
    except (HubRefused, HubUnreachable):
        if not found:
            return
    with database.write() as session:
        for recall in found.values():
            session.merge(_row(hub, recall, clock()))


def _row(hub: str, recall: Recall, now: datetime) -> RecallRow:
    return RecallRow(
        hub=hub,
        withdrawal=recall.withdrawal,
        item=recall.item,
        holders=recall.holders,
        confirmed=recall.confirmed,
        unreachable=recall.unreachable,
        unheard=recall.unheard,
        late=canonical.encode({"names": list(recall.late)}).decode(),
        asked_at=now,
    )


def _open_at(session: Session, hub: str) -> Mapping[str, int]:
    """Digest → index in the hub's log of every withdrawal that was delivered there and is not settled."""
    rows = session.execute(
        select(OutboxRow.digest, OutboxRow.receipt)
        .join(WithdrawalRow, WithdrawalRow.digest == OutboxRow.digest)
        .where(
            OutboxRow.hub == hub,
            OutboxRow.state == OutboxState.DELIVERED.value,
            WithdrawalRow.in_confidence.is_(False),
        )
    )
    settled = {
        row.withdrawal for row in session.scalars(select(RecallRow).where(RecallRow.hub == hub)) if is_settled(row)
    }
    return {
        digest: Receipt.from_bytes(receipt).index
        for digest, receipt in rows
        if receipt is not None and digest not in settled
    }


def tally_of(session: Session, withdrawal: str) -> tuple[Tally, datetime] | None:
    """What the hubs said last about a withdrawal, added up, and when the oldest of them said it; None for nothing."""
    rows = session.scalars(select(RecallRow).where(RecallRow.withdrawal == withdrawal)).all()
    if not rows:
        return None
    tallies = (
        Tally(
            row.holders, row.confirmed, row.unreachable, row.unheard,
            tuple(canonical.parse_strict(row.late.encode())["names"]),
        )
        for row in rows
    )  # fmt: skip
    return add_up(tallies), min(row.asked_at for row in rows)
