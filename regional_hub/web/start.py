"""The first page: how the federation stands; for whoever may not see that, what this person may open."""

from typing import Final

from fastapi import Request
from fastapi.responses import Response

from regional_hub.web.access import Right
from regional_hub.web.console_start import ConsoleStart
from regional_hub.web.people_pages import PeoplePages
from regional_hub.web.site import Site, visitor_of
from shared_schema.service.translations import N_

DOORS: Final = (
    (
        "/figures",
        N_("Figures"),
        N_("Sums that can be cited, with their intervals, as charts, tables and files."),
        Right.SEE_FIGURES,
    ),
    ("/accounts", N_("Accounts"), N_("Who works with this hub, and what they may do."), Right.MANAGE_ACCOUNTS),
    (
        "/account",
        N_("My account"),
        N_("Password, second factor, tokens, and where you are signed in."),
        Right.OWN_ACCOUNT,
    ),
)
"""Address, name, what is there, and the right that it needs."""


def install(site: Site) -> None:
    """Add the page of this module."""
    site.get("/", Start(site).show, Right.SEE_START)


class Start:
    """The handler."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._console = ConsoleStart(site)

    def show(self, request: Request) -> Response:
        """Greet, and lead on."""
        visitor = visitor_of(request)
        if visitor.may(Right.SEE_CONSOLE):
            return self._console.show(request)
        doors = [door for door in DOORS if visitor.may(door[3])]
        role = PeoplePages.ROLE_NAMES[visitor.account.role]
        return self._site.page(request, "start.html", doors=doors, role=role)
