"""A log read from its public files alone (C2SP `tlog-tiles`), without trusting whoever serves them.

Every file is verified before anything in it is used: the partial tiles at the right edge of the tree lead to the root
that the checkpoint signs, every full tile leads to its hash in the tile above it, and every entry to its hash in the
lowest tile. So a reader needs a few files for a proof, not the whole log. `TileHashReader` of Go's
golang.org/x/mod/sumdb/tlog does the same.

    checkpoint = verify_checkpoint(fetch("checkpoint").decode(), verifier)
    log = VerifiedLog(fetch, checkpoint)
    log.inclusion_proof(41), log.consistency_proof(17), log.entry(41)
    verify_files(log)                                   # everything there is, to the last file
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from shared_schema import merkle
from shared_schema.checkpoint import Checkpoint
from shared_schema.errors import SchemaError, VerificationError
from shared_schema.merkle import HASH_BYTES, TILE_HEIGHT, TILE_WIDTH, Frontier, decode_bundle, leaf_hash, node_hash
from shared_schema.problem import ProblemCode

MAX_LEVEL: Final = 63
CHECKPOINT_PATH: Final = "checkpoint"
MAX_KEPT_TILES: Final = 256
"""Nine megabytes with all their inner nodes."""
_PATH = re.compile(r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/(.*?)(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)

Fetch = Callable[[str], bytes]
"""Path of a file, such as `tile/0/000` → its bytes. Raises FileMissingError when there is certainly no such file; what
else it raises (a network that is away) passes through the reader as it is."""


class LogFileError(VerificationError):
    """A file of a log does not hold what its checkpoint says; `path` names it."""

    code = ProblemCode.LOG_DAMAGED

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(f"{path}: expected {expected}")
        self.path = path


class FileMissingError(LogFileError):
    """There is no such file."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "this file to be there")


class EdgeError(LogFileError):
    """The partial tiles at the right edge of a tree do not lead to the root that was signed."""

    def __init__(self, size: int) -> None:
        super().__init__(CHECKPOINT_PATH, f"the root that the partial tiles of {size} entries lead to")


# --- which files there are -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogFile:
    """A hash tile of a level, or, without a level, an entry bundle. Partial when it is narrower than 256."""

    level: int | None
    number: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """`tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`."""
        if self.level is None:
            return merkle.entries_path(self.number, self.width)
        return merkle.tile_path(self.level, self.number, self.width)

    @property
    def is_partial(self) -> bool:
        return self.width < TILE_WIDTH

    @property
    def whole(self) -> "LogFile":
        """The full file that this one becomes."""
        return LogFile(self.level, self.number)


def parse_path(path: str) -> LogFile:
    """The file of a path. Raises SchemaError for every other spelling: each file has one address."""
    found = _PATH.fullmatch(path)
    width = int(found[3] or TILE_WIDTH) if found else 0
    if found is None or (found[3] and width >= TILE_WIDTH):
        raise SchemaError("expected tile/<level>/<number> or tile/entries/<number>, with .p/<width> when it is partial")
    return LogFile(None if found[1] == "entries" else int(found[1]), merkle.parse_tile_index(found[2]), width)


def files_of(size: int, since: int = 0) -> Iterator[LogFile]:
    """The files of a tree of `size` that its beginning of `since` entries did not have: bundles, then tiles upwards."""
    yield from _row(None, size, since)
    for level in range(MAX_LEVEL + 1):
        count = size >> TILE_HEIGHT * level
        if count == 0:
            return
        yield from _row(level, count, since >> TILE_HEIGHT * level)


