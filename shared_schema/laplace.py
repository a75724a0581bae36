"""The arithmetic of discrete Laplace noise: probabilities, variance, intervals. It draws nothing.

With scale s, P(N = k) = (1 - a) / (1 + a) * a^|k| with a = exp(-1/s); its variance is 2a / (1 - a)^2
(Ghosh, Roughgarden, Sundararajan 2012, "Universally utility-maximizing privacy mechanisms", section 2;
Inusah and Kozubowski 2006). Sensitivity 1 and scale s give epsilon = 1/s.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

CONFIDENCE = 0.95
EXACT_BELOW = 5
"""From five terms on, the normal approximation, rounded up, holds 94 % and more."""
FINE_SCALE = Fraction(200)
"""From here on the width grows with the scale to within a thousandth. Without a bound, one member's huge scale would
cost its hub minutes."""
_TAIL = 1e-9
_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends included: the true count lies in [low, high] in at least 95 of 100 cases.

    From five terms on, where the normal distribution gives the width, in at least 94 (docs/adr/0008).
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


def interval(estimate: int, *, variance_milli: int, scale: Fraction | None, terms: int) -> Interval:
    """The 95 % interval of a true count whose estimate carries `terms` draws of noise.

    `scale` is the common scale of all terms, or None when they differ. Below five terms of one scale the interval is
    the shortest one by exact convolution, above it comes from the normal distribution. The noise is symmetric, so
    where the shortest one has an even number of points the spare point lies above: a count is sooner missed than
    invented.
    """
    if terms < 1:
        return Interval(estimate, estimate)
    if scale is not None and terms < EXACT_BELOW:
        width = _exact_width(scale, terms)
    else:
        width = max(1, math.ceil(2 * _NORMAL_95 * math.sqrt(variance_milli / 1000)))
    below = (width - 1) // 2
    return Interval(estimate - below, estimate + width - 1 - below)


@lru_cache(maxsize=256)
def _exact_width(scale: Fraction, terms: int) -> int:
    """The smallest number of neighbouring points that hold 95 % of the sum of `terms` draws."""
    if scale > FINE_SCALE:
        return math.ceil(_exact_width(FINE_SCALE, terms) * scale / FINE_SCALE)
    half = _half_distribution(scale, terms)
    held, width, point = half[0], 1, 0
    while held < CONFIDENCE and point + 1 < len(half):
        point += 1
        held, width = held + half[point], width + 1
        if held >= CONFIDENCE:
            break
        held, width = held + half[point], width + 1
    return width


def _half_distribution(scale: Fraction, terms: int) -> list[float]:
    """P(sum = 0), P(sum = 1), ... for the sum of `terms` draws; the other half mirrors it."""
    a = math.exp(-1 / float(scale))
    reach = math.ceil(-math.log(_TAIL) * float(scale)) * terms
    total = [0.0] * reach + [1.0] + [0.0] * reach
    for _ in range(terms):
        # Adding one draw is a convolution with a^|k|: one pass for k >= 0, one for k < 0 (a recursive filter).
        upwards = _decaying_sums(total, a)
        downwards = _decaying_sums(total[::-1], a)[::-1]
        total = [(1 - a) / (1 + a) * (up + down - x) for up, down, x in zip(upwards, downwards, total, strict=True)]
    return total[reach:]


def _decaying_sums(values: list[float], a: float) -> list[float]:
    """For each place, the sum of all values up to there, each times a to the power of its distance."""
    held = 0.0
    return [held := value + a * held for value in values]
