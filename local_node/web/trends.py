"""The sums that hubs publish, as tables: one per hub and table, a row per period, a column per cell.

A figure is shown only where it says something: from the policy's `least_shown` on, and when half its interval is less
than half the figure. Everything else is `too few`; hidden, not collected and zero are three different things. Quarters
and years are those that the hub publishes; where it has none, months are added up here, of what was published, so it
costs no privacy. What is in stock (`MeasureDefinition.stock`) is never added up over time. An arrow stands where a
figure has changed by more than chance (`shared_schema.change`).
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shared_schema.change import (
    Change,
    Dispersion,
    Measured,
    Obstacle,
    changes_of,
    dispersion_of,
    find_obstacle,
    last_stands_out,
    measure,
)
from shared_schema.governance import DEFAULT_LEAST_SHOWN, PolicyBody
from shared_schema.period import Area, Granularity, Period
from shared_schema.service.pages.terms import cell_label, words
from shared_schema.statement import StatementBody
from shared_schema.trend import AggregateBody, AggregateCell, Coverage

SHOWN: Final[Mapping[Granularity, int]] = {"year": 10, "quarter": 12, "month": 24}
"""How many periods of each length a page shows, the longest first."""
MONTHS: Final[Mapping[Granularity, int]] = {"month": 1, "quarter": 3, "year": 12}
PARTS_NOT_ALIKE: Final = frozenset({"other-table", "other-source", "other-cities", "break", "definition"})
_NORMAL_95: Final = 1.959964

Part = tuple[AggregateBody, AggregateCell]
"""A cell with the sum that it is of; a figure is made of one, or of the months that are added up."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One cell of the page. `kind` is figure, zero, few, hidden or missing.

    `direction` is up or down against the period before, else None; `peak` says that it is above the twelve before.
    `obstacle` says what is not counted alike in the period before, `notes` are codes of what else a reader must know.
    `kept` says how many cities keep their figure to themselves, and how much these are together at most.
    """

    kind: str
    value: int | None = None
    half_width: int | None = None
    direction: str | None = None
    peak: bool = False
    obstacle: Obstacle | None = None
    notes: tuple[str, ...] = ()
    kept: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """One period: a figure per cell, the total, and of how many cities and agencies at least."""

    period: str
    figures: tuple[Figure, ...]
    total: Figure
    cities: Coverage
    agencies: Coverage
    rolled_up: int


@dataclass(frozen=True, slots=True)
class TrendTable:
    """One table of one hub; `rows` by the length of their periods, the longest first."""

    hub: str
    title: str
    columns: tuple[str, ...]
    codes: tuple[str, ...]
    rows: Mapping[Granularity, tuple[PeriodRow, ...]]
    area: Area
    stock: bool = False
    person: bool = False
    older_versions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Estimate:
    """What is known of a cell or a total, before the display rule."""

    kind: str
    value: int = 0
    half_width: int = 0
    measured: Measured | None = None
    notes: tuple[str, ...] = ()
    kept: tuple[int, int] | None = None


def make_tables(
    aggregates: Iterable[tuple[str, StatementBody]],
    policies: Mapping[str, PolicyBody] | None = None,
    *,
    shown: Mapping[Granularity, int] = SHOWN,
    chosen: Collection[str] | None = None,
) -> tuple[TrendTable, ...]:
    """The tables of (origin, aggregate) pairs; of several revisions the highest one counts.

    `policies` are those of the origins; one that is not known shows by the defaults. `shown` is how many periods of
    which lengths are wanted, `chosen` the codes of the cells that are: a page that asks for less is faster.
    """
    newest: dict[tuple[str, str], dict[tuple[int, str], AggregateBody]] = {}
    for origin, body in aggregates:
        if not isinstance(body, AggregateBody) or body.complete:
            continue
        periods = newest.setdefault((body.table.id, origin), {})
        key = (body.table.version, body.period.label)
        if key not in periods or periods[key].revision <= body.revision:
            periods[key] = body
    return tuple(
        _table(origin, list(periods.values()), (policies or {}).get(origin), shown, chosen)
        for (_, origin), periods in sorted(newest.items())
    )


def _table(
    hub: str,
    bodies: Sequence[AggregateBody],
    policy: PolicyBody | None,
    shown: Mapping[Granularity, int],
    chosen: Collection[str] | None,
) -> TrendTable:
    latest = max(bodies, key=lambda body: body.table.version).table
    current = [body for body in bodies if body.table.version == latest.version]
    definition = policy.find_table(latest.id, latest.version) if policy else None
    measured = policy.find_measure(definition.measure) if policy and definition else None
    stock = measured is not None and measured.stock
    least = policy.least_number_shown if policy else DEFAULT_LEAST_SHOWN
    parts = {length: _parts(current, length, add_up=not stock) for length in (*shown, "month")}
    grid = [code for cell in current[0].cells for code in cell.dims.values()]
    columns = [range(at, at + 1) for at, code in enumerate(grid) if chosen is None or code in chosen]
    columns.append(range(len(grid)))  # the total
    known = _dispersions(parts["month"], columns)
    rows = {length: _rows(parts[length], length, least, columns, known) for length in shown if parts[length]}
    return TrendTable(
        hub=hub,
        title=definition.title if definition else words(latest.id),
        columns=tuple(
            cell_label(name, code)
            for cell in current[0].cells
            for name, code in cell.dims.items()
            if chosen is None or code in chosen
        ),
        codes=tuple(code for code in grid if chosen is None or code in chosen),
        rows={length: tuple(reversed(found[-shown[length] :])) for length, found in rows.items()},
        area=max(current, key=lambda body: body.period.start).area,
        stock=stock,
        person=definition is not None and definition.unit == "person",
        older_versions=tuple(sorted({body.table.version for body in bodies} - {latest.version})),
    )


# --- periods -------------------------------------------------------------------------------------------------------


def _parts(bodies: Sequence[AggregateBody], length: Granularity, *, add_up: bool) -> dict[int, list[AggregateBody]]:
    """The number of each period of this length → its sum as published, or else the months that make it up."""
    published = {_place(body.period, length): [body] for body in bodies if body.period.granularity == length}
    months: dict[int, list[AggregateBody]] = {}
    for body in bodies if add_up else ():
        if body.period.granularity == "month":
            months.setdefault(_place(body.period, length), []).append(body)
    whole = {place: found for place, found in months.items() if len(found) == MONTHS[length]}
    return whole | published


def _place(period: Period, length: Granularity) -> int:
    """The number of the period of this length in which a period lies; the next one has the next number."""
    first = period.first_day
    return (first.year * 12 + first.month - 1) // MONTHS[length]


def _label(place: int, length: Granularity) -> str:
    year, part = divmod(place, 12 // MONTHS[length])
    return {"year": f"{year}", "quarter": f"{year}-Q{part + 1}", "month": f"{year}-{part + 1:02d}"}[length]


def _rows(
    parts: Mapping[int, Sequence[AggregateBody]],
    length: Granularity,
    least: int,
    cells: Sequence[range],
    known: Sequence[Dispersion | None],
) -> list[PeriodRow]:
    """Rows of one length, oldest first. `cells` are the places of every column's cells, the total last; `known` is the
    dispersion of its months."""
    columns = [_column(parts, places, least, spread) for places, spread in zip(cells, known, strict=True)]
    rows = []
    for number, place in enumerate(sorted(parts)):
        bodies, figures = parts[place], tuple(column[number] for column in columns)
        rows.append(
            PeriodRow(
                period=_label(place, length),
                figures=figures[:-1],
                total=replace(figures[-1], notes=(), kept=None),  # they stand beside the cells they are about
                cities=_least_coverage([body.coverage for body in bodies]),
                agencies=_least_coverage([body.agencies for body in bodies]),
                rolled_up=max(body.rolled_up or 0 for body in bodies),
            )
        )
    return rows


def _least_coverage(coverages: Sequence[Coverage]) -> Coverage:
    """At least so many of at most so many."""
    return Coverage(
        reporting=min(each.reporting for each in coverages), expected=max(each.expected for each in coverages)
    )


# --- one column ----------------------------------------------------------------------------------------------------


def _column(
    parts: Mapping[int, Sequence[AggregateBody]], cells: range, least: int, known: Dispersion | None
) -> list[Figure]:
    """The figures of one column, oldest first, with their arrows."""
    estimates = {place: _estimate(_select(bodies, cells)) for place, bodies in parts.items()}
    places = range(min(parts), max(parts) + 1)
    series = [estimates[place].measured if place in estimates else None for place in places]
    changes = dict(zip(places, changes_of(series, known=known), strict=True))
    figures: list[Figure] = []
    since = min(parts)
    for place in sorted(parts):
        obstacle = _obstacle(_select(parts[place], cells), _select(parts.get(place - 1, ()), cells))
        if obstacle in PARTS_NOT_ALIKE:
            since = place  # what came before is not counted alike, so nothing stands out against it
        peak = last_stands_out(series[since - places.start : place + 1 - places.start])
        before = _figure(estimates[place - 1], least) if place - 1 in estimates else Figure("missing")
        figures.append(_with_change(_figure(estimates[place], least), before, changes[place], obstacle, peak=peak))
    return figures


def _dispersions(months: Mapping[int, Sequence[AggregateBody]], columns: Sequence[range]) -> list[Dispersion | None]:
    """How much every column's months jump about: the best that is known where a series of years is too short."""
    places = range(min(months, default=0), max(months, default=-1) + 1)
    return [
        dispersion_of([_estimate(_select(months[at], cells)).measured if at in months else None for at in places])
        for cells in columns
    ]


