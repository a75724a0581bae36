"""The append-only log: entries, tiles, head and checkpoint, in one transaction.

Whoever appends holds the head row until the commit, so several hub processes on one database append one after the
other. Nobody gets a receipt before the commit. Time in the log never goes back, whatever the clock does.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from zlib import crc32

from sqlalchemy import Select, bindparam, insert, select, update
from sqlalchemy.orm import Session

from regional_hub import erasure
from regional_hub.errors import HubError, LogError, LogHeldError
from regional_hub.orm import CheckpointRow, ContentRow, EntryRow, HeadRow, table_of
from regional_hub.tiles import TileReader
from shared_schema.checkpoint import Checkpoint
from shared_schema.entry import LogEntry, entry_bytes
from shared_schema.governance import WithdrawalBody
from shared_schema.keys import SigningKey
from shared_schema.merkle import Frontier, consistency_proof, inclusion_proof, leaf_hash
from shared_schema.problem import ProblemCode
from shared_schema.sealed.bodies import AggregateShareBody, BatchBody, RosterBody, ShareBody, VoidBody
from shared_schema.sealed.terms import BatchPlan
from shared_schema.statement import Audience, Kind, VerifiedStatement, format_time
from shared_schema.trend import AggregateBody, TrendBody

HEAD_ID = 1
STOPPED = "log-stopped"
"""In `Session.info`: why nothing may be appended; a person has to look first."""
GREW = "log-grew"
"""In `Session.info`: this transaction has appended."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A statement that has passed every check, and from which hub it came (None: from its origin itself)."""

    verified: VerifiedStatement
    via: str | None = None
    is_within: bool = True
    """Of a narrowing: whether this hub is among those who keep the content. The home hub always is."""


