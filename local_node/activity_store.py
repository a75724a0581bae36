"""Planned activities and the city's districts in the node's database.

An activity belongs to its agency; the caller says whose it is and gets ActivityError for somebody else's, as for one
that is not there. A change names the version that it was made over, so that two open pages cannot overwrite each other.
"""

import re
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, or_, select, update
from sqlalchemy.orm import Session

from local_node import audit
from local_node.activities import Activity, ActivityError, Draft, check_draft
from local_node.clashes import DEFAULT_GAP_DAYS, MAX_DAYS, MAX_GAP_DAYS, ActivityState
from local_node.orm import SINGLE_ROW, ActivityRow, CalendarRuleRow, DistrictRow

MAX_LISTED: Final = 2_000
"""More than a city plans in a month; a longer list is asked for by day."""
MAX_DISTRICTS: Final = 300
MAX_NAME: Final = 60
_ACTIVITY_ID: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)


class StaleActivityError(ActivityError):
    """Somebody has changed the activity since its page was opened."""

    code = "stale-activity"


@dataclass(frozen=True, slots=True)
class District:
    """A part of the city."""

    id: str
    name: str
    ended: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """Which activities are asked for: those that touch a day from `since` to `until`, and what else is given.

    `area` finds what is about the whole city as well, and `audience` what is for everybody.
    """

    since: date
    until: date
    agency: str | None = None
    area: str | None = None
    audience: str | None = None
    kind: str | None = None
    states: tuple[ActivityState, ...] = tuple(ActivityState)


# --- activities ----------------------------------------------------------------------------------------------------


def new_activity_id() -> str:
    """An id that no activity has yet; a form carries it, so that the same form plans one activity."""
    return secrets.token_hex(8)


def add_activity(
    session: Session, draft: Draft, *, agency: str, person: str, now: datetime, activity_id: str = ""
) -> Activity:
    """Plan an activity. The same one under the same id once more, as a double click sends it, changes nothing.

    Raises ActivityError: see `activities.check_draft`.
    """
    check_draft(draft, _open_areas(session))
    known = session.get(ActivityRow, activity_id) if _ACTIVITY_ID.fullmatch(activity_id) else None
    if known is not None and known.agency == agency and _read(known).draft == draft:
        return _read(known)
    is_free = known is None and _ACTIVITY_ID.fullmatch(activity_id) is not None
    new_id = activity_id if is_free else new_activity_id()
    row = ActivityRow(id=new_id, agency=agency, version=1, made_by=person, made_at=now)
    _write(row, draft, person, now)
    session.add(row)
    session.flush()
    audit.append(session, person, "activity.added", row.id, now)
    return _read(row)


def change_activity(
    session: Session, activity_id: str, draft: Draft, *, agency: str, version: int, person: str, now: datetime
) -> Activity:
    """Change an activity of `agency`. The same again changes nothing.

    Raises ActivityError: `activity-unknown`, and as `add_activity`; StaleActivityError when `version` is not the
    newest one.
    """
    known = get_activity(session, activity_id)
    if known.agency != agency:
        raise _unknown()
    if known.draft == draft:
        return known
    check_draft(draft, _open_areas(session) | ({known.draft.area} if known.draft.area else set()))
    claimed = session.execute(
        update(ActivityRow)
        .where(ActivityRow.id == activity_id, ActivityRow.version == version)
        .values(version=version + 1)
        .returning(ActivityRow.id)
        .execution_options(synchronize_session=False)
    ).all()
    if len(claimed) != 1:
        raise StaleActivityError("expected the activity as it was when its page was opened")
    row = session.get_one(ActivityRow, activity_id, populate_existing=True)
    _write(row, draft, person, now)
    session.flush()
    audit.append(session, person, "activity.changed", row.id, now)
    return _read(row)


def get_activity(session: Session, activity_id: str) -> Activity:
    """Raises ActivityError when there is none."""
    row = session.get(ActivityRow, activity_id)
    if row is None:
        raise _unknown()
    return _read(row)


def list_activities(session: Session, which: Filter, *, limit: int = MAX_LISTED) -> tuple[Activity, ...]:
    """In the order in which they begin. What others may see of quiet ones is `activities.as_seen_by`'s business."""
    query = select(ActivityRow).where(*_conditions(which))
    return tuple(map(_read, session.scalars(_in_order(query).limit(limit))))


def near_activities(session: Session, draft: Draft, gap_days: int, *, besides: str) -> tuple[Activity, ...]:
    """What other agencies plan so near that the rule has to look at it."""
    reach = timedelta(days=gap_days)
    which = Filter(
        draft.starts_on - reach,
        draft.ends_on + reach,
        area=draft.area,
        states=(ActivityState.PLANNED, ActivityState.CONFIRMED),
    )
    query = select(ActivityRow).where(*_conditions(which), ActivityRow.agency != besides)
    return tuple(map(_read, session.scalars(_in_order(query))))


