"""The pages and their addresses. A handler reads, renders and does nothing else; no page writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fastapi import Request
from fastapi.responses import Response

from local_node import inbox, reading
from local_node.inbox import InboxState
from local_node.web import presentation
from local_node.web.access import Right
from local_node.web.site import Site
from shared_schema.statement import Kind

ITEMS_A_PAGE = 50
LAST_PAGE = 1_000_000
"""Beyond it lies nothing, and at some point a number that no database takes."""


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


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = Pages(site)
    site.get("/inbox", pages.inbox, Right.READ_INBOX)
    site.get("/inbox/{digest}", pages.item, Right.READ_INBOX)


class Pages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._database = site.database

    def inbox(self, request: Request, show: str = "lessons", kind: str = "", page: int = 1) -> Response:
        """The items, filtered by a view or by one kind, a page at a time."""
        view = self._view(show, kind)
        if view is None or not 1 <= page <= LAST_PAGE:
            return self._site.missing(request)
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
        return self._site.page(
            request,
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

    def item(self, request: Request, digest: str) -> Response:
        """One item, with its content when it was verified."""
        with self._database.read() as session:
            item = inbox.find_item(session, digest)
            lesson = reading.read(session, digest, self._site.clock())
        if item is None:
            return self._site.missing(request)
        return self._site.page(request, "item.html", item=item, body=item.body, lesson=lesson)

    def _view(self, show: str, kind: str) -> View | None:
        if not kind:
            return VIEWS.get(show)
        return View(presentation.KIND_NAMES[Kind(kind)], (Kind(kind),)) if kind in list(Kind) else None


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
