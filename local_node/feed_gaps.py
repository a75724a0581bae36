"""Gaps: contents that a hub says are withdrawn or lost, though nobody's withdrawal was read; `sync` fills them."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import item_store
from local_node.inbox import LOST, NOT_YET_EXPLAINED, InboxState
from local_node.orm import InboxRow
from local_node.trust import Trust
from shared_schema.envelope import Envelope
from shared_schema.problem import ProblemCode


def find_gaps(session: Session, hub: str, limit: int, *, why: str = NOT_YET_EXPLAINED) -> tuple[tuple[int, str], ...]:
    """(log index, digest) of contents that are said to be withdrawn, though nobody's withdrawal was read.

    With `why` LOST those that the hub has lost.
    """
    rows = session.execute(
        select(InboxRow.log_index, InboxRow.digest)
        .where(InboxRow.hub == hub, InboxRow.reason == why)
        .order_by(InboxRow.log_index)
        .limit(limit)
    )
    return tuple((index, digest) for index, digest in rows)


def fill_gap(session: Session, envelope: Envelope, trust: Trust) -> None:
    """Store a content that the hub kept back at first; its digest says that it is the one."""
    row = session.get(InboxRow, envelope.digest)
    if row is not None and row.reason in (NOT_YET_EXPLAINED, LOST):
        row.envelope = envelope.stored_bytes
        row.state, row.reason = InboxState.QUARANTINED.value, ProblemCode.UNKNOWN_KEY.value
        item_store.try_again(session, row, envelope, trust)
