"""The private key of a program: one file in its data directory that only its owner can read."""

import os
from pathlib import Path

from shared_schema.keys import SigningKey
from shared_schema.service.control import VerbError

KEY_FILE = "signing.key"
READABLE_BY_OTHERS = 0o077


def write_key(data_dir: Path, key: SigningKey) -> None:
    """Store the private key so that only its owner can read it. Raises VerbError when there is one."""
    try:
        handle = os.open(data_dir / KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise VerbError("exists", "expected a data directory without a key; a key is never overwritten") from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(key.seed.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def load_key(data_dir: Path) -> SigningKey:
    """Read the private key. Raises VerbError when it is missing, not one, or open to other users."""
    path = data_dir / KEY_FILE
    try:
        if path.stat().st_mode & READABLE_BY_OTHERS:
            raise VerbError("open-key", f"expected a key that only its owner can read; run: chmod 600 {path}")
        return SigningKey.from_seed(bytes.fromhex(path.read_text(encoding="ascii")))
    except FileNotFoundError:
        raise VerbError("no-key", f"expected {path}; it is made by the command init") from None
    except (ValueError, OSError):
        raise VerbError("bad-key", f"expected 64 hexadecimal digits in {path}") from None
