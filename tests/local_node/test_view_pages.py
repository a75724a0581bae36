"""Saved views on the pages, the feeds that need no session, and the table that no spreadsheet runs."""

import csv
import io
import re

import pytest
from defusedxml.ElementTree import fromstring

from local_node import verbs
from local_node.app import Node
from local_node.orm import AccountRow
from shared_schema.service.atom import ATOM
from tests.hub_simulator import Author, HubSimulator
from tests.local_node.browsing import Browser
from tests.local_node.test_finding import practice
from tests.local_node.test_search import log


@pytest.fixture
def dresden(member: Node, hub: HubSimulator) -> Author:
    return hub.city("dresden.sn.de")


@pytest.fixture
def browser(member: Node) -> Browser:
    return Browser(member).sign_in("anna")


def save(browser: Browser, name: str, query: str = "", **fields: str) -> str:
    """Save a view and return the path of its feed."""
    response = browser.post("/views", {"name": name, "query": query} | fields)
    assert response.status_code == 303, response.text
    page = browser.page("/views")
    return str(re.findall(r'value="http://127\.0\.0\.1:8600(/feeds/[^"]+)"', page)[-1])


def titles(feed: str) -> list[str]:
    entries = fromstring(feed.encode()).findall(f"{{{ATOM}}}entry")
    return [entry.findtext(f"{{{ATOM}}}title") or "" for entry in entries]


def test_a_name_that_cannot_be_taken_keeps_the_filters_that_were_chosen(browser: Browser) -> None:
    save(browser, "Harm", "outcome=harm")
    for fields, words in (
        ({"name": "Harm", "query": "outcome=worked"}, "has this name already"),
        ({"name": "", "query": "outcome=worked"}, "a short name"),
    ):
        response = browser.post("/views", fields)
        assert response.status_code == 422
        assert words in response.text
        assert 'value="outcome=worked"' in response.text
    assert browser.post("/views", {"name": "Bad", "query": "outcome=wonderful"}).status_code == 422


def test_a_name_that_cannot_be_changed_stands_as_it_was_typed(browser: Browser) -> None:
    save(browser, "Harm", "outcome=harm")
    save(browser, "Schools", "setting=school")
    response = browser.post("/views/2", {"name": "Harm", "shared": "1"})
    assert response.status_code == 422
    form = response.text.partition('<form method="post" action="/views/2">')[2].partition("</form>")[0]
    assert 'value="Harm"' in form
    assert 'value="1" checked' in form
    assert "Schools" in browser.page("/views"), "nothing was changed"


def test_a_view_of_somebody_else_answers_like_one_that_does_not_exist(browser: Browser, member: Node) -> None:
    save(browser, "Harm", "outcome=harm")
    ben = Browser(member, app=browser.app).sign_in("ben")
    assert "Harm" not in ben.page("/views")
    for path in ("", "/seen", "/address", "/remove"):
        fields = {"name": "Mine", "up_to": "0"}
        answers = {view: ben.post(f"/views/{view}{path}", fields) for view in ("1", "99")}
        texts = {each.text.replace(f"/views/{view}{path}", "") for view, each in answers.items()}
        assert ([each.status_code for each in answers.values()], len(texts)) == ([404, 404], 1), path
    assert "Harm" in browser.page("/views")


def test_a_shared_view_is_seen_and_its_feed_is_not(browser: Browser, member: Node) -> None:
    feed = save(browser, "Harm", "outcome=harm", shared="1")
    page = Browser(member, app=browser.app).sign_in("ben").page("/views")
    assert "Harm" in page
    assert feed not in page


def test_a_badge_counts_what_is_new_until_the_view_was_seen(
    browser: Browser, member: Node, hub: HubSimulator, dresden: Author
) -> None:
    save(browser, "Harm", "outcome=harm")
    log(member, hub, practice(dresden, "One", outcome="harm"), practice(dresden, "Two", outcome="worked"))
    page = browser.page("/inbox")
    assert '<span class="news">1 new</span>' in page
    page = browser.page("/inbox?outcome=harm&view=1")
    assert "<h1>Harm</h1>" in page
    up_to = re.search(r'/views/1/seen" data-when-open><input type="hidden" name="up_to" value="(\d+)"', page)
    assert up_to is not None
    log(member, hub, practice(dresden, "Three", outcome="harm"))
    browser.post("/views/1/seen", {"up_to": up_to[1]})
    assert '<span class="news">1 new</span>' in browser.page("/inbox")  # what came meanwhile
    browser.post("/views/1/seen", {"up_to": "99999"})
    assert "news" not in browser.page("/inbox")


