"""A hub that was restored from an old copy: it notices before it signs, and gets back what it has lost.

1. The log is *held* when its database is a copy (`check_place`, `hold`), or when anybody shows a checkpoint that this
   hub's own key has signed and its log does not lead to (`take_head`). A held log takes nothing and signs nothing.
2. Followers and members bring what they keep (`take_entries`). All of it proves itself: see `shared_schema.recovery`.
3. The operator says `recover`. When every leaf up to the largest known checkpoint is here, and every member was heard,
   `recovered_log.put_back` puts them in their places, and the hub serves again. Contents may follow.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import exists, insert, select, text, update
from sqlalchemy.orm import Session

from regional_hub import audit, log, members, sealed_store
from regional_hub.alarms import raise_alarm
from regional_hub.errors import HubError
from regional_hub.feed import Publisher, can_read
from regional_hub.orm import (
    CheckpointRow,
    ContentRow,
    EntryRow,
    HeadRow,
    MemberRow,
    MirrorLeafRow,
    RecoveryContentRow,
    RecoveryHeardRow,
    RecoveryLeafRow,
    RecoveryNoteRow,
    RecoveryRow,
    SourceRow,
    table_of,
)
from regional_hub.tiles import TileReader
from shared_schema.canonical import parse_strict
from shared_schema.checkpoint import Checkpoint
from shared_schema.entry import LogEntry
from shared_schema.envelope import Envelope, envelope_from_object
from shared_schema.errors import ContractError
from shared_schema.governance import MembershipBody
from shared_schema.keys import Member, MemberStatus
from shared_schema.merkle import EMPTY_ROOT, range_hash
from shared_schema.pins import Pin
from shared_schema.problem import ProblemCode
from shared_schema.recovery import (
    MAX_MISSING,
    BroughtEntries,
    ForkError,
    Proven,
    RecoveryState,
    ShownHead,
    Standing,
    prove_entries,
    read_own_checkpoint,
    show,
)
from shared_schema.rotation import KeyRotation, read_rotation
from shared_schema.statement import Kind

RECOVERY_ID: Final = 1
RESTORED: Final = "restored"
BEHIND: Final = "behind"
FORKED: Final = "forked"
UNKNOWN_ORIGIN: Final = ""
"""The origin of an entry whose content nobody has brought back yet; its seq is below 0."""
WORDS_THAT_FORBID: Final = frozenset({Kind.WITHDRAWAL, Kind.MEMBERSHIP, Kind.POLICY})
PAGE_LEAVES: Final = 500
PAGE_CONTENT_BYTES: Final = 1024 * 1024
WORDS: Final[Mapping[str, str]] = {
    RESTORED: "this log was restored from a copy, and may be shorter than what its hub has signed",
    BEHIND: "this log is shorter than what its hub has signed: it was restored from an old copy",
    FORKED: "this hub's key has signed two histories of its log; keep both databases, and ask for help",
}
COMMANDS: Final[Mapping[str, str]] = {
    RESTORED: "run: regional-hub recover",
    BEHIND: "run: regional-hub recover",
    FORKED: "restore the newest copy from before the fork into an empty directory; do not delete this one",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a recovery is: for the operator."""

    state: Standing
    size: int
    wanted: int
    leaves: int
    contents_missing: int
    missing: tuple[str, ...]
    waiting_for: tuple[str, ...]
    ordered: bool
    misses_words: bool


# --- 1. noticing ---------------------------------------------------------------------------------------------------


def check_place(session: Session, place: str, now: datetime) -> None:
    """Hold the log of a database that is not the one that was signed in last: it is a copy."""
    row = session.get_one(HeadRow, log.HEAD_ID)
    if row.place is not None and row.place != place and row.held is None:
        hold(session, RESTORED, now)
    row.place = place
    session.flush()


def place_of(session: Session) -> str:
    """What names this very database: of SQLite its file, of PostgreSQL its cluster, timeline and database.

    A copy, a dump that was read in, and a cluster that went back in time each have another one.
    """
    engine = session.get_bind().engine
    if engine.dialect.name == "sqlite":
        return f"file {Path(engine.url.database or '').stat().st_ino}"
    found = session.execute(
        text(
            "SELECT s.system_identifier, c.timeline_id, d.oid FROM pg_control_system() s, pg_control_checkpoint() c, "
            "pg_database d WHERE d.datname = current_database()"
        )
    ).one()
    return " ".join(("cluster", *map(str, found)))


