"""My account and the ways in: two factors, links, sessions, the password once more before anything weakens."""

import html
import re
from datetime import timedelta

import pytest

from local_node import audit, verbs
from local_node.app import Node
from local_node.door import accounts, second_factor, sessions
from local_node.orm import AccountRow
from local_node.review import Role
from shared_schema.service.accounts.one_time_codes import code_at
from tests.browsing import PASSWORD
from tests.hub_simulator import MovableClock
from tests.local_node.browsing import Browser, give_account

NEW_PASSWORD = "blue horses read slowly"


def browser_of(node: Node, person: str = "anna", **options: bool) -> Browser:
    return Browser(node).sign_in(person, **options)


def turn_on(node: Node, person: str = "anna") -> str:
    """A second factor for somebody; return its secret."""
    with node.database.write() as session:
        secret = second_factor.begin(session, person, node.clock())
        second_factor.confirm(session, person, code_at(secret, node.clock()), node.clock())
    return secret


def half_way(node: Node, person: str = "anna") -> Browser:
    """A browser that gave the right password and owes the code."""
    with node.database.read() as session:
        is_new = accounts.find_account(session, person) is None
    if is_new:
        give_account(node, person)
    browser = Browser(node)
    answer = browser.post("/sign-in", {"person": person, "password": PASSWORD, "next": "/account"})
    assert answer.headers["location"] == "/sign-in/code?next=%2Faccount"
    return browser


def log_of(node: Node) -> str:
    with node.database.read() as session:
        return repr(audit.list_events(session))


# --- the code after the password -----------------------------------------------------------------------------------


def test_the_password_alone_opens_nothing_where_there_is_a_second_factor(node: Node, clock: MovableClock) -> None:
    turn_on(node)
    browser = half_way(node)
    assert "__Host-session" not in browser.cookies
    assert browser.get("/").status_code == 303
    browser.cookies["__Host-session"] = browser.cookies["__Host-second-step"]  # it is no session under another name
    assert browser.get("/").status_code == 303


def test_the_page_of_the_code_is_for_whoever_gave_a_password(node: Node) -> None:
    turn_on(node)
    browser = Browser(node)
    assert browser.get("/sign-in/code").headers["location"].startswith("/sign-in")
    assert browser.post("/sign-in/code", {"code": "123456"}).headers["location"].startswith("/sign-in")
    browser.cookies["__Host-second-step"] = "x" * 5000
    assert browser.get("/sign-in/code").status_code == 303


