"""Figures by table and period: what is ready, on its way, out, late or to be corrected. No count of anything is here.

    grid = read_grid(session, policy.tables, now)
    grid[0].rows[0].cells[-1].state              GridState.READY

The true figures stay in `record_store`; this module asks only which agencies have reported at all.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from local_node.ledger_formats import SHARE_FORMAT
from local_node.orm import CollectedPeriodRow, CorrectionRecordRow, LedgerRow, ReleaseRequestRow, ReturnRecordRow
from local_node.review import RequestState
from local_node.tabulation import months_of
from shared_schema.period import Granularity, Period, parse_period
from shared_schema.statement import Kind
from shared_schema.trend import TableDefinition

LATE_AFTER: Final = timedelta(days=45)
"""After a period has ended: a month for the agencies' returns, two weeks to ask and decide."""
NONE_SEALED: Final[Mapping[str, Granularity]] = MappingProxyType({})
COLUMNS: Final[dict[Granularity, int]] = {"month": 6, "quarter": 5, "year": 3}
"""Periods that are shown at once, the newest ones."""


class GridState(StrEnum):
    """Where the figures of one table and period stand."""

    RUNNING = "running"
    MISSING = "missing"
    READY = "ready"
    LATE = "late"
    REQUESTED = "requested"
    APPROVED = "approved"
    HELD = "held"
    RELEASED = "released"
    CORRECTION = "correction"
    TAKEN_BACK = "taken-back"
    SEALED = "sealed"
    """Goes to two hubs in halves, or not at all: its own page says how it stands."""


NEEDS_SOMEBODY: Final = (
    GridState.LATE, GridState.READY, GridState.CORRECTION, GridState.HELD, GridState.REQUESTED,
)  # fmt: skip
"""What somebody has to do something about, the most urgent first."""
_STATES: Final = {
    RequestState.REQUESTED: GridState.REQUESTED,
    RequestState.APPROVED: GridState.APPROVED,
    RequestState.HELD: GridState.HELD,
    RequestState.SIGNED: GridState.RELEASED,
    RequestState.WITHDRAWN: GridState.TAKEN_BACK,
}


@dataclass(frozen=True, slots=True)
class GridCell:
    """One table and period. `reporting` is how many agencies have reported something; `request` the last one."""

    table: str
    period: str
    state: GridState
    reporting: int
    request: str | None = None


