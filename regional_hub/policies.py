"""A hub's policy and that of the hub above: the stricter of both counts, and the operator is told where they differ."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub.alarms import raise_alarm, resolve_alarms
from regional_hub.errors import HubError
from regional_hub.members import get_policy, parent_policies
from regional_hub.orm import MemberRow, SourceRow
from shared_schema.governance import PolicyBody
from shared_schema.keys import MemberRole, MemberStatus
from shared_schema.policy_order import find_looser, is_too_old
from shared_schema.problem import ProblemCode

OWN_POLICY: Final = "this hub's policy"


def take_parents(session: Session, source: str, policy: PolicyBody, name: str, now: datetime) -> None:
    """Keep the policy of a followed hub, when it is the one above; raise the alarm where this hub's is looser."""
    row = session.get_one(SourceRow, source)
    if row.direction != "parent":
        return
    row.policy = policy.to_bytes()
    session.flush()
    compare(session, get_policy(session, name), now)


def compare(session: Session, own: PolicyBody, now: datetime) -> tuple[str, ...]:
    """Raise or end the alarm that this hub's own policy allows more than that of a hub above."""
    looser = looser_than_parents(session, own)
    if looser:
        message = f"the stricter limits of the hub above count; put them into this hub's policy: {'; '.join(looser)}"
        raise_alarm(session, OWN_POLICY, ProblemCode.POLICY_LOOSER_THAN_PARENT, message, now)
    else:
        resolve_alarms(session, OWN_POLICY, now)
    return looser


def looser_than_parents(session: Session, own: PolicyBody) -> tuple[str, ...]:
    return tuple(words for parent in parent_policies(session) for words in find_looser(own, parent))


def check_own(session: Session, own: PolicyBody) -> None:
    """Raise HubError (`policy-looser-than-parent`) with every limit in which `own` allows more."""
    looser = looser_than_parents(session, own)
    if looser:
        raise HubError("; ".join(looser), code=ProblemCode.POLICY_LOOSER_THAN_PARENT)


def refused_members(session: Session, policy: PolicyBody) -> list[str]:
    """The active cities whose programs are too old to hand in anything under this policy."""
    rows: Iterable[MemberRow] = session.scalars(
        select(MemberRow)
        .where(MemberRow.role == MemberRole.NODE.value, MemberRow.status == MemberStatus.ACTIVE.value)
        .order_by(MemberRow.name)
    )
    return [row.name for row in rows if is_too_old(row.software, policy)]
