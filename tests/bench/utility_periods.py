"""Which period a city of which size should release, by measurement, and what a nation has when cities do so.

A period is *useful* for a size class when the error of a city's own total is at most a quarter of its true total. The
policy's advice is held to the classes of the real cities, with the cells that the data have and with the 12 cells of a
table by phenomenon. Then the ways that are open to a nation whose months drown in noise are measured: only cities that
are large enough release months (`advised`), totals over the cells, months added up to quarters and years by the hub.
What sealed totals would do (two draws in place of one for each city) is arithmetic: they are not built.
"""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from shared_schema.governance import PolicyBody
from tests.bench.figures import Figure, at_most, measured
from tests.bench.real_data import ROOT, Counts
from tests.bench.utility_draws import CLASSES, PERIODS, SCALE, SIZES, VARIANCE, WIDE_GRID, Study, Values
from tests.bench.utility_rows import Row
from tests.bench.utility_thresholds import IMPUTATIONS

USEFUL: Final = 0.25
"""Relative error of a city's own total."""
POLICY_FILE: Final = ROOT / "regional_hub" / "starter_policy.json"
PARTS: Final = {
    "month": (("months", "month"),),
    "quarter": (("months", "month"), ("quarters", "quarter")),
    "year": (("months", "month"), ("quarters", "quarter"), ("years", "year")),
}
"""Period → whose figures it is made of when cities follow the advice, and the period that these release."""
REACH: Final = 200
"""Noise beyond has a probability below 1e-80."""


def read_advice() -> dict[str, int]:
    """The starter policy's least units a year for each period."""
    policy = PolicyBody.from_object(json.loads(POLICY_FILE.read_text(encoding="utf-8")))
    return {each.granularity: each.from_units for each in policy.advice or ()}


def show_classes(studies: Sequence[Study]) -> Iterator[Figure]:
    """Relative error of a city's total by size class, and from which class on a period is useful."""
    for study in studies:
        for (size, period, cells), error in sorted(study.by_class.items()):
            name = f"utility_{study.data.name}_total_of_a_city_with_{name_of(size)}_a_year_{cells}_cells_{period}"
            yield measured(f"{name}_relative_error", error, sample_size=study.class_sizes[size])
    advice, own = read_advice(), [{cells for *_, cells in study.by_class} - {WIDE_GRID} for study in studies]
    for period in PERIODS:
        for grid, numbers in (("own", set().union(*own)), ("12", {WIDE_GRID})):
            found = useful_from(studies, period, numbers)
            yield measured(
                f"utility_{period}_useful_from_units_by_classes_{grid}_cells", found, sample_size=len(CLASSES)
            )
        exact = units_by_arithmetic(PERIODS[period], WIDE_GRID)
        yield measured(f"utility_{period}_useful_from_units_by_arithmetic_12_cells", exact, sample_size=1)
        yield measured(f"utility_{period}_from_units_in_the_policy", advice.get(period, 0), sample_size=1)


def useful_from(studies: Sequence[Study], period: str, cells: set[int]) -> int:
    """The lower end of the first class from which on every class is useful in every data set; 0 when none is."""
    classes = {size for study in studies for size, *_ in study.by_class}
    for size in reversed(CLASSES):
        errors = [study.by_class.get((size, period, grid), 0.0) for study in studies for grid in cells]
        if max(errors) > USEFUL:
            return min((each for each in classes if each > size), default=0)
    return min(classes)


def units_by_arithmetic(months: int, cells: int) -> float:
    """Units a year whose total in so many months has a relative error of USEFUL, by the exact mean of the noise."""
    return mean_size(cells) / USEFUL * 12 / months


def mean_size(draws: int) -> float:
    """The mean absolute value of the sum of so many draws."""
    total = np.array([1.0])
    points = np.arange(-REACH, REACH + 1)
    a = math.exp(-1 / float(SCALE))
    one = (1 - a) / (1 + a) * a ** np.abs(points)
    for _ in range(draws):
        total = np.convolve(total, one)
    half = len(total) // 2
    return float(np.abs(np.arange(-half, half + 1)) @ total)


