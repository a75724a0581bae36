"""What the protection of figures promises, measured: `./run bench disclosure`, or a part of it with `--only audit`.

Each part is a module of its own that says what it measures and how. The first five attack the releases of a city, the
next one those of a city without noise; three measure what is left for readers (sums, usefulness, size). The noise comes
unseeded from the operating system, so figures differ a little from run to run; a bar that is a 95 % bound can be missed
by chance.
"""

import time
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from tests.bench.figures import Figure, exactly, measured

PARTS: Final = {
    "audit": ("disclosure_audit", "measure_audit"),
    "histories": ("disclosure_histories", "measure_histories"),
    "replays": ("disclosure_replays", "measure_replays"),
    "kills": ("disclosure_kills", "measure_kills"),
    "messages": ("disclosure_messages", "measure_messages"),
    "threshold": ("disclosure_threshold", "measure_threshold"),
    "sums": ("disclosure_sums", "measure_sums"),
    "utility": ("disclosure_utility", "measure_utility"),
    "scale": ("disclosure_scale", "measure_scale"),
}
"""Part → its module and function, in the order in which they run. A part that is not there is a miss."""


def measure(only: str | None = None) -> Iterator[Figure]:
    """The figures of all parts, or of one, each part with the seconds that it took."""
    for part in PARTS if only is None else (only,):
        module, function = PARTS[part]
        if find_spec(f"tests.bench.{module}") is None:
            yield exactly(f"{part}_is_missing", 1, bar=0, sample_size=1)
            continue
        begun = time.perf_counter()
        yield from getattr(import_module(f"tests.bench.{module}"), function)()
        yield measured(f"{part}_seconds", time.perf_counter() - begun, sample_size=1)
