"""A hub as this node knows it: how far its feed was read, which key of it is believed, and the directory it has shown.

All three change in the caller's transaction, together with the items that were read.
"""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from local_node import audit, mirror
from local_node.inbox import InboxError, InboxState, body_of
from local_node.orm import HubRow, InboxRow, MembershipRow
from local_node.trust import Trust
from shared_schema.checkpoint import NoteVerifier
from shared_schema.envelope import Envelope, parse_envelope
from shared_schema.errors import ContractError
from shared_schema.feed import FeedState
from shared_schema.governance import MembershipBody
from shared_schema.merkle import EMPTY_ROOT, Frontier
from shared_schema.names import parse_time
from shared_schema.pins import Pin
from shared_schema.rotation import read_rotation
from shared_schema.statement import Audience, Kind, VerifiedStatement

PROGRAM = "local-node"


def load_state(session: Session, hub: NoteVerifier) -> FeedState:
    """How far the feed of `hub` has been read."""
    row = session.get_one(HubRow, hub.name)
    return FeedState(
        verifier=hub,
        seen_size=row.seen_size,
        seen_root=EMPTY_ROOT if row.seen_root is None else bytes.fromhex(row.seen_root),
        frontier=Frontier.from_bytes(row.frontier_size, row.frontier),
        last_time=row.last_time or "",
    )


def move_on(session: Session, before: FeedState, after: FeedState, note: str | None) -> None:
    """Advance the place in the feed. Raises InboxError when another process has moved on from `before`."""
    moved = session.execute(
        update(HubRow)
        .where(
            HubRow.name == before.verifier.name,
            HubRow.frontier_size == before.next_index,
            HubRow.seen_size == before.seen_size,
        )
        .values(
            seen_size=after.seen_size,
            seen_root=after.seen_root.hex(),
            frontier_size=after.frontier.size,
            frontier=after.frontier.to_bytes(),
            **mirror.notes_of(after, note),
            last_time=after.last_time or None,
        )
        .execution_options(synchronize_session=False)
    )
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        raise InboxError(f"expected nobody else to read the feed of {before.verifier.name}", code="busy")


def load_trust(session: Session, pin: Pin) -> Trust:
    """The directory: the fold of the accepted memberships, in the order of this hub's log.

    All are verified again from the first key on, because another hub's word counts here only where this hub's
    directory carries it. What only another hub's log has shown so far comes behind, and counts for what comes later.
    """
    trust = Trust(pin)
    end = session.get_one(HubRow, pin.name).frontier_size
    here = select(MembershipRow.digest, MembershipRow.log_index).where(MembershipRow.hub == pin.name)
    places = dict(session.execute(here).all())
    rows = session.scalars(
        select(InboxRow)
        .where(InboxRow.kind == Kind.MEMBERSHIP.value, InboxRow.state == InboxState.ACCEPTED.value)
        .order_by(InboxRow.log_index)
    )
    waiting = [(row, places.get(row.digest, end)) for row in rows if row.envelope is not None]
    waiting.sort(key=lambda placed: placed[1])
    while waiting:
        left = [(row, index) for row, index in waiting if not _relearn(trust, row, index)]
        if len(left) == len(waiting):
            break
        waiting = left
    return trust


def _relearn(trust: Trust, row: InboxRow, index: int) -> bool:
    try:
        trust.learn(verify_row(row, trust, index).statement, position=index)
    except ContractError:
        return False
    return True


def verify_row(row: InboxRow, trust: Trust, index: int, envelope: Envelope | None = None) -> VerifiedStatement:
    """Verify a stored item that stands at `index` of the log. Raises ContractError."""
    logged_at = parse_time(row.issued_at) if row.issued_at else row.received_at
    if envelope is None:
        envelope = parse_envelope(row.envelope or b"")
    return trust.verify(envelope, audience=Audience(row.audience), logged_at=logged_at, position=index)


def get_pin(session: Session, hub: str) -> Pin:
    """The key of a hub that this node believes, and those before it."""
    row = session.get_one(HubRow, hub)
    return Pin.from_texts(row.vkey, row.former)


def move_pin(session: Session, pin: Pin, now: datetime) -> None:
    """Believe another key of a hub, to which the pinned one has handed over; the audit log says so."""
    row = session.get_one(HubRow, pin.name)
    row.vkey, row.former = pin.verifier.vkey, pin.former_text()
    audit.append(session, PROGRAM, "hub.key-moved", f"{pin.name}/{pin.verifier.key.keyid}", now)


def read_announcement(session: Session, row: InboxRow, index: int, now: datetime) -> Pin | None:
    """The pin after a hub's announcement of its own next key, whose statement was verified; None when it stays."""
    body = body_of(row)
    if not isinstance(body, MembershipBody) or body.member != row.origin or body.signed_rotation is None:
        return None
    pin = get_pin(session, body.member)
    moved = pin.announced(read_rotation(body.signed_rotation), index)
    if moved == pin:
        return None
    move_pin(session, moved, now)
    return moved
