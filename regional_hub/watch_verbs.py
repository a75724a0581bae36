"""The trend watch as verbs: what the hub does by itself, and what an operator sees and decides."""

from collections.abc import Callable
from typing import Final

from regional_hub import figure_index, watch_store
from regional_hub.app import Hub
from regional_hub.trend_watch import ALERT_STATES, OPEN, AlertState, FalseAlarms
from regional_hub.verb_parameters import Params, Result, actor_of
from regional_hub.watch_reading import Watcher, find_looks, judge, make_watcher
from shared_schema.statement import format_time

LOOKS_A_TURN: Final = 24
"""Judged before anything is written: the largest hubs need seconds for it, and nobody waits meanwhile."""


def run(hub: Hub, _params: Params) -> Result:
    """Judge every table and period that has changed; raise and withdraw alerts."""
    trust = hub.refresh_trust()
    watcher = _watcher(hub)
    with hub.database.read() as session:
        # While figures are taken in anew some are missing, and nothing is withdrawn for that.
        looks = [] if figure_index.lacks_sums(session) else find_looks(session, trust, watcher)
    raised = withdrawn = 0
    for first in range(0, len(looks), LOOKS_A_TURN):
        if hub.is_ending.is_set():
            break
        with hub.database.read() as session:
            judged = list(judge(session, trust, watcher, looks[first : first + LOOKS_A_TURN]))
        with hub.database.write() as session:
            kept = watch_store.keep(session, judged, watcher, hub.clock())
        raised, withdrawn = raised + kept.raised, withdrawn + kept.withdrawn
    return {"judged": len(looks), "raised": raised, "withdrawn": withdrawn} | _promise(watcher.alarms)


def list_alerts(hub: Hub, params: Params) -> Result:
    """Alerts that nobody has dismissed; with `all` also dismissed ones and those whose rise is gone."""
    everything = bool(params.get("all"))
    states: tuple[AlertState, ...] = ALERT_STATES if everything else OPEN
    trust = hub.refresh_trust()
    with hub.database.read() as session:
        alerts = watch_store.list_alerts(session, trust, hub.name, hub.area.code, states=states, withdrawn=everything)
    return {"alerts": [_line(alert) for alert in alerts]} | _promise(_watcher(hub).alarms)


def see(hub: Hub, params: Params) -> Result:
    """Mark an alert as seen."""
    return _set_state(hub, params, "seen")


def dismiss(hub: Hub, params: Params) -> Result:
    """Mark an alert as one that needs nothing."""
    return _set_state(hub, params, "dismissed")


def _set_state(hub: Hub, params: Params, state: AlertState) -> Result:
    alert = str(params["alert"])
    with hub.database.write() as session:
        changed = watch_store.set_state(session, alert, state, actor=actor_of(params), now=hub.clock())
    return {"alert": alert, "state": state, "changed": changed}


def _watcher(hub: Hub) -> Watcher:
    return make_watcher(hub.trust, hub.name, hub.area.code, hub.settings.false_alarm_years)


def _promise(alarms: FalseAlarms) -> Result:
    return {
        "false_alarms": f"at most 1 expected in {alarms.years} years",
        "tests_a_year": alarms.tests_a_year,
        "level": alarms.level,
    }


def _line(alert: watch_store.Alert) -> Result:
    figure = alert.figure
    return {
        "id": alert.id,
        "kind": alert.kind,
        "table": alert.table_id,
        "title": alert.title,
        "cell": alert.cell,
        "period": alert.period,
        "rising": alert.stated,
        "of": alert.judged,
        "chance": alert.chance,
        "estimate": figure and figure.estimate,
        "low": figure and figure.low,
        "high": figure and figure.high,
        "state": alert.state,
        "raised_at": format_time(alert.raised_at),
        "withdrawn_at": alert.withdrawn_at and format_time(alert.withdrawn_at),
    }


VERBS: dict[str, Callable[[Hub, Params], Result]] = {
    "watch.run": run,
    "watch.list": list_alerts,
    "watch.see": see,
    "watch.dismiss": dismiss,
}