@dataclass(frozen=True, slots=True)
class GridRow:
    table: TableDefinition
    cells: tuple[GridCell, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """The tables whose releases are equally long, with the periods that are shown."""

    granularity: Granularity
    periods: tuple[Period, ...]
    rows: tuple[GridRow, ...]


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the node knows, by (table, period)."""

    reporting: dict[tuple[str, str], int]
    requests: dict[tuple[str, str], list[tuple[str, RequestState]]]
    corrections: frozenset[tuple[str, str]]
    sealed: frozenset[tuple[str, str]]


def read_grid(
    session: Session,
    tables: Sequence[TableDefinition],
    now: datetime,
    *,
    back: int = 0,
    sealed: Mapping[str, Granularity] = NONE_SEALED,
) -> tuple[Grid, ...]:
    """The grids of a policy's tables, months first; `back` turns so many pages into the past.

    `sealed` are the tables that two hubs collect, with the length of their periods.
    """
    by_length: defaultdict[Granularity, list[TableDefinition]] = defaultdict(list)
    lengths = _released_lengths(session)
    for table in tables:
        by_length[sealed.get(table.id) or lengths.get(table.id, table.granularities[0])].append(table)
    grids = []
    for granularity in ("month", "quarter", "year"):
        if mine := by_length[granularity]:
            periods = latest_periods(granularity, now, back=back)
            facts = _read_facts(session, mine, periods)
            rows = tuple(
                GridRow(
                    table, tuple(_cell(table, period, facts, now, goes_sealed=table.id in sealed) for period in periods)
                )
                for table in mine
            )
            grids.append(Grid(granularity, periods, rows))
    return tuple(grids)


def needing_somebody(grids: Iterable[Grid]) -> tuple[GridCell, ...]:
    """The cells that wait for a person, the most urgent first and the oldest of them first."""
    cells = [cell for grid in grids for row in grid.rows for cell in row.cells if cell.state in NEEDS_SOMEBODY]
    return tuple(sorted(cells, key=lambda cell: (NEEDS_SOMEBODY.index(cell.state), cell.period, cell.table)))


def latest_periods(granularity: Granularity, now: datetime, *, back: int = 0) -> tuple[Period, ...]:
    """The running period and those before it, oldest first."""
    count = COLUMNS[granularity]
    length = {"month": 1, "quarter": 3, "year": 12}[granularity]
    last = (now.year * 12 + now.month - 1) // length - back * count
    return tuple(_period(granularity, number * length) for number in range(last - count + 1, last + 1))


def _period(granularity: Granularity, month: int) -> Period:
    year, within = divmod(month, 12)
    if granularity == "month":
        return parse_period(f"{year:04d}-{within + 1:02d}")
    return parse_period(f"{year:04d}-Q{within // 3 + 1}" if granularity == "quarter" else f"{year:04d}")


def _cell(
    table: TableDefinition, period: Period, facts: _Facts, now: datetime, *, goes_sealed: bool = False
) -> GridCell:
    place = (table.id, period.label)
    reporting = facts.reporting.get(place, 0)
    last = facts.requests.get(place, [])[-1:]
    for request, state in last:
        is_released = state is RequestState.SIGNED
        shown = GridState.CORRECTION if is_released and place in facts.corrections else _STATES[state]
        return GridCell(*place, shown, reporting, request)
    if place in facts.sealed or goes_sealed:
        return GridCell(*place, GridState.SEALED, reporting)
    if period.last_day >= now.date():
        return GridCell(*place, GridState.RUNNING, reporting)
    if not reporting:
        return GridCell(*place, GridState.MISSING, 0)
    is_late = period.last_day + LATE_AFTER < now.date()
    return GridCell(*place, GridState.LATE if is_late else GridState.READY, reporting)


def _released_lengths(session: Session) -> dict[str, Granularity]:
    """Table -> the length of its releases, where there is one: all releases of a table are equally long."""
    rows = session.execute(select(LedgerRow.table_id, func.min(LedgerRow.period)).group_by(LedgerRow.table_id))
    return {table: parse_period(label).granularity for table, label in rows}


def _read_facts(session: Session, tables: Sequence[TableDefinition], periods: Sequence[Period]) -> _Facts:
    return _Facts(
        _count_reporting(session, tables, periods),
        _find_requests(session, tables, periods),
        _find_corrections(session, tables, periods),
        _find_sealed(session, tables),
    )


def _count_reporting(
    session: Session, tables: Sequence[TableDefinition], periods: Sequence[Period]
) -> dict[tuple[str, str], int]:
    """How many agencies have reported something within a period, as a return or as events."""
    labels = _labels_within(periods)
    agencies: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    row, collected = ReturnRecordRow, CollectedPeriodRow
    returns = session.execute(
        select(row.table_id, row.period, row.agency)
        .where(row.table_id.in_([table.id for table in tables]), row.period.in_(labels), row.value.is_not(None))
        .group_by(row.table_id, row.period, row.agency)
    )
    for table_id, label, agency in returns:
        for period in labels[label]:
            agencies[table_id, period].add(agency)
    events = session.execute(
        select(collected.measure, collected.dimension, collected.period, collected.agency).where(
            collected.measure.in_({table.measure for table in tables}), collected.period.in_(labels)
        )
    ).all()
    for table in tables:
        for measure, dimension, label, agency in events:
            if (measure, dimension) == (table.measure, table.dimension):
                for period in labels[label]:
                    agencies[table.id, period].add(agency)
    return {place: len(names) for place, names in agencies.items()}


def _labels_within(periods: Sequence[Period]) -> dict[str, list[str]]:
    """Label of a report -> the shown periods that it lies in: its own, or the quarter and the year around it."""
    labels: defaultdict[str, list[str]] = defaultdict(list)
    for period in periods:
        inner = {period.label, *months_of(period)}
        if period.granularity == "year":
            inner |= {f"{period.label}-Q{quarter}" for quarter in range(1, 5)}
        for label in inner:
            labels[label].append(period.label)
    return labels


def _find_requests(
    session: Session, tables: Sequence[TableDefinition], periods: Sequence[Period]
) -> dict[tuple[str, str], list[tuple[str, RequestState]]]:
    """The requests that were not refused, of a release or its corrections, oldest first."""
    row = ReleaseRequestRow
    found: defaultdict[tuple[str, str], list[tuple[str, RequestState]]] = defaultdict(list)
    labels = {period.label for period in periods}
    for table in tables:
        begin = f"{table.id}/"
        rows = session.execute(
            select(row.subject, row.id, row.state)
            .where(
                row.subject >= begin,
                row.subject < f"{table.id}0",
                row.state != RequestState.REFUSED.value,
                row.kind == Kind.TREND.value,
            )
            .order_by(row.number)
        )
        for subject, request, state in rows:
            label = str(subject).split("/")[2]
            if label in labels:
                found[table.id, label].append((request, RequestState(state)))
    return found


def _find_sealed(session: Session, tables: Sequence[TableDefinition]) -> frozenset[tuple[str, str]]:
    """(table, period) of everything that was charged for as a sealed share."""
    row = LedgerRow
    found = select(row.table_id, row.period).where(
        row.format == SHARE_FORMAT, row.table_id.in_([table.id for table in tables])
    )
    return frozenset((table, label) for table, label in session.execute(found))


def _find_corrections(
    session: Session, tables: Sequence[TableDefinition], periods: Sequence[Period]
) -> frozenset[tuple[str, str]]:
    row = CorrectionRecordRow
    found = session.execute(
        select(row.table_id, row.period)
        .where(
            row.table_id.in_([table.id for table in tables]),
            row.period.in_([period.label for period in periods]),
            row.ledger_seq.is_(None),
        )
        .distinct()
    )
    return frozenset((table, period) for table, period in found)
