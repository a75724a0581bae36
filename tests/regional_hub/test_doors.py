"""The hub's door and its gate: what both programs promise, and the way in with a second factor on both databases."""

import re
from dataclasses import dataclass, field
from typing import Any

import pytest

from regional_hub import audit
from regional_hub import door as hub_door
from shared_schema.service.accounts.door import Door
from shared_schema.service.accounts.one_time_codes import code_at
from shared_schema.service.database import Database
from shared_schema.service.pages.site import SESSION_COOKIE
from tests.browsing import PASSWORD
from tests.door_promises import DoorPromises, GatePromises
from tests.regional_hub.browsing import Browser, give_account
from tests.regional_hub.running import Clock, RunningHub

pytestmark = pytest.mark.sqlite_is_enough


@dataclass
class HubDoorway:
    """A hub where Anna and Ben are analysts."""

    hub: RunningHub
    door: Door[Any] = field(default=hub_door.door)
    page: str = "/account?show=all"

    def __post_init__(self) -> None:
        for person in ("anna", "ben"):
            give_account(self.hub, person, "analyst")

    @property
    def database(self) -> Database:
        return self.hub.hub.database

    @property
    def clock(self) -> Clock:
        return self.hub.clock

    @property
    def origin(self) -> str:
        return self.hub.url

    def browser(self, **cookies: str) -> Browser:
        return Browser(self.hub, cookies)

    def signed_in(self, person: str) -> Browser:
        return self.browser().sign_in(person)


@pytest.fixture
def door(region: RunningHub) -> HubDoorway:
    """The hub's door."""
    return HubDoorway(region)


class TestTheDoorOfTheHub(DoorPromises):
    """See `DoorPromises`."""


class TestTheGateOfTheHub(GatePromises):
    """See `GatePromises`."""


def secret_in(page: str) -> str:
    """The key that stands beside the square."""
    found = re.search(r"<code>([A-Z2-7 ]+)</code>", page)
    assert found is not None
    return found[1].replace(" ", "")


@pytest.mark.sqlite_is_enough(False)
def test_an_operator_gets_in_by_a_link_a_password_and_a_second_factor(hub: RunningHub) -> None:
    link = hub.verb("account.invite", id="olga", role="operator", administrates=True)["link"]
    assert link.startswith(f"{hub.url}/welcome/")
    browser = Browser(hub)
    path = link.removeprefix(hub.url)
    assert "olga" in browser.page(path)
    assert browser.post(path, {"password": PASSWORD, "again": PASSWORD}).headers["location"].startswith("/sign-in")
    assert browser.get(path).status_code == 410, "a link works once"

    browser.post("/sign-in", {"person": "olga", "password": PASSWORD})
    for page in ("/", "/accounts", "/invite"):
        assert browser.get(page).headers["location"].startswith("/account/second-factor"), "nothing else is open"
    assert browser.post("/invite", {"id": "eve", "name": "Eve", "role": "operator"}).status_code == 303
    assert [line["id"] for line in hub.verb("account.list")["accounts"]] == ["olga"]

    secret = secret_in(browser.follow(browser.post("/account/second-factor/begin", {"current": PASSWORD})))
    wrong = browser.post("/account/second-factor/confirm", {"code": "000000"})
    assert wrong.status_code == 422
    codes = browser.post("/account/second-factor/confirm", {"code": code_at(secret, hub.clock())})
    recovery = re.findall(r"<li><code>([^<]+)</code>", codes.text)
    assert len(recovery) == 10
    assert "How the federation stands" in browser.page("/") and "olga" in browser.page("/accounts")

    hub.clock.advance(minutes=5)
    other = Browser(hub)
    step = other.post("/sign-in", {"person": "olga", "password": PASSWORD})
    assert step.headers["location"].startswith("/sign-in/code") and SESSION_COOKIE not in other.cookies
    assert other.post("/sign-in/code", {"code": "000000"}).status_code == 403
    code = {"code": code_at(secret, hub.clock())}
    assert other.post("/sign-in/code", code).headers["location"] == "/"
    third = Browser(hub)
    third.post("/sign-in", {"person": "olga", "password": PASSWORD})
    assert third.post("/sign-in/code", code).status_code == 403, "a code works once"
    assert "recovery code" in third.follow(third.post("/sign-in/code", {"code": recovery[0]}))
    with hub.hub.database.read() as session:
        assert audit.verify(session) > 5


def test_an_auditor_owes_a_second_factor_only_when_managing_accounts(region: RunningHub) -> None:
    assert Browser(region).sign_in("aldo", with_factor=False).get("/").status_code == 200
    give_account(region, "carla", "auditor", administrates=True)
    carla = Browser(region).sign_in("carla", with_factor=False)
    assert carla.get("/").headers["location"].startswith("/account/second-factor")


def test_what_members_send_needs_no_session_and_is_no_form(region: RunningHub) -> None:
    """The contract has no cookies: a request of a member names neither an origin nor a site."""
    answer = region.client.post("/v1/submissions", content=b"{}", headers={"Content-Type": "application/json"})
    assert answer.json()["code"] not in ("cross-site", "not-signed-in", "not-allowed")
    for path in ("/health", "/checkpoint", "/v1/hub"):
        assert region.client.get(path).status_code == 200


def test_errors_of_the_contract_stay_problem_documents_for_a_browser_too(region: RunningHub) -> None:
    for path in ("/v1/nothing", "/v1/feed"):
        answer = Browser(region).get(path)
        assert answer.headers["content-type"] == "application/problem+json", path
    assert "There is no such page" in Browser(region).get("/nothing").text
