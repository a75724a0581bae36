"""What fills a period, and what a release of it leaves out.

An agency counts in a release when its reports fill the whole period (`tabulation.tabulate`): its quarter is in no
release of a month, and two of its months are in none of their quarter. What was left out has not been released, so a
later change of it corrects nothing.

    left_out(session, table, period, policy)                        [("youth-service", "2026-Q1")]
    fills({"2026-01", "2026-02", "2026-03"}, "2026-Q1")             True
"""

from collections import defaultdict
from collections.abc import Iterable, Set

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node.orm import CollectedPeriodRow, ReturnRecordRow
from local_node.tabulation import lies_within, months_of
from shared_schema.governance import PolicyBody
from shared_schema.period import Period, parse_period
from shared_schema.trend import TableDefinition


def fills(labels: Iterable[str], label: str) -> bool:
    """Whether reports of these periods make up the whole period with this label."""
    period = parse_period(label)
    within = [months_of(parse_period(each)) for each in labels if lies_within(each, period)]
    return frozenset[str]().union(*within) == months_of(period)


def left_out(session: Session, table: TableDefinition, period: Period, policy: PolicyBody) -> list[tuple[str, str]]:
    """(agency, label) of all reports that share a day with `period` and count in no release of it, by agency.

    Not what came late: that counts in a later period. Of what is in stock only the period itself counts.
    """
    stock = policy.counts_stock(table.measure)
    reports: defaultdict[tuple[str, str | None], set[str]] = defaultdict(set)
    around = labels_around(period)
    for agency, cell, label in (*_find_returns(session, table, around), *_find_collected(session, table, around)):
        reports[agency, cell].add(label)
    return sorted(
        {
            (agency, label)
            for (agency, _), labels in reports.items()
            for label in labels
            if not lies_within(label, period) or not fills(labels, period.label) or (stock and label != period.label)
        }
    )


def labels_around(period: Period) -> frozenset[str]:
    """The labels of all periods, of whatever length, that share a day with this one."""
    months = months_of(period)
    quarters = {f"{month[:4]}-Q{(int(month[5:]) + 2) // 3}" for month in months}
    return months | quarters | {period.start[:4]}


def _find_returns(session: Session, table: TableDefinition, labels: Set[str]) -> list[tuple[str, str | None, str]]:
    row = ReturnRecordRow
    found = session.execute(
        select(row.agency, row.cell, row.period).where(
            row.table_id == table.id, row.period.in_(labels), row.value.is_not(None), row.counted_in.is_(None)
        )
    )
    return [(agency, cell, label) for agency, cell, label in found]


def _find_collected(session: Session, table: TableDefinition, labels: Set[str]) -> list[tuple[str, str | None, str]]:
    row = CollectedPeriodRow
    found = session.execute(
        select(row.agency, row.period).where(
            row.measure == table.measure, row.dimension == table.dimension, row.period.in_(labels), ~row.late
        )
    )
    return [(agency, None, label) for agency, label in found]
