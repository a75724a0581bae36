"""The city's own sign-in in the browser, with a provider that really signs: who is not let in, then who is."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from local_node import verbs
from local_node.app import Node, create_app
from local_node.settings import check_settings, load_settings
from shared_schema.service.accounts.one_time_codes import code_at
from shared_schema.service.control import VerbError
from shared_schema.service.key_file import load_key
from tests.hub_simulator import HubSimulator, MovableClock
from tests.local_node.browsing import Browser, give_account
from tests.local_node.conftest import SETTINGS
from tests.local_node.test_account_pages import turn_on
from tests.sign_on_provider import CLIENT_ID, CLIENT_SECRET, ISSUER, Provider

SIGN_ON = {"oidc_issuer": ISSUER, "oidc_client_id": CLIENT_ID, "oidc_secret_file": "oidc.secret"}
BACK = "/sign-in/single/back"


@pytest.fixture
def provider(clock: MovableClock) -> Provider:
    return Provider(clock)


@pytest.fixture
def city(data_dir: Path, hub: HubSimulator, clock: MovableClock, provider: Provider) -> Iterator[Node]:
    """A node whose city has a sign-on service. Anna is linked by her subject, ben by his address."""
    (data_dir / "oidc.secret").write_text(f"{CLIENT_SECRET}\n")
    node = Node(data_dir, load_settings(data_dir, **SIGN_ON), load_key(data_dir), clock, hub)
    node.sign_on_transport = provider
    for person, role in (("anna", "coordinator"), ("ben", "reviewer"), ("olga", "administrator")):
        verbs.run(node, "people.add", {"id": person, "role": role})
        give_account(node, person)
    olga = Browser(node).sign_in("olga")
    olga.post("/accounts/anna/sign-on", {"known_as": "s-anna"})
    olga.post("/accounts/ben/sign-on", {"known_as": "Ben@City.example"})
    yield node
    node.close()


def go_there(city: Node, provider: Provider, wanted: str = "/", **who: str) -> tuple[Browser, str]:
    """Somebody signs in at the service; return their browser and the address with which it comes back."""
    browser = Browser(city)
    answer = browser.get(f"/sign-in/single?next={wanted}")
    assert answer.status_code == 303, answer.text
    there = answer.headers["location"]
    assert urlsplit(there).netloc == urlsplit(ISSUER).netloc
    return browser, f"{BACK}?{httpx.QueryParams(provider.sign_in(there, **who))}"


def is_in(browser: Browser) -> bool:
    return browser.get("/").status_code == 200


def test_without_settings_there_is_no_such_page(node: Node) -> None:
    browser = Browser(node)
    assert "own account" not in browser.page("/sign-in")
    assert browser.get("/sign-in/single").status_code == 404
    assert browser.get(f"{BACK}?state=x&code=y").status_code == 404


def test_somebody_whom_nobody_has_linked_is_not_let_in_and_no_account_is_made(city: Node, provider: Provider) -> None:
    for who in ({"subject": "s-nobody"}, {"subject": "s-other", "email": "olga@city.example"}, {"subject": "olga"}):
        browser, address = go_there(city, provider, **who)
        answer = browser.get(address)
        assert (answer.status_code, "does not yet" in answer.text) == (403, True)
        assert not is_in(browser)
    assert len(verbs.run(city, "account.list", {})["accounts"]) == 3


def test_an_answer_for_one_browser_signs_in_no_other(city: Node, provider: Provider) -> None:
    """Somebody is sent an address with a code that was made for another: they would act under a false name."""
    attacker, address = go_there(city, provider, subject="s-anna")
    for victim in (Browser(city), go_there(city, provider, subject="s-ben")[0]):
        assert victim.get(address).status_code == 403
        assert not is_in(victim)
    assert attacker.get(address).status_code == 303


def test_an_answer_counts_once(city: Node, provider: Provider) -> None:
    browser, address = go_there(city, provider, subject="s-anna")
    kept = dict(browser.cookies)
    assert browser.get(address).status_code == 303
    assert "__Host-sign-on" not in browser.cookies
    browser.cookies = kept
    assert browser.get(address).status_code == 403


@pytest.mark.parametrize(
    "changed",
    ["", "?state=&code=", "?code=code-0", "?error=access_denied&state={state}", "?state={state}&code=" + "x" * 5000],
)
def test_an_answer_that_is_none_is_a_page_that_says_so(city: Node, provider: Provider, changed: str) -> None:
    browser, address = go_there(city, provider, subject="s-anna")
    found = re.search(r"state=([\w-]+)", address)
    assert found
    answer = browser.get(BACK + changed.format(state=found[1]))
    assert answer.status_code == 403
    assert "Sign in" in answer.text
    assert not is_in(browser)


def test_a_lying_or_dead_service_signs_nobody_in(city: Node, provider: Provider) -> None:
    browser, address = go_there(city, provider, subject="s-anna")
    provider.lie = {"nonce": "other"}
    answer = browser.get(address)
    assert (answer.status_code, "could not be checked" in answer.text) == (403, True)
    provider.answer = httpx.Response(500)
    browser, address = go_there(city, provider, subject="s-anna")
    assert browser.get(address).status_code == 403


def test_an_account_that_is_kept_out_stays_out(city: Node, provider: Provider) -> None:
    verbs.run(city, "account.disable", {"id": "anna"})
    browser, address = go_there(city, provider, subject="s-anna")
    assert browser.get(address).status_code == 403
    assert not is_in(browser)


def test_a_second_factor_here_is_asked_for_as_ever(city: Node, provider: Provider, clock: MovableClock) -> None:
    secret = turn_on(city)
    browser, address = go_there(city, provider, wanted="/account", subject="s-anna")
    answer = browser.get(address)
    assert answer.headers["location"] == "/sign-in/code?next=%2Faccount"
    assert not is_in(browser)
    clock.advance(minutes=1)
    assert browser.post("/sign-in/code", {"code": code_at(secret, clock())}).status_code == 303
    assert is_in(browser)


def test_who_is_linked_gets_in_where_they_wanted_to_and_nowhere_else(city: Node, provider: Provider) -> None:
    browser, address = go_there(city, provider, wanted="/account", subject="s-anna")
    assert browser.get(address).headers["location"] == "/account"
    assert "anna" in browser.page("/account")
    browser, address = go_there(city, provider, wanted="/inbox?words=%C5%82%C3%B3d%C5%BA", subject="s-anna")
    assert browser.get(address).headers["location"] == "/inbox?words=%C5%82%C3%B3d%C5%BA"
    browser, address = go_there(city, provider, wanted="https://evil.example/", subject="s-anna")
    assert browser.get(address).headers["location"] == "/"


def test_an_address_is_bound_to_a_subject_at_the_first_sign_in(city: Node, provider: Provider) -> None:
    browser, address = go_there(city, provider, subject="s-ben", email="ben@city.example")
    assert browser.get(address).status_code == 303
    browser, address = go_there(city, provider, subject="s-new", email="ben@city.example")  # given to somebody else
    assert browser.get(address).status_code == 403
    browser, address = go_there(city, provider, subject="s-ben")
    assert browser.get(address).status_code == 303


def test_the_administrator_takes_a_link_away(city: Node, provider: Provider) -> None:
    olga = Browser(city).sign_in("olga")
    assert 'value="s-anna"' in olga.page("/accounts/anna")
    assert olga.post("/accounts/ben/sign-on", {"known_as": "s-anna"}).status_code == 422
    assert olga.post("/accounts/ben/sign-on", {"known_as": "two words"}).status_code == 422
    assert olga.post("/accounts/anna/sign-on", {"known_as": ""}).status_code == 303
    browser, address = go_there(city, provider, subject="s-anna")
    assert browser.get(address).status_code == 403


@pytest.mark.parametrize(
    "changes",
    [{"oidc_issuer": ISSUER}, {"oidc_client_id": "x", "oidc_secret_file": "x"}, SIGN_ON | {"oidc_client_id": ""}],
)
def test_a_half_made_sign_on_stops_the_start(changes: dict[str, str]) -> None:
    with pytest.raises(VerbError, match="oidc_"):
        check_settings(dict(SETTINGS) | changes)


@pytest.mark.parametrize("secret", [None, "", " \n"])
def test_a_secret_that_is_not_there_stops_the_start(node: Node, secret: str | None, data_dir: Path) -> None:
    if secret is not None:
        (data_dir / "oidc.secret").write_text(secret)
    node.settings = load_settings(data_dir, **SIGN_ON)
    with pytest.raises(VerbError, match=r"oidc\.secret"):
        create_app(node, lambda verb, params: verbs.run(node, verb, params))


def test_an_issuer_without_tls_stops_the_start(node: Node, data_dir: Path) -> None:
    (data_dir / "oidc.secret").write_text("x")
    node.settings = load_settings(data_dir, **(SIGN_ON | {"oidc_issuer": "http://login.city.example"}))
    with pytest.raises(VerbError, match="https"):
        create_app(node, lambda verb, params: verbs.run(node, verb, params))