def hold(session: Session, why: str, now: datetime) -> None:
    """Sign nothing from now on. What is worse stays: `forked`, then `behind`, then `restored`.

    What opens sealed shares is erased: this hub may have answered what it does not know any more.
    """
    head = log.lock_head(session)
    order = (None, RESTORED, BEHIND, FORKED)
    if order.index(why) <= order.index(head.held):
        return
    session.execute(update(HeadRow).where(HeadRow.id == log.HEAD_ID).values(held=why))
    sealed_store.erase_secrets(session)
    if session.get(RecoveryRow, RECOVERY_ID) is None:
        row = RecoveryRow(id=RECOVERY_ID, since=now, wanted_size=head.size, ordered=False, alone=False)
        session.add(row)
        session.flush()
    audit.record(session, "program", f"log-held-{why}", str(head.size), now)
    code = ProblemCode.FEED_FORK if why == FORKED else ProblemCode.LOG_BEHIND
    raise_alarm(session, "this hub", code, f"{WORDS[why]}; nothing is signed; {COMMANDS[why]}", now)


def check_own(session: Session, shown: ShownHead, pin: Pin) -> tuple[Checkpoint, bool]:
    """The checkpoint of a note that this hub has signed; True when that was with a key that its log does not have yet.

    Such a key is shown by rotations that lead from the hub's own to it. Raises HubError (`recovery-proof`) for every
    other note: then it says nothing. It locks nothing, because anybody may ask.
    """
    pin = known_pin(session, pin)
    checkpoint = read_own_checkpoint(shown.note, pin)
    if checkpoint is not None:
        return checkpoint, False
    moved = pin.follow_chain(shown.rotations or ())
    checkpoint = None if moved == pin else read_own_checkpoint(shown.note, moved)
    if checkpoint is None:
        raise HubError("expected a checkpoint with this hub's own signature", code=ProblemCode.RECOVERY_PROOF)
    return checkpoint, True


def leads_to(session: Session, checkpoint: Checkpoint) -> bool:
    """Whether this log begins with the tree of a checkpoint. It locks nothing: anybody may ask."""
    return checkpoint.size <= log.get_head(session).size and _root_at(session, checkpoint.size) == checkpoint.root


def take_head(session: Session, shown: ShownHead, pin: Pin, now: datetime) -> bool:
    """Look at a checkpoint that somebody shows; True when it was news, and the log is held from now on.

    Raises HubError (`recovery-proof`) when this hub has not signed it: then it says nothing.
    """
    checkpoint, is_later_key = check_own(session, shown, pin)
    if is_later_key:  # both keys have signed the rotation, and it is not in this log: so this log is behind
        hold(session, BEHIND, now)
        session.get_one(RecoveryRow, RECOVERY_ID).rotations = json.dumps(shown.rotations)
        session.flush()
    note = shown.note
    head = log.lock_head(session)
    if checkpoint.size <= head.size:
        if _root_at(session, checkpoint.size) == checkpoint.root:
            return False
        hold(session, FORKED, now)
        return True
    hold(session, BEHIND, now)
    return _take_notes(session, {checkpoint.size: note}, known_pin(session, pin), now)


def known_pin(session: Session, pin: Pin) -> Pin:
    """This hub's own keys: those of its log (`pin`), and those that the log announces in what it has lost."""
    row = session.get(RecoveryRow, RECOVERY_ID)
    if row is None:
        return pin
    if row.rotations is not None:
        pin = pin.follow_chain(json.loads(row.rotations))
    for index, rotation in _staged_rotations(session, pin.name):
        pin = pin.announced(rotation, index)
    return pin


