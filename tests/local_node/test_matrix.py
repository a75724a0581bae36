"""Every address × everybody: who gets in, written out by hand, so that a change of rights shows as a line that changed.

`local_node.web.access.ALLOWED` says what a right allows; here stands what that comes to, address by address. A new
address has to be added to the table of its group, or the first test names it. The columns are the five roles, whoever
also administrates, and whoever is not signed in.
"""

import contextlib
import inspect
import itertools
import re
import sqlite3
from typing import Final

import pytest
from fastapi.routing import APIRoute

from local_node import verbs
from local_node.account_changes import AccountForm, account_changes
from local_node.agencies import AgencyForm, add_agency
from local_node.app import Node
from local_node.door import Scope, accounts, script_tokens
from shared_schema.service.pages.forms import SET_HERE
from tests.door_promises import ask, is_let_in
from tests.local_node.browsing import Browser, app_of, give_account

STAFF: Final = {
    "anna": "coordinator",
    "ben": "reviewer",
    "paul": "partner",
    "rita": "reader",
    "olga": "administrator",
    "carla": "coordinator who administrates",
}
OUTSIDE = "everybody, and whoever is not signed in"
EVERYBODY = "anna ben paul rita olga carla"

# --- the tables: one for each group of screens ----------------------------------------------------------------------

