"""The trend watch as verbs: what the hub does by itself, and what an operator sees and decides."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl

from sqlalchemy.orm import Session

from regional_hub import figure_index, mail_addresses, watch_store, watch_views
from regional_hub.app import Hub
from regional_hub.errors import HubError
from regional_hub.members import Trust
from regional_hub.trend_watch import ALERT_STATES, OPEN, AlertState, FalseAlarms
from regional_hub.verb_parameters import Params, Result, actor_of
from regional_hub.watch_filter import WatchFilter, parse_filter
from regional_hub.watch_reading import Watcher, find_looks, judge, make_watcher
from regional_hub.watch_views import WatchView
from regional_hub.web.watch_text import line_of

LOOKS_A_TURN: Final = 24
"""Judged before anything is written: the largest hubs need seconds for it, and nobody waits meanwhile."""
MOST_NEWS: Final = 50
"""Entries of a feed."""
SETTLED_AFTER: Final = timedelta(minutes=10)
"""What another process is about to commit says an earlier time than what is there: an e-mail waits for it."""


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
    """Alerts that nobody has dismissed; with `all` also dismissed ones and those whose rise is gone.

    `filter` is a choice as in the address of the page, such as `table=…&kind=cities`.
    """
    everything = bool(params.get("all"))
    states: tuple[AlertState, ...] = ALERT_STATES if everything else OPEN
    chosen, trust = _chosen(params), hub.refresh_trust()
    with hub.database.read() as session:
        alerts = watch_store.list_alerts(
            session, trust, hub.name, hub.area.code, states=states, withdrawn=everything, chosen=chosen
        )
    return {"alerts": [line_of(alert) for alert in alerts]} | _promise(_watcher(hub).alarms)


def list_news(hub: Hub, params: Params) -> Result:
    """The alerts of a choice that were the last to say something else: for feeds."""
    chosen, trust = _chosen(params), hub.refresh_trust()
    with hub.database.read() as session:
        alerts = watch_store.list_news(session, trust, hub.name, hub.area.code, chosen, limit=MOST_NEWS)
    return {"alerts": [line_of(alert) for alert in alerts]}


def queue_mails(hub: Hub, _params: Params) -> Result:
    """Queue an e-mail for every view whose owner wants them, when its alerts have said something new."""
    if hub.mail_server is None:
        return {"queued": 0}
    now, trust = hub.clock(), hub.refresh_trust()
    up_to, queued = now - SETTLED_AFTER, 0
    with hub.database.read() as session:
        due = [view for view in watch_views.list_due(session, now) if _has_news(session, trust, hub, view, up_to)]
    for view in due:
        with hub.database.write() as session:
            queued += watch_views.queue_mail(session, view, up_to, now)
    return {"queued": queued}


def _has_news(session: Session, trust: Trust, hub: Hub, view: WatchView, up_to: datetime) -> bool:
    if mail_addresses.confirmed_address(session, view.owner) is None:
        return False  # what is said meanwhile goes out when there is one
    try:
        chosen = view.wanted
    except HubError:  # a choice of another release
        return False
    place = (session, trust, hub.name, hub.area.code, chosen)
    return bool(watch_store.list_news(*place, after=view.mailed_up_to, up_to=up_to, limit=1))


def _chosen(params: Params) -> WatchFilter:
    return parse_filter(parse_qsl(str(params.get("filter") or "")))


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


VERBS: dict[str, Callable[[Hub, Params], Result]] = {
    "watch.run": run,
    "watch.list": list_alerts,
    "watch.news": list_news,
    "watch.mail": queue_mails,
    "watch.see": see,
    "watch.dismiss": dismiss,
}
