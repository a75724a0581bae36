"""The hash tiles of the log (C2SP tlog-tiles): 256 hashes of 32 bytes, each level 8 tree levels above the last.

A node (level, index) of the tree is the root of a whole number of hashes of one tile, so every proof can be made from
tiles. A tile only ever grows at its end; an older, narrower tile is a prefix of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from regional_hub.errors import LogError
from regional_hub.orm import TileRow, table_of
from shared_schema.merkle import HASH_BYTES, TILE_HEIGHT, TILE_WIDTH, Frontier, completed_nodes, node_hash

MAX_CACHED_NODES = 20_000
"""Two megabytes; a proof in a log of a million entries needs twenty."""
Node = tuple[int, int]

_SELECT = select(TileRow.hashes).where(TileRow.level == bindparam("l"), TileRow.number == bindparam("n"))
_TABLE = table_of(TileRow)
_UPDATE = (
    update(TileRow)
    .where(TileRow.level == bindparam("l"), TileRow.number == bindparam("n"))
    .values(hashes=bindparam("h"))
    .execution_options(synchronize_session=False)
)


@dataclass(frozen=True)
class _Edge:
    """What a transaction that wanted to commit `frontier` knew of the right edge of the tree."""

    frontier: Frontier
    nodes: dict[Node, bytes]
    tiles: dict[Node, bytes]


class NodeCache:
    """Nodes of the committed part of a log: they never change, so one process may keep them between transactions.

    The right edge that a transaction leaves is taken over by the next one only when the head it finds has the very
    hashes that the edge leads to: not after a rollback, and not when another process has appended.
    """

    def __init__(self) -> None:
        self._nodes: dict[Node, bytes] = {}
        self._edge: _Edge | None = None

    def take_edge(self, committed: Frontier) -> dict[Node, bytes]:
        """The tiles at the right edge of the committed tree, as far as they are known."""
        edge, self._edge = self._edge, None
        if edge is None or edge.frontier != committed:
            return {}
        for (level, index), value in edge.nodes.items():
            self.keep(level, index, value)
        return edge.tiles

    def leave_edge(self, frontier: Frontier, nodes: dict[Node, bytes], tiles: dict[Node, bytes]) -> None:
        last = {level: max(number for other, number in tiles if other == level) for level, _ in tiles}
        self._edge = _Edge(
            frontier, nodes, {place: tile for place, tile in tiles.items() if last[place[0]] == place[1]}
        )

    def find(self, level: int, index: int) -> bytes | None:
        return self._nodes.get((level, index))

    def keep(self, level: int, index: int, value: bytes) -> None:
        if len(self._nodes) >= MAX_CACHED_NODES:
            self._nodes.clear()
        self._nodes[level, index] = value


class TileReader:
    """Reads tree nodes out of stored tiles, and grows the tiles, within one transaction.

    `committed` is the frontier of the log that is committed for certain; only nodes within it go into `cache`, which
    outlives the transaction.
    """

    def __init__(self, session: Session, cache: NodeCache | None = None, committed: Frontier | None = None) -> None:
        self._session = session
        self._cache = cache or NodeCache()
        self._committed = committed.size if committed else 0
        self._fresh: dict[Node, bytes] = {}
        self._tiles = self._cache.take_edge(committed) if committed else {}

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete node. Raises LogError when the tile that should hold it is missing or short."""
        known = self._fresh.get((level, index)) or self._cache.find(level, index)
        if known is not None:
            return known
        value = self._make_node(level, index)
        if (index + 1) << level <= self._committed:
            self._cache.keep(level, index, value)
        else:
            self._fresh[level, index] = value
        return value

    def _make_node(self, level: int, index: int) -> bytes:
        if level % TILE_HEIGHT:
            return node_hash(self.node(level - 1, 2 * index), self.node(level - 1, 2 * index + 1))
        number, offset = divmod(index, TILE_WIDTH)
        value = self.tile(level // TILE_HEIGHT, number)[offset * HASH_BYTES : (offset + 1) * HASH_BYTES]
        if len(value) != HASH_BYTES:
            raise LogError(f"expected tile {level // TILE_HEIGHT}/{number} to be wider")
        return value

    def tile(self, level: int, number: int) -> bytes:
        """The hashes of a tile, empty when there is none."""
        known = self._tiles.get((level, number))
        if known is None:
            known = self._session.execute(_SELECT, {"l": level, "n": number}).scalar() or b""
            self._tiles[level, number] = known
        return known

    def grow(self, before: Frontier, leaves: Sequence[bytes]) -> Frontier:
        """Store the tiles that change when `leaves` follow a tree with the frontier `before`; return the new one."""
        grown: dict[tuple[int, int], bytearray] = {}
        for level, index, value in completed_nodes(before.size, leaves, self.node):
            self._fresh[level, index] = value
            if level % TILE_HEIGHT == 0:
                place = (level // TILE_HEIGHT, index // TILE_WIDTH)
                if place not in grown:
                    grown[place] = bytearray(self.tile(*place))
                grown[place] += value
        connection = self._session.connection()
        for (level, number), hashes in grown.items():
            if self.tile(level, number):
                connection.execute(_UPDATE, {"l": level, "n": number, "h": bytes(hashes)})
            else:
                connection.execute(insert(_TABLE), {"level": level, "number": number, "hashes": bytes(hashes)})
            self._tiles[level, number] = bytes(hashes)
        after = before.extend(leaves)
        self._cache.leave_edge(after, self._fresh, self._tiles)
        return after
