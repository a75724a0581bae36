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
"""From five terms on, the normal approximation is within half a percent of the exact coverage."""
_TAIL = 1e-9
_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends included: the true count lies in [low, high] in at least 95 of 100 cases."""

    low: int
    high: int


def variance(scale: Fraction) -> float:
    """The variance of one draw of discrete Laplace noise with `scale`."""
    a = math.exp(-1 / float(scale))
    return 2 * a / (1 - a) ** 2


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
        width = max(1, round(2 * _NORMAL_95 * math.sqrt(variance_milli / 1000)))
    below = (width - 1) // 2
    return Interval(estimate - below, estimate + width - 1 - below)


@lru_cache(maxsize=256)
def _exact_width(scale: Fraction, terms: int) -> int:
    """The smallest number of neighbouring points that hold 95 % of the sum of `terms` draws."""
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
    reach = math.ceil(-math.log(_TAIL) * float(scale))
    one = [(1 - a) / (1 + a) * a ** abs(k) for k in range(-reach, reach + 1)]
    total = one
    for _ in range(terms - 1):
        total = [
            sum(total[k - j] * one[j] for j in range(max(0, k - len(total) + 1), min(len(one), k + 1)))
            for k in range(len(total) + len(one) - 1)
        ]
    return total[len(total) // 2 :]
