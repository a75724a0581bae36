"""How useful the protected figures of real cities are, beside thresholds without noise (`docs/utility.md`).

Every city of `real_data` is a node that releases every period with fresh noise from OpenDP at epsilon 1.0. Cities that
suppress below 5 or 10 are the comparison: a reader puts 0, or the mid-point, in the place of a suppressed cell. Zeros
are suppressed too (`protected`), or shown, which is better for the reader and tells more about a city.

Relative error: the sum of all absolute errors over the sum of all true counts. All periods are released as such.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from local_node.noise import draw
from shared_schema.change import Measured, change_between
from shared_schema.laplace import variance
from tests.bench.figures import Figure, at_least, at_most, measured
from tests.bench.real_data import Counts, RealData, read_all

SCALE: Final = Fraction(1)
CHUNK: Final = 2**18
LARGE: Final = 60
PERIODS: Final = {"month": 1, "quarter": 3, "year": 12}
LEVELS: Final = ("city", "state", "nation")
BIAS_ROWS: Final = 12
"""Data sets x sizes x periods. A row's bias has the same z at all three levels: they add up the same draws."""
FAMILY_LIMIT: Final = NormalDist().inv_cdf(1 - 0.001 / (2 * BIAS_ROWS))
"""No row may exceed it: by chance one does in 1 of 1,000 runs (Bonferroni)."""
PEAKS: Final = {"fbi": ("2020-05", "2020-06", "black"), "arvig": ("2015-12", "2016-01", "attack")}
PEAK_DRAWS: Final = 100
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Imputation:
    """What a reader puts in the place of a cell below the threshold."""

    name: str
    threshold: int
    value: float
    zeros_shown: bool = False

    def apply(self, counts: Counts) -> Values:
        """What the reader takes for the counts."""
        hidden = (counts < self.threshold) & ((counts > 0) | (not self.zeros_shown))
        return np.where(hidden, self.value, counts)


IMPUTATIONS: Final = tuple(
    each
    for k in (5, 10)
    for each in (
        Imputation(f"threshold_{k}_zeros", k, 0),
        Imputation(f"threshold_{k}_midpoints_zeros_protected", k, (k - 1) / 2),
        Imputation(f"threshold_{k}_midpoints_zeros_shown", k, k / 2, zeros_shown=True),
    )
)


def measure_utility() -> Iterator[Figure]:
    """The table, the peaks and the false arrows; one figure that says so where the data is not there."""
    found = read_all()
    if len(found) < len(PEAKS):
        yield measured("utility_skipped_real_data_not_there", len(found), sample_size=0)
    scores: list[float] = []
    for data in found:
        for period, length in PERIODS.items():
            counts = to_periods(data.counts, length)
            noise = draw_noise(counts.shape)
            for size, chosen in (("all", data.total_per_city > 0), ("large", data.total_per_city >= LARGE)):
                scores.append(z_of_bias(noise[chosen]))
                yield from _rows(data, f"{data.name}_{size}_{period}", chosen, counts, noise)
            if length == 1:
                yield from _false_arrows(data, noise)
        yield from _peaks(data)
    if scores:
        yield at_most(
            "utility_bias_most_standard_errors", max(map(abs, scores)), bar=FAMILY_LIMIT, sample_size=len(scores)
        )
        yield measured(
            "utility_bias_rows_beyond_2_standard_errors", sum(abs(z) > 2 for z in scores), sample_size=len(scores)
        )


