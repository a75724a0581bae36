"""The one-time code that opens the set-up pages: shown on the console, kept as a hash in memory, used once.

It opens one browser, for as long as that browser is at work. It ends after an hour and with its use; ten wrong ones
close the door for a quarter of an hour. Whoever starts the program anew gets another code.
"""

import hmac
import threading
from datetime import datetime, timedelta
from typing import Final

from local_node.errors import NodeError
from shared_schema.service.tokens import hash_token, new_token

LASTS: Final = timedelta(hours=1)
LONGEST_QUIET: Final = timedelta(hours=2)
MAX_FAILURES: Final = 10
FAILURES_WITHIN: Final = timedelta(minutes=15)
ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Thirty-two signs that nobody confuses."""
CODE_SIGNS: Final = 20
"""A hundred bits: with ten tries in a quarter of an hour nobody guesses it."""
MAX_TYPED: Final = 60


class CodeError(NodeError):
    """The code is not this one (`setup-code`), is over (`setup-code-over`), or came too often wrong (`too-many`)."""

    code = "setup-code"


def make_code(random: bytes) -> str:
    """A code in groups of four from at least twenty random bytes: `K7QF-9M2T-XW4R-8HPC-3NVD`."""
    signs = "".join(ALPHABET[byte % len(ALPHABET)] for byte in random[:CODE_SIGNS])
    return "-".join(signs[start : start + 4] for start in range(0, CODE_SIGNS, 4))


class SetupDoor:
    """Who may set this node up: nobody until the code was typed in, then that browser alone."""

    def __init__(self, code: str, now: datetime) -> None:
        self._code_hash = hash_token(_plain(code))
        self._ends_at = now + LASTS
        self._is_used = False
        self._failures: list[datetime] = []
        self._token_hash: str | None = None
        self._seen_at = now
        self._lock = threading.Lock()

    def open(self, typed: str, now: datetime) -> str:
        """The secret of the browser that typed the code in. Raises CodeError."""
        with self._lock:
            self._failures = [at for at in self._failures if at > now - FAILURES_WITHIN]
            if len(self._failures) >= MAX_FAILURES:
                raise CodeError("expected at most ten tries within fifteen minutes", code="too-many")
            is_right = hmac.compare_digest(hash_token(_plain(typed[:MAX_TYPED])), self._code_hash)
            if not is_right:
                self._failures.append(now)
                raise CodeError("expected the code that the program has printed")
            if self._is_used or now > self._ends_at:
                raise CodeError("expected a code that is neither used nor older than an hour", code="setup-code-over")
            self._is_used = True
            token = new_token()
            self._token_hash, self._seen_at = hash_token(token), now
            return token

    def lets_in(self, token: str, now: datetime) -> bool:
        """Whether this is the browser that has opened the door and was not away for too long."""
        with self._lock:
            if self._token_hash is None or not hmac.compare_digest(hash_token(token), self._token_hash):
                return False
            if now - self._seen_at > LONGEST_QUIET:
                self._token_hash = None
                return False
            self._seen_at = max(self._seen_at, now)
            return True


def _plain(code: str) -> str:
    return "".join(sign for sign in code.upper() if sign in ALPHABET)
