"""Being told of alarms: how each channel is doing, what became of the newest messages, and a test."""

from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response

from regional_hub.web.access import Right
from regional_hub.web.site import Site
from shared_schema.service.translations import N_

CHANNELS: Final = {"webhook": N_("Webhook"), "email": N_("E-mail"), "person": N_("E-mails of the trend watch")}
CHANGES: Final = {"raised": N_("raised"), "ended": N_("ended"), "bundle": N_("several in one")}
STATES: Final = {
    "waiting": ("wait", N_("waits")),
    "sending": ("wait", N_("on its way")),
    "sent": ("good", N_("taken")),
    "given-up": ("bad", N_("given up")),
    "dropped": ("plain", N_("dropped")),
}


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = ConsoleAlarms(site)
    site.get("/alarms", pages.show, Right.SEE_CONSOLE)
    site.post("/alarms/test", pages.test, Right.OPERATE)
    site.post("/alarms/retry", pages.retry, Right.OPERATE)
    site.post("/alarms/drop", pages.drop, Right.OPERATE)
    site.notices.update(
        {
            "alarms-retried": N_("What was given up waits again, and is sent within a minute."),
            "alarms-dropped": N_("What was given up is not sent any more. The alarms themselves stay."),
            "alarms-none": N_("Nothing was given up."),
        }
    )


class ConsoleAlarms:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """Channels and messages."""
        return self._page(request)

    def test(self, request: Request) -> Response:
        """Send a test through every channel, and say what came back."""
        return self._page(request, tested=self._site.act(request, "alarms.test", {})["tested"])

    def retry(self, request: Request) -> Response:
        """Have everything tried again that was given up."""
        count = self._site.act(request, "alarms.retry", {})["messages"]
        return self._site.go("/alarms", done="alarms-retried" if count else "alarms-none")

    def drop(self, request: Request) -> Response:
        """Forget what was given up."""
        count = self._site.act(request, "alarms.drop", {})["messages"]
        return self._site.go("/alarms", done="alarms-dropped" if count else "alarms-none")

    def _page(self, request: Request, tested: list[dict[str, Any]] | None = None) -> Response:
        return self._site.page(
            request,
            "console_alarms.html",
            found=self._site.run("alarms.show", {}),
            tested=tested or [],
            channels=CHANNELS,
            changes=CHANGES,
            states=STATES,
        )
