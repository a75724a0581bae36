"""The sums that hubs publish, as tables: one per hub and table, a row per period, a column per cell.

A figure is shown only where it says something: from 11 on, and with an interval narrower than the figure itself.
Everything else is `too few to tell`; hidden, not collected and zero are three different things.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from local_node.web.presentation import words
from shared_schema.statement import StatementBody
from shared_schema.trend import AggregateBody, AggregateCell

LEAST_SHOWN = 11
"""Below it a reader would take noise for news (DESIGN section 4)."""
PERIODS_SHOWN = 24
_NORMAL_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Figure:
    """One cell of the page. `kind` is figure, few, hidden or missing."""

    kind: str
    value: int | None = None
    half_width: int | None = None


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """One period: a figure per cell, the total, and how many cities are in it."""

    period: str
    figures: tuple[Figure, ...]
    total: Figure
    reporting: int
    expected: int


@dataclass(frozen=True, slots=True)
class TrendTable:
    """One table of one hub."""

    hub: str
    table: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[PeriodRow, ...]


def make_tables(aggregates: Iterable[tuple[str, StatementBody]]) -> tuple[TrendTable, ...]:
    """The tables of (origin, aggregate) pairs; of several revisions the highest one counts."""
    newest: dict[tuple[str, str], dict[str, AggregateBody]] = {}
    for origin, body in aggregates:
        if not isinstance(body, AggregateBody) or body.complete:
            continue
        periods = newest.setdefault((body.table.id, origin), {})
        known = periods.get(body.period.label)
        if known is None or (known.table.version, known.revision) <= (body.table.version, body.revision):
            periods[body.period.label] = body
    return tuple(_table(origin, table, list(periods.values())) for (table, origin), periods in sorted(newest.items()))


def _table(hub: str, table: str, bodies: Sequence[AggregateBody]) -> TrendTable:
    latest = max(body.table.version for body in bodies)
    shown = sorted(
        (body for body in bodies if body.table.version == latest), key=lambda body: body.period.start, reverse=True
    )
    columns = tuple(code for cell in shown[0].cells for code in cell.dims.values())
    return TrendTable(
        hub=hub,
        table=table,
        title=words(table),
        columns=tuple(map(words, columns)),
        rows=tuple(_row(body) for body in shown[:PERIODS_SHOWN]),
    )


def _row(body: AggregateBody) -> PeriodRow:
    return PeriodRow(
        period=body.period.label,
        figures=tuple(map(_figure, body.cells)),
        total=_total(body.cells),
        reporting=body.coverage.reporting,
        expected=body.coverage.expected,
    )


def _figure(cell: AggregateCell) -> Figure:
    if cell.status == "Q":
        return Figure("hidden")
    if cell.estimate is None or cell.low is None or cell.high is None:
        return Figure("missing")
    return _shown(cell.estimate, math.ceil((cell.high - cell.low) / 2))


def _total(cells: Sequence[AggregateCell]) -> Figure:
    """The sum of the cells: of what was published, so it costs nothing more."""
    if any(cell.status == "Q" for cell in cells):
        return Figure("hidden")
    estimates = [cell.estimate for cell in cells if cell.estimate is not None]
    if len(estimates) != len(cells):
        return Figure("missing")
    variance = sum(cell.variance_milli or 0 for cell in cells) / 1000
    return _shown(sum(estimates), math.ceil(_NORMAL_95 * math.sqrt(variance)))


def _shown(value: int, half_width: int) -> Figure:
    if value < LEAST_SHOWN or 2 * half_width >= value:
        return Figure("few")
    return Figure("figure", value, half_width)