def test_a_wrong_code_is_refused_and_a_right_one_opens_the_page_that_was_wanted(
    node: Node, clock: MovableClock
) -> None:
    secret = turn_on(node)
    browser = half_way(node)
    clock.advance(minutes=1)
    for wrong in ("", "000000", "x" * 5000, "\x00"):
        assert browser.post("/sign-in/code", {"code": wrong}).status_code == 403
    answer = browser.post("/sign-in/code", {"code": code_at(secret, clock()), "next": "/account"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert "__Host-second-step" not in browser.cookies
    assert "My account" in browser.page("/account")


def test_a_code_that_was_used_signs_nobody_in_again(node: Node, clock: MovableClock) -> None:
    secret = turn_on(node)
    first, second = half_way(node), half_way(node)
    clock.advance(minutes=1)
    code = code_at(secret, clock())
    assert first.post("/sign-in/code", {"code": code}).status_code == 303
    assert second.post("/sign-in/code", {"code": code}).status_code == 403


def test_wrong_passwords_and_wrong_codes_count_together(node: Node, clock: MovableClock) -> None:
    secret = turn_on(node)
    browser = half_way(node)
    other = Browser(node, app=browser.app)
    for _ in range(5):
        assert other.post("/sign-in", {"person": "anna", "password": "wrong"}).status_code == 403
        assert browser.post("/sign-in/code", {"code": "000000"}).status_code == 403
    clock.advance(minutes=1)
    refused = browser.post("/sign-in/code", {"code": code_at(secret, clock())})  # even the right one
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "900")
    assert other.post("/sign-in", {"person": "anna", "password": PASSWORD}).status_code == 429


def test_the_right_password_does_not_forgive_wrong_codes(node: Node) -> None:
    turn_on(node)
    for _ in range(10):
        assert half_way(node).post("/sign-in/code", {"code": "000000"}).status_code == 403
    assert Browser(node).post("/sign-in", {"person": "anna", "password": PASSWORD}).status_code == 429


def test_the_step_ends_after_five_minutes_and_with_the_account(node: Node, clock: MovableClock) -> None:
    secret = turn_on(node, "ben")
    kept_out = half_way(node, "ben")
    verbs.run(node, "account.disable", {"id": "ben"})
    clock.advance(minutes=1)
    assert kept_out.post("/sign-in/code", {"code": code_at(secret, clock())}).headers["location"] == "/sign-in?next=%2F"
    verbs.run(node, "account.enable", {"id": "ben"})
    slow = half_way(node, "ben")
    clock.advance(minutes=5)
    assert slow.post("/sign-in/code", {"code": code_at(secret, clock())}).headers["location"] == "/sign-in?next=%2F"
    assert not {"__Host-session"} & {*slow.cookies, *kept_out.cookies}


def test_a_recovery_code_opens_once_and_says_so(node: Node) -> None:
    browser = browser_of(node)
    browser.post("/account/second-factor/begin", {"current": PASSWORD})
    secret = re.sub(r"\s", "", re.search(r"<code>([A-Z2-7 ]+)</code>", browser.page("/account/second-factor"))[1])  # type: ignore[index]
    shown = browser.post("/account/second-factor/confirm", {"code": code_at(secret, node.clock())}).text
    codes = re.findall(r"<code>([a-z2-7-]{19})</code>", shown)
    assert len(set(codes)) == 10
    answer = half_way(node).post("/sign-in/code", {"code": codes[0].upper().replace("-", " ")})
    assert answer.headers["location"] == "/?done=recovery-code-used"
    assert half_way(node).post("/sign-in/code", {"code": codes[0]}).status_code == 403
    for hidden in (secret, *codes):
        assert hidden not in browser.page("/account/second-factor") + log_of(node)


# --- setting it up -------------------------------------------------------------------------------------------------


def test_a_browser_that_was_left_open_weakens_nothing(node: Node, clock: MovableClock) -> None:
    browser = browser_of(node)
    turn_on(node)
    for path in ("codes", "off", "begin"):
        for typed in ({}, {"current": "wrong"}):
            assert browser.post(f"/account/second-factor/{path}", typed).status_code == 422
    with node.database.read() as session:
        assert second_factor.standing(session, "anna").codes_left == 10
    assert browser.post("/account/second-factor/off", {"current": PASSWORD}).status_code == 303
    with node.database.read() as session:
        assert not second_factor.standing(session, "anna").is_on


def test_guessing_the_password_from_inside_is_throttled_like_at_the_door(node: Node) -> None:
    browser = browser_of(node)
    for _ in range(10):
        assert browser.post("/account/second-factor/begin", {"current": "wrong"}).status_code == 422
    assert browser.post("/account/second-factor/begin", {"current": PASSWORD}).status_code == 429
    assert Browser(node).post("/sign-in", {"person": "anna", "password": PASSWORD}).status_code == 429


def test_the_square_is_drawn_without_a_style_or_a_script(node: Node) -> None:
    browser = browser_of(node)
    browser.post("/account/second-factor/begin", {"current": PASSWORD})
    page = browser.page("/account/second-factor")
    assert '<svg width="' in page
    assert "style=" not in page
    assert "otpauth" not in page
    assert browser.post("/account/second-factor/confirm", {"code": "000000"}).status_code == 422


@pytest.mark.parametrize(("rule", "owing"), [("nobody", ""), ("deciders", "ben"), ("everybody", "anna ben")])
def test_whoever_owes_a_second_factor_sees_only_where_it_is_set_up(node: Node, rule: str, owing: str) -> None:
    verbs.run(node, "people.add", {"id": "olga", "role": "administrator"})
    people = {person: browser_of(node, person) for person in ("anna", "ben")}
    assert browser_of(node, "olga").post("/sign-in-rule", {"rule": rule}).status_code == 303
    for person, browser in people.items():
        answer = browser.get("/")
        if person in owing.split():
            assert answer.headers["location"] == "/account/second-factor?done=second-factor-owed"
            assert browser.get("/", headers={"Accept": "application/json"}).status_code == 403
            assert "two minutes" in browser.follow(answer)
            turn_on(node, person)
        assert browser.get("/").status_code == 200


# --- the password and the sessions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"current": "wrong", "password": NEW_PASSWORD, "again": NEW_PASSWORD}, "That is not your password"),
        ({"current": PASSWORD, "password": NEW_PASSWORD, "again": "another one entirely"}, "not the same"),
        ({"current": PASSWORD, "password": "short", "again": "short"}, "easy to guess"),
        ({"current": PASSWORD, "password": "x" * 200, "again": "x" * 200}, "easy to guess"),
        ({"current": PASSWORD}, "easy to guess"),
    ],
)
def test_a_password_is_not_changed_by_accident(node: Node, typed: dict[str, str], says: str) -> None:
    browser = browser_of(node)
    answer = browser.post("/account/password", typed)
    assert answer.status_code == 422
    assert says in answer.text
    with node.database.read() as session:
        assert accounts.check_credentials(session, "anna", PASSWORD)


