"""Trend watch, evidence, methods and catalogue as pages: what they show, and what they refuse."""

import pytest

from regional_hub.formats import FORMATS
from regional_hub.web.methods_pages import FILE_TYPES
from tests.regional_hub.browsing import Browser
from tests.regional_hub.running import RunningHub
from tests.regional_hub.test_figures import NAMES, release
from tests.regional_hub.test_watch_store import NAMES as SIX
from tests.regional_hub.test_watch_store import alerts, fill, report
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough


@pytest.fixture
def filled(region: RunningHub) -> RunningHub:
    cities = [region.enrol(name) for name in NAMES]
    release(region, cities, builders.MONTH, 50, 70, 90)
    region.accept(cities[0].sign())
    return region


def test_the_methods_and_the_catalogue_are_for_everybody(filled: RunningHub) -> None:
    browser = Browser(filled)
    note = browser.get("/methods")
    assert note.status_code == 200 and "1 000" not in note.text and "version 1 of the rules" in note.text
    catalogue = browser.get("/catalog")
    assert catalogue.headers["content-type"] == "application/ld+json"
    dataset = catalogue.json()["dcat:dataset"][0]
    assert dataset["@type"] == "dcat:Dataset" and builders.TABLE.id in str(dataset)
    assert set(FILE_TYPES) == set(FORMATS)


def test_what_works_has_what_does_not_beside_it(filled: RunningHub) -> None:
    page = Browser(filled).sign_in("nils").get("/evidence")
    assert page.status_code == 200 and "1 practices of cities" in page.text
    assert "Where nothing is known" in page.text


@pytest.mark.parametrize("query", ["phenomenon=XXX", "setting=moon", "level=5", "intervention=%00"])
def test_a_term_that_there_is_not_is_refused(filled: RunningHub, query: str) -> None:
    assert Browser(filled).sign_in("nils").get(f"/evidence?{query}").status_code == 422


def test_where_nothing_rises_the_watch_says_so_and_what_it_promises(filled: RunningHub) -> None:
    page = Browser(filled).sign_in("nils").get("/watch")
    assert "Nothing stands out" in page.text and "at most 1 expected in" in page.text


def test_an_alert_is_seen_put_aside_and_names_no_city(region: RunningHub) -> None:
    cities = [region.enrol(name) for name in SIX]
    fill(region, cities)
    report(region, cities, 5)
    browser = Browser(region).sign_in("nils")
    page = browser.get("/watch")
    assert "Rising in at least" in page.text and "to=2026-10" in page.text
    assert not any(name in page.text for name in SIX)
    (alert,) = alerts(region)
    assert browser.post(f"/watch/{alert['id']}", {"action": "delete"}).status_code == 422
    assert Browser(region).sign_in("aldo").post(f"/watch/{alert['id']}", {"action": "see"}).status_code == 403
    assert browser.post(f"/watch/{alert['id']}", {"action": "see"}).headers["location"] == "/watch?done=alert-changed"
    assert browser.post("/watch/0000", {"action": "see"}).status_code == 404
    for _ in range(2):  # a second press changes nothing
        browser.post(f"/watch/{alert['id']}", {"action": "dismiss"})
    assert alerts(region) == []
    assert "needs nothing" in browser.get("/watch?all=true").text
