"""Figures: a suppressed or uncollected cell is never 0, and nothing about single records has a place."""

from fractions import Fraction
from typing import Any

import pytest

from shared_schema.errors import SchemaError
from shared_schema.trend import (
    MAX_ABSOLUTE_VALUE,
    MAX_CELLS,
    AggregateBody,
    AggregateCell,
    Coverage,
    ReleasedCell,
    Scale,
    TableDefinition,
    TrendBody,
    grid_of,
)
from tests.shared_schema.builders import GRID, TABLE, aggregate_body, aggregate_cell, trend_body

FIGURES = {"estimate": 41, "variance_milli": 5524, "low": 36, "high": 46}


def released(status: str, **value: object) -> dict[str, Any]:
    return {"dims": {"offence": "verbal"}, "status": status, **value}


@pytest.mark.parametrize("status", ["L", "Q"])
@pytest.mark.parametrize("value", [0, 1, -1])
def test_a_cell_that_is_suppressed_or_not_collected_has_no_value(status: str, value: int) -> None:
    with pytest.raises(SchemaError, match="expected a value exactly when"):
        ReleasedCell.from_object(released(status, value=value))
    bounds = {"low": 0, "high": 9} if status == "Q" else {}
    assert ReleasedCell.from_object({**released(status), **bounds}).value is None


def test_a_suppressed_cell_is_an_interval_and_nothing_else_is_one() -> None:
    for wrong in ({}, {"low": 0}, {"high": 9}, {"low": 9, "high": 0}):
        with pytest.raises(SchemaError):
            ReleasedCell.from_object({**released("Q"), **wrong})
    with pytest.raises(SchemaError):
        ReleasedCell.from_object({**released("A", value=5), "low": 0, "high": 9})


@pytest.mark.parametrize("status", ["A", "B", "D"])
def test_a_reported_cell_has_a_value_and_zero_is_one(status: str) -> None:
    with pytest.raises(SchemaError, match="expected a value exactly when"):
        ReleasedCell.from_object(released(status))
    assert ReleasedCell.from_object(released(status, value=0)).value == 0
    assert ReleasedCell.from_object(released(status, value=-9)).value == -9


@pytest.mark.parametrize(
    "cell",
    [
        released("A", value=MAX_ABSOLUTE_VALUE + 1),
        released("A", value=-MAX_ABSOLUTE_VALUE - 1),
        released("A", value="1"),
        released("A", value=True),
        released("E", value=1),
        released("a", value=1),
        released("", value=1),
        released("A", value=1, true_count=2),
        released("A", value=1, records=2),
        released("A", value=1) | {"dims": {}},
        released("A", value=1) | {"dims": {"offence": "verbal", "age": "15-17"}},
        released("A", value=1) | {"dims": {"Offence": "verbal"}},
        released("A", value=1) | {"dims": {"offence": ""}},
        released("A", value=1) | {"dims": {"offence": "two words"}},
        released("A", value=1) | {"dims": {"offence": "a" * 41}},
        released("A", value=1) | {"dims": {"offence": 1}},
    ],
)
def test_a_released_cell_of_another_form_is_refused(cell: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        ReleasedCell.from_object(cell)


@pytest.mark.parametrize("missing", FIGURES)
def test_a_shown_sum_has_all_of_its_figures(missing: str) -> None:
    figures = {name: value for name, value in FIGURES.items() if name != missing}
    with pytest.raises(SchemaError, match="expected estimate"):
        AggregateCell.from_object(aggregate_cell("verbal", contributors=3) | figures)


@pytest.mark.parametrize("status", ["Q", "L"])
@pytest.mark.parametrize("given", FIGURES)
def test_a_hidden_sum_has_none_of_its_figures(status: str, given: str) -> None:
    with pytest.raises(SchemaError, match="expected estimate"):
        AggregateCell.from_object(aggregate_cell("verbal", contributors=2, status=status, **{given: FIGURES[given]}))


@pytest.mark.parametrize(
    "name", ["true_count", "seed", "records", "raw_records", "exact_time", "recorded_at", "agency", "agencies", "note"]
)
def test_there_is_no_field_for_what_must_not_leave(name: str) -> None:
    with pytest.raises(SchemaError, match="Extra inputs"):
        TrendBody.from_object(trend_body(**{name: 1}))


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("cells", []),
        ("cells", [released("A", value=1)] * (MAX_CELLS + 1)),
        ("mechanism", trend_body()["mechanism"] | {"name": "laplace"}),
        ("mechanism", trend_body()["mechanism"] | {"scale": {"numerator": 0, "denominator": 1}}),
        ("mechanism", trend_body()["mechanism"] | {"scale": {"numerator": 1, "denominator": 0}}),
        ("mechanism", trend_body()["mechanism"] | {"variance_milli": -1}),
        ("privacy", trend_body()["privacy"] | {"epsilon_milli": 0}),
        ("privacy", trend_body()["privacy"] | {"epsilon_milli": 10_001}),
        ("privacy", trend_body()["privacy"] | {"unit": "household"}),
        ("ledger", {"seq": 0, "head": "ab" * 32}),
        ("ledger", {"seq": 1, "head": "AB" * 32}),
        ("table", TABLE.reference.to_object() | {"fingerprint": "ab" * 31}),
        ("source_kind", "rumour"),
        ("review", {"role": "author", "detector": "x", "findings": 0}),
    ],
)
def test_a_trend_of_another_form_is_refused(field: str, wrong: object) -> None:
    with pytest.raises(SchemaError, match=f"^{field}"):
        TrendBody.from_object(trend_body(**{field: wrong}))


def test_no_more_report_than_are_expected() -> None:
    with pytest.raises(SchemaError, match="at most as many"):
        Coverage.from_object({"reporting": 5, "expected": 4})
    assert Coverage(reporting=4, expected=4).expected == 4


def test_an_aggregate_carries_one_scale_or_none() -> None:
    assert AggregateBody.from_object(aggregate_body()).scale == Scale(numerator=1, denominator=1)
    without = {name: value for name, value in aggregate_body().items() if name != "scale"}
    assert AggregateBody.from_object(without).scale is None


@pytest.mark.parametrize(
    "change",
    [
        {"cells": ["verbal", "verbal"]},
        {"cells": []},
        {"cells": ["two words"]},
        {"id": "Bias"},
        {"id": "a" * 81},
        {"version": 0},
        {"unit": "household"},
        {"granularities": ["day"]},
        {"granularities": []},
        {"source_kinds": []},
        {"epsilon_milli": 0},
        {"title": ""},
    ],
)
def test_a_table_of_another_form_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(SchemaError):
        TableDefinition.from_object(TABLE.to_object() | change)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"title": "Bias incidents by kind of offence"},
        {"cells": [*GRID, "other"]},
        {"cells": list(reversed(GRID))},
        {"epsilon_milli": 999},
        {"unit": "person"},
        {"granularities": ["quarter", "month"]},
    ],
)
def test_the_fingerprint_names_exactly_one_wording(change: dict[str, object]) -> None:
    other = TableDefinition.from_object(TABLE.to_object() | change)
    assert other.fingerprint != TABLE.fingerprint
    assert TableDefinition.from_bytes(TABLE.to_bytes()).reference == TABLE.reference


def test_the_grid_is_read_in_order() -> None:
    body = TrendBody.from_object(trend_body())
    assert list(grid_of(body.cells)) == [("offence", code) for code in GRID]


def test_a_scale_is_an_exact_fraction() -> None:
    assert Scale(numerator=4, denominator=3).to_fraction() == Fraction(4, 3)
