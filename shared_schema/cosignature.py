"""Timestamped cosignature (C2SP tlog-cosignature, `cosignature/v1` with Ed25519): when somebody vouched for a head.

A cosignature says: at this time the largest consistent tree of this log that I have seen has this root. A hub adds one
of its own to its newest checkpoint, so a reader sees that the head is no old one; witnesses add theirs, so a reader
sees that others are shown the same log. The message is

    cosignature/v1
    time 1679315147
    <the checkpoint's three lines>

and the signature is the time as eight bytes, big-endian, before the 64 bytes of Ed25519. The name is no part of the
message, so each cosigner has a key of its own.

A hub's cosigner key is made known by the hub's log key (`announce_cosigner`): whoever has pinned the one knows the
other, and no second fingerprint is compared.
"""

import base64
from collections.abc import Iterable
from datetime import UTC, datetime

from shared_schema.checkpoint import (
    ED25519_COSIGNATURE,
    MAX_NOTE_SIGNATURES,
    NoteVerifier,
    parse_signature_line,
    sign_note,
    signatures_of,
    split_note,
    verify_note,
)
from shared_schema.errors import MalformedError, VerificationError
from shared_schema.keys import SIGNATURE_BYTES, SigningKey
from shared_schema.problem import ProblemCode

TIME_BYTES = 8
LAST_SECOND = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())
"""What a calendar can name; C2SP allows more, and nobody means it."""
ANNOUNCEMENT = "prevention-exchange cosigner/v1"
"""No checkpoint begins with these words and goes on with a number, so the one is never taken for the other."""


def cosigner(name: str, key: SigningKey) -> NoteVerifier:
    """Who verifies what `key` cosigns under `name`."""
    return NoteVerifier(name, key.public, ED25519_COSIGNATURE)


def parse_cosigner(vkey: str) -> NoteVerifier:
    """Read the vkey of a cosigner. Raises MalformedError or VerificationError (`weak-key`)."""
    return NoteVerifier.from_vkey(vkey, ED25519_COSIGNATURE)


def cosign(text: str, name: str, key: SigningKey, time: int) -> str:
    """The signature line, with its line break, with which `name` vouches at `time` for the checkpoint body `text`."""
    signature = time.to_bytes(TIME_BYTES, "big") + key.sign(_message(text, time))
    material = base64.b64encode(cosigner(name, key).key_hash + signature).decode()
    return f"— {name} {material}\n"


def _message(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def verify_cosignature(text: str, line: str, verifier: NoteVerifier) -> int:
    """The time, in Unix seconds, at which `verifier` cosigned `text` in this one signature line.

    Raises MalformedError for a wrong form, VerificationError when it is somebody else's line or a false one.
    """
    found = signatures_of(verifier, [parse_signature_line(line.removesuffix("\n"))])
    if not found:
        raise VerificationError(f"expected a cosignature of {verifier.name}", code=ProblemCode.FEED_CHECKPOINT)
    return _verify(text, found[0], verifier)


def _verify(text: str, signature: bytes, verifier: NoteVerifier) -> int:
    if verifier.algorithm != ED25519_COSIGNATURE or len(signature) != TIME_BYTES + SIGNATURE_BYTES:
        raise MalformedError("expected a cosignature of 72 bytes and the key of a cosigner")
    time = int.from_bytes(signature[:TIME_BYTES], "big")
    if time > LAST_SECOND:
        raise MalformedError("expected a time before the year 10000")
    verifier.key.verify(signature[TIME_BYTES:], _message(text, time))
    return time


def cosigned_at(note: str, verifier: NoteVerifier) -> int | None:
    """The latest time at which `verifier` cosigned the checkpoint of `note`; None when it did not.

    Raises MalformedError for a wrong form, VerificationError when a line in its name is false.
    """
    text, signatures = split_note(note)
    return max((_verify(text, found, verifier) for found in signatures_of(verifier, signatures)), default=None)


def add_lines(note: str, lines: Iterable[str]) -> str:
    """The note with further signature lines, as many as a reader takes."""
    _, signatures = split_note(note)
    room = MAX_NOTE_SIGNATURES - len(signatures)
    return note + "".join(list(lines)[:room])


def without_others(note: str, *signers: NoteVerifier) -> str:
    """The note with the lines that bear the name and key hash of `signers`, and no other. Raises MalformedError."""
    text, _ = split_note(note)
    kept = [
        line
        for line in lines_of(note)
        if any(signatures_of(signer, [parse_signature_line(line.removesuffix("\n"))]) for signer in signers)
    ]
    return f"{text}\n{''.join(kept)}"


def lines_of(note: str) -> list[str]:
    """The signature lines of a note, each with its line break. Raises MalformedError."""
    split_note(note)
    return [f"{line}\n" for line in note.rpartition("\n\n")[2].splitlines()]


def announce_cosigner(name: str, log_key: SigningKey, cosigner_key: SigningKey) -> str:
    """The note with which a hub's log key says which key cosigns for the hub."""
    return sign_note(f"{ANNOUNCEMENT}\n{cosigner(name, cosigner_key).vkey}\n", name, log_key)


def verify_announcement(note: str, log: NoteVerifier) -> NoteVerifier:
    """The cosigner that `log` announces.

    Raises MalformedError or VerificationError, also for a cosigner in another name and for the log's own key.
    """
    title, _, rest = verify_note(note, log).partition("\n")
    if title != ANNOUNCEMENT or rest.count("\n") != 1:
        raise MalformedError("expected the announcement of a cosigner: a title and a verifier key, one a line")
    found = parse_cosigner(rest.removesuffix("\n"))
    if found.name != log.name or found.key == log.key:
        raise VerificationError(f"expected a cosigner of {log.name} with a key of its own")
    return found
