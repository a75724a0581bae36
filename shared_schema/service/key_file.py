"""The private key of a program: one file in its data directory that only its owner can read."""

import os
import secrets
from pathlib import Path

from shared_schema.keys import SigningKey
from shared_schema.service.control import VerbError

KEY_FILE = "signing.key"
COSIGNER_FILE = "cosigner.key"
"""Of a hub: the key that says when its head was the newest, and that cosigns for other logs."""
KEY_SEED_BYTES = 32
READABLE_BY_OTHERS = 0o077


def write_key(data_dir: Path, key: SigningKey, file: str = KEY_FILE) -> None:
    """Store the private key so that only its owner can read it. Raises VerbError when there is one."""
    try:
        handle = os.open(data_dir / file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise VerbError("exists", "expected a data directory without a key; a key is never overwritten") from None
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        stream.write(key.seed.hex() + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def load_key(data_dir: Path, file: str = KEY_FILE) -> SigningKey:
    """Read the private key. Raises VerbError when it is missing, not one, or open to other users."""
    path = data_dir / file
    try:
        if path.stat().st_mode & READABLE_BY_OTHERS:
            raise VerbError("open-key", f"expected a key that only its owner can read; run: chmod 600 {path}")
        return SigningKey.from_seed(bytes.fromhex(path.read_text(encoding="ascii")))
    except FileNotFoundError:
        raise VerbError("no-key", f"expected {path}; it is made by the command init") from None
    except (ValueError, OSError):
        raise VerbError("bad-key", f"expected 64 hexadecimal digits in {path}") from None


def load_or_make_key(data_dir: Path, file: str) -> SigningKey:
    """As `load_key`; a data directory from before there was this key gets one now."""
    if not (data_dir / file).exists():
        write_key(data_dir, SigningKey.from_seed(secrets.token_bytes(KEY_SEED_BYTES)), file)
    return load_key(data_dir, file)
