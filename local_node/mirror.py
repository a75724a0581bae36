"""What a node keeps of a hub's log, and brings back when the hub was restored from an old copy.

Every leaf that was verified is kept, and the newest checkpoints that the hub has signed: in pages, and in receipts. A
hub that has lost entries says `log-behind`, or does not know a size that it has signed. Then the node shows it its own
signature, brings the leaves, its receipts, and the contents that the hub names as missing; its own statements first of
all, which nobody else may have. It keeps everything, and raises no alarm: nobody has lied.

    if mirror.bring_back(database, hub, api): ...        # the hub is being restored
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from local_node.orm import HubRow, InboxRow, MirrorLeafRow, OutboxRow
from shared_schema.canonical import parse_strict
from shared_schema.checkpoint import Checkpoint
from shared_schema.entry import LogEntry, Receipt
from shared_schema.envelope import parse_envelope
from shared_schema.errors import ContractError
from shared_schema.feed import FeedItem, FeedState
from shared_schema.governance import MembershipBody
from shared_schema.recovery import (
    MAX_CONTENTS,
    MAX_LEAVES,
    MAX_MISSING,
    MAX_RECEIPTS,
    BroughtEntries,
    RecoveryState,
    show,
)
from shared_schema.rotation import SignedRotation
from shared_schema.service.database import Database
from shared_schema.service.hub_api import HubApi, HubRefused, HubUnreachable
from shared_schema.service.logging import get_logger
from shared_schema.statement import Kind

SERVING = "serving"
MAX_CONTENT_BYTES = 4 * 1024 * 1024
"""Contents in one message: a quarter of what a hub takes."""
MAX_ROUNDS_OF_CONTENTS = 100


@dataclass(frozen=True, slots=True)
class Kept:
    """What this node can prove of a hub's log."""

    seen_size: int
    seen_note: str | None
    read_note: str | None


def keep_leaves(session: Session, hub: str, items: Sequence[FeedItem]) -> None:
    """Keep the leaves of a verified page, in its transaction."""
    rows = [{"hub": hub, "log_index": item.index, "leaf": item.entry.to_bytes()} for item in items]
    if rows:
        session.execute(insert(MirrorLeafRow), rows)


def notes_of(after: FeedState, note: str | None) -> dict[str, str]:
    """What is kept of a verified page's checkpoint."""
    if note is None:
        return {}
    return {"seen_note": note} | ({"read_note": note} if after.frontier.size == after.seen_size else {})


def note_receipt(session: Session, hub: str, checkpoint: Checkpoint, note: str) -> None:
    """A receipt shows more of the log than the feed did: from now on the hub has to continue that."""
    session.execute(
        update(HubRow)
        .where(HubRow.name == hub, HubRow.seen_size < checkpoint.size)
        .values(seen_size=checkpoint.size, seen_root=checkpoint.root.hex(), seen_note=note)
        .execution_options(synchronize_session=False)
    )


def bring_back(database: Database, hub: str, api: HubApi) -> bool:
    """Bring a hub what it may have lost; True when it says that it is being restored.

    False when it serves, does not answer, or is of a release that cannot be healed: then what it did speaks for
    itself.
    """
    with database.read() as session:
        kept, rotations = _kept(session, hub), _rotations(session, hub)
    try:
        if kept.seen_note is not None:
            api.show_head(show(kept.seen_note, rotations))
        state = api.recovery_state(kept.seen_size)
        if state.state != SERVING:
            _bring_leaves(database, hub, api, state, kept)
        _bring_contents(database, api, hub)
        return api.recovery_state(kept.seen_size, done=True).state != SERVING or state.state != SERVING
    except (HubUnreachable, HubRefused) as error:
        get_logger().warning("could-not-bring-back", hub=hub, why=error.message)
        return False


def bring_contents(database: Database, hub: str, api: HubApi) -> None:
    """Bring what a hub misses that serves again. It never raises because of the hub."""
    try:
        _bring_contents(database, api, hub)
    except (HubUnreachable, HubRefused) as error:
        get_logger().warning("could-not-bring-back", hub=hub, why=error.message)


def _kept(session: Session, hub: str) -> Kept:
    row = session.get_one(HubRow, hub)
    return Kept(row.seen_size, row.seen_note, row.read_note)


