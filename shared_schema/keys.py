"""Key ids, public keys, and the members that have them.

A key's id is the SHA-256 of its 32 public bytes in hexadecimal; people compare the first 40 digits in groups of four
(`Fingerprint`). Who has which key, the `directory` tells.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared_schema.errors import VerificationError
from shared_schema.problem import ProblemCode

PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
FINGERPRINT_DIGITS = 40
"""160 bits: as much as can be read aloud over the telephone, and far out of reach of a search for a second key."""

_SMALL_ORDER_Y = frozenset(
    bytes.fromhex(digits)
    for digits in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)
"""The y coordinates of all points whose order divides 8, canonical and not (RFC 8032 section 5.1, curve25519 cofactor).

With such a key one signature holds for many messages."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key that is safe to trust: 32 bytes, not of small order."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != PUBLIC_KEY_BYTES:
            raise VerificationError(f"expected a public key of {PUBLIC_KEY_BYTES} bytes", code=ProblemCode.WEAK_KEY)
        if self.raw[:-1] + bytes([self.raw[-1] & 0x7F]) in _SMALL_ORDER_Y:
            raise VerificationError("expected a public key that is not of small order", code=ProblemCode.WEAK_KEY)

    @property
    def keyid(self) -> str:
        """SHA-256 of the public bytes, 64 hexadecimal digits."""
        return hashlib.sha256(self.raw).hexdigest()

    @property
    def fingerprint(self) -> str:
        """What people compare: ten groups of four digits."""
        digits = self.keyid[:FINGERPRINT_DIGITS]
        return " ".join(digits[start : start + 4] for start in range(0, FINGERPRINT_DIGITS, 4))

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raise VerificationError unless `signature` is this key's Ed25519 signature (RFC 8032) of `message`."""
        if len(signature) != SIGNATURE_BYTES:
            raise VerificationError(f"expected a signature of {SIGNATURE_BYTES} bytes")
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise VerificationError("expected a signature made with the sender's key") from None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 private key. It never prints itself.

    `beside` are keys that sign checkpoints (and nothing else) together with this one, while a hub hands over from one
    key to the next.
    """

    private: Ed25519PrivateKey
    beside: "tuple[SigningKey, ...]" = ()

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """The key of a 32-byte seed (RFC 8032 section 5.1.5)."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def seed(self) -> bytes:
        return self.private.private_bytes_raw()

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)

    def __repr__(self) -> str:
        return f"SigningKey({self.public.keyid[:8]}…)"


def same_fingerprint(typed: str, key: PublicKey) -> bool:
    """Whether what a person typed is the fingerprint of `key`; spaces, colons and capitals do not matter."""
    digits = "".join(character for character in typed.lower() if character not in " :-\t")
    return digits in (key.keyid[:FINGERPRINT_DIGITS], key.keyid)


class MemberRole(StrEnum):
    NODE = "node"
    HUB = "hub"
    PARENT = "parent"


class MemberStatus(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    LEFT = "left"


FINAL_STATUSES = frozenset({MemberStatus.REVOKED, MemberStatus.LEFT})
"""They end every key of the member. The name can come back with a new key, a key that has ended never does."""


@dataclass(frozen=True, slots=True)
class Member:
    """One row of the directory."""

    name: str
    role: MemberRole
    key: PublicKey
    status: MemberStatus
    vouched_by: str
    not_before: datetime | None = None
    not_after: datetime | None = None
    level: str | None = None
    """Of a hub: `region`, `nation` or `europe`."""
    operator: str | None = None
    """Of a hub: who runs it, where somebody has said so."""
    area: str | None = None
    """The code of the area that it was admitted with: of a city its municipality."""

    def check_may_sign(self, now: datetime) -> None:
        """Raise VerificationError unless this member's key may sign at `now`."""
        if self.status is MemberStatus.SUSPENDED:
            raise VerificationError("expected an active member", code=ProblemCode.MEMBER_NOT_ACTIVE)
        too_early = self.not_before is not None and now < self.not_before
        too_late = self.not_after is not None and now >= self.not_after
        if self.status is not MemberStatus.ACTIVE or too_early or too_late:
            raise VerificationError("expected a key that is in force", code=ProblemCode.KEY_NOT_VALID)
