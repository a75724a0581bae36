"""What rises in several cities at once, beyond chance: for whoever looks at figures. Never in which cities."""

from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response

from regional_hub.trend_watch import ALERT_WORDS
from regional_hub.web.access import Right
from regional_hub.web.site import Site, words_of
from shared_schema.service.pages import terms
from shared_schema.service.pages.forms import Form, choice_of
from shared_schema.service.translations import N_

STATE_WORDS: Final = {
    "new": N_("new"),
    "seen": N_("seen"),
    "dismissed": N_("needs nothing"),
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
        """The alerts that nobody has put aside, and what the watch promises."""
        found: dict[str, Any] = self._site.run("watch.list", {"all": all})
        words = words_of(request, self._site)

        def said(alert: dict[str, Any]) -> str:
            return words.gettext(ALERT_WORDS[alert["kind"]]) % {"stated": alert["rising"], "judged": alert["of"]}

        return self._site.page(
            request,
            "watch.html",
            found=found,
            everything=all,
            said=said,
            state_words=STATE_WORDS,
            plain=terms.words,
        )

    def change(self, request: Request, alert: str, form: Form) -> Response:
        """Mark an alert as seen, or as one that needs nothing."""
        action = choice_of(form, "action", ACTIONS)
        self._site.act(request, ACTIONS[action], {"alert": alert})
        return self._site.go("/watch", done="alert-changed")
