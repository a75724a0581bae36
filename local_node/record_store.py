"""Raw records in the node's database. What talks to a hub cannot import this module.

A file is stored as a whole or, if somebody asks for that, its good rows; in one transaction with its audit events. A
later file may change what an earlier one said until the period has been released: after that the figures are out, what
is new counts in the first period that is not, and a correction is a release of its own.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from local_node import audit
from local_node.closed_months import check_open
from local_node.errors import RecordError
from local_node.event_counts import event_reports
from local_node.event_store import store_events
from local_node.imports import Import, ImportReport, Unit
from local_node.orm import ImportBatchRow
from local_node.people import get_person
from local_node.records import EventRecord, EventsMapping, ParsedFile, ReturnRecord, ReturnsMapping
from local_node.return_store import returns_for, store_returns
from shared_schema.period import Period
from shared_schema.trend import TableDefinition


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
    has been released (unless it is a correction), a period that overlaps one of another length, figures that the same
    agency has reported the other way, as events or as a return, a period whose raw records were erased.
    """
    get_person(session, person)
    check_good(parsed, accept_good_rows=accept_good_rows)
    _check_open(session, parsed, mapping, tables)
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
        report = store_returns(job, returns, mapping)
    else:
        events = (record for record in parsed.records if isinstance(record, EventRecord))
        report = store_events(job, events, parsed, mapping)
    if report.batch is None:
        session.delete(batch)  # the file said nothing new
    else:
        audit.append(session, person, "records.imported", f"batch/{batch.id}/{file_digest}", now)
    return report


def _check_open(
    session: Session, parsed: ParsedFile, mapping: ReturnsMapping | EventsMapping, tables: Sequence[TableDefinition]
) -> None:
    """Raise RecordError (`closed`) for a period whose raw records were erased."""
    labels = {*parsed.periods, *(record.period for record in parsed.records if isinstance(record, ReturnRecord))}
    table_id = mapping.table if isinstance(mapping, ReturnsMapping) else None
    for measure in {mapping.measure, *(table.measure for table in tables if table.id == table_id)}:
        check_open(session, measure, labels)


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
