"""Which batch of a sealed total may be opened now, and why none can be.

A batch is planned for each period that has ended, once, from the policy in force: the table's grid and epsilon, and as
members every active city of this hub, each of another municipality.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from regional_hub import log
from regional_hub.errors import HubError
from regional_hub.members import Trust
from regional_hub.orm import EntryRow, SealedBatchRow
from regional_hub.sealed_rows import subject_of
from regional_hub.sealed_store import list_of, read_helper
from shared_schema.errors import BatchError, ReleaseRuleError
from shared_schema.governance import MAX_OPEN_DAYS, SealedTable
from shared_schema.names import format_time, is_same_operator
from shared_schema.period import Period, parse_period
from shared_schema.problem import ProblemCode
from shared_schema.release_rules import check_ended
from shared_schema.sealed.checks import Facts, cities_of, operators_of
from shared_schema.sealed.states import BatchState
from shared_schema.sealed.terms import BatchPlan
from shared_schema.statement import Kind
from shared_schema.trend import TableDefinition
from shared_schema.vdaf.sum_vec import best_chunk_length
from shared_schema.vocabulary import SourceKind

TRY_AGAIN_AFTER = timedelta(days=1)
"""After a proposal that the second hub has refused: somebody has to do something first."""

MOST_UNANNOUNCED = 100
"""Batches of one leader to which this hub has agreed and which stand in no log: more than a policy has tables."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A batch that somebody wants: its table in the policy, how it is collected, and the period."""

    table: TableDefinition
    sealed: SealedTable
    period: Period

    @property
    def subject(self) -> str:
        return f"{self.table.id}@{self.table.version}/{self.period.label}"


def wanted_of(trust: Trust, table_id: str, period: Period, version: int | None = None) -> Wanted:
    """The newest version of a table, or the one that is named, if the policy seals it.

    Raises HubError (`unknown-table`, `release-rule`).
    """
    table = trust.policy.find_table(table_id, version)
    sealed = None if table is None else trust.policy.find_sealed(table.id, table.version)
    if table is None or sealed is None:
        raise HubError("expected a table that the policy seals", code=ProblemCode.UNKNOWN_TABLE)
    if period.granularity != sealed.granularity:
        raise HubError(f"expected a {sealed.granularity}", code=ProblemCode.RELEASE_RULE)
    return Wanted(table, sealed, period)


def list_due(session: Session, trust: Trust, now: datetime) -> list[Wanted]:
    """The batches that the schedule opens now: of each sealed table the period that has ended last, once."""
    due = []
    for sealed in trust.policy.sealed or ():
        table = trust.policy.find_table(sealed.table, sealed.version)
        period = last_ended(sealed, now)
        if table is None or period is None:
            continue
        wanted = Wanted(table, sealed, period)
        if not _was_tried(session, trust, wanted, now):
            due.append(wanted)
    return due


def last_ended(sealed: SealedTable, now: datetime) -> Period | None:
    """The last period that has ended; None for one so long ago that its batch would not close in time."""
    label = _label_before(sealed, now)
    period = parse_period(label)
    return period if now.date() - period.last_day <= timedelta(days=MAX_OPEN_DAYS) else None


def _label_before(sealed: SealedTable, now: datetime) -> str:
    year, month = now.year, now.month
    if sealed.granularity == "year":
        return f"{year - 1:04d}"
    if sealed.granularity == "quarter":
        quarter = (month - 1) // 3
        return f"{year:04d}-Q{quarter}" if quarter else f"{year - 1:04d}-Q4"
    return f"{year:04d}-{month - 1:02d}" if month > 1 else f"{year - 1:04d}-12"


def _was_tried(session: Session, trust: Trust, wanted: Wanted, now: datetime) -> bool:
    """Whether a batch of this table and period was begun: also one that the log alone remembers."""
    rows = list_of(session, "leader", wanted.subject)
    if any(row.state != BatchState.DROPPED.value for row in rows):
        return True
    if rows and now - rows[0].made_at < TRY_AGAIN_AFTER:
        return True
    said = (
        EntryRow.subject == wanted.subject, EntryRow.kind == Kind.BATCH.value, EntryRow.origin == trust.name,
    )  # fmt: skip
    return session.scalar(select(EntryRow.index).where(*said).limit(1)) is not None