def _row(level: int | None, count: int, before: int) -> Iterator[LogFile]:
    for number in range(before // TILE_WIDTH, -(-count // TILE_WIDTH)):
        width = min(TILE_WIDTH, count - number * TILE_WIDTH)
        if number * TILE_WIDTH + width > before:
            yield LogFile(level, number, width)


def edge_of(size: int) -> dict[int, LogFile]:
    """The partial tiles at the right edge of a tree, by level."""
    widths = ((level, size >> TILE_HEIGHT * level) for level in range(MAX_LEVEL + 1))
    return {
        level: LogFile(level, count // TILE_WIDTH, count % TILE_WIDTH) for level, count in widths if count % TILE_WIDTH
    }


# --- reading -------------------------------------------------------------------------------------------------------

Rows = list[list[bytes]]
"""A tile with its inner nodes: row k has the roots of 2^k hashes each."""


def _rows_of(hashes: bytes) -> Rows:
    rows = [[hashes[place : place + HASH_BYTES] for place in range(0, len(hashes), HASH_BYTES)]]
    while len(rows[-1]) > 1:
        row = rows[-1]
        rows.append([node_hash(row[place], row[place + 1]) for place in range(0, len(row) - 1, 2)])
    return rows


class VerifiedLog:
    """The log of one checkpoint, which the caller has verified; each file is verified before it is used.

    All methods raise LogFileError for a file that is wrong or missing, and SchemaError for a place beyond the tree.
    """

    def __init__(self, fetch: Fetch, checkpoint: Checkpoint) -> None:
        self._fetch = fetch
        self.checkpoint = checkpoint
        self._edge: dict[int, Rows] | None = None
        self._tiles: dict[tuple[int, int], Rows] = {}

    @property
    def size(self) -> int:
        return self.checkpoint.size

    def inclusion_proof(self, index: int) -> list[bytes]:
        """That entry `index` is in the tree of the checkpoint."""
        return merkle.inclusion_proof(index, self.size, self.node)

    def consistency_proof(self, old: int) -> list[bytes]:
        """That the tree of the checkpoint begins with the tree of `old` entries."""
        return merkle.consistency_proof(old, self.size, self.node)

    def entry(self, index: int) -> bytes:
        """Entry `index`, as its leaf was made from it."""
        return self.bundle(index // TILE_WIDTH)[index % TILE_WIDTH]

    def bundle(self, number: int) -> list[bytes]:
        """The entries of one bundle, each compared with its hash in the tree."""
        file = self._file(None, number)
        hashes = self.tile(0, number)
        data, path = self._read(file)
        try:
            entries = decode_bundle(data)
        except SchemaError as error:
            raise LogFileError(path, error.message.removeprefix("expected ")) from None
        if path != file.path:
            entries = entries[: file.width]
        if [leaf_hash(entry) for entry in entries] != hashes:
            raise LogFileError(path, "the entries whose hashes are in the tree")
        return entries

    def tile(self, level: int, number: int) -> list[bytes]:
        """The hashes of one tile."""
        return self._rows(level, number)[0]

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete node of the tree."""
        tile_level, row = divmod(level, TILE_HEIGHT)
        number, place = divmod(index << row, TILE_WIDTH)
        if (index + 1) << level > self.size or index < 0:
            raise SchemaError(f"expected a node within a tree of {self.size} entries")
        return self._rows(tile_level, number)[row][place >> row]

    def _file(self, level: int | None, number: int) -> LogFile:
        count = self.size >> TILE_HEIGHT * (level or 0)
        width = min(TILE_WIDTH, count - number * TILE_WIDTH)
        if number < 0 or width <= 0:
            raise SchemaError(f"expected a file of a tree of {self.size} entries")
        return LogFile(level, number, width)

    def _rows(self, level: int, number: int) -> Rows:
        file = self._file(level, number)
        if self._edge is None:
            self._edge = self._read_edge()
        if file.is_partial:
            return self._edge[level]
        known = self._tiles.get((level, number))
        if known is None:
            known = self._read_rows(file)
            if known[-1][0] != self.tile(level + 1, number // TILE_WIDTH)[number % TILE_WIDTH]:
                raise LogFileError(file.path, "the hashes that the tile above it has the root of")
            if len(self._tiles) >= MAX_KEPT_TILES:
                del self._tiles[next(iter(self._tiles))]
            self._tiles[level, number] = known
        return known

    def _read_edge(self) -> dict[int, Rows]:
        """The partial tiles, which together lead to the root.

        Raises LogFileError about the checkpoint when they do not; `verify_files` says which of them is wrong.
        """
        edge = {level: self._read_rows(file) for level, file in edge_of(self.size).items()}
        if _edge_root(self.size, {level: rows[0] for level, rows in edge.items()}) != self.checkpoint.root:
            raise EdgeError(self.size)
        return edge

    def read_unverified(self, file: LogFile) -> list[bytes]:
        """The hashes of a tile as they are served, to find out which of several files is wrong."""
        return self._read_rows(file)[0]

    def hashes_below(self, file: LogFile) -> list[bytes]:
        """The hashes that a tile should have by the files below it, which are not verified either."""
        if not file.level:
            return [leaf_hash(entry) for entry in decode_bundle(self._read(self._file(None, file.number))[0])]
        first = file.number * TILE_WIDTH
        children = (self._file(file.level - 1, first + place) for place in range(file.width))
        return [self._read_rows(child)[-1][0] for child in children]

    def _read_rows(self, file: LogFile) -> Rows:
        hashes, path = self._read(file)
        if path != file.path:
            hashes = hashes[: file.width * HASH_BYTES]
        if len(hashes) != file.width * HASH_BYTES:
            raise LogFileError(path, f"{file.width} hashes of {HASH_BYTES} bytes")
        return _rows_of(hashes)

    def _read(self, file: LogFile) -> tuple[bytes, str]:
        """The bytes and the path of a file; a log may drop a partial file when the full one is there."""
        try:
            return self._fetch(file.path), file.path
        except FileMissingError:
            if not file.is_partial:
                raise
        try:
            return self._fetch(file.whole.path), file.whole.path
        except FileMissingError:
            raise FileMissingError(file.path) from None


def _edge_root(size: int, hashes: dict[int, list[bytes]]) -> bytes:
    """The root of a tree out of its partial tiles: each 1 in the binary form of `size` is a complete subtree there."""
    subtrees: list[bytes] = []
    for level in sorted(hashes, reverse=True):
        rows, width = _rows_of(b"".join(hashes[level])), len(hashes[level])
        subtrees += [rows[bit][(width >> bit) - 1] for bit in reversed(range(TILE_HEIGHT)) if width >> bit & 1]
    return Frontier(size, tuple(subtrees)).root()


# --- everything ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FilesReport:
    """How much was read and holds."""

    entries: int
    bundles: int
    tiles: int
    bytes: int


def verify_files(fetch: Fetch, checkpoint: Checkpoint, progress: Callable[[int], None] = lambda _: None) -> FilesReport:
    """Read and verify every file of a log; `progress` hears how many entries hold so far.

    Raises LogFileError with the path of the first file that is wrong. From the top downwards, because then everything
    above a file is known to be right, and the file itself is to blame.
    """
    size = checkpoint.size
    read = 0

    def count(path: str) -> bytes:
        nonlocal read
        data = fetch(path)
        read += len(data)
        return data

    log = VerifiedLog(count, checkpoint)
    files = list(files_of(size))
    tiles = [file for file in files if file.level is not None]
    bundles = files[: len(files) - len(tiles)]
    try:
        for file in reversed(tiles):
            log.tile(file.level or 0, file.number)
    except EdgeError as error:
        raise LogFileError(_find_wrong_edge(fetch, checkpoint), error.message.partition("expected ")[2]) from None
    for bundle in bundles:
        log.bundle(bundle.number)
        progress(bundle.number * TILE_WIDTH + bundle.width)
    return FilesReport(size, len(bundles), len(tiles), read)


def _find_wrong_edge(fetch: Fetch, checkpoint: Checkpoint) -> str:
    """The path of the partial tile that, made anew from what is below it, leads to the root; else the checkpoint's."""
    edge = edge_of(checkpoint.size)
    reader = VerifiedLog(fetch, checkpoint)
    known = {level: reader.read_unverified(file) for level, file in edge.items()}
    for level, file in edge.items():
        try:
            below = reader.hashes_below(file)
        except (LogFileError, SchemaError):
            continue
        if below != known[level] and _edge_root(checkpoint.size, known | {level: below}) == checkpoint.root:
            return file.path
    return CHECKPOINT_PATH
