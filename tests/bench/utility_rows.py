"""The table of the utility study: 12 rows for each data set, ours beside six threshold variants; and the bias of all.

A row is (all cities; large ones) x (city, state, nation) x (month, quarter, year). A row's bias has the same number of
standard errors at all three levels, because they add up the same draws; so 36 rows have 12 different ones.

Relative error: the sum of all absolute errors over the sum of all true counts.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from tests.bench.figures import Figure, at_most, exactly, measured
from tests.bench.real_data import Counts
from tests.bench.utility_draws import (
    LEVELS,
    PERIODS,
    SIZES,
    VARIANCE,
    Study,
    Sums,
    add_to_level,
    draw_noise,
    states_of,
)
from tests.bench.utility_thresholds import IMPUTATIONS, READINGS

NOTABLE: Final = 2.0
"""Standard errors of bias that a row may have, as the issue says. One honest row in 22 has more, so a row beyond it is
drawn again from scratch; it counts as biased when the fresh draws lie beyond it on the same side."""
BIAS_ROWS: Final = 12
FAMILY_LIMIT: Final = NormalDist().inv_cdf(1 - 0.001 / (2 * BIAS_ROWS))
"""No row may exceed it at all: by chance one does in 1 of 1,000 runs (Bonferroni)."""


@dataclass(frozen=True, slots=True)
class Error:
    """Bias and mean absolute error of a cell."""

    bias: float
    absolute: float


@dataclass(frozen=True, slots=True)
class Row:
    """One row: cells in the data, errors over all passes."""

    name: str
    level: str
    cells: int
    truth: float
    ours: Error
    standard_error: float
    spread: float
    others: dict[str, Error]

    def best(self, reading: str) -> float:
        """The smallest mean absolute error of the competitors that a reading means."""
        return min(self.others[name].absolute for name in READINGS[reading])


def make_rows(study: Study) -> list[Row]:
    """The 18 rows of a data set."""
    keys = [(size, level, period) for size in SIZES for level in LEVELS for period in PERIODS]
    return [_make_row(study, size, level, period) for size, level, period in keys]


def show_rows(rows: Sequence[Row]) -> Iterator[Figure]:
    """Every figure of the rows, and at national level the bar: smaller than the best competitor."""
    for row in rows:
        name, size = f"utility_{row.name}", row.cells
        yield measured(f"{name}_true_mean", row.truth, sample_size=size)
        yield measured(f"{name}_bias", row.ours.bias, sample_size=size)
        yield measured(f"{name}_bias_standard_error", row.standard_error, sample_size=size)
        yield measured(f"{name}_relative_error", row.ours.absolute / row.truth, sample_size=size)
        for other, error in row.others.items():
            yield measured(f"{name}_bias_{other}", error.bias, sample_size=size)
            yield measured(f"{name}_mean_absolute_error_{other}", error.absolute, sample_size=size)
            yield measured(f"{name}_relative_error_{other}", error.absolute / row.truth, sample_size=size)
        ours, best = f"{name}_mean_absolute_error", row.best("every_variant")
        if row.level == "nation":
            yield at_most(ours, row.ours.absolute, bar=best, sample_size=size)
            yield measured(f"{ours}_standard_error", row.spread, sample_size=size)
        else:
            yield measured(ours, row.ours.absolute, sample_size=size)
        yield measured(f"{name}_ours_is_smaller", int(row.ours.absolute < best), sample_size=size)


def count_misses(rows: Sequence[Row]) -> Iterator[Figure]:
    """How many rows are not better than the competitors, under each reading of who they are."""
    for level in LEVELS:
        chosen = [row for row in rows if row.level == level]
        for reading in READINGS:
            missed = sum(row.ours.absolute >= row.best(reading) for row in chosen)
            yield measured(f"utility_{level}_rows_worse_than_{reading}", missed, sample_size=len(chosen))


def show_bias(studies: Sequence[Study]) -> Iterator[Figure]:
    """Rows beyond two standard errors, those that fresh draws confirm, and the largest of all."""
    scores = {
        (number, size, period): z_of(study.national[size, period], study.cities(size))
        for number, study in enumerate(studies)
        for size in SIZES
        for period in PERIODS
    }
    notable = [key for key, z in scores.items() if abs(z) > NOTABLE]
    again = sum(_draw_again(studies[key[0]], *key[1:]) * math.copysign(1, scores[key]) > NOTABLE for key in notable)
    rows = len(scores)
    most = max(abs(z) for z in scores.values())
    levels = len(LEVELS)
    yield measured("utility_rows_beyond_2_standard_errors_of_bias", levels * len(notable), sample_size=levels * rows)
    yield exactly("utility_rows_beyond_2_again_with_fresh_draws", levels * again, bar=0, sample_size=levels * rows)
    yield at_most("utility_bias_most_standard_errors", most, bar=FAMILY_LIMIT, sample_size=rows)
    drawn = sum(study.drawn for study in studies)
    ratio = sum(study.squares for study in studies) / drawn / VARIANCE
    yield measured("utility_variance_of_the_draws_to_that_of_theory", ratio, sample_size=drawn)


def z_of(errors: Counts, cities: int) -> float:
    """The mean of the national errors in standard errors, with the variance that the scale has."""
    return float(errors.sum() / np.sqrt(errors.size * cities * VARIANCE))


def _draw_again(study: Study, size: str, period: str) -> float:
    passes = study.national[size, period].shape[0]
    shape = study.counts(size, period).shape
    return z_of(np.stack([draw_noise(shape).sum(axis=0) for _ in range(passes)]), study.cities(size))


def _make_row(study: Study, size: str, level: str, period: str) -> Row:
    counts, states = study.counts(size, period), states_of(study, size)
    truth = add_to_level(counts, states, level)
    others = {each.name: add_to_level(each.apply(counts), states, level) - truth for each in IMPUTATIONS}
    national = study.national[size, period]
    sums = Sums() if level == "nation" else study.by_level[size, level, period]
    if level == "nation":
        sums.add(national)
    draws = national.size * study.cities(size)
    return Row(
        f"{study.data.name}_{size}_{period}_{level}",
        level,
        truth.size,
        float(truth.mean()),
        Error(sums.total / sums.count, sums.absolute / sums.count),
        math.sqrt(draws * VARIANCE) / sums.count,
        float(np.abs(national).std(ddof=1) / math.sqrt(national.size)),
        {name: Error(float(off.mean()), float(np.abs(off).mean())) for name, off in others.items()},
    )