def _staged_rotations(session: Session, name: str) -> Iterator[tuple[int, KeyRotation]]:
    """This hub's own announcements among what was gathered. A leaf is proven; a rotation is signed by both keys."""
    rows = session.execute(
        select(RecoveryLeafRow.index, RecoveryContentRow.envelope)
        .join(RecoveryContentRow, RecoveryLeafRow.digest == RecoveryContentRow.digest)
        .order_by(RecoveryLeafRow.index)
    )
    for index, stored in rows:
        envelope = read_content(stored)
        if envelope is None or envelope.kind != Kind.MEMBERSHIP.value:
            continue
        with contextlib.suppress(ContractError):
            payload = parse_strict(envelope.payload)
            if payload["origin"] != name or payload["body"]["member"] != name:
                continue
            signed = MembershipBody.from_object(payload["body"]).signed_rotation
            if signed is not None and (rotation := read_rotation(signed)).name == name:
                yield index, rotation


def _root_at(session: Session, size: int) -> bytes:
    return range_hash(0, size, TileReader(session).node) if size else EMPTY_ROOT


def _take_notes(session: Session, notes: Mapping[int, str], pin: Pin, now: datetime) -> bool:
    """Keep own checkpoints beyond the log; a second one of a size must have the same root."""
    recovery, news = session.get_one(RecoveryRow, RECOVERY_ID), False
    for size, note in notes.items():
        known = session.get(RecoveryNoteRow, size)
        if known is None:
            session.add(RecoveryNoteRow(size=size, note=note))
            news = True
        elif read_own_checkpoint(known.note, pin) != read_own_checkpoint(note, pin):
            hold(session, FORKED, now)
            return True
        recovery.wanted_size = max(recovery.wanted_size, size)
    session.flush()
    return news


# --- 2. gathering --------------------------------------------------------------------------------------------------


def prove(session: Session, brought: BroughtEntries, pin: Pin) -> tuple[int, Proven | None]:
    """The size of the log, and what `brought` proves beyond it; None when that shows two histories.

    Raises ContractError when a proof does not hold. Thousands of signatures take seconds, so this locks nothing.
    """
    head = log.get_head(session)
    try:
        return head.size, prove_entries(brought, head.frontier, known_pin(session, pin))
    except ForkError:
        return head.size, None


def take_entries(
    session: Session, brought: BroughtEntries, pin: Pin, now: datetime,
    earlier: tuple[int, Proven | None] | None = None,
) -> None:  # fmt: skip
    """Gather what somebody brings: leaves with their proof, contents by the digest of a leaf that is missing its own.

    `earlier` is what `prove` has found a moment ago; it counts when the log has the same size still. Raises
    ContractError and takes nothing when a proof does not hold. What shows that this hub's key has signed two histories
    holds the log for good.
    """
    head, pin = log.lock_head(session), known_pin(session, pin)
    if earlier is None or earlier[0] != head.size:
        earlier = prove(session, brought, pin)
    proven = earlier[1]
    if proven is None:
        hold(session, FORKED, now)
        return
    notes = {size: note for size, note in proven.notes.items() if size > head.size}
    for size, note in proven.notes.items():
        if size <= head.size:
            take_head(session, ShownHead(note=note), pin, now)
    if notes:
        hold(session, BEHIND, now)
        _take_notes(session, notes, pin, now)
        _take_leaves(session, proven.leaves, now)
    take_contents(session, brought.contents)


def _take_leaves(session: Session, leaves: Mapping[int, LogEntry], now: datetime) -> None:
    known = dict(session.execute(select(RecoveryLeafRow.index, RecoveryLeafRow.leaf)).all())
    if any(known.get(index, leaf.to_bytes()) != leaf.to_bytes() for index, leaf in leaves.items()):
        hold(session, FORKED, now)
        return
    rows = [
        {"index": index, "digest": leaf.digest, "leaf": leaf.to_bytes()}
        for index, leaf in leaves.items()
        if index not in known
    ]
    if rows:
        session.connection().execute(insert(table_of(RecoveryLeafRow)), rows)


def take_contents(session: Session, contents: Iterable[Mapping[str, object]]) -> None:
    """Gather the contents that are missing here; others are passed over. Raises SchemaError for what is no envelope.

    Sealed shares are never among them: the keys of their batch are gone, so it ends void.
    """
    for value in contents:
        envelope = envelope_from_object(dict(value))
        if envelope.kind != Kind.SHARE.value and _is_missing(session, envelope):
            session.merge(RecoveryContentRow(digest=envelope.digest, envelope=envelope.stored_bytes))
    session.flush()


