"""The arithmetic of discrete Laplace noise: probabilities, variance, intervals. It draws nothing.

With scale s, P(N = k) = (1 - a) / (1 + a) * a^|k| with a = exp(-1/s); its variance is 2a / (1 - a)^2
(Ghosh, Roughgarden, Sundararajan 2012, "Universally utility-maximizing privacy mechanisms", section 2;
Inusah and Kozubowski 2006). Sensitivity 1 and scale s give epsilon = 1/s.

A figure that was rounded to a base b (odd) is off by -(b - 1)/2 .. (b - 1)/2; for want of better knowledge each is as
likely as the others.

    interval_of(31, [Noise(Fraction(1), 3), Noise(5, 1)])     three draws of scale 1, and one figure rounded to 5
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

CONFIDENCE = 0.95
LEAST_CONFIDENCE = 0.94
"""Noise takes whole numbers, so that hardly any interval holds exactly 95 %: the nearest is taken, but none below."""
EXACT_BELOW = 5
"""From five terms on, the normal distribution, corrected for heavier tails, gives the same width."""
FINE_SCALE = Fraction(200)
"""From here on the width grows with the scale to within a thousandth. Without a bound, one member's huge scale would
cost its hub minutes."""
_TAIL = 1e-9
_NORMAL_95 = 1.959963984540054


class Noise(NamedTuple):
    """So many draws of one scale (a Fraction), or so many figures that were rounded to one base (an int)."""

    source: Fraction | int
    draws: int


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends included: the true count lies in [low, high] in 95 of 100 cases, as near as whole numbers come.

    94 to 96 where at least two draws of a usual scale are in it (docs/adr/0008).
    """

    low: int
    high: int


def variance(scale: Fraction) -> float:
    """The variance of one draw of discrete Laplace noise with `scale`."""
    exponent = -1 / float(scale)
    return 2 * math.exp(exponent) / math.expm1(exponent) ** 2  # expm1 keeps the digits of 1 - a at large scales


def variance_milli(scale: Fraction) -> int:
    """`variance` in thousandths, as statements carry it."""
    return round(1000 * variance(scale))


def rounding_variance_milli(base: int) -> int:
    """The variance of what rounding to `base` takes away or adds, in thousandths: 2000 for a base of 5."""
    return round(1000 * (base * base - 1) / 12)


def interval(estimate: int, *, variance_milli: int, scale: Fraction | None, terms: int) -> Interval:
    """As `interval_of`, for `terms` draws of one scale, or of scales that nobody knows (None)."""
    if terms < 1:
        return Interval(estimate, estimate)
    return interval_of(estimate, None if scale is None else [Noise(scale, terms)], variance_milli=variance_milli)


def interval_of(estimate: int, noise: Sequence[Noise] | None, *, variance_milli: int) -> Interval:
    """The 95 % interval of a true count whose estimate carries `noise`; None when only its variance is known.

    Below five terms its length comes from the exact distribution, above it from the normal one, corrected for the
    fourth moment. The noise is symmetric, so where the nearest length to 95 % is an even number of points, the spare
    point lies above: a count is sooner missed than invented.
    """
    if noise is not None and not noise:
        return Interval(estimate, estimate)
    if noise is not None and sum(each.draws for each in noise) < EXACT_BELOW:
        # 5 equals Fraction(5) for a cache, but a base of 5 is no scale of 5: say which.
        width = _exact_width(tuple(sorted((isinstance(source, int), source, draws) for source, draws in noise)))
    else:
        width = _normal_width(variance_milli / 1000, 0.0 if noise is None else _fourth_cumulant(noise))
    below = (width - 1) // 2
    return Interval(estimate - below, estimate + width - 1 - below)


def _normal_width(spread: float, fourth: float) -> int:
    """The number of points nearest to 95 % of a sum with this variance and fourth cumulant.

    Cornish and Fisher 1938 ("Moments and cumulants in the specification of distributions"), the term of the kurtosis.
    The whole numbers are spread out evenly over their neighbourhoods, which adds 1/12 to the variance.
    """
    if spread <= 0:
        return 1
    quantile = _NORMAL_95 + (_NORMAL_95**3 - 3 * _NORMAL_95) * fourth / spread**2 / 24
    return max(1, round(2 * quantile * math.sqrt(spread + 1 / 12)))


def _fourth_cumulant(noise: Sequence[Noise]) -> float:
    """One draw is the difference of two geometric variables: twice their fourth cumulant a(1 + 4a + a^2)/(1 - a)^4."""
    total = 0.0
    for source, draws in noise:
        if isinstance(source, int):
            one = -(source**4 - 1) / 120
        else:
            a, rest = math.exp(-1 / float(source)), -math.expm1(-1 / float(source))
            one = 2 * a * (1 + 4 * a + a * a) / rest**4
        total += draws * one
    return total


@lru_cache(maxsize=4096)
def _exact_width(noise: tuple[tuple[bool, Fraction | int, int], ...]) -> int:
    """The number of neighbouring points that hold nearest to 95 % of a sum, 94 % at least.

    `noise` has (whether it is a base, the scale or base, draws).
    """
    scales = [source for is_base, source, _ in noise if not is_base]
    if scales and max(scales) > FINE_SCALE:
        factor = Fraction(max(scales) / FINE_SCALE)
        fine = tuple((False, source / factor, draws) for is_base, source, draws in noise if not is_base)
        return math.ceil(_exact_width(fine) * factor)  # beside such a scale rounding is nothing
    half = _half_distribution([Noise(source, draws) for _, source, draws in noise])
    held = before = half[0]
    width = 1
    while held < CONFIDENCE and (point := (width + 1) // 2) < len(half):
        before, held, width = held, held + half[point], width + 1
    shorter_is_nearer = before >= LEAST_CONFIDENCE and CONFIDENCE - before < held - CONFIDENCE
    return width - 1 if width > 1 and shorter_is_nearer else width


def _half_distribution(noise: Sequence[Noise]) -> list[float]:
    """P(sum = 0), P(sum = 1), ... for the sum of all terms; the other half mirrors it."""
    reach = sum(draws * _reach(source) for source, draws in noise)
    total = [0.0] * reach + [1.0] + [0.0] * reach
    for source, draws in noise:
        for _ in range(draws):
            total = _add_rounding(total, source) if isinstance(source, int) else _add_draw(total, source)
    return total[reach:]


def _reach(source: Fraction | int) -> int:
    return (source - 1) // 2 if isinstance(source, int) else math.ceil(-math.log(_TAIL) * float(source))


def _add_draw(total: list[float], scale: Fraction) -> list[float]:
    """Adding one draw is a convolution with a^|k|: one pass for k >= 0, one for k < 0 (a recursive filter)."""
    a = math.exp(-1 / float(scale))
    upwards = _decaying_sums(total, a)
    downwards = _decaying_sums(total[::-1], a)[::-1]
    return [(1 - a) / (1 + a) * (up + down - x) for up, down, x in zip(upwards, downwards, total, strict=True)]


def _add_rounding(total: list[float], base: int) -> list[float]:
    reach = _reach(base)
    wide = [0.0] * reach + total + [0.0] * reach
    return [sum(wide[place : place + base]) / base for place in range(len(total))]


def _decaying_sums(values: list[float], a: float) -> list[float]:
    """For each place, the sum of all values up to there, each times a to the power of its distance."""
    held = 0.0
    return [held := value + a * held for value in values]
