"""Adding up: what a sum holds, and what it never pretends to know."""

import hashlib
from fractions import Fraction
from typing import Any

import pytest

from regional_hub.aggregate import add_up, inputs_of
from regional_hub.rollup import Contribution, shares_of
from shared_schema.laplace import Noise, interval, interval_of, variance_milli
from shared_schema.period import Area, parse_period
from shared_schema.trend import AggregateBody, TrendBody
from tests.shared_schema import builders

SAXONY = Area(scheme="NUTS", version="2024", code="DED")
TABLE = builders.TABLE
ONE = variance_milli(Fraction(1))


def city(
    name: str, *values: int | str, scale: Fraction = Fraction(1), agencies: tuple[int, int] = (3, 4), **changes: Any
) -> Contribution:
    """A city's release; a letter in place of a value is the status of a cell without one."""
    cells: list[dict[str, Any]] = [
        {"dims": {"offence": code}, "status": value} if isinstance(value, str) else
        {"dims": {"offence": code}, "status": "A", "value": value}
        for code, value in zip(builders.GRID, values, strict=True)
    ]  # fmt: skip
    body = builders.trend_body(
        **{
            "cells": cells,
            "mechanism": builders.mechanism(scale),
            "coverage": {"reporting": agencies[0], "expected": agencies[1]},
        }
        | changes
    )
    return Contribution(name, digest_of(name, changes), TrendBody.from_object(body))


def digest_of(name: str, changes: dict[str, Any]) -> str:
    return hashlib.sha256(f"{name} {sorted(changes.items())}".encode()).hexdigest()


def month(label: str) -> dict[str, Any]:
    return parse_period(label).to_object()


def rounded(name: str, *values: int | tuple[int, int], **changes: Any) -> Contribution:
    """A quarter of a city that refuses noise; a pair is the interval of a suppressed cell."""
    cells = [
        {"dims": {"offence": code}, "status": "A", "value": value} if isinstance(value, int) else
        {"dims": {"offence": code}, "status": "Q", "low": value[0], "high": value[1]}
        for code, value in zip(builders.GRID, values, strict=True)
    ]  # fmt: skip
    mechanism = {"name": "threshold-rounding", "threshold": 10, "base": 5, "library": "scipy"}
    body = builders.trend_body(**{"cells": cells, "mechanism": mechanism, "period": month("2026-Q4")} | changes)
    del body["privacy"]
    return Contribution(name, digest_of(name, changes), TrendBody.from_object(body))


def total(
    *contributions: Contribution, expected: int = 0, revision: int = 1, label: str = "2026-10", stock: bool = False
) -> AggregateBody:
    period = parse_period(label)
    shares = shares_of(contributions, period, stock=stock)
    return add_up(shares, TABLE, SAXONY, period, expected=expected, revision=revision)


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


def test_a_suppressed_cell_is_counted_with_its_bound_and_never_as_zero_or_a_mid_point() -> None:
    body = total(rounded("a", 15, (0, 9), (0, 9)), rounded("b", 10, 20, (0, 12)), label="2026-Q4")
    assert figures(body, 0) == ("A", 2, 26, 4000)  # 10 stands for 10, 11 and 12
    assert figures(body, 1) == ("A", 1, 20, 2000)
    assert (body.cells[1].suppressed, body.cells[1].suppressed_high) == (1, 9)
    assert figures(body, 2) == ("Q", 0, None, None)
    assert (body.cells[2].suppressed, body.cells[2].suppressed_high) == (2, 21)
    above = total(Contribution("hub", "1" * 64, body), label="2026-Q4")
    assert above.cells == body.cells


def test_a_correction_is_added_to_its_release_with_its_own_noise() -> None:
    two = variance_milli(Fraction(2))
    first = city("a", 2, 0, 0, scale=Fraction(2), correction=1)
    second = city("a", -1, "L", 0, scale=Fraction(2), correction=2)
    body = total(city("a", 5, 1, "L"), second, first)
    assert figures(body, 0) == ("A", 1, 6, ONE + 2 * two)
    assert figures(body, 1) == ("A", 1, 1, ONE + two)
    assert figures(body, 2) == ("L", 0, None, None)
    assert body.coverage.reporting == 1
    wanted = interval_of(6, [Noise(Fraction(1), 1), Noise(Fraction(2), 2)], variance_milli=0)
    assert (body.cells[0].low, body.cells[0].high) == (wanted.low, wanted.high)


def test_a_correction_without_its_release_counts_nothing() -> None:
    assert shares_of([city("a", 2, 0, 0, correction=1)], parse_period("2026-10")) == []


def test_the_noise_of_every_kind_reaches_the_hub_above() -> None:
    below = total(city("a", 1, 2, 3), city("b", 1, 2, 3, scale=Fraction(2)))
    shares = [(share.scale and share.scale.to_fraction(), share.draws) for share in below.cells[0].noise or ()]
    assert shares == [(Fraction(1), 1), (Fraction(2), 1)]
    above = total(Contribution("hub", "1" * 64, below), city("c", 1, 1, 1))
    flat = total(city("a", 1, 2, 3), city("b", 1, 2, 3, scale=Fraction(2)), city("c", 1, 1, 1))
    assert above.cells == flat.cells


def test_a_base_of_five_is_no_scale_of_five() -> None:
    body = total(
        rounded("a", 15, 10, 10),
        city("b", 15, 10, 10, scale=Fraction(5), period=month("2026-Q4")),
        label="2026-Q4",
    )
    assert {(share.base, share.scale is None) for share in body.cells[0].noise or ()} == {(5, True), (None, False)}


MONTHS = ("2026-10", "2026-11", "2026-12")


def quarter_of(name: str, *values: int | str, **changes: Any) -> list[Contribution]:
    return [city(name, *values, period=month(label), **changes) for label in MONTHS]


