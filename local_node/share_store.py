"""The randomness of this city's sealed shares, one draw for each batch, and what became of them.

As long as it is here, the same counts give the same halves, byte for byte. It is erased when the hub has given a
receipt, or when the batch has ended: then nothing can be made again, and nothing has to be.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import audit
from local_node.orm import OutboxRow, ReleaseRequestRow, SealedShareRow
from local_node.review import RequestState
from local_node.sealed_standing import OwnShare
from local_node.share_outcomes import BATCH_DIGITS
from shared_schema.period import Period
from shared_schema.service.database import forget
from shared_schema.statement import Kind
from shared_schema.trend import TableReference

PROGRAM: Final = "local-node"
DELIVERED: Final = "delivered"
REFUSED: Final = "refused"


@dataclass(frozen=True, slots=True)
class Made:
    """What a share was made from. `randomness` is None once it is erased."""

    batch: str
    ledger_seq: int
    randomness: bytes | None
    outcome: str | None


def keep(session: Session, batch: str, table: TableReference, period: Period, ledger_seq: int, randomness: bytes,
         now: datetime) -> bytes | None:  # fmt: skip
    """The randomness of a batch: what was kept before, else `randomness`, which is kept from now on.

    None when it was erased already.
    """
    row = session.get(SealedShareRow, batch)
    if row is None:
        row = SealedShareRow(
            batch=batch,
            table_id=table.id,
            table_version=table.version,
            period=period.label,
            ledger_seq=ledger_seq,
            randomness=randomness,
            made_at=now,
        )
        session.add(row)
        session.flush()
    return row.randomness


def find(session: Session, batch: str) -> Made | None:
    row = session.get(SealedShareRow, batch)
    return None if row is None else Made(row.batch, row.ledger_seq, row.randomness, row.outcome)


def own_shares(session: Session, batches: Collection[str]) -> Mapping[str, OwnShare]:
    """What this city has done about each of these batches; the last request counts that nobody has refused."""
    request = ReleaseRequestRow
    rows = session.execute(
        select(request.id, request.state, request.digest, request.subject, OutboxRow.state, OutboxRow.reason)
        .outerjoin(OutboxRow, OutboxRow.digest == request.digest)
        .where(request.kind == Kind.SHARE.value, request.state != RequestState.REFUSED.value)
        .order_by(request.number)
    )
    by_end = {f"s-{batch[:BATCH_DIGITS]}": batch for batch in batches}
    found: dict[str, OwnShare] = {}
    for number, state, digest, subject, sent, reason in rows:
        batch = by_end.get(str(subject).rpartition("/")[2])
        if batch is not None:
            code = reason if sent == REFUSED else None
            found[batch] = OwnShare(number, RequestState(state), digest, sent == DELIVERED, code)
    return found


def list_unsettled(session: Session) -> Iterator[str]:
    """The batches whose randomness is still here, or whose outcome nobody knows yet."""
    open_rows = SealedShareRow.randomness.is_not(None) | SealedShareRow.outcome.is_(None)
    yield from session.scalars(select(SealedShareRow.batch).where(open_rows))


def settle(session: Session, batch: str, *, outcome: str | None, erase: bool, now: datetime) -> None:
    """Write down what became of a share, and erase what it was made from; twice has the effect of once."""
    row = session.get_one(SealedShareRow, batch)
    if outcome is not None and row.outcome != outcome:
        row.outcome = outcome
        audit.append(session, PROGRAM, f"share.{outcome}", batch, now)
    if erase and row.randomness is not None:
        row.randomness = None
        forget(session, "sealed_shares")
        audit.append(session, PROGRAM, "share.randomness-erased", batch, now)
    session.flush()