DOOR = {
    "GET /health": OUTSIDE,
    "GET /openapi.json": OUTSIDE,
    "GET /interface": OUTSIDE,
    "GET /sign-in": OUTSIDE,
    "POST /sign-in": OUTSIDE,
    "GET /sign-in/code": OUTSIDE,
    "POST /sign-in/code": OUTSIDE,
    "GET /sign-in/single": OUTSIDE,
    "GET /sign-in/single/back": OUTSIDE,
    "POST /sign-out": OUTSIDE,
    "POST /language": OUTSIDE,
    "GET /welcome/{token}": OUTSIDE,
    "POST /welcome/{token}": OUTSIDE,
}
OWN_ACCOUNT = {
    "GET /account": EVERYBODY,
    "POST /account": EVERYBODY,
    "GET /account/password": EVERYBODY,
    "POST /account/password": EVERYBODY,
    "POST /account/sessions": EVERYBODY,
    "GET /account/second-factor": EVERYBODY,
    "POST /account/second-factor/begin": EVERYBODY,
    "POST /account/second-factor/confirm": EVERYBODY,
    "POST /account/second-factor/codes": EVERYBODY,
    "POST /account/second-factor/off": EVERYBODY,
    "GET /account/tokens": EVERYBODY,
    "POST /account/tokens": EVERYBODY,
    "POST /account/tokens/{token_id}/revoke": EVERYBODY,
}
ACCOUNTS = {
    "GET /accounts": "olga carla",
    "GET /accounts/{person_id}": "olga carla",
    "POST /accounts/{person_id}": "olga carla",
    "POST /accounts/{person_id}/link": "olga carla",
    "POST /accounts/{person_id}/reset": "olga carla",
    "POST /accounts/{person_id}/state": "olga carla",
    "POST /accounts/{person_id}/sign-on": "olga carla",
    "GET /invite": "olga carla",
    "POST /invite": "olga carla",
    "POST /sign-in-rule": "olga carla",
}
AGENCIES = {
    "GET /agencies": "anna ben olga carla",
    "POST /agencies": "anna olga carla",
    "GET /agencies/new": "anna olga carla",
    "GET /agencies/{agency_id}": "anna ben olga carla",
    "GET /agencies/{agency_id}/edit": "anna olga carla",
    "POST /agencies/{agency_id}/edit": "anna olga carla",
    "POST /agencies/{agency_id}/state": "anna olga carla",
}
RETURNS = {
    "GET /returns": "anna ben paul carla",
    "GET /returns/history": "anna ben paul carla",
    "GET /returns/agreements": "anna ben olga carla",
    "POST /returns/agreements": "anna olga carla",
    "POST /returns/answer": "anna paul carla",
    "GET /returns/paste": "anna paul carla",
    "POST /returns/paste": "anna paul carla",
    "GET /returns/upload": "anna paul carla",
    "POST /returns/upload": "anna paul carla",
    "GET /returns/template": "anna paul carla",
    "GET /returns/sheets/{number}": "anna paul carla",
    "POST /returns/sheets/{number}": "anna paul carla",
    "GET /returns/{agency}/{period}": "anna ben paul carla",
    "POST /returns/{agency}/{period}": "anna paul carla",
}
CALENDAR = {
    "GET /calendar": EVERYBODY,
    "GET /calendar.ics": EVERYBODY,
    "GET /calendar/clashes": EVERYBODY,
    "POST /calendar/clashes": "anna paul carla",
    "GET /calendar/places": "anna ben olga carla",
    "POST /calendar/places": "anna olga carla",
    "GET /calendar/new": "anna paul carla",
    "POST /calendar/new": "anna paul carla",
    "GET /calendar/{number}": EVERYBODY,
    "POST /calendar/{number}": "anna paul carla",
}
LESSONS = {
    "GET /lessons": "anna ben paul carla",
    "POST /lessons": "anna paul carla",
    "GET /lessons/new": "anna paul carla",
    "POST /lessons/autosave": "anna paul carla",
    "GET /lessons/{draft_id}": "anna paul carla",
    "POST /lessons/{draft_id}": "anna paul carla",
    "GET /lessons/{draft_id}/look": "anna paul carla",
    "POST /lessons/{draft_id}/wording": "anna paul carla",
    "POST /lessons/{draft_id}/hand-over": "anna paul carla",
    "POST /lessons/{draft_id}/give-back": "anna paul carla",
    "POST /lessons/{draft_id}/discard": "anna paul carla",
    "POST /lessons/{draft_id}/ask": "anna carla",
}
RELEASES = {
    "GET /reviews": "anna ben carla",
    "GET /reviews/{request_id}": "anna ben carla",
    "POST /reviews/{request_id}/decide": "anna ben carla",
    "POST /reviews/{request_id}/again": "anna carla",
    "GET /releases": "anna ben carla",
    "GET /releases/{table_id}/{label}": "anna ben carla",
    "POST /releases/{table_id}/{label}": "anna carla",
    "GET /sealed": "anna ben carla",
    "GET /sealed/{digest}": "anna ben carla",
    "POST /sealed/{digest}": "anna carla",
    "GET /outbox": "anna ben carla",
    "POST /outbox/exchange": "anna olga carla",
    "GET /outbox/{digest}": "anna ben carla",
    "GET /outbox/{digest}/where": "anna ben carla",
    "GET /outbox/{digest}/withdraw": "anna carla",
    "POST /outbox/{digest}/withdraw": "anna carla",
    "POST /outbox/{digest}/redraft": "anna carla",
}
READING = {
    "GET /inbox": EVERYBODY,
    "GET /inbox/{digest}": EVERYBODY,
}
PICTURE = {
    "GET /": EVERYBODY,
    "GET /picture": EVERYBODY,
    "GET /picture.csv": EVERYBODY,
    "GET /picture.xlsx": EVERYBODY,
    "GET /trends": EVERYBODY,
    "GET /report": "anna ben carla",
    "POST /report": "anna carla",
}
OUTSIDE_PAGES = {
    "GET /accessibility": OUTSIDE,
    "GET /privacy": OUTSIDE,
    "POST /message": OUTSIDE,
}
WHAT_LEFT = {
    "GET /outside": EVERYBODY,
    "GET /outside.json": EVERYBODY,
}
"""For everybody outside as well, once the administrator has opened them (tests/local_node/test_outside.py)."""
THIS_NODE = {
    "GET /set-up": "olga carla",
    "GET /settings": "olga carla",
    "POST /settings": "olga carla",
    "GET /hubs": "anna olga carla",
    "POST /hubs/sync": "anna olga carla",
    "POST /hubs/add": "olga carla",
    "POST /hubs/enrol": "olga carla",
}
OVERSIGHT = {
    "GET /oversight": "anna ben olga carla",
    "GET /oversight/audit": "anna ben olga carla",
    "GET /oversight/audit.jsonl": "anna ben olga carla",
    "GET /oversight/outgoing": "anna ben olga carla",
    "GET /oversight/budget": "anna ben olga carla",
    "GET /oversight/retention": "anna ben olga carla",
    "GET /oversight/processing": "anna ben olga carla",
    "POST /oversight/retention": "ben olga carla",
    "POST /oversight/erase": "ben olga carla",
    "GET /messages": "anna ben olga carla",
    "POST /messages/{number}": "anna ben olga carla",
}
INBOX = {
    "POST /inbox/read": EVERYBODY,
    "GET /inbox/{digest}/print": EVERYBODY,
    "GET /inbox/{digest}/text": EVERYBODY,
    "POST /inbox/{digest}/read": EVERYBODY,
    "POST /inbox/{digest}/useful": EVERYBODY,
    "POST /inbox/{digest}/note": EVERYBODY,
    "GET /inbox.csv": EVERYBODY,
    "GET /views": EVERYBODY,
    "POST /views": EVERYBODY,
    "POST /views/{view_id}": EVERYBODY,
    "POST /views/{view_id}/seen": EVERYBODY,
    "POST /views/{view_id}/address": EVERYBODY,
    "POST /views/{view_id}/remove": EVERYBODY,
    "GET /feeds/{token}": OUTSIDE,
    "GET /questions": EVERYBODY,
    "GET /mail": EVERYBODY,
    "POST /mail": EVERYBODY,
    "GET /mail/off/{token}": OUTSIDE,
    "POST /mail/off/{token}": OUTSIDE,
}
SCRIPTS = {
    "GET /api/v1/inbox": EVERYBODY,
    "GET /api/v1/figures": EVERYBODY,
    "POST /api/v1/returns": "anna paul carla",
    "POST /api/v1/sync": "anna olga carla",
}
"""With a token that has every scope; without one, and with a cookie alone: nobody."""
OPEN = DOOR | OUTSIDE_PAGES | {line: who for line, who in INBOX.items() if who == OUTSIDE}
OWN = OWN_ACCOUNT | ACCOUNTS | AGENCIES | RETURNS | CALENDAR | READING | INBOX | PICTURE
PAGES = OPEN | OWN | WHAT_LEFT | THIS_NODE | OVERSIGHT | LESSONS | RELEASES
EXPECTED = PAGES | SCRIPTS


