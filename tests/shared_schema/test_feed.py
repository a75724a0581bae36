"""A hub that lies is noticed: whatever it does to a page ends in FeedError, and the reader keeps the state it had."""

import base64
import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_schema import canonical
from shared_schema.checkpoint import Checkpoint, sign_note
from shared_schema.entry import Receipt
from shared_schema.errors import FeedError, SchemaError, VerificationError
from shared_schema.feed import MAX_PAGE_ENTRIES, FeedItem, FeedState, parse_page, verify_page, verify_receipt
from shared_schema.merkle import Frontier
from shared_schema.problem import ProblemCode
from shared_schema.statement import Kind
from tests.shared_schema.builders import (
    HUB,
    HUB_KEY,
    HUB_VERIFIER,
    OTHER_KEY,
    Log,
    filled_log,
    question_envelope,
    raw_json,
    texts,
)

SIZE, SEEN, FIRST, COUNT = 21, 13, 6, 9
LOG = filled_log(SIZE)
START = FeedState(HUB_VERIFIER)
STATE = FeedState(
    HUB_VERIFIER,
    seen_size=SEEN,
    seen_root=LOG.checkpoint(SEEN).root,
    frontier=Frontier().extend(entry.leaf for entry, _ in LOG.items[:FIRST]),
)
"""A reader in the middle: six entries read, a checkpoint of thirteen seen, the log has grown to twenty-one since."""


def page(**changes: object) -> dict[str, Any]:
    """The honest next page for STATE."""
    return deepcopy(LOG.page(FIRST, COUNT, seen=SEEN)) | changes


def read(state: FeedState, value: object) -> tuple[FeedState, list[FeedItem]]:
    return verify_page(state, parse_page(value if isinstance(value, bytes) else raw_json(value)))


def assert_refused(value: object, code: ProblemCode | None = None, state: FeedState = STATE) -> None:
    """FeedError and nothing else; the state is as it was and goes on with the honest page."""
    before = repr(state)
    with pytest.raises(FeedError) as caught:
        read(state, value)
    assert type(caught.value) is FeedError
    assert code in (None, caught.value.code), caught.value
    assert len(str(caught.value)) < 500
    assert repr(state) == before
    if state is STATE:
        assert read(state, HONEST)[0].next_index == FIRST + COUNT


HONEST = raw_json(page())


# --- an honest hub ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 20, 21])
def test_an_honest_log_is_read_to_its_end_in_pages_of_any_length(count: int) -> None:
    state = START
    items: list[FeedItem] = []
    while state.next_index < SIZE:
        taken = min(count, SIZE - state.next_index)
        state, new = read(state, LOG.page(state.next_index, taken, seen=state.seen_size))
        items += new
    assert [item.index for item in items] == list(range(SIZE))
    assert [item.envelope for item in items] == [envelope for _, envelope in LOG.items]
    assert (state.seen_size, state.seen_root) == (SIZE, LOG.checkpoint().root)
    assert state.frontier.root() == LOG.checkpoint().root


def test_a_log_that_grows_between_pages_is_followed() -> None:
    state = START
    for size in range(1, SIZE + 1):
        state, _ = read(state, LOG.page(state.next_index, size - state.next_index, seen=state.seen_size, size=size))
    assert state.next_index == SIZE


def test_an_empty_page_says_that_there_is_nothing_new() -> None:
    state, _ = read(START, LOG.page(0, SIZE))
    again, items = read(state, LOG.page(SIZE, 0, seen=SIZE))
    assert (again, items) == (state, [])
    empty = Log()
    assert read(START, empty.page(0, 0)) == (START, [])


def test_an_absent_envelope_has_a_reason() -> None:
    value = page()
    del value["entries"][0]["envelope"]
    value["entries"][0]["absent"] = "withdrawn"
    _, items = read(STATE, value)
    assert (items[0].envelope, items[0].absent) == (None, "withdrawn")
    assert items[0].entry == LOG.items[FIRST][0]


# --- a hub that lies -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bit", range(8))
def test_one_flipped_bit_in_any_byte_of_a_page_is_noticed(bit: int) -> None:
    small = raw_json(LOG.page(FIRST, 2, seen=SEEN))
    for place in range(len(small)):
        with pytest.raises(FeedError) as caught:
            read(STATE, small[:place] + bytes([small[place] ^ 1 << bit]) + small[place + 1 :])
        assert type(caught.value) is FeedError


@given(st.integers(0, len(HONEST) - 1), st.integers(0, 4), st.binary(max_size=4))
def test_a_mutated_page_is_noticed_or_says_the_same(place: int, removed: int, inserted: bytes) -> None:
    body = HONEST[:place] + inserted + HONEST[place + removed :]
    try:
        result = read(STATE, body)
    except FeedError:
        return
    assert result == read(STATE, HONEST)


@pytest.mark.parametrize("place", range(COUNT))
def test_a_dropped_entry_is_noticed(place: int) -> None:
    value = page()
    del value["entries"][place]
    assert_refused(value, ProblemCode.FEED_FORK)


