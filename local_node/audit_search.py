"""Look something up in the audit log: filters that a data protection officer asks with, a page at a time.

Pages are cut by `seq`, the newest first, so that a log that grows meanwhile shifts nothing. Each filter has an index
(migration 0010). Nothing here changes the log.

    find_events(session, AuditFilter(actor="anna"), before=1200)
    for line in export_lines(database, "leipzig.sn.de"): ...
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from local_node.audit import event_of
from local_node.audit_chain import FIRST_PREV_HASH, AuditEvent, event_line, header_line
from local_node.orm import AuditRow
from shared_schema.service.database import Database

EVENTS_A_PAGE: Final = 50
AT_ONCE: Final = 2_000
"""Events that an export reads in one go: a slow reader of the file never holds the database open."""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What is looked for; days are whole days in the zone of the reader, both included."""

    since: date | None = None
    until: date | None = None
    actor: str = ""
    action: str = ""
    subject: str = ""
    zone: tzinfo = UTC

    def narrow(self, query: Select[AuditRow]) -> Select[AuditRow]:
        """The query with these conditions. Times that no calendar has are beyond every event."""
        if self.since is not None:
            query = query.where(AuditRow.at >= _midnight(self.since, self.zone))
        if self.until is not None and self.until < date.max:
            query = query.where(AuditRow.at < _midnight(self.until + timedelta(days=1), self.zone))
        for column, wanted in ((AuditRow.actor, self.actor), (AuditRow.action, self.action)):
            if wanted:
                query = query.where(column == wanted)
        return query.where(AuditRow.subject == self.subject) if self.subject else query


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some events, newest first; `older` is the seq before which the next page begins, None at the end."""

    events: tuple[AuditEvent, ...]
    older: int | None


def find_events(session: Session, wanted: AuditFilter, *, before: int | None = None) -> AuditPage:
    """The newest events that the filter lets through, from before a seq if one is given."""
    query = wanted.narrow(select(AuditRow)).order_by(AuditRow.seq.desc()).limit(EVENTS_A_PAGE + 1)
    if before is not None:
        query = query.where(AuditRow.seq < before)
    rows = session.scalars(query).all()
    events = tuple(event_of(row) for row in rows[:EVENTS_A_PAGE])
    return AuditPage(events, events[-1].seq if len(rows) > EVENTS_A_PAGE else None)


def list_actions(session: Session) -> tuple[str, ...]:
    """Every action that the log knows, found by skipping from one to the next in its index."""
    found: list[str] = []
    query = select(AuditRow.action).order_by(AuditRow.action).limit(1)
    action = session.scalar(query)
    while action is not None:
        found.append(action)
        action = session.scalar(query.where(AuditRow.action > action))
    return tuple(found)


def export_lines(database: Database, node: str) -> Iterator[bytes]:
    """The whole log as it stands now, line by line; what is appended meanwhile is left out.

    The log is append-only, so it is read in many short transactions and is one consistent log all the same.
    """
    with database.read() as session:
        last = session.scalars(select(AuditRow).order_by(AuditRow.seq.desc()).limit(1)).first()
        end, head = (0, FIRST_PREV_HASH) if last is None else (last.seq, last.entry_hash)
    yield header_line(node, end, head)
    for start in range(0, end, AT_ONCE):
        with database.read() as session:
            chunk = select(AuditRow).where(AuditRow.seq > start, AuditRow.seq <= min(start + AT_ONCE, end))
            lines = [event_line(event_of(row)) for row in session.scalars(chunk.order_by(AuditRow.seq))]
        yield from lines


def _midnight(day: date, zone: tzinfo) -> datetime:
    """The beginning of a day, for comparing with the log; the first years of the calendar have none in every zone."""
    try:
        return datetime.combine(day, time(), zone).astimezone(UTC)
    except OverflowError:
        return datetime.combine(day, time(), UTC)