@pytest.fixture(scope="module")
def unknown() -> dict[str, str]:
    """What stands for the parts of an address: ids that nobody has."""
    return {"token_id": "999999", "view_id": "999999", "digest": "0" * 64}


@pytest.fixture
def staffed(node: Node) -> Node:
    """Everybody of STAFF has an account; Paul belongs to the youth office."""
    with node.database.write() as session:
        add_agency(session, "youth-office", AgencyForm("Youth", ["youth"], ["deliver"]), by="anna", now=node.clock())
    for person in ("paul", "rita", "olga", "carla"):
        verbs.run(node, "people.add", {"id": person, "role": STAFF[person].split()[0]})
    for person in STAFF:
        give_account(node, person, administrates=person == "carla")
    with node.database.write() as session:
        paul = accounts.get_account(session, "paul")
        form = AccountForm("Paul", "partner", agency="youth-office")
        account_changes.change(session, "paul", form, account_changes.seen(paul), by="olga", now=node.clock())
    return node


def test_every_address_of_the_application_is_in_one_table(node: Node) -> None:
    routes = [route for route in app_of(node).routes if isinstance(route, APIRoute)]
    lines = {f"{method} {route.path}" for route in routes for method in route.methods or ()}
    assert lines - set(EXPECTED) == set(), "add these to the table of their group, with who gets in"
    assert set(EXPECTED) - lines == set(), "these are not there any more"
    own = (DOOR, OWN_ACCOUNT, ACCOUNTS, AGENCIES, RETURNS, CALENDAR, READING, INBOX, PICTURE, SCRIPTS)
    groups = (*own, OUTSIDE_PAGES, WHAT_LEFT, THIS_NODE, OVERSIGHT, LESSONS, RELEASES)
    assert len(EXPECTED) == sum(map(len, groups))


def test_without_an_account_the_door_is_open_and_nothing_else(node: Node, unknown: dict[str, str]) -> None:
    nobody = Browser(node)
    let_in = {line for line in EXPECTED if is_let_in(ask(nobody, line, unknown))}
    assert let_in == set(OPEN)


def test_everybody_gets_where_the_tables_say_and_nowhere_else(staffed: Node, unknown: dict[str, str]) -> None:
    found: dict[str, list[str]] = {line: [] for line in PAGES if line not in OPEN}
    for person in STAFF:
        browser = Browser(staffed).sign_in(person, administrates=person == "carla")
        for line, let_in in found.items():
            answer = ask(browser, line, unknown)
            assert answer.status_code < 500, (person, line, answer.text)
            if is_let_in(answer):
                let_in.append(person)
    assert {line: " ".join(people) for line, people in found.items()} == {line: PAGES[line] for line in found}


def test_a_script_gets_where_its_owner_may_go(staffed: Node, unknown: dict[str, str]) -> None:
    found: dict[str, list[str]] = {line: [] for line in SCRIPTS}
    for person in STAFF:
        with staffed.database.write() as session:
            token, _ = script_tokens.make_token(
                session, person, "all", [scope.value for scope in Scope], 1, staffed.clock()
            )
        browser = Browser(staffed)
        for line, let_in in found.items():
            if is_let_in(ask(browser, line, unknown, {"Authorization": f"Bearer {token}"})):
                let_in.append(person)
    assert {line: " ".join(people) for line, people in found.items()} == SCRIPTS