def _is_missing(session: Session, envelope: Envelope) -> bool:
    gathered = select(RecoveryLeafRow.index).where(RecoveryLeafRow.digest == envelope.digest)
    placeholder = select(EntryRow.index).where(
        EntryRow.origin == UNKNOWN_ORIGIN, EntryRow.digest == envelope.digest, EntryRow.withdrawn_by.is_(None)
    )
    return session.scalar(gathered) is not None or session.scalar(placeholder) is not None


def hear(session: Session, member: str, seen: int, now: datetime) -> None:
    """A member has said how much it has seen, and has brought what it has. It counts when that much is known here."""
    recovery = session.get(RecoveryRow, RECOVERY_ID)
    if recovery is not None and seen <= recovery.wanted_size:
        session.merge(RecoveryHeardRow(member=member, seen=seen, at=now))
        session.flush()


# --- 3. where it stands --------------------------------------------------------------------------------------------


def is_open(session: Session) -> bool:
    """Whether a recovery is going on, or contents have come that are not in their places."""
    waits = select(RecoveryContentRow.digest).limit(1)
    return session.get(RecoveryRow, RECOVERY_ID) is not None or session.scalar(waits) is not None


def is_ready(session: Session, extra_members: Sequence[str] = ()) -> bool:
    """Whether the operator has said so, everybody was heard, and every leaf is here, with what they forbid."""
    recovery = session.get(RecoveryRow, RECOVERY_ID)
    head = log.get_head(session)
    if recovery is None or head.held in (None, FORKED) or not recovery.ordered:
        return False
    if not recovery.alone and (waiting_for(session, extra_members) or misses_words(session)):
        return False
    return _count_leaves(session, head.size) == recovery.wanted_size - head.size


def misses_words(session: Session) -> bool:
    """Whether a lost entry takes something back or says who belongs here, and nobody has brought what it says.

    A hub that served without it would show what was withdrawn, and believe whom it had revoked.
    """
    gathered = exists().where(RecoveryContentRow.digest == RecoveryLeafRow.digest)
    leaves = session.scalars(select(RecoveryLeafRow.leaf).where(~gathered))
    return any(LogEntry.from_bytes(leaf).kind in WORDS_THAT_FORBID for leaf in leaves)


def _count_leaves(session: Session, size: int) -> int:
    return len(session.scalars(select(RecoveryLeafRow.index).where(RecoveryLeafRow.index >= size)).all())


def waiting_for(session: Session, extra_members: Sequence[str] = ()) -> tuple[str, ...]:
    """Members and followed hubs that may know more, and have not been heard since the log is held."""
    active = select(MemberRow.name).where(MemberRow.status == MemberStatus.ACTIVE.value)
    names = {*session.scalars(active), *session.scalars(select(SourceRow.name)), *extra_members}
    return tuple(sorted(names - set(session.scalars(select(RecoveryHeardRow.member)))))


def state_of(session: Session, after: str | None = None) -> RecoveryState:
    """What everybody may know of it; of what is missing, what comes behind the digest `after`."""
    head = log.get_head(session)
    recovery = session.get(RecoveryRow, RECOVERY_ID)
    wanted = head.size if recovery is None else recovery.wanted_size
    return RecoveryState(
        state=_standing(head.held),
        size=head.size,
        wanted=max(wanted, head.size),
        missing=find_missing(session) if after is None else _missing_behind(session, after),
    )


def progress_of(session: Session, extra_members: Sequence[str] = ()) -> Progress:
    """The same for the operator."""
    state, recovery = state_of(session), session.get(RecoveryRow, RECOVERY_ID)
    missing = find_missing(session, limit=None)
    return Progress(
        state=state.state,
        size=state.size,
        wanted=state.wanted,
        leaves=_count_leaves(session, state.size),
        contents_missing=len(missing),
        missing=missing[:MAX_MISSING],
        waiting_for=() if recovery is None else waiting_for(session, extra_members),
        ordered=recovery is not None and recovery.ordered,
        misses_words=misses_words(session),
    )


