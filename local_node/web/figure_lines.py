"""Protected figures, cell by cell, as people read them: what leaves and how far from the truth it may be.

A line is made from the body that leaves or from the preview of one; the true count is in neither.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from local_node.preview import margin_of, odds_factor
from local_node.web.words import Words
from shared_schema.service.pages.terms import cell_label
from shared_schema.trend import LaplaceMechanism, TrendBody

NOTED: Final = ("B", "D")
"""Statuses of which a reader is told: a break in the series, a definition of its own."""


@dataclass(frozen=True, slots=True)
class FigureLine:
    """One cell. `value` is None where it is still drawn, suppressed or was not collected, as `status` says."""

    label: str
    status: str
    value: int | None
    within: int | None
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Promise:
    """What the noise of a release promises: the odds about one `unit` change by a factor of `odds` at most."""

    unit: str
    odds: float
    epsilon_milli: int


def lines_of_body(body: TrendBody, words: Words) -> tuple[FigureLine, ...]:
    """The cells as they leave."""
    scale = _scale_of(body)
    return tuple(
        FigureLine(
            words.gettext(cell_label(dimension, code)),
            cell.status,
            cell.value,
            None if cell.value is None else margin_of(scale),
            cell.low,
            cell.high,
        )
        for cell in body.cells
        for dimension, code in cell.dims.items()
    )


def lines_of_preview(cells: Iterable[Mapping[str, Any]], dimension: str, words: Words) -> tuple[FigureLine, ...]:
    """The cells as they would leave."""
    return tuple(
        FigureLine(
            words.gettext(cell_label(dimension, cell["cell"])),
            cell["status"],
            cell["value"],
            cell["within"],
            cell["low"],
            cell["high"],
        )
        for cell in cells
    )


def promise_of(body: TrendBody) -> Promise | None:
    """What the body's noise promises; None where figures are rounded and suppressed instead."""
    if body.privacy is None:
        return None
    return Promise(body.privacy.unit, odds_factor(body.privacy.epsilon_milli), body.privacy.epsilon_milli)


def _scale_of(body: TrendBody) -> Fraction | None:
    mechanism = body.mechanism
    if not isinstance(mechanism, LaplaceMechanism):
        return None
    return Fraction(mechanism.scale.numerator, mechanism.scale.denominator)
