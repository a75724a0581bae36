"""Secrets that are handed to a browser or a script: random, long, and kept here as a hash only.

token = new_token()
stored = hash_token(token)
"""

import hashlib
import secrets
from typing import Final

TOKEN_BYTES: Final = 32
MAX_TOKEN_CHARACTERS: Final = 100
"""Longer than any of ours; what is longer is not looked up."""


def new_token() -> str:
    """256 random bits, base64url."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> str:
    """SHA-256 in hexadecimal digits. A fast hash is enough, because nobody can try out 256 bits."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
