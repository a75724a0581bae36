"""The signed envelope: sign bytes, verify bytes, and only then parse them.

DSSE v1 (secure-systems-lab/dsse, protocol.md 1.0.2) with Ed25519. What is signed is `PAE(payload type, payload)`, so
a statement of one kind can never be read as another. `keyid` only helps to find a key; nothing in the message chooses
the algorithm or brings a key along.

An envelope has one canonical spelling (`Envelope.to_bytes`): sorted keys, the standard base64 alphabet, one signature,
the full key id. A hub reads every spelling that DSSE allows and stores and hands on the canonical one, so that the
digest of the stored bytes covers every one of them.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property

from shared_schema import canonical
from shared_schema.errors import MalformedError, SchemaError, VerificationError
from shared_schema.keys import PublicKey, SigningKey
from shared_schema.problem import ProblemCode

MAX_ENVELOPE_BYTES = 256 * 1024
"""Far above the largest practice (about 12 KiB) and table (about 40 KiB); small enough to hold in memory."""
PAYLOAD_TYPE_PREFIX = "application/vnd.prevention-exchange."
_PAYLOAD_TYPE = re.compile(r"application/vnd\.prevention-exchange\.([a-z][a-z-]{0,30})\.v1\+json")
_KEYID = re.compile(r"[0-9a-f]{64}")


def payload_type(kind: str) -> str:
    """The payload type of a statement kind: `application/vnd.prevention-exchange.<kind>.v1+json`."""
    return f"{PAYLOAD_TYPE_PREFIX}{kind}.v1+json"


def kind_of(type_name: str) -> str:
    """The statement kind a payload type stands for. Raises SchemaError when it is none of ours."""
    match = _PAYLOAD_TYPE.fullmatch(type_name)
    if match is None:
        raise SchemaError("expected a payload type application/vnd.prevention-exchange.<kind>.v1+json")
    return match[1]


def pae(type_name: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: with the lengths in it, nothing can shift from one part to another."""
    name = type_name.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


@dataclass(frozen=True)
class Envelope:
    """One statement with one signature, not yet verified."""

    payload_type: str
    payload: bytes
    keyid: str
    signature: bytes

    def to_bytes(self) -> bytes:
        """The canonical spelling."""
        return canonical.encode(
            {
                "payload": base64.b64encode(self.payload).decode(),
                "payloadType": self.payload_type,
                "signatures": [{"keyid": self.keyid, "sig": base64.b64encode(self.signature).decode()}],
            }
        )

    @cached_property
    def stored_bytes(self) -> bytes:
        """`to_bytes()`, made once: what a hub stores and hands on."""
        return self.to_bytes()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical spelling, 64 hexadecimal digits. It names the statement everywhere."""
        return hashlib.sha256(self.stored_bytes).hexdigest()

    @property
    def kind(self) -> str:
        return kind_of(self.payload_type)


@dataclass(frozen=True)
class VerifiedEnvelope:
    """An envelope whose signature holds. Only `verify_envelope` makes one."""

    envelope: Envelope
    key: PublicKey


def sign_payload(kind: str, payload: bytes, key: SigningKey) -> Envelope:
    """Sign canonical payload bytes as a statement of `kind`."""
    type_name = payload_type(kind)
    return Envelope(type_name, payload, key.public.keyid, key.sign(pae(type_name, payload)))


def parse_envelope(body: bytes) -> Envelope:
    """Read a DSSE envelope in any spelling that DSSE allows.

    Raises MalformedError or SchemaError when the form is wrong and VerificationError (`no-signature`, `bad-signature`)
    when nothing is signed. Nothing is trusted yet; the payload type is read when its signature holds (`kind_of`).
    """
    if len(body) > MAX_ENVELOPE_BYTES:
        raise MalformedError(f"expected an envelope of at most {MAX_ENVELOPE_BYTES} bytes", code=ProblemCode.TOO_LARGE)
    return envelope_from_object(canonical.parse_strict(body))


def check_size(envelope: Envelope) -> None:
    """Raise SchemaError (`too-large`) for an envelope that `parse_envelope` would not read."""
    if len(envelope.stored_bytes) > MAX_ENVELOPE_BYTES:
        raise SchemaError(f"expected at most {MAX_ENVELOPE_BYTES} bytes", code=ProblemCode.TOO_LARGE)


def envelope_from_object(value: object) -> Envelope:
    """As `parse_envelope`, from an object that has been read already (a batch, a feed page)."""
    if not isinstance(value, dict) or not {"payload", "payloadType"} <= set(value) <= {
        "payload",
        "payloadType",
        "signatures",
    }:
        raise SchemaError("expected an envelope with exactly payload, payloadType and signatures")
    type_name, payload = value["payloadType"], value["payload"]
    if not isinstance(type_name, str) or not isinstance(payload, str):
        raise SchemaError("expected payload and payloadType to be texts")
    keyid, signature = _only_signature(value.get("signatures"))
    return Envelope(type_name, decode_base64(payload), keyid, signature)


def _only_signature(signatures: object) -> tuple[str, bytes]:
    if signatures in (None, []):
        raise VerificationError("expected a signature", code=ProblemCode.NO_SIGNATURE)
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise SchemaError("expected exactly one signature")
    entry = signatures[0]
    if not isinstance(entry, dict) or not {"sig"} <= set(entry) <= {"keyid", "sig"}:
        raise SchemaError("expected a signature with sig and, if you like, keyid")
    keyid, sig = entry.get("keyid", ""), entry["sig"]
    if not isinstance(keyid, str) or not isinstance(sig, str):
        raise SchemaError("expected keyid and sig to be texts")
    try:
        signature = decode_base64(sig)
    except MalformedError as error:  # cut off or changed: whoever sent it, it is nobody's signature
        raise VerificationError(f"expected a signature: {error.message}") from None
    return (keyid if _KEYID.fullmatch(keyid) else ""), signature


def decode_base64(text: str) -> bytes:
    """Both alphabets, one spelling of every value. Raises MalformedError."""
    # DSSE: "MUST accept both standard and URL-safe base64".
    standard = text.replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(standard, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedError("expected base64") from None
    if base64.b64encode(data).decode() != standard:
        # RFC 4648 section 3.5: bits that the last digit does not need; no changed bit may pass unnoticed.
        raise MalformedError("expected base64 whose spare bits are 0")
    return data


def verify_envelope(envelope: Envelope, key: PublicKey) -> VerifiedEnvelope:
    """Return the verified envelope, its key id set to the key that really signed.

    Raises VerificationError when the signature does not hold.
    """
    key.verify(envelope.signature, pae(envelope.payload_type, envelope.payload))
    if envelope.keyid != key.keyid:
        envelope = Envelope(envelope.payload_type, envelope.payload, key.keyid, envelope.signature)
    return VerifiedEnvelope(envelope, key)
