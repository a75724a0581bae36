"""Figures for one question, read from what `figure_index` has taken out of the log.

offer = read_offer(session, policy, as_of, name, level, area)      what can be asked for
read_figures(session, query)                                       area by area, cell by cell, period by period
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, cast

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from regional_hub.figure_index import next_index
from regional_hub.figures import TOTAL, AreaOffer, Figure, FigureQuery, Offer, label_of, total_of
from regional_hub.orm import EntryRow, SeriesRow, ShownCellRow, ShownSumRow
from shared_schema.governance import Level, PolicyBody
from shared_schema.trend import CellStatus, TableDefinition

FIGURES_AT_ONCE: Final = 50_000
_RELATIONS: Final = ("own", "above", "below")
"""Where two hubs publish an area, the first of these is the one that is shown, for all periods."""


class _Sum(NamedTuple):
    """What all cells of one revision of a sum have in common."""

    entry: int
    series: int
    start: int
    revision: int
    source: str
    reporting: int
    expected: int
    mechanism: str | None


class _Series(NamedTuple):
    """What all sums of a series have in common."""

    id: int
    area: str
    origin: str
    relation: str
    version: int
    cells: str


def read_offer(
    session: Session, policy: PolicyBody | None, as_of: int, name: str, level: Level, own_area: str
) -> Offer:
    """What could be asked for when the log had `as_of` entries. `policy` is the one of then."""
    newest: dict[str, TableDefinition] = {}
    for table in sorted(policy.tables if policy else (), key=lambda each: each.version):
        newest[table.id] = table
    columns = (SeriesRow.area, SeriesRow.origin, SeriesRow.level, SeriesRow.relation)
    series = select(*columns).where(SeriesRow.first_entry < as_of).distinct()
    found = sorted(session.execute(series), key=lambda row: (_RELATIONS.index(row.relation), row.area, row.origin))
    areas = {own_area: AreaOffer(own_area, name, level, "own")}
    for row in found:
        areas.setdefault(row.area, AreaOffer(row.area, row.origin, cast(Level, row.level), row.relation))
    newest_start = select(ShownSumRow.start).where(ShownSumRow.entry_index < as_of)
    last = session.scalar(newest_start.order_by(ShownSumRow.start.desc()).limit(1))  # by the index, not a maximum
    return Offer(newest, areas, own_area, next_index(session), as_of, 2000 * 12 if last is None else last)


def published_at(session: Session, as_of: int) -> str:
    """The time of the last entry of a log of this size; the beginning of time for an empty one."""
    return session.scalar(select(EntryRow.time).where(EntryRow.index == as_of - 1)) or "1970-01-01T00:00:00Z"


def has_sealed_totals(session: Session, table: str, as_of: int) -> bool:
    """Whether any sum of a table was a sealed total, or a part of one, when the log had this size."""
    found = (
        select(ShownSumRow.entry_index)
        .join(SeriesRow, SeriesRow.id == ShownSumRow.series_id)
        .where(SeriesRow.table_id == table, ShownSumRow.mechanism.is_not(None), ShownSumRow.entry_index < as_of)
    )
    return session.scalar(found.limit(1)) is not None


# --- reading ---------------------------------------------------------------------------------------------------------


def read_figures(session: Session, query: FigureQuery) -> Iterator[Figure]:
    """Every figure that the question asks for, by area, cell and period; the total after the cells.

    Some areas at a time, so that an answer of any length needs the memory of `FIGURES_AT_ONCE` figures.
    """
    an_area = max(1, len(query.table.cells if query.wants_total else query.codes) * len(query.labels))
    step = max(1, FIGURES_AT_ONCE // an_area)
    for first in range(0, len(query.areas), step):
        yield from _read_areas(session, query, query.areas[first : first + step])


def _read_areas(session: Session, query: FigureQuery, areas: Sequence[str]) -> Iterator[Figure]:
    wanted = (*query.codes, *((TOTAL,) if query.wants_total else ()))
    series = _find_series(session, query, areas)
    found = _read_cells(session, query, series, _choose_sums(session, query, series))
    whole = {each.version for each in series.values() if set(each.cells.split(" ")) == set(query.table.cells)}
    for area in areas:
        cells = found.get(area, {})
        if query.wants_total:
            cells[TOTAL] = _totals(cells, len(query.table.cells), whole)
        for code in wanted:
            yield from cells.get(code, ())


def _totals(cells: Mapping[str, Sequence[Figure]], count: int, whole: Collection[int]) -> list[Figure]:
    """One for each period of which every cell is there, in a wording (`whole`) that has these cells and no others."""
    by_period: defaultdict[str, list[Figure]] = defaultdict(list)
    for figures in cells.values():
        for figure in figures:
            if figure.table_version in whole:
                by_period[figure.period].append(figure)
    return [total_of(found) for _, found in sorted(by_period.items()) if len(found) == count]


def _find_series(session: Session, query: FigureQuery, areas: Sequence[str]) -> dict[int, _Series]:
    """The series of these areas, the one that is shown first: the nearest hub, the newest wording."""
    row = SeriesRow
    found = session.execute(
        select(row.id, row.area, row.origin, row.relation, row.table_version, row.cells).where(
            row.table_id == query.table.id,
            row.granularity == query.by,
            row.area.in_(areas),
            row.table_version <= query.table.version,
        )
    )
    series = [each for row in found if query.is_by((each := _Series(*row)).area, each.origin)]
    series.sort(key=lambda each: (_RELATIONS.index(each.relation), -each.version, each.id))
    return {each.id: each for each in series}


def _choose_sums(session: Session, query: FigureQuery, series: Mapping[int, _Series]) -> dict[int, _Sum]:
    """Log entry → sum, of every area and period the first one in the order of the series."""
    row = ShownSumRow
    asked = select(
        row.entry_index,
        row.series_id,
        row.start,
        row.revision,
        row.source_kind,
        row.reporting,
        row.expected,
        row.mechanism,
    ).where(row.series_id.in_(series), *_as_asked(row, query))
    if query.source is not None:
        asked = asked.where(row.source_kind == query.source.value)
    by_series: defaultdict[int, list[_Sum]] = defaultdict(list)
    for found in session.execute(asked):
        by_series[found.series_id].append(_Sum(*found))
    chosen: dict[tuple[str, int], _Sum] = {}
    for number, each in series.items():
        for found_sum in by_series[number]:
            chosen.setdefault((each.area, found_sum.start), found_sum)
    return {each.entry: each for each in chosen.values()}


def _read_cells(
    session: Session, query: FigureQuery, series: Mapping[int, _Series], sums: Mapping[int, _Sum]
) -> dict[str, dict[str, list[Figure]]]:
    """Area → cell → its figures, oldest first."""
    row = ShownCellRow
    codes = {number: each.cells.split(" ") for number, each in series.items()}
    wanted = set(query.table.cells if query.wants_total else query.codes)
    places = {place for each in codes.values() for place, code in enumerate(each) if code in wanted}
    asked = select(
        row.series_id,
        row.place,
        row.start,
        row.entry_index,
        row.status,
        row.contributors,
        row.estimate,
        row.variance_milli,
        row.low,
        row.high,
        row.suppressed,
        row.suppressed_high,
        row.withheld,
    ).where(row.series_id.in_(series), *_as_asked(row, query))
    if any(len(each) != len(places) for each in codes.values()):
        asked = asked.where(row.place.in_(sorted(places)))
    found: dict[str, dict[str, list[Figure]]] = {}
    for number, place, start, entry, status, contributors, *values in session.execute(asked.order_by(*_ORDER)):
        published = sums.get(entry)
        code = codes[number][place]
        if published is None or code not in wanted:
            continue
        each = series[number]
        figure = Figure(
            each.area,
            each.origin,
            code,
            label_of(start, query.by),
            cast(CellStatus, status),
            contributors,
            published.reporting,
            published.expected,
            published.source,
            each.version,
            published.revision,
            entry,
            *(*values, published.mechanism),
        )
        found.setdefault(each.area, {}).setdefault(code, []).append(figure)
    return found if len(series) == len(found) else _in_order(found)


def _in_order(found: dict[str, dict[str, list[Figure]]]) -> dict[str, dict[str, list[Figure]]]:
    """Where an area has several series, its periods come in turns."""
    return {
        area: {code: sorted(figures, key=lambda figure: figure.period) for code, figures in cells.items()}
        for area, cells in found.items()
    }


_ORDER: Final = (ShownCellRow.series_id, ShownCellRow.place, ShownCellRow.start)
"""That of the key, so that SQLite reads and never sorts."""


def _as_asked(row: type[ShownSumRow] | type[ShownCellRow], query: FigureQuery) -> tuple[ColumnElement[bool], ...]:
    """The periods that are asked for, as they stood when the log had that size."""
    return (
        row.start.between(query.first, query.last),
        row.entry_index < query.as_of,
        or_(row.until.is_(None), row.until >= query.as_of),
    )
