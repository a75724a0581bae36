"""Events in the node's database: an agency's periods as it says they are, each person counted once, late ones in turn.

Each period that a file covers takes the place of what the agency said about it before. First everything that changes is
taken out and then everything is put in, by date, so the outcome does not depend on the order of rows or periods.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import delete, insert, select

from local_node import corrections, counted_units
from local_node.errors import RecordError
from local_node.imports import Import, ImportReport, Released, month_number, newest
from local_node.orm import CollectedPeriodRow, EventRecordRow, LedgerRow
from local_node.records import EventRecord, EventsMapping, ParsedFile, Status
from local_node.return_store import check_not_returned
from local_node.tabulation import months_of
from local_node.whole_periods import fills
from shared_schema import canonical
from shared_schema.period import Period, parse_period
from shared_schema.trend import TableDefinition


@dataclass(frozen=True, slots=True)
class _Known:
    """A stored event. `month` is the one it was recorded in, `counted_in` a later one or None."""

    number: int
    recorded_on: date
    dims: str
    unit_hash: str | None
    counts: bool
    counted_in: str | None

    @property
    def month(self) -> str:
        return _month(self.recorded_on)

    @property
    def place(self) -> str:
        return self.counted_in or self.month


@dataclass(frozen=True, slots=True)
class _Change:
    """A period that the file says something new about. `is_out` when figures of it were released."""

    label: str
    fresh: Sequence[EventRecord]
    before: frozenset[str]
    known: Sequence[_Known]
    is_out: bool
    late: bool
    status: Status
    is_outdated: bool = False


def store_events(
    job: Import, events: Iterable[EventRecord], parsed: ParsedFile, mapping: EventsMapping
) -> ImportReport:
    """Store what a file says about its periods. Raises RecordError: see `record_store.store`."""
    check_not_returned(job, parsed.dimensions, parsed.periods)
    released = Released(job.session, LedgerRow.measure == mapping.measure)
    labels = {month: label for label in parsed.periods for month in months_of(parse_period(label))}
    fresh: defaultdict[str, list[EventRecord]] = defaultdict(list)
    for event in events:
        fresh[labels[_month(event.recorded_on)]].append(event)
    changes = []
    for label in parsed.periods:
        change = _find_change(job, label, fresh[label], parsed, mapping, released)
        if change is not None:
            changes.append(change)
    freed = [unit for change in changes for unit in _take_out(job, change)]
    rows = sorted(
        (row for change in changes for row in _rows_of(job, change, parsed, released)),
        key=lambda row: (row["recorded_on"], row["unit_hash"] or "", row["dims"]),
    )
    _let_released_count(job, rows, released)
    _count_persons(job, rows, {unit for change in changes if change.is_out for unit in _units_of(change)})
    if rows:
        job.session.execute(insert(EventRecordRow), rows)
    _let_others_count(job, {unit for unit, _ in freed}, released)
    corrected = sum(
        _write_corrections(job, change, rows) for change in changes if change.is_out and not change.is_outdated
    )
    late, as_released = _find_late(rows, changes, released)
    replaced = sum(len(change.known) for change in changes)
    unchanged = sum(map(len, fresh.values())) - len(rows)
    batch = job.batch.id if changes else None
    return ImportReport(
        batch, len(rows), replaced, unchanged, len(late), tuple(sorted(set(late))), corrected, as_released
    )


def _find_late(rows: Sequence[dict[str, Any]], changes: Iterable[_Change], released: Released) -> tuple[list[str], int]:
    """The later months that rows count in; and how many rows of new periods were in a release that was brought back."""
    new = [change for change in changes if change.is_outdated or not change.is_out]
    months = {month for change in new for month in months_of(parse_period(change.label))}
    late, as_released = [], 0
    for row in rows:
        month = _month(row["recorded_on"])
        place = row["counted_in"] or month
        if released.is_resumed(parse_period(place)):
            as_released += month in months
        elif place != month:
            late.append(place)
    return late, as_released


# --- what changes --------------------------------------------------------------------------------------------------


def _find_change(
    job: Import,
    label: str,
    fresh: Sequence[EventRecord],
    parsed: ParsedFile,
    mapping: EventsMapping,
    released: Released,
) -> _Change | None:
    """What the file says about one period; None when it is known. Raises RecordError when it may not be changed."""
    period = parse_period(label)
    collected = _find_collected(job, period)
    before = frozenset(row.dimension for row in collected)
    known = _find_known(job, period) if before else []
    status = mapping.status_of(label)
    if not before:
        return _Change(label, fresh, before, known, False, _is_late(period, released), status)
    was_late = any(row.late for row in collected)
    places = {row.place for row in known} if was_late else months_of(period)
    is_out = any(released.overlaps(parse_period(place)) for place in places)
    is_same = before == set(parsed.dimensions) and _content(fresh) == Counter(
        (row.recorded_on, row.dims, _bare(row.unit_hash)) for row in known
    )
    if is_same and (is_out or (all(row.status == status for row in collected) and _is_counted(job, known))):
        return None
    is_outdated = is_out and any(
        released.is_outdated(row.batch_id, parse_period(place)) for row in collected for place in places
    )
    if is_outdated:
        for row in collected:
            row.batch_id = job.batch.id
    elif is_out:
        job.check_may_change(label)
    if is_out and before - set(parsed.dimensions):
        raise RecordError(f"expected all dimensions that were imported before for {label}", code="dimensions")
    job.note_replaced(job.batch.measure, label)
    late = was_late if is_out else _is_late(period, released)
    return _Change(label, fresh, before, known, is_out, late, status, is_outdated)


def _is_late(period: Period, released: Released) -> bool:
    """Whether a part of it was released without what comes now: not one whose release was brought back."""
    return any(
        released.overlaps(month) and not released.is_resumed(month) for month in map(parse_period, months_of(period))
    )


def _content(events: Iterable[EventRecord]) -> Counter[tuple[date, str, str]]:
    return Counter((event.recorded_on, _dims(event.dims), event.unit_hash or "") for event in events)


def _is_counted(job: Import, known: Iterable[_Known]) -> bool:
    """Whether the known events count as the measure's unit asks for, which the policy may have changed."""
    return all(row.unit_hash is None or row.unit_hash == _mark(job, _bare(row.unit_hash)) for row in known)


