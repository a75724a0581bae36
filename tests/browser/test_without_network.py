"""The network is pulled: every screen is there all the same, work goes on, and what waits to be sent is seen."""

from collections.abc import Iterator

import pytest

from local_node import verbs
from shared_schema.service.control import VerbError
from tests.browser.screens import Furnished, Screen, all_screens
from tests.hub_simulator import Lie
from tests.local_node.browsing import Browser

LESSON: dict[str, str | list[str]] = {
    "kind": "question",
    "then": "look",
    "title": "Who has tried talks at tram stops?",
    "text": "We would like to begin in spring, and wonder at which time of the day.",
    "phenomenon": ["RWE"],
    "audience": "region",
    "language": "en",
    "version": "0",
    "form_key": "0123456789abcdef",
}


@pytest.fixture
def alone(furnished: Furnished) -> Iterator[Furnished]:
    """The furnished node, whose hub does not answer."""
    furnished.hub.lie = Lie.UNREACHABLE
    yield furnished
    furnished.hub.lie = None


@pytest.mark.parametrize("screen", [pytest.param(screen, id=screen.id) for screen in all_screens()])
def test_every_screen_is_there(screen: Screen, alone: Furnished) -> None:
    browser = Browser(alone.node)
    if screen.as_ is not None:
        browser.sign_in(screen.as_)
    assert browser.get(screen.address(alone)).status_code == screen.status


def test_what_is_written_and_approved_waits_where_everybody_sees_it(alone: Furnished) -> None:
    anna, ben = Browser(alone.node).sign_in("anna"), Browser(alone.node).sign_in("ben")
    draft = anna.post("/lessons", LESSON).headers["location"].split("?")[0].removesuffix("/look")
    number = draft.rsplit("/", 1)[1]
    page = anna.page(f"/lessons/{number}/look")
    version = page.split('name="version" value="')[1].split('"')[0]
    anna.post(f"/lessons/{number}/ask", {"version": version})
    request = verbs.run(alone.node, "release.list", {})["requests"][-1]
    seen = verbs.run(alone.node, "release.show", {"request": request["request"]})["seen"]
    decided = ben.post(f"/reviews/{request['request']}/decide", {"seen": seen, "decision": "approve"})
    assert decided.status_code == 303, decided.text
    with pytest.raises(VerbError):
        verbs.run(alone.node, "hub.add", {"url": alone.hub.url, "fingerprint": "x"})
    result = verbs.run(alone.node, "sync", {})
    assert result["problems"], "the hub does not answer"
    today, outbox = anna.page("/"), anna.page("/outbox")
    assert "Who has tried talks at tram stops?" in outbox
    assert "sachsen.de" in today
    alone.hub.lie = None
    assert verbs.run(alone.node, "sync", {})["pushed"] >= 1
