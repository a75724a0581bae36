"""A return that somebody enters in a page: the same store as `local-node import`, asked twice where it matters.

What is late, or would change what has been released, is stored after the person has been told so and has said yes.
A form says which figures it was filled in over; when others are there by now, nothing is stored. The same figures
again change nothing, so a double click does a thing once.

    entry = Entry(table, "2026-10", {"assault": 3, "arson": None}, seen=token)
    enter(session, [entry], policy, who=Entering("paul", "youth", how=How.FORM), now=now)
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from local_node import audit
from local_node.errors import RecordError
from local_node.imports import ImportReport, Unit
from local_node.orm import ImportBatchRow, ReturnEntryRow, ReturnRecordRow, ReturnVersionRow
from local_node.record_store import store
from local_node.records import MAX_COUNT, STATUSES, ParsedFile, ReturnRecord, ReturnsMapping, Status
from local_node.return_history import OWN
from shared_schema import canonical
from shared_schema.errors import SchemaError
from shared_schema.governance import PolicyBody
from shared_schema.period import parse_period
from shared_schema.trend import TableDefinition
from shared_schema.vocabulary import SourceKind

Values = Mapping[str, int | None]
"""Cell code → number, or None where nothing was collected. A cell that is not in it has no word yet."""


class How(StrEnum):
    """From what figures came."""

    FORM = "form"
    PASTE = "paste"
    FILE = "file"


TO_CONFIRM = "to_confirm"
CONFIRMED = "confirmed"
OBJECTED = "objected"
"""What an agency has said, or has still to say, of figures that somebody entered for it."""


class StaleFormError(RecordError):
    """Somebody else has stored other figures since the form was opened."""

    code = "stale-form"


class ConfirmationNeeded(RecordError):
    """What is late, or out already, is stored when the person has been told. `report` is what storing would do."""

    code = "confirm"

    def __init__(self, report: ImportReport) -> None:
        super().__init__("expected a yes to figures that are late, or that change what has been released")
        self.report = report


@dataclass(frozen=True, slots=True)
class Entry:
    """The figures of one table and period. `seen` is the token of the form (`token_of`), None for a whole sheet."""

    table: TableDefinition
    period: str
    values: Values
    seen: str | None = None


@dataclass(frozen=True, slots=True)
class Entering:
    """Who enters figures of which agency, and from what. `for_them`: for an agency that asked, which will see it.

    `said_yes` to figures that are late or released.
    """

    person: str
    agency: str
    how: How
    for_them: bool = False
    said_yes: bool = False


def current_values(session: Session, agency: str, table_id: str, period: str) -> dict[str, int | None]:
    """What is stored, by cell."""
    row = ReturnRecordRow
    found = session.execute(
        select(row.cell, row.value).where(row.table_id == table_id, row.agency == agency, row.period == period)
    )
    return dict(found.all())


def token_of(values: Values) -> str:
    """What a form carries to say over which figures it was filled in."""
    said = {cell: "n" if value is None else str(value) for cell, value in values.items()}
    return hashlib.sha256(canonical.encode(said)).hexdigest()[:20]


def enter(
    session: Session,
    entries: Sequence[Entry],
    policy: PolicyBody | None,
    *,
    who: Entering,
    now: datetime,
    today: date | None = None,
) -> ImportReport:
    """Store what was entered, all of it or nothing, in the caller's transaction. `today` is the city's own day.

    What an agency enters itself is its word about the same figures that somebody had entered for it.

    Raises RecordError and stores nothing: a cell or number that cannot be, a period that has not begun, StaleFormError,
    ConfirmationNeeded, and what `record_store.store` raises.
    """
    for entry in entries:
        check_entry(entry, today or now.date())
        _check_seen(session, entry, who.agency)
    with session.begin_nested():  # a report that nobody has agreed to is rolled back with what it did
        reports = [_store(session, each, policy, who, now) for each in _by_table(entries)]
        total = _sum(reports)
        if (total.late or total.corrected) and not who.said_yes:
            raise ConfirmationNeeded(total)
        if not who.for_them:
            _confirm_same(session, entries, who, now)
    return total


def _confirm_same(session: Session, entries: Sequence[Entry], who: Entering, now: datetime) -> None:
    """After an agency has entered figures: those of somebody else that stand as they were are confirmed by that."""
    said = {(entry.table.id, entry.period, cell) for entry in entries for cell in entry.values}
    open_ones = select(ReturnEntryRow).where(
        ReturnEntryRow.agency == who.agency, ReturnEntryRow.state.in_((TO_CONFIRM, OBJECTED))
    )
    for row in session.scalars(open_ones):
        left = cells_in_force(session, row.batch_id)
        if left and left <= said:
            row.state, row.answered_by, row.answered_at, row.reason = CONFIRMED, who.person, now, None
            session.flush()
            audit.append(session, who.person, f"return.{CONFIRMED}", f"{who.agency}/batch/{row.batch_id}", now)


def cells_in_force(session: Session, batch: int) -> frozenset[tuple[str, str, str]]:
    """(table, period, cell) of what a batch has stored and nothing has taken the place of since."""
    version, row = ReturnVersionRow, ReturnRecordRow
    found = session.execute(
        select(row.table_id, row.period, row.cell)
        .join(version, is_version_of(row))
        .where(version.batch_id == batch, row.batch_id == batch)
    )
    return frozenset((table, period, cell) for table, period, cell in found)


def is_version_of(row: type[ReturnRecordRow]) -> ColumnElement[bool]:
    """Whether a version is one of this figure."""
    version = ReturnVersionRow
    return and_(
        row.table_id == version.table_id,
        row.agency == version.agency,
        row.period == version.period,
        row.cell == version.cell,
    )


def check_entry(entry: Entry, today: date) -> None:
    """Raise RecordError unless these can be figures of the table."""
    try:
        period = parse_period(entry.period)
    except SchemaError as error:
        raise RecordError(error.message, code="period") from None
    if period.granularity not in entry.table.granularities:
        raise RecordError(f"expected one of {', '.join(entry.table.granularities)} for this table", code="period")
    if period.first_day > today:
        raise RecordError("expected a period that has begun", code="period")
    if not entry.values or set(entry.values) - set(entry.table.cells):
        raise RecordError("expected figures in the cells of the table", code="grid")
    if any(value is not None and not 0 <= value <= MAX_COUNT for value in entry.values.values()):
        raise RecordError(f"expected whole numbers from 0 to {MAX_COUNT}", code="count")


def _check_seen(session: Session, entry: Entry, agency: str) -> None:
    """Raise StaleFormError when other figures are there than the person saw, unless they are those that were typed."""
    if entry.seen is None:
        return
    current = current_values(session, agency, entry.table.id, entry.period)
    if token_of(current) != entry.seen and any(
        cell not in current or current[cell] != value for cell, value in entry.values.items()
    ):
        raise StaleFormError("expected the figures that were there when the form was opened; others were stored since")


def _by_table(entries: Sequence[Entry]) -> list[list[Entry]]:
    tables: dict[str, list[Entry]] = {}
    for entry in entries:
        tables.setdefault(entry.table.id, []).append(entry)
    return list(tables.values())


def _store(
    session: Session, entries: Sequence[Entry], policy: PolicyBody | None, who: Entering, now: datetime
) -> ImportReport:
    """One batch: the entries of one table."""
    table = entries[0].table
    source = _source_of(session, table, who.agency)
    records = [record for entry in entries for record in _records_of(session, entry, who.agency, source)]
    report = store(
        session,
        ParsedFile(tuple(records), ()),
        ReturnsMapping(
            kind="returns",
            measure=table.measure,
            table=table.id,
            source_kind=source,
            columns={cell: cell for cell in table.cells},
        ),
        agency=who.agency,
        file_digest=_digest_of(records),
        person=who.person,
        correction=True,  # only what the person has said yes to stays
        tables=() if policy is None else policy.tables,
        unit=_unit_of(policy, table),
        now=now,
    )
    if report.batch is not None:
        note_how(session, report.batch, who, now)
    return report


def note_how(session: Session, batch: int, who: Entering, now: datetime) -> None:
    """Write down how a batch came, so that an agency sees what somebody else has handed in for it."""
    state = TO_CONFIRM if who.for_them else OWN
    session.add(ReturnEntryRow(batch_id=batch, agency=who.agency, how=who.how.value, state=state))
    if who.for_them:
        audit.append(session, who.person, "return.entered-for", f"{who.agency}/batch/{batch}", now)


def _records_of(session: Session, entry: Entry, agency: str, source: SourceKind) -> list[ReturnRecord]:
    """The records in the order of the grid; a series that differs from others goes on differing."""
    row = ReturnRecordRow
    known = dict(
        session.execute(
            select(row.cell, row.status).where(
                row.table_id == entry.table.id, row.agency == agency, row.period == entry.period
            )
        ).all()
    )
    usual = _usual_status(session, entry.table.id, agency)
    return [
        ReturnRecord(
            entry.table.id,
            agency,
            parse_period(entry.period).label,
            cell,
            entry.values[cell],
            source,
            STATUSES[known[cell]] if cell in known else usual,
        )
        for cell in entry.table.cells
        if cell in entry.values
    ]


def _usual_status(session: Session, table_id: str, agency: str) -> Status:
    """`D` where the agency's newest figures are counted by another definition."""
    row = ReturnRecordRow
    newest = session.scalars(
        select(row.status)
        .where(row.table_id == table_id, row.agency == agency)
        .order_by(row.period.desc(), row.id.desc())
        .limit(1)
    ).first()
    return "D" if newest == "D" else "A"