def _select(bodies: Sequence[AggregateBody], cells: range) -> list[Part]:
    return [(body, body.cells[place]) for body in bodies for place in cells]


def _obstacle(newer: Sequence[Part], older: Sequence[Part]) -> Obstacle | None:
    """The first reason why two figures may not be compared, cell by cell."""
    olds: dict[str, list[Part]] = {}
    for part in older:
        olds.setdefault(str(part[1].dims), []).append(part)
    pairs = ((new, old) for new in newer for old in olds.get(str(new[1].dims), ()))
    found = [obstacle for new, old in pairs if (obstacle := find_obstacle(new, old)) is not None]
    return found[0] if found else None if older else "no-figure"


def _with_change(figure: Figure, before: Figure, change: Change, obstacle: Obstacle | None, *, peak: bool) -> Figure:
    """An arrow where one of the two figures is shown, both are counted alike, and they differ by more than chance."""
    obstacle = obstacle or change.obstacle
    shown = "figure" in (figure.kind, before.kind) and obstacle is None
    return replace(
        figure,
        direction=change.direction if shown and change.direction != "none" else None,
        peak=peak and figure.kind == "figure",
        obstacle=obstacle if obstacle in PARTS_NOT_ALIKE and figure.kind == "figure" else None,
    )


# --- one figure ----------------------------------------------------------------------------------------------------