def show_advised(study: Study) -> Iterator[Figure]:
    """A nation of cities that follow the advice, beside thresholds for the same cities."""
    for period, parts in PARTS.items():
        name = f"utility_{study.data.name}_as_advised_{period}"
        cities = sum(study.cities(part) for part, _ in parts)
        counts = np.concatenate([study.counts(part, period) for part, _ in parts])
        yield measured(f"{name}_cities", cities, sample_size=study.cities("all"))
        share = float(counts.sum() / study.counts("all", period).sum())
        yield measured(f"{name}_share_of_incidents", share, sample_size=study.cities("all"))
        if cities:
            errors = _advised_errors(study, period)
            yield from _beside_thresholds(f"{name}_nation", errors, counts)


def show_totals(study: Study) -> Iterator[Figure]:
    """The nation's total over all cells."""
    for size in SIZES:
        for period in PERIODS:
            counts = study.counts(size, period).sum(axis=2, keepdims=True)
            errors = study.national[size, period].sum(axis=2, keepdims=True)
            best = _best(study.counts(size, period), over_cells=True)
            yield from _compare(f"utility_{study.data.name}_{size}_{period}_nation_total", errors, counts, best)


def show_rolled_up(study: Study) -> Iterator[Figure]:
    """Quarters and years that the hub adds up from months, beside those that are released as such."""
    for size in SIZES:
        for period in ("quarter", "year"):
            rolled = roll_up(study.national[size, "month"], PERIODS[period])
            name = f"utility_{study.data.name}_{size}_{period}_nation_rolled_up_from_months"
            yield from _beside_thresholds(name, rolled, study.counts(size, period))
            months = to_months(study.counts(size, "month"), PERIODS[period])
            yield measured(f"{name}_best_threshold_rolled_up_too", months, sample_size=rolled[0].size)


def show_sealed(rows: Sequence[Row]) -> Iterator[Figure]:
    """National rows if two servers drew once each for the sum, in place of every city. Arithmetic; not built."""
    national = [row for row in rows if row.level == "nation"]
    error = mean_size(2)
    missed = sum(error >= row.best("every_variant") for row in national)
    yield measured("utility_sealed_totals_not_built_variance", 2 * VARIANCE, sample_size=1)
    yield measured("utility_sealed_totals_not_built_mean_absolute_error", error, sample_size=1)
    yield measured("utility_sealed_totals_not_built_nation_rows_worse", missed, sample_size=len(national))


def roll_up(errors: Counts, length: int) -> Counts:
    """Errors (passes, periods, cells) of so many periods added up; an unfinished one is left out."""
    passes, periods, cells = errors.shape
    whole = errors[:, : periods // length * length]
    return np.asarray(whole.reshape(passes, -1, length, cells).sum(axis=2), dtype=np.int64)


def to_months(counts: Counts, length: int) -> float:
    """The best threshold's national error in a longer period that is added up from suppressed months."""
    return min(
        float(np.abs(roll_up((each.apply(counts) - counts).sum(axis=0, keepdims=True), length)).mean())
        for each in IMPUTATIONS
    )


def name_of(size: int) -> str:
    """A size class in a figure's name."""
    later = [each for each in CLASSES if each > size]
    return f"{size}_to_{later[0] - 1}" if later else f"{size}_or_more"


def _advised_errors(study: Study, period: str) -> Counts:
    parts = [
        roll_up(study.national[name, released], PERIODS[period] // PERIODS[released])
        for name, released in PARTS[period]
    ]
    passes = min(part.shape[0] for part in parts)
    return np.asarray(sum(part[:passes] for part in parts), dtype=np.int64)


def _beside_thresholds(name: str, errors: Counts, counts: Counts) -> Iterator[Figure]:
    yield from _compare(name, errors, counts, _best(counts))


def _compare(name: str, errors: Counts, counts: Counts, best: float) -> Iterator[Figure]:
    ours, size = float(np.abs(errors).mean()), errors[0].size
    truth = float(counts.sum(axis=0).mean())
    yield measured(f"{name}_true_mean", truth, sample_size=size)
    yield measured(f"{name}_relative_error", ours / truth, sample_size=size)
    yield at_most(f"{name}_mean_absolute_error", ours, bar=best, sample_size=size)


def _best(counts: Counts, *, over_cells: bool = False) -> float:
    errors: list[Values] = [(each.apply(counts) - counts).sum(axis=0) for each in IMPUTATIONS]
    return min(float(np.abs(off.sum(axis=1) if over_cells else off).mean()) for off in errors)
