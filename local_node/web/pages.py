"""The pages and their addresses. A handler reads, renders and does nothing else; no page writes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from local_node import inbox, outbox, reading, recalls
from local_node.inbox import InboxState
from local_node.web import presentation
from local_node.web.overview import read_overview
from local_node.web.trends import make_tables
from shared_schema.problem import ProblemCode
from shared_schema.service.database import Database
from shared_schema.service.problems import problem_response
from shared_schema.statement import Kind

ITEMS_A_PAGE = 50
LAST_PAGE = 1_000_000
"""Beyond it lies nothing, and at some point a number that no database takes."""
LATEST_OUTBOX_ROWS = 10
AGGREGATES_READ = 1_000
"""Two years of a dozen tables from three hubs with a few revisions each."""
STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True)
class City:
    """Whose node this is."""

    name: str
    display_name: str
    read_fingerprint: Callable[[], str]

    @property
    def fingerprint(self) -> str:
        """That of the key in use, which may change while the node runs."""
        return self.read_fingerprint()


@dataclass(frozen=True, slots=True)
class View:
    """One way to look at the inbox."""

    title: str
    kinds: tuple[Kind, ...] = ()
    state: InboxState | None = InboxState.ACCEPTED
    newest_versions: bool = False


VIEWS: Mapping[str, View] = MappingProxyType(
    {
        "lessons": View(
            "Lessons",
            (Kind.PRACTICE, Kind.EXPERIENCE, Kind.BULLETIN, Kind.QUESTION, Kind.ANSWER, Kind.RELAYED),
            newest_versions=True,
        ),
        "sums": View("Sums", (Kind.AGGREGATE, Kind.TREND)),
        "members": View("Members and rules", (Kind.MEMBERSHIP, Kind.POLICY)),
        "withdrawn": View("Taken back", state=InboxState.WITHDRAWN),
        "quarantined": View("Not verified", state=InboxState.QUARANTINED),
        "all": View("Everything", state=None),
    }
)


def install(app: FastAPI, database: Database, city: City, clock: Callable[[], datetime]) -> None:
    """Add the pages, their style sheet and the answer for addresses that do not exist."""
    site = Site(database, city, clock)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_api_route("/", site.overview, response_class=HTMLResponse)
    app.add_api_route("/inbox", site.inbox, response_class=HTMLResponse)
    app.add_api_route("/inbox/{digest}", site.item, response_class=HTMLResponse)
    app.add_api_route("/trends", site.trends, response_class=HTMLResponse)
    app.add_api_route("/health", site.health)
    for_programs = app.exception_handlers[HTTPException]

    async def not_found(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code == 404 and _is_browser(request):
            return site.message(404, "There is no such page", "Perhaps the address was copied without its end.")
        answer = for_programs(request, error)
        return answer if isinstance(answer, Response) else await answer

    app.add_exception_handler(HTTPException, not_found)


def _is_browser(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


class Site:
    """The handlers, with what they need."""

    def __init__(self, database: Database, city: City, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._templates = Environment(
            loader=PackageLoader("local_node.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._templates.globals.update(city=city, kind_names=presentation.KIND_NAMES)
        self._templates.globals.update(state_names=presentation.STATE_NAMES, title_of=presentation.title_of)
        self._templates.globals.update(freshness_note=presentation.freshness_note)
        self._templates.filters.update(
            moment=presentation.moment,
            term=presentation.term,
            words=presentation.words,
            audience=presentation.audience,
            reason=presentation.reason,
            figure_note=presentation.figure_note,
        )

    def overview(self) -> Response:
        """What needs a person, and how the node stands."""
        with self._database.read() as session:
            overview = read_overview(session)
            latest = inbox.list_items(
                session,
                kinds=VIEWS["lessons"].kinds,
                state=InboxState.ACCEPTED,
                newest_versions=True,
                limit=LATEST_OUTBOX_ROWS // 2,
            )
            sent = outbox.list_rows(session, limit=LATEST_OUTBOX_ROWS)
            taken_back = recalls.words_by_item(session, [row.digest for row in sent])
        return self._page("overview.html", overview=overview, latest=latest, sent=sent, taken_back=taken_back)

    def inbox(self, show: str = "lessons", kind: str = "", page: int = 1) -> Response:
        """The items, filtered by a view or by one kind, a page at a time."""
        view = self._view(show, kind)
        if view is None or not 1 <= page <= LAST_PAGE:
            return self.message(404, "There is no such list", "Choose one of the lists of the inbox.")
        offset = (page - 1) * ITEMS_A_PAGE
        with self._database.read() as session:
            items = inbox.list_items(
                session,
                kinds=view.kinds,
                state=view.state,
                newest_versions=view.newest_versions,
                limit=ITEMS_A_PAGE + 1,
                offset=offset,
            )
            counts = _count_views(inbox.count_items(session), inbox.count_replaced(session))
        return self._page(
            "inbox.html",
            items=items[:ITEMS_A_PAGE],
            has_older=len(items) > ITEMS_A_PAGE,
            page=page,
            views=VIEWS,
            counts=counts,
            chosen="" if kind else show,
            view=view,
            query=f"kind={kind}" if kind else f"show={show}",
        )

    def item(self, digest: str) -> Response:
        """One item, with its content when it was verified."""
        with self._database.read() as session:
            item = inbox.find_item(session, digest)
            lesson = reading.read(session, digest, self._clock())
        if item is None:
            return self.message(404, "There is no such item", "It may have the digest of an item of another node.")
        return self._page("item.html", item=item, body=item.body, lesson=lesson)

    def trends(self) -> Response:
        """The sums that hubs have published."""
        with self._database.read() as session:
            aggregates = inbox.latest_bodies(session, Kind.AGGREGATE, AGGREGATES_READ)
            found = {origin: inbox.current_policy(session, origin) for origin in {origin for origin, _ in aggregates}}
        policies = {origin: policy for origin, policy in found.items() if policy is not None}
        return self._page("trends.html", tables=make_tables(aggregates, policies), obstacles=presentation.OBSTACLES)

    def health(self) -> Response:
        """For programs that watch: whether the node can read its database."""
        try:
            self._database.check_reachable()
        except SQLAlchemyError:
            return problem_response(ProblemCode.BUSY, "expected a database that answers", {"Retry-After": "5"})
        return JSONResponse({"status": "ok"})

    def message(self, status: int, title: str, text: str) -> Response:
        """A page that says what went wrong."""
        return self._page("message.html", status=status, title=title, text=text)

    def _view(self, show: str, kind: str) -> View | None:
        if not kind:
            return VIEWS.get(show)
        return View(presentation.KIND_NAMES[Kind(kind)], (Kind(kind),)) if kind in list(Kind) else None

    def _page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        text = self._templates.get_template(template).render(now=self._clock(), **values)
        return HTMLResponse(text, status_code=status)


def _count_views(counts: Mapping[tuple[Kind, InboxState], int], replaced: int) -> dict[str, int]:
    """How many items every view has; those of which there is a newer version are not in all of them."""
    return {
        name: -replaced * view.newest_versions
        + sum(
            count
            for (kind, state), count in counts.items()
            if (not view.kinds or kind in view.kinds) and view.state in (None, state)
        )
        for name, view in VIEWS.items()
    }