def test_another_password_ends_every_other_session_and_renews_this_one(node: Node) -> None:
    here, elsewhere = browser_of(node), Browser(node)
    elsewhere.post("/sign-in", {"person": "anna", "password": PASSWORD})
    before = here.cookies["__Host-session"]
    typed = {"current": PASSWORD, "password": NEW_PASSWORD, "again": NEW_PASSWORD}
    assert "Your password is changed" in here.follow(here.post("/account/password", typed))
    assert here.cookies["__Host-session"] != before
    assert elsewhere.get("/").status_code == 303
    assert Browser(node).post("/sign-in", {"person": "anna", "password": PASSWORD}).status_code == 403


def test_one_session_is_ended_from_another_and_nobody_elses(node: Node, clock: MovableClock) -> None:
    give_account(node, "anna")
    here, there = Browser(node), Browser(node)
    for browser, agent in ((here, "Firefox/1 Linux"), (there, "Chrome/1 Windows")):
        typed = {"person": "anna", "password": PASSWORD}
        browser.post("/sign-in", typed, headers={"User-Agent": f"Mozilla/5.0 {agent}"})
    ben = browser_of(node, "ben")
    page = here.page("/account")
    assert "Firefox, Linux" in page
    assert "Chrome, Windows" in page
    (other,) = re.findall(r'name="session" value="([0-9a-f]{16})"', page)
    with node.database.read() as session:
        of_ben = sessions.list_sessions(session, "ben", clock())[0].token_hash[:16]
    for nothing in (of_ben, "", "x", "0" * 16):
        here.post("/account/sessions", {"session": nothing})
    assert [browser.get("/").status_code for browser in (here, there, ben)] == [200, 200, 200]
    here.post("/account/sessions", {"session": other})
    assert [browser.get("/").status_code for browser in (here, there, ben)] == [200, 303, 200]


def test_all_other_sessions_are_ended_at_once(node: Node) -> None:
    give_account(node, "anna")
    browsers = [Browser(node) for _ in range(3)]
    for browser in browsers:
        browser.post("/sign-in", {"person": "anna", "password": PASSWORD})
    for _ in range(2):
        browsers[0].post("/account/sessions", {"session": "others"})
    assert [browser.get("/").status_code for browser in browsers] == [200, 303, 303]
    with node.database.read() as session:
        ended = [each for each in audit.list_events(session) if each.action == "session.others-ended"]
    assert [(each.actor, each.subject) for each in ended] == [("anna", "anna")]


def test_a_session_that_was_quiet_for_too_long_is_not_shown_as_open(node: Node, clock: MovableClock) -> None:
    give_account(node, "anna")
    here = there = Browser(node)
    for here, agent in ((there, "Chrome/1 Windows"), (Browser(node), "Firefox/1 Linux")):
        typed = {"person": "anna", "password": PASSWORD}
        here.post("/sign-in", typed, headers={"User-Agent": f"Mozilla/5.0 {agent}"})
        clock.advance(minutes=61)
    page = here.page("/account")
    assert ("Firefox, Linux" in page, "Chrome, Windows" in page) == (True, False)


