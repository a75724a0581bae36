"""Figures are shown where they say something; hidden, missing, few and zero stay four things."""

from typing import Any

import pytest

from local_node.web.trends import Figure, PeriodRow, make_tables
from shared_schema.governance import PolicyBody
from shared_schema.period import parse_period
from shared_schema.trend import AggregateBody, MeasureDefinition

HUB = "sachsen.de"


def cell(code: str, estimate: int | None, *, half_width: int = 3, status: str = "A", **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"dims": {"offence": code}, "status": status, "contributors": 4} | more
    if estimate is None:
        return base
    return base | {
        "estimate": estimate,
        "variance_milli": 2000,
        "low": estimate - half_width,
        "high": estimate + half_width,
    }


def aggregate(
    period: str, *cells: dict[str, Any], revision: int = 1, complete: bool = False, **more: Any
) -> AggregateBody:
    return AggregateBody.from_object(
        {
            "table": {"id": "bias_incidents.by_offence", "version": 1, "fingerprint": "0" * 64},
            "area": {"scheme": "NUTS", "version": "2024", "code": "DED"},
            "period": parse_period(period).to_object(),
            "source_kind": "agency_return",
            "complete": complete,
            "revision": revision,
            "coverage": {"reporting": 4, "expected": 5},
            "agencies": {"reporting": 9, "expected": 10},
            "cells": list(cells),
        }
        | more
    )


def figures(*cells: dict[str, Any]) -> tuple[Figure, ...]:
    ((table,), (row,)) = (tables := make_tables([(HUB, aggregate("2026-01", *cells))])), tables[0].rows["month"]
    assert table.columns == tuple(f"C{number}" for number in range(len(cells)))
    return row.figures


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (cell("c0", 40), Figure("figure", 40, 3)),
        (cell("c0", 11), Figure("figure", 11, 3)),
        (cell("c0", 10), Figure("few")),
        (cell("c0", 0), Figure("few")),
        (cell("c0", -4), Figure("few")),
        (cell("c0", 40, half_width=20), Figure("few")),
        (cell("c0", None, status="Q"), Figure("hidden", notes=("few-cities",))),
        (cell("c0", None, status="Q", withheld="dominance"), Figure("hidden", notes=("dominance",))),
        (cell("c0", None, status="Q", withheld="differencing"), Figure("hidden", notes=("differencing",))),
        (cell("c0", 0, half_width=0), Figure("zero", 0, 0)),
        (cell("c0", 40, status="B"), Figure("figure", 40, 3, notes=("break",))),
        (cell("c0", 40, status="D"), Figure("figure", 40, 3, notes=("definition",))),
        (
            cell("c0", 40, suppressed=3, suppressed_high=27),
            Figure("figure", 40, 3, kept=(3, 27)),
        ),
        (
            cell("c0", 40, suppressed=1, suppressed_high=9),
            Figure("figure", 40, 3, kept=(1, 9)),
        ),
        (
            cell("c0", None, status="Q", suppressed=3, suppressed_high=27, contributors=0),
            Figure("hidden", notes=("kept",), kept=(3, 27)),
        ),
        (cell("c0", None, status="Q", contributors=0), Figure("hidden", notes=("kept",))),
        (cell("c0", None, status="L"), Figure("missing")),
    ],
)
def test_a_figure_is_shown_only_where_it_says_something(given: dict[str, Any], shown: Figure) -> None:
    assert figures(given) == (shown,)


def test_the_total_is_the_sum_of_what_was_published() -> None:
    (table,) = make_tables([(HUB, aggregate("2026-01", cell("a", 30), cell("b", 20)))])
    assert table.rows["month"][0].total == Figure("figure", 50, 4)  # 1.96 times the root of 2 + 2, rounded up


def test_a_total_with_a_hidden_part_is_hidden() -> None:
    (table,) = make_tables([(HUB, aggregate("2026-01", cell("a", 30), cell("b", None, status="Q")))])
    assert table.rows["month"][0].total == Figure("hidden")


def test_the_highest_revision_counts_and_sums_for_the_parent_do_not() -> None:
    bodies = [
        aggregate("2026-01", cell("a", 60), revision=2),
        aggregate("2026-01", cell("a", 30), revision=1),
        aggregate("2026-01", cell("a", 90), revision=3, complete=True),
    ]
    (table,) = make_tables([(HUB, body) for body in bodies])
    assert table.rows["month"][0].figures == (Figure("figure", 60, 3),)


def test_months_are_rolled_up_where_all_of_them_are_there() -> None:
    months = [aggregate(f"2025-{month:02d}", cell("a", 5)) for month in range(1, 13)]
    months.append(aggregate("2026-01", cell("a", 5)))
    (table,) = make_tables([(HUB, body) for body in months])
    assert list(table.rows) == ["year", "quarter", "month"]
    (year,) = table.rows["year"]
    assert (year.period, year.figures[0].value) == ("2025", 60)
    assert [row.period for row in table.rows["quarter"]] == ["2025-Q4", "2025-Q3", "2025-Q2", "2025-Q1"]
    assert table.rows["month"][0].period == "2026-01"


