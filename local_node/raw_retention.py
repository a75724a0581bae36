"""Erase raw records when they are old and what they count in has left as figures; the rest stays, and is named.

A record goes when the month it counts in is older than the rule says and every table that counts it was released for
that month, signed. The ledger and the audit log stay for ever, and so do differences that wait for a correction. After
an erasure the measure is closed for imports from before (`closed_months`): what came again could not be told from what
is new, and would be released a second time.

    plan = plan_erasure(session, "bias_incidents", 36, tables, now)     changes nothing
    erase(session, plan, by="ben", now=now)
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy import ColumnElement, Select, delete, func, select
from sqlalchemy.orm import Session

from local_node import audit, share_outcomes
from local_node.closed_months import close_before
from local_node.counted_units import CHUNK, counted_month
from local_node.imports import month_number, newest
from local_node.ledger_formats import TAKEN_OVER
from local_node.orm import (
    CollectedPeriodRow,
    CorrectionRecordRow,
    CountedUnitRow,
    EventRecordRow,
    ImportBatchRow,
    LedgerRow,
    ReleaseRequestRow,
    ReturnRecordRow,
)
from local_node.people import get_person
from local_node.retention import months_before
from local_node.retention_rules import RetentionError
from local_node.return_history import forget_gone
from local_node.review import RequestState
from local_node.tabulation import months_of
from shared_schema import canonical
from shared_schema.period import parse_period
from shared_schema.service.database import forget
from shared_schema.spending import WINDOW_MONTHS
from shared_schema.trend import TableDefinition

LEFT: Final = (RequestState.SIGNED.value, RequestState.WITHDRAWN.value)


@dataclass(frozen=True, slots=True)
class ErasurePlan:
    """What an erasure would do to one measure: records by month that go, and that stay because they were not released.

    `before` is the first month that stays whatever happens. A plan that erases nothing closes nothing. `events` are
    (month, dims) and `returns` (table, period) of what goes.
    """

    measure: str
    before: str
    goes: Mapping[str, int]
    stays: Mapping[str, int]
    events: tuple[tuple[str, str], ...] = ()
    returns: tuple[tuple[str, str], ...] = ()

    @property
    def total(self) -> int:
        """How many records go."""
        return sum(self.goes.values())


def list_measures(session: Session) -> tuple[str, ...]:
    """Every measure of which anything was ever read in."""
    return tuple(session.scalars(select(ImportBatchRow.measure).distinct().order_by(ImportBatchRow.measure)))


def count_records(session: Session) -> dict[str, tuple[int, str]]:
    """Measure → how many raw records there are, and the earliest month that one of them counts in."""
    found: dict[str, tuple[int, str]] = {}
    events = session.execute(
        select(EventRecordRow.measure, func.count(), func.min(counted_month())).group_by(EventRecordRow.measure)
    ).all()
    returns = session.execute(
        select(ImportBatchRow.measure, func.count(), func.min(_place()))
        .join(ReturnRecordRow, ReturnRecordRow.batch_id == ImportBatchRow.id)
        .group_by(ImportBatchRow.measure)
    ).all()
    for measure, count, first in (*events, *returns):
        before, earliest = found.get(measure, (0, "9999-12"))
        found[measure] = (before + count, min(earliest, f"{parse_period(first).first_day:%Y-%m}"))
    return found


# --- what would go -------------------------------------------------------------------------------------------------


def plan_erasure(
    session: Session, measure: str, months: int, tables: Sequence[TableDefinition], now: datetime
) -> ErasurePlan:
    """What is older than `months`, and whether it may go. `tables` are those of the policy. Changes nothing."""
    before = f"{months_before(now, months):%Y-%m}"
    goes: Counter[str] = Counter()
    stays: Counter[str] = Counter()
    events, returns = [], []
    released = _ReleasedMonths(session)
    counting = [table for table in newest(tables) if table.measure == measure]
    for month, dims, count in _old_events(session, measure, before):
        if _is_settled(released, counting, dims, month):
            goes[month] += count
            events.append((month, dims))
        else:
            stays[month] += count
    for table_id, place, count in _old_returns(session, measure, before):
        if months_of(parse_period(place)) <= released.of(table_id):
            goes[place] += count
            returns.append((table_id, place))
        else:
            stays[place] += count
    return ErasurePlan(
        measure, before, dict(sorted(goes.items())), dict(sorted(stays.items())), tuple(events), tuple(returns)
    )


class _ReleasedMonths:
    """The months of a table that were released and signed, or brought back after a restore."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[str, frozenset[str]] = {}

    def of(self, table_id: str) -> frozenset[str]:
        if table_id not in self._known:
            self._known[table_id] = self._find(table_id)
        return self._known[table_id]

    def _find(self, table_id: str) -> frozenset[str]:
        rows = self._session.execute(
            select(LedgerRow.table_version, LedgerRow.period, LedgerRow.format).where(
                LedgerRow.table_id == table_id, LedgerRow.correction == 0
            )
        ).all()
        subjects = {f"{table_id}/{row.table_version}/{row.period}" for row in rows}
        request = ReleaseRequestRow
        query = select(request.subject).where(request.subject.in_(subjects), request.state.in_(LEFT))
        left = set(self._session.scalars(query))
        labels = {
            row.period
            for row in rows
            if row.format == TAKEN_OVER or f"{table_id}/{row.table_version}/{row.period}" in left
        } | share_outcomes.list_counted(self._session, table_id)
        return frozenset[str]().union(*(months_of(parse_period(label)) for label in labels))


