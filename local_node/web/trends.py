"""The sums that hubs publish, as tables: one per hub and table, a row per period, a column per cell.

A figure is shown only where it says something: from 11 on, and with an interval narrower than the figure itself.
Everything else is `too few to tell`; hidden, not collected and zero are three different things. Months are rolled up to
quarters and years where all of them are there: of what was published, so it costs no privacy, and the longer the
period, the more there is to see.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from local_node.web.presentation import words
from shared_schema.statement import StatementBody
from shared_schema.trend import AggregateBody, AggregateCell

LEAST_SHOWN = 11
"""Below it a reader would take noise for news (DESIGN section 4)."""
SHOWN = {"year": 10, "quarter": 12, "month": 24}
"""How many periods of each length a page shows, the longest first."""
MONTHS = {"month": 1, "quarter": 3, "year": 12}
_NORMAL_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Estimate:
    """A published estimate, or why there is none. `kind` is known, hidden or missing."""

    kind: str
    value: int = 0
    variance: float = 0.0
    half_width: int = 0


@dataclass(frozen=True, slots=True)
class Figure:
    """One cell of the page. `kind` is figure, few, hidden or missing."""

    kind: str
    value: int | None = None
    half_width: int | None = None


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """One period: a figure per cell, the total, and how many members are in it at least."""

    period: str
    figures: tuple[Figure, ...]
    total: Figure
    reporting: int
    expected: int


@dataclass(frozen=True, slots=True)
class TrendTable:
    """One table of one hub; `rows` by the length of their periods, the longest first."""

    hub: str
    title: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[PeriodRow, ...]]


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
    current = [body for body in bodies if body.table.version == latest]
    rows = {length: _rows(current, length)[: SHOWN[length]] for length in SHOWN}
    return TrendTable(
        hub=hub,
        title=words(table),
        columns=tuple(words(code) for cell in current[0].cells for code in cell.dims.values()),
        rows={length: found for length, found in rows.items() if found},
    )


def _rows(bodies: Sequence[AggregateBody], length: str) -> tuple[PeriodRow, ...]:
    """Rows of one length, newest first: as published, or rolled up from months."""
    published = {body.period.label: [body] for body in bodies if body.period.granularity == length}
    months: dict[str, list[AggregateBody]] = {}
    for body in bodies:
        if body.period.granularity == "month":
            months.setdefault(_label(body, length), []).append(body)
    whole = {label: found for label, found in months.items() if len(found) == MONTHS[length]}
    parts = whole | published
    return tuple(_row(label, parts[label]) for label in sorted(parts, reverse=True))


def _label(body: AggregateBody, length: str) -> str:
    """The label of the period of this length in which a body lies."""
    year, month = body.period.start[:4], int(body.period.start[5:7])
    return {"month": body.period.label, "quarter": f"{year}-Q{(month + 2) // 3}", "year": year}[length]


def _row(label: str, bodies: Sequence[AggregateBody]) -> PeriodRow:
    by_cell = zip(*(map(_estimate, body.cells) for body in bodies), strict=True)
    estimates = [_sum(list(cell)) for cell in by_cell]
    return PeriodRow(
        period=label,
        figures=tuple(map(_figure, estimates)),
        total=_figure(_sum(estimates)),
        reporting=min(body.coverage.reporting for body in bodies),
        expected=max(body.coverage.expected for body in bodies),
    )


def _estimate(cell: AggregateCell) -> Estimate:
    if cell.status == "Q":
        return Estimate("hidden")
    if cell.estimate is None or cell.low is None or cell.high is None:
        return Estimate("missing")
    variance = (cell.variance_milli or 0) / 1000
    return Estimate("known", cell.estimate, variance, math.ceil((cell.high - cell.low) / 2))


def _sum(estimates: Sequence[Estimate]) -> Estimate:
    """The sum, with the interval that its variance gives; hidden or missing as soon as one part is."""
    if len(estimates) == 1:
        return estimates[0]
    for kind in ("hidden", "missing"):
        if any(estimate.kind == kind for estimate in estimates):
            return Estimate(kind)
    variance = sum(estimate.variance for estimate in estimates)
    value = sum(estimate.value for estimate in estimates)
    return Estimate("known", value, variance, math.ceil(_NORMAL_95 * math.sqrt(variance)))


def _figure(estimate: Estimate) -> Figure:
    if estimate.kind != "known":
        return Figure(estimate.kind)
    if estimate.value < LEAST_SHOWN or 2 * estimate.half_width >= estimate.value:
        return Figure("few")
    return Figure("figure", estimate.value, estimate.half_width)
