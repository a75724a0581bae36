"""What a log costs when it is long: entries a second, milliseconds a proof, and megabytes, at 70,000 and a million.

Signed statements go through `log.append` in groups of 256, each group one transaction on SQLite with its fsync; signing
is outside the clock. A proof is made for random entries, out of the database and, by a reader that verifies every
tile it uses and begins with none, out of the static files. Shown are medians. The bars are on growth, with fourteen
times as many entries.
"""

import random
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

from regional_hub import log, log_files
from regional_hub.app import Hub
from regional_hub.static_files import StaticFiles
from regional_hub.tiles import NodeCache, TileReader
from shared_schema.checkpoint import verify_checkpoint
from shared_schema.envelope import sign_payload
from shared_schema.keys import SigningKey
from shared_schema.merkle import inclusion_proof, leaf_hash, verify_inclusion
from shared_schema.service.log_source import open_folder
from shared_schema.statement import (
    STATEMENT_BODIES,
    Audience,
    Kind,
    VerifiedStatement,
    make_statement,
)
from shared_schema.tiles import CHECKPOINT_PATH, VerifiedLog
from tests.bench.bench_intake import make_hub
from tests.bench.figures import Figure, at_most, measured
from tests.shared_schema import builders

SIZES = (70_000, 1_000_000)
GROUP = 256
WINDOW = 40
"""Groups at the end of each size that the rate is taken from: ten thousand entries."""
PROOFS = 500
PUBLISHED = 20
MOST_GROWTH = 3.0
"""Fourteen times as many entries are four levels more in a tree of twenty."""
MEGABYTE = 1_000_000
PORT = 8700


class _Author:
    """Makes signed questions with rising seq, as cheaply as a signature allows."""

    def __init__(self) -> None:
        self._key = SigningKey.from_seed(secrets.token_bytes(32))
        body = STATEMENT_BODIES[Kind.QUESTION].from_object(builders.question_body())
        self._first = make_statement(
            body,  # type: ignore[arg-type]
            kind=Kind.QUESTION,
            origin="city.bench.de",
            seq=1,
            issued_at=builders.NOW,
            nonce=secrets.token_urlsafe(18),
            audience=Audience.EUROPE,
        )
        self._payload = self._first.to_bytes()
        self._seq = 1

    def next_arrival(self) -> log.Arrival:
        self._seq += 1
        statement = self._first.model_copy(update={"seq": self._seq})
        payload = self._payload.replace(b'"seq":1,', b'"seq":%d,' % self._seq)
        return log.Arrival(VerifiedStatement(statement, sign_payload(Kind.QUESTION.value, payload, self._key)))


def measure() -> Iterator[Figure]:
    """Rate, proofs and size at each of `SIZES`, and how much an entry and a proof cost more in the longer log."""
    with tempfile.TemporaryDirectory(prefix="pe-bench-") as name:
        directory = Path(name)
        hub = make_hub(directory, PORT, [])
        found: dict[str, list[float]] = {"append": [], "database": [], "files": [], "publishing": []}
        author, nodes = _Author(), NodeCache()
        for size in SIZES:
            times = _grow(hub, author, nodes, size)[-WINDOW:]
            found["append"].append(_quiet(times))
            yield measured(f"appended_per_second_at_{size}", 1 / median(times), sample_size=WINDOW * GROUP)
            for place, times in _measure_proofs(hub, directory / "public", size):
                found[place].append(_quiet(times))
                yield measured(f"proof_ms_from_{place}_at_{size}", median(times), sample_size=PROOFS)
            times = _measure_publishing(hub, directory / "public", author, nodes)
            found["publishing"].append(_quiet(times))
            yield measured(f"publishing_ms_a_commit_at_{size}", median(times), sample_size=PUBLISHED)
            yield measured(f"database_megabytes_at_{size}", _bytes_of(directory, "hub.db*"), sample_size=size)
            yield measured(f"static_megabytes_at_{size}", _bytes_of(directory / "public", "**/*"), sample_size=size)
        for place, (short, long) in found.items():
            yield at_most(f"growth_of_{place}_cost", long / short, bar=MOST_GROWTH, sample_size=max(SIZES))
        hub.close()
        shutil.rmtree(directory / "public")


def _grow(hub: Hub, author: _Author, nodes: NodeCache, size: int) -> list[float]:
    """Append until there are `size` entries; seconds an entry in each group."""
    times: list[float] = []
    count = size - log_size(hub)
    while count:
        arrivals = [author.next_arrival() for _ in range(min(GROUP, count))]
        begun = time.perf_counter()
        with hub.database.write() as session:
            head = log.get_head(session, for_append=True)
            reader = TileReader(session, nodes, head.frontier)
            appended = log.append(
                session, arrivals, name=hub.name, key=hub.key, head=head, now=datetime.now(UTC), reader=reader
            )
            log.make_receipts(session, appended.entries, reader, {appended.entries[0].receipt_size: appended.note})
        times.append((time.perf_counter() - begun) / len(arrivals))
        count -= len(arrivals)
    return times


def log_size(hub: Hub) -> int:
    with hub.database.read() as session:
        return log.get_head(session).size


def _measure_proofs(hub: Hub, folder: Path, size: int) -> Iterator[tuple[str, list[float]]]:
    """Milliseconds of each proof, out of the database and out of the files; every one of them is verified."""
    StaticFiles(hub.database, hub.name, folder).publish()
    chance = random.Random(size)
    indexes = [chance.randrange(size) for _ in range(PROOFS)]
    with hub.database.read() as session, open_folder(folder) as fetch:
        checkpoint = verify_checkpoint(fetch(CHECKPOINT_PATH).decode(), hub.verifier)
        entries = VerifiedLog(log_files.fetch_from(session), checkpoint)
        leaves = {index: leaf_hash(entries.entry(index)) for index in indexes}
        for place in ("database", "files"):
            times = []
            for index in indexes:
                begun = time.perf_counter()
                if place == "database":
                    proof = inclusion_proof(index, size, TileReader(session).node)
                else:
                    proof = VerifiedLog(fetch, checkpoint).inclusion_proof(index)
                times.append(1000 * (time.perf_counter() - begun))
                verify_inclusion(leaves[index], index, size, proof, checkpoint.root)
            yield place, times


def _measure_publishing(hub: Hub, folder: Path, author: _Author, nodes: NodeCache) -> list[float]:
    """Milliseconds that writing the static files adds to a commit of one group."""
    files = StaticFiles(hub.database, hub.name, folder)
    times = []
    for _ in range(PUBLISHED):
        _grow(hub, author, nodes, log_size(hub) + GROUP)
        begun = time.perf_counter()
        files.publish()
        times.append(1000 * (time.perf_counter() - begun))
    return times


def _quiet(times: Sequence[float]) -> float:
    """The tenth part that was fastest ends here: two moments are compared, and a busy machine should not count."""
    return quantiles(times, n=10)[0]


def _bytes_of(folder: Path, pattern: str) -> float:
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file()) / MEGABYTE