def plan_batch(
    session: Session, trust: Trust, wanted: Wanted, operator: str | None, now: datetime, *,
    late: "LateOf | None" = None, days: int | None = None,
) -> BatchPlan:  # fmt: skip
    """The plan of a batch that may be opened now.

    Raises HubError with what stands in its way: `release-rule` (not ended, too few cities), `batch-terms` (nobody has
    said who runs one of the two hubs, the second one is unknown), `same-operator`, `already-answered`.
    """
    check_hubs(trust, wanted.sealed.helper, operator)
    check_ended(wanted.period, now)
    members = tuple(sorted(distinct_cities(trust))) if late is None else late.members
    least = wanted.sealed.min_batch
    if len(members) < least:
        message = f"expected at least {least} active cities of different municipalities, got {len(members)}"
        raise HubError(message, code=ProblemCode.RELEASE_RULE)
    if late is None and any(_is_living(row) for row in list_of(session, "leader", wanted.subject)):
        raise HubError("expected no other batch of this table and period", code=ProblemCode.ALREADY_ANSWERED)
    cells, maximum = wanted.table.cells, wanted.sealed.maximum
    return BatchPlan.from_object(
        {
            "table": wanted.table.reference.to_object(),
            "period": wanted.period.to_object(),
            "dimension": wanted.table.dimension,
            "cells": list(cells),
            "maximum": maximum,
            "chunk_length": best_chunk_length(len(cells), maximum),
            "min_batch": wanted.sealed.min_batch,
            "epsilon_milli": wanted.table.epsilon_milli_for(wanted.period.granularity),
            "members": list(members),
            "log_size": log.get_head(session).size,
            "opens": format_time(now),
            "closes": format_time(now + timedelta(days=days or wanted.sealed.open_days)),
        }
        | ({} if late is None else {"late_of": late.batch})
        | ({} if (kind := _source_kind(wanted)) is None else {"source_kind": kind.value})
    )


def _source_kind(wanted: Wanted) -> SourceKind | None:
    """The one that the policy names, or the only one of the table."""
    kinds = wanted.table.source_kinds
    return wanted.sealed.source_kind or (kinds[0] if len(kinds) == 1 else None)


@dataclass(frozen=True, slots=True)
class LateOf:
    """The cities of an opened batch that are in no sum, as far as they are active still."""

    batch: str
    members: tuple[str, ...]


def distinct_cities(trust: Trust) -> dict[str, str]:
    """The active cities of this hub with the codes of their municipalities; of two that are one, the first by name."""
    by_code: dict[str, str] = {}
    for name, code in sorted(cities_of(trust.directory, trust.name).items()):
        by_code.setdefault(code, name)
    return {name: code for code, name in by_code.items()}


def check_hubs(trust: Trust, helper: str, operator: str | None) -> None:
    """Raise HubError unless the directory has the second hub, and somebody has said that another operator runs it."""
    operators = operators_of(trust.directory)
    if helper not in operators or helper == trust.name:
        raise HubError("expected the second hub in the directory, followed by this one", code=ProblemCode.BATCH_TERMS)
    if operator is None:
        raise HubError("expected the setting operator: who runs this hub", code=ProblemCode.BATCH_TERMS)
    other = operators[helper]
    if other is not None and is_same_operator(operator, other):
        raise HubError("expected a second hub of another operator", code=ProblemCode.SAME_OPERATOR)


def facts_for(trust: Trust, plan: BatchPlan, leader: str, now: datetime) -> Facts:
    """What this hub knows by itself about a plan of `leader`."""
    table = trust.policy.find_table(plan.table.id, plan.table.version)
    return Facts(
        now=now,
        table=table,
        municipalities=cities_of(trust.directory, leader),
        operators=operators_of(trust.directory),
        most_epsilon_milli=trust.policy.epsilon_milli_per_measure,
    )


def check_disjoint(session: Session, plan: BatchPlan, leader: str) -> None:
    """Raise ReleaseRuleError unless no city is asked for these figures a second time.

    A batch of the same table and period that is not void may be there already. Then its roster has to be signed, and
    only cities that are in no sum of it may be members again: two sums that differ by a city are that city's figures.
    A city may have come here from another leader meanwhile. Two proposals at once are the caller's to keep apart.
    """
    asked = set(plan.members)
    for row in list_of(session, "helper", subject_of(plan)):
        if not _is_living(row):
            continue
        before = read_helper(session, row.id).batch
        members = set() if before.terms is None else set(before.terms.plan.members)
        if before.roster_terms is None:
            if row.other == leader or members & asked:
                raise ReleaseRuleError("expected the batch before to have ended", code=ProblemCode.ALREADY_ANSWERED)
            continue
        attendance = before.roster_terms.attendance
        left_out = {*(each.origin for each in attendance.refused), *attendance.absent}
        if (members - left_out) & asked:
            raise ReleaseRuleError("expected cities that are in no sum yet", code=ProblemCode.ALREADY_ANSWERED)


def check_few_waiting(session: Session, leader: str) -> None:
    """Raise BatchError when a leader has not announced too many of the batches that this hub has agreed to.

    Each is kept for months. There are as many as there are tables and months in a calendar for a hub that asks and
    asks; one that goes on with what it has asked for has one or two.
    """
    mine = (SealedBatchRow.role == "helper", SealedBatchRow.other == leader)
    waiting = select(func.count()).where(*mine, SealedBatchRow.state == BatchState.AGREED.value)
    if (session.scalar(waiting) or 0) >= MOST_UNANNOUNCED:
        message = f"expected a leader with fewer than {MOST_UNANNOUNCED} batches that it has not announced"
        raise BatchError(message, code=ProblemCode.ALREADY_ANSWERED)


def _is_living(row: SealedBatchRow) -> bool:
    return row.state not in (BatchState.VOID.value, BatchState.DROPPED.value)