def _estimate(parts: Sequence[Part]) -> _Estimate:
    """The sum of the parts, with the interval that its variance gives; hidden or missing as soon as one part is."""
    cells = [cell for _, cell in parts]
    notes, kept = _notes(cells), _kept(cells)
    if any(cell.status == "Q" for cell in cells):
        return _Estimate("hidden", notes=notes, kept=kept)
    figures = [found for part in parts if (found := measure(*part)) is not None]
    if len(figures) != len(parts):
        return _Estimate("missing", notes=notes, kept=kept)
    value = sum(cell.estimate or 0 for cell in cells)
    variance = sum(figure.variance for figure in figures)
    draws = min(figure.draws for figure in figures) * len(figures)
    half = math.ceil(_NORMAL_95 * math.sqrt(variance))
    if len(cells) == 1:
        half = math.ceil(((cells[0].high or 0) - (cells[0].low or 0)) / 2)
    return _Estimate("known", value, half, Measured(value, variance, draws), notes, kept)


def _notes(cells: Sequence[AggregateCell]) -> tuple[str, ...]:
    """Codes of what a reader must know beside the figure."""
    notes = [name for status, name in (("B", "break"), ("D", "definition")) if any(c.status == status for c in cells)]
    hidden = [cell for cell in cells if cell.status == "Q"]
    for cell in hidden:
        # How many cities keep their figures is only said where they are enough, so none in it says that some do.
        own = cell.withheld or ("few-cities" if cell.contributors else "kept")
        if own not in notes:
            notes.append(own)
    return tuple(notes)


def _kept(cells: Sequence[AggregateCell]) -> tuple[int, int] | None:
    """How many cities keep their figures to themselves, and how much these are together at most."""
    cities = max((cell.suppressed or 0 for cell in cells), default=0)
    return (cities, sum(cell.suppressed_high or 0 for cell in cells)) if cities else None


def _figure(estimate: _Estimate, least: int) -> Figure:
    """The display rule: a number, 0 where no chance is in it, or too few to tell."""
    if estimate.kind != "known":
        return Figure(estimate.kind, notes=estimate.notes, kept=estimate.kept)
    if estimate.value == 0 and estimate.half_width == 0:
        return Figure("zero", 0, 0, notes=estimate.notes, kept=estimate.kept)
    if is_too_few(estimate.value, estimate.half_width, least):
        return Figure("few", notes=estimate.notes, kept=estimate.kept)
    return Figure("figure", estimate.value, estimate.half_width, notes=estimate.notes, kept=estimate.kept)


def is_too_few(value: int, half_width: int, least: int) -> bool:
    """Whether a figure is so small, or its interval so wide, that it says nothing."""
    return value < least or 2 * half_width >= value
