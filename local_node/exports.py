"""Files with own releases that this node wrote for others to check: which ones, and what of them is taken back.

A file that nobody has changed since is written anew without the item. One that was changed, moved or copied is out of
reach; its old place is named, so that a person can look.
"""

import hashlib
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node.orm import ExportRow
from shared_schema import canonical
from shared_schema.entry import digest_of
from shared_schema.envelope import parse_envelope
from shared_schema.errors import ContractError


def note_export(session: Session, path: Path, content: bytes, digests: Sequence[str], now: datetime) -> None:
    """Remember a file that was written a moment ago."""
    session.merge(
        ExportRow(
            path=str(path.resolve()),
            file_digest=hashlib.sha256(content).hexdigest(),
            items=canonical.encode({"digests": sorted(digests)}).decode(),
            written_at=now,
        )
    )


def take_out(session: Session, digest: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Take an item out of every file that has it: (written anew, to be looked at by a person), as paths."""
    cleaned, left = [], []
    for row in session.scalars(select(ExportRow).order_by(ExportRow.path)):
        digests = canonical.parse_strict(row.items.encode())["digests"]
        if digest not in digests:
            continue
        path = Path(row.path)
        if not path.exists():
            left.append(row.path)
            continue
        content = _rewrite(path, row.file_digest, digest)
        if content is None:
            left.append(row.path)
            continue
        row.file_digest = hashlib.sha256(content).hexdigest()
        row.items = canonical.encode({"digests": [each for each in digests if each != digest]}).decode()
        cleaned.append(row.path)
    return tuple(cleaned), tuple(left)


def _rewrite(path: Path, file_digest: str, digest: str) -> bytes | None:
    """The file's new bytes; None when it is not the one that was written, or cannot be."""
    try:
        before = path.read_bytes()
        if hashlib.sha256(before).hexdigest() != file_digest:
            return None
        lines = [line for line in before.splitlines(keepends=True) if not _is(line, digest)]
        after = b"".join(lines)
        with path.open("r+b") as file:  # over the old bytes, which a new file would leave on the disk
            file.write(after)
            file.write(b"\0" * (len(before) - len(after)))
            file.flush()
            os.fsync(file.fileno())
            file.truncate(len(after))
            os.fsync(file.fileno())
    except OSError:
        return None
    return after


def _is(line: bytes, digest: str) -> bool:
    try:
        return digest_of(parse_envelope(line.strip()).stored_bytes) == digest
    except ContractError:
        return False
