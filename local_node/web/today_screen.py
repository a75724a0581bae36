"""Today: what needs this person, how the exchange stands, and what is new. The first page after signing in."""

from typing import Final

from fastapi import Request
from fastapi.responses import Response

from local_node import hub_client, inbox, sync
from local_node.inbox import InboxState
from local_node.lesson import LESSON_KINDS
from local_node.web import needs, sync_state, today
from local_node.web.access import Right
from local_node.web.site import Site, visitor_of

NEWEST_SHOWN: Final = 3


def install(site: Site) -> None:
    """Add the first page, and what the exchange itself knows of something to do."""
    today.register(*needs.OWN)
    site.get("/", TodayScreen(site).show, Right.SEE_TODAY)


class TodayScreen:
    """The handler."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """Everything in one glance, for this visitor."""
        visitor, now, city = visitor_of(request), self._site.clock(), self._site.city
        with self._site.database.read() as session:
            found = today.needs_of(session, visitor, now, [needs.AboutSealed(city.name, city.sealed_declined)])
            alarms = sync.list_alarms(session)
            states = sync_state.read_states(session, hub_client.list_hubs(session), alarms, city.sync_every, now)
            newest = inbox.list_items(
                session,
                kinds=LESSON_KINDS,
                state=InboxState.ACCEPTED,
                newest_versions=True,
                not_by=city.name,
                limit=NEWEST_SHOWN,
            )
        return self._site.page(
            request,
            "today.html",
            needs=found,
            alarms=alarms,
            states=states,
            newest=newest,
        )
