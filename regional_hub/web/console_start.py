"""The console's first page: is the federation healthy? Alarms first, then one line for everything."""

from typing import Final

from fastapi import Request
from fastapi.responses import Response

from regional_hub.web.site import Site
from shared_schema.service.translations import N_

LINES: Final = {
    "log": (N_("The log"), ""),
    "members": (N_("Members"), "/members"),
    "enrolments": (N_("Waiting to be admitted"), "/enrolments"),
    "quarantine": (N_("Quarantine"), "/quarantine"),
    "recalls": (N_("Withdrawals"), "/withdrawals"),
    "questions": (N_("Relayed questions"), "/questions"),
    "sums": (N_("Sums to be published"), "/sums"),
    "sealed": (N_("Sealed totals"), "/sealed"),
    "witnesses": (N_("Witnesses and other hubs"), "/witnesses"),
    "messages": (N_("Being told of alarms"), "/alarms"),
    "keys": (N_("This hub's keys"), ""),
    "disk": (N_("Disk and database"), ""),
    "backup": (N_("Backup"), "/audit?action=backup-made"),
    "certificate": (N_("Certificate"), ""),
}
"""What the verb `overview` tells → its name, and where more is said."""
STATES: Final = {
    "good": N_("good"),
    "wait": N_("waits"),
    "bad": N_("needs you now"),
    "unknown": N_("not seen from here"),
}
SHOWN_ABOVE: Final = ("alarm ", "alarms by ", "alerts by ", "backup", "disk", "sealed ")
"""Findings of `doctor` that stand on this page in a line of their own."""


class ConsoleStart:
    """The handler."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """Everything in one look. The machine is looked at quickly: no other hub is asked, nothing is read whole."""
        overview = self._site.run("overview", {})
        findings = [
            each
            for each in self._site.run("doctor", {"quick": True})["findings"]
            if not each["about"].startswith(SHOWN_ABOVE)
        ]
        return self._site.page(
            request,
            "console_start.html",
            overview=overview,
            findings=findings,
            well=overview["well"] and not findings,
            names=LINES,
            states=STATES,
        )