def test_a_quarter_is_the_sum_of_its_months_when_all_are_there() -> None:
    body = total(*quarter_of("a", 5, 1, "L"), *quarter_of("b", 1, 1, 1)[:2], label="2026-Q4")
    assert figures(body, 0) == ("A", 1, 15, 3 * ONE)
    assert figures(body, 2) == ("L", 0, None, None)
    assert (body.rolled_up, body.coverage.reporting) == (1, 1)


def test_a_month_without_a_value_leaves_none_for_the_quarter() -> None:
    parts = [*quarter_of("a", 5, 1, 1)[:2], city("a", 5, "L", 1, period=month("2026-12"))]
    assert [cell.status for cell in total(*parts, label="2026-Q4").cells] == ["A", "L", "A"]


def test_a_year_is_made_of_quarters_that_were_released_or_rolled_up() -> None:
    quarters = [rounded("a", 10, 10, (0, 9), period=month(f"2026-Q{number}")) for number in (1, 2, 3)]
    body = total(*quarters, *quarter_of("a", 5, 1, 2), label="2026")
    assert figures(body, 0) == ("A", 1, 48, 3 * 2000 + 3 * ONE)  # three times 10, which stands for 10, 11 and 12
    assert figures(body, 2) == ("Q", 0, None, None)
    assert (body.cells[2].suppressed, body.cells[2].suppressed_high) == (1, 27 + 6)


def test_figures_of_several_sources_are_marked_whoever_comes_first() -> None:
    """A name that sorts first would otherwise decide for all."""
    kinds = {"a": "agency_return", "b": "police_recorded", "c": "police_recorded"}
    body = total(*(city(name, 1, 1, "L", source_kind=kind) for name, kind in kinds.items()))
    assert (body.source_kind.value, [cell.status for cell in body.cells]) == ("police_recorded", ["D", "D", "L"])
    same = total(*(city(name, 1, 1, "L", source_kind="agency_return") for name in kinds))
    assert (same.source_kind.value, same.cells[0].status) == ("agency_return", "A")
    above = total(Contribution("hub", "1" * 64, body), city("d", 1, 1, 1))
    assert [cell.status for cell in above.cells] == ["D", "D", "A"]


def test_a_city_that_changes_its_source_within_a_quarter_is_marked() -> None:
    parts = quarter_of("a", 5, 1, 1)
    parts[1] = city("a", 5, 1, 1, period=month(MONTHS[1]), source_kind="agency_return")
    assert {cell.status for cell in total(*parts, label="2026-Q4").cells} == {"D"}
    own = city("a", 5, 1, 1, period=month("2026-Q4"), source_kind="agency_return")
    assert {cell.status for cell in total(*quarter_of("a", 5, 1, 1), own, label="2026-Q4").cells} == {"D"}


def test_of_a_citys_agencies_those_count_that_were_there_all_the_time() -> None:
    agencies = ((3, 4), (2, 4), (3, 5))
    parts = [
        city("a", 5, 1, 1, period=month(label), agencies=each) for label, each in zip(MONTHS, agencies, strict=True)
    ]
    body = total(*parts, label="2026-Q4")
    assert (body.agencies.reporting, body.agencies.expected) == (2, 5)


def test_the_sums_of_a_hub_are_not_rolled_up_as_a_citys_releases_are() -> None:
    """Three months of a hub can be of other cities each; it hands up the quarter itself."""
    months = [
        Contribution("hub", str(number) * 64, total(city("a", 5, 1, 1, period=month(label)), label=label))
        for number, label in enumerate(MONTHS)
    ]
    assert shares_of(months, parse_period("2026-Q4")) == []
    assert total(*months, *quarter_of("b", 1, 1, 1), label="2026-Q4").cells[0].contributors == 1


def test_together_at_most_holds_what_rounding_can_hide() -> None:
    """Three times 15, which can be 17, and at most 9."""
    quarters = [rounded("a", 15, 10, 10, period=month(f"2026-Q{number}")) for number in (1, 2, 3)]
    body = total(*quarters, rounded("a", (0, 9), 10, (0, 9), period=month("2026-Q4")), label="2026")
    assert body.cells[0].suppressed_high == 3 * 17 + 9
    assert (body.cells[2].suppressed_high or 0) >= 3 * 12 + 9


def test_what_is_there_at_a_time_is_never_added_up_over_time() -> None:
    assert shares_of(quarter_of("a", 5, 1, 2), parse_period("2026-Q4"), stock=True) == []


def test_a_city_with_a_year_and_its_months_gets_the_mean_weighted_by_what_each_is_worth() -> None:
    months = [city("a", 2, 0, 0, scale=Fraction(2), period=month(f"2026-{number:02d}")) for number in range(1, 13)]
    year = city("a", 40, 0, 0, scale=Fraction(4), period=month("2026"))
    body = total(*months, year, label="2026")
    one, other = variance_milli(Fraction(4)), 12 * variance_milli(Fraction(2))
    assert body.cells[0].estimate == round((40 * other + 24 * one) / (one + other))
    assert body.cells[0].variance_milli == one * other // (one + other) + 84
    assert (body.rolled_up, body.cells[0].contributors) == (None, 1)


def test_inputs_are_named_whatever_their_order() -> None:
    first, second = city("a", 1, 1, 1).digest, city("b", 1, 1, 1).digest
    assert inputs_of([first, second], 3) == inputs_of([second, first], 3)
    names = [inputs_of([first], 3), inputs_of([first], 4), inputs_of([first, second], 3), inputs_of([], 3)]
    names += [inputs_of([first], 3, 3, 15), inputs_of([first], 3, 5, 15), inputs_of([first], 3, 3, 20)]
    assert len(set(names)) == len(names)
