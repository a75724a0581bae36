"""Key ids, public keys and the directory: who may sign, and who said so.

A key's id is the SHA-256 of its 32 public bytes in hexadecimal; people compare the first 40 digits in groups of four
(`Fingerprint`). The directory is nothing but the fold of the `membership` statements in the log, so everybody who has
read the same log has the same directory.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
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
    """An Ed25519 private key. It never prints itself."""

    private: Ed25519PrivateKey

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


_FINAL = frozenset({MemberStatus.REVOKED, MemberStatus.LEFT})


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

    def check_may_sign(self, now: datetime) -> None:
        """Raise VerificationError unless this member's key may sign at `now`."""
        if self.status is MemberStatus.SUSPENDED:
            raise VerificationError("expected an active member", code=ProblemCode.MEMBER_NOT_ACTIVE)
        too_early = self.not_before is not None and now < self.not_before
        too_late = self.not_after is not None and now >= self.not_after
        if self.status is not MemberStatus.ACTIVE or too_early or too_late:
            raise VerificationError("expected a key that is in force", code=ProblemCode.KEY_NOT_VALID)


class Directory:
    """Members by name and key, folded from membership statements in the order of the log.

    The root is the one hub whose fingerprint a person compared. Authority goes outwards from it: a member with the
    role hub or parent may vouch for its own members; nobody can speak about a name that another hub has vouched for,
    nor about itself, nor about the root. A key that was revoked, or whose member has left, never comes back.

        directory = Directory(root_name, root_key)
        directory.apply(signer="nation.de", member=member)      # -> True when it changed something
    """

    def __init__(self, root_name: str, root_key: PublicKey) -> None:
        self._members: dict[str, Member] = {}
        self._by_keyid: dict[str, Member] = {}
        self._ended: set[str] = set()
        self.root = root_name
        self._put(Member(root_name, MemberRole.HUB, root_key, MemberStatus.ACTIVE, vouched_by=root_name))

    def apply(self, *, signer: str, member: Member) -> bool:
        """Take what `signer` says about `member.name`; False when it says nothing new.

        Raises VerificationError when the signer has no authority over that name. The statement's own signature must
        have been verified before.
        """
        voucher = self._members.get(signer)
        if voucher is None or voucher.role is MemberRole.NODE or voucher.status is not MemberStatus.ACTIVE:
            raise VerificationError("expected a membership signed by an active hub of the directory")
        if member.name in (signer, self.root):
            # Every region vouches for the same nation; a hub's own word about the root of this reader adds nothing.
            return False
        known = self._members.get(member.name)
        if known is not None and known.vouched_by != signer:
            if known.key == member.key:
                return False
            raise VerificationError("expected a name that no other hub has vouched for", code=ProblemCode.NAME_TAKEN)
        other = self._by_keyid.get(member.key.keyid)
        if other is not None and other.name != member.name:
            raise VerificationError("expected a key that no other member uses", code=ProblemCode.NAME_TAKEN)
        if member.key.keyid in self._ended and member.status not in _FINAL:
            raise VerificationError("expected a key that was never revoked", code=ProblemCode.KEY_NOT_VALID)
        fresh = replace(member, vouched_by=signer)
        if known == fresh:
            return False
        self._put(fresh)
        return True

    def find(self, name: str) -> Member | None:
        return self._members.get(name)

    def find_by_keyid(self, keyid: str) -> Member | None:
        return self._by_keyid.get(keyid)

    def members(self) -> Iterable[Member]:
        return tuple(self._members.values())

    def _put(self, member: Member) -> None:
        known = self._members.get(member.name)
        if known is not None:
            self._by_keyid.pop(known.key.keyid, None)
        if member.status in _FINAL:
            self._ended.add(member.key.keyid)
        self._members[member.name] = member
        self._by_keyid[member.key.keyid] = member
