"""The city's own figures of a table as they were counted: true counts, for this city's eyes alone. Read only.

They are what the agencies say now, put where it belongs: a figure that came late stands in its own period here, while
in a release it counts in the period that was open then. An agency fills a quarter when it reported all of it; what it
reported of a part is left out, and the cell says so (`partial`). What is in stock is never added up over time: then
only what was reported for the very period counts. The database adds up, whatever the number of agencies.

    count_own(session, table, "month", "2024-01-01", "2026-12-31")
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from sqlalchemy import ColumnElement, Integer, SQLColumnExpression, String, case, cast, func, select
from sqlalchemy.orm import Session

from local_node.orm import CollectedPeriodRow, EventRecordRow, ReturnRecordRow
from local_node.tabulation import months_of
from shared_schema.period import Granularity, parse_period
from shared_schema.trend import Coverage, TableDefinition

MONTHS: Final[Mapping[Granularity, int]] = {"month": 1, "quarter": 3, "year": 12}


@dataclass(slots=True)
class OwnCell:
    """One cell as it was counted; no value is not collected. `late` came after a release of its period."""

    value: int | None = None
    agencies: int = 0
    status: str = "A"
    partial: bool = False
    late: bool = False

    def add(self, value: int, agencies: int, status: str, *, late: bool) -> None:
        self.value = (self.value or 0) + value
        self.agencies += agencies
        self.status = max(self.status, status)
        self.late = self.late or late


@dataclass(frozen=True, slots=True)
class OwnFigures:
    """`cells` by (period, cell code); `agencies` is how many have reported in each period, and at most in any."""

    cells: Mapping[tuple[str, str], OwnCell]
    agencies: Mapping[str, int] = field(default_factory=dict)

    def coverage(self, period: str) -> Coverage:
        """How many agencies reported, of as many as ever did in these periods."""
        return Coverage(reporting=self.agencies.get(period, 0), expected=max(self.agencies.values(), default=0))


# --- counted -------------------------------------------------------------------------------------------------------


def count_own(
    session: Session,
    table: TableDefinition,
    granularity: Granularity,
    first_day: str,
    last_day: str,
    *,
    add_up: bool = True,
) -> OwnFigures:
    """Add up what every agency reported for the periods of this length that begin within these days.

    Without `add_up`, for what is in stock, shorter periods do not fill a longer one.
    """
    cells: defaultdict[tuple[str, str], OwnCell] = defaultdict(OwnCell)
    agencies: defaultdict[str, set[str]] = defaultdict(set)
    days = (first_day, last_day)
    if granularity == "month" or not add_up:
        _add_equal(session, table, granularity, days, cells, agencies)
    else:
        _add_longer(session, table, granularity, days, cells, agencies)
    if granularity == "month" or add_up:  # an event has one day, so events are never a stock of a longer period
        _add_events(session, table, granularity, days, cells, agencies)
    return OwnFigures(dict(cells), {period: len(found) for period, found in agencies.items()})


def _add_equal(
    session: Session,
    table: TableDefinition,
    granularity: Granularity,
    days: tuple[str, str],
    cells: defaultdict[tuple[str, str], OwnCell],
    agencies: defaultdict[str, set[str]],
) -> None:
    """Periods of just this length are whole, so the database adds up over all agencies, from the index alone."""
    row = ReturnRecordRow
    fitting = (*_fitting(table, granularity, days), _length(row.period) == MONTHS[granularity])
    sums = (func.sum(row.value), func.count(), func.max(row.status), func.max(row.counted_in.is_not(None)))
    for period, code, value, count, status, late in session.execute(
        select(row.period, row.cell, *sums).where(*fitting).group_by(row.period, row.cell)
    ):
        if code in table.cells and _begins_within(period, days):
            cells[period, code].add(value or 0, count, status, late=bool(late))
    for period, agency in session.execute(select(row.period, row.agency).where(*fitting).distinct()):
        if _begins_within(period, days):
            agencies[period].add(agency)


def _add_longer(
    session: Session,
    table: TableDefinition,
    granularity: Granularity,
    days: tuple[str, str],
    cells: defaultdict[tuple[str, str], OwnCell],
    agencies: defaultdict[str, set[str]],
) -> None:
    """Of every agency and cell what it reported within a period: all of it counts, a part does not."""
    row = ReturnRecordRow
    bucket, months = _bucket(row.period, granularity), func.sum(_length(row.period))
    sums = (func.sum(row.value), func.max(row.status), func.max(row.counted_in.is_not(None)))
    for period, agency, code, length, value, status, late in session.execute(
        select(bucket, row.agency, row.cell, months, *sums)
        .where(*_fitting(table, granularity, days))
        .group_by(bucket, row.agency, row.cell)
    ):
        if code not in table.cells or not _begins_within(period, days):
            continue
        if length == MONTHS[granularity]:
            cells[period, code].add(value or 0, 1, status, late=bool(late))
            agencies[period].add(agency)
        else:
            cells[period, code].partial = True


def _fitting(
    table: TableDefinition, granularity: Granularity, days: tuple[str, str]
) -> tuple[ColumnElement[bool], ...]:
    """Rows with a figure whose label is not longer than the period, from the years in question."""
    row = ReturnRecordRow
    return (
        row.table_id == table.id,
        row.value.is_not(None),
        row.period >= days[0][:4],
        row.period <= f"{days[1][:4]}-Q9",
        _length(row.period) <= MONTHS[granularity],
    )


def _bucket(label: SQLColumnExpression[str], granularity: Granularity) -> SQLColumnExpression[str]:
    """The label of the quarter or year in which a month's, quarter's or year's label lies."""
    year = func.substr(label, 1, 4)
    if granularity == "year":
        return year
    number = (cast(func.substr(label, 6, 2), Integer) + 2) // 3  # of a month; `Q3` would be 0
    return case((func.substr(label, 6, 1) == "Q", label), else_=year + "-Q" + cast(number, String))