def to_periods(counts: Counts, length: int) -> Counts:
    """`counts[city, month, cell]` added up over whole periods of so many months; an unfinished one is left out."""
    cities, months, cells = counts.shape
    whole = counts[:, : months // length * length].reshape(cities, -1, length, cells)
    return np.asarray(whole.sum(axis=2), dtype=np.int64)


def draw_noise(shape: tuple[int, ...]) -> Counts:
    """Independent draws of the program's own noise."""
    count = int(np.prod(shape))
    parts = [np.array(draw(SCALE, min(CHUNK, count - at)), dtype=np.int64) for at in range(0, count, CHUNK)]
    return np.concatenate(parts).reshape(shape)


def z_of_bias(noise: Counts) -> float:
    """The mean error in standard errors, with the variance that the scale has."""
    return float(noise.sum() / np.sqrt(noise.size * variance(SCALE)))


def add_to_level(values: Values | Counts, states: list[str], level: str) -> Values:
    """Add up over the cities of a state, or all; `states` has equal ones beside each other."""
    if level == "city":
        return np.asarray(values, dtype=np.float64)
    if level == "nation":
        return np.asarray(values.sum(axis=0, keepdims=True), dtype=np.float64)
    starts = [place for place, state in enumerate(states) if place == 0 or state != states[place - 1]]
    return np.asarray(np.add.reduceat(values, starts, axis=0), dtype=np.float64)


def _rows(data: RealData, name: str, chosen: NDArray[np.bool_], counts: Counts, noise: Counts) -> Iterator[Figure]:
    states = [state for state, inside in zip(data.states, chosen, strict=True) if inside]
    counts, noise = counts[chosen], noise[chosen]
    for level in LEVELS:
        truth = add_to_level(counts, states, level)
        error = add_to_level(noise, states, level)
        mean_error = float(np.abs(error).mean())
        others = {
            each.name: float(np.abs(add_to_level(each.apply(counts) - counts, states, level)).mean())
            for each in IMPUTATIONS
        }
        row, size = f"utility_{name}_{level}", truth.size
        yield measured(f"{row}_bias", float(error.mean()), sample_size=size)
        yield measured(f"{row}_bias_standard_error", float(error.std(ddof=1) / np.sqrt(size)), sample_size=size)
        yield measured(f"{row}_relative_error", float(np.abs(error).sum() / truth.sum()), sample_size=size)
        for other, value in others.items():
            yield measured(f"{row}_mean_absolute_error_{other}", value, sample_size=size)
        ours = f"{row}_mean_absolute_error"
        if level == "nation":
            yield at_most(ours, mean_error, bar=min(others.values()), sample_size=size)
        else:
            yield measured(ours, mean_error, sample_size=size)


def _peaks(data: RealData) -> Iterator[Figure]:
    """How often the arrow of the known peak points up at national level, every time with fresh noise of all cities."""
    older, newer, cell = PEAKS[data.name]
    places = [data.months.index(older), data.months.index(newer)]
    for size, least in (("all", 1), ("large", LARGE)):
        chosen = data.total_per_city >= least
        truth = data.counts[chosen][:, places, data.cells.index(cell)].sum(axis=0)
        cities = int(chosen.sum())
        noisy = truth + draw_noise((PEAK_DRAWS, cities, 2)).sum(axis=1)
        found = sum(_arrow(float(new), float(old), cities) == "up" for old, new in noisy)
        name = f"utility_{data.name}_{size}_share_of_draws_that_find_the_peak"
        yield at_least(name, found / PEAK_DRAWS, bar=0.95, sample_size=PEAK_DRAWS)


def _false_arrows(data: RealData, noise: Counts) -> Iterator[Figure]:
    """Every incident keeps its city and cell and gets a month by lot, so nothing changes but by chance."""
    generator = np.random.default_rng()
    months = len(data.months)
    shuffled = generator.multinomial(data.counts.sum(axis=1), np.full(months, 1 / months)).transpose(0, 2, 1)
    for size, least in (("all", 1), ("large", LARGE)):
        chosen = data.total_per_city >= least
        cities = int(chosen.sum())
        sums = (shuffled[chosen] + noise[chosen]).sum(axis=0)
        arrows = [
            _arrow(float(new), float(old), cities) != "none"
            for older, newer in pairwise(sums)
            for old, new in zip(older, newer, strict=True)
        ]
        name = f"utility_{data.name}_{size}_share_of_false_arrows"
        yield at_most(name, sum(arrows) / len(arrows), bar=0.05, sample_size=len(arrows))


def _arrow(newer: float, older: float, cities: int) -> str:
    noise = cities * variance(SCALE)
    return change_between(Measured(newer, noise, cities), Measured(older, noise, cities)).direction
