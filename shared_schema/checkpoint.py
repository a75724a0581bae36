"""Signed note (C2SP signed-note) and checkpoint (C2SP tlog-checkpoint): what a hub says its log is.

A note is a text that ends in a line break, a blank line, and signature lines `— <name> <base64(key hash, signature)>`.
A checkpoint is a note whose text is the log's origin, its size and its root hash:

    sachsen.de
    17
    VzQ...=

    — sachsen.de 5vQ...
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from shared_schema.errors import MalformedError, VerificationError
from shared_schema.keys import PublicKey, SigningKey
from shared_schema.merkle import EMPTY_ROOT, HASH_BYTES
from shared_schema.problem import ProblemCode

ED25519_LOG_SIGNATURE = 0x01
ED25519_COSIGNATURE = 0x04
"""The signature types of C2SP signed-note that this program reads; `cosignature` makes and verifies the second."""
KEY_HASH_BYTES = 4
MAX_NOTE_BYTES = 16 * 1024
MAX_NOTE_SIGNATURES = 16
_NOTE_NAME = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class NoteVerifier:
    """A name and a key that may sign notes; `vkey` is its text form `<name>+<key hash>+<base64(type, key)>`.

    `algorithm` is the signature type: one for logs, another for cosigners, so that neither is taken for the other.
    """

    name: str
    key: PublicKey
    algorithm: int = ED25519_LOG_SIGNATURE

    @property
    def key_hash(self) -> bytes:
        material = self.name.encode() + b"\n" + bytes([self.algorithm]) + self.key.raw
        return hashlib.sha256(material).digest()[:KEY_HASH_BYTES]

    @property
    def vkey(self) -> str:
        encoded = base64.b64encode(bytes([self.algorithm]) + self.key.raw).decode()
        return f"{self.name}+{self.key_hash.hex()}+{encoded}"

    @classmethod
    def from_vkey(cls, vkey: str, algorithm: int = ED25519_LOG_SIGNATURE) -> "NoteVerifier":
        """Read a vkey of that signature type.

        Raises MalformedError when it is of another type or its hash does not fit, VerificationError for a weak key.
        """
        name, _, rest = vkey.partition("+")
        key_hash, _, encoded = rest.partition("+")
        material = decode_base64(encoded)
        if not _NOTE_NAME.fullmatch(name) or not material or material[0] != algorithm:
            raise MalformedError(f"expected a verifier key <name>+<hash>+<base64 of type {algorithm} and a key>")
        verifier = cls(name, PublicKey(material[1:]), algorithm)
        if verifier.key_hash.hex() != key_hash:
            raise MalformedError("expected a verifier key whose hash fits its name and key")
        return verifier


def sign_note(text: str, name: str, key: SigningKey) -> str:
    """The note of `text` (which ends in a line break) with the signature of the key, and of those beside it."""
    lines = []
    for each in (key, *key.beside):
        signature = NoteVerifier(name, each.public).key_hash + each.sign(text.encode())
        lines.append(f"— {name} {base64.b64encode(signature).decode()}\n")
    return f"{text}\n{''.join(lines)}"


def verify_note(note: str, verifier: NoteVerifier) -> str:
    """Return the text of a note that `verifier` signed; signatures of others are passed over.

    Raises MalformedError for a wrong form, VerificationError when the verifier's signature is missing or false.
    """
    text, signatures = split_note(note)
    found = False
    for signature in signatures_of(verifier, signatures):
        verifier.key.verify(signature, text.encode())
        found = True
    if not found:
        raise VerificationError(f"expected a note signed by {verifier.name}", code=ProblemCode.FEED_CHECKPOINT)
    return text


def signatures_of(verifier: NoteVerifier, signatures: Iterable[tuple[str, bytes]]) -> list[bytes]:
    """The signatures that bear the verifier's name and key hash; whether they hold is not checked yet."""
    return [
        material[KEY_HASH_BYTES:]
        for name, material in signatures
        if name == verifier.name and material[:KEY_HASH_BYTES] == verifier.key_hash
    ]


