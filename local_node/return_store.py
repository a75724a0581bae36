"""Returns in the node's database: an agency's figures by period and cell, each in one release at most.

A figure that came after its release counts in the next period that is open. What an agency has said of a quarter it
cannot say of its months as well, nor report as events what it has reported as a return: one record would then be in two
releases, and cost twice what the ledger says. What is read in again after a restore stays where it was.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node.corrections import add_corrections
from local_node.errors import RecordError
from local_node.imports import Import, ImportReport, Released
from local_node.orm import CollectedPeriodRow, CorrectionRecordRow, ImportBatchRow, LedgerRow, ReturnRecordRow
from local_node.records import STATUSES, ReturnRecord, ReturnsMapping
from local_node.return_history import note_versions
from local_node.tabulation import lies_within
from local_node.whole_periods import fills, labels_around
from shared_schema.period import Period, parse_period
from shared_schema.trend import TableDefinition
from shared_schema.vocabulary import SourceKind


@dataclass(slots=True)
class _Counts:
    """What the import has done so far."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    as_released: int = 0
    late: list[str] = field(default_factory=list)

    def note_place(self, place: str | None, *, was_released: bool) -> None:
        if was_released:
            self.as_released += 1
        elif place is not None:
            self.late.append(place)


def store_returns(job: Import, records: Iterable[ReturnRecord], mapping: ReturnsMapping) -> ImportReport:
    """Store the cells of a return. Raises RecordError: see `record_store.store`."""
    session, batch = job.session, job.batch
    records = list(records)
    released = Released(session, LedgerRow.table_id == mapping.table)
    rows = _find_rows(session, [mapping.table], batch.agency)
    taken_back = _find_taken_back(session, mapping.table, batch.agency)
    held = [row for row in rows if _is_held(row, taken_back)]
    _check_periods(records, held)
    _check_no_events(job, mapping, {record.period for record in records if record.value is not None})
    known = {(row.period, row.cell): row for row in rows}
    counts, changed = _Counts(), dict[str, None]()
    written: list[ReturnRecordRow] = []
    deltas: defaultdict[str, Counter[str]] = defaultdict(Counter)
    whole: defaultdict[str, set[str]] = defaultdict(set)
    for each in held:
        if each.counted_in is None:
            whole[each.cell].add(each.period)
    for record in records:
        row = known.get((record.period, record.cell))
        if row is None:
            place, was_released = _place_of(record.period, released)
            row = _row_of(record, batch, place)
            session.add(row)
            written.append(row)
            counts.added += 1
            counts.note_place(place, was_released=was_released)
            continue
        place = row.counted_in or record.period
        is_out = released.overlaps(parse_period(place))
        if row.value == record.value and (is_out or row.status == record.status):
            counts.unchanged += 1
            continue
        labels = _labels_with(row, released, whole) if _is_held(row, taken_back) else []
        if is_out and not labels:  # nothing was released of it, so it comes late
            later, was_released = _place_of(place, released)
            row.counted_in = later or row.counted_in
            counts.note_place(later, was_released=was_released)
        elif is_out and released.is_outdated(row.batch_id, parse_period(place)):
            counts.as_released += 1
        elif is_out:
            job.check_may_change(record.period)
            for label in labels:
                deltas[label][record.cell] += (record.value or 0) - (row.value or 0)
        row.value, row.batch_id = record.value, batch.id
        row.status = row.status if is_out else record.status
        counts.replaced += 1
        written.append(row)
        changed[record.period] = None
    session.flush()
    note_versions(session, batch, written)
    for label in changed:
        job.note_replaced(mapping.table, label)
    corrected = sum(
        add_corrections(session, batch, mapping.table, label, by_cell) for label, by_cell in sorted(deltas.items())
    )
    return ImportReport(
        batch.id if counts.added or counts.replaced else None,
        counts.added,
        counts.replaced,
        counts.unchanged,
        len(counts.late),
        tuple(sorted(set(counts.late))),
        corrected,
        counts.as_released,
    )


def check_not_returned(job: Import, dimensions: Sequence[str], labels: Iterable[str]) -> None:
    """Raise RecordError when the agency has reported figures of these periods, by one of the dimensions, as a return.

    An agency may move from one way to the other with a new period.
    """
    tables = {table.id for table in job.tables if table.measure == job.batch.measure and table.dimension in dimensions}
    rows = _find_rows(job.session, sorted(tables), job.batch.agency)
    taken_back = {table: _find_taken_back(job.session, table, job.batch.agency) for table in tables}
    held = {row.period for row in rows if _is_held(row, taken_back[row.table_id])}
    if found := _find_overlap(labels, held):
        label, other = found
        raise RecordError(
            f"expected events of periods that the agency has not reported as a return, got {label}: there is a return "
            f"of {other}",
            code="reported-twice",
        )


