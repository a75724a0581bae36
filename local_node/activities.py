"""An activity that an agency plans: what is asked for, and what a plan may not be. Plain rules.

No persons: title, contact role and note are short, and whoever types them is shown what could point to somebody (the
verb `calendar.look`). An activity may be *quiet*: then others learn that something is planned, where and when, and
whom to talk to, and nothing else (`as_seen_by`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from types import MappingProxyType
from typing import Final

from local_node.clashes import AUDIENCE, MAX_DAYS, ActivityState, Plan
from local_node.errors import NodeError
from shared_schema.messages import N_
from shared_schema.vocabulary import InterventionType

MAX_TITLE: Final = 80
MAX_CONTACT: Final = 60
MAX_NOTE: Final = 300
MAX_AUDIENCE: Final = 8
FIRST_DAY: Final = date(2000, 1, 1)
LAST_DAY: Final = date(2100, 1, 1)
OTHER_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "event": N_("Public event"),
        "meeting": N_("Meeting of agencies"),
        "campaign": N_("Campaign or media work"),
        "decision": N_("Decision or measure of an authority"),
        "operation": N_("Operation of the police or a regulatory office"),
        "court_date": N_("Court date"),
        "demonstration": N_("Demonstration or march"),
        "other": N_("Something else"),
    }
)
"""Kinds beside the vocabulary's interventions: what happens in a city and is no prevention work, but meets it."""
SENSITIVE: Final = frozenset({"decision", "operation", "court_date", "demonstration"})
"""Kinds that are offered as quiet."""
KINDS: Final = frozenset({*(term.value for term in InterventionType), *OTHER_KINDS})


class ActivityError(NodeError):
    """An activity cannot be planned so, or is not there."""

    code = "activity"


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person types. `area` None is the whole city; an empty `audience` is everybody."""

    title: str
    kind: str
    area: str | None
    audience: frozenset[str]
    starts_on: date
    ends_on: date
    from_time: time | None = None
    to_time: time | None = None
    state: ActivityState = ActivityState.PLANNED
    quiet: bool = False
    contact_role: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Activity:
    """An activity as it is stored; with `hidden` only what others may see of a quiet one."""

    id: str
    agency: str
    draft: Draft
    version: int
    made_by: str
    made_at: datetime
    changed_at: datetime
    hidden: bool = False

    @property
    def plan(self) -> Plan:
        """What the rule of clashes looks at."""
        draft = self.draft
        return plan_of(self.id, self.agency, draft)


def plan_of(activity_id: str, agency: str, draft: Draft) -> Plan:
    """What the rule of clashes looks at, also before an activity is stored.

    A quiet window counts as one for everybody. If its audience mattered, whoever plans something for one group after
    the other would see from the notices whom it is for.
    """
    audience = frozenset[str]() if draft.quiet else draft.audience
    return Plan(activity_id, agency, draft.starts_on, draft.ends_on, draft.area, audience, draft.state)


def check_draft(draft: Draft, areas: frozenset[str]) -> None:
    """Raise ActivityError, whose code names the field, unless this can be planned in a city with these `areas`."""
    _check_text("title", draft.title, 3, MAX_TITLE)
    _check_text("contact_role", draft.contact_role, 2, MAX_CONTACT)
    _check_text("note", draft.note, 0, MAX_NOTE, lines=True)
    if draft.kind not in KINDS:
        raise ActivityError("expected a kind from the list", code="activity-kind")
    if draft.area is not None and draft.area not in areas:
        raise ActivityError("expected a district from the city's list, or the whole city", code="activity-area")
    if len(draft.audience) > MAX_AUDIENCE or draft.audience - set(AUDIENCE):
        raise ActivityError(f"expected at most {MAX_AUDIENCE} terms from the list", code="activity-audience")
    _check_window(draft)


def _check_text(name: str, text: str, least: int, most: int, *, lines: bool = False) -> None:
    plain = text.replace("\r", "").replace("\n", "") if lines else text
    if not least <= len(text.strip()) <= most or not (plain == "" or plain.isprintable()):
        raise ActivityError(f"expected {least} to {most} printable characters", code=f"activity-{name.split('_')[0]}")


def _check_window(draft: Draft) -> None:
    if not FIRST_DAY <= draft.starts_on <= draft.ends_on < LAST_DAY:
        raise ActivityError("expected an end that is not before the beginning", code="activity-window")
    if (draft.ends_on - draft.starts_on).days >= MAX_DAYS:
        raise ActivityError(f"expected at most {MAX_DAYS} days", code="activity-window")
    if draft.to_time is not None and draft.from_time is None:
        raise ActivityError("expected a time at which it begins, beside the one at which it ends", code="activity-time")
    one_day = draft.starts_on == draft.ends_on
    if one_day and draft.from_time is not None and draft.to_time is not None and draft.to_time <= draft.from_time:
        raise ActivityError("expected an end after the beginning", code="activity-time")


def as_seen_by(activity: Activity, agency: str | None) -> Activity:
    """What an agency may see: everything of its own, and of a quiet one of another no more than where and when.

    `agency` None is everybody else: the coordinator, a reader, a file.
    """
    if not activity.draft.quiet or activity.agency == agency:
        return activity
    hidden = replace(activity.draft, title="", kind="other", audience=frozenset(), note="")
    return replace(activity, draft=hidden, made_by="", hidden=True)
