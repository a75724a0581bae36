"""Discrete Laplace noise from OpenDP: its sampler draws, its privacy map says what a draw costs.

The sampler is exact (integers from the operating system's random bits, no floating point on the way: Canonne, Kamath,
Steinke 2020, "The Discrete Gaussian for Differential Privacy", algorithm 2), so it leaks nothing through rounding
(Mironov 2012). It has no seed, so nothing can be drawn again.

    draw(Fraction(1), 6)            -> (0, -1, 0, 2, 0, 1)
    epsilon_spent(Fraction(1))      -> Fraction(1)
"""

import math
from collections.abc import Callable
from fractions import Fraction
from importlib.metadata import version
from typing import Any, Final

import opendp.prelude as dp

from local_node.errors import LedgerError

Draw = Callable[[Fraction, int], tuple[int, ...]]
"""`draw(scale, count)`: that many independent draws. What the ledger takes, so that tests can bring their own."""

LIBRARY: Final = f"opendp {version('opendp')}"
SENSITIVITY: Final = 1
"""A record stands in one cell of a one-way table, and there counts 1."""
CORRECTION_SENSITIVITY: Final = 2
"""A correction can take a record out of one cell and put it into another: two counts change by 1."""
SCALE_DENOMINATOR: Final = 2**16
"""Scales are multiples of 1/65536: floating point holds them exactly, so that OpenDP draws with the scale we state."""

dp.enable_features("contrib")


def scale_for(epsilon_milli: int, sensitivity: int = SENSITIVITY) -> Fraction:
    """The smallest scale that costs at most `epsilon_milli` thousandths, on the grid of SCALE_DENOMINATOR.

    `sensitivity` is the sum of what one record can change in all cells.
    """
    steps = math.ceil(Fraction(1000 * sensitivity * SCALE_DENOMINATOR, epsilon_milli))
    return Fraction(steps, SCALE_DENOMINATOR)


def draw(scale: Fraction, count: int) -> tuple[int, ...]:
    """`count` independent draws of discrete Laplace noise with `scale`: P(k) is proportional to exp(-|k| / scale)."""
    return tuple(_measurement(scale)([0] * count))


def epsilon_spent(scale: Fraction, sensitivity: int = SENSITIVITY) -> Fraction:
    """What OpenDP's privacy map says that one record can move at most, as the exact value of its floating point answer.

    The map rounds up, so the answer can be the smallest floating point step above 1/scale.
    """
    return Fraction(_measurement(scale).map(sensitivity))


def _measurement(scale: Fraction) -> Any:
    if Fraction(float(scale)) != scale:
        raise LedgerError(f"expected a scale that is a multiple of 1/{SCALE_DENOMINATOR}", code="scale")
    domain, metric = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64")
    return dp.m.make_laplace(domain, metric, scale=float(scale))
