"""Arrows: only beyond chance, and how often chance alone makes one, computed exactly and not drawn."""

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_schema.change import (
    PERIODS_BEFORE,
    POISSON,
    Dispersion,
    Measured,
    change_between,
    changes_of,
    dispersion_of,
    find_obstacle,
    measure,
    stands_out,
)
from shared_schema.laplace import variance
from shared_schema.trend import AggregateBody, AggregateCell

FALSE_ARROWS = 0.05

figures = st.builds(
    Measured,
    st.integers(-1000, 10**6).map(float),
    st.floats(0, 10**6, allow_nan=False),
    st.integers(1, 1000),
)


def exact(*counts: float) -> list[Measured]:
    return [Measured(count, 0.0) for count in counts]


# --- how often chance alone makes an arrow, exactly ----------------------------------------------------------------


def test_two_equal_poisson_counts_get_an_arrow_in_at_most_5_of_100_cases_whatever_their_sum_is() -> None:
    for total in range(1, 300):
        # Given their sum, one of two equal Poisson counts is binomial with one half (Przyborowski and Wilenski 1940).
        arrows = sum(
            math.comb(total, first)
            for first in range(total + 1)
            if change_between(*exact(first, total - first)).direction != "none"
        )
        assert Fraction(arrows, 2**total) <= Fraction(5, 100), total


def poisson(mean: float, reach: int) -> list[float]:
    held = [math.exp(-mean)]
    for count in range(1, reach):
        held.append(held[-1] * mean / count)
    return held


def noise_of(scale: float, cities: int, reach: int) -> list[float]:
    """P(noise = -reach), ..., P(noise = reach) for the sum of one draw per city."""
    a = math.exp(-1 / scale)
    one = [(1 - a) / (1 + a) * a ** abs(place) for place in range(-reach, reach + 1)]
    total = one
    for _ in range(cities - 1):
        total = convolve(total, one)[reach:-reach]
    return total


def convolve(left: list[float], right: list[float]) -> list[float]:
    out = [0.0] * (len(left) + len(right) - 1)
    for place, weight in enumerate(left):
        if weight > 1e-15:
            for step, other in enumerate(right):
                out[place + step] += weight * other
    return out


@pytest.mark.parametrize("mean", [0.0, 0.5, 3.0, 20.0])
@pytest.mark.parametrize(("scale", "cities"), [(1, 1), (1, 3), (2, 3), (4, 3), (4, 1)])
def test_figures_with_noise_that_have_not_changed_get_an_arrow_in_at_most_5_of_100_cases(
    mean: float, scale: int, cities: int
) -> None:
    reach = 12 * scale + 4 * cities * scale
    noise = noise_of(scale, cities, reach)
    figure = convolve(noise, poisson(mean, 8 + int(mean + 7 * math.sqrt(mean))))
    weights = [(float(place - reach), weight) for place, weight in enumerate(figure) if weight > 1e-7]
    noise_variance = cities * variance(Fraction(scale))
    measured = [(Measured(value, noise_variance, cities), weight) for value, weight in weights]
    arrows = 0.0
    for place, (newer, weight) in enumerate(measured):
        for older, other in measured[:place]:  # one half; the other mirrors it
            if change_between(newer, older).direction != "none":
                arrows += 2 * weight * other
    assert arrows <= FALSE_ARROWS


# --- the rule ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("newer", "older", "direction"),
    [
        (Measured(4, 0), Measured(0, 0), "none"),  # 12.5 % by chance, exactly
        (Measured(6, 0), Measured(0, 0), "up"),  # 3.1 %
        (Measured(110, 0), Measured(90, 0), "none"),
        (Measured(130, 0), Measured(90, 0), "up"),
        (Measured(90, 0), Measured(130, 0), "down"),
        (Measured(130, 400), Measured(90, 400), "none"),  # the same figures, with noise
        (Measured(0, 0), Measured(0, 0), "none"),
        (Measured(-30, 50, 3), Measured(-40, 50, 3), "none"),
    ],
)
def test_an_arrow_needs_more_than_chance(newer: Measured, older: Measured, direction: str) -> None:
    assert change_between(newer, older).direction == direction


@given(figures, figures)
def test_exchanging_the_two_mirrors_the_change(a: Measured, b: Measured) -> None:
    there, back = change_between(a, b), change_between(b, a)
    assert {there.direction, back.direction} in ({"none"}, {"up", "down"})
    assert math.isclose(there.low, -back.high, rel_tol=1e-9, abs_tol=1e-6)


@given(figures)
def test_a_figure_has_not_changed_from_itself(figure: Measured) -> None:
    change = change_between(figure, figure)
    assert change.direction == "none"
    assert change.low < 0 < change.high


@given(figures, figures, st.floats(1, 50), st.floats(3, 100))
def test_more_noise_more_dispersion_and_more_confidence_never_make_an_arrow(
    a: Measured, b: Measured, factor: float, freedom: float
) -> None:
    if change_between(a, b).direction == "none":
        assert change_between(a, b, dispersion=Dispersion(factor, freedom)).direction == "none"
        assert change_between(a, b, confidence=0.99).direction == "none"
    wider = change_between(a, b, dispersion=Dispersion(factor, freedom))
    assert wider.high - wider.low >= change_between(a, b).high - change_between(a, b).low - 1e-6


# --- series --------------------------------------------------------------------------------------------------------