def keep_signatures(note: str, verifiers: Iterable[NoteVerifier]) -> str:
    """The note with the signatures of `verifiers` alone, in their order there; one of each.

    Whoever hands a note on may add lines to it that nobody looks at. Raises MalformedError.
    """
    text, signatures = split_note(note)
    left, lines = list(verifiers), []
    for name, material in signatures:
        signer = next((each for each in left if signatures_of(each, [(name, material)])), None)
        if signer is None:
            continue
        try:
            signer.key.verify(material[KEY_HASH_BYTES:], text.encode())
        except VerificationError:
            continue
        left.remove(signer)
        lines.append(f"— {name} {base64.b64encode(material).decode()}\n")
    return f"{text}\n{''.join(lines)}"


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The text of a note and its signatures as (name, key hash and signature), none of them verified.

    Raises MalformedError.
    """
    text, separator, tail = note.rpartition("\n\n")
    lines = tail.split("\n")
    if (
        len(note) > MAX_NOTE_BYTES
        or not separator
        or lines[-1] != ""
        or not 1 <= len(lines) - 1 <= MAX_NOTE_SIGNATURES
        or any(ord(character) < 0x20 and character != "\n" for character in note)
        or any("\ud800" <= character <= "\udfff" for character in note)
    ):
        raise MalformedError("expected a signed note: a text, a blank line, signature lines")
    return text + "\n", [parse_signature_line(line) for line in lines[:-1]]


def parse_signature_line(line: str) -> tuple[str, bytes]:
    """(name, key hash and signature) of one signature line without its line break. Raises MalformedError."""
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    material = decode_base64(encoded)
    if dash != "—" or not _NOTE_NAME.fullmatch(name) or len(material) <= KEY_HASH_BYTES:
        raise MalformedError("expected signature lines of the form: dash, name, base64")
    return name, material


def encode_base64(data: bytes) -> str:
    """Standard base64 (RFC 4648 section 4), as notes and proofs have it."""
    return base64.b64encode(data).decode()


def decode_base64(text: str) -> bytes:
    """The bytes of standard base64. Raises MalformedError for every spelling but the one of `encode_base64`."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedError("expected standard base64") from None
    if base64.b64encode(data).decode() != text:
        # The bits that the last digit does not need: with them one signature would have several spellings.
        raise MalformedError("expected base64 whose spare bits are 0")
    return data


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The size and the root hash of a log at one moment."""

    origin: str
    size: int
    root: bytes

    def to_text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def sign(self, key: SigningKey) -> str:
        """The signed note of this checkpoint; the signer's name is the log's origin."""
        return sign_note(self.to_text(), self.origin, key)


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint body. Raises MalformedError. Extension lines are allowed and passed over."""
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0] or not _SIZE.fullmatch(lines[1]) or lines[-1] != "":
        raise MalformedError("expected a checkpoint: origin, size, root hash, one a line")
    root = decode_base64(lines[2])
    size = int(lines[1])
    if len(root) != HASH_BYTES or (size == 0 and root != EMPTY_ROOT):
        raise MalformedError("expected a root hash of 32 bytes that fits the size")
    return Checkpoint(lines[0], size, root)


def verify_checkpoint(note: str, verifier: NoteVerifier) -> Checkpoint:
    """Return the checkpoint of a note that the log `verifier.name` signed.

    Raises MalformedError or VerificationError.
    """
    checkpoint = parse_checkpoint(verify_note(note, verifier))
    if checkpoint.origin != verifier.name:
        raise VerificationError(f"expected a checkpoint of {verifier.name}", code=ProblemCode.FEED_CHECKPOINT)
    return checkpoint


def claimed_checkpoint(note: str) -> Checkpoint:
    """The checkpoint that a note says, whoever has signed it: for one's own, which is compared with the log itself.

    Raises MalformedError.
    """
    return parse_checkpoint(split_note(note)[0])