def _rotations(session: Session, hub: str) -> list[SignedRotation]:
    """How the hub's key was handed on, oldest first, as it stands in its log."""
    rows = session.scalars(
        select(InboxRow.envelope)
        .where(
            InboxRow.hub == hub,
            InboxRow.origin == hub,
            InboxRow.kind == Kind.MEMBERSHIP.value,
            InboxRow.envelope.is_not(None),
        )
        .order_by(InboxRow.log_index)
    )
    bodies = [
        MembershipBody.from_object(parse_strict(parse_envelope(stored or b"").payload)["body"]) for stored in rows
    ]
    return [body.signed_rotation for body in bodies if body.member == hub and body.signed_rotation is not None]


def _bring_leaves(database: Database, hub: str, api: HubApi, state: RecoveryState, kept: Kept) -> None:
    with database.read() as session:
        leaves = _leaves_from(session, hub, state.size)
        receipts = _receipts_from(session, hub, state.size)
    note = kept.read_note if leaves else None
    if leaves:
        try:
            api.bring_entries(BroughtEntries(first=state.size, leaves=leaves, note=note))
        except HubRefused as error:  # a gap in what is kept; single entries may still help
            get_logger().warning("leaves-refused", hub=hub, code=error.code)
    for first in range(0, len(receipts), MAX_RECEIPTS):
        api.bring_entries(BroughtEntries(receipts=receipts[first : first + MAX_RECEIPTS]))


def _leaves_from(session: Session, hub: str, first: int) -> tuple[LogEntry, ...]:
    """Leaves from `first` on without a gap; nothing when that one is not kept."""
    rows = session.execute(
        select(MirrorLeafRow.log_index, MirrorLeafRow.leaf)
        .where(MirrorLeafRow.hub == hub, MirrorLeafRow.log_index >= first)
        .order_by(MirrorLeafRow.log_index)
        .limit(MAX_LEAVES)
    ).all()
    return tuple(LogEntry.from_bytes(row.leaf) for place, row in enumerate(rows, first) if row.log_index == place)


def _receipts_from(session: Session, hub: str, first: int) -> tuple[Receipt, ...]:
    """This node's own receipts for entries from `first` on: indexes rise with seq."""
    rows = session.scalars(
        select(OutboxRow.receipt)
        .where(OutboxRow.hub == hub, OutboxRow.seq > 0, OutboxRow.receipt.is_not(None))
        .order_by(OutboxRow.seq.desc())
    )
    receipts: list[Receipt] = []
    for stored in rows:
        try:
            receipt = Receipt.from_bytes(stored or b"")
        except ContractError:
            continue
        if receipt.index < first:
            break
        receipts.append(receipt)
    return tuple(reversed(receipts))


def _bring_contents(database: Database, api: HubApi, hub: str) -> None:
    """Bring the contents that the hub names, as far as they are here.

    It names a number at once. Those that are not here (an author's alone, say, who is away) are passed over, so that
    they never stand before the ones that are.
    """
    after: str | None = None
    brought: set[str] = set()
    for _ in range(MAX_ROUNDS_OF_CONTENTS):
        named = api.recovery_state(0, after=after).missing
        with database.read() as session:
            found = _contents_of(session, hub, [digest for digest in named if digest not in brought])
        for part in _parts(list(found.values())):
            api.bring_entries(BroughtEntries(contents=part))
        brought |= set(found)
        passed_over = [digest for digest in named if digest not in found]
        if len(named) < MAX_MISSING:
            return
        after = passed_over[-1] if passed_over else after


def _contents_of(session: Session, hub: str, digests: Sequence[str]) -> dict[str, bytes]:
    """Digest → envelope: what this node wrote for this hub, and what it has read there.

    What it has read at another hub stays with that one: a hub may name any digest as missing, and digests are public.
    """
    own = select(OutboxRow.digest, OutboxRow.envelope).where(
        OutboxRow.digest.in_(digests), OutboxRow.hub == hub, OutboxRow.seq > 0
    )
    others = select(InboxRow.digest, InboxRow.envelope).where(
        InboxRow.digest.in_(digests), InboxRow.hub == hub, InboxRow.envelope.is_not(None)
    )
    rows = [*session.execute(others).all(), *session.execute(own).all()]
    return {digest: envelope for digest, envelope in rows if envelope}


def _parts(contents: Sequence[bytes]) -> Iterator[tuple[dict[str, Any], ...]]:
    part: list[dict[str, Any]] = []
    size = 0
    for stored in contents:
        if part and (size + len(stored) > MAX_CONTENT_BYTES or len(part) == MAX_CONTENTS):
            yield tuple(part)
            part, size = [], 0
        part.append(parse_strict(stored))
        size += len(stored)
    if part:
        yield tuple(part)
