"""What the doors of both programs promise (CHECKS 45, 58-60), as tests that each program inherits.

A program has a class that inherits `DoorPromises` and a fixture `door` that gives its `Doorway`. Anna and Ben have
accounts there that need no second factor.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

import httpx
import pytest
from sqlalchemy import func, select

from shared_schema.service.accounts.door import Door
from shared_schema.service.accounts.sessions import LONGEST_QUIET, LONGEST_SESSION, MAX_FAILURES
from shared_schema.service.database import Database
from shared_schema.service.pages.site import SESSION_COOKIE
from shared_schema.service.passwords import hash_password
from shared_schema.service.tokens import new_token
from tests.browsing import PASSWORD, PageBrowser


class Moves(Protocol):
    """A clock that a test moves."""

    def __call__(self) -> Any: ...
    def advance(self, **parts: float) -> None: ...


class Doorway(Protocol):
    """One program with a door."""

    door: Door[Any]
    database: Database
    clock: Moves
    origin: str
    """Where its pages are."""
    page: str
    """A page with a query that everybody may read who is signed in."""

    def browser(self, **cookies: str) -> PageBrowser: ...
    def signed_in(self, person: str) -> PageBrowser: ...


def ask(
    browser: PageBrowser, line: str, unknown: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """Ask for `METHOD /path/{id}` as a program does, whose answer names a code; a form is empty."""
    method, _, path = line.partition(" ")
    path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda part: unknown.get(part[1], "nobody-has-this"), path)
    sent = {"Accept": "application/json"} | dict(headers or {})
    return browser.get(path, headers=sent) if method == "GET" else browser.post(path, {}, headers=sent)


def is_let_in(answer: httpx.Response) -> bool:
    """Whether the gate opened. What a handler says about an id or a form that is none is another matter."""
    is_problem = answer.headers.get("content-type") == "application/problem+json"
    return not (is_problem and answer.json()["code"] in ("not-signed-in", "not-allowed"))


def try_to_sign_in(browser: PageBrowser, person: str, password: str) -> tuple[int, str]:
    """The status, and the page without the name that was typed."""
    response = browser.post("/sign-in", {"person": person, "password": password})
    return response.status_code, response.text.replace(f'value="{person}"', "")


def is_signed_in(browser: PageBrowser) -> bool:
    return browser.get("/").status_code == 200


class DoorPromises:
    """Signing in: alike for everything that is wrong, throttled, with a new cookie each time that dies in time."""

    def change(self, door: Doorway, person: str, **columns: Any) -> None:
        """Change an account beneath the pages."""
        with door.database.write() as session:
            row = session.get_one(door.door.accounts.rows.account, person)
            for name, value in columns.items():
                setattr(row, name, value)

    def test_an_unknown_name_a_wrong_password_and_a_disabled_account_are_answered_alike(self, door: Doorway) -> None:
        self.change(door, "ben", disabled_at=door.clock())
        browser = door.browser()
        wrong = try_to_sign_in(browser, "anna", "something else entirely")
        assert wrong[0] == 403
        assert try_to_sign_in(browser, "nobody", PASSWORD) == wrong
        assert try_to_sign_in(browser, "ben", PASSWORD) == wrong
        assert not is_signed_in(browser)
        assert SESSION_COOKIE not in browser.cookies

    def test_who_has_no_password_yet_cannot_sign_in(self, door: Doorway) -> None:
        self.change(door, "anna", password_hash=None)
        for password in ("", PASSWORD, "nobody has this password"):
            assert try_to_sign_in(door.browser(), "anna", password)[0] == 403

    def test_after_ten_failures_even_the_right_password_waits(self, door: Doorway) -> None:
        browser = door.browser()
        for _ in range(MAX_FAILURES):
            assert try_to_sign_in(browser, "anna", "wrong")[0] == 403
        refused = browser.post("/sign-in", {"person": "anna", "password": PASSWORD})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert try_to_sign_in(door.browser(), "ben", PASSWORD)[0] == 303, "others are not affected"
        door.clock.advance(minutes=15)
        assert try_to_sign_in(browser, "anna", PASSWORD)[0] == 303

    def test_failures_for_a_name_that_does_not_exist_are_throttled_as_well(self, door: Doorway) -> None:
        for _ in range(MAX_FAILURES):
            try_to_sign_in(door.browser(), "nobody", "wrong")
        assert try_to_sign_in(door.browser(), "nobody", "wrong")[0] == 429

    def test_the_cookie_is_for_this_host_alone_and_new_at_every_sign_in(self, door: Doorway) -> None:
        browser = door.browser()
        response = browser.post("/sign-in", {"person": "anna", "password": PASSWORD})
        cookie = response.headers["set-cookie"]
        assert cookie.startswith("__Host-session=")
        for part in ("HttpOnly", "Secure", "Path=/", "SameSite=lax"):
            assert part in cookie
        assert "Domain" not in cookie
        first = browser.cookies[SESSION_COOKIE]
        browser.post("/sign-in", {"person": "anna", "password": PASSWORD})
        assert browser.cookies[SESSION_COOKIE] != first
        assert not is_signed_in(door.browser(**{SESSION_COOKIE: first})), "the one before is dead"

    def test_a_cookie_that_somebody_made_up_is_nobodys(self, door: Doorway) -> None:
        for made_up in (new_token(), "", "x" * 5_000, "ä", "'; DROP TABLE sessions; --"):
            assert not is_signed_in(door.browser(**{SESSION_COOKIE: made_up}))

    def test_signing_out_ends_the_session_here_and_not_only_in_the_browser(self, door: Doorway) -> None:
        browser = door.signed_in("anna")
        kept = dict(browser.cookies)
        assert "You are signed out" in browser.follow(browser.post("/sign-out"))
        assert SESSION_COOKIE not in browser.cookies
        assert not is_signed_in(door.browser(**kept))

    def test_a_new_password_ends_every_session(self, door: Doorway) -> None:
        browser = door.signed_in("anna")
        with door.database.write() as session:
            door.door.accounts.set_password(session, "anna", PASSWORD, by="ben", now=door.clock())
        assert not is_signed_in(browser)

    def test_a_disabled_account_is_signed_out_at_once(self, door: Doorway) -> None:
        browser = door.signed_in("anna")
        self.change(door, "anna", disabled_at=door.clock())
        assert not is_signed_in(browser)

    def test_a_session_ends_after_two_quiet_hours(self, door: Doorway) -> None:
        browser = door.signed_in("anna")
        door.clock.advance(seconds=int(LONGEST_QUIET.total_seconds()) - 1)
        assert is_signed_in(browser), "which counts from the last page"
        door.clock.advance(seconds=int(LONGEST_QUIET.total_seconds()) - 1)
        assert is_signed_in(browser)
        door.clock.advance(seconds=int(LONGEST_QUIET.total_seconds()) + 1)
        assert not is_signed_in(browser)

    def test_a_session_ends_with_the_working_day_however_busy_it_was(self, door: Doorway) -> None:
        browser = door.signed_in("anna")
        for _ in range(LONGEST_SESSION // timedelta(hours=1) - 1):
            door.clock.advance(hours=1)
            assert is_signed_in(browser)
        door.clock.advance(hours=1)
        assert not is_signed_in(browser)

    def test_ended_sessions_are_swept_out_by_the_next_sign_in(self, door: Doorway) -> None:
        door.signed_in("anna")
        door.clock.advance(days=1)
        door.signed_in("ben")
        with door.database.read() as session:
            assert session.scalar(select(func.count()).select_from(door.door.accounts.rows.session)) == 1

    def test_a_hash_of_older_parameters_is_made_anew(self, door: Doorway) -> None:
        from argon2 import PasswordHasher

        old = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
        self.change(door, "anna", password_hash=old)
        assert try_to_sign_in(door.browser(), "anna", PASSWORD)[0] == 303
        with door.database.read() as session:
            assert "m=19456" in door.door.accounts.password_mark(session, "anna")
        assert try_to_sign_in(door.browser(), "anna", PASSWORD)[0] == 303

    @pytest.mark.parametrize(
        "address",
        ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/a\nb", "evil"],
    )
    def test_signing_in_never_leads_to_another_site(self, door: Doorway, address: str) -> None:
        response = door.browser().post("/sign-in", {"person": "anna", "password": PASSWORD, "next": address})
        assert (response.status_code, response.headers["location"]) == (303, "/")

    def test_whoever_was_sent_to_the_door_comes_back_to_the_same_page(self, door: Doorway) -> None:
        browser = door.browser()
        address = browser.get(door.page).headers["location"]
        assert f'value="{door.page}"' in browser.page(address)
        response = browser.post("/sign-in", {"person": "anna", "password": PASSWORD, "next": door.page})
        assert response.headers["location"] == door.page

    def test_what_was_typed_is_not_repeated_as_markup_and_a_password_never(self, door: Doorway) -> None:
        page = door.browser().post("/sign-in", {"person": '"><script>', "password": "a secret that nobody reads"}).text
        assert "<script>" not in page
        assert "a secret that nobody reads" not in page

    def test_the_language_stays_with_the_account_and_with_the_browser(self, door: Doorway) -> None:
        browser = door.signed_in("anna")
        response = browser.post("/language", {"language": "de", "next": door.page})
        assert response.headers["location"] == door.page, "the page stays the same"
        assert '<html lang="de">' in browser.page("/")
        assert '<html lang="de">' in door.signed_in("anna").page("/"), "in another browser as well"
        browser.post("/sign-out")
        assert '<html lang="de">' in browser.page("/sign-in")
        assert browser.post("/language", {"language": "tlh"}).status_code == 422
        other = door.browser().get("/sign-in", headers={"Accept-Language": "da-DK, en;q=0.5"})
        assert (other.headers["content-language"], '<html lang="da">' in other.text) == ("da", True)

    def test_a_stored_password_is_a_hash_with_a_salt_of_its_own(self) -> None:
        one, two = hash_password(PASSWORD), hash_password(PASSWORD)
        assert one.startswith("$argon2id$")
        assert one != two
        assert PASSWORD not in one


class GatePromises:
    """In front of every page: somebody who is signed in, from this site, with a form that is one."""

    def test_without_an_account_every_page_leads_to_the_door(self, door: Doorway) -> None:
        for path in ("/", "/account", door.page):
            response = door.browser().get(path)
            assert response.status_code == 303
            assert response.headers["location"].startswith("/sign-in")
            program = door.browser().get(path, headers={"Accept": "application/json"})
            assert (program.status_code, program.json()["code"]) == (401, "not-signed-in")

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "none"},
            {"Sec-Fetch-Site": ""},
            {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8600"},
        ],
    )
    def test_a_form_of_another_site_is_refused(self, door: Doorway, headers: dict[str, str]) -> None:
        response = door.signed_in("anna").post("/language", {"language": "de"}, headers=headers)
        assert (response.status_code, response.json()["code"]) == (403, "cross-site")

    def test_an_older_browser_is_judged_by_its_origin(self, door: Doorway) -> None:
        port = door.origin.rpartition(":")[2]
        statuses: dict[str | None, int] = {
            door.origin: 303,
            f"http://localhost:{port}": 303,
            "https://evil.example": 403,
            f"http://127.0.0.1:{int(port) + 1}": 403,
            "null": 403,
            "": 403,
            None: 403,
        }
        for origin, status in statuses.items():
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            headers |= {} if origin is None else {"Origin": origin}
            response = door.browser()._ask("POST", "/language", headers, content=b"language=de")
            assert response.status_code == status, origin

    def test_every_reply_says_what_a_browser_may_do(self, door: Doorway) -> None:
        for path in ("/", "/sign-in", door.page, "/nothing"):
            headers = door.signed_in("anna").get(path).headers
            policy = headers["content-security-policy"]
            assert "unsafe" not in policy
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"

    @pytest.mark.parametrize(
        ("content_type", "body", "status"),
        [
            ("application/json", b"{}", 415),
            ("", b"language=de", 415),
            ("multipart/form-data", b"no boundary", 422),
            ("multipart/form-data; boundary=x", b"--x\r\nbroken", 422),
            ("application/x-www-form-urlencoded", b"language=%ff%fe", 422),
            ("application/x-www-form-urlencoded", b"&".join(b"a=1" for _ in range(6_000)), 422),
            ("application/x-www-form-urlencoded", b"a=" + b"x" * (6 * 1024 * 1024), 413),
        ],
    )
    def test_what_is_no_form_is_refused(self, door: Doorway, content_type: str, body: bytes, status: int) -> None:
        headers = {"Content-Type": content_type, "Sec-Fetch-Site": "same-origin"}
        assert door.browser()._ask("POST", "/language", headers, content=body).status_code == status
