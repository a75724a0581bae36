"""The floor that node and hub both apply (hostile input 27), each rule from its bad side first."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest

from shared_schema import canonical
from shared_schema.errors import ReleaseRuleError
from shared_schema.governance import PolicyBody
from shared_schema.laplace import variance_milli
from shared_schema.period import parse_period
from shared_schema.problem import ProblemCode
from shared_schema.release_rules import check_ended, check_releasable, check_trend, get_table
from shared_schema.statement import Kind
from shared_schema.trend import TableDefinition, TrendBody
from tests.shared_schema.builders import (
    BODIES,
    GRID,
    POLICY,
    SEALED_TABLE,
    TABLE,
    aggregate_body,
    mechanism,
    receive,
    signed,
    signed_statement,
    statement,
    status_of,
    trend_body,
)

TREND = trend_body()


def assert_refused(
    body: dict[str, Any],
    code: ProblemCode,
    *,
    kind: Kind = Kind.TREND,
    policy: PolicyBody = POLICY,
    audience: str | None = None,
) -> None:
    changes = {} if audience is None else {"audience": audience}
    with pytest.raises(ReleaseRuleError) as caught:
        receive(signed(canonical.encode(statement(kind, body) | changes), kind), policy=policy)
    assert caught.value.code is code
    assert status_of(code) == 422


def cells(*codes: str, dimension: str = "offence") -> list[dict[str, Any]]:
    return [{"dims": {dimension: code}, "status": "A", "value": 1} for code in codes]


def policy_with(**changes: object) -> PolicyBody:
    """POLICY with another table in place of TABLE."""
    return PolicyBody.from_object(POLICY.to_object() | {"tables": [TABLE.to_object() | changes]})


# --- sealed tables ---------------------------------------------------------------------------------------------


def test_a_table_that_is_sealed_is_not_released_in_another_way() -> None:
    sealed = PolicyBody.from_object(POLICY.to_object() | {"sealed": [SEALED_TABLE]})
    assert_refused(TREND, ProblemCode.RELEASE_RULE, policy=sealed)


def test_a_correction_of_what_was_released_before_is_still_taken() -> None:
    sealed = PolicyBody.from_object(POLICY.to_object() | {"sealed": [SEALED_TABLE]})
    body = TREND | {"correction": 1, "mechanism": mechanism(Fraction(2))}
    check_trend(TrendBody.from_object(body), sealed)


def test_a_share_of_a_table_that_no_policy_names_is_refused() -> None:
    table = TABLE.reference.to_object() | {"version": 7}
    assert_refused(BODIES[Kind.SHARE] | {"table": table}, ProblemCode.UNKNOWN_TABLE, kind=Kind.SHARE, audience="hub")


# --- 27: the table ---------------------------------------------------------------------------------------------


def test_27_a_table_that_the_policy_does_not_know_is_refused() -> None:
    other = TableDefinition.from_object(TABLE.to_object() | {"id": "bias_incidents.by_hour"})
    for kind, body in ((Kind.TREND, TREND), (Kind.AGGREGATE, aggregate_body())):
        assert_refused(body | {"table": other.reference.to_object()}, ProblemCode.UNKNOWN_TABLE, kind=kind)
        assert_refused(
            body,
            ProblemCode.UNKNOWN_TABLE,
            kind=kind,
            policy=PolicyBody.from_object(POLICY.to_object() | {"tables": []}),
        )


@pytest.mark.parametrize("change", [{"title": "Another wording"}, {"version": 2}, {"epsilon_milli": 1001}])
def test_27_a_table_in_another_wording_is_refused(change: dict[str, object]) -> None:
    assert_refused(TREND, ProblemCode.UNKNOWN_TABLE, policy=policy_with(**change))
    other = TableDefinition.from_object(TABLE.to_object() | change)
    assert_refused(TREND | {"table": other.reference.to_object()}, ProblemCode.UNKNOWN_TABLE)


def test_an_older_version_of_a_table_is_found_while_the_policy_has_it() -> None:
    newer = TableDefinition.from_object(TABLE.to_object() | {"version": 2})
    both = PolicyBody.from_object(POLICY.to_object() | {"tables": [TABLE.to_object(), newer.to_object()]})
    assert get_table(TABLE.reference, both) == TABLE
    assert get_table(newer.reference, both) == newer
    assert both.find_table(TABLE.id) == newer
    assert both.find_table("another.table") is None


# --- 27: the grid ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        cells(*GRID, "other"),
        cells(*GRID[:-1]),
        cells(*GRID[1:]),
        cells(*GRID[:-1], "other"),
        cells(*reversed(GRID)),
        cells(*GRID, GRID[0]),
        cells(GRID[0], GRID[0], GRID[1]),
        cells(*GRID, dimension="agency"),
        cells(*(code.upper() for code in GRID)),
    ],
)
def test_27_a_cell_outside_the_grid_or_a_missing_one_is_refused(wrong: list[dict[str, Any]]) -> None:
    assert_refused(TREND | {"cells": wrong}, ProblemCode.GRID_MISMATCH)


@pytest.mark.parametrize("kept", [[0], [0, 1], [2, 1, 0], [0, 1, 2, 2]])
def test_27_the_grid_of_a_sum_is_checked_as_well(kept: list[int]) -> None:
    wrong = [aggregate_body()["cells"][place] for place in kept]
    assert_refused(aggregate_body(cells=wrong), ProblemCode.GRID_MISMATCH, kind=Kind.AGGREGATE)


# --- 27: the noise ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [1001, 2000, 10_000])
def test_27_an_epsilon_above_the_floor_is_refused(epsilon: int) -> None:
    scale = Fraction(1000, epsilon)
    body = TREND | {"privacy": TREND["privacy"] | {"epsilon_milli": epsilon}, "mechanism": mechanism(scale)}
    assert_refused(body, ProblemCode.PRIVACY_FLOOR)
    assert_refused(body | {"mechanism": TREND["mechanism"]}, ProblemCode.PRIVACY_FLOOR)


@pytest.mark.parametrize("scale", [Fraction(999, 1000), Fraction(1, 2), Fraction(10**9 - 1, 10**9), Fraction(1, 10**9)])
def test_27_less_noise_than_the_epsilon_promises_is_refused(scale: Fraction) -> None:
    assert_refused(TREND | {"mechanism": mechanism(scale)}, ProblemCode.PRIVACY_FLOOR)


@pytest.mark.parametrize("difference", [-1841, -2, 2, 1000])
def test_27_a_variance_that_is_not_that_of_the_scale_is_refused(difference: int) -> None:
    claimed = mechanism(Fraction(1))
    claimed["variance_milli"] += difference
    assert_refused(TREND | {"mechanism": claimed}, ProblemCode.PRIVACY_FLOOR)


def test_the_largest_scale_of_the_wire_breaks_nothing() -> None:
    huge = {"numerator": 10**9, "denominator": 1}
    body = TREND | {"mechanism": mechanism(Fraction(1)) | {"scale": huge}}
    assert_refused(body, ProblemCode.PRIVACY_FLOOR)


@pytest.mark.parametrize(
    ("epsilon", "scale"), [(1000, Fraction(1)), (500, Fraction(2)), (1000, Fraction(3)), (1, Fraction(1000))]
)
def test_as_much_noise_as_promised_or_more_is_accepted(epsilon: int, scale: Fraction) -> None:
    body = TREND | {"privacy": TREND["privacy"] | {"epsilon_milli": epsilon}, "mechanism": mechanism(scale)}
    assert receive(signed_statement(Kind.TREND, body)).statement.kind is Kind.TREND


@pytest.mark.parametrize(
    ("epsilon", "scale"), [(1000, Fraction(401, 100)), (1000, Fraction(2_200)), (500, Fraction(9))]
)
def test_far_more_noise_than_the_epsilon_asks_for_is_refused(epsilon: int, scale: Fraction) -> None:
    body = TREND | {"privacy": TREND["privacy"] | {"epsilon_milli": epsilon}, "mechanism": mechanism(scale)}
    assert_refused(body, ProblemCode.RELEASE_RULE)
    whole = {"cells": cells(*GRID), "correction": 1, "mechanism": mechanism(2 * Fraction(1000, epsilon))}
    receive(signed_statement(Kind.TREND, body | whole))


@pytest.mark.parametrize("scale", [Fraction(1), Fraction(1999, 1000)])
def test_a_correction_draws_twice_as_much_noise_because_it_can_move_a_record(scale: Fraction) -> None:
    body = TREND | {"cells": cells(*GRID), "correction": 1}
    assert_refused(body | {"mechanism": mechanism(scale)}, ProblemCode.PRIVACY_FLOOR)
    receive(signed_statement(Kind.TREND, body | {"mechanism": mechanism(Fraction(2))}))


@pytest.mark.parametrize(("label", "most"), [("2026-10", 700), ("2026-Q4", 700), ("2026", 300)])
def test_a_tree_divides_its_epsilon_between_the_year_and_the_rest(label: str, most: int) -> None:
    policy = policy_with(granularities=["month", "quarter", "year"], year_epsilon_milli=300)
    body = TREND | {"table": policy.tables[0].reference.to_object(), "period": parse_period(label).to_object()}
    for epsilon in (most, most + 1):
        changed = body | {
            "privacy": TREND["privacy"] | {"epsilon_milli": epsilon},
            "mechanism": mechanism(Fraction(1000, epsilon)),
        }
        if epsilon == most:
            receive(signed_statement(Kind.TREND, changed), policy=policy)
        else:
            assert_refused(changed, ProblemCode.PRIVACY_FLOOR, policy=policy)


def test_a_variance_that_was_rounded_the_other_way_is_accepted() -> None:
    for difference in (-1, 0, 1):
        claimed = mechanism(Fraction(2)) | {"variance_milli": variance_milli(Fraction(2)) + difference}
        receive(signed_statement(Kind.TREND, TREND | {"mechanism": claimed}))


def test_the_unit_of_privacy_is_that_of_the_table() -> None:
    assert_refused(TREND | {"privacy": TREND["privacy"] | {"unit": "person"}}, ProblemCode.PRIVACY_FLOOR)


@pytest.mark.parametrize(("unit", "window"), [("record", "rolling-12-months"), ("person", "period")])
def test_the_window_belongs_to_the_unit(unit: str, window: str) -> None:
    policy = policy_with(unit=unit)
    body = TREND | {"table": policy.tables[0].reference.to_object()}
    privacy = TREND["privacy"] | {"unit": unit}
    assert_refused(body | {"privacy": privacy | {"window": window}}, ProblemCode.RELEASE_RULE, policy=policy)
    right = {"record": "period", "person": "rolling-12-months"}[unit]
    receive(signed_statement(Kind.TREND, body | {"privacy": privacy | {"window": right}}), policy=policy)


@pytest.mark.parametrize("missing", [[0], [0, 1, 2], [2]])
def test_a_correction_has_a_value_in_every_cell(missing: list[int]) -> None:
    """Else it would show in which cells something was corrected."""
    parts = cells(*GRID)
    for place in missing:
        parts[place] = {"dims": {"offence": GRID[place]}, "status": "L"}
    body = TREND | {"correction": 1, "mechanism": mechanism(Fraction(2)), "cells": parts}
    assert_refused(body, ProblemCode.RELEASE_RULE)


# --- the other rules -------------------------------------------------------------------------------------------


def test_a_period_that_the_table_does_not_allow_is_refused() -> None:
    year = {"start": "2026-01-01", "end": "2026-12-31", "granularity": "year", "basis": "recorded"}
    assert_refused(TREND | {"period": year}, ProblemCode.RELEASE_RULE)
    quarter = {"start": "2026-10-01", "end": "2026-12-31", "granularity": "quarter", "basis": "recorded"}
    receive(signed_statement(Kind.TREND, TREND | {"period": quarter}))


def test_a_source_that_the_table_does_not_allow_is_refused() -> None:
    assert_refused(TREND | {"source_kind": "open_media"}, ProblemCode.RELEASE_RULE)


def test_a_suppressed_cell_is_refused_because_noise_makes_it_needless() -> None:
    suppressed = [*TREND["cells"][:2], {"dims": {"offence": GRID[2]}, "status": "Q", "low": 0, "high": 9}]
    assert_refused(TREND | {"cells": suppressed}, ProblemCode.RELEASE_RULE)


def test_a_cell_that_was_not_collected_is_accepted() -> None:
    uncollected = [*TREND["cells"][:2], {"dims": {"offence": GRID[2]}, "status": "L"}]
    receive(signed_statement(Kind.TREND, TREND | {"cells": uncollected}))


@pytest.mark.parametrize("audience", ["region", "nation", "europe"])
def test_a_citys_trend_goes_to_its_hub_alone_so_that_no_city_is_ranked(audience: str) -> None:
    assert_refused(TREND, ProblemCode.RELEASE_RULE, audience=audience)


def test_a_practice_for_the_hub_alone_is_refused() -> None:
    assert_refused(BODIES[Kind.PRACTICE], ProblemCode.RELEASE_RULE, kind=Kind.PRACTICE, audience="hub")


@pytest.mark.parametrize("kind", Kind)
def test_an_honest_statement_of_every_kind_passes(kind: Kind) -> None:
    verified = receive(signed_statement(kind))
    check_releasable(verified.statement, POLICY)


def test_the_node_can_ask_about_figures_before_there_is_a_statement() -> None:
    check_trend(TrendBody.from_object(TREND), POLICY)
    with pytest.raises(ReleaseRuleError):
        check_trend(TrendBody.from_object(TREND | {"cells": cells(*GRID[:2])}), POLICY)


@pytest.mark.parametrize("label", ["2026-11", "2026-Q4", "2026", "2027-01"])
def test_a_period_in_which_records_can_still_come_in_is_refused(label: str) -> None:
    with pytest.raises(ReleaseRuleError, match="expected a period that has ended"):
        check_ended(parse_period(label), datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC))


def test_a_period_has_ended_on_the_day_after_its_last() -> None:
    check_ended(parse_period("2026-11"), datetime(2026, 12, 1, tzinfo=UTC))


# --- thresholds ------------------------------------------------------------------------------------------------------


def with_threshold(threshold: int, *cells: int | tuple[int, int]) -> dict[str, Any]:
    """A quarter of a city that refuses noise; a pair is what everybody may know of a suppressed cell."""
    padded = (*cells, 50, 50)[: len(GRID)]
    parts = [
        {"dims": {"offence": code}, "status": "A", "value": cell} if isinstance(cell, int) else
        {"dims": {"offence": code}, "status": "Q", "low": cell[0], "high": cell[1]}
        for code, cell in zip(GRID, padded, strict=True)
    ]  # fmt: skip
    mechanism = {"name": "threshold-rounding", "threshold": threshold, "base": 5, "library": "scipy"}
    body = trend_body(period=parse_period("2026-Q3").to_object(), mechanism=mechanism, cells=parts)
    del body["privacy"]
    return body


@pytest.mark.parametrize(
    ("threshold", "least"), [(5, 5), (6, 10), (7, 10), (8, 10), (9, 10), (10, 10), (11, 15), (12, 15), (13, 15)]
)
def test_the_least_figure_stands_for_three_counts_from_the_threshold_on(threshold: int, least: int) -> None:
    """With a threshold of 7 a figure of 5 could only be 7, with one of 12 a 10 only 12."""
    assert_refused(with_threshold(threshold, least - 5), ProblemCode.PRIVACY_FLOOR)
    assert_refused(with_threshold(threshold, least + 1), ProblemCode.PRIVACY_FLOOR)
    receive(signed_statement(Kind.TREND, with_threshold(threshold, least)))


@pytest.mark.parametrize(
    "interval", [(0, 8), (0, 14), (0, 10**9), (1, 10), (9, 17), (10, 18), (10, 20), (10, 10**9), (-5, 9), (20, 20)]
)
def test_a_suppressed_cell_says_what_everybody_may_know_and_nothing_else(interval: tuple[int, int]) -> None:
    assert_refused(with_threshold(10, interval), ProblemCode.PRIVACY_FLOOR)


@pytest.mark.parametrize("interval", [(0, 9), (0, 11), (10, 19), (20, 39), (12, 23), (40, 79)])
def test_the_ladder_of_a_node_is_taken(interval: tuple[int, int]) -> None:
    receive(signed_statement(Kind.TREND, with_threshold(10, interval)))
