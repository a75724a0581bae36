"""Passwords: what may be one, and how it is kept (OWASP ASVS 5.0, 6.2; Argon2id, RFC 9106).

Length counts and being common counts, nothing else: rules about digits and signs make people write passwords down.
Whoever checks a name that does not exist does the same work as for one that does, so that time tells nothing.
"""

import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from shared_schema.errors import ContractError
from shared_schema.problem import ProblemCode

MIN_CHARACTERS: Final = 12
MAX_CHARACTERS: Final = 128
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""OWASP's smallest Argon2id: 19 MiB, so that ten people at once do not exhaust a small machine."""
_AT_ONCE: Final = threading.BoundedSemaphore(4)
PATIENCE_SECONDS: Final = 3.0
"""How long somebody waits for a turn. A flood of sign-ins must not take all threads from those who read."""
_COMMON: Final = frozenset(FREQUENCY_LISTS["passwords"])
"""The thirty thousand that are tried first."""
_NOBODYS: Final = _HASHER.hash("nobody has this password")


class PasswordError(ContractError):
    """This cannot be a password here; the message says which rule, never the password."""

    code = ProblemCode.SCHEMA


class TooManyAtOnceError(ContractError):
    """More people sign in at this moment than the machine can check; nothing was tried."""

    code = ProblemCode.BUSY


@contextmanager
def _a_turn() -> Iterator[None]:
    """One of few at a time. Raises TooManyAtOnceError when none comes free soon."""
    if not _AT_ONCE.acquire(timeout=PATIENCE_SECONDS):
        raise TooManyAtOnceError("expected fewer people signing in at once; try again in a moment")
    try:
        yield
    finally:
        _AT_ONCE.release()


def check_password(password: str, *, words: tuple[str, ...] = ()) -> None:
    """Raise PasswordError unless this may be a password; `words` are those that anybody would try, such as the name."""
    text = _normal(password)
    if not MIN_CHARACTERS <= len(text) <= MAX_CHARACTERS:
        raise PasswordError(f"expected a password of {MIN_CHARACTERS} to {MAX_CHARACTERS} characters")
    low = text.casefold()
    for word in sorted(words, key=len, reverse=True):
        if len(word) > 2:
            low = low.replace(word.casefold(), "")
    if len(set(low)) < MIN_CHARACTERS // 2 or low in _COMMON or low.rstrip("0123456789!.?") in _COMMON:
        raise PasswordError(
            "expected a password that is not easily guessed: no common one, no name, no row of the same signs; "
            "three or four words that have nothing to do with each other are a good one"
        )


def hash_password(password: str) -> str:
    """The Argon2id hash of a password that `check_password` let through. Raises TooManyAtOnceError."""
    with _a_turn():
        return _HASHER.hash(_normal(password))


def is_password(password_hash: str | None, password: str) -> bool:
    """Whether this is the password; without a hash it is not, after the same work. Raises TooManyAtOnceError."""
    with _a_turn():
        try:
            _HASHER.verify(password_hash or _NOBODYS, _normal(password)[: MAX_CHARACTERS + 1])
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's, and should be made anew at the next sign-in."""
    return _HASHER.check_needs_rehash(password_hash)


def _normal(password: str) -> str:
    """The same text however a keyboard put it together (NIST SP 800-63B, 3.1.1.2: NFKC)."""
    return unicodedata.normalize("NFKC", password)
