"""The codes of a second factor: six digits that change every half minute, and recovery codes for a lost telephone.

Plain rules (RFC 6238): the caller brings the moment and the secret. A step that was used is never accepted again, so a
code that somebody has read over a shoulder opens nothing.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import pyotp

STEP_SECONDS: Final = 30
STEPS_AROUND: Final = 1
"""A telephone's clock may be half a minute off, and typing takes time (RFC 6238 section 5.2)."""
SECRET_BYTES: Final = 20
"""As long as the hash that is computed with it (RFC 4226 section 4, R6)."""
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 10
"""80 bits: too many to guess, so a plain hash of them is enough."""
_SPACES: Final = re.compile(r"[\s-]+")
_DIGITS: Final = re.compile(r"[0-9]{6}", re.ASCII)


def step_at(moment: datetime) -> int:
    """The number of the half minute."""
    return int(moment.timestamp()) // STEP_SECONDS


def code_at(secret: str, moment: datetime) -> str:
    """What the telephone shows at a moment."""
    return pyotp.TOTP(secret, interval=STEP_SECONDS).at(moment)


def find_step(secret: str, typed: str, now: datetime, last_step: int) -> int | None:
    """The step whose code was typed; None when it is wrong, too old, or not newer than `last_step`."""
    code = _SPACES.sub("", typed)
    if not _DIGITS.fullmatch(code):
        return None
    totp, current, found = pyotp.TOTP(secret, interval=STEP_SECONDS), step_at(now), None
    for step in range(max(current - STEPS_AROUND, 0), current + STEPS_AROUND + 1):
        if hmac.compare_digest(totp.at(step * STEP_SECONDS), code) and step > last_step:
            found = step
    return found


def encode_secret(random: bytes) -> str:
    """Random bytes as people can type them into a telephone."""
    return base64.b32encode(random).decode("ascii")


def address_for_telephone(secret: str, person_id: str, place: str) -> str:
    """The `otpauth:` address that an authenticator app reads from the square."""
    return pyotp.TOTP(secret, name=person_id, issuer=place, interval=STEP_SECONDS).provisioning_uri()


def format_recovery_codes(random: Iterable[bytes]) -> tuple[str, ...]:
    """Random bytes as codes that can be written down: `abcd-efgh-2345-wxyz`."""
    return tuple(_in_groups(base64.b32encode(piece).decode("ascii").lower()) for piece in random)


def hash_recovery_code(typed: str) -> str:
    """What is kept of a code; spaces, dashes and capitals do not matter."""
    return hashlib.sha256(_SPACES.sub("", typed).lower().encode("utf-8", "replace")).hexdigest()


def _in_groups(code: str) -> str:
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))
