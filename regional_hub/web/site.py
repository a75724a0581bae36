"""What the hub gives its pages: its door, its rights, its words, and the hub that they are about.

    site.get("/members", pages.list_all, Right.SEE_CONSOLE)
    site.post("/members/{name}/state", pages.change_state, Right.OPERATE)

A handler that changes something calls `site.act`, so that the audit log says who it was.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final

from fastapi import Request

from regional_hub.account_changes import account_changes
from regional_hub.door import Scope, door, needs_second_factor
from regional_hub.figure_answer import FigurePublisher
from regional_hub.region_map import Outlines
from regional_hub.web.access import Right, Visitor
from regional_hub.web.menu import MENU
from regional_hub.web.words import CATALOGUES, Words
from shared_schema.governance import Level
from shared_schema.period import Area
from shared_schema.service.database import Database
from shared_schema.service.pages import site
from shared_schema.service.translations import N_

API_PREFIX: Final = "/v1/"
LEVELS: Final[Mapping[Level, str]] = {
    "region": N_("Hub of a region"),
    "nation": N_("Hub of a country"),
    "europe": N_("Hub of Europe"),
}
SCOPES: Final[Mapping[str, tuple[str, str]]] = {
    Scope.FIGURES_READ: (N_("read published figures"), Right.SEE_FIGURES),
    Scope.CONSOLE_READ: (N_("read how the federation stands"), Right.SEE_CONSOLE),
}
"""Scope → what it lets a script do, and the right that its owner needs for it."""
PROGRAM: Final = site.Program(
    door=door,
    changes=account_changes,
    visitor=Visitor,
    needs_second_factor=needs_second_factor,
    words=Words,
    package="regional_hub.web",
    catalogues=CATALOGUES,
    menu=MENU,
    programs_prefix=API_PREFIX,
    scopes=SCOPES,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Which hub this is."""

    name: str
    display_name: str
    level: Level
    read_fingerprint: Callable[[], str]
    zone: tzinfo

    @property
    def fingerprint(self) -> str:
        """That of the key that a new reader pins, which may change while the hub runs."""
        return self.read_fingerprint()

    @property
    def kind(self) -> str:
        """What kind of hub it is; a message to translate."""
        return LEVELS[self.level]


class Site(site.Site):
    """The pages of one hub."""

    def __init__(
        self,
        database: Database,
        place: Place,
        clock: Callable[[], datetime],
        run: site.RunVerb,
        publisher: FigurePublisher,
        area: Area,
        false_alarm_years: int,
        outlines: Outlines,
    ) -> None:
        super().__init__(PROGRAM, database, place, clock, run)
        self.publisher = publisher
        self.area = area
        self.false_alarm_years = false_alarm_years
        self.outlines = outlines
        self.sends_mail = False
        """Whether the settings name a mail server."""

    def act(self, request: Request, verb: str, params: dict[str, Any]) -> dict[str, Any]:
        """Run a verb as the person who asks, as the command line runs it for the console. Raises VerbError."""
        return self.run(verb, params | {"by": visitor_of(request).person_id})

    def names(self) -> dict[str, Any]:
        """What the hub's templates know beside the shared names."""
        return {"Right": Right}


def visitor_of(request: Request) -> Visitor:
    """Who is signed in; only for handlers behind a right that needs somebody."""
    visitor = request.state.visitor
    assert isinstance(visitor, Visitor)  # noqa: S101 - the gate has seen to it
    return visitor


def words_of(request: Request, pages: Site) -> Words:
    """The language of a request; before the gate, the language that the browser asks for."""
    words = site.words_of(request, pages)
    assert isinstance(words, Words)  # noqa: S101 - `PROGRAM` says so
    return words
