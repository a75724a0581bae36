"""What the tests of the pages share: a node with its people, and a lesson as a form sends it."""

import re
from html import unescape
from typing import Any, Final

import httpx

from local_node import draft_store, verbs
from local_node.app import Node
from local_node.door import accounts, sessions
from local_node.drafting import Draft
from local_node.orm import AccountRow, AgencyRow
from shared_schema.service.pages.site import SESSION_COOKIE
from tests.local_node.browsing import Browser

LESSON: Final[dict[str, str | list[str]]] = {
    "kind": "practice",
    "title": "Evenings for everybody",
    "summary": "We opened the club on more evenings. Nobody came.",
    "phenomenon": ["RWE", "POL"],
    "prevention_level": "primary",
    "agency-0": "youth",
    "role-0": "deliver",
    "outcome": "no_effect",
    "lessons": "Ask Mr Smith first.",
    "audience": "europe",
    "attribution": "city",
    "language": "en",
}
"""A failure, told in seven fields; one passage in it could point to somebody."""
FORM_KEY: Final = "a-form-that-somebody-opened"


def seat(node: Node, person: str, app: Any = None) -> Browser:
    """A browser in which somebody is signed in: a real session, without the work that a password takes."""
    with node.database.write() as session:
        if accounts.find_account(session, person) is None:
            accounts.make_account(session, person, person.capitalize(), by="test", now=node.clock())
        token = sessions.begin(session, accounts.get_account(session, person), "", node.clock())
    return Browser(node, app, {SESSION_COOKIE: token})


def employ(node: Node) -> None:
    """Two partners of two agencies, beside the coordinator and the reviewer."""
    for person, agency in (("paul", "youth-office"), ("lea", "school-board")):
        verbs.run(node, "people.add", {"id": person, "role": "partner"})
        with node.database.write() as session:
            accounts.make_account(session, person, person.capitalize(), by="test", now=node.clock())
            session.add(
                AgencyRow(id=agency, name=agency, kinds='{"codes":[]}', roles='{"codes":[]}', added_at=node.clock())
            )
            session.flush()
            session.get_one(AccountRow, person).agency_id = agency


def write(browser: Browser, form_key: str = FORM_KEY, **changes: str | list[str]) -> str:
    """Save a new lesson and return the draft's id."""
    answer = browser.post("/lessons", LESSON | {"form_key": form_key, "version": "0"} | changes)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].split("/")[2].split("?")[0]


def save(browser: Browser, draft: str, version: int, **changes: str | list[str]) -> httpx.Response:
    """Send the form of a draft once more."""
    return browser.post(f"/lessons/{draft}", LESSON | {"version": str(version)} | changes)


def ask(browser: Browser, draft: str, version: int = 1) -> str:
    """Ask for a review and return the request's id."""
    answer = browser.post(f"/lessons/{draft}/ask", {"version": str(version)})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].split("/")[2].split("?")[0]


def hidden(page: str, name: str) -> str:
    """The value of the first hidden field of this name."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', page)
    assert found is not None, name
    return unescape(found[1])


def stored(node: Node, draft: str) -> Draft | None:
    """The draft as it is kept."""
    with node.database.read() as session:
        return draft_store.find(session, draft)