class Entry(NamedTuple):
    """One leaf of the log with what helps to find it; the columns of `EntryRow` in their order."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    digest: str
    kind: str
    audience: str
    time: str
    origin: str
    seq: int
    via: str | None
    subject: str | None
    receipt_size: int
    row_check: int
    withdrawn_by: int | None = None
    narrowed_by: int | None = None
    narrowed_to: str | None = None


class Appended(NamedTuple):
    """The new entries in order, and the checkpoint that holds them all."""

    entries: list[Entry]
    note: str


@dataclass(frozen=True, slots=True)
class Head:
    """How long the log is, its frontier, and the time of its last entry."""

    frontier: Frontier
    time: str
    signers: str | None = field(default=None, compare=False)
    """Key ids that have to sign, see `HeadRow.signers`."""
    held: str | None = field(default=None, compare=False)
    """Why nothing may be signed: `HeadRow.held`."""

    def check_not_held(self) -> None:
        """Raise LogHeldError while this log may be shorter than what its hub has signed."""
        if self.held is not None:
            raise LogHeldError

    @property
    def size(self) -> int:
        return self.frontier.size


_ENTRIES, _CONTENTS, _CHECKPOINTS = table_of(EntryRow), table_of(ContentRow), table_of(CheckpointRow)
_SELECT_HEAD = select(HeadRow.size, HeadRow.frontier, HeadRow.time, HeadRow.signers, HeadRow.held).where(
    HeadRow.id == HEAD_ID
)
_LOCK_HEAD = _SELECT_HEAD.with_for_update()
_MOVE_HEAD = (
    update(HeadRow)
    .where(HeadRow.id == HEAD_ID, HeadRow.size == bindparam("old_size"))
    .values(size=bindparam("new_size"), frontier=bindparam("new_frontier"), time=bindparam("new_time"))
    .execution_options(synchronize_session=False)
)
_SELECT_NOTES = select(CheckpointRow.size, CheckpointRow.note).where(
    CheckpointRow.size.in_(bindparam("sizes", expanding=True))
)


def start_log(session: Session, name: str, key: SigningKey) -> None:
    """Write the head and the checkpoint of the empty log; does nothing when there is a head."""
    if session.get(HeadRow, HEAD_ID) is None:
        session.add(HeadRow(id=HEAD_ID, size=0, frontier=b"", time=""))
        session.add(CheckpointRow(size=0, note=Checkpoint(name, 0, Frontier().root()).sign(key)))
        session.flush()


def get_head(session: Session, *, for_append: bool = False) -> Head:
    """The head; with `for_append` nobody else can append until this transaction ends.

    Raises LogError when there is no log, and for an append: LogError (code `log-damaged`) when the log was stopped,
    LogHeldError while it is held. Whoever wants to append wants to sign.
    """
    if not for_append:
        return _read_head(session, _SELECT_HEAD)
    if reason := session.info.get(STOPPED):
        raise LogError(reason, code=ProblemCode.LOG_DAMAGED)
    head = lock_head(session)
    head.check_not_held()
    return head


def lock_head(session: Session) -> Head:
    """The head, also of a log that is held; nobody else can append, or end the hold, until this transaction ends."""
    return _read_head(session, _LOCK_HEAD)


def _read_head(session: Session, query: Select[int, bytes, str, str | None, str | None]) -> Head:
    row = session.connection().execute(query).one_or_none()
    if row is None:
        raise LogError("expected a log; run init first")
    return Head(Frontier.from_bytes(row.size, row.frontier), row.time, row.signers, row.held)


def append(
    session: Session,
    arrivals: Sequence[Arrival],
    *,
    name: str,
    key: SigningKey,
    head: Head,
    now: datetime,
    reader: TileReader | None = None,
) -> Appended:
    """Append statements to the log in the caller's transaction; `head` was read with `for_append`.

    The content of a sealed share is never among the contents of the log: it is kept until it is destroyed where nobody
    reads it (`sealed_shares`). The caller has made sure that none of them is in the log. Raises HubError (`busy`) when
    `key` is not the one that signs this log by now: another process of this hub has just announced the next one.
    """
    if head.signers and head.signers != signers_of(key):
        raise HubError("expected the keys that sign this log now; restart this process", code=ProblemCode.BUSY)
    time = max(format_time(now), head.time)
    size = head.size + len(arrivals)
    entries = [_make_entry(arrival, head.size + place, time, size) for place, arrival in enumerate(arrivals)]
    leaves = [leaf_hash(leaf_of(entry)) for entry in entries]
    contents = [
        {"digest": item.verified.digest, "envelope": item.verified.envelope.stored_bytes}
        for item in arrivals
        if item.verified.statement.kind is not Kind.SHARE
    ]
    connection = session.connection()
    connection.execute(insert(_ENTRIES), [entry._asdict() for entry in entries])
    if contents:
        connection.execute(insert(_CONTENTS), contents)
    frontier = (reader or TileReader(session)).grow(head.frontier, leaves)
    moved = connection.execute(
        _MOVE_HEAD,
        {"old_size": head.size, "new_size": size, "new_frontier": frontier.to_bytes(), "new_time": time},
    )
    if moved.rowcount != 1:
        raise LogError(f"expected a log of {head.size} entries; another process has appended")
    note = Checkpoint(name, size, frontier.root()).sign(key)
    connection.execute(insert(_CHECKPOINTS), {"size": size, "note": note})
    _erase_withdrawn(session, arrivals, head.size)
    session.info[GREW] = True
    return Appended(entries, note)


def signers_of(key: SigningKey) -> str:
    """The key ids that sign with `key`: it signs statements, it and those beside it sign checkpoints."""
    return " ".join(each.public.keyid for each in (key, *key.beside))


def _make_entry(arrival: Arrival, index: int, time: str, size: int) -> Entry:
    statement = arrival.verified.statement
    subject = subject_of(arrival.verified)
    return Entry(
        index=index,
        digest=arrival.verified.digest,
        kind=statement.kind.value,
        audience=statement.audience.value,
        time=time,
        origin=statement.origin,
        seq=statement.seq,
        via=arrival.via,
        subject=subject,
        receipt_size=size,
        row_check=check_of(index, statement.origin, statement.seq, arrival.via, subject, size),
    )


def check_of(index: int, origin: str, seq: int, via: str | None, subject: str | None, receipt_size: int) -> int:
    """The checksum of an entry's columns beside its leaf: it finds a flipped bit, it stops no forger."""
    return crc32(f"{index}\n{origin}\n{seq}\n{via}\n{subject}\n{receipt_size}".encode())


def subject_of(verified: VerifiedStatement) -> str | None:
    """`table@version/period` for figures, with `/c1`, `/c2` … for their corrections; else None.

    Of a batch of a sealed total it is the same, and of what follows it the digest of the batch.
    """
    body = verified.statement.body
    if isinstance(body, TrendBody) and body.correction is not None:
        return f"{body.table.id}@{body.table.version}/{body.period.label}/c{body.correction}"
    figures = body.terms.plan if isinstance(body, BatchBody) else body
    if isinstance(figures, TrendBody | AggregateBody | ShareBody | BatchPlan):
        return f"{figures.table.id}@{figures.table.version}/{figures.period.label}"
    if isinstance(body, RosterBody | VoidBody):
        return body.terms.batch
    return body.batch if isinstance(body, AggregateShareBody) else None