def _standing(held: str | None) -> Standing:
    if held is None:
        return "serving"
    return "forked" if held == FORKED else "behind" if held == BEHIND else "restored"


def find_missing(session: Session, limit: int | None = MAX_MISSING) -> tuple[str, ...]:
    """Digests of contents that are neither here nor gathered: of entries that are back, then of those that are not."""
    here = exists().where(RecoveryContentRow.digest == EntryRow.digest)
    is_sealed = EntryRow.kind == Kind.SHARE.value
    back = select(EntryRow.digest).where(
        EntryRow.origin == UNKNOWN_ORIGIN, EntryRow.withdrawn_by.is_(None), ~is_sealed, ~here
    )
    gathered = exists().where(RecoveryContentRow.digest == RecoveryLeafRow.digest)
    coming = select(RecoveryLeafRow.digest, RecoveryLeafRow.leaf).where(~gathered).order_by(RecoveryLeafRow.index)
    found = session.scalars(back.order_by(EntryRow.index).limit(limit)).all()
    rows = session.execute(coming.execution_options(yield_per=500))
    more = islice((row.digest for row in rows if LogEntry.from_bytes(row.leaf).kind is not Kind.SHARE), limit)
    return tuple([*found, *more][:limit])


def _missing_behind(session: Session, digest: str) -> tuple[str, ...]:
    """The next ones, for whoever has none of the first; from the beginning when that one is not missing any more."""
    missing = find_missing(session, limit=None)
    start = missing.index(digest) + 1 if digest in missing else 0
    return missing[start : start + MAX_MISSING]


# --- what a follower keeps for others --------------------------------------------------------------------------------


def mirror_page(session: Session, reader: Member, first: int, hub: Publisher) -> BroughtEntries:
    """Leaves of the log of `reader` from `first` on, the checkpoint they lead to, and the contents that are here.

    Contents that came from it, and those that it may read here: a digest is public, so a hub may put one into its log
    whose content it never had, and ask for it.

    Raises HubError (`not-found`) when this hub follows no such hub.
    """
    source = reader.name
    row = session.get(SourceRow, source)
    if row is None:
        raise HubError("expected a hub that is followed here", code=ProblemCode.NOT_FOUND)
    kept = session.execute(
        select(MirrorLeafRow.index, MirrorLeafRow.leaf)
        .where(MirrorLeafRow.source == source, MirrorLeafRow.index >= first)
        .order_by(MirrorLeafRow.index)
        .limit(PAGE_LEAVES)
    ).all()
    leaves = tuple(LogEntry.from_bytes(leaf) for place, (index, leaf) in enumerate(kept, first) if place == index)
    contents = _contents_for(session, [leaf.digest for leaf in leaves], reader, hub)
    return BroughtEntries(first=first, leaves=leaves, note=row.read_note, contents=contents)


def _contents_for(
    session: Session, digests: Sequence[str], reader: Member, hub: Publisher
) -> tuple[dict[str, object], ...]:
    rows = session.execute(
        select(EntryRow, ContentRow.envelope)
        .join(ContentRow, ContentRow.digest == EntryRow.digest)
        .where(EntryRow.digest.in_(digests))
        .order_by(EntryRow.index)
    )
    found, size = [], 0
    for entry, stored in rows:
        if entry.via != reader.name and not can_read(entry, reader, hub):
            continue
        size += len(stored)
        if size > PAGE_CONTENT_BYTES:
            break
        found.append(parse_strict(stored))
    return tuple(found)


def newest_head(session: Session, source: str) -> ShownHead | None:
    """The newest checkpoint of another hub's log that this hub has verified, with how that hub's key was handed on."""
    note = session.scalar(select(SourceRow.seen_note).where(SourceRow.name == source))
    if note is None:
        return None
    words = [word.body.signed_rotation for word in members.list_words(session, source) if word.body.member == source]
    return show(note, [signed for signed in words if signed is not None])


def checkpoint_sizes(session: Session) -> list[int]:
    return list(session.scalars(select(CheckpointRow.size).order_by(CheckpointRow.size)))


def read_content(stored: bytes) -> Envelope | None:
    """An envelope that was gathered; None when it is none."""
    try:
        return envelope_from_object(parse_strict(stored))
    except ContractError:
        return None
