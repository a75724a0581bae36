"""A key that takes the place of another: said by the member itself, in an envelope that both keys have signed.

The old key shows that the member asks for it, the new one that the member has it. So a hub that vouches for a member
cannot swap its key in silence: every reader of the log verifies the rotation itself. It is a DSSE envelope (protocol.md
1.0.2) like a statement's, but with exactly two signatures, and so it has a reader of its own here.

    signed = sign_rotation(rotation, old=old_key, new=new_key)
    rotation = verify_rotation(parse_rotation(body), name="leipzig.sn.de", old_key=known)
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from shared_schema import canonical
from shared_schema.envelope import decode_base64, pae, payload_type
from shared_schema.errors import ContractError, MalformedError, SchemaError, VerificationError
from shared_schema.keys import PublicKey, SigningKey
from shared_schema.names import Base64Key, Digest, Origin, Timestamp, Version
from shared_schema.problem import ProblemCode
from shared_schema.wire import WireModel

ROTATION_KIND = "key-rotation"
"""The payload type of a rotation; it is no statement: it has no `seq`, and a hub is told before it stands in a log."""
MAX_ROTATION_BYTES = 4 * 1024
"""Two keys, two signatures, a name and a nonce have less than 1,300 bytes."""
MAX_CHAIN = 200
"""Rotations that one hub may show: one a month for sixteen years."""


class KeyRotation(WireModel):
    """From now on `new_key` speaks for `name`. A hub that announces one ahead says from when, in `not_before`."""

    v: Version = 1
    name: Origin
    old_key: Base64Key
    new_key: Base64Key
    made_at: Timestamp
    nonce: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22,64}$")]
    not_before: Timestamp | None = None

    @field_validator("old_key", "new_key")
    @classmethod
    def _is_strong(cls, encoded: str) -> str:
        try:
            PublicKey(base64.b64decode(encoded, validate=True))
        except ContractError as error:
            raise ValueError(error.message) from None
        return encoded

    @model_validator(mode="after")
    def _keys_differ(self) -> Self:
        if self.old_key == self.new_key:
            raise ValueError("expected a new key that is not the old one")
        return self

    @property
    def old(self) -> PublicKey:
        return PublicKey(base64.b64decode(self.old_key))

    @property
    def new(self) -> PublicKey:
        return PublicKey(base64.b64decode(self.new_key))


class _Signature(WireModel):
    keyid: Digest
    sig: Annotated[str, Field(max_length=100)]


class _RotationEnvelope(WireModel):
    """DSSE's names for its three fields."""

    payload: Annotated[str, Field(max_length=MAX_ROTATION_BYTES)]
    payloadType: Annotated[str, Field(max_length=100)]
    signatures: Annotated[tuple[_Signature, ...], Field(min_length=2, max_length=2)]


@dataclass(frozen=True, slots=True)
class SignedRotation:
    """A rotation with its two signatures, (key id, signature), not yet verified."""

    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    def to_object(self) -> dict[str, Any]:
        """The one spelling: sorted by key id, the standard base64 alphabet."""
        signatures = [
            {"keyid": keyid, "sig": base64.b64encode(signature).decode()}
            for keyid, signature in sorted(self.signatures)
        ]
        return {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": payload_type(ROTATION_KIND),
            "signatures": signatures,
        }

    def to_bytes(self) -> bytes:
        return canonical.encode(self.to_object())


def sign_rotation(rotation: KeyRotation, *, old: SigningKey, new: SigningKey) -> SignedRotation:
    """Sign with both keys. Raises VerificationError when they are not the two that the rotation names."""
    payload = rotation.to_bytes()
    message = pae(payload_type(ROTATION_KIND), payload)
    signed = SignedRotation(payload, tuple((key.public.keyid, key.sign(message)) for key in (old, new)))
    read_rotation(signed)
    return signed