def _mark(job: Import, unit_hash: str) -> str:
    return counted_units.UNCOUNTED + unit_hash if job.unit == "record" else unit_hash


def _bare(unit_hash: str | None) -> str:
    return (unit_hash or "").removeprefix(counted_units.UNCOUNTED)


def _find_collected(job: Import, period: Period) -> list[CollectedPeriodRow]:
    """What the agency has said about this very period.

    Raises RecordError when it said so of another period that overlaps: an event would then count twice.
    """
    rows = job.session.scalars(
        select(CollectedPeriodRow).where(
            CollectedPeriodRow.measure == job.batch.measure, CollectedPeriodRow.agency == job.batch.agency
        )
    )
    found = []
    for row in rows:
        other = parse_period(row.period)
        if row.period == period.label:
            found.append(row)
        elif period.overlaps(other):
            raise RecordError(
                f"expected the period {row.period} as it was imported before, got {period.label}", code="periods"
            )
    return found


def _find_known(job: Import, period: Period) -> list[_Known]:
    row = EventRecordRow
    found = job.session.execute(
        select(row.id, row.recorded_on, row.dims, row.unit_hash, row.counts, row.counted_in).where(
            row.measure == job.batch.measure,
            row.agency == job.batch.agency,
            row.recorded_on.between(period.first_day, period.last_day),
        )
    )
    return [_Known(*values) for values in found]


# --- out with the old, in with the new -----------------------------------------------------------------------------


def _units_of(change: _Change) -> set[counted_units.Unit]:
    """The persons that the known events of a period have counted."""
    return {
        (row.unit_hash, month_number(row.place))
        for row in change.known
        if row.counts and row.unit_hash is not None and not row.unit_hash.startswith(counted_units.UNCOUNTED)
    }


def _take_out(job: Import, change: _Change) -> set[counted_units.Unit]:
    """Remove what the agency said before; who is freed by that.

    A person whose figure is out stays counted: to count it again elsewhere would be a second release about it.
    """
    period, batch, row = parse_period(change.label), job.batch, EventRecordRow
    if change.known:
        job.session.execute(
            delete(row).where(
                row.measure == batch.measure,
                row.agency == batch.agency,
                row.recorded_on.between(period.first_day, period.last_day),
            )
        )
    if change.is_out:
        return set()
    if change.before:
        job.session.execute(
            delete(CollectedPeriodRow).where(
                CollectedPeriodRow.measure == batch.measure,
                CollectedPeriodRow.agency == batch.agency,
                CollectedPeriodRow.period == change.label,
            )
        )
    units = _units_of(change)
    counted_units.free_units(job.session, batch.measure, units)
    return units


