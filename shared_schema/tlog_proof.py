"""A proof that an entry is in a log, as one text that stands alone (C2SP `tlog-proof`).

    c2sp.org/tlog-proof@v1
    index 73894
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
    ...

    <the checkpoint, a signed note, word for word>

Whoever has the entry and the log's verifier key can check it without asking anybody. The optional `extra` line is
signed by nobody: it is carried and believed in nothing.
"""

import re
from dataclasses import dataclass

from shared_schema.checkpoint import Checkpoint, NoteVerifier, decode_base64, encode_base64, verify_checkpoint
from shared_schema.errors import ContractError, MalformedError, VerificationError
from shared_schema.merkle import HASH_BYTES, leaf_hash, verify_inclusion
from shared_schema.problem import ProblemCode

HEADER = "c2sp.org/tlog-proof@v1"
FILE_ENDING = ".tlog-proof"
MAX_HASHES = 63
"""One for each level of a tree whose size fits into 63 bits."""
MAX_PROOF_BYTES = 32 * 1024
"""16 KiB of checkpoint, 63 lines of hashes, and room for an `extra` line of somebody else's log."""
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
_EXTRA = "extra "


@dataclass(frozen=True, slots=True)
class TlogProof:
    """The index of an entry, its inclusion proof from the leaf's sibling upwards, and the checkpoint's note."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes = b""
    """Signed by nobody; empty when the text has no such line."""

    def to_text(self) -> str:
        """The text of the proof; the checkpoint stands in it as it is."""
        extra = [_EXTRA + encode_base64(self.extra)] if self.extra else []
        lines = [HEADER, *extra, f"index {self.index}", *map(encode_base64, self.hashes), ""]
        return "\n".join(lines) + "\n" + self.checkpoint


def parse_tlog_proof(data: bytes) -> TlogProof:
    """Read a proof; nothing in it is verified yet. Raises MalformedError for every other form."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise MalformedError("expected a proof in UTF-8") from None
    head, separator, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if len(data) > MAX_PROOF_BYTES or not separator or lines.pop(0) != HEADER:
        raise MalformedError(f"expected a text that begins with the line {HEADER}")
    extra = b""
    if lines and lines[0].startswith(_EXTRA):
        extra = decode_base64(lines.pop(0).removeprefix(_EXTRA))
        if not extra:
            raise MalformedError("expected no extra line, or one that says something")
    index = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if index is None:
        raise MalformedError("expected a line with the index, in digits without leading zeros")
    hashes = tuple(map(decode_base64, lines))
    if len(hashes) > MAX_HASHES or any(len(value) != HASH_BYTES for value in hashes):
        raise MalformedError(f"expected at most {MAX_HASHES} hashes of {HASH_BYTES} bytes, one a line")
    return TlogProof(int(index[1]), hashes, checkpoint, extra)


def verify_tlog_proof(proof: TlogProof, entry: bytes, verifier: NoteVerifier) -> Checkpoint:
    """Return the checkpoint of a proof that `entry` is number `proof.index` of the log that `verifier` signs.

    Raises VerificationError (code `receipt`), whatever is wrong.
    """
    try:
        checkpoint = verify_checkpoint(proof.checkpoint, verifier)
        verify_inclusion(leaf_hash(entry), proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    except ContractError as error:
        raise VerificationError(f"expected a proof that holds: {error.message}", code=ProblemCode.RECEIPT) from None
    return checkpoint