@pytest.mark.parametrize("place", range(COUNT - 1))
def test_swapped_entries_are_noticed(place: int) -> None:
    value = page()
    entries = value["entries"]
    entries[place], entries[place + 1] = entries[place + 1], entries[place]
    assert_refused(value, ProblemCode.FEED_FORK)


def test_swapped_envelopes_are_noticed() -> None:
    value = page()
    entries = value["entries"]
    entries[0]["envelope"], entries[1]["envelope"] = entries[1]["envelope"], entries[0]["envelope"]
    assert_refused(value, ProblemCode.FEED_ENTRY)


def test_an_entry_that_is_repeated_is_noticed() -> None:
    value = page()
    value["entries"].insert(1, value["entries"][0])
    assert_refused(value, ProblemCode.FEED_FORK)


def test_an_entry_that_nobody_signed_into_the_log_is_noticed() -> None:
    other = filled_log(0)
    other.append(question_envelope(1000))
    assert_refused(page(entries=[*page()["entries"][:-1], *other.page(0, 1)["entries"]]), ProblemCode.FEED_FORK)


@pytest.mark.parametrize(
    ("field", "lie"),
    [
        ("kind", "practice"),
        ("digest", "cd" * 32),
        ("audience", "region"),
        ("time", "2026-11-22T09:00:01Z"),
    ],
)
def test_every_field_of_an_entry_is_under_the_proof(field: str, lie: str) -> None:
    value = page()
    value["entries"][3]["entry"][field] = lie
    assert_refused(value, ProblemCode.FEED_FORK)


@pytest.mark.parametrize("count", range(COUNT))
def test_a_truncated_page_is_noticed(count: int) -> None:
    assert_refused(page(entries=page()["entries"][:count]), ProblemCode.FEED_FORK)


@pytest.mark.parametrize("length", [0, 1, 100, len(HONEST) - 1])
def test_a_page_that_was_cut_off_is_noticed(length: int) -> None:
    assert_refused(HONEST[:length], ProblemCode.FEED_ENTRY)


def test_a_replayed_page_is_noticed() -> None:
    state, _ = read(STATE, HONEST)
    assert_refused(HONEST, ProblemCode.FEED_FORK, state)


def test_a_page_from_another_place_is_noticed() -> None:
    for first in (0, FIRST - 1, FIRST + 1, FIRST + COUNT):
        assert_refused(LOG.page(first, 3, seen=SEEN), ProblemCode.FEED_FORK)
    assert_refused(page(first=FIRST + 1), ProblemCode.FEED_FORK)


@pytest.mark.parametrize("size", [0, 1, FIRST, SEEN - 1])
def test_an_older_checkpoint_is_a_rollback(size: int) -> None:
    older = LOG.checkpoint(size).sign(HUB_KEY)
    assert_refused(page(checkpoint=older, proof=[], seen_proof=[]), ProblemCode.FEED_ROLLBACK)


def test_entries_beyond_the_checkpoint_are_noticed() -> None:
    shorter = LOG.page(FIRST, SEEN - FIRST, seen=SEEN, size=SEEN)
    assert read(STATE, shorter)[0].next_index == SEEN
    shorter["entries"] = LOG.page(FIRST, SEEN - FIRST + 1)["entries"]
    assert_refused(shorter, ProblemCode.FEED_FORK)


def test_no_entries_although_the_checkpoint_promises_some_is_noticed() -> None:
    assert_refused(LOG.page(FIRST, 0, seen=SEEN), ProblemCode.FEED_FORK)


def test_a_checkpoint_of_another_key_is_noticed() -> None:
    for key, name in ((OTHER_KEY, HUB), (HUB_KEY, "thueringen.de")):
        note = sign_note(LOG.checkpoint().to_text(), name, key)
        assert_refused(page(checkpoint=note), ProblemCode.FEED_CHECKPOINT)
    text = replace(LOG.checkpoint(), origin="thueringen.de").to_text()
    assert_refused(page(checkpoint=sign_note(text, HUB, HUB_KEY)), ProblemCode.FEED_CHECKPOINT)


def test_a_page_of_another_hub_is_noticed() -> None:
    assert_refused(page(hub="thueringen.de"), ProblemCode.FEED_CHECKPOINT)


@pytest.mark.parametrize("note", ["", "x", "\n\n", f"{HUB}\n21\n"])
def test_a_checkpoint_of_a_wrong_form_is_noticed(note: str) -> None:
    assert_refused(page(checkpoint=note), ProblemCode.FEED_CHECKPOINT)


@pytest.mark.parametrize("size", [SEEN, SEEN + 1, SIZE, SIZE + 1, 2**40])
def test_another_history_under_a_true_signature_is_a_fork(size: int) -> None:
    forked = Checkpoint(HUB, size, b"\x01" * 32).sign(HUB_KEY)
    assert_refused(page(checkpoint=forked), ProblemCode.FEED_FORK)
    assert_refused(page(checkpoint=forked, proof=[], seen_proof=[]), ProblemCode.FEED_FORK)


