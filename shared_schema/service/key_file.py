"""The private key of a program: one file in its data directory that only its owner can read.

While a key is being changed there is a second file with the next one. It is written, and on the disk, before anybody
hears of the key; it takes the place of the first file in one step, which also erases the old key.
"""

import os
import secrets
from pathlib import Path

from shared_schema.keys import SigningKey
from shared_schema.service.control import VerbError

KEY_FILE = "signing.key"
COSIGNER_FILE = "cosigner.key"
"""Of a hub: the key that says when its head was the newest, and that cosigns for other logs."""
NEXT_KEY_FILE = "signing.next.key"
KEY_SEED_BYTES = 32
READABLE_BY_OTHERS = 0o077


def write_key(data_dir: Path, key: SigningKey, file: str = KEY_FILE) -> None:
    """Store the private key so that only its owner can read it. Raises VerbError when there is one."""
    if not _write(data_dir / file, key):
        raise VerbError("exists", "expected a data directory without a key; a key is never overwritten")


def load_key(data_dir: Path, file: str = KEY_FILE) -> SigningKey:
    """Read the private key. Raises VerbError when it is missing, not one, or open to other users."""
    key = _read(data_dir / file)
    if key is None:
        raise VerbError("no-key", f"expected {data_dir / file}; it is made by the command init")
    return key


def load_or_make_key(data_dir: Path, file: str) -> SigningKey:
    """As `load_key`; a data directory from before there was this key gets one now."""
    if not (data_dir / file).exists():
        write_key(data_dir, SigningKey.from_seed(secrets.token_bytes(KEY_SEED_BYTES)), file)
    return load_key(data_dir, file)


def find_next_key(data_dir: Path) -> SigningKey | None:
    """The key that is to come after the one in use. Raises VerbError when its file cannot be read."""
    return _read(data_dir / NEXT_KEY_FILE)


def write_next_key(data_dir: Path, key: SigningKey) -> None:
    """Store the next key beside the one in use; the same one again changes nothing.

    Raises VerbError when another one is there.
    """
    if _write(data_dir / NEXT_KEY_FILE, key):
        return
    there = find_next_key(data_dir)
    if there is None or there.public != key.public:
        raise VerbError("exists", "expected no other new key; a key is never overwritten")


def promote_next_key(data_dir: Path) -> None:
    """Put the next key in the place of the one in use, which is gone after that. Nothing happens when there is none."""
    try:
        (data_dir / NEXT_KEY_FILE).replace(data_dir / KEY_FILE)
    except FileNotFoundError:
        return
    _sync_directory(data_dir)


def drop_next_key(data_dir: Path) -> None:
    """Erase a next key that nobody will use."""
    (data_dir / NEXT_KEY_FILE).unlink(missing_ok=True)
    _sync_directory(data_dir)


def _write(path: Path, key: SigningKey) -> bool:
    """False when there is a file already. The key is on the disk when this returns True."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(key.seed.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    _sync_directory(path.parent)
    return True


def _read(path: Path) -> SigningKey | None:
    try:
        if path.stat().st_mode & READABLE_BY_OTHERS:
            raise VerbError("open-key", f"expected a key that only its owner can read; run: chmod 600 {path}")
        return SigningKey.from_seed(bytes.fromhex(path.read_text(encoding="ascii")))
    except FileNotFoundError:
        return None
    except (ValueError, OSError):
        raise VerbError("bad-key", f"expected 64 hexadecimal digits in {path}") from None


def _sync_directory(directory: Path) -> None:
    """A file's name is on the disk only when its directory is."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
