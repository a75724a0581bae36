"""The draws of the utility study: every city of a series with noise of its own in every cell and period.

    study = draw_study(data, passes={"month": 1, "quarter": 2, "year": 6}, advice=...)
    study.national["large", "month"]      errors of the national cells, (passes, months, cells)

The draws are the program's own (OpenDP, unseeded). They are drawn once and serve every row of the table: a state's or a
nation's error is the sum of its cities' errors. A pass is one draw for every city, period and cell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from local_node.noise import draw
from shared_schema.laplace import variance
from tests.bench.real_data import Counts, RealData

SCALE: Final = Fraction(1)
"""Epsilon 1.0 for a table: the default of the tables by phenomenon."""
VARIANCE: Final = variance(SCALE)
CHUNK: Final = 2**18
LARGE: Final = 60
"""Incidents in the whole series, as the issue says."""
PERIODS: Final = {"month": 1, "quarter": 3, "year": 12}
SIZES: Final = ("all", "large")
LEVELS: Final = ("city", "state", "nation")
CLASSES: Final = (1, 5, 15, 30, 60, 120, 250, 500)
"""Lower ends of the size classes, in incidents a year."""
WIDE_GRID: Final = 12
"""Cells of a table by phenomenon, the widest that most measures have at epsilon 1.0."""
LEAST_TOTALS: Final = 2000
"""Drawn for each size class, so that a class of one city is measured as well."""
Values = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass
class Sums:
    """Of some errors: their sum, the sum of their sizes, and how many there are."""

    total: int = 0
    absolute: int = 0
    count: int = 0

    def add(self, errors: Counts) -> None:
        """Put these in."""
        self.total += int(errors.sum())
        self.absolute += int(np.abs(errors).sum())
        self.count += errors.size


@dataclass
class Study:
    """One series with its draws. `sets` says which cities belong to which part of it."""

    data: RealData
    sets: dict[str, Mask]
    national: dict[tuple[str, str], Counts] = field(default_factory=dict)
    by_level: dict[tuple[str, str, str], Sums] = field(default_factory=dict)
    by_class: dict[tuple[int, str, int], float] = field(default_factory=dict)
    squares: int = 0
    drawn: int = 0

    def counts(self, name: str, period: str) -> Counts:
        """True counts of one part of the cities: (cities, periods, cells)."""
        return to_periods(self.data.counts[self.sets[name]], PERIODS[period])

    def cities(self, name: str) -> int:
        """How many cities a part has."""
        return int(self.sets[name].sum())

    @property
    def class_sizes(self) -> dict[int, int]:
        """Cities in each size class."""
        sizes = class_of(self.data.units_a_year)
        return {size: int((sizes == size).sum()) for size in CLASSES}

    def bank(self, name: str) -> Counts:
        """Every national error of a part in one row: each is the sum of one draw of each of its cities."""
        return np.concatenate([self.national[name, period].ravel() for period in PERIODS])


def draw_study(
    data: RealData, passes: Mapping[str, int], advice: Mapping[str, int], *, least_totals: int = LEAST_TOTALS
) -> Study:
    """Draw everything that the study needs. `advice` has the least units a year for a month and for a quarter."""
    units = data.units_a_year
    by_month, by_quarter = units >= advice["month"], units >= advice["quarter"]
    study = Study(
        data,
        {
            "all": data.total_per_city > 0,
            "large": data.total_per_city >= LARGE,
            "months": by_month,
            "quarters": by_quarter & ~by_month,
            "years": ~by_quarter & ~by_month,
        },
    )
    for period, count in passes.items():
        _draw_period(study, period, count)
        _draw_classes(study, period, least_totals)
    return study


def to_periods(counts: Counts, length: int) -> Counts:
    """`counts[city, month, cell]` added up over whole periods of so many months; an unfinished one is left out."""
    cities, months, cells = counts.shape
    periods = months // length
    whole = counts[:, : periods * length].reshape(cities, periods, length, cells)
    return np.asarray(whole.sum(axis=2), dtype=np.int64)


def draw_noise(shape: Sequence[int]) -> Counts:
    """Independent draws of the program's own noise."""
    count = int(np.prod(shape))
    parts = [np.array(draw(SCALE, min(CHUNK, count - at)), dtype=np.int64) for at in range(0, count, CHUNK)]
    return np.concatenate(parts).reshape(shape) if parts else np.zeros(shape, dtype=np.int64)


def add_to_level(values: Values | Counts, states: Sequence[str], level: str) -> Values:
    """Add up over the cities of a state, or all; `states` has equal ones beside each other."""
    if level == "city":
        return np.asarray(values, dtype=np.float64)
    if level == "nation":
        return np.asarray(values.sum(axis=0, keepdims=True), dtype=np.float64)
    starts = [place for place, state in enumerate(states) if place == 0 or state != states[place - 1]]
    return np.asarray(np.add.reduceat(values, starts, axis=0), dtype=np.float64)


def states_of(study: Study, name: str) -> list[str]:
    """The states of a part's cities, in their order."""
    return [state for state, inside in zip(study.data.states, study.sets[name], strict=True) if inside]


def class_of(units: Values) -> NDArray[np.int64]:
    """The lower end of each city's size class; 0 below the first."""
    return np.array((0, *CLASSES), dtype=np.int64)[np.searchsorted(CLASSES, units, side="right")]


def _draw_period(study: Study, period: str, passes: int) -> None:
    shape = study.counts("all", period).shape
    found: dict[str, list[Counts]] = {name: [] for name in study.sets}
    for _ in range(passes):
        noise = draw_noise(shape)
        study.squares += int((noise * noise).sum())
        study.drawn += noise.size
        for name, chosen in study.sets.items():
            found[name].append(noise[chosen].sum(axis=0))
        for name in SIZES:
            for level in LEVELS[:2]:
                errors = add_to_level(noise[study.sets[name]], states_of(study, name), level)
                study.by_level.setdefault((name, level, period), Sums()).add(errors.astype(np.int64))
    for name, sums in found.items():
        study.national[name, period] = np.stack(sums)


def _draw_classes(study: Study, period: str, least: int) -> None:
    """Relative error of a city's total: the sum of the errors over the sum of the true counts, by size class."""
    sizes = class_of(study.data.units_a_year)
    counts = to_periods(study.data.counts, PERIODS[period])
    for size in CLASSES:
        truth = counts[sizes == size].sum(axis=2)
        for cells in {counts.shape[2], WIDE_GRID} if truth.size else ():
            passes = -(-least // truth.size)
            off = np.abs(draw_noise((passes, *truth.shape, cells)).sum(axis=3)).sum() / passes
            study.by_class[size, period, cells] = float(off / truth.sum())
