"""Where the plans of two agencies come so close that they had better talk first. Plain rules about plain values.

The case this exists for: "The well-designed activity of one agency negated by an ill-timed decision of another." A
youth service opens a round of talks in a district; a day before, another authority does something there that nobody
had told it about. Neither plan is wrong. They only had to be known to each other.

Two plans *clash* when all of this holds:

1. they are of two agencies;
2. both are still ahead: planned or confirmed, neither cancelled nor done;
3. they meet in a place: the same district, or one of them is about the whole city;
4. they meet the same people: they have a term of AUDIENCE in common, or one of them is for everybody, as every quiet
   window is taken to be (`activities.plan_of`);
5. their windows share a day, or one begins at most `gap_days` days after the other has ended. Times of day do not
   matter here: what happens in the morning colours the afternoon.

    clash_of(talks, order, gap_days=3)   -> Clash(days_apart=1, area="nord", audience=frozenset({"setting.worship"}))
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from shared_schema.vocabulary import Phenomenon, Setting

DEFAULT_GAP_DAYS: Final = 3
"""Word of what happened on a Friday is around on Monday."""
MAX_GAP_DAYS: Final = 30
MAX_DAYS: Final = 366
"""The longest window; what goes on for longer is no activity but a service."""
AUDIENCE: Final[Mapping[str, StrEnum]] = MappingProxyType(
    {
        f"{kind}.{term.value}": term
        for kind, terms in (("setting", Setting), ("phenomenon", Phenomenon))
        for term in terms
        if term.value != "_U"
    }
)
"""Whom an activity is for, by where they are met or by what it is about: code → term of the vocabulary."""


class ActivityState(StrEnum):
    """How sure an activity is."""

    PLANNED = "planned"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    DONE = "done"


AHEAD: Final = frozenset({ActivityState.PLANNED, ActivityState.CONFIRMED})


class ClashState(StrEnum):
    """What has become of a clash notice."""

    OPEN = "open"
    TALKED = "talked"
    ACCEPTED = "accepted"
    SOLVED = "solved"


TRANSITIONS: Final[Mapping[tuple[ClashState, ClashState], str]] = MappingProxyType(
    {
        (ClashState.OPEN, ClashState.TALKED): "the two agencies have talked",
        (ClashState.OPEN, ClashState.ACCEPTED): "both go ahead and know of each other",
        (ClashState.OPEN, ClashState.SOLVED): "one of them has moved, or the plans touch no more",
        (ClashState.TALKED, ClashState.ACCEPTED): "both go ahead and know of each other",
        (ClashState.TALKED, ClashState.SOLVED): "one of them has moved, or the plans touch no more",
        (ClashState.TALKED, ClashState.OPEN): "somebody wants to talk again, or a plan has changed",
        (ClashState.ACCEPTED, ClashState.OPEN): "somebody wants to talk again, or a plan has changed",
        (ClashState.ACCEPTED, ClashState.SOLVED): "the plans touch no more",
        (ClashState.SOLVED, ClashState.OPEN): "the plans touch again",
    }
)
"""(from, to) → what happens. Every other change is refused."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the rule looks at. `area` None is the whole city; an empty `audience` is everybody."""

    id: str
    agency: str
    first_day: date
    last_day: date
    area: str | None
    audience: frozenset[str]
    state: ActivityState = ActivityState.PLANNED


@dataclass(frozen=True, slots=True)
class Clash:
    """Why two plans clash. `days_apart` is 0 where their windows share a day, 1 where one begins the day after.

    `area` is where they meet, None the whole city; `audience` the terms in common, empty where one is for everybody.
    """

    first: str
    second: str
    days_apart: int
    area: str | None
    audience: frozenset[str]


def clash_of(one: Plan, other: Plan, gap_days: int) -> Clash | None:
    """Why two plans clash, or None. The order of the two does not matter."""
    if one.id == other.id or one.agency == other.agency or {one.state, other.state} - AHEAD:
        return None
    apart = days_apart(one, other)
    if apart > gap_days or not _meet_in_place(one, other) or not _meet_people(one, other):
        return None
    first, second = sorted((one.id, other.id))
    return Clash(first, second, apart, one.area or other.area, one.audience & other.audience)


def days_apart(one: Plan, other: Plan) -> int:
    """From the last day of the earlier window to the first of the later one; 0 where they share a day."""
    return max(0, (max(one.first_day, other.first_day) - min(one.last_day, other.last_day)).days)


def _meet_in_place(one: Plan, other: Plan) -> bool:
    return one.area is None or other.area is None or one.area == other.area


def _meet_people(one: Plan, other: Plan) -> bool:
    return not one.audience or not other.audience or bool(one.audience & other.audience)


def clashes_with(plan: Plan, others: Iterable[Plan], gap_days: int) -> tuple[Clash, ...]:
    """Every clash of one plan, the nearest first."""
    found = [clash for other in others if (clash := clash_of(plan, other, gap_days)) is not None]
    return tuple(sorted(found, key=lambda clash: (clash.days_apart, clash.first, clash.second)))


def find_clashes(plans: Iterable[Plan], gap_days: int) -> Iterator[Clash]:
    """Every clash among all plans, each once.

    The plans are swept by their first day; only those whose window, with the gap, has not ended yet are compared.
    """
    reach = timedelta(days=gap_days)
    near: list[Plan] = []
    for plan in sorted((plan for plan in plans if plan.state in AHEAD), key=lambda plan: (plan.first_day, plan.id)):
        near = [other for other in near if other.last_day + reach >= plan.first_day]
        yield from clashes_with(plan, near, gap_days)
        near.append(plan)


def can_change(old: ClashState, new: ClashState) -> bool:
    """Whether a clash may go from one state to another."""
    return (old, new) in TRANSITIONS


def choices_from(state: ClashState) -> Sequence[ClashState]:
    """What people may choose; that plans touch no more is found out by the program as well."""
    return [new for (old, new) in TRANSITIONS if old is state and old is not ClashState.SOLVED]
