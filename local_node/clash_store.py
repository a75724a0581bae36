"""Clash notices in the node's database: found with every change of an activity, and worked off by the two agencies.

Both agencies get the same notice. Its state moves by comparing and swapping (`clashes.TRANSITIONS`); the program itself
only says that plans touch no more, or again.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session, aliased

from local_node import audit
from local_node.activities import LAST_DAY, Activity, ActivityError, Draft, plan_of
from local_node.activity_store import Filter, get_activity, list_activities, near_activities, read_gap_days
from local_node.clashes import ActivityState, Clash, ClashState, can_change, clash_of, clashes_with, find_clashes
from local_node.orm import ActivityRow, ClashRow

UNSOLVED: Final = (ClashState.OPEN, ClashState.TALKED)
PROGRAM: Final = "local-node"
MAX_LISTED: Final = 300
MAX_AHEAD: Final = 50_000
"""Sixty agencies with five hundred plans each are 30,000."""


@dataclass(frozen=True, slots=True)
class Near:
    """An activity of another agency that a draft would clash with, and why."""

    activity: Activity
    clash: Clash


@dataclass(frozen=True, slots=True)
class Notice:
    """A clash notice with both activities. `clash` is why they touch, None where they do so no more."""

    id: int
    state: ClashState
    found_at: datetime
    changed_by: str | None
    changed_at: datetime | None
    one: Activity
    other: Activity
    clash: Clash | None

    def other_than(self, agency: str | None) -> Activity:
        """The other agency's activity, as `agency` sees it; the second one for everybody else."""
        return self.one if self.other.agency == agency else self.other


def would_clash(session: Session, draft: Draft, *, agency: str, activity_id: str = "") -> tuple[Near, ...]:
    """What a plan would clash with, before it is stored; the nearest first."""
    gap = read_gap_days(session)
    plan = plan_of(activity_id, agency, draft)
    near = {each.id: each for each in near_activities(session, draft, gap, besides=agency)}
    found = clashes_with(plan, [each.plan for each in near.values()], gap)
    return tuple(Near(near[clash.second if clash.first == activity_id else clash.first], clash) for clash in found)


def note_clashes(session: Session, activity: Activity, *, has_moved: bool = True, now: datetime) -> int:
    """After an activity was added or changed: new notices, and an end of those that hold no more. How many hold.

    A notice that was accepted or talked about is open again when the plan `has_moved` and still clashes: both
    agencies had agreed on another one. Another title reopens nothing.
    """
    near = would_clash(session, activity.draft, agency=activity.agency, activity_id=activity.id)
    found = {(each.clash.first, each.clash.second) for each in near}
    mine = select(ClashRow).where(or_(ClashRow.first == activity.id, ClashRow.second == activity.id))
    known = {(row.first, row.second): row for row in session.scalars(mine)}
    _keep_notices(session, found, known, now, reopen=has_moved)
    return len(found)


def note_all_clashes(session: Session, *, today: date, now: datetime) -> None:
    """After the rule has changed: new notices, and an end of those that hold no more, for all that is still ahead.

    What two agencies have talked about or accepted stays so: their plans have not changed.
    """
    ahead = list_activities(
        session,
        Filter(today, LAST_DAY, states=(ActivityState.PLANNED, ActivityState.CONFIRMED)),
        limit=MAX_AHEAD,
    )
    found = {
        (clash.first, clash.second) for clash in find_clashes([each.plan for each in ahead], read_gap_days(session))
    }
    ids = {each.id for each in ahead}
    known = {
        (row.first, row.second): row
        for row in session.scalars(select(ClashRow))
        if row.first in ids and row.second in ids
    }
    _keep_notices(session, found, known, now, reopen=False)


