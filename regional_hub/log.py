"""The append-only log: entries, tiles, head and checkpoint, in one transaction.

Whoever appends holds the head row until the commit, so several hub processes on one database append one after the
other. Nobody gets a receipt before the commit. Time in the log never goes back, whatever the clock does.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from regional_hub.errors import LogError
from regional_hub.orm import CheckpointRow, ContentRow, EntryRow, HeadRow, TileRow
from regional_hub.tiles import TileReader, grow
from shared_schema.checkpoint import Checkpoint
from shared_schema.entry import LogEntry, Receipt
from shared_schema.governance import WithdrawalBody
from shared_schema.keys import SigningKey
from shared_schema.merkle import Frontier, consistency_proof, inclusion_proof
from shared_schema.statement import Audience, Kind, VerifiedStatement, format_time
from shared_schema.trend import AggregateBody, TrendBody

HEAD_ID = 1


@dataclass(frozen=True, slots=True)
class Arrival:
    """A statement that has passed every check, and from which hub it came (None: from its origin itself)."""

    verified: VerifiedStatement
    via: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """How long the log is, its frontier, and the time of its last entry."""

    frontier: Frontier
    time: str

    @property
    def size(self) -> int:
        return self.frontier.size


def start_log(session: Session, name: str, key: SigningKey) -> None:
    """Write the head and the checkpoint of the empty log; does nothing when there is a head."""
    if session.get(HeadRow, HEAD_ID) is None:
        session.add(HeadRow(id=HEAD_ID, size=0, frontier=b"", time=""))
        session.add(CheckpointRow(size=0, note=Checkpoint(name, 0, Frontier().root()).sign(key)))
        session.flush()


def get_head(session: Session, *, for_append: bool = False) -> Head:
    """The head; with `for_append` nobody else can append until this transaction ends."""
    statement = select(HeadRow.size, HeadRow.frontier, HeadRow.time).where(HeadRow.id == HEAD_ID)
    row = session.execute(statement.with_for_update() if for_append else statement).one_or_none()
    if row is None:
        raise LogError("expected a log; run init first")
    return Head(Frontier.from_bytes(row.size, row.frontier), row.time)


def append(
    session: Session, arrivals: Sequence[Arrival], *, name: str, key: SigningKey, head: Head, now: datetime
) -> list[EntryRow]:
    """Append statements to the log in the caller's transaction; `head` was read with `for_append`.

    The caller has made sure that none of them is in the log. Returns their entries in order.
    """
    time = max(format_time(now), head.time)
    size = head.size + len(arrivals)
    rows = [_entry_values(arrival, head.size + place, time, size) for place, arrival in enumerate(arrivals)]
    leaves = [to_log_entry(row).leaf for row in rows]
    frontier = head.frontier.extend(leaves)
    contents = [{"digest": item.verified.digest, "envelope": item.verified.envelope.stored_bytes} for item in arrivals]
    connection = session.connection()
    connection.execute(insert(EntryRow.__table__), [_columns(row) for row in rows])  # type: ignore[arg-type]
    connection.execute(insert(ContentRow.__table__), contents)  # type: ignore[arg-type]
    _store_tiles(session, head.size, leaves)
    moved = session.execute(
        update(HeadRow)
        .where(HeadRow.id == HEAD_ID, HeadRow.size == head.size)
        .values(size=size, frontier=frontier.to_bytes(), time=time)
        .execution_options(synchronize_session=False)
    )
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        raise LogError(f"expected a log of {head.size} entries; another process has appended")
    note = Checkpoint(name, size, frontier.root()).sign(key)
    connection.execute(insert(CheckpointRow.__table__), [{"size": size, "note": note}])  # type: ignore[arg-type]
    _erase_withdrawn(session, arrivals, head.size)
    return rows


def _entry_values(arrival: Arrival, index: int, time: str, size: int) -> EntryRow:
    statement = arrival.verified.statement
    return EntryRow(
        index=index,
        digest=arrival.verified.digest,
        kind=statement.kind.value,
        audience=statement.audience.value,
        time=time,
        origin=statement.origin,
        seq=statement.seq,
        via=arrival.via,
        subject=subject_of(arrival.verified),
        receipt_size=size,
        withdrawn_by=None,
    )


_ENTRY_COLUMNS = tuple(column.name for column in EntryRow.__table__.columns)


def _columns(row: EntryRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in _ENTRY_COLUMNS}


def subject_of(verified: VerifiedStatement) -> str | None:
    """`table@version/period` for figures, else None."""
    body = verified.statement.body
    if isinstance(body, TrendBody | AggregateBody):
        return f"{body.table.id}@{body.table.version}/{body.period.label}"
    return None


def to_log_entry(row: EntryRow) -> LogEntry:
    """The leaf of a row."""
    return LogEntry(kind=Kind(row.kind), digest=row.digest, audience=Audience(row.audience), time=row.time)


def _store_tiles(session: Session, first: int, leaves: Sequence[bytes]) -> None:
    for level, number, hashes in grow(TileReader(session), first, leaves):
        changed = session.execute(
            update(TileRow)
            .where(TileRow.level == level, TileRow.number == number)
            .values(hashes=hashes)
            .execution_options(synchronize_session=False)
        )
        if changed.rowcount != 1:  # type: ignore[attr-defined]
            session.execute(insert(TileRow).values(level=level, number=number, hashes=hashes))


def _erase_withdrawn(session: Session, arrivals: Sequence[Arrival], first: int) -> None:
    """Erase what withdrawals among `arrivals` take back. Who may withdraw what is checked before (intake, follow)."""
    for place, arrival in enumerate(arrivals):
        body = arrival.verified.statement.body
        if isinstance(body, WithdrawalBody):
            session.execute(
                update(EntryRow)
                .where(EntryRow.digest == body.digest, EntryRow.origin == arrival.verified.statement.origin)
                .values(withdrawn_by=first + place)
                .execution_options(synchronize_session=False)
            )
            withdrawn = select(EntryRow.digest).where(
                EntryRow.digest == body.digest, EntryRow.withdrawn_by.is_not(None)
            )
            session.execute(
                delete(ContentRow).where(ContentRow.digest.in_(withdrawn)).execution_options(synchronize_session=False)
            )


def make_receipts(session: Session, rows: Sequence[EntryRow]) -> list[Receipt]:
    """The receipts of entries: the same bytes whenever they are asked for."""
    reader = TileReader(session)
    sizes = {row.receipt_size for row in rows}
    notes = dict(
        session.execute(select(CheckpointRow.size, CheckpointRow.note).where(CheckpointRow.size.in_(sizes)))
        .tuples()
        .all()
    )
    return [
        Receipt(
            index=row.index,
            entry=to_log_entry(row),
            proof=encode_proof(inclusion_proof(row.index, row.receipt_size, reader.node)),
            checkpoint=notes[row.receipt_size],
        )
        for row in rows
    ]


def find_entry(session: Session, digest: str) -> EntryRow | None:
    return session.scalars(select(EntryRow).where(EntryRow.digest == digest)).one_or_none()


def prove_consistency(session: Session, old: int, new: int) -> tuple[str, ...]:
    """The consistency proof between two sizes of the log, as texts."""
    return encode_proof(consistency_proof(old, new, TileReader(session).node))


def encode_proof(hashes: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(base64.b64encode(value).decode() for value in hashes)


def latest_checkpoint(session: Session) -> str:
    """The signed note of the whole log."""
    note = session.scalar(select(CheckpointRow.note).order_by(CheckpointRow.size.desc()).limit(1))
    if note is None:
        raise LogError("expected a log; run init first")
    return note