def _length(label: SQLColumnExpression[str]) -> ColumnElement[int]:
    """How many months a label means."""
    return case((func.length(label) == 4, 12), (func.substr(label, 6, 1) == "Q", 3), else_=1)


@lru_cache(maxsize=1024)
def _first_day(label: str) -> str:
    return parse_period(label).start


def _begins_within(label: str, days: tuple[str, str]) -> bool:
    return days[0] <= _first_day(label) <= days[1]


def has_figures(session: Session, table: TableDefinition) -> bool:
    """Whether any agency has ever reported for a table."""
    returned = select(ReturnRecordRow.id).where(ReturnRecordRow.table_id == table.id).limit(1)
    collected = select(CollectedPeriodRow.period).where(
        CollectedPeriodRow.measure == table.measure, CollectedPeriodRow.dimension == table.dimension
    )
    return session.execute(returned).first() is not None or session.execute(collected.limit(1)).first() is not None


# --- events --------------------------------------------------------------------------------------------------------


def _add_events(
    session: Session,
    table: TableDefinition,
    granularity: Granularity,
    days: tuple[str, str],
    cells: defaultdict[tuple[str, str], OwnCell],
    agencies: defaultdict[str, set[str]],
) -> None:
    """Add the events of agencies that report one by one, zeros included where they said that all are here."""
    collected = _collected(session, table)
    if not collected:
        return
    counted = _count_events(session, table, days)
    reported: defaultdict[tuple[str, str], list[tuple[str, str, bool]]] = defaultdict(list)
    for agency, month, status, late in collected:
        bucket = _label_of(month, granularity)
        if _begins_within(bucket, days):
            reported[agency, bucket].append((month, status, late))
    for (agency, bucket), months in reported.items():
        whole = {month for month, _, _ in months} == months_of(parse_period(bucket))
        agencies[bucket] |= {agency} if whole else set()
        for code in table.cells:
            if not whole:
                cells[bucket, code].partial = True
                continue
            value = sum(counted[agency, month, code] for month, _, _ in months)
            status, late = max(status for _, status, _ in months), any(late for _, _, late in months)
            cells[bucket, code].add(value, 1, status, late=late)


def _collected(session: Session, table: TableDefinition) -> list[tuple[str, str, str, bool]]:
    """(agency, month, status, late) of everything that agencies said is complete."""
    row = CollectedPeriodRow
    found = session.execute(
        select(row.agency, row.period, row.status, row.late).where(
            row.measure == table.measure, row.dimension == table.dimension
        )
    )
    return [
        (agency, month, status, late)
        for agency, label, status, late in found
        for month in sorted(months_of(parse_period(label)))
    ]


def _count_events(session: Session, table: TableDefinition, days: tuple[str, str]) -> Counter[tuple[str, str, str]]:
    """(agency, month, cell) → how many events count there; a person counts once, as everywhere."""
    row = EventRecordRow
    month, code = func.strftime("%Y-%m", row.recorded_on), func.json_extract(row.dims, f'$."{table.dimension}"')
    found = session.execute(
        select(row.agency, month, code, func.count())
        .where(
            row.measure == table.measure, row.counts, code.is_not(None),
            func.strftime("%Y", row.recorded_on).between(days[0][:4], days[1][:4]),
        )
        .group_by(row.agency, month, code)
    )  # fmt: skip
    return Counter({(agency, label, cell): count for agency, label, cell, count in found})


def _label_of(month: str, granularity: Granularity) -> str:
    if granularity == "month":
        return month
    return month[:4] if granularity == "year" else f"{month[:4]}-Q{(int(month[5:]) + 2) // 3}"
