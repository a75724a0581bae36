"""Raw records in the node's database. What talks to a hub cannot import this module.

A file is stored as a whole or, if somebody asks for that, its good rows; in one transaction with its audit events. A
later file may change what an earlier one said until the period has been released: after that the figures are out, and
a correction is a release of its own.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from local_node import audit
from local_node.errors import RecordError
from local_node.orm import CollectedPeriodRow, EventRecordRow, ImportBatchRow, LedgerRow, ReturnRecordRow
from local_node.people import get_person
from local_node.records import EventRecord, EventsMapping, ParsedFile, ReturnRecord, ReturnsMapping
from local_node.tabulation import count_events, lies_within
from shared_schema import canonical
from shared_schema.period import Period, parse_period
from shared_schema.trend import TableDefinition
from shared_schema.vocabulary import SourceKind


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, in cells of returns or in events; `batch` is None when the file said nothing new.

    `late` records belong to a period that was released before: they are kept, but are not in that release.
    """

    batch: int | None
    added: int
    replaced: int
    unchanged: int
    late: int


def store(
    session: Session,
    parsed: ParsedFile,
    mapping: ReturnsMapping | EventsMapping,
    *,
    agency: str,
    file_digest: str,
    person: str,
    accept_good_rows: bool = False,
    now: datetime,
) -> ImportReport:
    """Store what was read, in the caller's transaction. The same file again changes nothing.

    Raises RecordError and stores nothing: wrong rows (unless they are accepted), a value that differs from one that
    has been released.
    """
    get_person(session, person)
    check_good(parsed, accept_good_rows=accept_good_rows)
    batch = ImportBatchRow(
        file_digest=file_digest,
        measure=mapping.measure,
        agency=agency,
        source_kind=mapping.source_kind.value,
        imported_at=now,
        imported_by=person,
        rows=len(parsed.records),
    )
    session.add(batch)
    session.flush()
    if isinstance(mapping, ReturnsMapping):
        returns = [record for record in parsed.records if isinstance(record, ReturnRecord)]
        report = _store_returns(session, returns, mapping, batch, now)
    else:
        events = [record for record in parsed.records if isinstance(record, EventRecord)]
        report = _store_events(session, events, parsed, mapping, batch, now)
    if report.batch is None:
        session.delete(batch)  # the file said nothing new
    else:
        audit.append(session, person, "records.imported", f"batch/{batch.id}/{file_digest}", now)
    return report


def check_good(parsed: ParsedFile, *, accept_good_rows: bool) -> None:
    """Raise RecordError naming the first wrong row, unless good rows may be taken alone."""
    if parsed.errors and not accept_good_rows:
        first = parsed.errors[0]
        raise RecordError(
            f"expected a file without wrong rows, got {len(parsed.errors)}; the first is in line {first.line}, "
            f"column {first.column}: {first.message}",
            code="bad-rows",
        )


def reports_for(session: Session, table: TableDefinition, period: Period) -> tuple[ReturnRecord, ...]:
    """All that `tabulate` needs for a table and period: returns as they came, and events counted on the grid."""
    events, collected = events_for(session, table, period)
    return (*returns_for(session, table, period), *count_events(events, collected, table))


def returns_for(session: Session, table: TableDefinition, period: Period) -> tuple[ReturnRecord, ...]:
    """The returns for a table whose period lies within `period`."""
    rows = session.execute(
        select(ReturnRecordRow, ImportBatchRow.source_kind)
        .join(ImportBatchRow, ImportBatchRow.id == ReturnRecordRow.batch_id)
        .where(ReturnRecordRow.table_id == table.id, ReturnRecordRow.period.startswith(period.start[:4]))
        .order_by(ReturnRecordRow.id)
    )
    return tuple(
        ReturnRecord(row.table_id, row.agency, row.period, row.cell, row.value, SourceKind(source_kind))
        for row, source_kind in rows
        if lies_within(row.period, period)
    )


def events_for(
    session: Session, table: TableDefinition, period: Period
) -> tuple[tuple[EventRecord, ...], dict[tuple[str, str], SourceKind]]:
    """The events of a table's measure within `period`, and (agency, period label) → source kind of what is complete.

    Only agencies that collect the table's dimension count; the others' events cannot be put on its grid.
    """
    collected = {
        (row.agency, row.period): SourceKind(source_kind)
        for row, source_kind in session.execute(
            select(CollectedPeriodRow, ImportBatchRow.source_kind)
            .join(ImportBatchRow, ImportBatchRow.id == CollectedPeriodRow.batch_id)
            .where(CollectedPeriodRow.measure == table.measure, CollectedPeriodRow.dimension == table.dimension)
        )
        if lies_within(row.period, period)
    }
    rows = session.scalars(
        select(EventRecordRow)
        .where(
            EventRecordRow.measure == table.measure,
            EventRecordRow.recorded_on.between(period.first_day, period.last_day),
            EventRecordRow.agency.in_({agency for agency, _ in collected}),
        )
        .order_by(EventRecordRow.id)
    )
    whole = [(agency, parse_period(label)) for agency, label in collected]
    return tuple(
        _event(row)
        for row in rows
        if any(agency == row.agency and part.first_day <= row.recorded_on <= part.last_day for agency, part in whole)
    ), collected


# --- returns -------------------------------------------------------------------------------------------------------


