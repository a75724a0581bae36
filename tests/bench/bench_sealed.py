"""Sealed totals, measured part by part.

accuracy     errors on real counts beside per-city noise and thresholds (`sealed_accuracy`)
batches      random batches with drop-outs, late cities and cheats (`sealed_batches`)
privacy      what one hub can tell that knows everything else (`sealed_privacy`)
cost         seconds and bytes of a city and of each hub (`sealed_cost`)
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from tests.bench.figures import Figure
from tests.bench.sealed_accuracy import measure_accuracy
from tests.bench.sealed_batches import measure_batches
from tests.bench.sealed_cost import measure_cost
from tests.bench.sealed_crashes import measure_crashes
from tests.bench.sealed_privacy import measure_privacy
from tests.bench.sealed_shares import measure_shares

MEASUREMENTS: Final[Mapping[str, Callable[[], Iterator[Figure]]]] = {
    "shares": measure_shares,
    "accuracy": measure_accuracy,
    "batches": measure_batches,
    "crashes": measure_crashes,
    "privacy": measure_privacy,
    "cost": measure_cost,
}
PARTS: Final = tuple(MEASUREMENTS)


def measure(part: str | None = None) -> Iterator[Figure]:
    """All parts, or one of them."""
    for name, measurement in MEASUREMENTS.items():
        if part in (None, name):
            yield from measurement()
