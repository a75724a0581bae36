"""Which returns are expected, and how each one stands. Plain rules; `duty_store` asks the database.

An agency agrees on a table, on months, quarters or years, and on the first one. A return is due some days after its
period has ended. It is *complete* when every cell of the table is there as a number or as "not collected"; zero is a
number. An empty place is neither, and makes a return *missing* once it is overdue.

    state_of(Return(here=12, numbers=12, first_on=None), cells=12, due_on=date(2026, 11, 15), ...)  -> complete
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from local_node.errors import NodeError
from shared_schema.errors import SchemaError
from shared_schema.period import Granularity, Period, parse_period

DEFAULT_DUE_DAYS: Final = 15
MAX_DUE_DAYS: Final = 120
"""Later than four months after a quarter nobody waits for it any more."""
MONTHS: Final[dict[Granularity, int]] = {"month": 1, "quarter": 3, "year": 12}


class DutyError(NodeError):
    """What an agency reports cannot be set so, or nobody has agreed on it."""

    code = "duty"


class ReturnState(StrEnum):
    """How one return of one agency stands."""

    RUNNING = "running"  # the period is not over
    DUE = "due"  # it is over; the day it is due has not passed
    MISSING = "missing"  # it is overdue, and not everything is here
    COMPLETE = "complete"
    LATE = "late"  # complete, and its first figure came after the day it was due
    NOT_COLLECTED = "not_collected"  # the agency has said of every cell that nothing was collected


WANTED: Final = frozenset({ReturnState.DUE, ReturnState.MISSING})
"""What somebody still has to do."""


@dataclass(frozen=True, slots=True)
class Duty:
    """An agency's word that it reports a table, from `first` to `last` (None: until further notice)."""

    agency: str
    table: str
    granularity: Granularity
    first: str
    last: str | None = None
    due_days: int = DEFAULT_DUE_DAYS


@dataclass(frozen=True, slots=True)
class Return:
    """What is here of one return: cells with a word of the agency, how many of them are numbers, the first day."""

    here: int = 0
    numbers: int = 0
    first_on: date | None = None


NOTHING: Final = Return()


@dataclass(frozen=True, slots=True)
class Expected:
    """One return that is expected, and how it stands: `here` of `cells` are filled."""

    duty: Duty
    period: str
    due_on: date
    state: ReturnState
    here: int
    cells: int


def check_duty(duty: Duty, allowed: tuple[Granularity, ...]) -> None:
    """Raise DutyError unless the periods fit and the table may be reported so."""
    if duty.granularity not in allowed:
        raise DutyError(f"expected one of {', '.join(allowed)} for this table, got {duty.granularity}")
    first = _period(duty.first, duty.granularity)
    if duty.last is not None and _period(duty.last, duty.granularity).start < first.start:
        raise DutyError("expected the last period after the first one")
    if not 1 <= duty.due_days <= MAX_DUE_DAYS:
        raise DutyError(f"expected 1 to {MAX_DUE_DAYS} days after the end of the period")


def _period(label: str, granularity: Granularity) -> Period:
    try:
        period = parse_period(label)
    except SchemaError as error:
        raise DutyError(error.message) from None
    if period.granularity != granularity:
        raise DutyError(f"expected a {granularity}, got a {period.granularity}")
    return period


@lru_cache(maxsize=4_096)
def period_of(label: str) -> Period:
    """`parse_period`, remembered: an overview asks thousands of times for the same few dozen."""
    return parse_period(label)


def due_on(period: Period, days: int) -> date:
    """The last day on which a return is in time."""
    return period.last_day + timedelta(days=days)


def is_expected(duty: Duty, period: Period) -> bool:
    """Whether the agreement covers this period."""
    if period.granularity != duty.granularity or period.start < period_of(duty.first).start:
        return False
    return duty.last is None or period.start <= period_of(duty.last).start


def last_periods(granularity: Granularity, today: date, count: int) -> tuple[Period, ...]:
    """The period of today and those before it, the newest first, `count` of them."""
    return tuple(_walk_back(granularity, today, count))


def _walk_back(granularity: Granularity, today: date, count: int) -> Iterator[Period]:
    months = MONTHS[granularity]
    number = (today.year * 12 + today.month - 1) // months * months
    for back in range(count):
        year, month = divmod(number - back * months, 12)
        yield _of_month(granularity, year, month + 1)


def _of_month(granularity: Granularity, year: int, month: int) -> Period:
    if granularity == "month":
        return period_of(f"{year:04d}-{month:02d}")
    return period_of(f"{year:04d}" if granularity == "year" else f"{year:04d}-Q{(month + 2) // 3}")


def state_of(here: Return, cells: int, period: Period, due: date, today: date) -> ReturnState:
    """How a return stands today; `due` is the last day in time."""
    if here.here >= cells:
        if not here.numbers:
            return ReturnState.NOT_COLLECTED
        return ReturnState.LATE if here.first_on is not None and here.first_on > due else ReturnState.COMPLETE
    if today <= period.last_day:
        return ReturnState.RUNNING
    return ReturnState.DUE if today <= due else ReturnState.MISSING


def expect(duty: Duty, period: Period, here: Return, cells: int, today: date) -> Expected:
    """How the return of a period that the agreement covers stands."""
    due = due_on(period, duty.due_days)
    return Expected(duty, period.label, due, state_of(here, cells, period, due, today), min(here.here, cells), cells)
