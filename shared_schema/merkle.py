"""Merkle tree of RFC 6962: hashes, frontier, inclusion and consistency proofs, and the tiles of C2SP tlog-tiles.

leaf = SHA-256(00 || entry), node = SHA-256(01 || left || right), the root of the empty tree = SHA-256("").
Level 0 are the leaves; the node (level, index) covers the leaves index * 2^level up to (index + 1) * 2^level.

    frontier = Frontier()
    for entry in entries:
        frontier = frontier.append(leaf_hash(entry))
    frontier.root()
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from shared_schema.errors import SchemaError, VerificationError

HASH_BYTES = 32
TILE_WIDTH = 256
TILE_HEIGHT = 8
_TILE_INDEX = re.compile(r"(?:x[0-9]{3}/){0,4}[0-9]{3}")
EMPTY_ROOT = hashlib.sha256(b"").digest()

NodeReader = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The roots of the complete subtrees of a tree, largest first: all that is needed to append.

    `size` is the number of leaves; there is one hash for every 1 in its binary form.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        right_lengths = all(len(value) == HASH_BYTES for value in self.hashes)
        if self.size < 0 or len(self.hashes) != self.size.bit_count() or not right_lengths:
            raise SchemaError(f"expected {max(self.size, 0).bit_count()} hashes in a frontier of size {self.size}")

    def append(self, leaf: bytes) -> "Frontier":
        """The frontier after one more leaf hash."""
        hashes = list(self.hashes)
        carry = leaf
        size = self.size
        while size & 1:
            carry = node_hash(hashes.pop(), carry)
            size >>= 1
        return Frontier(self.size + 1, (*hashes, carry))

    def extend(self, leaves: Iterable[bytes]) -> "Frontier":
        frontier = self
        for leaf in leaves:
            frontier = frontier.append(leaf)
        return frontier

    def root(self) -> bytes:
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def to_bytes(self) -> bytes:
        return b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> "Frontier":
        return cls(size, tuple(data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES)))


def completed_nodes(first: int, leaves: Sequence[bytes], read: NodeReader) -> Iterator[tuple[int, int, bytes]]:
    """Yield (level, index, hash) of every node that becomes complete when `leaves` are put after `first` leaves.

    `read(level, index)` gives nodes that were complete before.
    """
    level, start, row = 0, first, list(leaves)
    while row:
        for offset, value in enumerate(row):
            yield level, start + offset, value
        if start % 2 == 1:
            row.insert(0, read(level, start - 1))
            start -= 1
        row = [node_hash(row[place], row[place + 1]) for place in range(0, len(row) - 1, 2)]
        level, start = level + 1, start // 2


def range_hash(first: int, last: int, read: NodeReader) -> bytes:
    """The hash MTH(D[first:last]) of RFC 6962 section 2.1, out of complete nodes; `first` must be aligned to it."""
    count = last - first
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return read(level, first >> level)
    split = 1 << (count - 1).bit_length() - 1
    return node_hash(range_hash(first, first + split, read), range_hash(first + split, last, read))


def inclusion_proof(index: int, size: int, read: NodeReader) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962 section 2.1.1. Raises SchemaError unless 0 <= index < size."""
    if not 0 <= index < size:
        raise SchemaError(f"expected an index below {size}, got {index}")
    return _path(index, 0, size, read)


def _path(index: int, first: int, last: int, read: NodeReader) -> list[bytes]:
    count = last - first
    if count == 1:
        return []
    split = 1 << (count - 1).bit_length() - 1
    if index < split:
        return [*_path(index, first, first + split, read), range_hash(first + split, last, read)]
    return [*_path(index - split, first + split, last, read), range_hash(first, first + split, read)]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise VerificationError unless `leaf` is number `index` of the tree with `size` leaves and `root`.

    RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < size:
        raise VerificationError(f"expected an index below {size}, got {index}")
    node, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise VerificationError("expected a shorter inclusion proof")
        if node & 1 or node == last:
            value = node_hash(sibling, value)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        node, last = node >> 1, last >> 1
    if last != 0 or value != root:
        raise VerificationError("expected an inclusion proof that leads to the root")


