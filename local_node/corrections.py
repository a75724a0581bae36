"""What was wrong in figures that are out: by how much, for which table, period and cell, until it is released too.

An import with the option `--correction` writes the differences (`add_corrections`); the release station takes them up
as one noisy release of their own (`tabulation.tabulate_correction`) and marks them with its entry in the ledger.

    deltas = pending_corrections(session, table, period)
    mark_corrected(session, table, period, stored.seq)
"""

from collections.abc import Mapping

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from local_node import share_outcomes
from local_node.errors import RecordError
from local_node.orm import CorrectionRecordRow, ImportBatchRow, LedgerRow
from local_node.resumed import resumed_entries
from shared_schema.period import Period
from shared_schema.trend import TableDefinition


def pending_corrections(session: Session, table: TableDefinition, period: Period) -> dict[str, int]:
    """Cell code → by how much its released count was wrong, over all agencies, where no correction is released yet.

    Of exactly this released period; a cell that changed back stands here with 0. Empty when nothing is pending.
    """
    rows = session.execute(
        select(CorrectionRecordRow.cell, func.sum(CorrectionRecordRow.delta))
        .where(
            CorrectionRecordRow.table_id == table.id,
            CorrectionRecordRow.period == period.label,
            CorrectionRecordRow.ledger_seq.is_(None),
        )
        .group_by(CorrectionRecordRow.cell)
    )
    return {cell: int(delta) for cell, delta in rows}


def mark_corrected(session: Session, table: TableDefinition, period: Period, ledger_seq: int) -> None:
    """Say that the ledger's entry `ledger_seq` is the correction of all that was pending for a table and period."""
    session.execute(
        update(CorrectionRecordRow)
        .where(
            CorrectionRecordRow.table_id == table.id,
            CorrectionRecordRow.period == period.label,
            CorrectionRecordRow.ledger_seq.is_(None),
        )
        .values(ledger_seq=ledger_seq)
    )


def add_corrections(
    session: Session, batch: ImportBatchRow, table_id: str, period: str, deltas: Mapping[str, int]
) -> int:
    """Write down by how much an agency's released cells change (cell code → delta); the number of cells that wait.

    Raises RecordError (`sealed-correction`) for a period whose figures went into a sealed total.
    None waits when a correction of this period was brought back after a restore: the difference may be in that one,
    and to release it once more would be a second release about it.
    """
    if any(deltas.values()) and share_outcomes.is_sealed(session, table_id, period):
        raise RecordError(
            f"expected no correction of {period}: its figures went into a sealed total, so what was sent is unknown to "
            "all and cannot be corrected. Mark the period as a break in the series (B); what is new counts in the next",
            code="sealed-correction",
        )
    brought_back = _find_resumed(session, table_id, period)
    changed = [
        {
            "batch_id": batch.id,
            "table_id": table_id,
            "agency": batch.agency,
            "period": period,
            "cell": cell,
            "delta": delta,
            "ledger_seq": brought_back,
        }
        for cell, delta in sorted(deltas.items())
        if delta
    ]
    if changed:
        session.execute(insert(CorrectionRecordRow), changed)
    return 0 if brought_back is not None else len(changed)


def _find_resumed(session: Session, table_id: str, period: str) -> int | None:
    """The last correction of a period that was brought back."""
    row = LedgerRow
    found = session.scalars(
        select(row.seq).where(row.table_id == table_id, row.period == period, row.correction > 0).order_by(row.seq)
    )
    return max(resumed_entries(session).intersection(found), default=None)
