"""One import on its way into the database: what it brings along, what it did, and what has been released before it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from local_node import audit, share_outcomes
from local_node.errors import RecordError
from local_node.orm import ImportBatchRow, LedgerRow
from local_node.resumed import last_batch_before, resumed_entries
from shared_schema.period import Period, parse_period
from shared_schema.trend import TableDefinition

Unit = Literal["record", "person"]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, in cells of returns or in events; `batch` is None when the file said nothing new.

    `late` records belong to a period that was released before: they count in the periods `late_in` (labels).
    `corrected` is the number of released cells that a correction is now waiting for. `as_released` cells or events were
    read in again after a restore: they were in what was released, and wait for nothing.
    """

    batch: int | None
    added: int
    replaced: int
    unchanged: int
    late: int
    late_in: tuple[str, ...] = ()
    corrected: int = 0
    as_released: int = 0


@dataclass(frozen=True, slots=True)
class Import:
    """One file on its way in. With `correction` it may change what has been released; `tables` are the policy's."""

    session: Session
    batch: ImportBatchRow
    now: datetime
    unit: Unit
    correction: bool
    tables: Sequence[TableDefinition]

    def note_replaced(self, subject: str, label: str) -> None:
        """Tell the audit log that a later file took the place of an earlier one."""
        batch = self.batch
        audit.append(self.session, batch.imported_by, "records.replaced", f"{subject}/{batch.agency}/{label}", self.now)

    def check_may_change(self, label: str) -> None:
        """Raise RecordError unless this import is a correction: the figures of `label` are out."""
        if not self.correction:
            raise RecordError(
                f"expected the figures that were imported before for {label}: they are already released; with "
                "--correction the difference is kept, and released as a release of its own",
                code="already-released",
            )


class Released:
    """The periods of a table, or of all tables of a measure, that have been released.

    Some of them may have been brought back after a restore (`ledger resume`). What was in them was lost with the
    records and is read in again, and nobody can tell it from what comes late. To count it once more in a later period
    would be a second release about it, so it belongs to those that are out.
    """

    def __init__(self, session: Session, which: ColumnElement[bool]) -> None:
        rows = session.execute(select(LedgerRow.period, LedgerRow.seq).where(which, LedgerRow.correction == 0)).all()
        resumed = resumed_entries(session)
        kept = share_outcomes.list_kept(session)
        rows = [row for row in rows if row.seq not in kept]
        self._periods = [parse_period(label) for label in sorted({row.period for row in rows})]
        self._last_batch_before = last_batch_before(session)
        self._resumed = [parse_period(label) for label in sorted({row.period for row in rows if row.seq in resumed})]

    def overlaps(self, period: Period) -> bool:
        return any(each.overlaps(period) for each in self._periods)

    def labels_around(self, label: str) -> list[str]:
        """The released periods that all of `label` lies in: its figures are part of theirs."""
        part = parse_period(label)
        return [
            each.label for each in self._periods if each.first_day <= part.first_day and part.last_day <= each.last_day
        ]

    def first_open_month(self, period: Period) -> str:
        """The month that a late record of `period` counts in: the first one after all released periods around it.

        A released period has ended, so this is at the latest the month after the last one that was released.
        """
        month = max(
            (max(each.first_day, period.first_day) for each in self._periods if each.overlaps(period)),
            default=period.first_day,
        )
        while around := [each.last_day for each in self._periods if each.first_day <= month <= each.last_day]:
            last = max(around)
            month = date(last.year + last.month // 12, last.month % 12 + 1, 1)
        return f"{month:%Y-%m}"

    def is_resumed(self, period: Period) -> bool:
        """Whether a release of `period`, or of a part of it, was brought back after a restore."""
        return any(each.overlaps(period) for each in self._resumed)

    def is_outdated(self, batch_id: int, period: Period) -> bool:
        """Whether what an import said of `period` may be older than the release that was brought back.

        By how much a newer figure differs from what was released is then unknown: there is nothing to correct.
        """
        return batch_id <= self._last_batch_before and self.is_resumed(period)

    def place_of_late(self, period: Period) -> str | None:
        """The month that a record of the released `period` counts in when it comes now; None is its own.

        A record that may be in a release that was brought back belongs to that one.
        """
        if self.is_resumed(period):
            return None
        month = self.first_open_month(period)
        passed = [each for each in self._resumed if f"{period.first_day:%Y-%m}" <= f"{each.first_day:%Y-%m}" < month]
        return f"{max(each.last_day for each in passed):%Y-%m}" if passed else month


def month_number(label: str) -> int:
    """`2026-01` as year * 12 + month - 1."""
    return int(label[:4]) * 12 + int(label[5:7]) - 1


def newest(tables: Iterable[TableDefinition]) -> list[TableDefinition]:
    """Of every table the newest version."""
    found: dict[str, TableDefinition] = {}
    for table in sorted(tables, key=lambda table: table.version):
        found[table.id] = table
    return list(found.values())
