"""The pages about lessons: what is out of date says so, the newest version is listed, the others can be opened."""

from collections.abc import Callable

import pytest

from local_node import verbs
from local_node.app import Node
from tests.hub_simulator import Author, HubSimulator, MovableClock
from tests.local_node.browsing import Browser
from tests.local_node.test_search import experience

ATTACK = "<script>alert(1)</script>"


@pytest.fixture
def browser(member: Node) -> Browser:
    return Browser(member).sign_in("anna")


@pytest.fixture
def sync(member: Node) -> Callable[[], object]:
    return lambda: verbs.run(member, "sync", {})


@pytest.fixture
def dresden(member: Node, hub: HubSimulator) -> Author:
    return hub.city("dresden.sn.de")


def test_what_is_out_of_date_says_so_everywhere(
    browser: Browser, member: Node, hub: HubSimulator, clock: MovableClock, sync: Callable[[], object], dresden: Author
) -> None:
    stale, archived = dresden.practice("Old", review_by="2026-11"), dresden.practice("Done", archived=True)
    for envelope in (stale, archived):
        hub.log(envelope)
    sync()
    words = "its author wanted to look at it again by November 2026"
    assert words not in browser.page("/")
    clock.advance(days=9)
    browser.sign_in("anna")
    for path in ("/", "/inbox", "/inbox?kind=practice", f"/inbox/{stale.digest}"):
        assert words in browser.page(path), path
    assert "no longer stands behind it" in browser.page(f"/inbox/{archived.digest}")
    listed = {item["title"]: item for item in verbs.run(member, "inbox.list", {"kind": "practice"})["items"]}
    assert (listed["Old"]["freshness"], listed["Done"]["freshness"]) == ("stale", "archived")
    assert "by 2026-11" in verbs.run(member, "inbox.show", {"digest": stale.digest})["note"]


def test_the_list_shows_the_newest_version_and_the_others_can_be_opened(
    browser: Browser, hub: HubSimulator, sync: Callable[[], object], dresden: Author
) -> None:
    old = dresden.practice("Open evenings", lessons=f"Ask first {ATTACK}")
    new = dresden.practice("Open nights", lessons=f"Ask later {ATTACK}", replaces=old.digest)
    hub.log(old)
    hub.log(new)
    sync()
    for path in ("/", "/inbox"):
        assert old.digest not in browser.page(path)
    assert "Lessons (1)" in browser.page("/inbox")
    assert old.digest in browser.page("/inbox?show=all")
    page = browser.page(f"/inbox/{old.digest}")
    assert f'<a href="/inbox/{new.digest}">the newest version</a>' in page
    assert "<del>first</del><ins>later</ins>" in page
    assert ATTACK not in page


def test_a_practice_stands_with_its_evidence_and_its_tree(
    browser: Browser, hub: HubSimulator, sync: Callable[[], object], dresden: Author
) -> None:
    root = dresden.practice("Root", outcome="worked")
    leaf = hub.city("chemnitz.sn.de").practice("Leaf", adapted_from=root.digest)
    for envelope in (root, leaf, experience(hub.city("zwickau.sn.de"), root.digest, "harm")):
        hub.log(envelope)
    sync()
    page = browser.page(f"/inbox/{root.digest}")
    assert "2 cities tried it" in page
    assert "Intended effect seen: 1" in page
    assert "Unwanted or harmful effect: 1" in page
    assert f'<a href="/inbox/{leaf.digest}">Leaf</a> (chemnitz.sn.de' in page
    assert "<strong>Leaf</strong> (this one" in browser.page(f"/inbox/{leaf.digest}")
