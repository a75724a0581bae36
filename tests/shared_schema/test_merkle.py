"""The Merkle tree against a second, naive one, against published roots, and against every flipped bit."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_schema.errors import SchemaError, VerificationError
from shared_schema.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    Frontier,
    completed_nodes,
    consistency_proof,
    encode_bundle,
    entries_path,
    inclusion_proof,
    leaf_hash,
    node_hash,
    parse_tile_index,
    range_hash,
    tile_index_path,
    tile_path,
    verify_consistency,
    verify_inclusion,
)
from tests.shared_schema.builders import VECTORS

SIZES = 300
LEAVES = [leaf_hash(b"entry %d" % number) for number in range(SIZES)]
TILES = VECTORS["tlog_tiles"]
TESSERA = VECTORS["tessera_testdata_log"]
ROOTS = {int(size): base64.b64decode(root) for size, root in TESSERA["roots_b64"].items()}


@cache
def naive_root(first: int, last: int) -> bytes:
    """MTH of RFC 6962 section 2.1, written down as it stands there."""
    count = last - first
    if count == 0:
        return hashlib.sha256(b"").digest()
    if count == 1:
        return LEAVES[first]
    split = max(2**power for power in range(count.bit_length()) if 2**power < count)
    joined = b"\x01" + naive_root(first, first + split) + naive_root(first + split, last)
    return hashlib.sha256(joined).digest()


def nodes_of(leaves: Sequence[bytes]) -> dict[tuple[int, int], bytes]:
    nodes: dict[tuple[int, int], bytes] = {}
    for level, index, value in completed_nodes(0, leaves, lambda level, index: nodes[level, index]):
        nodes[level, index] = value
    return nodes


NODES = nodes_of(LEAVES)


def read(level: int, index: int) -> bytes:
    return NODES[level, index]


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)


# --- published facts -------------------------------------------------------------------------------------------


def test_the_hashes_are_those_of_rfc_6962() -> None:
    leaf, node = bytes.fromhex(TILES["leaf_prefix_hex"]), bytes.fromhex(TILES["node_prefix_hex"])
    assert leaf_hash(b"one") == hashlib.sha256(leaf + b"one").digest()
    assert node_hash(b"l" * 32, b"r" * 32) == hashlib.sha256(node + b"l" * 32 + b"r" * 32).digest()
    assert bytes.fromhex(TILES["empty_root_hex"]) == EMPTY_ROOT == Frontier().root() == ROOTS[0]


@pytest.mark.parametrize("size", ROOTS)
def test_the_published_log_has_its_published_roots(size: int) -> None:
    leaves = [leaf_hash(entry.encode()) for entry in TESSERA["entries"][:size]]
    assert Frontier().extend(leaves).root() == ROOTS[size]
    nodes = nodes_of(leaves)
    if size:
        assert range_hash(0, size, lambda level, index: nodes[level, index]) == ROOTS[size]


def test_the_published_roots_are_consistent_with_each_other() -> None:
    nodes = nodes_of([leaf_hash(entry.encode()) for entry in TESSERA["entries"]])
    for old in ROOTS:
        for new in ROOTS:
            if old <= new:
                proof = consistency_proof(old, new, lambda level, index: nodes[level, index])
                verify_consistency(old, ROOTS[old], new, ROOTS[new], proof)


def test_a_tile_is_256_hashes_of_32_bytes() -> None:
    assert (TILES["tile_width"], TILES["hash_bytes"]) == (TILE_WIDTH, HASH_BYTES)
    assert 2**TILE_HEIGHT == TILE_WIDTH


@pytest.mark.parametrize("number", TILES["index_paths"])
def test_a_tile_number_is_written_in_groups_of_three(number: str) -> None:
    path = TILES["index_paths"][number]
    assert tile_index_path(int(number)) == path
    assert parse_tile_index(path) == int(number)


@pytest.mark.parametrize("tile", TILES["tile_paths"], ids=lambda tile: tile["path"])
def test_a_tile_stands_where_the_specification_says(tile: dict[str, object]) -> None:
    level, index, width = tile["level"], tile["index"], tile["width"]
    assert isinstance(index, int)
    assert isinstance(width, int)
    if isinstance(level, int):
        assert tile_path(level, index, width) == tile["path"]
    else:
        assert entries_path(index, width) == tile["path"]


def test_an_entry_bundle_puts_two_bytes_of_length_before_each_entry() -> None:
    assert encode_bundle(entry.encode() for entry in TILES["bundle"]["entries"]).hex() == TILES["bundle"]["hex"]


def tile_widths(size: int) -> list[tuple[int, int]]:
    """(full tiles, width of the partial one or 0) of each level, as tlog-tiles derives them from the size alone."""
    levels = []
    while size:
        levels.append(divmod(size, TILE_WIDTH))
        size //= TILE_WIDTH
    return levels


def test_the_complete_nodes_fill_the_tiles_that_the_specification_lists() -> None:
    layout = TILES["layout"]
    size = layout["size"]
    complete: dict[int, int] = {}
    nodes = nodes_of([leaf_hash(number.to_bytes(4, "big")) for number in range(size)])
    for level, _ in nodes:
        complete[level] = complete.get(level, 0) + 1
    listed = [(level["full"], level["partial"]) for level in layout["levels"]]
    assert [divmod(complete[TILE_HEIGHT * level], TILE_WIDTH) for level in range(len(listed))] == listed
    assert TILE_HEIGHT * len(listed) not in complete
    assert tile_widths(size) == listed


@pytest.mark.parametrize("size", TILES["tampering"]["sizes"])
def test_one_flipped_bit_in_any_tile_or_entry_leads_to_another_root(size: int) -> None:
    """Whoever rebuilds the upper levels from the lower ones notices, whichever tile it was (CVE-2026-56865)."""
    leaves = [leaf_hash(number.to_bytes(4, "big")) for number in range(size)]
    nodes = nodes_of(leaves)
    root = Frontier().extend(leaves).root()
    assert range_hash(0, size, lambda level, index: nodes[level, index]) == root
    for level, (full, partial) in enumerate(tile_widths(size)):
        for tile in range(full + bool(partial)):
            first = tile * TILE_WIDTH
            width = TILE_WIDTH if tile < full else partial
            row = [nodes[TILE_HEIGHT * level, first + place] for place in range(width)]
            place = (tile * 7 + level) % width
            damaged = [*row[:place], flipped(row[place], tile), *row[place + 1 :]]
            assert Frontier().extend(damaged).root() != Frontier().extend(row).root()
            if level:  # the parent hash that the tile below has to lead to
                below = [nodes[TILE_HEIGHT * (level - 1), (first + place) * TILE_WIDTH + k] for k in range(TILE_WIDTH)]
                assert Frontier().extend(below).root() == row[place] != damaged[place]


# --- every size up to 300 --------------------------------------------------------------------------------------


def test_frontier_and_nodes_give_the_naive_root_at_every_size() -> None:
    frontier = Frontier()
    for size in range(SIZES + 1):
        assert frontier.root() == naive_root(0, size)
        if size:
            assert range_hash(0, size, read) == naive_root(0, size)
        assert Frontier.from_bytes(size, frontier.to_bytes()) == frontier
        if size < SIZES:
            frontier = frontier.append(LEAVES[size])


def test_every_complete_node_is_yielded_once_however_the_leaves_arrive() -> None:
    nodes: dict[tuple[int, int], bytes] = {}
    first, count = 0, 1
    while first < SIZES:
        for level, index, value in completed_nodes(first, LEAVES[first : first + count], lambda *node: nodes[node]):
            assert (level, index) not in nodes
            nodes[level, index] = value
        first, count = first + len(LEAVES[first : first + count]), count * 3 % 17 + 1
    assert nodes == NODES
    assert all(value == naive_root(index << level, (index + 1) << level) for (level, index), value in nodes.items())


def test_every_inclusion_proof_of_every_size_verifies() -> None:
    for size in range(1, SIZES + 1):
        root = naive_root(0, size)
        for index in range(size):
            verify_inclusion(LEAVES[index], index, size, inclusion_proof(index, size, read), root)


def test_every_consistency_proof_of_every_size_verifies() -> None:
    for new in range(SIZES + 1):
        new_root = naive_root(0, new)
        for old in range(new + 1):
            verify_consistency(old, naive_root(0, old), new, new_root, consistency_proof(old, new, read))


# --- what is not true is refused -------------------------------------------------------------------------------

sizes = st.integers(1, SIZES)
bits = st.integers(0, 8 * HASH_BYTES - 1)


@given(sizes, st.data())
def test_an_inclusion_proof_with_one_flipped_bit_is_refused(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    parts = [LEAVES[index], naive_root(0, size), *inclusion_proof(index, size, read)]
    place = data.draw(st.integers(0, len(parts) - 1))
    parts[place] = flipped(parts[place], data.draw(bits))
    with pytest.raises(VerificationError):
        verify_inclusion(parts[0], index, size, parts[2:], parts[1])


@given(st.integers(2, SIZES), st.data())
def test_a_consistency_proof_with_one_flipped_bit_is_refused(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    parts = [naive_root(0, old), naive_root(0, new), *consistency_proof(old, new, read)]
    place = data.draw(st.integers(0, len(parts) - 1))
    parts[place] = flipped(parts[place], data.draw(bits))
    with pytest.raises(VerificationError):
        verify_consistency(old, parts[0], new, parts[1], parts[2:])


@given(sizes, st.data())
def test_an_inclusion_proof_of_another_place_length_or_size_is_refused(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    leaf, root, proof = LEAVES[index], naive_root(0, size), inclusion_proof(index, size, read)
    other = data.draw(st.integers(-1, size + 1).filter(lambda place: place != index))
    lies = [(other, size, proof), (index, size, [*proof, root]), (index, size, [root, *proof])]
    lies += [(index, 0, proof), (index, -1, proof)]
    if proof:
        lies += [(index, size, proof[:-1]), (index, size, proof[1:]), (index, size, [])]
    for place, claimed_size, claimed_proof in lies:
        with pytest.raises(VerificationError):
            verify_inclusion(leaf, place, claimed_size, claimed_proof, root)


@given(st.integers(2, SIZES), st.data())
def test_a_consistency_proof_of_another_length_or_order_is_refused(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new - 1))
    old_root, new_root, proof = naive_root(0, old), naive_root(0, new), consistency_proof(old, new, read)
    for lie in ([], proof[:-1], proof[1:], [*proof, new_root], [old_root, *proof], [new_root, *proof]):
        if lie == proof:
            continue
        with pytest.raises(VerificationError):
            verify_consistency(old, old_root, new, new_root, lie)
    with pytest.raises(VerificationError):
        verify_consistency(new, new_root, old, old_root, proof)
    with pytest.raises(VerificationError):
        verify_consistency(-1, EMPTY_ROOT, new, new_root, proof)


@pytest.mark.parametrize("proof", [[], [LEAVES[0]]])
def test_equal_sizes_with_different_roots_are_a_fork(proof: list[bytes]) -> None:
    with pytest.raises(VerificationError):
        verify_consistency(7, naive_root(0, 7), 7, naive_root(1, 8), proof)


def test_a_proof_where_none_is_needed_is_refused() -> None:
    with pytest.raises(VerificationError):
        verify_consistency(7, naive_root(0, 7), 7, naive_root(0, 7), [LEAVES[0]])
    with pytest.raises(VerificationError):
        verify_consistency(0, EMPTY_ROOT, 7, naive_root(0, 7), [LEAVES[0]])


def test_an_empty_tree_with_another_root_is_refused() -> None:
    with pytest.raises(VerificationError):
        verify_consistency(0, LEAVES[0], 7, naive_root(0, 7), [])


@pytest.mark.parametrize("size", [2, 3, 4, 7, 8, 300])
def test_a_node_of_the_tree_is_not_taken_for_a_leaf(size: int) -> None:
    """A proof that ends too early may lead to the root all the same, from a node instead of a leaf."""
    with pytest.raises(VerificationError):
        verify_inclusion(naive_root(0, size), 0, size, [], naive_root(0, size))
    proof = inclusion_proof(0, size, read)
    with pytest.raises(VerificationError):
        verify_inclusion(node_hash(LEAVES[0], proof[0]), 0, size, proof[1:], naive_root(0, size))


@pytest.mark.parametrize("old", [1, 2, 4, 8, 256])
def test_a_tree_does_not_grow_without_another_root(old: int) -> None:
    for new in (old + 1, 2 * old, 300):
        for proof in ([], [naive_root(0, old)]):
            with pytest.raises(VerificationError):
                verify_consistency(old, naive_root(0, old), new, naive_root(0, old), proof)


def test_proofs_are_made_only_for_what_exists() -> None:
    for index, size in ((0, 0), (-1, 3), (3, 3)):
        with pytest.raises(SchemaError):
            inclusion_proof(index, size, read)
    for old, new in ((-1, 3), (4, 3)):
        with pytest.raises(SchemaError):
            consistency_proof(old, new, read)


@pytest.mark.parametrize(("size", "hashes"), [(0, 1), (1, 0), (3, 1), (4, 2), (-1, 1), (-1, 0)])
def test_a_frontier_has_one_hash_for_every_one_in_its_size(size: int, hashes: int) -> None:
    with pytest.raises(SchemaError):
        Frontier(size, (LEAVES[0],) * hashes)


@pytest.mark.parametrize("data", [b"", b"\x00" * 32, b"\x00" * 65, b"\x00" * 96])
def test_a_frontier_is_not_read_from_too_many_or_too_few_bytes(data: bytes) -> None:
    with pytest.raises(SchemaError):
        Frontier.from_bytes(3, data)


# --- tile numbers ----------------------------------------------------------------------------------------------


@given(st.integers(0, 10**15 - 1))
def test_every_tile_number_is_read_back(number: int) -> None:
    assert parse_tile_index(tile_index_path(number)) == number


@pytest.mark.parametrize(
    "path",
    [
        "",
        "0",
        "00",
        "0000",
        "x000",
        "x000/001",
        "001/001",
        "x01/001",
        "x001/x001",
        "X001/001",
        "x001//001",
        "/001",
        "001/",
        "-01",
        "+01",
        " 01",
        "0_1",
        "١١١",
        "x001/00a",
        "..",
        "x../001",
        "9" * 5000,
        "x" + "9" * 5000 + "/001",
        "/".join(["x001"] * 5 + ["001"]),
    ],
)
def test_every_other_spelling_of_a_tile_number_is_refused(path: str) -> None:
    with pytest.raises(SchemaError):
        parse_tile_index(path)


@given(st.text(st.sampled_from("x0123/."), max_size=20))
def test_a_tile_number_is_refused_or_the_one_spelling(path: str) -> None:
    try:
        number = parse_tile_index(path)
    except SchemaError:
        return
    assert tile_index_path(number) == path
