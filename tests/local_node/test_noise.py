"""The noise is OpenDP's discrete Laplace, with the scale that we state and the cost that OpenDP gives it."""

import math
from collections import Counter
from fractions import Fraction

import pytest

from local_node.errors import LedgerError
from local_node.noise import LIBRARY, draw, epsilon_spent, scale_for

DRAWS = 20_000
FALSE_ALARM = 1e-9
"""How often each of the statistical tests below may fail although the noise is right."""


def hoeffding(draws: int) -> float:
    """A share of `draws` lies this close to its probability, but for FALSE_ALARM (Hoeffding 1963, theorem 2)."""
    return math.sqrt(math.log(2 / FALSE_ALARM) / (2 * draws))


def test_a_scale_that_floating_point_does_not_hold_is_refused() -> None:
    for use in (lambda: draw(Fraction(10, 3), 1), lambda: epsilon_spent(Fraction(10, 3))):
        with pytest.raises(LedgerError, match="multiple of 1/65536"):
            use()


@pytest.mark.parametrize("scale", [Fraction(1, 2), Fraction(1), Fraction(2), scale_for(300)])
def test_the_noise_has_the_distribution_of_discrete_laplace(scale: Fraction) -> None:
    noise = draw(scale, DRAWS)
    a = math.exp(-1 / float(scale))
    shares = Counter(noise)
    for k in range(-8, 9):
        expected = (1 - a) / (1 + a) * a ** abs(k)
        assert abs(shares[k] / DRAWS - expected) < hoeffding(DRAWS), k
    for k in (1, 2, 4, 8):  # the tails, where the privacy lies: P(|N| >= k) = 2 a^k / (1 + a)
        assert abs(sum(abs(n) >= k for n in noise) / DRAWS - 2 * a**k / (1 + a)) < hoeffding(DRAWS), k


def test_the_test_above_notices_half_the_noise() -> None:
    noise, a = draw(Fraction(1, 2), DRAWS), math.exp(-1)
    share = sum(n == 0 for n in noise) / DRAWS
    assert abs(share - (1 - a) / (1 + a)) > hoeffding(DRAWS)


def test_two_draws_differ() -> None:
    # 100 cells at scale 2 agree with probability (sum of P(k)^2)^100 < 0.13^100.
    assert draw(Fraction(2), 100) != draw(Fraction(2), 100)


def test_no_draw_is_made_for_no_cell() -> None:
    assert draw(Fraction(1), 0) == ()


@pytest.mark.parametrize("epsilon_milli", [1, 10, 100, 300, 333, 500, 999, 1000, 1500, 2000, 4000, 10_000])
def test_a_scale_costs_what_was_asked_for_and_hardly_less(epsilon_milli: int) -> None:
    scale, asked = scale_for(epsilon_milli), Fraction(epsilon_milli, 1000)
    assert scale >= 1 / asked
    assert asked * Fraction(999, 1000) < epsilon_spent(scale) <= asked + Fraction(1, 2**40)


@pytest.mark.parametrize("epsilon_milli", [1, 333, 500, 1000, 10_000])
def test_a_correction_has_twice_the_scale_at_the_same_cost(epsilon_milli: int) -> None:
    scale, asked = scale_for(epsilon_milli, 2), Fraction(epsilon_milli, 1000)
    assert scale >= 2 / asked
    assert asked * Fraction(999, 1000) < epsilon_spent(scale, 2) <= asked + Fraction(1, 2**40)
    assert epsilon_spent(scale_for(epsilon_milli), 2) > asked * Fraction(3, 2), "the noise of a release is not enough"


def test_the_scale_of_the_usual_epsilons_is_the_simple_fraction() -> None:
    assert [scale_for(epsilon) for epsilon in (1000, 500, 2000)] == [Fraction(1), Fraction(2), Fraction(1, 2)]


def test_the_library_is_named_with_its_version() -> None:
    name, version = LIBRARY.split()
    assert name == "opendp"
    assert version[0].isdigit()
    assert len(LIBRARY) <= 40
