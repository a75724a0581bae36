"""Whether a figure has changed by more than chance: the rule behind the arrows of the trends page. Plain numbers in.

    change_between(newer, older)       up, down or none: one figure against another
    changes_of(series)                 the same for every period of a series against the one before it
    stands_out(series)                 for every period: is it above the twelve before it, beyond chance?
    dispersion_of(series)              how much more a series jumps about than the rule takes for chance

**What is chance.** A published figure is a count with noise. The noise has a variance that everybody knows. The count
itself also varies when nothing has changed: events that happen independently of each other have a variance as large as
their mean (Poisson), and the best guess of the mean is the figure itself, at least 0. So the difference of two figures
has the variance `noise + noise + max(figure, 0) + max(figure, 0)`. Without the second half every fluctuation would be
an arrow. Two Poisson counts are compared like this in Przyborowski and Wilenski 1940, "Homogeneity of results in
testing samples from Poisson series", Biometrika 31; plugging in the estimates: Krishnamoorthy and Thomson 2004, "A more
powerful test for comparing two Poisson means", Journal of Statistical Planning and Inference 119.

**Whole numbers.** Given their sum, the difference of two counts moves in steps of 2, and a smooth interval would call
0 against 4 a change (exactly: 12.5 % by chance). Half a step is taken off the difference first (Edwards 1948, "Note on
the correction for continuity", Psychometrika 13), which keeps the rate of false arrows below the nominal one for every
sum (`test_change` computes it exactly).

**Long tails.** Laplace noise has more weight far out than the normal distribution. The quantile is widened by the first
term of Cornish and Fisher 1938 ("Moments and cumulants in the specification of distributions") for the excess kurtosis
that is left: 3 for one draw, 3/n for n draws of one scale.

**Counts that cluster.** Events that draw others after them vary more than Poisson; on shuffled monthly totals of a
nation the Poisson variance alone gives an arrow in every second month. So `changes_of` and `stands_out` widen the
interval by the dispersion of the series itself, as in quasi-likelihood (McCullagh and Nelder 1989, "Generalized linear
models", section 6.2), and never narrow it. The dispersion is taken from successive differences, which a steady trend
does not blow up (von Neumann, Kent, Bellinson and Hart 1941, "The mean square successive difference", Annals of
Mathematical Statistics 12); an estimate from few differences widens the quantile as Student's distribution does
(Abramowitz and Stegun 1964, formula 26.7.5). A series that is too short to tell its dispersion gets no arrow.

At 95 % confidence about 5 in 100 comparisons of figures that have not changed get an arrow, or fewer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist
from typing import Final, Literal

from shared_schema.trend import AggregateBody, AggregateCell

CONFIDENCE: Final = 0.95
PERIODS_BEFORE: Final = 12
"""A period is held against the mean of so many before it: with months, every season is in it once. The dispersion comes
from as many neighbours."""
LEAST_DIFFERENCES: Final = 6
"""From fewer no dispersion is estimated: its own error would be larger than what it says."""
_LAPLACE_KURTOSIS: Final = 3.0
_EFFICIENCY: Final = 2 / 3
"""Degrees of freedom of a squared successive difference: 2/3, because they overlap (von Neumann)."""
_ABOVE: Final = 2 * CONFIDENCE - 1
"""`stands_out` asks one way only: an interval of this confidence leaves out 5 in 100 above it."""

Direction = Literal["up", "down", "none"]
Obstacle = Literal["no-figure", "other-table", "other-source", "other-cities", "break", "definition", "short-series"]
"""Why two figures may not be compared at all."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure with noise: `variance` is that of the noise, made of `draws` draws of about one scale."""

    value: float
    variance: float
    draws: int = 1


@dataclass(frozen=True, slots=True)
class Dispersion:
    """How many times the variance of chance a series shows, known from so many degrees of freedom."""

    factor: float
    freedom: float


POISSON: Final = Dispersion(1.0, math.inf)
"""Nothing but chance."""


@dataclass(frozen=True, slots=True)
class Change:
    """The direction, and the interval of the difference; with an obstacle there is neither."""

    direction: Direction
    low: float = 0.0
    high: float = 0.0
    obstacle: Obstacle | None = None


def change_between(
    newer: Measured, older: Measured, *, confidence: float = CONFIDENCE, dispersion: Dispersion = POISSON
) -> Change:
    """Compare two figures: an arrow only when the interval of their difference leaves out 0.

    It is antisymmetric: with the two exchanged, up is down and the interval is mirrored.
    """
    return _compare(newer, [older], confidence, dispersion)


def changes_of(
    series: Sequence[Measured | None], *, confidence: float = CONFIDENCE, known: Dispersion | None = None
) -> tuple[Change, ...]:
    """For every period of a series, oldest first, its change from the one before; None is a gap.

    The dispersion is that of the twelve periods before, filled up with later ones at the beginning of a series; the
    difference in question is never in it. Where the series is too short for it, `known` is used, such as that of the
    months for years; without it there is no arrow (`short-series`).
    """
    return tuple(_change_at(series, place, confidence, known) for place in range(len(series)))


