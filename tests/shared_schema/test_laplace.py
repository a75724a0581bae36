"""Intervals hold what they promise: their coverage is computed, not drawn."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_schema.laplace import EXACT_BELOW, FINE_SCALE, Interval, interval, variance, variance_milli

SCALES = [Fraction(1, 2), Fraction(1), Fraction(4, 3), Fraction(2), Fraction(4), Fraction(10), Fraction(20)]


def distribution(scale: Fraction, terms: int) -> dict[int, float]:
    """P(sum = k) of `terms` draws, as the difference of two negative binomials: another way than the module's.

    One draw is the difference of two geometric variables, P(G = k) = (1 - a) a^k, and a sum of `terms` of these has
    P(G = k) = C(k + terms - 1, k) (1 - a)^terms a^k.
    """
    a = math.exp(-1 / float(scale))
    reach = math.ceil(30 * terms * float(scale)) + 30
    one = [math.comb(k + terms - 1, k) * (1 - a) ** terms * a**k for k in range(reach)]
    half = [math.fsum(x * y for x, y in zip(one, one[k:], strict=False)) for k in range(reach)]
    return {k: half[abs(k)] for k in range(1 - reach, reach)}


def coverage(scale: Fraction, terms: int) -> float:
    """The exact probability that the interval of a sum holds the true count."""
    found = interval(0, variance_milli=round(1000 * terms * variance(scale)), scale=scale, terms=terms)
    # the estimate is 0 = true + noise, so the true count is minus the noise
    return math.fsum(p for noise, p in distribution(scale, terms).items() if found.low <= -noise <= found.high)


@pytest.mark.parametrize("terms", range(1, EXACT_BELOW))
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_below_five_terms_at_least_95_of_100_true_counts_are_held(scale: Fraction, terms: int) -> None:
    assert coverage(scale, terms) >= 0.95


@pytest.mark.parametrize("terms", range(1, EXACT_BELOW))
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_below_five_terms_no_shorter_interval_would_do(scale: Fraction, terms: int) -> None:
    found = interval(0, variance_milli=0, scale=scale, terms=terms)
    points = sorted(distribution(scale, terms).values(), reverse=True)
    assert math.fsum(points[: found.high - found.low]) < 0.95


@pytest.mark.parametrize("terms", [5, 6])
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_from_five_terms_on_the_coverage_is_near_95(scale: Fraction, terms: int) -> None:
    assert 0.93 <= coverage(scale, terms) <= 0.98


@pytest.mark.parametrize("terms", range(1, 9))
@pytest.mark.parametrize("scale", [Fraction(1, 10), Fraction(1, 5), Fraction(3, 10)], ids=str)
def test_where_the_noise_is_almost_always_zero_the_interval_is_not_too_narrow(scale: Fraction, terms: int) -> None:
    assert coverage(scale, terms) >= 0.93


def test_terms_of_different_scales_use_their_joint_variance() -> None:
    mixed = [Fraction(1), Fraction(2), Fraction(4)]
    total = round(1000 * sum(map(variance, mixed)))
    found = interval(0, variance_milli=total, scale=None, terms=3)
    held = {0: 1.0}
    for scale in mixed:
        one = distribution(scale, 1)
        near = {k: p for k, p in one.items() if p > 1e-9}
        joined: dict[int, float] = {}
        for k, p in held.items():
            for j, q in near.items():
                joined[k + j] = joined.get(k + j, 0) + p * q
        held = joined
    assert 0.93 <= math.fsum(p for noise, p in held.items() if found.low <= -noise <= found.high) <= 0.98


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_the_variance_is_that_of_the_distribution(scale: Fraction) -> None:
    one = distribution(scale, 1)
    assert math.isclose(math.fsum(one.values()), 1, abs_tol=1e-9)
    assert math.isclose(math.fsum(p * k * k for k, p in one.items()), variance(scale), rel_tol=1e-6)
    assert variance_milli(scale) == round(1000 * variance(scale))


def test_without_noise_the_interval_is_the_estimate() -> None:
    assert interval(-3, variance_milli=0, scale=None, terms=0) == Interval(-3, -3)


@given(st.integers(-(10**12), 10**12), st.integers(1, 40), st.fractions(Fraction(1, 10), 50, max_denominator=1000))
def test_an_interval_holds_its_estimate_and_moves_with_it(estimate: int, terms: int, scale: Fraction) -> None:
    milli = round(1000 * terms * variance(scale))
    found = interval(estimate, variance_milli=milli, scale=scale, terms=terms)
    at_zero = interval(0, variance_milli=milli, scale=scale, terms=terms)
    assert found == Interval(estimate + at_zero.low, estimate + at_zero.high)
    assert found.low <= estimate <= found.high
    assert 0 <= (found.high - estimate) - (estimate - found.low) <= 1


@pytest.mark.parametrize("terms", range(1, EXACT_BELOW))
def test_a_huge_scale_costs_no_more_than_a_fine_one_and_is_as_good(terms: int) -> None:
    for factor in (3, 1000, 10**6):
        scale = FINE_SCALE * factor
        found = interval(0, variance_milli=0, scale=scale, terms=terms)
        fine = interval(0, variance_milli=0, scale=FINE_SCALE, terms=terms)
        assert math.isclose(found.high / factor, fine.high, rel_tol=0.002)
    # one term in closed form: P(|N| <= m) = 1 - 2 a^(m + 1) / (1 + a)
    half = interval(0, variance_milli=0, scale=FINE_SCALE * 1000, terms=1).high
    a = math.exp(-1 / float(FINE_SCALE * 1000))
    assert 0.95 <= 1 - 2 * a ** (half + 1) / (1 + a) < 0.951
