"""The public files of the log out of the database: tiles, entry bundles, checkpoint, and a proof for each entry.

The hub's own addresses, the folder of static files and `verify` all take their bytes from here, so they are the same.
"""

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub import log
from regional_hub.orm import CheckpointRow, EntryRow, TileRow
from regional_hub.tiles import TileReader
from shared_schema.entry import entry_bytes
from shared_schema.errors import SchemaError
from shared_schema.merkle import HASH_BYTES, TILE_WIDTH, encode_bundle, inclusion_proof
from shared_schema.tiles import CHECKPOINT_PATH, FileMissingError, LogFile, parse_path
from shared_schema.tlog_proof import TlogProof


def find_file(session: Session, file: LogFile) -> bytes | None:
    """The bytes of a tile or bundle; None when the tree does not reach so far.

    A partial file of every width within the tree is served: it is the beginning of what is there.
    """
    return _find_bundle(session, file) if file.level is None else _find_tile(session, file.level, file)


def _find_tile(session: Session, level: int, file: LogFile) -> bytes | None:
    hashes = session.scalar(select(TileRow.hashes).where(TileRow.level == level, TileRow.number == file.number))
    wanted = file.width * HASH_BYTES
    return None if hashes is None or len(hashes) < wanted else hashes[:wanted]


def _find_bundle(session: Session, file: LogFile) -> bytes | None:
    first = file.number * TILE_WIDTH
    columns = select(EntryRow.kind, EntryRow.digest, EntryRow.audience, EntryRow.time)
    rows = session.execute(
        columns.where(EntryRow.index >= first, EntryRow.index < first + file.width).order_by(EntryRow.index)
    ).all()
    if len(rows) != file.width:
        return None
    return encode_bundle(entry_bytes(row.kind, row.digest, row.audience, row.time) for row in rows)


def find_proof(session: Session, digest: str) -> str | None:
    """The proof of an entry against the checkpoint of its receipt: the same text for ever. None: no such entry."""
    entry = log.find_entry(session, digest)
    if entry is None:
        return None
    note = session.scalars(select(CheckpointRow.note).where(CheckpointRow.size == entry.receipt_size)).one()
    hashes = inclusion_proof(entry.index, entry.receipt_size, TileReader(session).node)
    return TlogProof(entry.index, tuple(hashes), note).to_text()


def fetch_from(session: Session) -> Callable[[str], bytes]:
    """The files of the log by their path, for whoever reads a log from its files (`shared_schema.tiles.Fetch`)."""

    def fetch(path: str) -> bytes:
        if path == CHECKPOINT_PATH:
            return log.latest_checkpoint(session).encode()
        try:
            data = find_file(session, parse_path(path))
        except SchemaError:
            data = None
        if data is None:
            raise FileMissingError(path)
        return data

    return fetch