def consistency_proof(old: int, new: int, read: NodeReader) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962 section 2.1.2; empty for old 0 and for old = new."""
    if not 0 <= old <= new:
        raise SchemaError(f"expected an old size of at most {new}, got {old}")
    if old in (0, new):
        return []
    return _subproof(old, 0, new, True, read)


def _subproof(old: int, first: int, last: int, whole: bool, read: NodeReader) -> list[bytes]:
    count = last - first
    if old == count:
        return [] if whole else [range_hash(first, last, read)]
    split = 1 << (count - 1).bit_length() - 1
    if old <= split:
        return [*_subproof(old, first, first + split, whole, read), range_hash(first + split, last, read)]
    return [*_subproof(old - split, first + split, last, False, read), range_hash(first, first + split, read)]


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raise VerificationError unless the tree (new, new_root) begins with the tree (old, old_root).

    RFC 9162 section 2.1.4.2.
    """
    if not 0 <= old <= new:
        raise VerificationError(f"expected a tree of at least {old} entries, got {new}")
    if old in (0, new):
        if proof or old_root != (EMPTY_ROOT if old == 0 else new_root):
            raise VerificationError("expected an empty consistency proof and equal roots")
        return
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if _walk_consistency(old, new, path) != (old_root, new_root):
        raise VerificationError("expected a consistency proof that leads from one root to the other")


def prefix_root(old: int, new: int, new_root: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The root that the first `old` entries of the tree (new, new_root) have, as far as `proof` shows it.

    None when the proof does not lead to `new_root`, and where it does not hold that root: `old` a power of two.
    """
    if old == new:
        return new_root
    if not 0 < old < new or old & (old - 1) == 0:
        return None
    try:
        old_value, new_value = _walk_consistency(old, new, list(proof))
    except VerificationError:
        return None
    return old_value if new_value == new_root else None


def _walk_consistency(old: int, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The two roots that a path leads to (RFC 9162 section 2.1.4.2, steps 3 to 6)."""
    if not path:
        raise VerificationError("expected a longer consistency proof")
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_value = new_value = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise VerificationError("expected a shorter consistency proof")
        if node & 1 or node == last:
            old_value, new_value = node_hash(sibling, old_value), node_hash(sibling, new_value)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new_value = node_hash(new_value, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise VerificationError("expected a longer consistency proof")
    return old_value, new_value


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """The path of a hash tile (C2SP tlog-tiles): `tile/<L>/<N>[.p/<W>]`."""
    return f"tile/{level}/{tile_index_path(index)}" + ("" if width == TILE_WIDTH else f".p/{width}")


def entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """The path of an entry bundle (C2SP tlog-tiles): `tile/entries/<N>[.p/<W>]`."""
    return f"tile/entries/{tile_index_path(index)}" + ("" if width == TILE_WIDTH else f".p/{width}")


def tile_index_path(index: int) -> str:
    """1234067 -> x001/x234/067: groups of three digits, all but the last prefixed with x."""
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups))


def parse_tile_index(path: str) -> int:
    """The inverse of `tile_index_path`. Raises SchemaError for every other spelling."""
    if not _TILE_INDEX.fullmatch(path):
        raise SchemaError("expected a tile number in groups of three digits")
    index = int(path.replace("/x", "").removeprefix("x").replace("/", ""))
    if tile_index_path(index) != path:
        raise SchemaError("expected a tile number without leading groups of zeros")
    return index


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each entry after its length as two bytes, big-endian."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle. Raises SchemaError when its lengths do not fit."""
    entries, place = [], 0
    while place < len(data):
        length = int.from_bytes(data[place : place + 2], "big")
        entry = data[place + 2 : place + 2 + length]
        if place + 2 > len(data) or len(entry) != length:
            raise SchemaError("expected whole entries, each after its length in two bytes")
        entries.append(entry)
        place += 2 + length
    return entries
