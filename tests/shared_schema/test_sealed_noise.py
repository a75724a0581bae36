"""The noise is discrete Laplace, exactly as wide as it says, and the same for whoever has the seed."""

import math
from collections import Counter
from fractions import Fraction
from functools import cache

import pytest
from scipy import stats

from shared_schema.errors import SchemaError
from shared_schema.laplace import variance
from shared_schema.sealed.noise import Coins, draw_noise, draw_one, scale_of

SEED = bytes(range(32))
EPSILONS = [100, 333, 500, 1_000, 2_000, 4_001]
DRAWS = 10_000
LEAST_P = 1e-4
"""Seeds are fixed, so this either always holds or never. A right sampler fails once in 10,000 seeds."""


@cache
def draws_of(epsilon_milli: int) -> Counter[int]:
    coins = Coins(SEED, b"%d" % epsilon_milli)
    return Counter(draw_one(coins, epsilon_milli) for _ in range(DRAWS))


def chi_square_p(found: Counter[int], epsilon: float) -> float:
    """How likely so large a deviation from the closed form is; cells with fewer than 10 expected draws go together."""
    p, draws = math.exp(-epsilon), found.total()
    zero = (1 - p) / (1 + p)
    most = max(k for k in range(2_000) if draws * zero * p**k >= 10)
    cells = range(-most, most + 1)
    expected = [draws * zero * p ** abs(k) for k in cells]
    observed = [float(found[k]) for k in cells]
    expected.append(draws - math.fsum(expected))
    observed.append(draws - math.fsum(observed))
    return float(stats.chisquare(observed, expected).pvalue)


@pytest.mark.parametrize("epsilon_milli", EPSILONS)
def test_draws_have_the_closed_form(epsilon_milli: int) -> None:
    assert chi_square_p(draws_of(epsilon_milli), epsilon_milli / 1000) > LEAST_P


def test_the_comparison_notices_another_epsilon_and_a_doubled_zero() -> None:
    found = draws_of(500).copy()
    assert chi_square_p(found, 0.55) < LEAST_P
    found[0] *= 2  # what comes out when a negative zero is not drawn again
    assert chi_square_p(found, 0.5) < LEAST_P


@pytest.mark.parametrize("epsilon_milli", EPSILONS)
def test_draws_have_the_variance_that_statements_carry(epsilon_milli: int) -> None:
    found = draws_of(epsilon_milli)
    expected = variance(scale_of(epsilon_milli))
    assert math.isclose(sum(k * k * n for k, n in found.items()) / DRAWS, expected, rel_tol=0.08)
    assert abs(sum(k * n for k, n in found.items()) / DRAWS) < 4 * math.sqrt(expected / DRAWS)


def test_the_variance_is_that_of_the_paper() -> None:
    p = math.exp(-0.5)
    assert scale_of(500) == Fraction(2)
    assert math.isclose(variance(scale_of(500)), 2 * p / (1 - p) ** 2)


def test_the_same_seed_gives_the_same_noise_and_another_another() -> None:
    noise = draw_noise(SEED, b"batch", cells=40, epsilon_milli=500)
    assert noise == draw_noise(SEED, b"batch", cells=40, epsilon_milli=500)
    assert noise[:7] == draw_noise(SEED, b"batch", cells=7, epsilon_milli=500)
    others = [
        draw_noise(bytes(32), b"batch", cells=40, epsilon_milli=500),
        draw_noise(SEED, b"other", cells=40, epsilon_milli=500),
        draw_noise(SEED, b"batch", cells=40, epsilon_milli=501),
    ]
    assert all(other != noise for other in others)


def test_the_noise_of_a_seed_never_changes() -> None:
    """Auditors draw it again years later: another order of the coins would be another noise."""
    assert draw_noise(SEED, b"batch", cells=12, epsilon_milli=500) == [-3, 0, -1, 0, 1, -1, -5, 3, 0, -1, -4, 2]


@pytest.mark.parametrize("bound", [1, 2, 3, 5, 255, 256, 257, 70_000])
def test_a_number_below_a_bound_is_below_it_and_any(bound: int) -> None:
    coins = Coins(SEED, b"")
    found = [coins.below(bound) for _ in range(3_000)]
    assert min(found) >= 0 and max(found) < bound
    if bound <= 5:
        assert set(found) == set(range(bound))
    assert abs(sum(found) / len(found) - (bound - 1) / 2) <= bound / 40


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": bytes(31)},
        {"context": bytes(65)},
        {"cells": 0},
        {"cells": 401},
        {"epsilon_milli": 0},
        {"epsilon_milli": 10_001},
    ],
)
def test_what_is_out_of_range_is_refused(changes: dict[str, object]) -> None:
    arguments: dict[str, object] = {"seed": SEED, "context": b"batch", "cells": 4, "epsilon_milli": 500}
    with pytest.raises(SchemaError):
        draw_noise(**(arguments | changes))  # type: ignore[arg-type]


def test_the_largest_context_fits_one_block() -> None:
    assert draw_noise(SEED, bytes(64), cells=1, epsilon_milli=10_000) != []