def parse_rotation(body: bytes) -> SignedRotation:
    """Read what a member sends. Raises MalformedError, SchemaError or VerificationError (`no-signature`)."""
    if len(body) > MAX_ROTATION_BYTES:
        raise MalformedError(f"expected a rotation of at most {MAX_ROTATION_BYTES} bytes", code=ProblemCode.TOO_LARGE)
    return rotation_from_object(canonical.parse_strict(body))


def rotation_from_object(value: object) -> SignedRotation:
    """As `parse_rotation`, from an object that has been read already (a membership, a hub's list)."""
    if isinstance(value, dict) and value.get("signatures") in (None, []):
        raise VerificationError("expected two signatures", code=ProblemCode.NO_SIGNATURE)
    envelope = _RotationEnvelope.from_object(value)
    if envelope.payloadType != payload_type(ROTATION_KIND):
        raise VerificationError("expected a key rotation", code=ProblemCode.KIND_MISMATCH)
    signatures = []
    for each in envelope.signatures:
        try:
            signatures.append((each.keyid, decode_base64(each.sig)))
        except MalformedError as error:  # cut off or changed: whoever sent it, it is nobody's signature
            raise VerificationError(f"expected a signature: {error.message}") from None
    return SignedRotation(decode_base64(envelope.payload), tuple(signatures))


def read_rotation(signed: SignedRotation) -> KeyRotation:
    """Return the rotation when both keys that it names have signed it. Whose keys they are, the caller has to know.

    Raises VerificationError, MalformedError or SchemaError.
    """
    rotation = KeyRotation.from_bytes(signed.payload)
    signatures = dict(signed.signatures)
    if set(signatures) != {rotation.old.keyid, rotation.new.keyid}:
        raise VerificationError("expected one signature of the old key and one of the new one")
    message = pae(payload_type(ROTATION_KIND), signed.payload)
    for key in (rotation.old, rotation.new):
        key.verify(signatures[key.keyid], message)
    return rotation


def verify_rotation(signed: SignedRotation, *, name: str, old_key: PublicKey) -> KeyRotation:
    """Return the rotation of `name` away from `old_key`, which is known.

    Raises VerificationError, MalformedError or SchemaError.
    """
    rotation = read_rotation(signed)
    if rotation.name != name:
        raise VerificationError("expected a rotation of this member", code=ProblemCode.WRONG_ORIGIN)
    if rotation.old != old_key:
        raise VerificationError("expected a rotation away from the key that is known")
    return rotation


def verify_chain(chain: Sequence[object], *, name: str, key: PublicKey) -> list[KeyRotation]:
    """The rotations that lead from `key`, which is pinned, to the key of today; nothing when none does.

    `chain` is what a hub shows, oldest first. What does not continue from the pinned key counts for nothing; what does
    must verify. Raises VerificationError, MalformedError or SchemaError.
    """
    links = [read_rotation(rotation_from_object(value)) for value in _bounded(chain)]
    found: list[KeyRotation] = []
    for link in links:
        if link.name == name and link.old == key:
            found.append(link)
            key = link.new
    return found


def find_links(chain: Sequence[object], *, name: str, key: PublicKey) -> list[SignedRotation]:
    """The rotations that led to `key`, which is pinned: each key has handed over to the next one, oldest first.

    Raises as `verify_chain`.
    """
    found: list[SignedRotation] = []
    seen = {key}
    for signed in reversed([rotation_from_object(value) for value in _bounded(chain)]):
        link = read_rotation(signed)
        if link.name == name and link.new == key and link.old not in seen:
            found.append(signed)
            key = link.old
            seen.add(key)
    return found[::-1]


def trace_back(chain: Sequence[object], *, name: str, key: PublicKey) -> list[PublicKey]:
    """The keys that `name` had before `key`, which is pinned, oldest first. Raises as `verify_chain`."""
    return [read_rotation(signed).old for signed in find_links(chain, name=name, key=key)]


def _bounded(chain: Sequence[object]) -> Iterable[object]:
    if len(chain) > MAX_CHAIN:
        raise SchemaError(f"expected at most {MAX_CHAIN} rotations")
    return chain
