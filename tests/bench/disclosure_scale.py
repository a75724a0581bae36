"""How long a million records take, and how much memory: imported, tabulated and protected by the node's own verbs.

Each size runs in a process of its own, so its peak memory is not that of a larger one before it. The records are
events with a file reference, the dearest kind: each person is hashed, looked for and counted once. They come from
several agencies, in files of 50,000 events, and all lie in the one month that is released.

Seconds are those of a clock. Growth is that of the processor's time, which a busy machine does not change.
"""

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from tests.bench.disclosure_city import EPSILONS, MEASURE, City, cell_codes, make_policy, make_template
from tests.bench.figures import Figure, at_most, measured

SIZES: Final = (100_000, 300_000, 1_000_000)
FILE_ROWS: Final = 50_000
"""About 2 MB; a file may have 5."""
CELLS: Final = 12
PERIOD: Final = "2026-10"
MOST_GROWTH: Final = 1.5
"""A record may take this much longer in the largest size than in the smallest: linear, with room for the machine."""
KIBIBYTES_PER_MEGABYTE: Final = 1024


@dataclass(frozen=True)
class Run:
    """The imports and the three releases, peak memory of the process in MiB."""

    records: int
    importing: "Spent"
    releasing: "Spent"
    peak: float

    @property
    def microseconds_per_record(self) -> float:
        """Of the processor's time."""
        return (self.importing.processor + self.releasing.processor) * 1e6 / self.records


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock, and of the processor."""

    clock: float
    processor: float

    @classmethod
    def since(cls, begun: "Spent") -> "Spent":
        now = cls.now()
        return cls(now.clock - begun.clock, now.processor - begun.processor)

    @classmethod
    def now(cls) -> "Spent":
        return cls(time.perf_counter(), time.process_time())


def measure_scale() -> Iterator[Figure]:
    """Seconds and peak memory of every size, and how much longer a record takes in the largest."""
    runs = []
    for records in SIZES:
        run = _run_apart(records)
        runs.append(run)
        yield measured("scale_import_seconds", run.importing.clock, sample_size=records)
        yield measured("scale_tabulate_and_protect_seconds", run.releasing.clock, sample_size=records)
        yield measured("scale_processor_microseconds_per_record", run.microseconds_per_record, sample_size=records)
        yield measured("scale_peak_memory_mib", run.peak, sample_size=records)
    growth = runs[-1].microseconds_per_record / runs[0].microseconds_per_record
    yield at_most("scale_growth_per_record", growth, bar=MOST_GROWTH, sample_size=SIZES[-1])
    releasing = (runs[-1].releasing.processor / SIZES[-1]) / (runs[0].releasing.processor / SIZES[0])
    yield at_most("scale_growth_of_tabulation_per_record", releasing, bar=MOST_GROWTH, sample_size=SIZES[-1])


def _run_apart(records: int) -> Run:
    """Run one size in a new process, which starts with nothing in memory."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(run_size, (records,))


def run_size(records: int) -> Run:
    """Import so many events into a fresh node and ask for the release of all three tables of their measure."""
    with tempfile.TemporaryDirectory(prefix="pe-scale-") as name:
        directory = Path(name)
        template = make_template(directory, make_policy(CELLS, unit="person"))
        with template.open(directory / "city") as city:
            imports = [_import(city, first, min(FILE_ROWS, records - first)) for first in _starts(records)]
            begun = Spent.now()
            for dimension in EPSILONS:
                city.release(f"{MEASURE}.by_{dimension}", PERIOD)
            releasing = Spent.since(begun)
    importing = Spent(sum(each.clock for each in imports), sum(each.processor for each in imports))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Run(records, importing, releasing, peak / KIBIBYTES_PER_MEGABYTE)


def _starts(records: int) -> range:
    return range(0, records, FILE_ROWS)


def _import(city: City, first: int, count: int) -> Spent:
    """The time that the import of one agency's file takes; making the file is not part of it."""
    random, codes = Random(first), cell_codes(CELLS)
    rows = [
        (
            f"{PERIOD}-{random.randrange(1, 32):02d}",
            *(random.choice(codes) for _ in EPSILONS),
            f"file-{first + place}",
        )
        for place in range(count)
    ]
    begun = Spent.now()
    report = city.import_events(rows, [PERIOD], unit="person", agency=f"agency-{first // FILE_ROWS}")
    spent = Spent.since(begun)
    if report["added"] != count:
        raise RuntimeError(f"expected {count} events to be added, got {report['added']}")
    return spent


if __name__ == "__main__":
    for figure in measure_scale():
        sys.stdout.write(figure.as_line() + "\n")
        sys.stdout.flush()
