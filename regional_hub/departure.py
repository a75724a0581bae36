"""A member that leaves: what this hub forgets of it, and what has to stay.

The log stays: its entries are digests, and others have built on them. So do contents that were shared and not taken
back, sums that were published, and what the member's figures have cost in privacy, because a reader still has them.
Everything that this hub keeps about the member beside the log is erased.
"""

from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from regional_hub import log, members
from regional_hub.errors import HubError
from regional_hub.member_keys import Hand
from regional_hub.members import Trust
from regional_hub.orm import (
    EnrolmentCodeRow,
    EnrolmentRow,
    EntryRow,
    MemberRow,
    RelayItemRow,
    RelayQuestionRow,
    SourceRow,
)
from shared_schema.departure import LEAVE_KIND, LeaveRequest
from shared_schema.directory import verify_with
from shared_schema.envelope import Envelope
from shared_schema.errors import VerificationError
from shared_schema.keys import MemberStatus
from shared_schema.problem import ProblemCode


def accept_leave(session: Session, envelope: Envelope, *, trust: Trust, hand: Hand) -> dict[str, int]:
    """End the membership of who has signed, at its own wish. The same request again has the effect of once.

    Raises ContractError and changes nothing unless every step passes.
    """
    if envelope.kind != LEAVE_KIND:
        raise HubError("expected a request to leave", code=ProblemCode.KIND_MISMATCH)
    log.get_head(session, for_append=True)  # 1. nobody else changes the directory until the commit
    trust = members.load_trust(session, hand.name, hand.key.public, trust)
    known = trust.find_direct_key(envelope.keyid)
    verified, known = verify_with(envelope, () if known is None else (known,))  # 2. signed with a member's key
    request = LeaveRequest.from_bytes(verified.envelope.payload)
    if (request.name, request.hub) != (known.name, hand.name):  # 3. for itself, to this hub
        raise VerificationError("expected a request of the member itself to this hub", code=ProblemCode.WRONG_ORIGIN)
    row = session.get_one(MemberRow, known.name)
    if row.status == MemberStatus.LEFT.value:
        return {}
    trust.check_may_read(known.key.keyid, hand.now)  # 4. who is suspended may go as well
    hand.publish(session, members.set_status(session, row.name, MemberStatus.LEFT, actor=row.name, now=hand.now))
    return erase(session, row.name)  # 5. and what is kept beside the log goes


def erase(session: Session, name: str) -> dict[str, Any]:
    """Erase what this hub keeps about a member beside the log; returns how much of each.

    Its name, its last key and its highest `seq` stay: without them it could never come back without speaking twice
    with one number, and somebody else could take its name.
    """
    relays = select(RelayItemRow.digest).where(RelayItemRow.origin == name)
    erased = {
        "erased_codes": _delete(session, delete(EnrolmentCodeRow).where(EnrolmentCodeRow.name == name)),
        "erased_requests": _delete(session, delete(EnrolmentRow).where(EnrolmentRow.name == name)),
        "erased_relay_links": session.scalar(select(func.count()).select_from(relays.subquery())) or 0,
        "erased_source": _delete(session, delete(SourceRow).where(SourceRow.name == name)),
    }
    session.execute(delete(RelayQuestionRow).where(RelayQuestionRow.item.in_(relays)))
    session.execute(delete(RelayItemRow).where(RelayItemRow.origin == name))
    session.execute(update(MemberRow).where(MemberRow.name == name).values(url=None, read_up_to=0, last_read_at=None))
    kept = select(func.count()).select_from(EntryRow).where(EntryRow.origin == name)
    return erased | {"kept_entries": session.scalar(kept) or 0}


def _delete(session: Session, statement: Any) -> int:
    result = session.execute(statement.execution_options(synchronize_session=False))
    return int(result.rowcount)  # type: ignore[attr-defined]
