"""The audit trail: who did what to which thing, and the whole chain as a file that anybody can check."""

from typing import Final

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from regional_hub import audit
from regional_hub.web.access import Right
from regional_hub.web.site import Site
from regional_hub.web.spooled import pieces_of, spool

EVENTS_A_PAGE: Final = 50
MOST_DIGITS: Final = 15


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = ConsoleAudit(site)
    site.get("/audit", pages.show, Right.SEE_AUDIT)
    site.get("/audit.jsonl", pages.export, Right.SEE_AUDIT)


class ConsoleAudit:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """The newest events, of one action or one person where the address says so."""
        asked = request.query_params
        action, person, before = asked.get("action", ""), asked.get("person", ""), asked.get("before", "")
        place = int(before) if before.isascii() and before.isdigit() and len(before) <= MOST_DIGITS else None
        with self._site.database.read() as session:
            found = audit.find_events(session, action=action, actor=person, before=place, limit=EVENTS_A_PAGE + 1)
            actions, people = audit.known_words(session)
            lines = [(each.seq, each.at, each.actor, each.action, each.subject) for each in found[:EVENTS_A_PAGE]]
        return self._site.page(
            request,
            "console_audit.html",
            lines=lines,
            older=lines[-1][0] if len(found) > EVENTS_A_PAGE else None,
            actions=actions,
            people=people,
            action=action,
            person=person,
            is_newest=place is None,
        )

    def export(self) -> Response:
        """The whole chain, one line of JSON for each event."""
        with self._site.database.read() as session:
            written = spool(line.encode() for line in audit.export(session))
        headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"'}
        return StreamingResponse(pieces_of(written), media_type="application/jsonl", headers=headers)
