"""Signing in: alike for everything that is wrong, throttled, with a new cookie each time that dies when it should."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from local_node.app import Node
from local_node.orm import AccountRow, SessionRow
from shared_schema.service.accounts.sessions import LONGEST_QUIET, LONGEST_SESSION, MAX_FAILURES
from shared_schema.service.pages.site import SESSION_COOKIE
from shared_schema.service.passwords import hash_password
from shared_schema.service.tokens import new_token
from tests.hub_simulator import MovableClock
from tests.local_node.browsing import PASSWORD, Browser, give_account


def try_to_sign_in(browser: Browser, person: str, password: str) -> tuple[int, str]:
    response = browser.post("/sign-in", {"person": person, "password": password})
    return response.status_code, response.text.replace(f'value="{person}"', "")


def is_signed_in(browser: Browser) -> bool:
    return browser.get("/").status_code == 200


def test_an_unknown_name_a_wrong_password_and_a_disabled_account_are_answered_alike(node: Node) -> None:
    give_account(node, "anna")
    give_account(node, "ben")
    with node.database.write() as session:
        row = session.get(AccountRow, "ben")
        assert row is not None
        row.disabled_at = node.clock()
    browser = Browser(node)
    wrong = try_to_sign_in(browser, "anna", "something else entirely")
    assert wrong[0] == 403
    assert try_to_sign_in(browser, "nobody", PASSWORD) == wrong
    assert try_to_sign_in(browser, "ben", PASSWORD) == wrong
    assert not is_signed_in(browser)
    assert SESSION_COOKIE not in browser.cookies


def test_who_has_no_password_yet_cannot_sign_in(node: Node) -> None:
    give_account(node, "anna")
    with node.database.write() as session:
        row = session.get(AccountRow, "anna")
        assert row is not None
        row.password_hash = None
    for password in ("", PASSWORD, "nobody has this password"):
        assert try_to_sign_in(Browser(node), "anna", password)[0] == 403


def test_after_ten_failures_even_the_right_password_waits(node: Node, clock: MovableClock) -> None:
    give_account(node, "anna")
    give_account(node, "ben")
    browser = Browser(node)
    for _ in range(MAX_FAILURES):
        assert try_to_sign_in(browser, "anna", "wrong")[0] == 403
    refused = browser.post("/sign-in", {"person": "anna", "password": PASSWORD})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert try_to_sign_in(Browser(node), "ben", PASSWORD)[0] == 303, "others are not affected"
    clock.advance(minutes=15)
    assert try_to_sign_in(browser, "anna", PASSWORD)[0] == 303


def test_failures_for_a_name_that_does_not_exist_are_throttled_as_well(node: Node) -> None:
    for _ in range(MAX_FAILURES):
        try_to_sign_in(Browser(node), "nobody", "wrong")
    assert try_to_sign_in(Browser(node), "nobody", "wrong")[0] == 429


def test_the_cookie_is_for_this_host_alone_and_new_at_every_sign_in(node: Node) -> None:
    give_account(node, "anna")
    browser = Browser(node)
    response = browser.post("/sign-in", {"person": "anna", "password": PASSWORD})
    cookie = response.headers["set-cookie"]
    assert cookie.startswith("__Host-session=")
    for part in ("HttpOnly", "Secure", "Path=/", "SameSite=lax"):
        assert part in cookie
    assert "Domain" not in cookie
    first = browser.cookies[SESSION_COOKIE]
    browser.post("/sign-in", {"person": "anna", "password": PASSWORD})
    assert browser.cookies[SESSION_COOKIE] != first
    assert not is_signed_in(Browser(node, cookies={SESSION_COOKIE: first})), "the one before is dead"


def test_a_cookie_that_somebody_made_up_is_nobodys(node: Node) -> None:
    give_account(node, "anna")
    for made_up in (new_token(), "", "x" * 5_000, "ä", "'; DROP TABLE sessions; --"):
        assert not is_signed_in(Browser(node, cookies={SESSION_COOKIE: made_up}))


def test_signing_out_ends_the_session_here_and_not_only_in_the_browser(node: Node) -> None:
    browser = Browser(node).sign_in("anna")
    kept = dict(browser.cookies)
    assert "You are signed out" in browser.follow(browser.post("/sign-out"))
    assert SESSION_COOKIE not in browser.cookies
    assert not is_signed_in(Browser(node, cookies=kept))


def test_a_new_password_ends_every_session(node: Node) -> None:
    browser = Browser(node).sign_in("anna")
    give_account(node, "anna")
    assert not is_signed_in(browser)


def test_a_disabled_account_is_signed_out_at_once(node: Node) -> None:
    browser = Browser(node).sign_in("anna")
    with node.database.write() as session:
        row = session.get(AccountRow, "anna")
        assert row is not None
        row.disabled_at = node.clock()
    assert not is_signed_in(browser)


def test_a_session_ends_after_two_quiet_hours(node: Node, clock: MovableClock) -> None:
    browser = Browser(node).sign_in("anna")
    clock.advance(seconds=int(LONGEST_QUIET.total_seconds()) - 1)
    assert is_signed_in(browser), "which counts from the last page"
    clock.advance(seconds=int(LONGEST_QUIET.total_seconds()) - 1)
    assert is_signed_in(browser)
    clock.advance(seconds=int(LONGEST_QUIET.total_seconds()) + 1)
    assert not is_signed_in(browser)


def test_a_session_ends_with_the_working_day_however_busy_it_was(node: Node, clock: MovableClock) -> None:
    browser = Browser(node).sign_in("anna")
    for _ in range(LONGEST_SESSION // timedelta(hours=1) - 1):
        clock.advance(hours=1)
        assert is_signed_in(browser)
    clock.advance(hours=1)
    assert not is_signed_in(browser)


def test_ended_sessions_are_swept_out_by_the_next_sign_in(node: Node, clock: MovableClock) -> None:
    Browser(node).sign_in("anna")
    clock.advance(days=1)
    Browser(node).sign_in("ben")
    with node.database.read() as session:
        assert session.scalar(select(func.count()).select_from(SessionRow)) == 1


def test_a_hash_of_older_parameters_is_made_anew(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    from argon2 import PasswordHasher

    give_account(node, "anna")
    old = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    with node.database.write() as session:
        row = session.get(AccountRow, "anna")
        assert row is not None
        row.password_hash = old
    assert try_to_sign_in(Browser(node), "anna", PASSWORD)[0] == 303
    with node.database.read() as session:
        row = session.get(AccountRow, "anna")
        assert row is not None
        assert row.password_hash is not None
        assert "m=19456" in row.password_hash
    assert try_to_sign_in(Browser(node), "anna", PASSWORD)[0] == 303


@pytest.mark.parametrize(
    "address", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/a\nb", "evil"]
)
def test_signing_in_never_leads_to_another_site(node: Node, address: str) -> None:
    give_account(node, "anna")
    response = Browser(node).post("/sign-in", {"person": "anna", "password": PASSWORD, "next": address})
    assert (response.status_code, response.headers["location"]) == (303, "/")


def test_whoever_was_sent_to_the_door_comes_back_to_the_same_page(node: Node) -> None:
    give_account(node, "anna")
    browser = Browser(node)
    door = browser.get("/inbox?show=all").headers["location"]
    assert 'value="/inbox?show=all"' in browser.page(door)
    response = browser.post("/sign-in", {"person": "anna", "password": PASSWORD, "next": "/inbox?show=all"})
    assert response.headers["location"] == "/inbox?show=all"


def test_what_was_typed_is_not_repeated_as_markup_and_a_password_never(node: Node) -> None:
    page = Browser(node).post("/sign-in", {"person": '"><script>', "password": "a secret that nobody reads"}).text
    assert "<script>" not in page
    assert "a secret that nobody reads" not in page


def test_the_language_stays_with_the_account_and_with_the_browser(node: Node) -> None:
    browser = Browser(node).sign_in("anna")
    response = browser.post("/language", {"language": "de", "next": "/inbox?show=all"})
    assert response.headers["location"] == "/inbox?show=all", "the page stays the same"
    assert '<html lang="de">' in browser.page("/")
    assert '<html lang="de">' in Browser(node).sign_in("anna").page("/"), "in another browser as well"
    browser.post("/sign-out")
    assert '<html lang="de">' in browser.page("/sign-in")
    assert browser.post("/language", {"language": "tlh"}).status_code == 422
    other = Browser(node).get("/sign-in", headers={"Accept-Language": "da-DK, en;q=0.5"})
    assert (other.headers["content-language"], '<html lang="da">' in other.text) == ("da", True)


def test_a_stored_password_is_a_hash_with_a_salt_of_its_own() -> None:
    one, two = hash_password(PASSWORD), hash_password(PASSWORD)
    assert one.startswith("$argon2id$")
    assert one != two
    assert PASSWORD not in one