def _source_of(session: Session, table: TableDefinition, agency: str) -> SourceKind:
    """The kind of source that the agency's newest figures have, else the table's usual one."""
    row = ReturnRecordRow
    known = session.scalars(
        select(ImportBatchRow.source_kind)
        .join(row, row.batch_id == ImportBatchRow.id)
        .where(row.table_id == table.id, row.agency == agency)
        .order_by(row.period.desc())
        .limit(1)
    ).first()
    if known is not None:
        return SourceKind(known)
    return SourceKind.AGENCY_RETURN if SourceKind.AGENCY_RETURN in table.source_kinds else table.source_kinds[0]


def _unit_of(policy: PolicyBody | None, table: TableDefinition) -> Unit:
    definition = None if policy is None else policy.find_measure(table.measure)
    return table.unit if definition is None else definition.unit


def _digest_of(records: Sequence[ReturnRecord]) -> str:
    """In place of the digest of a file: that of what was entered."""
    rows = [
        [each.table, each.agency, each.period, each.cell, "n" if each.value is None else each.value] for each in records
    ]
    return hashlib.sha256(canonical.encode({"returns": rows})).hexdigest()


def _sum(reports: Sequence[ImportReport]) -> ImportReport:
    return ImportReport(
        batch=next((each.batch for each in reports if each.batch is not None), None),
        added=sum(each.added for each in reports),
        replaced=sum(each.replaced for each in reports),
        unchanged=sum(each.unchanged for each in reports),
        late=sum(each.late for each in reports),
        late_in=tuple(sorted({label for each in reports for label in each.late_in})),
        corrected=sum(each.corrected for each in reports),
        as_released=sum(each.as_released for each in reports),
    )
