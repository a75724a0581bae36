"""After a restore: what this city has signed since the copy was made comes back into its records.

The hub shows every city its own statements, and the inbox has verified them. Without this, a node from an old copy
would not know what it has said: it could not take it back, and it would say once more what waited to be signed in the
copy. So each one gets its row in the outbox again, as delivered, and a request with the very same words counts as
signed.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import audit, request_store
from local_node.inbox import InboxState
from local_node.orm import InboxRow, OutboxRow
from local_node.outbox import OutboxState
from local_node.review import RequestState
from shared_schema import canonical
from shared_schema.envelope import parse_envelope

PROGRAM = "local-node"


def take_back(session: Session, name: str, hub: str, since: int, now: datetime) -> int:
    """Take back this city's own statements among the entries of `hub` from `since` on; how many were unknown."""
    rows = session.scalars(
        select(InboxRow)
        .where(
            InboxRow.hub == hub,
            InboxRow.log_index >= since,
            InboxRow.origin == name,
            InboxRow.state == InboxState.ACCEPTED.value,
            InboxRow.envelope.is_not(None),
        )
        .order_by(InboxRow.log_index)
    ).all()
    unknown = _unknown(session, rows, hub)
    for row in unknown:
        session.add(
            OutboxRow(
                digest=row.digest,
                seq=row.seq or 0,
                envelope=row.envelope or b"",
                hub=hub,
                state=OutboxState.DELIVERED.value,
                attempts=0,
                created_at=now,
            )
        )
        audit.append(session, PROGRAM, "statement.recovered", row.digest, now)
    session.flush()
    _settle_requests(session, unknown, now)
    return len(unknown)


def _unknown(session: Session, rows: Sequence[InboxRow], hub: str) -> list[InboxRow]:
    digests = [row.digest for row in rows]
    known = set(session.scalars(select(OutboxRow.digest).where(OutboxRow.hub == hub, OutboxRow.digest.in_(digests))))
    return [row for row in rows if row.digest not in known]


def _settle_requests(session: Session, unknown: Sequence[InboxRow], now: datetime) -> None:
    """What was approved in the copy, and has been signed since with exactly these words, is not signed again."""
    said = {(row.kind, _body_of(row)): row.digest for row in unknown}
    if not said:
        return
    for stored in request_store.list_requests(session, RequestState.APPROVED):
        digest = said.pop((stored.request.kind.value, stored.request.body), None)
        if digest is not None:
            request_store.mark_signed(session, stored.request.id, digest, PROGRAM, now)


def _body_of(row: InboxRow) -> bytes:
    body = canonical.parse_strict(parse_envelope(row.envelope or b"").payload)["body"]
    return canonical.encode(body)
