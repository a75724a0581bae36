"""What the node gives its pages: its door, its rights, its words, and the city that it belongs to.

site.get("/returns", pages.show, Right.SEE_RETURNS)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Final

from fastapi import Request

from local_node import second_factor_rule
from local_node.account_changes import account_changes
from local_node.door import Scope, door
from local_node.web.access import Right, Visitor
from local_node.web.failures import BUTTONS, STALE, STATUS_OF_CODE
from local_node.web.menu import MENU
from local_node.web.words import CATALOGUES, Words
from shared_schema.content import Surroundings
from shared_schema.service.database import Database
from shared_schema.service.pages import site
from shared_schema.service.translations import N_

if TYPE_CHECKING:  # its library is an optional extra
    from local_node.sign_on_client import SignOnService

API_PREFIX: Final = "/api/"
SCOPES: Final[Mapping[str, tuple[str, str]]] = {
    Scope.RETURNS_WRITE: (N_("hand in returns"), Right.ENTER_RETURNS),
    Scope.INBOX_READ: (N_("read lessons in the inbox"), Right.READ_INBOX),
    Scope.FIGURES_READ: (N_("read published figures"), Right.SEE_PICTURE),
    Scope.SYNC: (N_("exchange with the hubs now"), Right.SYNC_NOW),
}
"""Scope → what it lets a script do, and the right that its owner needs for it."""
PROGRAM: Final = site.Program(
    door=door,
    changes=account_changes,
    visitor=Visitor,
    needs_second_factor=second_factor_rule.is_required_now,
    words=Words,
    package="local_node.web",
    catalogues=CATALOGUES,
    menu=MENU,
    programs_prefix=API_PREFIX,
    scopes=SCOPES,
    statuses=STATUS_OF_CODE,
    stale=STALE,
    buttons=BUTTONS,
)


@dataclass(frozen=True, slots=True)
class City:
    """Whose node this is."""

    name: str
    display_name: str
    read_fingerprint: Callable[[], str]
    zone: tzinfo
    sync_every: timedelta = timedelta(minutes=15)
    """How often a round of sync is due; 0 for only when somebody says so."""
    surroundings: Surroundings | None = None
    sends_mail: bool = False
    sealed_declined: frozenset[str] = frozenset()
    """The ids of tables that this city does not send sealed."""

    @property
    def fingerprint(self) -> str:
        """That of the key in use, which may change while the node runs."""
        return self.read_fingerprint()


class Site(site.Site):
    """The pages of one node."""

    def __init__(self, database: Database, city: City, clock: Callable[[], datetime], run: site.RunVerb) -> None:
        super().__init__(PROGRAM, database, city, clock, run)
        self.city = city
        self.sign_on: SignOnService | None = None
        """The city's own sign-on service, where there is one."""

    @property
    def has_single_sign_on(self) -> bool:
        """Whether people may also come in through the city's own service."""
        return self.sign_on is not None

    def renew_city(self, city: City) -> None:
        """Call the city by another name, or tell its time in another zone, from the next page on."""
        self.city = city
        self.renew_place(city)

    def names(self) -> dict[str, Any]:
        """What the node's templates know beside the shared names."""
        return {"city": self.city, "Right": Right}


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