def test_what_is_somebody_elses_is_told_like_what_is_not_there(staffed: Node) -> None:
    with staffed.database.write() as session:
        _, token = script_tokens.make_token(session, "anna", "mine", ["sync"], 1, staffed.clock())
    ben = Browser(staffed).sign_in("ben")
    for accept in ("text/html", "application/json"):
        answers = [
            ben.post(f"/account/tokens/{number}/revoke", {}, headers={"Accept": accept})
            for number in (token.id, token.id + 1000)
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        pages = {re.sub(r'value="[^"]*revoke"', "", answer.text) for answer in answers}
        assert len(pages) == 1


# --- figures of CHECKS D45, D47, F58 and F59, for every address -----------------------------------------------------

POSTS = [line for line in EXPECTED if line.startswith("POST ")]
FROM_ELSEWHERE = {"POST /mail/off/{token}", *(line for line in SCRIPTS if line.startswith("POST"))}
"""They take no cookie, so another site can use nobody's session there."""


def test_a_form_of_another_site_is_refused_at_every_address(staffed: Node, unknown: dict[str, str]) -> None:
    carla = Browser(staffed).sign_in("carla", administrates=True)
    for site in ("cross-site", "same-site", "none"):
        answers = {line: ask(carla, line, unknown, {"Sec-Fetch-Site": site}) for line in POSTS}
        refused = {line for line, answer in answers.items() if answer.status_code == 403}
        assert set(POSTS) - refused == FROM_ELSEWHERE, site


def test_reading_any_address_writes_nothing(staffed: Node, unknown: dict[str, str]) -> None:
    carla = Browser(staffed).sign_in("carla", administrates=True)
    with contextlib.closing(sqlite3.connect(staffed.data_dir / "node.db")) as watcher:
        for line in (line for line in PAGES if line.startswith("GET ")):
            before = watcher.execute("PRAGMA data_version").fetchone()
            ask(carla, line, unknown, {"Accept": "text/html"})
            assert watcher.execute("PRAGMA data_version").fetchone() == before, line


def test_every_reply_carries_the_headers_whatever_it_is(staffed: Node, unknown: dict[str, str]) -> None:
    carla = Browser(staffed).sign_in("carla", administrates=True)
    for line in EXPECTED:
        for accept in ("text/html", "application/json"):
            headers = ask(carla, line, unknown, {"Accept": accept}).headers
            policy = headers["content-security-policy"]
            assert "unsafe" not in policy, line
            assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy, line
            assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store"), line


def test_no_form_sets_what_the_node_sets(staffed: Node, unknown: dict[str, str]) -> None:
    carla = Browser(staffed).sign_in("carla", administrates=True)
    reads_a_form = {
        route.path
        for route in app_of(staffed).routes
        if isinstance(route, APIRoute) and "form" in inspect.signature(route.endpoint).parameters
    }
    fields = itertools.cycle(sorted(SET_HERE))
    for line in (line for line in POSTS if line[5:] in reads_a_form):
        path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda part: unknown.get(part[1], "nobody-has-this"), line[5:])
        assert carla.post(path, {next(fields): "2026-01-01"}).status_code == 422, line
    for field in SET_HERE:
        assert carla.post("/account", {"name": "Carla", field: "1"}).status_code == 422
    with staffed.database.read() as session:
        assert accounts.get_account(session, "carla").name == "carla"


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/accounts/ben", {"person_id": "anna", "name": "Ben", "role": "reviewer"}),
        ("/accounts/ben/state", {"id": "anna", "state": "disabled"}),
        ("/agencies/youth-office/edit", {"agency_id": "police", "name": "Youth"}),
        ("/agencies/youth-office/state", {"id": "police", "state": "ended"}),
        ("/returns/youth-office/2026-01", {"agency": "police"}),
        ("/returns/youth-office/2026-01", {"period": "2026-02"}),
        ("/lessons/d1/discard", {"draft_id": "d2"}),
        ("/reviews/r1/decide", {"request_id": "r2", "decision": "approve"}),
    ],
)
def test_another_id_in_the_form_than_in_the_address_is_a_conflict(
    staffed: Node, path: str, fields: dict[str, str]
) -> None:
    carla = Browser(staffed).sign_in("carla", administrates=True)
    answer = carla.post(path, fields, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (409, "address-conflict")
    assert carla.post(path, fields).status_code == 409