# --- nothing in two releases -----------------------------------------------------------------------------------------


def _place_of(label: str, released: Released) -> tuple[str | None, bool]:
    """Where a figure of `label` that comes now counts, None for its own period; and whether that was released."""
    period = parse_period(label)
    if not released.overlaps(period):
        return None, False
    place = released.place_of_late(period)
    return place, released.is_resumed(parse_period(place or label))


def _check_periods(records: Iterable[ReturnRecord], rows: Iterable[ReturnRecordRow]) -> None:
    """Raise RecordError when a figure is part of another one: it would be in the releases of both."""
    held = {row.period for row in rows}
    new = {record.period for record in records if record.value is not None}
    if found := _find_overlap(new, held | new, equal=False):
        label, other = found
        raise RecordError(f"expected the period {other} as it was imported before, got {label}", code="periods")


def _check_no_events(job: Import, mapping: ReturnsMapping, labels: Iterable[str]) -> None:
    """Raise RecordError when the agency has reported these periods, by the table's dimension, as events."""
    dimensions = {table.dimension for table in job.tables if table.id == mapping.table}
    held = job.session.scalars(
        select(CollectedPeriodRow.period).where(
            CollectedPeriodRow.measure == job.batch.measure,
            CollectedPeriodRow.agency == job.batch.agency,
            CollectedPeriodRow.dimension.in_(dimensions),
        )
    )
    if found := _find_overlap(labels, set(held)):
        label, other = found
        raise RecordError(
            f"expected figures of periods that the agency has not reported as events, got {label}: there are events "
            f"of {other}",
            code="reported-twice",
        )


def _find_overlap(new: Iterable[str], held: Set[str], *, equal: bool = True) -> tuple[str, str] | None:
    """The first new label that shares a day with a held one, and that; with `equal` it may be the same."""
    periods = [parse_period(label) for label in sorted(held)]
    for label in sorted(new):
        period = parse_period(label)
        for other in periods:
            if period.overlaps(other) and (equal or other.label != label):
                return label, other.label
    return None


def _find_rows(session: Session, table_ids: Sequence[str], agency: str) -> list[ReturnRecordRow]:
    query = select(ReturnRecordRow).where(ReturnRecordRow.table_id.in_(table_ids), ReturnRecordRow.agency == agency)
    return list(session.scalars(query))


def _find_taken_back(session: Session, table_id: str, agency: str) -> frozenset[tuple[int, str]]:
    """(import, cell) of every figure of an agency that a correction has changed."""
    row = CorrectionRecordRow
    found = session.execute(
        select(row.batch_id, row.cell).where(row.table_id == table_id, row.agency == agency).distinct()
    )
    return frozenset((batch, cell) for batch, cell in found)


def _is_held(row: ReturnRecordRow, taken_back: Set[tuple[int, str]]) -> bool:
    """Whether there is a figure, or was one in a release until a correction emptied it."""
    return row.value is not None or (row.batch_id, row.cell) in taken_back


def _labels_with(row: ReturnRecordRow, released: Released, whole: Mapping[str, Set[str]]) -> list[str]:
    """The released periods that a figure is in; `whole` are the periods that its agency reported in time, by cell."""
    if row.counted_in is not None:
        return released.labels_around(row.counted_in)
    return [label for label in released.labels_around(row.period) if fills(whole.get(row.cell, set()), label)]


# --- rows ------------------------------------------------------------------------------------------------------------


def returns_for(session: Session, table: TableDefinition, period: Period) -> tuple[ReturnRecord, ...]:
    """The returns for a table that count within `period`: of their own period, or late ones."""
    row, within = ReturnRecordRow, [label for label in labels_around(period) if lies_within(label, period)]
    in_time = row.counted_in.is_(None) & row.period.in_(within)
    found = session.execute(
        select(
            row.table_id, row.agency, row.period, row.cell, row.value, ImportBatchRow.source_kind, row.status,
            row.counted_in,
        )
        .join(ImportBatchRow, ImportBatchRow.id == row.batch_id)
        .where(row.table_id == table.id, in_time | row.counted_in.in_(within))
        .order_by(row.id)
    )  # fmt: skip
    return tuple(
        ReturnRecord(table_id, agency, label, cell, value, SourceKind(kind), STATUSES[status], counted_in)
        for table_id, agency, label, cell, value, kind, status, counted_in in found
    )


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
