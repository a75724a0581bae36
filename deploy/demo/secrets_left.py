"""What is left of a batch's keys and of what cities have sent, in every file of both hubs.

The demo owns all data directories, so it can take note of what nobody should find: the envelopes in the nodes'
outboxes, and both hubs' keys while they have them. The same search has to find them while the batch is open: a search
that never finds anything would say nothing afterwards.
"""

import base64
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shared_schema.canonical import parse_strict
from shared_schema.envelope import Envelope, parse_envelope

BASE64_GROUP: Final = 3
PIECE: Final = 48
"""Bytes: no two texts have so many in common by chance."""
EVERY: Final = 256
"""A database breaks what is long over its pages, so a piece is taken from every so many bytes."""


@dataclass(frozen=True)
class Noted:
    """What is looked for: the signed shares by city, and the keys of both hubs."""

    shares: Mapping[str, tuple[Envelope, ...]]
    keys: tuple[bytes, ...]

    @property
    def digests(self) -> list[str]:
        return [share.digest for shares in self.shares.values() for share in shares]


@dataclass(frozen=True)
class Left:
    """How many of them there are at one hub, or in all of its files."""

    readable: int
    """Shares whose content is in its log, or among what it has received."""
    shares_in_files: int
    keys_in_files: int


def take_note(nodes: Mapping[str, Path], hubs: Mapping[str, Path], batch: str) -> Noted:
    """Read what each city sends for a batch, and the keys that both hubs have for it now. Folders by name."""
    shares = {name: tuple(_shares_of(folder / "node.db", batch)) for name, folder in nodes.items()}
    return Noted(shares, take_keys(hubs.values()))


def take_keys(hubs: Iterable[Path]) -> tuple[bytes, ...]:
    """The keys that hubs have now for the batches that are open: each its own, and the one with which both verify."""
    query = "SELECT hpke_key, verify_key FROM sealed_batches"
    rows = [row for folder in hubs for row in _read(folder / "hub.db", query)]
    return tuple(sorted({key for row in rows for key in row if key is not None}))


def look(hub: Path, noted: Noted) -> Left:
    """What is left at one hub."""
    files = [path.read_bytes() for path in hub.rglob("*") if path.is_file()]
    database, digests = hub / "hub.db", noted.digests
    marks = ", ".join("?" * len(digests))
    logged = _read(database, f"SELECT COUNT(*) FROM contents WHERE digest IN ({marks})", *digests)  # noqa: S608 - marks
    kept = _read(
        database,
        f"SELECT COUNT(*) FROM sealed_shares WHERE envelope IS NOT NULL AND digest IN ({marks})",  # noqa: S608 - marks
        *digests,
    )
    every = [share for shares in noted.shares.values() for share in shares]
    return Left(
        readable=logged[0][0] + kept[0][0],
        shares_in_files=sum(_is_in(files, pieces_of_share(share)) for share in every),
        keys_in_files=sum(_is_in(files, spellings_of_key(key)) for key in noted.keys),
    )


def _shares_of(database: Path, batch: str) -> Iterator[Envelope]:
    for (stored,) in _read(
        database, "SELECT envelope FROM outbox WHERE LENGTH(envelope) > 0"
    ):  # else it was taken back
        envelope = parse_envelope(stored)
        if envelope.kind == "share" and _body_of(envelope)["batch"] == batch:
            yield envelope


def _body_of(envelope: Envelope) -> dict[str, Any]:
    body: dict[str, Any] = parse_strict(envelope.payload)["body"]
    return body


def _read(database: Path, query: str, *values: str) -> list[tuple[Any, ...]]:
    """Read beside the program that has it open; nothing is changed."""
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(query, values).fetchall()


def _is_in(files: Iterable[bytes], needles: Iterable[bytes]) -> bool:
    needles = list(needles)
    return any(needle in content for content in files for needle in needles)


def pieces_of_share(share: Envelope) -> Iterator[bytes]:
    """Of both halves as they are sealed: plain, as the statement writes them, and as the envelope writes that.

    What is around them is no secret: the log says it of every share.
    """
    body = _body_of(share)
    for name in ("leader_half", "helper_half"):
        text = str(body[name]).encode()
        start = share.payload.index(text)
        start += -start % BASE64_GROUP  # where the envelope begins a new group of its own base64
        within = share.payload[start : start + len(text) - len(text) % BASE64_GROUP - BASE64_GROUP]
        for content in (base64.b64decode(text), text, base64.b64encode(within)):
            yield from (content[at : at + PIECE] for at in range(0, len(content) - PIECE, EVERY))


def spellings_of_key(key: bytes) -> Iterator[bytes]:
    yield from (key, key.hex().encode(), base64.b64encode(key).rstrip(b"="))
    yield base64.urlsafe_b64encode(key).rstrip(b"=")
