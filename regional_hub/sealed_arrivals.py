"""Shares of a sealed total come: to the leader from its members, to the helper from the leader.

Each is stored once, before it is acknowledged. Whoever verified the city's signature hands on the verified envelope.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from regional_hub.sealed_shares import add_share, find_share
from regional_hub.sealed_store import read_helper, read_leader
from shared_schema.envelope import VerifiedEnvelope
from shared_schema.errors import ReleaseRuleError
from shared_schema.names import parse_time
from shared_schema.problem import ProblemCode
from shared_schema.sealed import leader as leader_steps
from shared_schema.sealed.halves import ReceivedShare, check_share, receive_share
from shared_schema.sealed.hub import agreed_of, check_may
from shared_schema.sealed.states import BatchEvent
from shared_schema.statement import read_statement


def take_share(session: Session, batch_id: int, verified: VerifiedEnvelope, *, at: datetime) -> ReceivedShare:
    """A member's share comes to the leader. The same again changes nothing, also after the batch has ended.

    Raises BatchError (`already-answered` for another share of the same city, `batch-state`) or ReleaseRuleError.
    """
    stored, share = read_leader(session, batch_id, lock=True), receive_share(read_statement(verified))
    if not find_share(session, batch_id, share):
        leader_steps.take(stored.batch, share, at=at)
        add_share(session, batch_id, share, verified, late=False, at=at)
    return share


def note_late(session: Session, batch_id: int, verified: VerifiedEnvelope, *, at: datetime) -> None:
    """A member's share comes to the leader after the end, and before it has asked: the roster will say so.

    Nothing of it is kept but its digest. Raises as `take_share`.
    """
    stored, share = read_leader(session, batch_id, lock=True), receive_share(read_statement(verified))
    if find_share(session, batch_id, share):
        return
    check_may(stored.batch, BatchEvent.TAKE)
    agreed = agreed_of(stored.batch)
    check_share(share, agreed)
    if at <= parse_time(agreed.plan.closes):
        raise ReleaseRuleError("expected a share that comes too late", code=ProblemCode.BATCH_TERMS)
    add_share(session, batch_id, share, verified, late=True, at=at)


def take_relayed(session: Session, batch_id: int, verified: VerifiedEnvelope, *, at: datetime) -> ReceivedShare:
    """The leader hands on a share to the helper, before it asks about it. Raises as `take_share`.

    A second share of one city is refused here: a leader that asks about it is told that it came twice.
    """
    stored, share = read_helper(session, batch_id, lock=True), receive_share(read_statement(verified))
    if not find_share(session, batch_id, share):
        check_may(stored.batch, BatchEvent.TAKE)
        check_share(share, agreed_of(stored.batch))
        add_share(session, batch_id, share, verified, late=False, at=at)
    return share