@pytest.mark.parametrize(
    "typed",
    [
        {"name": "", "email": "", "language": ""},
        {"name": "Anna", "email": "no address", "language": ""},
        {"name": "Anna", "email": "", "language": "xx"},
        {"name": "A\u202ennA", "email": "", "language": ""},
        {"name": "x" * 81, "email": "", "language": ""},
    ],
)
def test_what_somebody_says_about_themselves_is_checked_and_shown_again(node: Node, typed: dict[str, str]) -> None:
    browser = browser_of(node)
    answer = browser.post(
        "/account", typed | {"email": typed["email"] or "kept@city.example"} if not typed["name"] else typed
    )
    assert answer.status_code == 422
    assert html.escape(typed["email"] or "") in answer.text


def test_name_email_and_language_are_kept_and_roles_are_not_among_them(node: Node) -> None:
    browser = browser_of(node)
    typed = {"name": "Anna <b>A.</b>", "email": "anna@city.example", "language": "de"}
    answer = browser.post("/account", typed | {"role": "administrator", "administrates": "1", "agency": "x"})
    page = browser.follow(answer)
    assert 'lang="de"' in page
    assert "Anna &lt;b&gt;A.&lt;/b&gt;" in page
    with node.database.read() as session:
        account = accounts.get_account(session, "anna")
    assert (account.email, account.roles, account.agency) == ("anna@city.example", frozenset({Role.COORDINATOR}), None)


# --- links ---------------------------------------------------------------------------------------------------------


def link_for(node: Node, person: str = "ben") -> str:
    address: str = verbs.run(node, "account.invite", {"id": person})["link"]
    assert address.startswith("http://127.0.0.1:8600/welcome/")
    return address.removeprefix("http://127.0.0.1:8600")


def test_a_link_opens_one_page_sets_one_password_and_is_then_gone(node: Node) -> None:
    link, browser = link_for(node), Browser(node)
    for _ in range(2):
        assert "<strong>ben</strong>" in browser.page(link)
    weak = {"password": "password1234", "again": "password1234"}
    assert browser.post(link, weak).status_code == 422
    assert browser.post(link, {"password": NEW_PASSWORD, "again": "another"}).status_code == 422
    both = {"password": NEW_PASSWORD, "again": NEW_PASSWORD}
    assert "Your password is set" in browser.follow(browser.post(link, both))
    assert browser.post(link, both).status_code == 410
    assert browser.get(link).status_code == 410
    assert browser.post("/sign-in", {"person": "ben", "password": NEW_PASSWORD}).status_code == 303


def test_an_old_an_unknown_and_a_used_link_look_alike(node: Node, clock: MovableClock) -> None:
    link, browser = link_for(node), Browser(node)
    clock.advance(days=7)
    hour = re.compile(r"<time.*?</time>|\d\d:\d\d[^<]*|value=\"/welcome[^\"]*\"")
    pages = {hour.sub("", browser.get(path).text) for path in (link, "/welcome/" + "x" * 43, "/welcome/" + "é" * 500)}
    assert len(pages) == 1


def test_a_link_of_an_account_that_is_kept_out_is_dead(node: Node) -> None:
    link = link_for(node)
    verbs.run(node, "account.disable", {"id": "ben"})
    assert Browser(node).get(link).status_code == 410


def test_a_session_without_a_password_is_fresh_for_ten_minutes(node: Node, clock: MovableClock) -> None:
    """Whoever comes by the city's own sign-in has no password to give once more."""
    give_account(node, "anna")
    browser = browser_of(node)
    with node.database.write() as session:
        session.get_one(AccountRow, "anna").password_hash = None
    assert browser.post("/account/second-factor/begin", {}).status_code == 303
    clock.now += timedelta(minutes=11)
    typed: dict[str, str | list[str]] = {"label": "sync", "scopes": ["sync"], "days": "90", "newest": ""}
    assert browser.post("/account/tokens", typed).status_code == 422