def test_a_published_quarter_is_not_replaced_by_its_months() -> None:
    bodies = [aggregate(f"2025-{month:02d}", cell("a", 5)) for month in (1, 2, 3)]
    bodies.append(aggregate("2025-Q1", cell("a", 99)))
    (table,) = make_tables([(HUB, body) for body in bodies])
    assert [row.figures[0].value for row in table.rows["quarter"]] == [99]


MONTHS = [f"{2024 + number // 12}-{number % 12 + 1:02d}" for number in range(24)]
CALM = (100, 104, 97, 101, 99, 103, 98, 102, 100, 101, 99, 100, 103, 98)


def rows_of(*figures: dict[str, Any], policy: PolicyBody | None = None) -> tuple[PeriodRow, ...]:
    bodies = [aggregate(month, figure) for month, figure in zip(MONTHS, figures, strict=False)]
    (table,) = make_tables([(HUB, body) for body in bodies], {HUB: policy} if policy else None)
    return table.rows["month"]


def test_an_arrow_and_a_peak_stand_where_a_calm_series_jumps_and_nowhere_else() -> None:
    newest, *older = rows_of(*(cell("a", count) for count in (*CALM, 180)))
    assert (newest.figures[0].direction, newest.figures[0].peak) == ("up", True)
    assert (newest.total.direction, newest.total.peak) == ("up", True)
    assert {(row.figures[0].direction, row.figures[0].peak) for row in older} == {(None, False)}


@pytest.mark.parametrize(
    ("change", "obstacle"),
    [({"status": "B"}, "break"), ({"status": "D"}, "definition"), ({"contributors": 3}, "other-cities")],
)
def test_what_is_not_counted_alike_gets_no_arrow_and_never_stands_out(change: dict[str, Any], obstacle: str) -> None:
    newest = rows_of(*(cell("a", count) for count in CALM), cell("a", 180, **change))[0]
    assert newest.figures[0].direction is None
    assert not newest.figures[0].peak
    assert newest.figures[0].obstacle == obstacle


def test_a_missing_period_has_no_arrow_after_it() -> None:
    bodies = [aggregate(month, cell("a", count)) for month, count in zip(MONTHS, (*CALM, 0, 180), strict=False)]
    del bodies[14]
    (table,) = make_tables([(HUB, body) for body in bodies])
    assert table.rows["month"][0].figures[0].direction is None


def test_years_learn_from_their_months_how_much_the_figures_jump_about() -> None:
    figures = [cell("a", count, half_width=1) for count in (*[100, 102, 98] * 4, *[160, 158, 162] * 4)]
    (table,) = make_tables([(HUB, aggregate(month, each)) for month, each in zip(MONTHS, figures, strict=True)])
    assert [row.figures[0].direction for row in table.rows["year"]] == ["up", None]


def test_the_policy_says_from_where_on_a_number_is_shown_and_what_is_never_added_up_over_time(
    policy: PolicyBody,
) -> None:
    assert rows_of(cell("a", 40))[0].figures[0].kind == "figure"
    strict = policy.model_copy(update={"least_shown": 50})
    assert rows_of(cell("a", 40), policy=strict)[0].figures[0].kind == "few"
    (definition,) = [table for table in policy.tables if table.id == "bias_incidents.by_offence"]
    stock = MeasureDefinition(
        id=definition.measure, title="In stock", unit="record", source_kinds=definition.source_kinds, stock=True
    )
    in_stock = policy.model_copy(update={"measures": (stock,)})
    months = [(HUB, aggregate(month, cell("a", 40))) for month in MONTHS]
    (table,) = make_tables(months, {HUB: in_stock})
    assert list(table.rows) == ["month"]
    assert table.stock


def test_older_versions_of_a_table_are_named_and_not_mixed_with_the_newest() -> None:
    reference = {"id": "bias_incidents.by_offence", "version": 2, "fingerprint": "1" * 64}
    bodies = [aggregate("2026-01", cell("a", 30)), aggregate("2026-02", cell("a", 50), table=reference)]
    (table,) = make_tables([(HUB, body) for body in bodies])
    assert table.older_versions == (1,)
    assert [row.period for row in table.rows["month"]] == ["2026-02"]


def test_a_page_that_asks_for_less_gets_the_same_figures_of_it() -> None:
    bodies = [
        (HUB, aggregate(month, cell("a", count), cell("b", 2 * count)))
        for month, count in zip(MONTHS, CALM, strict=False)
    ]
    (whole,), (part,) = make_tables(bodies), make_tables(bodies, shown={"month": 5}, chosen=["b"])
    assert part.codes == ("b",)
    assert list(part.rows) == ["month"]
    for row, found in zip(whole.rows["month"][:5], part.rows["month"], strict=True):
        assert found.figures == row.figures[1:]
        assert found.total == row.total


def test_every_hub_and_table_has_its_own_table() -> None:
    body = aggregate("2026-01", cell("a", 30))
    assert [table.hub for table in make_tables([("nrw.de", body), ("bund.de", body)])] == ["bund.de", "nrw.de"]
    assert make_tables([]) == ()