def _keep_notices(
    session: Session,
    found: Set[tuple[str, str]],
    known: Mapping[tuple[str, str], ClashRow],
    now: datetime,
    *,
    reopen: bool,
) -> None:
    for pair in sorted(found):
        row = known.get(pair)
        if row is None:
            row = ClashRow(first=pair[0], second=pair[1], state=ClashState.OPEN.value, found_at=now)
            session.add(row)
            session.flush()
            audit.append(session, PROGRAM, "clash.found", f"clash/{row.id}", now)
        elif row.state == ClashState.SOLVED.value or (reopen and row.state != ClashState.OPEN.value):
            _move(session, row, ClashState.OPEN, now)
    for pair, row in sorted(known.items()):
        if pair not in found and row.state != ClashState.SOLVED.value:
            _move(session, row, ClashState.SOLVED, now)
    session.flush()


def _move(session: Session, row: ClashRow, state: ClashState, now: datetime) -> None:
    """The program's own word, in the transaction that has changed the plan."""
    row.state, row.changed_by, row.changed_at = state.value, None, now
    session.flush()
    audit.append(session, PROGRAM, f"clash.{state}", f"clash/{row.id}", now)


def change_clash(
    session: Session, number: int, *, was: ClashState, state: ClashState, person: str, now: datetime
) -> None:
    """Say what has become of a clash. The same again changes nothing.

    Raises ActivityError: a change that is not in the table of transitions, or a notice that is not `was` any more.
    """
    row = session.get(ClashRow, number)
    if row is None:
        raise ActivityError("expected a clash notice that is there", code="clash-unknown")
    if row.state == state.value:
        return
    if not can_change(was, state) or was is ClashState.SOLVED:
        raise ActivityError(f"expected a clash that can become {state}, this one is {was}", code="clash-state")
    changed = session.execute(
        update(ClashRow)
        .where(ClashRow.id == number, ClashRow.state == was.value)
        .values(state=state.value, changed_by=person, changed_at=now)
        .returning(ClashRow.id)
        .execution_options(synchronize_session=False)
    ).all()
    if len(changed) != 1:
        raise ActivityError("expected the notice as it was when the page was opened", code="clash-stale")
    audit.append(session, person, f"clash.{state}", f"clash/{number}", now)


def list_clashes(
    session: Session, agency: str | None = None, states: Sequence[ClashState] = UNSOLVED
) -> tuple[Notice, ...]:
    """Notices of an agency, of all without one, by the day on which the earlier activity begins."""
    one, other = aliased(ActivityRow), aliased(ActivityRow)
    query = (
        select(ClashRow)
        .join(one, one.id == ClashRow.first)
        .join(other, other.id == ClashRow.second)
        .where(ClashRow.state.in_([state.value for state in states]))
        .order_by(func.min(one.starts_on, other.starts_on), ClashRow.id)
        .limit(MAX_LISTED)
    )
    if agency is not None:
        query = query.where(or_(one.agency == agency, other.agency == agency))
    gap = read_gap_days(session)
    return tuple(_notice(session, row, gap) for row in session.scalars(query))


def get_clash(session: Session, number: int) -> Notice:
    """Raises ActivityError when there is none."""
    row = session.get(ClashRow, number)
    if row is None:
        raise ActivityError("expected a clash notice that is there", code="clash-unknown")
    return _notice(session, row, read_gap_days(session))


def count_clashes(session: Session, agency: str | None = None) -> int:
    """How many are open, for an agency or for all."""
    one, other = aliased(ActivityRow), aliased(ActivityRow)
    query = select(func.count()).select_from(ClashRow).where(ClashRow.state == ClashState.OPEN.value)
    if agency is not None:
        query = (
            query.join(one, one.id == ClashRow.first)
            .join(other, other.id == ClashRow.second)
            .where(or_(one.agency == agency, other.agency == agency))
        )
    return session.scalar(query) or 0


def _notice(session: Session, row: ClashRow, gap: int) -> Notice:
    one, other = get_activity(session, row.first), get_activity(session, row.second)
    clash = clash_of(one.plan, other.plan, gap)
    return Notice(row.id, ClashState(row.state), row.found_at, row.changed_by, row.changed_at, one, other, clash)
