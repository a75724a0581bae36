"""What leaves the inbox: contents that their author takes back, and this node's own. The digest stays.

What is no longer accepted leaves the search as well, and the notes about it go, by trigger (migrations 0003, 0013).
"""

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from local_node import hub_place
from local_node.inbox import InboxState
from local_node.orm import EvidenceRow, HubRow, InboxRow
from local_node.trust import Trust
from shared_schema.errors import VerificationError
from shared_schema.governance import Level, WithdrawalBody
from shared_schema.pins import Pin
from shared_schema.problem import ProblemCode
from shared_schema.reach import is_within
from shared_schema.service.database import forget
from shared_schema.statement import NEVER_WITHDRAWN


def take_back(session: Session, hub: str, body: WithdrawalBody, origin: str, trust: Trust) -> bool:
    """Erase what a withdrawal takes back from this node; a narrowing leaves it to those within."""
    if body.to is not None and _keeps(session, hub, origin, body.to, trust):
        return False
    return _erase(session, body.digest, origin)


def _keeps(session: Session, hub: str, origin: str, to: str, trust: Trust) -> bool:
    """Whether this node is within what is left: as a member of the hub whose log is read, or of another one."""
    for row in session.scalars(select(HubRow).order_by(HubRow.name != hub)).all():
        level: Level = row.level  # type: ignore[assignment]  # checked when the hub was pinned
        known = trust if row.name == hub else hub_place.load_trust(session, Pin.from_texts(row.vkey, row.former))
        if is_within(known.directory, origin, to, level=level):
            return True
    return False


def _erase(session: Session, digest: str, origin: str) -> bool:
    """Erase what `origin` takes back; True when there was something.

    Raises VerificationError when it is somebody else's or may not go.
    """
    session.flush()
    row = session.get(InboxRow, digest)
    if row is None:
        return False
    explained = row.state == InboxState.WITHDRAWN.value
    if row.kind in NEVER_WITHDRAWN or (not explained and row.origin != origin):
        raise VerificationError("expected an item of the same origin", code=ProblemCode.WRONG_ORIGIN)
    row.state, row.reason, row.envelope = InboxState.WITHDRAWN.value, None, None
    row.origin = row.origin or origin
    session.execute(
        update(EvidenceRow)
        .where(or_(EvidenceRow.digest == digest, EvidenceRow.known_digest == digest), EvidenceRow.origin == origin)
        .values(envelope=b"")
    )
    forget(session, "inbox")
    return not explained


def erase_own(session: Session, digest: str) -> bool:
    """Erase this node's own item, whose withdrawal is on its way; True when it was here."""
    row = session.get(InboxRow, digest)
    if row is None or row.state == InboxState.WITHDRAWN.value:
        return False
    row.state, row.reason, row.envelope = InboxState.WITHDRAWN.value, None, None
    session.flush()
    forget(session, "inbox")
    return True
