"""Sealed totals, measured: what the issue of the design promises, part by part.

accuracy     errors on real counts beside per-city noise and thresholds (`sealed_accuracy`)
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from tests.bench.figures import Figure
from tests.bench.sealed_accuracy import measure_accuracy

MEASUREMENTS: Final[Mapping[str, Callable[[], Iterator[Figure]]]] = {"accuracy": measure_accuracy}
PARTS: Final = tuple(MEASUREMENTS)


def measure(part: str | None = None) -> Iterator[Figure]:
    """All parts, or one of them."""
    for name, measurement in MEASUREMENTS.items():
        if part in (None, name):
            yield from measurement()
