"""Sealed totals, measured part by part.

accuracy     errors on real counts beside per-city noise and thresholds (`sealed_accuracy`)
batches      random batches with drop-outs, late cities and cheats (`sealed_batches`)
privacy      what one hub can tell that knows everything else (`sealed_privacy`)
cost         seconds and bytes of a city and of each hub (`sealed_cost`)
hubs         the same of two processes with their databases, and what is left in their files (`sealed_hubs`)
many         as `hubs`, with 200 and 1,000 cities; it takes some minutes, so it runs only when it is asked for
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from tests.bench.figures import Figure
from tests.bench.sealed_accuracy import measure_accuracy
from tests.bench.sealed_batches import measure_batches
from tests.bench.sealed_cost import measure_cost
from tests.bench.sealed_crashes import measure_crashes
from tests.bench.sealed_hubs import measure_hubs, measure_many_hubs
from tests.bench.sealed_privacy import measure_privacy
from tests.bench.sealed_shares import measure_shares

MEASUREMENTS: Final[Mapping[str, Callable[[], Iterator[Figure]]]] = {
    "shares": measure_shares,
    "accuracy": measure_accuracy,
    "batches": measure_batches,
    "crashes": measure_crashes,
    "privacy": measure_privacy,
    "cost": measure_cost,
    "hubs": measure_hubs,
    "many": measure_many_hubs,
}
PARTS: Final = tuple(MEASUREMENTS)
WHEN_ASKED: Final = frozenset({"many"})


def measure(part: str | None = None) -> Iterator[Figure]:
    """All parts but those that are long, or one of them."""
    for name, measurement in MEASUREMENTS.items():
        if part == name or (part is None and name not in WHEN_ASKED):
            yield from measurement()
