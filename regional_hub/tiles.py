"""The hash tiles of the log (C2SP tlog-tiles): 256 hashes of 32 bytes, each level 8 tree levels above the last.

A node (level, index) of the tree is the root of a whole number of hashes of one tile, so every proof can be made from
tiles. A tile only ever grows at its end; an older, narrower tile is a prefix of it.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub.errors import LogError
from regional_hub.orm import TileRow
from shared_schema.merkle import HASH_BYTES, TILE_HEIGHT, TILE_WIDTH, completed_nodes, node_hash

MAX_CACHED_TILES = 64


class TileReader:
    """Reads tree nodes out of stored tiles; keeps the tiles it has read for as long as it lives."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tiles: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete node. Raises LogError when the tile that should hold it is missing or short."""
        tile_level, inner = divmod(level, TILE_HEIGHT)
        first = index << inner
        number, offset = divmod(first, TILE_WIDTH)
        hashes = self.tile(tile_level, number)[offset * HASH_BYTES : (offset + (1 << inner)) * HASH_BYTES]
        if len(hashes) != HASH_BYTES << inner:
            raise LogError(f"expected tile {tile_level}/{number} to be wider")
        row = [hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)]
        while len(row) > 1:
            row = [node_hash(row[place], row[place + 1]) for place in range(0, len(row), 2)]
        return row[0]

    def tile(self, level: int, number: int) -> bytes:
        """The hashes of a tile, empty when there is none."""
        known = self._tiles.get((level, number))
        if known is None:
            known = (
                self._session.scalar(select(TileRow.hashes).where(TileRow.level == level, TileRow.number == number))
                or b""
            )
            if len(self._tiles) >= MAX_CACHED_TILES:
                self._tiles.clear()
            self._tiles[level, number] = known
        return known

    def put(self, level: int, number: int, hashes: bytes) -> None:
        self._tiles[level, number] = hashes


def grow(reader: TileReader, first: int, leaves: Sequence[bytes]) -> Iterable[tuple[int, int, bytes]]:
    """Return (level, number, all hashes) of every tile that changes when `leaves` follow `first` leaves."""
    grown: dict[tuple[int, int], bytearray] = {}
    fresh: dict[tuple[int, int], bytes] = {}

    def read(level: int, index: int) -> bytes:
        return fresh.get((level, index)) or reader.node(level, index)

    for level, index, value in completed_nodes(first, leaves, read):
        fresh[level, index] = value
        if level % TILE_HEIGHT == 0:
            place = (level // TILE_HEIGHT, index // TILE_WIDTH)
            if place not in grown:
                grown[place] = bytearray(reader.tile(*place))
            grown[place] += value
    return [(level, number, bytes(hashes)) for (level, number), hashes in grown.items()]
