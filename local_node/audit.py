"""The audit log: who did what to which thing, in one chain of hashes.

An event is written in the same transaction as what it tells about. It holds identifiers and digests only, so there is
no field into which a name, a reason or a secret could slip. The database refuses to change or remove one (migration
0001); `verify` finds what was changed beneath the database.

    append(session, "anna", "release.approved", "r1", now)
"""

import re
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from local_node.audit_chain import FIRST_PREV_HASH, AuditEvent, hash_event
from local_node.errors import AuditError
from local_node.orm import AuditRow

__all__ = ["FIRST_PREV_HASH", "AuditEvent", "append", "event_of", "list_events", "verify"]

_ACTOR = re.compile(r"[\w.@-]{1,60}")
_ACTION = re.compile(r"[a-z]+(?:[.-][a-z]+)*", re.ASCII)
_SUBJECT = re.compile(r"[\w.:/@+-]{1,300}")


def append(session: Session, actor: str, action: str, subject: str, now: datetime) -> AuditEvent:
    """Write one event at the end of the log, in the caller's transaction.

    `actor` is a person's id (or the program's), `action` a word such as `release.approved`, `subject` an identifier.
    Raises AuditError when one of them has another form: the log holds no free text.
    """
    for name, pattern, value in (("actor", _ACTOR, actor), ("action", _ACTION, action), ("subject", _SUBJECT, subject)):
        if not pattern.fullmatch(value):
            raise AuditError(f"expected an identifier without spaces as {name} of an audit event", code="audit-form")
    last = session.scalars(select(AuditRow).order_by(AuditRow.seq.desc()).limit(1)).first()
    row = AuditRow(
        seq=1 if last is None else last.seq + 1,
        at=now,
        actor=actor,
        action=action,
        subject=subject,
        prev_hash=FIRST_PREV_HASH if last is None else last.entry_hash,
    )
    row.entry_hash = _hash(row)
    session.add(row)
    session.flush()
    return event_of(row)


def list_events(session: Session, *, limit: int = 100) -> tuple[AuditEvent, ...]:
    """The newest events, newest first."""
    rows = session.scalars(select(AuditRow).order_by(AuditRow.seq.desc()).limit(limit))
    return tuple(event_of(row) for row in rows)


def last_seq(session: Session) -> int:
    """The number of the newest event, 0 for none: as long as it stays, nobody has changed anything here."""
    return session.scalar(select(func.max(AuditRow.seq))) or 0


def verify(session: Session) -> int:
    """Walk the whole log and return the number of its events.

    Raises AuditError naming the first event that does not follow from the one before it.
    """
    count, prev_hash = 0, FIRST_PREV_HASH
    for row in session.scalars(select(AuditRow).order_by(AuditRow.seq)):
        if (row.seq, row.prev_hash, row.entry_hash) != (count + 1, prev_hash, _hash(row)):
            raise AuditError(f"expected an unbroken audit log, got a break at event {count + 1}", code="audit-broken")
        count, prev_hash = row.seq, row.entry_hash
    return count


def event_of(row: AuditRow) -> AuditEvent:
    """An entry as a plain value."""
    return AuditEvent(row.seq, row.at, row.actor, row.action, row.subject, row.entry_hash, row.prev_hash)


def _hash(row: AuditRow) -> str:
    return hash_event(row.seq, row.at, row.actor, row.action, row.subject, row.prev_hash)