def to_log_entry(row: Entry | EntryRow) -> LogEntry:
    """The checked leaf of a row. Raises ValueError when the row holds what no entry may hold."""
    return LogEntry(kind=Kind(row.kind), digest=row.digest, audience=Audience(row.audience), time=row.time)


def leaf_of(row: Entry | EntryRow) -> bytes:
    """The canonical bytes of the leaf of a row that was checked when it was written."""
    return entry_bytes(row.kind, row.digest, row.audience, row.time)


def _erase_withdrawn(session: Session, arrivals: Sequence[Arrival], first: int) -> None:
    """Erase what withdrawals among `arrivals` take back. Who may withdraw what is checked before (intake, follow)."""
    for place, arrival in enumerate(arrivals):
        body, origin = arrival.verified.statement.body, arrival.verified.statement.origin
        if not isinstance(body, WithdrawalBody):
            continue
        apply_withdrawal(session, body, origin, first + place, is_within=arrival.is_within)


def apply_withdrawal(session: Session, body: WithdrawalBody, origin: str, index: int, *, is_within: bool) -> None:
    """What the withdrawal at `index` does to its item: erased, or narrowed where this hub is within what is left."""
    values: dict[str, Any] = {"withdrawn_by": index}
    if body.to is not None and is_within:
        values = {"narrowed_by": index, "narrowed_to": body.to}
    session.execute(
        update(EntryRow)
        .where(EntryRow.digest == body.digest, EntryRow.origin == origin, EntryRow.withdrawn_by.is_(None))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if "withdrawn_by" in values:
        erasure.erase(session, body.digest, origin)


def make_receipts(
    session: Session,
    entries: Sequence[Entry | EntryRow],
    reader: TileReader | None = None,
    notes: Mapping[int, str] | None = None,
) -> list[bytes]:
    """The receipts of entries (canonical JSON of `Receipt`): the same bytes whenever they are asked for.

    `notes` has checkpoints by size that the caller knows already; the others are read.
    """
    known = dict(notes or {})
    missing = {entry.receipt_size for entry in entries} - set(known)
    if missing:
        rows = session.connection().execute(_SELECT_NOTES, {"sizes": list(missing)})
        known |= {row.size: row.note for row in rows}
    quoted = {size: json.dumps(note, ensure_ascii=False) for size, note in known.items()}
    reader = reader or TileReader(session)
    return [_receipt_bytes(entry, quoted[entry.receipt_size], reader) for entry in entries]


def _receipt_bytes(entry: Entry | EntryRow, note: str, reader: TileReader) -> bytes:
    """Written out, because every submission gets one: the keys in their order, nothing in it that needs an escape."""
    proof = ",".join(
        f'"{text}"' for text in encode_proof(inclusion_proof(entry.index, entry.receipt_size, reader.node))
    )
    leaf = leaf_of(entry).decode()
    return f'{{"checkpoint":{note},"entry":{leaf},"index":{entry.index},"proof":[{proof}],"v":1}}'.encode()


def find_entry(session: Session, digest: str) -> EntryRow | None:
    return session.scalars(select(EntryRow).where(EntryRow.digest == digest)).one_or_none()


def prove_consistency(session: Session, old: int, new: int) -> tuple[str, ...]:
    """The consistency proof between two sizes of the log, as texts."""
    return encode_proof(find_consistency(session, old, new))


def find_consistency(session: Session, old: int, new: int) -> list[bytes]:
    """The consistency proof between two sizes of the log."""
    return consistency_proof(old, new, TileReader(session).node)


def encode_proof(hashes: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(base64.b64encode(value).decode() for value in hashes)


def find_note(session: Session, size: int) -> str | None:
    """The signed note of the first `size` entries; None when none was signed for that size."""
    return session.scalars(select(CheckpointRow.note).where(CheckpointRow.size == size)).one_or_none()


def latest_checkpoint(session: Session) -> str:
    """The signed note of the whole log."""
    note = session.scalar(select(CheckpointRow.note).order_by(CheckpointRow.size.desc()).limit(1))
    if note is None:
        raise LogError("expected a log; run init first")
    return note
