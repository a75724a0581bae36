"""How a log that was restored from an old copy gets its newer entries back, without trusting whoever brings them.

A hub signs every checkpoint and every receipt. So whoever keeps them can prove to the hub what it had logged: leaves
that lead from the hub's own head to a root it has signed, and single leaves with a receipt. What is brought without
such a proof is refused, whoever brings it.

    proven = prove_entries(brought, head.frontier, pin)
    proven.leaves[311].digest
"""

import base64
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from shared_schema.checkpoint import Checkpoint, verify_checkpoint
from shared_schema.entry import LogEntry, Receipt
from shared_schema.errors import ContractError, VerificationError
from shared_schema.merkle import Frontier, verify_inclusion
from shared_schema.names import Digest, Version
from shared_schema.pins import Pin
from shared_schema.problem import ProblemCode
from shared_schema.rotation import SignedRotation
from shared_schema.wire import WireModel

MAX_RECOVERY_BYTES = 16 * 1024 * 1024
"""About 90,000 leaves in one message; a hub that is further behind reads them from its followers, page by page."""
MAX_LEAVES = 100_000
MAX_RECEIPTS = 5_000
MAX_CONTENTS = 500
MAX_MISSING = 500
"""Digests that a hub names at once; the next ones come when these are back."""

MAX_SHOWN_ROTATIONS = 32
"""The newest ones: whoever has been away for more changes of a key than that is shown no head."""

Standing = Literal["serving", "restored", "behind", "forked"]


class ShownHead(WireModel):
    """A checkpoint that somebody has seen, shown to the hub that signed it. It proves itself.

    `rotations` says how the hub's key was handed on, as the log says it: a hub that goes back behind the announcement
    of a key does not know any more that the signature is its own.
    """

    v: Version = 1
    note: Annotated[str, Field(max_length=16 * 1024)]
    rotations: Annotated[tuple[dict[str, Any], ...], Field(max_length=MAX_SHOWN_ROTATIONS)] | None = None


class RecoveryState(WireModel):
    """Where a hub's recovery stands.

    `size` is the log that it has, `wanted` the largest one that it is known to have signed. `missing` are the digests
    of contents that it does not have, at most MAX_MISSING of them.
    """

    v: Version = 1
    state: Standing
    size: Annotated[int, Field(ge=0)]
    wanted: Annotated[int, Field(ge=0)]
    missing: Annotated[tuple[Digest, ...], Field(max_length=MAX_MISSING)] = ()


class BroughtEntries(WireModel):
    """Entries first, first + 1, … up to the size of `note`; receipts for single ones; and contents, by digest."""

    v: Version = 1
    first: Annotated[int, Field(ge=0)] = 0
    leaves: Annotated[tuple[LogEntry, ...], Field(max_length=MAX_LEAVES)] = ()
    note: Annotated[str, Field(max_length=16 * 1024)] | None = None
    receipts: Annotated[tuple[Receipt, ...], Field(max_length=MAX_RECEIPTS)] = ()
    contents: Annotated[tuple[dict[str, Any], ...], Field(max_length=MAX_CONTENTS)] = ()


@dataclass(frozen=True, slots=True)
class Proven:
    """What the hub has signed itself: leaves by their index, and checkpoint notes by their size."""

    leaves: Mapping[int, LogEntry]
    notes: Mapping[int, str]


class ForkError(VerificationError):
    """The hub has signed two histories. Nothing that is brought can make one of them."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"expected one tree of {size} entries; this hub's key has signed two", code=ProblemCode.FEED_FORK
        )


def show(note: str, rotations: Sequence[SignedRotation]) -> ShownHead:
    """A head with the newest of the rotations; programs of an older release know no such field."""
    shown = tuple(signed.to_object() for signed in rotations[-MAX_SHOWN_ROTATIONS:])
    return ShownHead(note=note, rotations=shown or None)


def prove_entries(brought: BroughtEntries, head: Frontier, pin: Pin) -> Proven:
    """The leaves from the size of `head` on that `brought` proves, with the notes that prove them.

    Raises MalformedError, VerificationError (`recovery-proof`) and takes nothing when one proof does not hold.
    """
    leaves: dict[int, LogEntry] = {}
    notes: dict[int, str] = {}
    try:
        if brought.note is not None:
            checkpoint = _verify(brought.note, pin)
            notes[checkpoint.size] = brought.note
            if checkpoint.size > head.size:
                leaves |= _leading_to(checkpoint, brought, head)
        elif brought.leaves:
            raise VerificationError("expected the checkpoint that the leaves lead to")
        for receipt in brought.receipts:
            checkpoint = _check_receipt(receipt, pin)
            notes[checkpoint.size] = receipt.checkpoint
            if receipt.index >= head.size:
                leaves[receipt.index] = _same(leaves.get(receipt.index), receipt.entry, receipt.index)
    except ForkError:
        raise
    except VerificationError as error:
        raise VerificationError(error.message, code=ProblemCode.RECOVERY_PROOF) from None
    return Proven(leaves, notes)


def _leading_to(checkpoint: Checkpoint, brought: BroughtEntries, head: Frontier) -> dict[int, LogEntry]:
    if brought.first > head.size or brought.first + len(brought.leaves) < checkpoint.size:
        raise VerificationError(f"expected every leaf from {head.size} to {checkpoint.size}")
    wanted = brought.leaves[head.size - brought.first : checkpoint.size - brought.first]
    if head.extend(entry.leaf for entry in wanted).root() != checkpoint.root:
        raise VerificationError("expected leaves that lead to the root of the checkpoint")
    return dict(enumerate(wanted, head.size))


def _check_receipt(receipt: Receipt, pin: Pin) -> Checkpoint:
    checkpoint = _verify(receipt.checkpoint, pin)
    proof = [base64.b64decode(text) for text in receipt.proof]
    verify_inclusion(receipt.entry.leaf, receipt.index, checkpoint.size, proof, checkpoint.root)
    return checkpoint


def _same(known: LogEntry | None, entry: LogEntry, index: int) -> LogEntry:
    if known is not None and known != entry:
        raise ForkError(index + 1)
    return entry


def read_own_checkpoint(note: str, pin: Pin) -> Checkpoint | None:
    """The checkpoint of a note when a key of `pin` has signed it; None for everything else, whoever shows it."""
    try:
        return _verify(note, pin)
    except ContractError:
        return None


def _verify(note: str, pin: Pin) -> Checkpoint:
    """The checkpoint of a note, signed with the key of its time.

    From its announcement on the next key signs as well, so what the former key alone has signed counts up to there. A
    hub that has lost the announcement itself does not know where it stands; then its key counts until it is back.
    """
    try:
        return verify_checkpoint(note, pin.verifier)
    except ContractError:
        for former in reversed(pin.former):
            with contextlib.suppress(ContractError):
                checkpoint = verify_checkpoint(note, former.verifier)
                if former.until == 0 or checkpoint.size <= former.until:
                    return checkpoint
        raise