def _store_returns(
    session: Session, records: Iterable[ReturnRecord], mapping: ReturnsMapping, batch: ImportBatchRow, now: datetime
) -> ImportReport:
    released = _released_periods(session, LedgerRow.table_id == mapping.table)
    known = {
        (row.period, row.cell): row
        for row in session.scalars(
            select(ReturnRecordRow).where(
                ReturnRecordRow.table_id == mapping.table, ReturnRecordRow.agency == batch.agency
            )
        )
    }
    added = replaced = unchanged = late = 0
    changed: dict[str, None] = {}
    for record in records:
        row = known.get((record.period, record.cell))
        is_released = _overlaps_any(parse_period(record.period), released)
        if row is None:
            session.add(
                ReturnRecordRow(
                    batch_id=batch.id,
                    table_id=record.table,
                    agency=record.agency,
                    period=record.period,
                    cell=record.cell,
                    value=record.value,
                )
            )
            added, late = added + 1, late + is_released
        elif row.value == record.value:
            unchanged += 1
        else:
            _check_not_released(record.period, is_released)
            row.value, row.batch_id = record.value, batch.id
            replaced += 1
            changed[record.period] = None
    for label in changed:
        audit.append(session, batch.imported_by, "records.replaced", f"{mapping.table}/{batch.agency}/{label}", now)
    return ImportReport(batch.id if added or replaced else None, added, replaced, unchanged, late)


# --- events --------------------------------------------------------------------------------------------------------


def _store_events(
    session: Session,
    events: Iterable[EventRecord],
    parsed: ParsedFile,
    mapping: EventsMapping,
    batch: ImportBatchRow,
    now: datetime,
) -> ImportReport:
    """Each period that the file covers takes the place of what the agency said about it before."""
    released = _released_periods(session, LedgerRow.measure == mapping.measure)
    everything = list(events)
    added = replaced = unchanged = late = 0
    is_new = False
    for label in parsed.periods:
        period = parse_period(label)
        is_released = _overlaps_any(period, released)
        fresh = [event for event in everything if period.first_day <= event.recorded_on <= period.last_day]
        before = _collected_dimensions(session, batch, label)
        known = _known_events(session, batch, period) if before else []
        if before == set(parsed.dimensions) and Counter(fresh) == Counter(_event(row) for row in known):
            unchanged += len(fresh)
            continue
        if before:
            _check_not_released(label, is_released)
            _forget(session, batch, label, known)
            audit.append(session, batch.imported_by, "records.replaced", f"{batch.measure}/{batch.agency}/{label}", now)
        is_new = True
        _add_events(session, batch, label, fresh, parsed.dimensions)
        added, replaced = added + len(fresh), replaced + len(known)
        late += len(fresh) if is_released else 0
    return ImportReport(batch.id if is_new else None, added, replaced, unchanged, late)


def _collected_dimensions(session: Session, batch: ImportBatchRow, label: str) -> set[str]:
    """The dimensions in which the agency has said that this very period is complete.

    Raises RecordError when it said so of another period that overlaps: an event would then count twice.
    """
    period = parse_period(label)
    dimensions: set[str] = set()
    for row in session.scalars(
        select(CollectedPeriodRow).where(
            CollectedPeriodRow.measure == batch.measure, CollectedPeriodRow.agency == batch.agency
        )
    ):
        other = parse_period(row.period)
        if row.period == label:
            dimensions.add(row.dimension)
        elif period.first_day <= other.last_day and other.first_day <= period.last_day:
            raise RecordError(
                f"expected the period {row.period} as it was imported before, got {label}", code="periods"
            )
    return dimensions


def _known_events(session: Session, batch: ImportBatchRow, period: Period) -> list[EventRecordRow]:
    return list(
        session.scalars(
            select(EventRecordRow).where(
                EventRecordRow.measure == batch.measure,
                EventRecordRow.agency == batch.agency,
                EventRecordRow.recorded_on.between(period.first_day, period.last_day),
            )
        )
    )


def _forget(session: Session, batch: ImportBatchRow, label: str, events: Iterable[EventRecordRow]) -> None:
    for row in events:
        session.delete(row)
    session.execute(
        delete(CollectedPeriodRow).where(
            CollectedPeriodRow.measure == batch.measure,
            CollectedPeriodRow.agency == batch.agency,
            CollectedPeriodRow.period == label,
        )
    )


def _add_events(
    session: Session, batch: ImportBatchRow, label: str, events: Iterable[EventRecord], dimensions: Iterable[str]
) -> None:
    session.add_all(
        CollectedPeriodRow(
            measure=batch.measure, agency=batch.agency, dimension=dimension, period=label, batch_id=batch.id
        )
        for dimension in dimensions
    )
    session.add_all(
        EventRecordRow(
            batch_id=batch.id,
            measure=event.measure,
            agency=event.agency,
            recorded_on=event.recorded_on,
            dims=canonical.encode(dict(event.dims)).decode(),
        )
        for event in events
    )
    session.flush()


def _event(row: EventRecordRow) -> EventRecord:
    dims = canonical.parse_strict(row.dims.encode())
    return EventRecord(row.measure, row.agency, row.recorded_on, tuple(sorted(dims.items())))


# --- what has been released ----------------------------------------------------------------------------------------


def _released_periods(session: Session, which: ColumnElement[bool]) -> list[Period]:
    return [parse_period(label) for label in session.scalars(select(LedgerRow.period).where(which).distinct())]


def _overlaps_any(period: Period, released: Iterable[Period]) -> bool:
    return any(other.first_day <= period.last_day and period.first_day <= other.last_day for other in released)


def _check_not_released(label: str, is_released: bool) -> None:
    if is_released:
        raise RecordError(
            f"expected the figures that were imported before for {label}: they are already released, and a correction "
            "is a release of its own",
            code="already-released",
        )
