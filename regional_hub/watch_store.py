"""The alerts of the trend watch: raised once, read beside the sum they are about, dismissed by people.

A new alert, or another number in one, waits until the sum that everybody sees has just the cities that were judged.
Otherwise whoever knows that one city has come since would learn of that city whether it rises. An alert whose rise is
gone is withdrawn at once.

    keep(session, judged, watcher, now)                 raises and withdraws, in the caller's transaction
    list_alerts(session, name, area, trust)             newest period first
    set_state(session, alert_id, "dismissed", actor=..., now=...)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, cast

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from regional_hub import audit
from regional_hub.errors import HubError
from regional_hub.figure_index import next_index
from regional_hub.figure_store import read_figures
from regional_hub.figures import Figure, FigureQuery
from regional_hub.members import Trust
from regional_hub.orm import TrendAlertRow, TrendLookRow
from regional_hub.trend_watch import OPEN, TRANSITIONS, AlertKind, AlertState, alert_id
from regional_hub.watch_filter import WatchFilter
from regional_hub.watch_reading import Judged, Verdict, Watcher
from shared_schema.period import parse_period
from shared_schema.problem import ProblemCode

MOST_ALERTS: Final = 500
"""In one list; older ones are asked for by table and period."""
EVERYTHING: Final = WatchFilter()


class Kept(NamedTuple):
    """How many alerts were raised, and how many withdrawn."""

    raised: int = 0
    withdrawn: int = 0


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as people see it. `figure` is the sum as it is shown now; None when it is not shown any more.

    `stated` of `judged` places rise at least (None for the sum itself); so many or more would by chance with the
    probability `chance` at most. The hub promises at most one false alarm in `years`.
    """

    id: str
    kind: AlertKind
    table_id: str
    table_version: int
    title: str
    cell: str
    period: str
    stated: int | None
    judged: int | None
    chance: float
    years: int
    entry: int
    state: AlertState
    raised_at: datetime
    changed_at: datetime | None
    changed_by: str | None
    withdrawn_at: datetime | None
    figure: Figure | None
    said_at: datetime | None


# --- raising and withdrawing -----------------------------------------------------------------------------------------


def keep(session: Session, judged: Sequence[Judged], watcher: Watcher, now: datetime) -> Kept:
    """Bring the alerts in line with what was judged. Doing it twice changes nothing."""
    raised = withdrawn = 0
    for look, verdicts in judged:
        for verdict in verdicts:
            name = alert_id(verdict.kind, look.series.table, verdict.cell, look.label)
            row = session.get(TrendAlertRow, name)
            is_open = row is not None and row.withdrawn_at is None
            if not verdict.rises:
                if row is not None and is_open:
                    row.withdrawn_at = row.said_at = now
                    withdrawn += 1
            elif verdict.is_current:
                if row is None:
                    row = TrendAlertRow(id=name, kind=verdict.kind, cell=verdict.cell, period=look.label)
                    row.table_id, row.table_version = look.series.table.id, look.series.table.version
                    row.start = look.start
                    session.add(row)
                if not is_open:
                    row.state, row.raised_at = "new", now
                    row.withdrawn_at = row.changed_at = row.changed_by = row.said_at = None
                    raised += 1
                _say(row, verdict, watcher, now)
        session.merge(TrendLookRow(subject=look.subject, inputs=look.inputs))
    session.flush()
    return Kept(raised, withdrawn)


def _say(row: TrendAlertRow, verdict: Verdict, watcher: Watcher, now: datetime) -> None:
    finding = verdict.finding
    numbers = (None, None) if finding is None else (finding.stated, finding.judged)
    if row.said_at is None or (row.stated, row.judged) != numbers:
        row.said_at = now
    row.stated, row.judged = numbers
    row.chance = watcher.alarms.level if finding is None else finding.chance
    row.years, row.entry_index = watcher.alarms.years, verdict.entry


# --- reading ---------------------------------------------------------------------------------------------------------


