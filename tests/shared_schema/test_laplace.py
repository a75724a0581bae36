"""Intervals hold what they promise: their coverage is computed, not drawn."""

import math
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_schema.laplace import (
    EXACT_BELOW,
    FINE_SCALE,
    Interval,
    Noise,
    interval,
    interval_of,
    rounding_variance_milli,
    variance,
    variance_milli,
)

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
def test_below_five_terms_no_other_length_is_nearer_to_95(scale: Fraction, terms: int) -> None:
    found = interval(0, variance_milli=0, scale=scale, terms=terms)
    points = sorted(distribution(scale, terms).values(), reverse=True)
    held = [math.fsum(points[: found.high - found.low + more]) for more in (0, 1, 2)]
    assert held[1] >= 0.94
    assert abs(held[1] - 0.95) <= abs(held[2] - 0.95)
    assert held[0] < 0.94 or abs(held[1] - 0.95) <= abs(held[0] - 0.95)


@pytest.mark.parametrize("terms", [1, 2, 3, 4, 5, 6, 8, 12, 20, 30])
@pytest.mark.parametrize("scale", [Fraction(1), Fraction(4, 3), Fraction(2), Fraction(4)], ids=str)
def test_at_the_scales_of_a_policy_94_to_96_of_100_true_counts_are_held(scale: Fraction, terms: int) -> None:
    assert 0.94 <= coverage(scale, terms) <= 0.96


@pytest.mark.parametrize("terms", [5, 6])
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_from_five_terms_on_the_coverage_is_near_95(scale: Fraction, terms: int) -> None:
    assert 0.93 <= coverage(scale, terms) <= 0.98


def joint(noise: Sequence[Noise]) -> dict[int, float]:
    """P(sum = k) of mixed terms, by adding up all combinations."""
    held = {0: 1.0}
    for source, draws in noise:
        reach = 0 if isinstance(source, Fraction) else source // 2
        near = dict.fromkeys(range(-reach, reach + 1), 1 / source) if isinstance(source, int) else {
            k: p for k, p in distribution(source, 1).items() if p > 1e-10
        }  # fmt: skip
        for _ in range(draws):
            joined: dict[int, float] = {}
            for k, p in held.items():
                for j, q in near.items():
                    joined[k + j] = joined.get(k + j, 0) + p * q
            held = joined
    return held


MIXES = [
    [Noise(Fraction(1), 1), Noise(Fraction(2), 1)],
    [Noise(Fraction(1), 2), Noise(Fraction(2), 1)],
    [Noise(Fraction(1), 2), Noise(Fraction(2), 2)],
    [Noise(Fraction(2), 2), Noise(5, 1)],
    [Noise(Fraction(1), 1), Noise(5, 1)],
    [Noise(Fraction(1), 5), Noise(5, 2), Noise(Fraction(2), 2)],
    [Noise(Fraction(1), 7), Noise(5, 3)],
]


@pytest.mark.parametrize("noise", MIXES, ids=str)
def test_different_scales_and_rounding_hold_94_to_96_too(noise: list[Noise]) -> None:
    milli = sum(
        draws * (rounding_variance_milli(source) if isinstance(source, int) else variance_milli(source))
        for source, draws in noise
    )
    found = interval_of(0, noise, variance_milli=milli)
    held = math.fsum(p for error, p in joint(noise).items() if found.low <= -error <= found.high)
    assert 0.94 <= held <= 0.96


def test_one_rounded_figure_is_certain_within_two() -> None:
    """Five points, a fifth each: four of them hold 80 %, five hold all."""
    assert interval_of(15, [Noise(5, 1)], variance_milli=2000) == Interval(13, 17)
    assert rounding_variance_milli(5) == 2000


def test_a_base_is_not_taken_for_a_scale() -> None:
    scaled = interval_of(0, [Noise(Fraction(5), 1)], variance_milli=0)
    assert interval_of(0, [Noise(5, 1)], variance_milli=0) != scaled


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
    assert 0.949 <= 1 - 2 * a ** (half + 1) / (1 + a) < 0.951
