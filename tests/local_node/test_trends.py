"""Figures are shown where they say something; hidden, missing, few and zero stay four things."""

from typing import Any

import pytest

from local_node.web.trends import Figure, make_tables
from shared_schema.period import parse_period
from shared_schema.trend import AggregateBody

HUB = "sachsen.de"


def cell(code: str, estimate: int | None, *, half_width: int = 3, status: str = "A") -> dict[str, Any]:
    base: dict[str, Any] = {"dims": {"offence": code}, "status": status, "contributors": 4}
    if estimate is None:
        return base
    return base | {
        "estimate": estimate,
        "variance_milli": 2000,
        "low": estimate - half_width,
        "high": estimate + half_width,
    }


def aggregate(period: str, *cells: dict[str, Any], revision: int = 1, complete: bool = False) -> AggregateBody:
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
        (cell("c0", None, status="Q"), Figure("hidden")),
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


def test_every_hub_and_table_has_its_own_table() -> None:
    body = aggregate("2026-01", cell("a", 30))
    assert [table.hub for table in make_tables([("nrw.de", body), ("bund.de", body)])] == ["bund.de", "nrw.de"]
    assert make_tables([]) == ()
