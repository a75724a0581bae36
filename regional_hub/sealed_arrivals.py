"""Shares of a sealed total come: to the leader from its members, to the helper from the leader.

Each is stored once, before it is acknowledged. Whoever verified the city's signature hands on the verified envelope.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from regional_hub.sealed_shares import add_share, find_batch_of, find_city, find_share
from regional_hub.sealed_store import find_batch, is_asked, read_helper, read_leader
from shared_schema.envelope import VerifiedEnvelope
from shared_schema.errors import ReleaseRuleError
from shared_schema.names import parse_time
from shared_schema.problem import ProblemCode
from shared_schema.sealed import leader as leader_steps
from shared_schema.sealed.halves import ReceivedShare, check_share, receive_share
from shared_schema.sealed.hub import agreed_of, check_may
from shared_schema.sealed.states import BatchEvent, BatchState
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


def note_if_late(session: Session, batch_id: int, verified: VerifiedEnvelope, *, at: datetime) -> bool:
    """Whether a member's share comes to the leader too late; then the roster will say so, if it is not made yet.

    Nothing of it is kept but its digest. One that was taken in time is not late when it is sent again. Raises
    ReleaseRuleError for a share that is not of this batch.
    """
    stored, share = read_leader(session, batch_id, lock=True), receive_share(read_statement(verified))
    agreed = agreed_of(stored.batch)
    check_share(share, agreed)
    is_over = stored.batch.state is not BatchState.OPEN
    if not is_over and at <= parse_time(agreed.plan.closes):
        return False
    known = find_city(session, batch_id, share.origin)
    if known is None and stored.batch.state in (BatchState.OPEN, BatchState.CLOSED) and not is_asked(session, batch_id):
        add_share(session, batch_id, share, verified, late=True, at=at)
    return known is None or known.late or known.digest != share.digest


def find_led(session: Session, batch: str) -> int:
    """The batch that this hub leads. Raises ReleaseRuleError (`batch-terms`) for one that it does not collect."""
    found = find_batch(session, "leader", batch=batch)
    if found is None:
        raise ReleaseRuleError("expected a batch that this hub collects", code=ProblemCode.BATCH_TERMS)
    return found


def find_counting(session: Session, origin: str, digests: Collection[str]) -> bool:
    """Whether one of these shares of a city is in a sum, or may yet be: its batch is not void, nor refuses it."""
    return any(_may_count(session, origin, digest) for digest in digests)


def _may_count(session: Session, origin: str, digest: str) -> bool:
    batch_id = find_batch_of(session, origin, digest)
    if batch_id is None:
        return True  # its batch was lost with an old copy
    batch = read_leader(session, batch_id).batch
    if batch.state is BatchState.VOID:
        return False
    if batch.roster is None:
        return True
    return origin not in {each.origin for each in batch.roster.terms.attendance.refused}


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
