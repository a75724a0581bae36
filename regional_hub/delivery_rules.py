"""When a message goes out: one for each change of an alarm, until there are too many of them. Plain functions.

    plan(waiting, told, used, now)      which go out on their own now, and which together as one bundle
    next_try(tries, now, draw)          when one that failed is tried again

An alarm that comes and goes is told MOST_OF_ONE times a day on its own; after that its changes are gathered for
`GATHERED_FOR` and go out together. A storm of many alarms goes out as one bundle at once. So nobody gets more than
MOST_AN_HOUR messages in an hour, and no alarm waits for another that flaps.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

MOST_AN_HOUR: Final = 12
"""Through one channel: one every five minutes is what somebody can still read."""
MOST_OF_ONE: Final = 6
"""Messages of one alarm in a day: three times raised and ended."""
TOLD_WITHIN: Final = timedelta(days=1)
AN_HOUR: Final = timedelta(hours=1)
GATHERED_FOR: Final = AN_HOUR
FIRST_RETRY: Final = timedelta(minutes=1)
LAST_RETRY: Final = timedelta(hours=1)
GIVEN_UP_AFTER: Final = timedelta(days=3)
"""A mail server that breaks on a Friday evening is repaired on Monday."""


class DeliveryState(StrEnum):
    """Where a message is."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FOLDED = "folded"
    GIVEN_UP = "given-up"
    DROPPED = "dropped"


TRANSITIONS: Final[Mapping[tuple[DeliveryState, DeliveryState], str]] = {
    (DeliveryState.WAITING, DeliveryState.SENDING): "a run has claimed it",
    (DeliveryState.WAITING, DeliveryState.FOLDED): "it goes out as a part of a bundle",
    (DeliveryState.WAITING, DeliveryState.DROPPED): "its channel is not set any more",
    (DeliveryState.SENDING, DeliveryState.SENT): "it was taken",
    (DeliveryState.SENDING, DeliveryState.WAITING): "it was not taken, or the program was cut off",
    (DeliveryState.SENDING, DeliveryState.GIVEN_UP): "it was not taken for too long",
    (DeliveryState.SENDING, DeliveryState.DROPPED): "there is nobody to tell any more",
    (DeliveryState.GIVEN_UP, DeliveryState.WAITING): "an operator has it tried again",
    (DeliveryState.GIVEN_UP, DeliveryState.DROPPED): "an operator has seen it, and it is not needed any more",
}
"""(from, to) → what happens."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that is due: its row, which alarm it is about, and since when it waits."""

    id: int
    subject: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes out now: these on their own, and those together."""

    alone: tuple[int, ...] = ()
    together: tuple[int, ...] = ()


def plan(waiting: Sequence[Waiting], told: Mapping[str, int], used: int, now: datetime) -> Plan:
    """What may go out, oldest first. `told`: messages of each subject within a day; `used`: of all within an hour."""
    room = MOST_AN_HOUR - used
    if room <= 0 or not waiting:
        return Plan()
    counted = Counter(told)
    fresh: list[int] = []
    gathered: list[Waiting] = []
    for each in waiting:
        counted[each.subject] += 1
        if counted[each.subject] <= MOST_OF_ONE:
            fresh.append(each.id)
        else:
            gathered.append(each)
    is_ripe = any(now - each.made_at >= GATHERED_FOR for each in gathered)
    rest = tuple(each.id for each in gathered)
    if len(fresh) + is_ripe <= room:
        return Plan(tuple(fresh), rest if is_ripe else ())
    return Plan((), (*fresh, *rest))


def next_try(tries: int, now: datetime, draw: float) -> datetime:
    """When to try again after so many tries; `draw` is from 0 to 1 at random, so that hubs do not come all at once."""
    longest: timedelta = min(FIRST_RETRY * 2 ** min(tries - 1, 10), LAST_RETRY)
    return now + longest * draw


def is_over(made_at: datetime, now: datetime) -> bool:
    """Whether a message that fails now is not tried again."""
    return now - made_at >= GIVEN_UP_AFTER
