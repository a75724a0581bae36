"""What people outside write to the coordinator on a public page: kept here, never sent on, erased after a while.

Whoever cannot use the pages must be able to say so without an account and without e-mail. So that nobody floods the
node, only some are taken in an hour, from all together: who writes is not known and not looked for.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from local_node import audit
from local_node.errors import NodeError
from local_node.orm import OutsideMessageRow
from local_node.retention import months_before
from local_node.retention_rules import Kind, months_for
from shared_schema.service.database import forget

MAX_CHARACTERS: Final = 2_000
MAX_CONTACT: Final = 200
IN_AN_HOUR: Final = 20
MOST_KEPT: Final = 500
OUTSIDE: Final = "outside"
"""Who acts in the audit log."""


class MessageError(NodeError):
    """A message cannot be taken now (`too-many`), or is not here."""

    code = "message"


class Topic(StrEnum):
    """What a message is about."""

    ACCESSIBILITY = "accessibility"
    CONTENT = "content"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `contact` is what its writer gave for an answer, often nothing."""

    id: int
    received_at: datetime
    topic: Topic
    text: str
    contact: str
    done_at: datetime | None


def take(session: Session, topic: Topic, text: str, contact: str, now: datetime) -> int:
    """Keep a message and return its number. Raises MessageError: too many in an hour, or too many unread."""
    lately = select(func.count()).where(OutsideMessageRow.received_at > now - timedelta(hours=1))
    unread = select(func.count()).where(OutsideMessageRow.done_at.is_(None))
    if (session.scalar(lately) or 0) >= IN_AN_HOUR or (session.scalar(unread) or 0) >= MOST_KEPT:
        raise MessageError(f"expected at most {IN_AN_HOUR} messages in an hour", code="too-many")
    row = OutsideMessageRow(received_at=now, topic=topic.value, text=text, contact=contact)
    session.add(row)
    session.flush()
    audit.append(session, OUTSIDE, "message.received", f"message/{row.id}", now)
    return row.id


def list_messages(session: Session, *, limit: int = MOST_KEPT) -> tuple[Message, ...]:
    """Those that wait first, then the newest."""
    query = select(OutsideMessageRow).order_by(OutsideMessageRow.done_at.is_not(None), OutsideMessageRow.id.desc())
    return tuple(
        Message(row.id, row.received_at, Topic(row.topic), row.text, row.contact, row.done_at)
        for row in session.scalars(query.limit(limit))
    )


def count_waiting(session: Session) -> int:
    """How many nobody has dealt with yet."""
    return session.scalar(select(func.count()).where(OutsideMessageRow.done_at.is_(None))) or 0


def mark_done(session: Session, number: int, *, by: str, now: datetime) -> None:
    """Somebody has dealt with it; a second time changes nothing. Raises MessageError (`not-found`)."""
    row = _get(session, number)
    if row.done_at is None:
        row.done_at, row.done_by = now, by
        audit.append(session, by, "message.done", f"message/{number}", now)


def erase(session: Session, number: int, *, by: str, now: datetime) -> None:
    """Erase a message at once, for example because it names somebody. Raises MessageError (`not-found`)."""
    session.delete(_get(session, number))
    forget(session, "outside_messages")
    audit.append(session, by, "message.erased", f"message/{number}", now)


def purge(session: Session, now: datetime) -> int:
    """Erase what is older than the rule says; how many."""
    months = months_for(session, Kind.MESSAGES)
    if months is None:
        return 0
    old = OutsideMessageRow.received_at < months_before(now, months)
    count = session.scalar(select(func.count()).where(old)) or 0
    if count:
        session.execute(delete(OutsideMessageRow).where(old).execution_options(synchronize_session=False))
        forget(session, "outside_messages")
    return count


def _get(session: Session, number: int) -> OutsideMessageRow:
    row = session.get(OutsideMessageRow, number)
    if row is None:
        raise MessageError("expected the number of a message that is here", code="not-found")
    return row
