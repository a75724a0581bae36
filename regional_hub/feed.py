"""The feed: entries of the log from one index on, with the contents that this reader may see, and the proofs.

Every reader gets every leaf, so that it can check the log; a content that is not for it is `absent: audience`.
"""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from regional_hub import cosigning, log
from regional_hub.errors import HubError
from regional_hub.orm import ContentRow, EntryRow, MemberRow
from shared_schema.feed import MAX_PAGE_BYTES, MAX_PAGE_ENTRIES
from shared_schema.governance import Level
from shared_schema.keys import Member, MemberRole
from shared_schema.problem import ProblemCode
from shared_schema.reach import REACH_OF_LEVEL
from shared_schema.statement import Audience, Kind

_ENTRY_OVERHEAD_BYTES = 300


@dataclass(frozen=True, slots=True)
class Publisher:
    """The hub as its feed shows it."""

    name: str
    level: Level


def can_read(entry: EntryRow, reader: Member, hub: Publisher) -> bool:
    """Whether a reader may see the content of an entry.

    Nobody ever that of a sealed share. Its own statements always; a member what is meant for more than the hub; the hub
    above what travels beyond this level, and this hub's own sums for it.
    """
    if entry.kind == Kind.SHARE.value:
        return False
    if entry.origin == reader.name:
        return True
    reach = reach_of(entry)
    if reader.role is MemberRole.HUB and entry.narrowed_to is not None:  # it hands on to others than this hub's members
        return reach >= max(REACH_OF_LEVEL[hub.level], Audience.NATION.reach)
    if reader.role is MemberRole.PARENT:
        own_sum = entry.origin == hub.name and entry.kind == Kind.AGGREGATE.value
        return reach > REACH_OF_LEVEL[hub.level] or (own_sum and reach == Audience.HUB.reach)
    return reach >= Audience.REGION.reach


def count_handed_out(session: Session, reader: Member, hub: Publisher, read_up_to: int) -> dict[str, int]:
    """Kind → how many contents of others a member has read so far that are still in force; its own are not counted."""
    same = (EntryRow.kind, EntryRow.audience, EntryRow.narrowed_to, EntryRow.origin == hub.name)
    rows = session.execute(
        select(func.min(EntryRow.index), func.count())
        .where(EntryRow.index < read_up_to, EntryRow.origin != reader.name, EntryRow.withdrawn_by.is_(None))
        .group_by(*same)
    )
    counts: Counter[str] = Counter()
    for first, count in rows.all():
        entry = session.get_one(EntryRow, first)  # all that are alike are read, or none
        if can_read(entry, reader, hub):
            counts[entry.kind] += count
    return dict(sorted(counts.items()))


def reach_of(entry: EntryRow) -> int:
    """How far a content may travel now: as far as it was meant to, unless its author has narrowed that."""
    return Audience(entry.narrowed_to or entry.audience).reach


def make_page(session: Session, *, first: int, seen: int, reader: Member, hub: Publisher) -> bytes:
    """The bytes of a page for `reader`: entries from `first` on, and proofs that it continues what was `seen`.

    Raises HubError (`bad-cursor`) when first or seen lie beyond the log, LogHeldError while the log is held.
    """
    head = log.get_head(session)
    head.check_not_held()  # what is older than its readers know would look like a lie
    if not 0 <= first <= head.size or not 0 <= seen <= head.size:
        raise HubError(f"expected from and seen between 0 and {head.size}", code=ProblemCode.BAD_CURSOR)
    entries = _entries(session, first, reader, hub)
    after = first + len(entries)
    start, end = (
        json.dumps(part)
        for part in (
            {"v": 1, "hub": hub.name, "first": first},
            {
                "checkpoint": cosigning.served_note(session, hub.name),
                "proof": log.prove_consistency(session, after, head.size),
                "seen_proof": log.prove_consistency(session, seen, head.size),
            },
        )
    )
    return f'{start[:-1]},"entries":['.encode() + b",".join(entries) + f"],{end[1:]}".encode()


def _entries(session: Session, first: int, reader: Member, hub: Publisher) -> list[bytes]:
    rows = session.execute(
        select(EntryRow, ContentRow.envelope)
        .outerjoin(ContentRow, ContentRow.digest == EntryRow.digest)
        .where(EntryRow.index >= first)
        .order_by(EntryRow.index)
        .limit(MAX_PAGE_ENTRIES)
    )
    entries: list[bytes] = []
    size = 0
    for entry, envelope in rows:
        may_see = can_read(entry, reader, hub)
        shown: bytes | None = envelope if may_see else None
        size += len(shown or b"") + _ENTRY_OVERHEAD_BYTES
        if entries and size > MAX_PAGE_BYTES:
            break
        entries.append(_entry_bytes(entry, shown, may_see=may_see))
    return entries


def _entry_bytes(entry: EntryRow, shown: bytes | None, *, may_see: bool) -> bytes:
    leaf = log.leaf_of(entry)
    if shown is not None:
        return b'{"entry":' + leaf + b',"envelope":' + shown + b"}"
    is_taken = entry.withdrawn_by is not None or (entry.narrowed_by is not None and not may_see)
    absent = "withdrawn" if is_taken else "lost" if may_see else "audience"
    return b'{"absent":' + json.dumps(absent).encode() + b',"entry":' + leaf + b"}"


def note_reading(session: Session, reader: str, first: int, now: datetime, software: str | None = None) -> None:
    """Remember how far a member is, and with which program: whoever asks from `first` on has everything before it."""
    session.execute(
        update(MemberRow)
        .where(MemberRow.name == reader)
        .values(read_up_to=first, last_read_at=now, software=software)
        .execution_options(synchronize_session=False)
    )
