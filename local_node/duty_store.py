"""Who reports what, in the node's database, and how every expected return stands.

The overview reads two indexes and no record: sixty agencies with three years of months are a few thousand lines. It
tells how many cells are filled and never what is in them.

    set_duty(session, Duty("youth", table.id, "month", "2026-01"), table, person="anna", now=now)
    read_returns(session, tables, today, count=12)
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, cast

from sqlalchemy import Select, Text, func, select, type_coerce
from sqlalchemy.orm import Session

from local_node import audit
from local_node.duties import (
    NOTHING,
    WANTED,
    Duty,
    DutyError,
    Expected,
    Return,
    ReturnState,
    check_duty,
    expect,
    is_expected,
    last_periods,
)
from local_node.orm import ClosedMeasureRow, CollectedPeriodRow, ReturnDutyRow, ReturnRecordRow, ReturnVersionRow
from local_node.whole_periods import fills
from shared_schema.period import Granularity, Period
from shared_schema.trend import TableDefinition

LOOKED_AT: Final = 12
"""Periods back from today in which a missing return is still asked for."""
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What somebody still has to hand in."""

    due: int
    missing: int
    next_due: Expected | None


def set_duty(session: Session, duty: Duty, table: TableDefinition, *, person: str, now: datetime) -> None:
    """Agree on what an agency reports, or change it; the agency, table and length of period name the agreement.

    Raises DutyError: a length that the table does not have, an impossible period or number of days.
    """
    if duty.table != table.id:
        raise DutyError("expected the table that the agreement names")
    check_duty(duty, table.granularities)
    row = session.scalars(_duty_query(duty)).one_or_none()
    if row is None:
        row = ReturnDutyRow(agency=duty.agency, table_id=duty.table, granularity=duty.granularity)
        session.add(row)
    row.first_period, row.last_period, row.due_days = duty.first, duty.last, duty.due_days
    row.set_by, row.set_at = person, now
    session.flush()
    audit.append(session, person, "return.agreed", f"{duty.agency}/{duty.table}/{duty.granularity}", now)


def drop_duty(
    session: Session, agency: str, table_id: str, granularity: Granularity, *, person: str, now: datetime
) -> None:
    """Take back an agreement; what was reported stays. Raises DutyError when there is none."""
    row = session.scalars(_duty_query(Duty(agency, table_id, granularity, ""))).one_or_none()
    if row is None:
        raise DutyError("expected an agreement that is there", code="duty-unknown")
    session.delete(row)
    session.flush()
    audit.append(session, person, "return.agreement-dropped", f"{agency}/{table_id}/{granularity}", now)


def list_duties(session: Session, agency: str | None = None) -> tuple[Duty, ...]:
    """All agreements, or those of one agency, by agency and table."""
    query = select(ReturnDutyRow).order_by(ReturnDutyRow.agency, ReturnDutyRow.table_id, ReturnDutyRow.granularity)
    if agency is not None:
        query = query.where(ReturnDutyRow.agency == agency)
    return tuple(
        Duty(
            row.agency,
            row.table_id,
            cast(Granularity, row.granularity),
            row.first_period,
            row.last_period,
            row.due_days,
        )
        for row in session.scalars(query)
    )


def read_returns(
    session: Session,
    tables: Mapping[str, TableDefinition],
    today: date,
    *,
    count: int = LOOKED_AT,
    agency: str | None = None,
) -> tuple[Expected, ...]:
    """How the returns of the last `count` periods of every agreement stand, by agency, table and newest period.

    Agreements about a table that the policy has no more are left out: nobody can report it. So are periods whose
    records were erased (`closed_months`).
    """
    duties = [duty for duty in list_duties(session, agency) if duty.table in tables]
    if not duties:
        return ()
    windows = {each: last_periods(each, today, count) for each in {duty.granularity for duty in duties}}
    labels = sorted({period.label for window in windows.values() for period in window})
    found = _find_returns(session, labels, agency)
    months = _find_collected(session, tables, agency)
    closed = dict(session.execute(select(ClosedMeasureRow.measure, ClosedMeasureRow.before)).all())
    return tuple(
        expect(duty, period, _return_of(duty, period, tables[duty.table], found, months), _cells(tables, duty), today)
        for duty in duties
        for period in windows[duty.granularity]
        if is_expected(duty, period) and period.start[:7] >= closed.get(tables[duty.table].measure, "")
    )


def count_waiting(expected: Iterable[Expected]) -> Waiting:
    """How many are due and how many missing, and the one to begin with."""
    wanted = [each for each in expected if each.state in WANTED]
    missing = sum(each.state is ReturnState.MISSING for each in wanted)
    return Waiting(len(wanted) - missing, missing, min(wanted, key=lambda each: each.due_on, default=None))


def _cells(tables: Mapping[str, TableDefinition], duty: Duty) -> int:
    return len(tables[duty.table].cells)


def _return_of(
    duty: Duty,
    period: Period,
    table: TableDefinition,
    found: Mapping[_Key, Return],
    whole: Mapping[tuple[str, str], Sequence[str]],
) -> Return:
    """What is here; an agency may also have sent shorter periods that fill this one, or events."""
    here = found.get((duty.agency, duty.table, period.label), NOTHING)
    labels = whole.get((duty.agency, duty.table))
    if labels and here.here < len(table.cells) and fills(labels, period.label):
        return Return(len(table.cells), len(table.cells))
    return here


def _find_returns(session: Session, labels: Sequence[str], agency: str | None) -> dict[_Key, Return]:
    row, version = ReturnRecordRow, ReturnVersionRow
    counted = select(row.agency, row.table_id, row.period, func.count(), func.count(row.value))
    first_day = func.substr(func.min(type_coerce(version.at, Text)), 1, 10)
    began = select(version.agency, version.table_id, version.period, first_day)
    counted, began = counted.where(row.period.in_(labels)), began.where(version.period.in_(labels))
    if agency is not None:
        counted, began = counted.where(row.agency == agency), began.where(version.agency == agency)
    first = {
        (of, table, label): day
        for of, table, label, day in session.execute(began.group_by(version.period, version.agency, version.table_id))
    }
    return {
        (of, table, label): Return(here, numbers, _day(first.get((of, table, label))))
        for of, table, label, here, numbers in session.execute(counted.group_by(row.period, row.agency, row.table_id))
    }


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _find_collected(
    session: Session, tables: Mapping[str, TableDefinition], agency: str | None
) -> dict[tuple[str, str], list[str]]:
    """(agency, table) → periods whose events are all here: a period without an event is a zero."""
    row = CollectedPeriodRow
    query = select(row.agency, row.measure, row.dimension, row.period)
    if agency is not None:
        query = query.where(row.agency == agency)
    by_grid = defaultdict(list)
    for table in tables.values():
        by_grid[table.measure, table.dimension].append(table.id)
    whole: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for of, measure, dimension, label in session.execute(query):
        for table_id in by_grid[measure, dimension]:
            whole[of, table_id].append(label)
    return dict(whole)


def _duty_query(duty: Duty) -> Select[ReturnDutyRow]:
    return select(ReturnDutyRow).where(
        ReturnDutyRow.agency == duty.agency,
        ReturnDutyRow.table_id == duty.table,
        ReturnDutyRow.granularity == duty.granularity,
    )
