"""Raw records in the node's database. What talks to a hub cannot import this module.

A file is stored as a whole or, if somebody asks for that, its good rows; in one transaction with its audit events. A
later file may change what an earlier one said until the period has been released: after that the figures are out, what
is new counts in the first period that is not, and a correction is a release of its own.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from local_node import audit
from local_node.corrections import add_corrections
from local_node.errors import RecordError
from local_node.event_store import event_reports, store_events
from local_node.imports import Import, ImportReport, Released, Unit
from local_node.orm import ImportBatchRow, LedgerRow, ReturnRecordRow
from local_node.people import get_person
from local_node.records import (
    STATUSES,
    EventRecord,
    EventsMapping,
    ParsedFile,
    ReturnRecord,
    ReturnsMapping,
)
from local_node.tabulation import lies_within
from shared_schema.period import Period, parse_period
from shared_schema.trend import TableDefinition
from shared_schema.vocabulary import SourceKind


def store(
    session: Session,
    parsed: ParsedFile,
    mapping: ReturnsMapping | EventsMapping,
    *,
    agency: str,
    file_digest: str,
    person: str,
    accept_good_rows: bool = False,
    correction: bool = False,
    tables: Sequence[TableDefinition] = (),
    unit: Unit = "person",
    now: datetime,
) -> ImportReport:
    """Store what was read, in the caller's transaction. The same file again changes nothing.

    With `correction` it may change what has been released: the difference waits in `corrections`. `tables` are those of
    the policy, on whose grids differences of events are counted. With `unit` person whoever has a file reference counts
    once in twelve months; with record every record counts.

    Raises RecordError and stores nothing: wrong rows (unless they are accepted), a value that differs from one that
    has been released (unless it is a correction).
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
    job = Import(session, batch, now, unit, correction, tables)
    if isinstance(mapping, ReturnsMapping):
        returns = [record for record in parsed.records if isinstance(record, ReturnRecord)]
        report = _store_returns(job, returns, mapping)
    else:
        events = (record for record in parsed.records if isinstance(record, EventRecord))
        report = store_events(job, events, parsed, mapping)
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
    """All that `tabulate` needs for a table and period: returns as they came, and events counted on the grid.

    Raises TabulationError for a table of persons with an event that does not say which person it is about.
    """
    return (*returns_for(session, table, period), *event_reports(session, table, period))


def returns_for(session: Session, table: TableDefinition, period: Period) -> tuple[ReturnRecord, ...]:
    """The returns for a table that count within `period`: of their own period, or late ones."""
    year = period.start[:4]
    rows = session.execute(
        select(ReturnRecordRow, ImportBatchRow.source_kind)
        .join(ImportBatchRow, ImportBatchRow.id == ReturnRecordRow.batch_id)
        .where(
            ReturnRecordRow.table_id == table.id,
            func.coalesce(ReturnRecordRow.counted_in, ReturnRecordRow.period).startswith(year),
        )
        .order_by(ReturnRecordRow.id)
    )
    return tuple(
        ReturnRecord(
            row.table_id,
            row.agency,
            row.period,
            row.cell,
            row.value,
            SourceKind(source_kind),
            STATUSES[row.status],
            row.counted_in,
        )
        for row, source_kind in rows
        if lies_within(row.counted_in or row.period, period)
    )


# --- returns -------------------------------------------------------------------------------------------------------


def _store_returns(job: Import, records: Iterable[ReturnRecord], mapping: ReturnsMapping) -> ImportReport:
    session, batch = job.session, job.batch
    released = Released(session, LedgerRow.table_id == mapping.table)
    known = {
        (row.period, row.cell): row
        for row in session.scalars(
            select(ReturnRecordRow).where(
                ReturnRecordRow.table_id == mapping.table, ReturnRecordRow.agency == batch.agency
            )
        )
    }
    added = replaced = unchanged = 0
    late: list[str] = []
    changed: dict[str, None] = {}
    deltas: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        row = known.get((record.period, record.cell))
        period = parse_period(record.period)
        if row is None:
            place = released.first_open_month(period) if released.overlaps(period) else None
            session.add(_row_of(record, batch, place))
            added, late = added + 1, late + ([place] if place else [])
            continue
        place = row.counted_in or record.period
        is_out = released.overlaps(parse_period(place))
        if row.value == record.value and (is_out or row.status == record.status):
            unchanged += 1
            continue
        if is_out and row.value is None:  # nothing was released of it, so it comes late
            row.counted_in = released.first_open_month(parse_period(place))
            late.append(row.counted_in)
        elif is_out:
            job.check_may_change(record.period)
            for label in released.labels_around(place):
                deltas[label][record.cell] += (record.value or 0) - (row.value or 0)
        row.value, row.batch_id = record.value, batch.id
        row.status = row.status if is_out else record.status
        replaced += 1
        changed[record.period] = None
    session.flush()
    for label in changed:
        job.note_replaced(mapping.table, label)
    corrected = sum(
        add_corrections(session, batch, mapping.table, label, by_cell) for label, by_cell in sorted(deltas.items())
    )
    is_new = batch.id if added or replaced else None
    return ImportReport(is_new, added, replaced, unchanged, len(late), tuple(sorted(set(late))), corrected)


def _row_of(record: ReturnRecord, batch: ImportBatchRow, counted_in: str | None) -> ReturnRecordRow:
    return ReturnRecordRow(
        batch_id=batch.id,
        table_id=record.table,
        agency=record.agency,
        period=record.period,
        cell=record.cell,
        value=record.value,
        status=record.status,
        counted_in=counted_in,
    )
