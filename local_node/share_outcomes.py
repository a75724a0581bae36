"""Which entries of the ledger pay for a sealed share that has not left, and which for one that is in a total.

As long as a share is only asked for, or its collection has ended without it, nothing of these figures is out: the
records may still be put right. Once a second person has approved it, what comes is late, as after every release.
"""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node.ledger_formats import SHARE_FORMAT
from local_node.orm import LedgerRow, ReleaseRequestRow, SealedShareRow
from local_node.resumed import resumed_entries
from local_node.review import RequestState
from shared_schema.statement import Kind

COUNTED = "counted"
FREE = "free"
BATCH_DIGITS = 16
"""Of a batch's digest in the subject of a request: 64 bits, within one table and period."""


def subject_of(table_id: str, version: int, period: str, batch: str) -> str:
    """What a share's request is about: `table/version/period/s-` and the beginning of the batch's digest."""
    return f"{table_id}/{version}/{period}/s-{batch[:BATCH_DIGITS]}"


def list_kept(session: Session) -> Collection[int]:
    """The ledger's entries whose share has not left. One that came back after a restore may have left."""
    paid = set(session.scalars(select(LedgerRow.seq).where(LedgerRow.format == SHARE_FORMAT)))
    if not paid:
        return paid
    return paid - resumed_entries(session) - _find_left(session)


def _find_left(session: Session) -> set[int]:
    states = (RequestState.APPROVED.value, RequestState.SIGNED.value)
    row, request = SealedShareRow, ReleaseRequestRow
    going = set(
        session.scalars(select(request.subject).where(request.kind == Kind.SHARE.value, request.state.in_(states)))
    )
    return {
        each.ledger_seq
        for each in session.scalars(select(row))
        if each.outcome == COUNTED
        or (each.outcome != FREE and subject_of(each.table_id, each.table_version, each.period, each.batch) in going)
    }


def list_counted(session: Session, table_id: str) -> frozenset[str]:
    """The labels of the periods of a table whose share is in a total."""
    row = SealedShareRow
    return frozenset(session.scalars(select(row.period).where(row.table_id == table_id, row.outcome == COUNTED)))


def is_sealed(session: Session, table_id: str, label: str) -> bool:
    """Whether figures of this very period, in any version of a table, were charged for as a sealed share."""
    row = LedgerRow
    found = select(row.seq).where(row.table_id == table_id, row.period == label, row.format == SHARE_FORMAT)
    return session.scalars(found.limit(1)).first() is not None


def list_uncounted(session: Session) -> frozenset[str]:
    """The batches in which a share of this city is in no sum."""
    return frozenset(session.scalars(select(SealedShareRow.batch).where(SealedShareRow.outcome == FREE)))


def list_free(session: Session) -> frozenset[str]:
    """The ends of the subjects (`s-…`) of requests whose collection has ended without this city's share."""
    return frozenset(f"s-{batch[:BATCH_DIGITS]}" for batch in list_uncounted(session))
