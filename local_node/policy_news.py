"""What a hub's policy asks of this node's program and settings, and what the coordinator is told when they fall short.

A policy that this release cannot read whole is not half obeyed: the one before it stays in force, everything else is
read on, and the alarm says that the program has to be updated.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import inbox, sync
from local_node.inbox import InboxState
from local_node.orm import InboxRow
from shared_schema import SOFTWARE_VERSION
from shared_schema.policy_order import is_too_old, too_old_in_words
from shared_schema.problem import ProblemCode
from shared_schema.statement import Kind
from shared_schema.vocabulary import VOCABULARY_VERSION


def note_policy(session: Session, hub: str, now: datetime, version: str = SOFTWARE_VERSION) -> str | None:
    """Raise or end the alarm that this program is too old for the policy of `hub`; what is wrong, in words."""
    words = _too_old_for(session, hub, version)
    if words is None:
        sync.resolve_alarms(session, hub, now, codes=(sync.TOO_OLD,))
    else:
        sync.raise_alarm(session, hub, sync.TOO_OLD, words, now)
    return words


def _too_old_for(session: Session, hub: str, version: str) -> str | None:
    policy = inbox.current_policy(session, hub)
    if policy is not None and is_too_old(version, policy):
        return too_old_in_words(version, policy)
    if policy is not None and policy.vocabulary_version > VOCABULARY_VERSION:
        return f"expected vocabulary {policy.vocabulary_version}, got {VOCABULARY_VERSION}; update this program"
    if _has_unread_policy(session, hub):
        return "the hub has a policy that this program cannot read; the one before it stays in force. Update it"
    return None


def _has_unread_policy(session: Session, hub: str) -> bool:
    """Whether the newest policy that claims to be the hub's own was put aside because of its form."""
    state = session.execute(
        select(InboxRow.state, InboxRow.reason)
        .where(InboxRow.hub == hub, InboxRow.kind == Kind.POLICY.value, InboxRow.origin == hub)
        .order_by(InboxRow.log_index.desc())
        .limit(1)
    ).first()
    return state is not None and state == (InboxState.QUARANTINED.value, ProblemCode.SCHEMA.value)