def list_alerts(
    session: Session,
    trust: Trust,
    name: str,
    area: str,
    *,
    states: Sequence[AlertState] = OPEN,
    withdrawn: bool = False,
    table_id: str | None = None,
    period: str | None = None,
    chosen: WatchFilter = EVERYTHING,
    limit: int = MOST_ALERTS,
) -> list[Alert]:
    """Alerts in one of these states, the newest periods first; with `withdrawn` also those whose rise is gone."""
    row = TrendAlertRow
    wanted = _chosen(chosen, trust).where(row.state.in_(states))
    wanted = wanted if withdrawn else wanted.where(row.withdrawn_at.is_(None))
    wanted = wanted if table_id is None else wanted.where(row.table_id == table_id)
    wanted = wanted if period is None else wanted.where(row.period == period)
    rows = session.scalars(wanted.order_by(row.start.desc(), row.raised_at.desc(), row.id).limit(limit)).all()
    return [_to_alert(session, trust, name, area, each) for each in rows]


def list_news(
    session: Session,
    trust: Trust,
    name: str,
    area: str,
    chosen: WatchFilter,
    *,
    after: datetime | None = None,
    up_to: datetime | None = None,
    limit: int,
) -> list[Alert]:
    """Alerts by when they last said something else, the newest first; those whose rise is gone among them."""
    row = TrendAlertRow
    wanted = _chosen(chosen, trust).where(row.said_at.is_not(None))
    wanted = wanted if after is None else wanted.where(row.said_at > after)
    wanted = wanted if up_to is None else wanted.where(row.said_at <= up_to)
    rows = session.scalars(wanted.order_by(row.said_at.desc(), row.id).limit(limit)).all()
    return [_to_alert(session, trust, name, area, each) for each in rows]


def _chosen(chosen: WatchFilter, trust: Trust) -> Select[TrendAlertRow]:
    wanted, tables = select(TrendAlertRow), chosen.tables_in(trust.policy)
    if tables is not None:
        wanted = wanted.where(TrendAlertRow.table_id.in_(sorted(tables)))
    if chosen.cells:
        wanted = wanted.where(TrendAlertRow.cell.in_(chosen.cells))
    return wanted.where(TrendAlertRow.kind.in_(chosen.kinds)) if chosen.kinds else wanted


def find_alert(session: Session, trust: Trust, name: str, area: str, alert: str) -> Alert | None:
    """One alert by its id; None for an id that nothing has."""
    row = session.get(TrendAlertRow, alert)
    return None if row is None else _to_alert(session, trust, name, area, row)


def _to_alert(session: Session, trust: Trust, name: str, area: str, row: TrendAlertRow) -> Alert:
    table = trust.policy.find_table(row.table_id, row.table_version)
    figures = () if row.withdrawn_at is not None else _figures_of(session, trust, area, row)
    return Alert(
        row.id,
        cast(AlertKind, row.kind),
        row.table_id,
        row.table_version,
        row.table_id if table is None else table.title,
        row.cell,
        row.period,
        row.stated,
        row.judged,
        row.chance,
        row.years,
        row.entry_index,
        cast(AlertState, row.state),
        row.raised_at,
        row.changed_at,
        row.changed_by,
        row.withdrawn_at,
        next((figure for figure in figures if figure.origin == name and figure.estimate is not None), None),
        row.said_at,
    )


def _figures_of(session: Session, trust: Trust, area: str, row: TrendAlertRow) -> Iterator[Figure]:
    table = trust.policy.find_table(row.table_id, row.table_version)
    if table is None:
        return iter(())
    by = parse_period(row.period).granularity
    return read_figures(
        session, FigureQuery(table, (area,), (row.cell,), by, row.start, row.start, next_index(session))
    )


# --- what people decide ----------------------------------------------------------------------------------------------


def set_state(session: Session, alert: str, state: AlertState, *, actor: str, now: datetime) -> bool:
    """Mark an alert as seen or dismissed; False when it was so already. An audit event in the same transaction.

    Raises HubError: `not-found`, `bad-parameter` (not from the state that it is in), `stale` (somebody was faster).
    """
    before = session.scalar(select(TrendAlertRow.state).where(TrendAlertRow.id == alert))
    if before is None:
        raise HubError("expected the id of an alert", code=ProblemCode.NOT_FOUND)
    if before == state:
        return False
    if (before, state) not in TRANSITIONS:
        raise HubError(f"expected a state that an alert can have after {before}")
    claimed = session.execute(
        update(TrendAlertRow)
        .where(TrendAlertRow.id == alert, TrendAlertRow.state == before)
        .values(state=state, changed_at=now, changed_by=actor)
    )
    if claimed.rowcount != 1:  # type: ignore[attr-defined]
        raise HubError("expected an alert that nobody has changed meanwhile", code=ProblemCode.STALE)
    audit.record(session, actor, f"alert-{state}", alert, now)
    return True
