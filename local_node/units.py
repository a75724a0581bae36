"""A person as a unit: an agency's own file reference becomes a keyed hash, and the reference is stored nowhere.

HMAC-SHA-256 (RFC 2104) with a key that never leaves the node's data directory: without it a short reference could be
found by trying all of them. Measure and agency are part of what is hashed, so nobody is followed from one agency or one
measure to another.

    unit_hash = hash_unit(load_unit_key(data_dir, may_make=True), "first_contacts", "youth-office", "A-17")
"""

import hashlib
import hmac
import os
import tempfile
from pathlib import Path
from typing import Final

from local_node.errors import RecordError

UNIT_KEY_FILE: Final = "unit.key"
KEY_BYTES: Final = 32
READABLE_BY_OTHERS: Final = 0o077


def hash_unit(key: bytes, measure: str, agency: str, reference: str) -> str:
    """64 hexadecimal digits. Each part stands behind its length, so no two triples are the same bytes."""
    parts = (part.encode() for part in (measure, agency, reference))
    message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def load_unit_key(data_dir: Path, *, may_make: bool) -> bytes:
    """Read the key, or make it at first need.

    Raises RecordError: it is missing and may not be made (the references that are stored were hashed with it), it is no
    key, or others can read it.
    """
    path = data_dir / UNIT_KEY_FILE
    try:
        if not path.exists() and may_make:
            _make_key(data_dir)
        if path.stat().st_mode & READABLE_BY_OTHERS:
            raise RecordError(f"expected a key that only its owner can read; run: chmod 600 {path}", code="unit-key")
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        raise RecordError(
            f"expected {path}, with which the persons here were hashed; with another key they would count again",
            code="unit-key",
        ) from None
    except (ValueError, OSError):
        raise RecordError(f"expected 64 hexadecimal digits in {path}", code="unit-key") from None
    if len(key) != KEY_BYTES:
        raise RecordError(f"expected 64 hexadecimal digits in {path}", code="unit-key")
    return key


def _make_key(data_dir: Path) -> None:
    """Write the key whole or not at all: a file beside it that only its owner can read gets its name when it is done.

    A link never takes the place of a key that somebody else has made in the meantime.
    """
    handle, name = tempfile.mkstemp(prefix=f".{UNIT_KEY_FILE}.", dir=data_dir)  # mode 0600
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(os.urandom(KEY_BYTES).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        (data_dir / UNIT_KEY_FILE).hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        draft.unlink()
    directory = os.open(data_dir, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