def test_a_fork_that_is_consistent_in_itself_is_noticed() -> None:
    fork = Log()
    for number in range(SIZE):
        fork.append(question_envelope(number if number != 2 else 2000))
    assert_refused(fork.page(FIRST, COUNT, seen=SEEN), ProblemCode.FEED_FORK)
    later = Log()  # the same as far as the reader has read, another story between that and what it has seen
    for number in range(SIZE):
        later.append(question_envelope(number if number != FIRST + 1 else 2000))
    assert_refused(later.page(FIRST, COUNT, seen=SEEN), ProblemCode.FEED_FORK)


def test_changed_missing_or_superfluous_proofs_are_noticed() -> None:
    honest = page()
    for name in ("proof", "seen_proof"):
        assert honest[name]
        for lie in ([], honest[name][:-1], honest[name][1:], [*honest[name], texts([bytes(32)])[0]]):
            assert_refused(page(**{name: lie}), ProblemCode.FEED_FORK)
    assert_refused(page(proof=honest["seen_proof"], seen_proof=honest["proof"]), ProblemCode.FEED_FORK)


def test_neither_or_both_of_envelope_and_reason_is_noticed() -> None:
    both, neither = page(), page()
    both["entries"][1]["absent"] = "audience"
    del neither["entries"][1]["envelope"]
    assert_refused(both, ProblemCode.FEED_ENTRY)
    assert_refused(neither, ProblemCode.FEED_ENTRY)


def test_an_entry_that_was_logged_under_another_kind_is_noticed() -> None:
    lying = Log()
    lying.append(question_envelope(1), kind=Kind.PRACTICE)
    assert_refused(lying.page(0, 1), ProblemCode.FEED_ENTRY, START)


def test_an_envelope_with_another_signature_is_noticed() -> None:
    value = page()
    value["entries"][2]["envelope"]["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()
    assert_refused(value, ProblemCode.FEED_ENTRY)


@pytest.mark.parametrize("envelope", [{}, {"payload": "", "payloadType": "x", "signatures": []}, {"x": 1}])
def test_what_is_no_envelope_is_noticed(envelope: dict[str, Any]) -> None:
    value = page()
    value["entries"][2]["envelope"] = envelope
    assert_refused(value, ProblemCode.FEED_ENTRY)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"v": True},
        {"hub": "../x"},
        {"first": -1},
        {"first": str(FIRST)},
        {"first": 2**53},
        {"entries": {}},
        {"entries": [{}] * (MAX_PAGE_ENTRIES + 1)},
        {"checkpoint": 1},
        {"proof": ["AAAA"]},
        {"proof": "x"},
        {"seen_proof": [base64.b64encode(bytes(31)).decode()]},
        {"seen_proof": [base64.b64encode(bytes(33)).decode()]},
        {"more": "x"},
    ],
)
def test_what_is_no_page_is_noticed(change: dict[str, object]) -> None:
    assert_refused(page(**change), ProblemCode.FEED_ENTRY)


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_no_page(data: bytes) -> None:
    assert_refused(data, ProblemCode.FEED_ENTRY)


def test_a_page_in_another_spelling_says_the_same() -> None:
    assert read(STATE, json.dumps(page(), indent=1).encode()) == read(STATE, HONEST)


# --- receipts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 7, 8, SIZE])
def test_every_receipt_of_an_honest_log_holds(size: int) -> None:
    for index in range(size):
        receipt = LOG.receipt(index, size=size)
        digest = LOG.items[index][0].digest
        assert verify_receipt(receipt, digest, HUB_VERIFIER) == LOG.checkpoint(size)
        assert Receipt.from_bytes(receipt.to_bytes()) == receipt


@pytest.mark.parametrize("bit", range(8))
def test_one_flipped_bit_in_any_byte_of_a_receipt_is_noticed(bit: int) -> None:
    body = LOG.receipt(5).to_bytes()
    digest = LOG.items[5][0].digest
    for place in range(len(body)):
        changed = body[:place] + bytes([body[place] ^ 1 << bit]) + body[place + 1 :]
        with pytest.raises((SchemaError, VerificationError)):
            verify_receipt(Receipt.from_bytes(changed), digest, HUB_VERIFIER)


def test_a_receipt_that_proves_something_else_is_refused() -> None:
    receipt, digest = LOG.receipt(5), LOG.items[5][0].digest
    forged = filled_log(SIZE, key=OTHER_KEY).receipt(5)
    lies = [
        (LOG.receipt(6), digest),
        (receipt, LOG.items[6][0].digest),
        (forged, digest),
        (receipt.model_copy(update={"index": 4}), digest),
        (receipt.model_copy(update={"index": SIZE}), digest),
        (receipt.model_copy(update={"proof": ()}), digest),
        (receipt.model_copy(update={"entry": LOG.items[6][0]}), digest),
        (receipt.model_copy(update={"checkpoint": LOG.checkpoint(20).sign(HUB_KEY)}), digest),
    ]
    for lie, expected in lies:
        with pytest.raises(VerificationError) as caught:
            verify_receipt(lie, expected, HUB_VERIFIER)
        assert caught.value.code is ProblemCode.RECEIPT


def test_the_page_is_canonical_as_our_hub_sends_it() -> None:
    assert canonical.encode(page()) == HONEST
