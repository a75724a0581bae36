"""The pages and their addresses. A handler reads, renders and does nothing else; no page writes."""

from fastapi import Request
from fastapi.responses import Response

from local_node import inbox, outbox, recalls
from local_node.inbox import InboxState
from local_node.lesson import LESSON_KINDS
from local_node.web import presentation
from local_node.web.access import Right
from local_node.web.overview import read_overview
from local_node.web.site import Site
from local_node.web.trends import make_tables
from shared_schema.statement import Kind

LATEST_OUTBOX_ROWS = 10
AGGREGATES_READ = 1_000
"""Two years of a dozen tables from three hubs with a few revisions each."""


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = Pages(site)
    site.get("/", pages.overview, Right.SEE_TODAY)
    site.get("/trends", pages.trends, Right.SEE_PICTURE)


class Pages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._database = site.database

    def overview(self, request: Request) -> Response:
        """What needs a person, and how the node stands."""
        with self._database.read() as session:
            overview = read_overview(session)
            latest = inbox.list_items(
                session,
                kinds=LESSON_KINDS,
                state=InboxState.ACCEPTED,
                newest_versions=True,
                limit=LATEST_OUTBOX_ROWS // 2,
            )
            sent = outbox.list_rows(session, limit=LATEST_OUTBOX_ROWS)
            taken_back = recalls.words_by_item(session, [row.digest for row in sent])
        return self._site.page(
            request, "overview.html", overview=overview, latest=latest, sent=sent, taken_back=taken_back
        )

    def trends(self, request: Request) -> Response:
        """The sums that hubs have published."""
        with self._database.read() as session:
            aggregates = inbox.latest_bodies(session, Kind.AGGREGATE, AGGREGATES_READ)
            found = {origin: inbox.current_policy(session, origin) for origin in {origin for origin, _ in aggregates}}
        policies = {origin: policy for origin, policy in found.items() if policy is not None}
        return self._site.page(
            request, "trends.html", tables=make_tables(aggregates, policies), obstacles=presentation.OBSTACLES
        )
