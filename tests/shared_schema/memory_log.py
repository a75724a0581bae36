"""A log in memory, as the files that a hub would serve: built fast, at any size, and easy to damage."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared_schema.checkpoint import Checkpoint, NoteVerifier, verify_checkpoint
from shared_schema.entry import entry_bytes
from shared_schema.keys import SigningKey
from shared_schema.merkle import HASH_BYTES, TILE_WIDTH, Frontier, completed_nodes, encode_bundle, leaf_hash
from shared_schema.tiles import CHECKPOINT_PATH, FileMissingError, files_of

NAME = "sachsen.de"
KEY = SigningKey.from_seed(b"memory log".ljust(32, b"."))


def entry_of(index: int) -> bytes:
    """An entry of the form that hubs log."""
    return entry_bytes("practice", f"{index:064x}", "europe", "2026-11-22T09:00:00Z")


@dataclass
class MemoryLog:
    """The files of a log by their paths. `trees` of several sizes share their entries."""

    size: int
    entries: list[bytes]
    leaves: list[bytes]
    root: bytes
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @classmethod
    def build(cls, size: int) -> "MemoryLog":
        entries = [entry_of(index) for index in range(size)]
        leaves = [leaf_hash(entry) for entry in entries]
        frontier = Frontier().extend(leaves)
        log = cls(size, entries, leaves, frontier.root())
        hashes: dict[int, bytearray] = {}
        nodes: dict[tuple[int, int], bytes] = {}
        for level, index, value in completed_nodes(0, leaves, lambda level, index: nodes[level, index]):
            nodes[level, index] = value
            if level % 8 == 0:
                hashes.setdefault(level // 8, bytearray()).extend(value)
        for file in files_of(size):
            first = file.number * TILE_WIDTH
            if file.level is None:
                log.files[file.path] = encode_bundle(entries[first : first + file.width])
            else:
                row = hashes[file.level]
                log.files[file.path] = bytes(row[first * HASH_BYTES : (first + file.width) * HASH_BYTES])
        log.files[CHECKPOINT_PATH] = Checkpoint(NAME, size, log.root).sign(KEY).encode()
        return log

    @property
    def verifier(self) -> NoteVerifier:
        return NoteVerifier(NAME, KEY.public)

    @property
    def checkpoint(self) -> Checkpoint:
        return verify_checkpoint(self.files[CHECKPOINT_PATH].decode(), self.verifier)

    def fetch(self, path: str) -> bytes:
        self.asked.append(path)
        if path not in self.files:
            raise FileMissingError(path)
        return self.files[path]

    @contextmanager
    def damaged(self, path: str, bit: int) -> Iterator[None]:
        """One bit of a file is the other way round while the block runs."""
        good = self.files[path]
        data = bytearray(good)
        data[bit // 8 % len(data)] ^= 1 << bit % 8
        self.files[path] = bytes(data)
        yield
        self.files[path] = good
