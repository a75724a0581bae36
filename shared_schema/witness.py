"""The rules of a witness (C2SP tlog-witness): what `POST /add-checkpoint` answers, and what is remembered then.

A witness remembers of each log the largest head that it has cosigned, and cosigns only what continues it. So two heads
of one log that do not fit together are never both cosigned by an honest witness. Everything here is a function of what
is known, what was asked and the log's key; storing (by compare-and-swap, before anybody gets the cosignature) and
signing is the caller's.

    request = parse_request(body)                              # 400
    verifier = known_logs[request.origin]                      # 404
    advanced = advance(seen, request, verifier)                # 403, 400, 409, 422
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

from shared_schema.checkpoint import (
    MAX_NOTE_BYTES,
    Checkpoint,
    NoteVerifier,
    parse_checkpoint,
    split_note,
    verify_checkpoint,
)
from shared_schema.errors import ContractError, MalformedError, SchemaError, VerificationError
from shared_schema.merkle import EMPTY_ROOT, HASH_BYTES, verify_consistency
from shared_schema.names import LOG_NAME_PATTERN
from shared_schema.problem import ProblemCode

MAX_PROOF_LINES = 63
"""C2SP tlog-witness: a tree of 2^63 entries needs no more."""
MAX_REQUEST_BYTES = MAX_NOTE_BYTES + 64 * (MAX_PROOF_LINES + 2)
"""A note, and for each hash its 44 letters and a line break."""
SIZE_MEDIA_TYPE = "text/x.tlog.size"
_NAME = re.compile(LOG_NAME_PATTERN)
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Seen:
    """The largest head of a log that a witness has cosigned; at first the empty tree."""

    size: int = 0
    root: bytes = EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """One request, in form but not in truth checked."""

    old: int
    proof: tuple[bytes, ...]
    note: str
    origin: str


class WitnessRefusal(ContractError):
    """The witness does not cosign; the code has the status that the specification demands."""


class NotTheSizeKnown(WitnessRefusal):
    """409: the answer is the size that the witness knows, so that the log can prove from there."""

    code = ProblemCode.WITNESS_SIZE

    def __init__(self, known: int) -> None:
        super().__init__(f"expected old {known}, the size of the last head that was cosigned here")
        self.known = known


class Contradiction(WitnessRefusal):
    """The log has signed a head that does not continue the one that was cosigned: evidence, never a cosignature.

    Status 422; for another root under the size that is known 409, as the specification has it.
    """

    code = ProblemCode.WITNESS_PROOF

    def __init__(self, seen: Seen, request: AddCheckpoint, checkpoint: Checkpoint) -> None:
        super().__init__(f"expected a head that continues that of {seen.size} entries which was cosigned here")
        self.seen = seen
        self.request = request
        self.checkpoint = checkpoint

    @property
    def same_size(self) -> bool:
        return self.checkpoint.size == self.seen.size


def check_log_name(name: str) -> None:
    """Raise SchemaError for a name that is not fit to be shown to people."""
    if not _NAME.fullmatch(name):
        raise SchemaError("expected a name of at most 200 printable ASCII characters, without a space and a plus sign")


def parse_request(body: bytes) -> AddCheckpoint:
    """Read a request. Raises WitnessRefusal (status 400)."""
    try:
        head, separator, note = body.decode("utf-8").partition("\n\n")
        old, *proof = head.split("\n")
        match = _OLD.fullmatch(old)
        if not separator or match is None or len(proof) > MAX_PROOF_LINES:
            raise MalformedError("form")
        text, _ = split_note(note)
        origin = parse_checkpoint(text).origin
        return AddCheckpoint(int(match[1]), tuple(_hash(line) for line in proof), note, origin)
    except (UnicodeDecodeError, ContractError):
        raise WitnessRefusal(
            f"expected: old <size>, at most {MAX_PROOF_LINES} hashes in base64, an empty line, a signed checkpoint",
            code=ProblemCode.WITNESS_REQUEST,
        ) from None


def _hash(line: str) -> bytes:
    try:
        value = base64.b64decode(line, validate=True)
    except binascii.Error:
        raise MalformedError("expected base64") from None
    if len(value) != HASH_BYTES or base64.b64encode(value).decode() != line:
        raise MalformedError("expected a hash of 32 bytes")
    return value


def write_request(old: int, proof: Sequence[bytes], note: str) -> bytes:
    """The body of a request, as a log sends it."""
    lines = [f"old {old}", *(base64.b64encode(value).decode() for value in proof)]
    return ("\n".join(lines) + "\n\n" + note).encode()


def advance(seen: Seen, request: AddCheckpoint, log: NoteVerifier) -> Checkpoint:
    """The checkpoint that a witness which has `seen` this much of `log` may cosign now.

    Raises WitnessRefusal: `witness-signature` (403), `witness-request` (400: old is larger than the checkpoint),
    `witness-proof` (422: a proof where none belongs), NotTheSizeKnown (409), Contradiction (422, or 409 for two roots
    of one size).
    """
    try:
        checkpoint = verify_checkpoint(request.note, log)
    except ContractError:
        raise WitnessRefusal(
            "expected a checkpoint signed with the log's key", code=ProblemCode.WITNESS_SIGNATURE
        ) from None
    if request.old > checkpoint.size:
        raise WitnessRefusal(
            f"expected an old size of at most {checkpoint.size}, that of the checkpoint",
            code=ProblemCode.WITNESS_REQUEST,
        )
    if request.old != seen.size:
        raise NotTheSizeKnown(seen.size)
    try:
        verify_consistency(seen.size, seen.root, checkpoint.size, checkpoint.root, request.proof)
    except VerificationError:
        if (checkpoint.size, checkpoint.root) == (seen.size, seen.root):  # the head is right, only the proof is not
            raise WitnessRefusal(
                "expected no proof between a head and itself", code=ProblemCode.WITNESS_PROOF
            ) from None
        raise Contradiction(seen, request, checkpoint) from None
    return checkpoint
