"""The audit log: who did what, in a chain of hashes. No contents, no free text, no secrets."""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

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


def find_events(
    session: Session, *, action: str = "", actor: str = "", before: int | None = None, limit: int
) -> list[AuditRow]:
    """The newest events first, of one action or person; `before` is a number of an event, for paging."""
    query = select(AuditRow).order_by(AuditRow.seq.desc()).limit(limit)
    if action:
        query = query.where(AuditRow.action == action)
    if actor:
        query = query.where(AuditRow.actor == actor)
    return list(session.scalars(query if before is None else query.where(AuditRow.seq < before)))


def known_words(session: Session) -> tuple[list[str], list[str]]:
    """Every action and everybody who acted, for the choices of a filter."""
    actions, actors = (
        list(session.scalars(select(column).distinct().order_by(column)))
        for column in (AuditRow.action, AuditRow.actor)
    )
    return actions, actors


def export(session: Session) -> Iterator[str]:
    """The whole chain, oldest first: one line of JSON for each event, in ASCII, so that no sign can hide.

    A reader checks it without this program: `entry_hash` is the SHA-256 of the canonical JSON (RFC 8785) of the other
    fields, and `previous_hash` is that of the line before, 64 zeros in the first one.
    """
    for row in session.scalars(select(AuditRow).order_by(AuditRow.seq).execution_options(yield_per=1_000)):
        fields = _hashed(row) | {"entry_hash": row.entry_hash}
        yield json.dumps(fields, separators=(",", ":")).replace("\x7f", "\\u007f") + "\n"


def verify(session: Session) -> int:
    """Return the number of events. Raises LogError when the chain is broken."""
    previous, expected = START, 1
    for row in session.scalars(select(AuditRow).order_by(AuditRow.seq)):
        if (row.seq, row.previous_hash, row.entry_hash) != (expected, previous, _hash(row)):
            raise LogError(f"expected an unbroken audit chain at event {expected}")
        previous, expected = row.entry_hash, expected + 1
    return expected - 1


def _hash(row: AuditRow) -> str:
    return hashlib.sha256(canonical.encode(_hashed(row))).hexdigest()


def _hashed(row: AuditRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("seq", "at", "actor", "action", "subject", "previous_hash")}
