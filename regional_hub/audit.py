"""The audit log: who did what, in a chain of hashes. No contents, no free text, no secrets."""

import hashlib
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from regional_hub.errors import LogError
from regional_hub.orm import AuditRow
from shared_schema import canonical
from shared_schema.statement import format_time

START = "0" * 64


def record(session: Session, actor: str, action: str, subject: str, now: datetime) -> None:
    """Append one event in the caller's transaction. Who else wants to waits, also in another process of the hub."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE audit IN SHARE ROW EXCLUSIVE MODE"))
    last = session.scalars(select(AuditRow).order_by(AuditRow.seq.desc()).limit(1)).first()
    row = AuditRow(
        seq=1 if last is None else last.seq + 1,
        at=format_time(now),
        actor=actor,
        action=action,
        subject=subject,
        previous_hash=START if last is None else last.entry_hash,
    )
    row.entry_hash = _hash(row)
    session.add(row)
    session.flush()


def verify(session: Session) -> int:
    """Return the number of events. Raises LogError when the chain is broken."""
    previous, expected = START, 1
    for row in session.scalars(select(AuditRow).order_by(AuditRow.seq)):
        if (row.seq, row.previous_hash, row.entry_hash) != (expected, previous, _hash(row)):
            raise LogError(f"expected an unbroken audit chain at event {expected}")
        previous, expected = row.entry_hash, expected + 1
    return expected - 1


def _hash(row: AuditRow) -> str:
    fields = {name: getattr(row, name) for name in ("seq", "at", "actor", "action", "subject", "previous_hash")}
    return hashlib.sha256(canonical.encode(fields)).hexdigest()
