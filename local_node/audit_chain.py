"""The chain of the audit log as plain values: what an event says, its hash, and a file that anybody can check.

The log leaves as JSON lines. The first line says whose log it is, how many events follow and the hash of the last one;
so a file that was cut off is found as surely as one that was changed. Everything beyond ASCII is escaped: an event that
somebody wrote beneath the database cannot move a cursor or hide a line (CHECKS F62).

    lines = [header_line("leipzig.sn.de", 2, last.entry_hash), event_line(first), event_line(last)]
    check_export(lines)                                                           ExportCheck(events=2, …)
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NoReturn

from local_node.errors import NodeError
from shared_schema import canonical
from shared_schema.errors import ContractError
from shared_schema.names import format_time, parse_time

FIRST_PREV_HASH: Final = "0" * 64
"""What stands before the first entry of a chain."""
FORMAT: Final = 1
MAX_LINE_BYTES: Final = 4_096
"""An event has at most about a thousand bytes; more is not read."""
_HEADER: Final = ("audit", "events", "head", "node")
_EVENT: Final = ("action", "actor", "at", "entry_hash", "prev_hash", "seq", "subject")


class AuditExportError(NodeError):
    """A file is not an unbroken audit log; the message names the first wrong line."""

    code = "audit-export"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One entry of the log, as it is shown and exported."""

    seq: int
    at: datetime
    actor: str
    action: str
    subject: str
    entry_hash: str
    prev_hash: str = ""


@dataclass(frozen=True, slots=True)
class ExportCheck:
    """What a good file says: whose log, how many events, the hash of the last one, from when to when."""

    node: str
    events: int
    head: str
    first_at: datetime | None
    last_at: datetime | None


def hash_event(seq: int, at: datetime, actor: str, action: str, subject: str, prev_hash: str) -> str:
    """The hash of an event, which covers the one before it. Raises SchemaError for a text without a canonical form."""
    fields = {
        "seq": seq,
        "at": format_time(at),
        "actor": actor,
        "action": action,
        "subject": subject,
        "prev_hash": prev_hash,
    }
    return hashlib.sha256(canonical.encode(fields)).hexdigest()


# --- writing -------------------------------------------------------------------------------------------------------


def header_line(node: str, events: int, head: str) -> bytes:
    """The first line of an export."""
    return _line({"audit": FORMAT, "node": node, "events": events, "head": head})


def event_line(event: AuditEvent) -> bytes:
    """One event as a line of an export."""
    return _line(
        {
            "seq": event.seq,
            "at": format_time(event.at),
            "actor": event.actor,
            "action": event.action,
            "subject": event.subject,
            "prev_hash": event.prev_hash,
            "entry_hash": event.entry_hash,
        }
    )


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


# --- checking ------------------------------------------------------------------------------------------------------


def check_export(lines: Iterable[bytes]) -> ExportCheck:
    """Walk an export, each line with its line end. Raises AuditExportError that names the first wrong line."""
    numbered = enumerate(lines, start=1)
    node, events, head = _check_header(numbered)
    seq, prev_hash = 0, FIRST_PREV_HASH
    first_at = last_at = None
    for number, line in numbered:
        if seq == events:
            _refuse(number, f"the end of the file after {events} events")
        event = _parse_event(number, line)
        if event.seq != seq + 1:
            _refuse(number, f"event {seq + 1}")
        if event.prev_hash != prev_hash:
            _refuse(number, "the hash of the event before it")
        if event.entry_hash != _hash_of(number, event):
            _refuse(number, "the hash of what the event says")
        seq, prev_hash, last_at = event.seq, event.entry_hash, event.at
        first_at = first_at or event.at
    if seq != events:
        _refuse(seq + 2, f"event {seq + 1} of {events}; the file was cut off")
    if prev_hash != head:
        _refuse(1, "the hash of the last event")
    return ExportCheck(node, events, head, first_at, last_at)


def _check_header(numbered: Iterator[tuple[int, bytes]]) -> tuple[str, int, str]:
    fields = _parse(1, next(numbered, (1, b""))[1], _HEADER)
    node, events, head = fields["node"], fields["events"], fields["head"]
    if fields["audit"] != FORMAT or not isinstance(node, str) or not isinstance(head, str) or type(events) is not int:
        _refuse(1, "the first line of an audit log: whose it is, how many events, the last hash")
    return node, events, head


def _parse_event(number: int, line: bytes) -> AuditEvent:
    fields = _parse(number, line, _EVENT)
    texts = [fields[name] for name in _EVENT if name != "seq"]
    if type(fields["seq"]) is not int or not all(isinstance(text, str) for text in texts):
        _refuse(number, "an event")
    try:
        at = parse_time(fields["at"])
    except ValueError:
        _refuse(number, "an event with a time")
    return AuditEvent(**{**fields, "at": at})


def _parse(number: int, line: bytes, names: tuple[str, ...]) -> dict[str, Any]:
    """The fields of one line, whose bytes are those that an export writes."""
    if not line.endswith(b"\n"):
        _refuse(number, "a line that is complete; the file was cut off")
    try:
        fields = json.loads(line) if len(line) <= MAX_LINE_BYTES else None
    except (ValueError, RecursionError):  # no JSON, no UTF-8, or numbers and nesting without end
        fields = None
    if not isinstance(fields, dict) or tuple(sorted(fields)) != names or _line(fields) != line:
        _refuse(number, "a line as the export writes it")
    return fields


def _hash_of(number: int, event: AuditEvent) -> str:
    try:
        return hash_event(event.seq, event.at, event.actor, event.action, event.subject, event.prev_hash)
    except ContractError:  # a control character, or another text that the log never takes
        _refuse(number, "an event without control characters")


def _refuse(number: int, expected: str) -> NoReturn:
    raise AuditExportError(f"line {number}: expected {expected}")
