"""Events counted: by agency, month and cell of a table, in the month they were recorded in or, when late, a later one.

event_reports(session, table, period)       what `tabulation.tabulate` takes, zeros and all
"""

from sqlalchemy import ColumnElement, and_, func, literal, or_, select
from sqlalchemy.orm import Session

from local_node import counted_units
from local_node.errors import TabulationError
from local_node.orm import CollectedPeriodRow, EventRecordRow, ImportBatchRow
from local_node.records import STATUSES, ReturnRecord
from local_node.tabulation import Collected, EventCount, count_events, lies_within, months_of
from shared_schema.period import Period, parse_period
from shared_schema.trend import TableDefinition
from shared_schema.vocabulary import SourceKind


def events_for(
    session: Session, table: TableDefinition, period: Period
) -> tuple[tuple[EventCount, ...], tuple[Collected, ...]]:
    """The events that count in `period`, by agency, month and cell of the table, and what is complete there.

    Only agencies that collect the table's dimension count; the others' events cannot be put on its grid. The database
    counts, so time and memory do not grow with what Python would have to hold.

    Raises TabulationError for a table of persons with an event that does not say which person it is about.
    """
    collected = _complete(session, table, period)
    if table.unit == "person":
        _check_persons(session, table, period)
    row = EventRecordRow
    month = counted_units.counted_month()
    code = func.json_extract(row.dims, literal(f'$."{table.dimension}"'))
    late = row.counted_in.is_not(None)
    found = session.execute(
        select(row.agency, month, code, func.count(), ImportBatchRow.source_kind, late)
        .join(ImportBatchRow, ImportBatchRow.id == row.batch_id)
        .where(row.measure == table.measure, row.counts, code.is_not(None), _lies_in(period))
        .group_by(row.agency, month, code, ImportBatchRow.source_kind, late)
        .order_by(row.agency, month, code)
    )
    whole = {(each.agency, month) for each in collected for month in months_of(parse_period(each.period))}
    counts = (
        EventCount(agency, month_of, cell, count, SourceKind(source_kind), bool(is_late))
        for agency, month_of, cell, count, source_kind, is_late in found
    )
    return tuple(each for each in counts if each.late or (each.agency, each.month) in whole), collected


def event_reports(session: Session, table: TableDefinition, period: Period) -> tuple[ReturnRecord, ...]:
    """What `tabulate` needs of the events for a table and period."""
    return count_events(*events_for(session, table, period), table)


def _lies_in(period: Period) -> ColumnElement[bool]:
    """An event counts in the month it was recorded in, or in `counted_in`; an index finds both."""
    row, months = EventRecordRow, sorted(months_of(period))
    return or_(
        and_(row.counted_in.is_(None), row.recorded_on.between(period.first_day, period.last_day)),
        row.counted_in.in_(months),
    )


def _complete(session: Session, table: TableDefinition, period: Period) -> tuple[Collected, ...]:
    """What agencies have collected within `period`; not what came late: that counts elsewhere, zeros and all."""
    rows = session.execute(
        select(CollectedPeriodRow, ImportBatchRow.source_kind)
        .join(ImportBatchRow, ImportBatchRow.id == CollectedPeriodRow.batch_id)
        .where(
            CollectedPeriodRow.measure == table.measure,
            CollectedPeriodRow.dimension == table.dimension,
            ~CollectedPeriodRow.late,
        )
        .order_by(CollectedPeriodRow.agency, CollectedPeriodRow.period)
    )
    return tuple(
        Collected(row.agency, row.period, SourceKind(source_kind), STATUSES[row.status])
        for row, source_kind in rows
        if lies_within(row.period, period)
    )


def _check_persons(session: Session, table: TableDefinition, period: Period) -> None:
    if counted_units.has_uncounted(session, table.measure, _lies_in(period)):
        raise TabulationError(
            f"expected a file reference with every event, because {table.id} counts persons: name its column as "
            "unit_column in the mapping and import the period again",
            code="unit",
        )
