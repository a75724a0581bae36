"""Figures for one question, read from what `figure_index` has taken out of the log.

offer = read_offer(session, policy, as_of, name, level, area)      what can be asked for
read_figures(session, query)                                       area by area, cell by cell, period by period
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, cast

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from regional_hub.figure_index import next_index
from regional_hub.figures import TOTAL, AreaOffer, Figure, FigureQuery, Offer, label_of, total_of
from regional_hub.orm import EntryRow, SeriesRow, ShownCellRow, ShownSumRow
from shared_schema.governance import Level, PolicyBody
from shared_schema.trend import CellStatus, TableDefinition

_RELATIONS: Final = ("own", "above", "below")
"""Where two hubs publish an area, the first of these is the one that is shown."""


class _Sum(NamedTuple):
    """What all cells of one revision of a sum have in common."""

    entry: int
    start: int
    revision: int
    source: str
    reporting: int
    expected: int


def read_offer(
    session: Session, policy: PolicyBody | None, as_of: int, name: str, level: Level, own_area: str
) -> Offer:
    """What could be asked for when the log had `as_of` entries. `policy` is the one of then."""
    newest: dict[str, TableDefinition] = {}
    for table in sorted(policy.tables if policy else (), key=lambda each: each.version):
        newest[table.id] = table
    series = select(SeriesRow.area, SeriesRow.origin, SeriesRow.level, SeriesRow.relation).distinct()
    found = sorted(session.execute(series), key=lambda row: (_RELATIONS.index(row.relation), row.area))
    areas = {own_area: AreaOffer(own_area, name, level, "own")}
    for row in found:
        areas.setdefault(row.area, AreaOffer(row.area, row.origin, cast(Level, row.level), row.relation))
    last = session.scalar(select(func.max(ShownSumRow.start)).where(ShownSumRow.entry_index < as_of))
    return Offer(newest, areas, own_area, next_index(session), as_of, 2000 * 12 if last is None else last)


def published_at(session: Session, as_of: int) -> str:
    """The time of the last entry of a log of this size; the beginning of time for an empty one."""
    return session.scalar(select(EntryRow.time).where(EntryRow.index == as_of - 1)) or "1970-01-01T00:00:00Z"


# --- reading ---------------------------------------------------------------------------------------------------------


def read_figures(session: Session, query: FigureQuery) -> Iterator[Figure]:
    """Every figure that the question asks for, by area, cell and period; the total after the cells.

    Areas are read one after the other, so that an answer of any length needs the memory of one area.
    """
    wanted = set(query.codes) | ({TOTAL} if query.wants_total else set())
    for area in query.areas:
        by_cell: dict[str, list[Figure]] = {code: [] for code in query.table.cells}
        for figure in _read_area(session, query, area):
            by_cell[figure.cell].append(figure)
        if query.wants_total:
            by_cell[TOTAL] = _totals(by_cell)
        for code, figures in by_cell.items():
            if code in wanted:
                yield from figures


def _totals(by_cell: dict[str, list[Figure]]) -> list[Figure]:
    """One for each period of which every cell is there."""
    by_period: dict[str, list[Figure]] = {}
    for figures in by_cell.values():
        for figure in figures:
            by_period.setdefault(figure.period, []).append(figure)
    return [total_of(found) for _, found in sorted(by_period.items()) if len(found) == len(by_cell)]


def _read_area(session: Session, query: FigureQuery, area: str) -> Iterator[Figure]:
    """The figures of one area by cell and period: of several hubs or wordings the nearest, the newest first."""
    series = session.scalars(
        select(SeriesRow).where(
            SeriesRow.table_id == query.table.id,
            SeriesRow.granularity == query.by,
            SeriesRow.area == area,
            SeriesRow.table_version <= query.table.version,
        )
    ).all()
    ordered = sorted(series, key=lambda row: (_RELATIONS.index(row.relation), -row.table_version, row.id))
    taken: set[int] = set()
    found: list[Figure] = []
    for row in ordered:
        sums = {each.entry: each for each in _read_sums(session, row.id, query) if each.start not in taken}
        taken |= {each.start for each in sums.values()}
        found += _read_series(session, query, row, sums)
    yield from sorted(found, key=lambda figure: figure.period) if len(ordered) > 1 else found


def _read_sums(session: Session, series_id: int, query: FigureQuery) -> Iterator[_Sum]:
    row = ShownSumRow
    wanted = select(row.entry_index, row.start, row.revision, row.source_kind, row.reporting, row.expected).where(
        row.series_id == series_id,
        row.start.between(query.first, query.last),
        row.entry_index < query.as_of,
        or_(row.until.is_(None), row.until >= query.as_of),
    )
    if query.source is not None:
        wanted = wanted.where(row.source_kind == query.source.value)
    return (_Sum(*found) for found in session.execute(wanted))


def _read_series(session: Session, query: FigureQuery, series: SeriesRow, sums: Mapping[int, _Sum]) -> Iterator[Figure]:
    codes = series.cells.split(" ")
    places = _places(codes, query)
    row = ShownCellRow
    cells = session.execute(
        select(
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
        )
        .where(
            row.series_id == series.id,
            *(() if len(places) == len(codes) else (row.place.in_(places),)),
            row.start.between(query.first, query.last),
            row.entry_index < query.as_of,
            or_(row.until.is_(None), row.until >= query.as_of),
        )
        .order_by(row.place, row.start)
    )
    for each in cells:
        published = sums.get(each.entry_index)
        if published is None:
            continue
        yield Figure(
            series.area,
            series.origin,
            codes[each.place],
            label_of(each.start, query.by),
            cast(CellStatus, each.status),
            each.contributors,
            published.reporting,
            published.expected,
            published.source,
            series.table_version,
            published.revision,
            each.entry_index,
            *each[5:],
        )


def _places(codes: Sequence[str], query: FigureQuery) -> list[int]:
    """Those cells of a wording of the table that the newest one has; all of them where a total is asked for."""
    wanted = query.table.cells if query.wants_total else query.codes
    return [place for place, code in enumerate(codes) if code in wanted]