def test_a_short_series_gets_no_arrow_unless_its_dispersion_is_known_from_elsewhere() -> None:
    years = exact(100, 500)
    assert [change.obstacle for change in changes_of(years)] == ["no-figure", "short-series"]
    assert [change.direction for change in changes_of(years, known=POISSON)] == ["none", "up"]


def test_a_series_that_jumps_about_gets_no_arrow_for_one_more_jump() -> None:
    jumping = exact(50, 120, 40, 130, 60, 110, 45, 125, 50, 120)
    assert {change.direction for change in changes_of(jumping)} == {"none"}
    assert change_between(jumping[-1], jumping[-2]).direction == "up"


def test_a_calm_series_gets_an_arrow_where_it_changes_level() -> None:
    calm = exact(100, 104, 97, 101, 99, 103, 98, 102, 150, 149, 152)
    assert [change.direction for change in changes_of(calm)][7:] == ["none", "up", "none", "none"]


def test_a_gap_has_no_arrow_on_either_side() -> None:
    series = [*exact(100, 104, 97, 101, 99, 103, 98, 102), None, *exact(180, 182)]
    assert [change.obstacle for change in changes_of(series)][8:10] == ["no-figure", "no-figure"]


def test_the_difference_in_question_is_not_in_its_own_dispersion() -> None:
    series = exact(10, 11, 9, 10, 12, 10, 9, 11, 10, 200)
    assert changes_of(series)[-1].direction == "up"


def test_a_series_that_stands_still_has_no_dispersion_and_a_trend_does_not_blow_it_up() -> None:
    assert dispersion_of(exact(*[5] * 6)) is None
    dispersion = dispersion_of(exact(*[5] * 7))
    assert dispersion is not None
    assert (dispersion.factor, round(dispersion.freedom, 9)) == (0.0, 4.0)
    trend = dispersion_of(exact(*range(100, 230, 10)))
    assert trend is not None
    assert trend.factor <= 1.0


def test_a_peak_stands_out_and_the_periods_before_it_do_not() -> None:
    series = exact(175, 161, 201, 177, 139, 248, 210, 219, 224, 203, 184, 175, 180, 729, 190)
    assert stands_out(series) == tuple(place == 13 for place in range(15))


def test_nothing_stands_out_before_twelve_periods_or_after_a_gap() -> None:
    assert stands_out(exact(*[10] * (PERIODS_BEFORE - 1), 500)) == (False,) * PERIODS_BEFORE
    assert not any(stands_out([*exact(*[10] * 6), None, *exact(*[10] * 5, 500)]))


@given(st.lists(st.integers(0, 300), min_size=1, max_size=30))
def test_a_series_gives_an_answer_for_every_period(counts: list[int]) -> None:
    assert len(changes_of(exact(*counts))) == len(stands_out(exact(*counts))) == len(counts)
    assert not any(stands_out(exact(*[counts[0]] * 20)))


# --- cells ---------------------------------------------------------------------------------------------------------


def sum_of(**changes: Any) -> tuple[AggregateBody, AggregateCell]:
    cell = {"dims": {"offence": "arson"}, "status": "A", "contributors": 4, "estimate": 40, "variance_milli": 2000}
    cell |= {"low": 37, "high": 43} | changes.pop("cell", {})
    cell = {name: value for name, value in cell.items() if value is not None}
    body: dict[str, Any] = {
        "table": {"id": "bias_incidents.by_offence", "version": 1, "fingerprint": "0" * 64},
        "area": {"scheme": "NUTS", "version": "2024", "code": "DED"},
        "period": {"start": "2026-01-01", "end": "2026-01-31", "granularity": "month", "basis": "recorded"},
        "source_kind": "agency_return",
        "complete": False,
        "revision": 1,
        "scale": {"numerator": 1, "denominator": 1},
        "coverage": {"reporting": 4, "expected": 5},
        "agencies": {"reporting": 9, "expected": 10},
    }
    made = AggregateBody.from_object({k: v for k, v in (body | changes | {"cells": [cell]}).items() if v is not None})
    return made, made.cells[0]


HIDDEN = {"status": "Q", "estimate": None, "variance_milli": None, "low": None, "high": None}


@pytest.mark.parametrize(
    ("change", "obstacle"),
    [
        ({"cell": HIDDEN}, "no-figure"),
        ({"cell": HIDDEN | {"status": "L"}}, "no-figure"),
        ({"table": {"id": "bias_incidents.by_offence", "version": 2, "fingerprint": "0" * 64}}, "other-table"),
        ({"table": {"id": "bias_incidents.by_offence", "version": 1, "fingerprint": "1" * 64}}, "other-table"),
        ({"source_kind": "open_media"}, "other-source"),
        ({"cell": {"status": "B"}}, "break"),
        ({"cell": {"status": "D"}}, "definition"),
        ({"cell": {"contributors": 3}}, "other-cities"),
        ({"cell": {"suppressed": 1, "suppressed_high": 9}}, "other-cities"),
        ({}, None),
    ],
)
def test_what_is_not_counted_alike_is_not_compared(change: dict[str, Any], obstacle: str | None) -> None:
    assert find_obstacle(sum_of(**change), sum_of()) == obstacle
    assert find_obstacle(sum_of(), sum_of(**change)) == obstacle


def test_noise_of_different_scales_counts_as_one_draw() -> None:
    assert measure(*sum_of()) == Measured(40, 2.0, 4)
    assert measure(*sum_of(scale=None)) == Measured(40, 2.0, 1)
    assert measure(*sum_of(cell=HIDDEN)) is None