def _rows_of(job: Import, change: _Change, parsed: ParsedFile, released: Released) -> list[dict[str, Any]]:
    """The rows of a period's events, after its word that they are all there."""
    batch = job.batch
    old = change.before if change.is_out else frozenset()
    job.session.add_all(
        CollectedPeriodRow(
            measure=batch.measure,
            agency=batch.agency,
            dimension=dimension,
            period=change.label,
            batch_id=batch.id,
            status=change.status,
            late=change.late,
        )
        for dimension in parsed.dimensions
        if dimension not in old
    )
    job.session.flush()
    places: dict[str, str | None] = dict.fromkeys(months_of(parse_period(change.label)))
    if change.late:
        places = {month: released.place_of_late(parse_period(month)) for month in places}
        places |= {row.month: row.place for row in change.known if change.is_out}
    return [
        {
            "batch_id": batch.id,
            "measure": batch.measure,
            "agency": batch.agency,
            "recorded_on": event.recorded_on,
            "dims": _dims(event.dims),
            "unit_hash": None if event.unit_hash is None else _mark(job, event.unit_hash),
            "counted_in": places[_month(event.recorded_on)],
            "counts": True,
        }
        for event in change.fresh
    ]


def _let_released_count(job: Import, rows: Sequence[dict[str, Any]], released: Released) -> None:
    """A person in a release that was brought back counts there, and not elsewhere where nothing is out."""
    if job.unit == "record":
        return
    hashes = {
        row["unit_hash"]
        for row in rows
        if row["unit_hash"] and released.is_resumed(parse_period(row["counted_in"] or _month(row["recorded_on"])))
    }
    counting = [
        (number, (unit, month_number(place)))
        for number, unit, place in counted_units.find_counting(job.session, job.batch.measure, hashes)
        if not released.overlaps(parse_period(place))
    ]
    counted_units.let_count(job.session, [number for number, _ in counting], counts=False)
    counted_units.free_units(job.session, job.batch.measure, {unit for _, unit in counting})


def _count_persons(job: Import, rows: Sequence[dict[str, Any]], kept: Set[counted_units.Unit]) -> None:
    """Say of every row whether it counts: of a person's the first one by date, unless it was counted in a year."""
    if job.unit == "record":
        return
    persons = [row for row in rows if row["unit_hash"] is not None]
    units = [(row["unit_hash"], month_number(row["counted_in"] or _month(row["recorded_on"]))) for row in persons]
    answers = counted_units.count_units(job.session, job.batch.measure, units, kept)
    for row, counts in zip(persons, answers, strict=True):
        row["counts"] = counts


def _let_others_count(job: Import, freed: Set[str], released: Released) -> None:
    """A person that is counted nowhere any more counts with its earliest record whose figures are not out."""
    if job.unit == "record" or not freed:
        return
    waiting = [
        (number, (unit, month_number(place)))
        for number, unit, place in counted_units.find_waiting(job.session, job.batch.measure, freed)
        if not released.overlaps(parse_period(place))
    ]
    units = [unit for _, unit in waiting]
    answers = counted_units.count_units(job.session, job.batch.measure, units, frozenset())
    counting = [number for (number, _), counts in zip(waiting, answers, strict=True) if counts]
    counted_units.let_count(job.session, counting)


def _write_corrections(job: Import, change: _Change, rows: Iterable[dict[str, Any]]) -> int:
    """Keep by how much the released cells of every table change; the number of cells that do."""
    period = parse_period(change.label)
    old = [(row.place, row.dims) for row in change.known if row.counts]
    new = [
        (row["counted_in"] or _month(row["recorded_on"]), row["dims"])
        for row in rows
        if row["counts"] and period.first_day <= row["recorded_on"] <= period.last_day
    ]
    corrected = 0
    for table in newest(job.tables):
        if table.measure != job.batch.measure or table.dimension not in change.before:
            continue
        deltas: defaultdict[str, Counter[str]] = defaultdict(Counter)
        released = Released(job.session, LedgerRow.table_id == table.id)
        collected = _find_collected_labels(job, table)
        for sign, records in ((-1, old), (1, new)):
            for (place, dims), count in Counter(records).items():
                for label in released.labels_around(place):
                    if change.late or fills(collected, label):
                        deltas[label][_code_of(dims, table)] += sign * count
        for label, by_code in sorted(deltas.items()):
            corrected += corrections.add_corrections(job.session, job.batch, table.id, label, by_code)
    return corrected


def _find_collected_labels(job: Import, table: TableDefinition) -> frozenset[str]:
    """The periods that the agency has said to be whole in time, by the dimension of the table."""
    row = CollectedPeriodRow
    found = job.session.scalars(
        select(row.period).where(
            row.measure == table.measure,
            row.dimension == table.dimension,
            row.agency == job.batch.agency,
            ~row.late,
        )
    )
    return frozenset(found)


def _code_of(dims: str, table: TableDefinition) -> str:
    code: str = canonical.parse_strict(dims.encode())[table.dimension]
    if code not in table.cells:
        raise RecordError(f"expected events in the cells of {table.id}: its figures are out", code="grid")
    return code


@cache
def _month(day: date) -> str:
    return f"{day:%Y-%m}"


@cache
def _dims(dims: tuple[tuple[str, str], ...]) -> str:
    return canonical.encode(dict(dims)).decode()
