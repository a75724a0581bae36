"""Adding up: what a sum holds, and what it never pretends to know."""

from fractions import Fraction
from typing import Any

import pytest

from regional_hub.aggregate import Contribution, add_up, for_display, inputs_of
from shared_schema.laplace import interval, variance_milli
from shared_schema.period import Area
from shared_schema.trend import AggregateBody, TrendBody
from tests.shared_schema import builders

SAXONY = Area(scheme="NUTS", version="2024", code="DED")
TABLE = builders.TABLE
ONE = variance_milli(Fraction(1))


def city(
    name: str, *values: int | str, scale: Fraction = Fraction(1), agencies: tuple[int, int] = (3, 4)
) -> Contribution:
    """A city's release; a letter in place of a value is the status of a cell without one."""
    cells: list[dict[str, Any]] = [
        {"dims": {"offence": code}, "status": value} if isinstance(value, str) else
        {"dims": {"offence": code}, "status": "A", "value": value}
        for code, value in zip(builders.GRID, values, strict=True)
    ]  # fmt: skip
    body = builders.trend_body(
        cells=cells,
        mechanism=builders.mechanism(scale),
        coverage={"reporting": agencies[0], "expected": agencies[1]},
    )
    return Contribution(name, f"{name:0>64}", TrendBody.from_object(body))


def total(*contributions: Contribution, expected: int = 0, revision: int = 1) -> AggregateBody:
    return add_up(contributions, TABLE, SAXONY, expected=expected, revision=revision)


def figures(body: AggregateBody, place: int) -> tuple[object, ...]:
    cell = body.cells[place]
    return cell.status, cell.contributors, cell.estimate, cell.variance_milli


def test_estimates_and_variances_add_up() -> None:
    body = total(city("a", 5, -1, 0), city("b", 7, 2, 0), city("c", 1, -3, 0))
    assert [cell.estimate for cell in body.cells] == [13, -2, 0]
    assert {cell.variance_milli for cell in body.cells} == {3 * ONE}
    assert {cell.contributors for cell in body.cells} == {3}
    assert (body.coverage.reporting, body.agencies.reporting, body.agencies.expected) == (3, 9, 12)


def test_the_interval_is_the_one_of_the_noise_of_its_terms() -> None:
    for count in (1, 2, 4, 5, 12):
        body = total(*(city(f"c{number}", 10, 0, 0) for number in range(count)))
        wanted = interval(10 * count, variance_milli=count * ONE, scale=Fraction(1), terms=count)
        assert (body.cells[0].low, body.cells[0].high) == (wanted.low, wanted.high)


def test_a_city_that_did_not_collect_lowers_the_contributors_and_is_no_zero() -> None:
    body = total(city("a", 5, 1, "L"), city("b", 7, "L", "L"))
    assert figures(body, 0) == ("A", 2, 12, 2 * ONE)
    assert figures(body, 1) == ("A", 1, 1, ONE)
    assert figures(body, 2) == ("L", 0, None, None)


def test_a_missing_city_lowers_the_coverage() -> None:
    body = total(city("a", 1, 1, 1), city("b", 1, 1, 1), expected=5)
    assert (body.coverage.reporting, body.coverage.expected) == (2, 5)


def test_more_reports_than_cities_that_are_expected_raise_the_expectation() -> None:
    body = total(city("a", 1, 1, 1), city("b", 1, 1, 1), expected=1)
    assert (body.coverage.reporting, body.coverage.expected) == (2, 2)


@pytest.mark.parametrize(("statuses", "shown"), [("AB", "B"), ("AD", "D"), ("BD", "D"), ("AA", "A"), ("BB", "B")])
def test_a_break_or_another_definition_in_one_city_is_one_in_the_sum(statuses: str, shown: str) -> None:
    contributions = []
    for number, status in enumerate(statuses):
        body = city(f"c{number}", 1, 1, 1).body
        cells = (body.cells[0].model_copy(update={"status": status}), *body.cells[1:])
        contributions.append(Contribution(f"c{number}", "0" * 64, body.model_copy(update={"cells": cells})))
    assert total(*contributions).cells[0].status == shown


def test_different_scales_have_no_common_scale_and_the_interval_widens() -> None:
    body = total(city("a", 1, 1, 1), city("b", 1, 1, 1, scale=Fraction(2)))
    assert body.scale is None
    assert body.cells[0].variance_milli == ONE + variance_milli(Fraction(2))
    assert total(city("a", 1, 1, 1), city("b", 1, 1, 1)).scale is not None


def test_a_cell_with_fewer_than_three_cities_is_suppressed_for_readers_and_complete_for_the_hub_above() -> None:
    complete = total(city("a", 5, 1, "L"), city("b", 7, 1, "L"), city("c", 1, "L", "L"))
    shown = for_display(complete, min_contributors=3)
    assert complete.complete and not shown.complete
    assert [cell.status for cell in shown.cells] == ["A", "Q", "L"]
    assert figures(shown, 1) == ("Q", 2, None, None)
    assert shown.cells[1].low is None and shown.cells[1].high is None
    assert figures(complete, 1) == ("A", 2, 2, 2 * ONE)
    AggregateBody.from_object(shown.to_object())
    AggregateBody.from_object(complete.to_object())


def test_sums_of_sums_are_the_sum_of_everything() -> None:
    cities = [city(f"c{number}", number, -number, "L" if number % 2 else 1) for number in range(7)]
    east, west = total(*cities[:3], expected=3), total(*cities[3:], expected=5)
    both = total(Contribution("east", "1" * 64, east), Contribution("west", "2" * 64, west), expected=8)
    flat = total(*cities, expected=8)
    assert both.cells == flat.cells
    assert (both.coverage, both.agencies) == (flat.coverage, flat.agencies)


def test_a_hub_below_and_a_city_of_ones_own_add_up_alike() -> None:
    below = total(city("a", 1, 2, 3), city("b", 1, 2, "L"))
    both = total(Contribution("hub", "1" * 64, below), city("c", 10, 20, 30))
    assert [cell.estimate for cell in both.cells] == [12, 24, 33]
    assert [cell.contributors for cell in both.cells] == [3, 3, 2]
    assert both.coverage.reporting == 3


def test_a_suppressed_cell_from_below_is_an_interval_and_never_zero() -> None:
    # A hub hands up complete sums only; should a suppressed cell come all the same, it adds nothing and says so.
    hidden = for_display(total(city("a", 5, 5, 5)), min_contributors=3)
    body = total(Contribution("hub", "1" * 64, hidden))
    assert figures(body, 0) == ("Q", 0, None, None)


def test_inputs_are_named_whatever_their_order() -> None:
    first, second = city("a", 1, 1, 1).digest, city("b", 1, 1, 1).digest
    assert inputs_of([first, second], 3) == inputs_of([second, first], 3)
    assert len({inputs_of([first], 3), inputs_of([first], 4), inputs_of([first, second], 3), inputs_of([], 3)}) == 4
