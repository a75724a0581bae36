"""A list of activities as an iCalendar file (RFC 5545), which every calendar program can read.

Times are the city's own, without a zone ("floating", RFC 5545 section 3.3.5): a meeting at nine stands at nine. A
quiet activity must have been reduced to what others may see before it comes here.

    to_icalendar(entries, name="leipzig.sn.de", now=now)
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

MAX_OCTETS: Final = 75
"""Of a line, without its end (RFC 5545 section 3.1)."""
_STATUS: Final = {"planned": "TENTATIVE", "confirmed": "CONFIRMED", "done": "CONFIRMED", "cancelled": "CANCELLED"}


@dataclass(frozen=True, slots=True)
class CalendarEntry:
    """One activity in words. `state` is one of `clashes.ActivityState`."""

    id: str
    summary: str
    description: str
    place: str
    first_day: date
    last_day: date
    from_time: time | None
    to_time: time | None
    state: str
    version: int
    changed_at: datetime


def to_icalendar(entries: Iterable[CalendarEntry], *, name: str, now: datetime) -> bytes:
    """The file. `name` is the node's, so that no other node's activity has the same UID."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Prevention Exchange//local node//EN", "CALSCALE:GREGORIAN"]
    for entry in entries:
        lines += _event(entry, name, now)
    lines.append("END:VCALENDAR")
    return b"".join(part + b"\r\n" for line in lines for part in _fold(line))


def _event(entry: CalendarEntry, name: str, now: datetime) -> list[str]:
    return [
        "BEGIN:VEVENT",
        f"UID:{entry.id}@{name}",
        f"DTSTAMP:{now:%Y%m%dT%H%M%SZ}",
        f"LAST-MODIFIED:{entry.changed_at:%Y%m%dT%H%M%SZ}",
        f"SEQUENCE:{entry.version}",
        *_window(entry),
        f"SUMMARY:{escape(entry.summary)}",
        f"LOCATION:{escape(entry.place)}",
        f"DESCRIPTION:{escape(entry.description)}",
        f"STATUS:{_STATUS[entry.state]}",
        "END:VEVENT",
    ]


def _window(entry: CalendarEntry) -> Iterator[str]:
    """A day without a time ends on the day after (RFC 5545 section 3.6.1)."""
    if entry.from_time is None:
        yield f"DTSTART;VALUE=DATE:{entry.first_day:%Y%m%d}"
        yield f"DTEND;VALUE=DATE:{entry.last_day + timedelta(days=1):%Y%m%d}"
        return
    yield f"DTSTART:{entry.first_day:%Y%m%d}T{entry.from_time:%H%M%S}"
    if entry.to_time is not None:
        yield f"DTEND:{entry.last_day:%Y%m%d}T{entry.to_time:%H%M%S}"
    elif entry.last_day > entry.first_day:
        yield f"DTEND:{entry.last_day:%Y%m%d}T235900"


def escape(text: str) -> str:
    """TEXT of RFC 5545 section 3.3.11; control characters are no part of it."""
    plain = (
        text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\r\n", "\n").replace("\n", "\\n")
    )
    return "".join(letter for letter in plain if letter.isprintable())


def _fold(line: str) -> Iterator[bytes]:
    """Lines of at most 75 octets, cut between characters; each further one begins with a blank."""
    part = b""
    for letter in line:
        octets = letter.encode("utf-8")
        if len(part) + len(octets) > MAX_OCTETS:
            yield part
            part = b" "
        part += octets
    yield part
