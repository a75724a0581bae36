"""Reading a hub's feed without trusting the hub.

A page brings entries from one index on, each with its envelope or the reason why there is none, a signed checkpoint,
and two consistency proofs. `verify_page` appends the leaf hashes to the reader's frontier, compares roots, and only
then gives back the next state. Whatever a hub flips, drops, swaps, rewinds or signs with another key changes a hash
and ends in FeedError; the reader keeps the state it had.

    state = FeedState(NoteVerifier("sachsen.de", key))
    page = parse_page(body)
    state, items = verify_page(state, page)
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from shared_schema import canonical
from shared_schema.checkpoint import Checkpoint, NoteVerifier, verify_checkpoint
from shared_schema.entry import LogEntry, Receipt
from shared_schema.envelope import Envelope, envelope_from_object
from shared_schema.errors import ContractError, FeedError, SchemaError, VerificationError
from shared_schema.merkle import EMPTY_ROOT, Frontier, verify_consistency, verify_inclusion
from shared_schema.names import Base64Of32, Origin, Version
from shared_schema.problem import ProblemCode
from shared_schema.wire import WireModel

MAX_PAGE_ENTRIES = 500
MAX_PAGE_BYTES = 1024 * 1024
"""A page is cut before this; a single larger envelope cannot exist (MAX_ENVELOPE_BYTES)."""
MAX_RESPONSE_BYTES = 8 * 1024 * 1024
"""A reader gives up above this: eight times what an honest hub sends."""


class FeedEntry(WireModel):
    """One entry of a page: the leaf, and the envelope or why it is absent."""

    entry: LogEntry
    envelope: dict[str, Any] | None = None
    absent: Literal["audience", "withdrawn", "lost"] | None = None
    """`lost`: the hub was restored from an old copy, and nobody has brought this content back yet."""


class FeedPage(WireModel):
    """Entries first, first + 1, ... of a hub's log."""

    v: Version = 1
    hub: Origin
    first: Annotated[int, Field(ge=0)]
    entries: Annotated[tuple[FeedEntry, ...], Field(max_length=MAX_PAGE_ENTRIES)]
    checkpoint: str
    proof: tuple[Base64Of32, ...]
    seen_proof: tuple[Base64Of32, ...]


@dataclass(frozen=True, slots=True)
class FeedState:
    """What a reader keeps of a hub: its key, the last checkpoint it verified, and the tree it has read so far."""

    verifier: NoteVerifier
    seen_size: int = 0
    seen_root: bytes = EMPTY_ROOT
    frontier: Frontier = field(default_factory=Frontier)

    @property
    def next_index(self) -> int:
        return self.frontier.size


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One verified entry; `envelope` has the digest that the entry names, but its signature is not checked yet."""

    index: int
    entry: LogEntry
    envelope: Envelope | None
    absent: str | None


def parse_page(body: bytes) -> FeedPage:
    """Read a page. Raises FeedError when it is not one."""
    try:
        canonical.parse_strict(body)
        return FeedPage.from_checked_bytes(body)
    except ContractError as error:
        raise FeedError(f"expected a feed page: {error.message}", code=ProblemCode.FEED_ENTRY) from None


def verify_page(state: FeedState, page: FeedPage) -> tuple[FeedState, list[FeedItem]]:
    """Return the state after the page and its entries.

    Raises FeedError with the codes `feed-checkpoint` (wrong key or form), `feed-rollback` (smaller than what was seen),
    `feed-fork` (does not continue what was seen or read), `feed-entry` (an envelope that is not what its entry says).
    """
    if page.hub != state.verifier.name:
        raise FeedError(f"expected a page of {state.verifier.name}", code=ProblemCode.FEED_CHECKPOINT)
    checkpoint = _verified_checkpoint(state, page)  # 1. signed by the hub that was pinned
    _check_continues(state, page, checkpoint)  # 2. continues every checkpoint seen before
    if page.first != state.next_index:
        raise FeedError(f"expected entries from {state.next_index} on, got {page.first}")
    frontier = state.frontier.extend(item.entry.leaf for item in page.entries)
    _check_leads_to(frontier, page, checkpoint)  # 3. the entries are those of the log
    items = [_item(state.next_index + place, item) for place, item in enumerate(page.entries)]  # 4. and their contents
    return replace(state, seen_size=checkpoint.size, seen_root=checkpoint.root, frontier=frontier), items


def _verified_checkpoint(state: FeedState, page: FeedPage) -> Checkpoint:
    try:
        return verify_checkpoint(page.checkpoint, state.verifier)
    except ContractError as error:
        raise FeedError(error.message, code=ProblemCode.FEED_CHECKPOINT) from None


def _check_continues(state: FeedState, page: FeedPage, checkpoint: Checkpoint) -> None:
    if checkpoint.size < state.seen_size:
        raise FeedError(
            f"expected a tree of at least {state.seen_size} entries, got {checkpoint.size}",
            code=ProblemCode.FEED_ROLLBACK,
        )
    _check_consistency(state.seen_size, state.seen_root, checkpoint, page.seen_proof)


def _check_leads_to(frontier: Frontier, page: FeedPage, checkpoint: Checkpoint) -> None:
    if frontier.size > checkpoint.size:
        raise FeedError(f"expected at most {checkpoint.size} entries, got {frontier.size}")
    if not page.entries and frontier.size < checkpoint.size:
        raise FeedError("expected entries up to the checkpoint, got none")
    _check_consistency(frontier.size, frontier.root(), checkpoint, page.proof)


def _check_consistency(size: int, root: bytes, checkpoint: Checkpoint, proof: Sequence[str]) -> None:
    try:
        verify_consistency(size, root, checkpoint.size, checkpoint.root, [base64.b64decode(text) for text in proof])
    except VerificationError as error:
        raise FeedError(error.message) from None


def _item(index: int, item: FeedEntry) -> FeedItem:
    place = f"at entry {index}"
    if (item.envelope is None) == (item.absent is None):
        raise FeedError(f"expected either an envelope or why it is absent {place}", code=ProblemCode.FEED_ENTRY)
    if item.envelope is None:
        return FeedItem(index, item.entry, None, item.absent)
    try:
        envelope = envelope_from_object(item.envelope)
        if envelope.digest != item.entry.digest or envelope.kind != str(item.entry.kind):
            raise SchemaError("another digest or kind")
    except (SchemaError, VerificationError):
        raise FeedError(f"expected the envelope that the entry names {place}", code=ProblemCode.FEED_ENTRY) from None
    return FeedItem(index, item.entry, envelope, None)


def verify_receipt(receipt: Receipt, digest: str, verifier: NoteVerifier) -> Checkpoint:
    """Return the checkpoint of a receipt that proves that the hub has logged `digest`.

    Raises VerificationError (code `receipt`).
    """
    try:
        checkpoint = verify_checkpoint(receipt.checkpoint, verifier)
        proof = [base64.b64decode(text) for text in receipt.proof]
        verify_inclusion(receipt.entry.leaf, receipt.index, checkpoint.size, proof, checkpoint.root)
    except ContractError as error:
        raise VerificationError(f"expected a valid receipt: {error.message}", code=ProblemCode.RECEIPT) from None
    if receipt.entry.digest != digest:
        raise VerificationError("expected a receipt for the statement that was sent", code=ProblemCode.RECEIPT)
    return checkpoint
