"""How a member is doing, by when it last read this hub's log: the same rule on pages and for commands."""

from datetime import datetime, timedelta
from typing import Final, Literal

ReadingState = Literal["in-time", "late", "silent"]
IN_TIME: Final = timedelta(hours=24)
"""A node asks every few minutes; one that was off over night is still in time."""
SILENT: Final = timedelta(days=7)
"""After a week nobody comes back by itself: it is time to telephone."""


def reading_state(last_read_at: datetime | None, now: datetime) -> ReadingState:
    """`in-time` within a day, `silent` after a week or when it never read, `late` between."""
    if last_read_at is None or now - last_read_at > SILENT:
        return "silent"
    return "in-time" if now - last_read_at <= IN_TIME else "late"