# --- feeds ---------------------------------------------------------------------------------------------------------


def test_a_feed_is_read_without_a_session_and_only_with_its_secret(
    browser: Browser, member: Node, hub: HubSimulator, dresden: Author
) -> None:
    attack = "<script>alert(1)</script> ]]> & more"
    log(member, hub, practice(dresden, attack, outcome="harm"), practice(dresden, "Two", outcome="worked"))
    path = save(browser, "Harm & more", "outcome=harm")
    outside = Browser(member, app=browser.app)
    response = outside.get(path, headers={"Accept": "application/atom+xml"})
    assert response.headers["content-type"].startswith("application/atom+xml")
    assert len(titles(response.text)) == 1
    assert "alert(1)" in titles(response.text)[0]
    assert "set-cookie" not in response.headers
    for wrong in ("/feeds/x.atom", path[:-6] + "x.atom", "/feeds/", "/feeds/%00"):
        assert outside.get(wrong).status_code == 404, wrong
    assert outside.get("/views").status_code == 303
    assert outside.get("/inbox.csv").status_code == 303


def test_a_feed_dies_with_its_secret_its_view_and_its_owners_account(browser: Browser, member: Node) -> None:
    old = save(browser, "Harm", "outcome=harm")
    browser.post("/views/1/address")
    (new,) = re.findall(r"/feeds/[^\"]+", browser.page("/views"))
    assert [browser.get(path).status_code for path in (old, new)] == [404, 200]
    with member.database.write() as session:
        session.get_one(AccountRow, "anna").disabled_at = member.clock()
    assert browser.get(new).status_code == 404
    with member.database.write() as session:
        session.get_one(AccountRow, "anna").disabled_at = None
    assert browser.get(new).status_code == 200
    browser.post("/views/1/remove")
    assert browser.get(new).status_code == 404


def test_a_feed_reader_that_knows_it_all_gets_nothing_again(
    browser: Browser, member: Node, hub: HubSimulator, dresden: Author
) -> None:
    (digest,) = log(member, hub, practice(dresden, "One"))
    path = save(browser, "All")
    first = browser.get(path)
    known = {"If-None-Match": f'"other", W/{first.headers["etag"]}'}
    assert first.headers["last-modified"] == "Sun, 22 Nov 2026 09:00:00 GMT"
    again = browser.get(path, headers=known)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    log(member, hub, dresden.withdrawal(digest))  # nothing is newer, and yet it must not stay
    gone = browser.get(path, headers=known | {"If-Modified-Since": first.headers["last-modified"]})
    assert (gone.status_code, titles(gone.text)) == (200, [])


def test_what_the_city_has_said_itself_is_news_nowhere(
    browser: Browser, member: Node, hub: HubSimulator, dresden: Author
) -> None:
    own = Author(member.name, member.key, member.clock)
    log(member, hub, practice(own, "Ours", outcome="harm"), practice(dresden, "Theirs", outcome="harm"))
    feed = browser.get(save(browser, "Harm", "outcome=harm"), headers={"Accept": "application/atom+xml"})
    for text in (browser.page("/inbox"), browser.page("/inbox?q=evenings"), browser.page("/inbox.csv"), feed.text):
        assert "Theirs" in text and "Ours" not in text


# --- the table -----------------------------------------------------------------------------------------------------


def test_no_cell_of_a_table_is_a_formula(browser: Browser, member: Node, hub: HubSimulator, dresden: Author) -> None:
    starts = ["=1+1", "+49", "-1", "@cmd", "＝1", " =1", "|calc"]
    log(member, hub, *(practice(dresden, f"{start} {'x' * 5}", summary=f"{start} said") for start in starts))
    text = browser.page("/inbox.csv?outcome=no_effect").removeprefix("\ufeff")
    header, *rows = list(csv.reader(io.StringIO(text)))
    assert (header[0], len(rows)) == ("Title", len(starts))
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell.lstrip()[:1] in set("=+-@＝|")]
    assert browser.get("/inbox.csv?outcome=wonderful").status_code == 422
    assert verbs.run(member, "status", {})
