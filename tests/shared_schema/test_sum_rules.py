"""What a hub's sum may say of sealed totals: bounds that hold without knowing any batch."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from shared_schema.errors import ReleaseRuleError, SchemaError
from shared_schema.sum_rules import check_noise_of_sum, check_sum
from shared_schema.trend import AggregateBody
from tests.shared_schema import builders

VARIANCE = 15_671
"""Two draws at an epsilon of 0.5: 2 * 7.8353, in thousandths, rounded draw by draw."""
Body = dict[str, Any]


def noise(draws: int, numerator: int = 2) -> list[Body]:
    return [{"draws": draws, "scale": {"numerator": numerator, "denominator": 1}}]


def sealed_body(**changes: Any) -> Body:
    """Six cities in one batch, complete."""
    cell: Body = {
        "contributors": 6,
        "estimate": 4,
        "variance_milli": VARIANCE,
        "low": -4,
        "high": 12,
        "noise": noise(2),
    }
    cells = [builders.aggregate_cell(code, **cell) for code in builders.GRID]
    body = builders.aggregate_body(
        complete=True, mechanism="two-hub", batches=[builders.DIGEST], cells=cells,
        coverage={"reporting": 6, "expected": 8}, agencies={"reporting": 0, "expected": 0},
    )  # fmt: skip
    del body["scale"]
    return body | changes


def in_cells(body: Body, **changes: Any) -> Body:
    return body | {"cells": [cell | changes for cell in body["cells"]]}


def in_first(body: Body, **changes: Any) -> Body:
    first, *others = body["cells"]
    return body | {"cells": [first | changes, *others]}


def check(body: Body) -> None:
    found = AggregateBody.from_object(body)
    check_sum(found)
    check_noise_of_sum(found, builders.TABLE)


def part(contributors: int = 6, variance: int = VARIANCE) -> Body:
    return {"contributors": contributors, "estimate": 4, "variance_milli": variance}


def mixed(**changes: Any) -> Body:
    """The six, and two cities with a draw of their own."""
    body = {name: value for name, value in sealed_body().items() if name != "mechanism"}
    more = {"contributors": 8, "variance_milli": 2 * VARIANCE, "noise": noise(4), "sealed": part()}
    return in_cells(body, **more | changes) | {"coverage": {"reporting": 8, "expected": 8}}


def test_what_an_honest_hub_says_passes() -> None:
    check(sealed_body())
    check(mixed())


REFUSED: Mapping[str, Callable[[], Body]] = {
    "four cities": lambda: in_cells(sealed_body(), contributors=4) | {"coverage": {"reporting": 4, "expected": 8}},
    "one draw": lambda: in_cells(sealed_body(), noise=noise(1), variance_milli=7_835),
    "three draws": lambda: in_cells(sealed_body(), noise=noise(3), variance_milli=23_506),
    "a scale below the table's": lambda: in_cells(
        sealed_body(), noise=[{"draws": 2, "scale": {"numerator": 1, "denominator": 2}}], variance_milli=724
    ),
    "two batches with two draws": lambda: sealed_body(batches=["ab" * 32, "cd" * 32]),
    "less variance than its noise": lambda: in_cells(sealed_body(), variance_milli=100),
    "rounding in it": lambda: in_cells(
        sealed_body(), noise=[*noise(2), {"draws": 2, "base": 5}], variance_milli=VARIANCE + 4_000
    ),
    "no noise and hardly any variance": lambda: {
        **sealed_body(),
        "cells": [
            {name: value for name, value in cell.items() if name != "noise"} | {"variance_milli": 10}
            for cell in sealed_body()["cells"]
        ],
    },
    "fewer cities in one cell": lambda: in_first(sealed_body(), contributors=5),
    "less noise in one cell": lambda: in_first(sealed_body(), noise=noise(4, 1), variance_milli=7_364),
    "a cell that was not collected": lambda: sealed_body(
        cells=[builders.aggregate_cell("verbal", contributors=0, status="L"), *sealed_body()["cells"][1:]]
    ),
    "a suppressed city": lambda: in_cells(sealed_body(), suppressed=1, suppressed_high=4),
    "a mix whose cities have not drawn": lambda: mixed(noise=noise(2), variance_milli=VARIANCE),
    "a mix with a sealed part of four": lambda: mixed(sealed=part(4)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_sum_that_no_batch_can_make_is_refused(name: str) -> None:
    with pytest.raises(ReleaseRuleError):
        check(REFUSED[name]())


NO_FORM: Mapping[str, Callable[[], Body]] = {
    "another mechanism": lambda: sealed_body(mechanism="three-hub"),
    "batches of no sealed total": lambda: builders.aggregate_body(batches=[builders.DIGEST]),
    "a batch twice": lambda: sealed_body(batches=["ab" * 32, "ab" * 32]),
    "batches out of order": lambda: sealed_body(batches=["cd" * 32, "ab" * 32]),
    "more batches than there can be": lambda: sealed_body(batches=[f"{number:064x}" for number in range(201)]),
    "sealed twice over": lambda: in_cells(sealed_body(), sealed=part()),
    "more sealed cities than cities": lambda: mixed(sealed=part(9)),
    "more sealed variance than variance": lambda: mixed(sealed=part(6, 3 * VARIANCE)),
}


@pytest.mark.parametrize("name", NO_FORM)
def test_a_sum_that_contradicts_itself_has_no_form(name: str) -> None:
    with pytest.raises(SchemaError):
        check(NO_FORM[name]())


def test_a_sum_without_sealed_totals_has_none_of_the_fields() -> None:
    said = AggregateBody.from_object(builders.aggregate_body()).to_object()
    assert said == builders.aggregate_body()
