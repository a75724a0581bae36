"""Members as witnesses: a node that has read this hub's log to its end may vouch for the head.

Its line stands in the checkpoint that everybody is served, behind the hub's own and those of the hub's witnesses, as
long as there is room, and until the log grows.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from regional_hub import cosigning, log
from regional_hub.errors import HubError
from regional_hub.members import Trust
from regional_hub.orm import CosignatureRow, WitnessRow
from shared_schema.checkpoint import split_note
from shared_schema.errors import VerificationError
from shared_schema.head_times import MAX_WITNESSES
from shared_schema.member_cosignature import Cosigned, parse_cosigned, verify_cosigned
from shared_schema.problem import ProblemCode

MOST_AHEAD = timedelta(minutes=5)
"""As for every signed read: whose clock is further off would make readers think that this hub's is."""


def take_cosignature(session: Session, body: bytes, *, trust: Trust, name: str, now: datetime) -> bool:
    """Keep a member's cosignature of the newest head; False when there is no room for it.

    Raises MalformedError; VerificationError (`unknown-key`, `member-not-active`, `bad-signature`, `clock-skew`);
    HubError (`witness-size`) for another head than the newest; LogHeldError.
    """
    found = parse_cosigned(body)
    member = trust.find_direct(found.name)
    if member is None:
        raise VerificationError("expected a member of this hub", code=ProblemCode.UNKNOWN_KEY)
    trust.check_may_submit(member.key.keyid, now)
    verifier, time = verify_cosigned(found, member.key)
    if abs(now.timestamp() - time) > MOST_AHEAD.total_seconds():
        raise VerificationError("expected a time within five minutes of this hub's", code=ProblemCode.CLOCK_SKEW)
    head = log.get_head(session, for_append=True)  # nobody appends meanwhile
    if found.text != split_note(log.latest_checkpoint(session))[0]:
        raise HubError(f"expected the newest head, of {head.size} entries", code=ProblemCode.WITNESS_SIZE)
    if not _has_room(session, head.size, name, found):
        return False
    cosigning.keep_line(session, head.size, verifier, found.line, time)
    return True


def _has_room(session: Session, size: int, name: str, found: Cosigned) -> bool:
    """A note has room for so many lines beside the log's and its own; a member has one of them."""
    here = CosignatureRow.size == size
    session.execute(delete(CosignatureRow).where(here, CosignatureRow.name == found.name))
    others = select(func.count()).where(here, CosignatureRow.name != name)
    asked = session.scalar(select(func.count(WitnessRow.name))) or 0
    lines = session.scalar(others.where(CosignatureRow.name.not_in(select(WitnessRow.name)))) or 0
    return asked + lines < MAX_WITNESSES
