"""What rises in several cities at once, beyond chance: for whoever looks at figures. Never in which cities."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response

from regional_hub.members import get_policy
from regional_hub.trend_watch import ALERT_KINDS, AlertKind, watched_tables
from regional_hub.watch_filter import parse_filter
from regional_hub.watch_views import query_of
from regional_hub.web.access import Right
from regional_hub.web.site import Site, words_of
from regional_hub.web.watch_text import said_of
from regional_hub.web.words import Words
from shared_schema.governance import PolicyBody
from shared_schema.service.pages import terms
from shared_schema.service.pages.forms import Form, choice_of
from shared_schema.service.translations import N_

STATE_WORDS: Final = {
    "new": N_("new"),
    "seen": N_("seen"),
    "dismissed": N_("needs nothing"),
}
KIND_WORDS: Final[Mapping[AlertKind, str]] = {
    "cities": N_("several cities rise"),
    "regions": N_("several regions rise"),
    "sum": N_("the sum stands out"),
}
ACTIONS: Final = {"see": "watch.see", "dismiss": "watch.dismiss"}


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = WatchPages(site)
    site.notices["alert-changed"] = N_("Noted. It is in the audit trail.")
    site.get("/watch", pages.show, Right.SEE_FIGURES)
    site.post("/watch/{alert}", pages.change, Right.SAVE_VIEWS)


class WatchPages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request, all: bool = False) -> Response:
        """The alerts of a choice that nobody has put aside, and what the watch promises."""
        chosen = parse_filter(request.query_params.multi_items())
        query = query_of(chosen)
        found: dict[str, Any] = self._site.run("watch.list", {"all": all, "filter": query})
        words = words_of(request, self._site)
        with self._site.database.read() as session:
            policy = get_policy(session, self._site.place.name)
        return self._site.page(
            request,
            "watch.html",
            found=found,
            everything=all,
            said=lambda alert: said_of(alert, words),
            state_words=STATE_WORDS,
            plain=terms.words,
            chosen=chosen,
            query=query,
            offer=offer_of(policy, words),
        )

    def change(self, request: Request, alert: str, form: Form) -> Response:
        """Mark an alert as seen, or as one that needs nothing."""
        action = choice_of(form, "action", ACTIONS)
        self._site.act(request, ACTIONS[action], {"alert": alert})
        return self._site.go("/watch", done="alert-changed")


def offer_of(policy: PolicyBody, words: Words) -> dict[str, dict[str, str]]:
    """What can be chosen: measures, tables and kinds, in words."""
    tables = [table for table, _ in watched_tables(policy)]
    measures = {table.measure: policy.find_measure(table.measure) for table in tables}
    return {
        "measure": {id: words.gettext(measure.title) if measure else id for id, measure in measures.items()},
        "table": {table.id: words.gettext(table.title) for table in tables},
        "kind": {kind: words.gettext(KIND_WORDS[kind]) for kind in ALERT_KINDS},
    }