def _change_at(series: Sequence[Measured | None], place: int, confidence: float, known: Dispersion | None) -> Change:
    newer, older = series[place], series[place - 1] if place else None
    if newer is None or older is None:
        return Change("none", obstacle="no-figure")
    before = series[max(0, place - PERIODS_BEFORE) : place]
    after = series[place : place + 1 + PERIODS_BEFORE - len(before)] if len(before) < PERIODS_BEFORE else ()
    dispersion = dispersion_of((*before, None, *after)) or known
    if dispersion is None:
        return Change("none", obstacle="short-series")
    return change_between(newer, older, confidence=confidence, dispersion=dispersion)


def stands_out(series: Sequence[Measured | None], *, confidence: float = _ABOVE) -> tuple[bool, ...]:
    """For every period of a series, oldest first: whether it is above the mean of the twelve before it, beyond chance.

    The first twelve never are, nor is one with a gap (None) among the twelve. The confidence is that of a two-sided
    interval, so on unchanged figures half of what is left over is marked: at most 5 in 100.
    """
    return tuple(last_stands_out(series[: place + 1], confidence=confidence) for place in range(len(series)))


def last_stands_out(series: Sequence[Measured | None], *, confidence: float = _ABOVE) -> bool:
    """The same for the last period of a series alone."""
    return bool(series) and _stands_out(series[-1 - PERIODS_BEFORE : -1], series[-1], confidence)


def _stands_out(before: Sequence[Measured | None], this: Measured | None, confidence: float) -> bool:
    known = [each for each in before if each is not None]
    if this is None or len(known) < PERIODS_BEFORE:
        return False
    return _compare(this, known, confidence, dispersion_of(known) or POISSON).direction == "up"


def dispersion_of(series: Sequence[Measured | None]) -> Dispersion | None:
    """From the differences of neighbours, oldest first; None when there are too few. A gap (None) parts them."""
    squares = [
        (b.value - a.value) ** 2 / max(_chance(a) + _chance(b), 1.0)
        for a, b in pairwise(series)
        if a is not None and b is not None
    ]
    if len(squares) < LEAST_DIFFERENCES:
        return None
    return Dispersion(sum(squares) / len(squares), _EFFICIENCY * len(squares))


def find_obstacle(
    newer: tuple[AggregateBody, AggregateCell], older: tuple[AggregateBody, AggregateCell]
) -> Obstacle | None:
    """Why two cells of a hub's sums may not be compared, or None.

    A break (`B`) in either counts: a quarter in whose middle the series broke cannot be held against the next one.
    """
    (new_body, new), (old_body, old) = newer, older
    if new.estimate is None or old.estimate is None:
        return "no-figure"
    if new_body.table != old_body.table or new.dims != old.dims:
        return "other-table"
    if new_body.source_kind != old_body.source_kind:
        return "other-source"
    statuses = {new.status, old.status}
    if "D" in statuses:
        return "definition"
    if "B" in statuses:
        return "break"
    if new.contributors != old.contributors or new.suppressed != old.suppressed:
        return "other-cities"
    return None


def measure(body: AggregateBody, cell: AggregateCell) -> Measured | None:
    """A cell of a hub's sum as plain numbers; None where there is no figure.

    Where the cities' noise has different scales, one of them may make up all of it, so it counts as one draw.
    """
    if cell.estimate is None or cell.variance_milli is None:
        return None
    draws = max(1, cell.contributors) if body.scale is not None else 1
    return Measured(cell.estimate, cell.variance_milli / 1000, draws)


def _chance(figure: Measured) -> float:
    """The variance of a figure when nothing changes: noise, and a Poisson count of about this size."""
    return figure.variance + max(figure.value, 0.0)


def _compare(newer: Measured, olders: Sequence[Measured], confidence: float, dispersion: Dispersion) -> Change:
    """Against the mean of one or more older figures."""
    count = len(olders)
    difference = newer.value - sum(each.value for each in olders) / count
    variance = _chance(newer) + sum(_chance(each) for each in olders) / count**2
    kurtosis = _tails(newer, variance) + sum(_tails(each, variance * count**2) for each in olders)
    chance = _quantile(confidence, kurtosis, math.inf)
    jumps = _quantile(confidence, kurtosis, dispersion.freedom) * math.sqrt(dispersion.factor)
    width = max(chance, jumps) * math.sqrt(variance)  # no figure varies less than chance
    half_step = (1 + 1 / count) / 2  # 1 for two figures: given their sum, their difference moves in steps of 2
    low, high = difference - width - half_step, difference + width + half_step
    return Change("up" if low > 0 else "down" if high < 0 else "none", low, high)


def _tails(figure: Measured, variance: float) -> float:
    """What a figure's noise adds to the excess kurtosis of a difference with this variance."""
    return _LAPLACE_KURTOSIS / figure.draws * (figure.variance / variance) ** 2 if variance else 0.0


def _quantile(confidence: float, kurtosis: float, freedom: float) -> float:
    """Of the normal distribution, widened for long tails and for a dispersion that is itself an estimate."""
    z = _normal_quantile(confidence)
    tails = (z**3 - 3 * z) * kurtosis / 24
    student = (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return z + max(tails, 0.0) + student


@lru_cache(maxsize=16)
def _normal_quantile(confidence: float) -> float:
    """How many standard deviations on both sides hold this share of a normal distribution."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