def _is_settled(released: _ReleasedMonths, tables: Iterable[TableDefinition], dims: str, month: str) -> bool:
    """Whether every table that counts such an event was released for its month; there must be one."""
    dimensions = set(canonical.parse_strict(dims.encode()))
    counting = [table.id for table in tables if table.dimension in dimensions]
    return bool(counting) and all(month in released.of(table_id) for table_id in counting)


def _old_events(session: Session, measure: str, before: str) -> list[tuple[str, str, int]]:
    """(month that it counts in, dims, how many) of all events from before a month."""
    place = counted_month()
    rows = session.execute(
        select(place, EventRecordRow.dims, func.count())
        .where(EventRecordRow.measure == measure, place < before)
        .group_by(place, EventRecordRow.dims)
    )
    return [(month, dims, count) for month, dims, count in rows]


def _old_returns(session: Session, measure: str, before: str) -> list[tuple[str, str, int]]:
    """(table, period that it counts in, how many cells) of all returns whose period has ended before a month."""
    rows = session.execute(
        select(ReturnRecordRow.table_id, _place(), func.count())
        .where(ReturnRecordRow.batch_id.in_(_batches_of(measure)), _place() < before)
        .group_by(ReturnRecordRow.table_id, _place())
    )
    return [(table_id, place, count) for table_id, place, count in rows if _ends_before(place, before)]


def _batches_of(measure: str) -> Select[int]:
    return select(ImportBatchRow.id).where(ImportBatchRow.measure == measure)


def _place() -> ColumnElement[str]:
    """The period that a return counts in: its own, or a later one when it came late."""
    return func.coalesce(ReturnRecordRow.counted_in, ReturnRecordRow.period)


# --- and goes ------------------------------------------------------------------------------------------------------


def erase(session: Session, plan: ErasurePlan, *, by: str, now: datetime) -> int:
    """Carry a plan out, in the caller's write transaction; returns how many records are gone.

    The plan must have been made in the same transaction, so that it fits what is there. Raises PersonError;
    RetentionError when there is nothing to erase.
    """
    get_person(session, by)
    if not plan.total:
        raise RetentionError("expected raw records that are old enough and were released", code="nothing-to-erase")
    _delete_events(session, plan)
    for table_id, place in plan.returns:
        session.execute(
            delete(ReturnRecordRow).where(
                ReturnRecordRow.table_id == table_id,
                _place() == place,
                ReturnRecordRow.batch_id.in_(_batches_of(plan.measure)),
            )
        )
    forget_gone(session, [table_id for table_id, _ in plan.returns])
    _delete_corrections(session, plan)
    _delete_words(session, plan)
    _free_persons(session, plan)
    close_before(session, plan.measure, plan.before, by=by, now=now)
    forget(session, "event_records", "return_records", "correction_records", "counted_units")
    audit.append(session, by, "records.erased", f"{plan.measure}/before-{plan.before}/{plan.total}", now)
    return plan.total


def _delete_events(session: Session, plan: ErasurePlan) -> None:
    by_month: defaultdict[str, list[str]] = defaultdict(list)
    for month, dims in plan.events:
        by_month[month].append(dims)
    row = EventRecordRow
    for month, all_dims in by_month.items():
        for chunk in _chunks(all_dims):
            session.execute(
                delete(row).where(row.measure == plan.measure, counted_month() == month, row.dims.in_(chunk))
            )


def _delete_corrections(session: Session, plan: ErasurePlan) -> None:
    """Differences that a correction has taken out; those that wait for one stay."""
    row = CorrectionRecordRow
    rows = session.execute(
        select(row.id, row.period)
        .join(ImportBatchRow, ImportBatchRow.id == row.batch_id)
        .where(ImportBatchRow.measure == plan.measure, row.ledger_seq.is_not(None))
    )
    for chunk in _chunks([number for number, label in rows if _ends_before(label, plan.before)]):
        session.execute(delete(row).where(row.id.in_(chunk)))


def _delete_words(session: Session, plan: ErasurePlan) -> None:
    """An agency's word that a period is whole, where its events are gone: no event would now mean zero."""
    row = CollectedPeriodRow
    for collected in session.scalars(select(row).where(row.measure == plan.measure)).all():
        period = parse_period(collected.period)
        if not _ends_before(collected.period, plan.before) or not months_of(period) & set(plan.goes):
            continue
        left = select(EventRecordRow.id).where(
            EventRecordRow.measure == plan.measure,
            EventRecordRow.agency == collected.agency,
            EventRecordRow.recorded_on.between(period.first_day, period.last_day),
        )
        if session.scalar(left.limit(1)) is None:
            session.delete(collected)
    session.flush()


def _free_persons(session: Session, plan: ErasurePlan) -> None:
    """Forget who was counted, a year before the first month in which anybody can still be counted anew."""
    earliest = session.scalar(
        select(func.min(counted_month())).where(
            EventRecordRow.measure == plan.measure, EventRecordRow.unit_hash.is_not(None)
        )
    )
    first = month_number(min(plan.before, earliest or plan.before))
    session.execute(
        delete(CountedUnitRow).where(
            CountedUnitRow.measure == plan.measure, CountedUnitRow.month <= first - WINDOW_MONTHS
        )
    )


def _ends_before(label: str, before: str) -> bool:
    return f"{parse_period(label).last_day:%Y-%m}" < before


Value = TypeVar("Value", int, str)


def _chunks(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
