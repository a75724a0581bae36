"""In front of every page: somebody who is signed in, with a role that may, from this site, and nothing that writes."""

import sqlite3

import pytest
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from starlette.routing import Mount

from local_node.app import Node
from local_node.web.access import ALLOWED, Right
from tests.door_promises import GatePromises
from tests.hub_simulator import MovableClock
from tests.local_node.browsing import Browser
from tests.local_node.doorway import NodeDoorway

FORM = {"language": "de"}


def test_a_route_that_names_no_right_is_refused_to_everybody(node: Node) -> None:
    browser = Browser(node).sign_in("anna", administrates=True)
    browser.app.add_api_route("/forgotten", lambda: PlainTextResponse("secret"))
    assert browser.get("/forgotten").status_code == 403
    assert "secret" not in browser.get("/forgotten").text
    assert Browser(node, app=browser.app).get("/forgotten").status_code == 303


def test_every_route_of_the_application_names_its_right(node: Node) -> None:
    browser = Browser(node)
    mounts = [route for route in browser.app.routes if isinstance(route, Mount)]
    assert [mount.path for mount in mounts] == ["/static"]
    others = [route for route in browser.app.routes if not isinstance(route, Mount)]
    assert all(isinstance(route, APIRoute) and route.dependencies for route in others)


def test_every_right_is_in_the_table(node: Node) -> None:
    assert set(ALLOWED) == set(Right)


def test_reading_pages_writes_nothing(node: Node) -> None:
    browser = Browser(node).sign_in("anna")
    with sqlite3.connect(node.data_dir / "node.db") as watcher:
        before = watcher.execute("PRAGMA data_version").fetchone()
        for path in ("/", "/inbox", "/trends", "/sign-in", "/health", "/nothing"):
            browser.get(path)
        assert watcher.execute("PRAGMA data_version").fetchone() == before
        browser.post("/language", FORM)
        assert watcher.execute("PRAGMA data_version").fetchone() != before, "the watcher does see what is written"
    watcher.close()


def test_a_form_that_is_sent_after_the_session_has_ended_can_be_sent_again(node: Node) -> None:
    """A redirection would lose what somebody has typed; this page stays, and reloading it sends the form once more."""
    browser = Browser(node).sign_in("anna")
    cookies = dict(browser.cookies)
    browser.cookies.clear()
    form = {"kind": "question", "title": "Half an hour of work", "form_key": "a-form-of-an-hour-ago", "version": "0"}
    answer = browser.post("/lessons", form)
    assert answer.status_code == 401 and "reload it" in answer.text and 'href="/sign-in" target="_blank"' in answer.text
    browser.cookies = cookies
    assert browser.post("/lessons", form).status_code == 303
    assert "Half an hour of work" in browser.page("/lessons")


@pytest.fixture
def door(node: Node, clock: MovableClock) -> NodeDoorway:
    """The node's door."""
    return NodeDoorway(node, clock)


class TestTheGateOfTheNode(GatePromises):
    """See `GatePromises`."""