def _conditions(which: Filter) -> list[ColumnElement[bool]]:
    """The index by day finds what can have begun early enough: no window is longer than MAX_DAYS."""
    row = ActivityRow
    found: list[ColumnElement[bool]] = [
        row.starts_on.between(which.since - timedelta(days=MAX_DAYS), which.until),
        row.ends_on >= which.since,
    ]
    if set(which.states) != set(ActivityState):
        found.append(row.state.in_([state.value for state in which.states]))
    if which.agency is not None:
        found.append(row.agency == which.agency)
    if which.area is not None:
        found.append(or_(row.area == which.area, row.area.is_(None)))
    if which.kind is not None:
        found += [row.kind == which.kind, ~row.quiet]  # what is hidden is not found by what it is
    if which.audience is not None:
        found += [or_(row.audience.contains(f" {which.audience} ", autoescape=True), row.audience == " "), ~row.quiet]
    return found


def _in_order(query: Select[ActivityRow]) -> Select[ActivityRow]:
    return query.order_by(ActivityRow.starts_on, ActivityRow.from_time, ActivityRow.id)


def _unknown() -> ActivityError:
    return ActivityError("expected an activity of this agency", code="activity-unknown")


def _write(row: ActivityRow, draft: Draft, person: str, now: datetime) -> None:
    row.title, row.kind, row.area = draft.title.strip(), draft.kind, draft.area
    row.audience = f" {' '.join(sorted(draft.audience))} " if draft.audience else " "
    row.starts_on, row.ends_on = draft.starts_on, draft.ends_on
    row.from_time, row.to_time = _as_text(draft.from_time), _as_text(draft.to_time)
    row.state, row.quiet = draft.state.value, draft.quiet
    row.contact_role, row.note = draft.contact_role.strip(), draft.note.strip()
    row.changed_by, row.changed_at = person, now


def _as_text(value: time | None) -> str | None:
    return None if value is None else f"{value:%H:%M}"


def _as_time(value: str | None) -> time | None:
    return None if value is None else time.fromisoformat(value)


def _read(row: ActivityRow) -> Activity:
    draft = Draft(
        row.title,
        row.kind,
        row.area,
        frozenset(row.audience.split()),
        row.starts_on,
        row.ends_on,
        _as_time(row.from_time),
        _as_time(row.to_time),
        ActivityState(row.state),
        row.quiet,
        row.contact_role,
        row.note,
    )
    return Activity(row.id, row.agency, draft, row.version, row.made_by, row.made_at, row.changed_at)


# --- the city's districts, and how near is near ---------------------------------------------------------------------


def list_districts(session: Session) -> tuple[District, ...]:
    """All districts by name, those that ended among them: old activities still name them."""
    rows = session.scalars(select(DistrictRow).order_by(DistrictRow.name))
    return tuple(District(row.id, row.name, row.ended_at is not None) for row in rows)


def set_districts(session: Session, names: Sequence[str], *, person: str, now: datetime) -> None:
    """The city's districts are these from now on. One that is not among them ends; its activities keep it.

    Raises ActivityError: an empty, long or doubled name, or too many.
    """
    wanted = [" ".join(name.split()) for name in names if name.strip()]
    ids = {district_id(name): name for name in wanted}
    if len(ids) != len(wanted) or len(wanted) > MAX_DISTRICTS or "" in ids:
        raise ActivityError(f"expected at most {MAX_DISTRICTS} names, each of them once", code="districts")
    if any(len(name) > MAX_NAME or not name.isprintable() for name in wanted):
        raise ActivityError(f"expected names of at most {MAX_NAME} characters", code="districts")
    known = {row.id: row for row in session.scalars(select(DistrictRow))}
    for key, name in ids.items():
        row = known.get(key)
        if row is None:
            session.add(DistrictRow(id=key, name=name, ended_at=None))
        else:
            row.name, row.ended_at = name, None
    for key in known.keys() - ids.keys():
        known[key].ended_at = known[key].ended_at or now
    session.flush()
    audit.append(session, person, "calendar.districts", f"{len(wanted)}", now)


def district_id(name: str) -> str:
    """`Köln-Süd` as `koln-sud`; a name in another script keeps its letters."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    bare = unicodedata.normalize("NFC", "".join(each for each in plain if not unicodedata.combining(each)))
    return "-".join(re.findall(r"[^\W_]+", bare))


def _open_areas(session: Session) -> frozenset[str]:
    return frozenset(session.scalars(select(DistrictRow.id).where(DistrictRow.ended_at.is_(None))))


def read_gap_days(session: Session) -> int:
    """How many days apart two activities still touch."""
    row = session.get(CalendarRuleRow, SINGLE_ROW)
    return DEFAULT_GAP_DAYS if row is None else row.gap_days


def set_gap_days(session: Session, days: int, *, person: str, now: datetime) -> None:
    """Raises ActivityError for a number that cannot be."""
    if not 0 <= days <= MAX_GAP_DAYS:
        raise ActivityError(f"expected 0 to {MAX_GAP_DAYS} days", code="gap-days")
    session.merge(CalendarRuleRow(id=SINGLE_ROW, gap_days=days))
    session.flush()
    audit.append(session, person, "calendar.rule", f"gap-days/{days}", now)
