"""The budget for privacy as people read it: per measure what twelve months have spent, and what comes next would.

What is added up is what the rule adds up before every release (`shared_schema.spending`); this only shows it.

    read_budget(session, policy, protection, now).measures[0].left_milli
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node.imports import newest
from local_node.orm import LedgerRow
from local_node.protection import Protection
from shared_schema.governance import PolicyBody
from shared_schema.period import Granularity, Period, parse_period
from shared_schema.spending import WINDOW_MONTHS, Charge, months_of, spend_with
from shared_schema.trend import TableDefinition

FINEST_FIRST: Final[tuple[Granularity, ...]] = ("month", "quarter", "year")


@dataclass(frozen=True, slots=True)
class Spent:
    """One entry of the ledger: a release, or its correction with this number."""

    seq: int
    table: str
    period: str
    correction: int
    epsilon_milli: int
    charged_at: datetime


@dataclass(frozen=True, slots=True)
class NextRelease:
    """What the next release of a table would be: its period, its cost, and whether that fits into what is left."""

    table: str
    title: str
    period: str
    epsilon_milli: int
    fits: bool


@dataclass(frozen=True, slots=True)
class MeasureBudget:
    """One measure within the last twelve months, in thousandths of epsilon."""

    measure: str
    unit: str
    spent_milli: int
    most_milli: int
    entries: tuple[Spent, ...]
    following: tuple[NextRelease, ...]

    @property
    def left_milli(self) -> int:
        return max(self.most_milli - self.spent_milli, 0)


@dataclass(frozen=True, slots=True)
class Budget:
    """All measures of the policy; `since` and `until` are the first and the last month of the window."""

    since: str
    until: str
    measures: tuple[MeasureBudget, ...]
    spent_milli: int
    most_milli: int


def odds_factor(epsilon_milli: int) -> float:
    """By how much the odds that somebody is in the figures can be raised or lowered at most, rounded up to a tenth."""
    return math.ceil(10 * math.exp(epsilon_milli / 1000)) / 10


def read_budget(session: Session, policy: PolicyBody, protection: Protection, now: datetime) -> Budget:
    """What was spent in the twelve months up to now, and what would come next."""
    limits = protection.limits(policy)
    this_month = now.year * 12 + now.month - 1
    entries_of = _read_entries(session)
    charges = [_charge(measure, entry) for measure, entry in entries_of]
    near = [charge for charge in charges if charge.last_month > this_month - 2 * WINDOW_MONTHS]
    first = this_month - WINDOW_MONTHS + 1
    tables = newest(policy.tables)
    measures = []
    for measure in dict.fromkeys(table.measure for table in tables):
        own = [table for table in tables if table.measure == measure]
        spent = spend_with(Charge(measure, "", this_month, this_month, 0), near)
        entries = [
            entry
            for (_, entry), charge in zip(entries_of, charges, strict=True)
            if charge.measure == measure and charge.last_month >= first
        ]
        following = [_next(table, [entry for _, entry in entries_of], near, protection, policy, now) for table in own]
        measures.append(
            MeasureBudget(
                measure,
                own[0].unit,
                spent.of_measure,
                limits.epsilon_milli_per_measure,
                tuple(entries),
                tuple(each for each in following if each is not None),
            )
        )
    total = spend_with(Charge("", "", this_month, this_month, 0), near).of_all
    return Budget(_label(first), _label(this_month), tuple(measures), total, limits.epsilon_milli_total)


def _next(
    table: TableDefinition,
    entries: Sequence[Spent],
    near: list[Charge],
    protection: Protection,
    policy: PolicyBody,
    now: datetime,
) -> NextRelease | None:
    """The period after the last one that was released, or the last that has ended; None while that runs."""
    done = [_parse(entry.period) for entry in entries if entry.table == table.id and not entry.correction]
    period = _period_after(max(done, key=lambda each: each.last_day)) if done else _last_ended(table, now)
    if period.granularity not in table.granularities:
        period = _last_ended(table, now)
    cost = protection.most_for(table, period, policy) if protection.engine == "noise" else 0
    first, last = months_of(period)
    limits = protection.limits(policy)
    after = spend_with(Charge(table.measure, table.id, first, last, cost), near)
    fits = after.of_measure <= limits.epsilon_milli_per_measure and after.of_all <= limits.epsilon_milli_total
    return NextRelease(table.id, table.title, period.label, cost, fits)


def _last_ended(table: TableDefinition, now: datetime) -> Period:
    finest = min(table.granularities, key=FINEST_FIRST.index)
    current = _period_of(now.year * 12 + now.month - 1, finest)
    return _period_of(months_of(current)[0] - 1, finest)


def _period_after(period: Period) -> Period:
    return _period_of(months_of(period)[1] + 1, period.granularity)


def _period_of(month: int, granularity: Granularity) -> Period:
    """The period of this length that a month (year * 12 + month - 1) lies in."""
    year, number = divmod(month, 12)
    label = {"month": f"{year:04d}-{number + 1:02d}", "quarter": f"{year:04d}-Q{number // 3 + 1}", "year": f"{year}"}
    return _parse(label[granularity])


def _read_entries(session: Session) -> list[tuple[str, Spent]]:
    """(measure, entry) of the whole ledger, newest first, without the figures."""
    row = LedgerRow
    rows = session.execute(
        select(
            row.measure, row.seq, row.table_id, row.period, row.correction, row.epsilon_milli, row.charged_at
        ).order_by(row.seq.desc())
    )
    return [
        (
            each.measure,
            Spent(each.seq, each.table_id, each.period, each.correction, each.epsilon_milli, each.charged_at),
        )
        for each in rows
    ]


def _charge(measure: str, entry: Spent) -> Charge:
    return Charge(measure, entry.table, *months_of(_parse(entry.period)), entry.epsilon_milli, entry.correction)


@cache
def _parse(label: str) -> Period:
    """A period of the ledger: the same few labels again and again."""
    return parse_period(label)


def _label(month: int) -> str:
    return f"{month // 12:04d}-{month % 12 + 1:02d}"
