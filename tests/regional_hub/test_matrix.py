"""Every address of the hub × everybody: who gets in, written out by hand.

The contract's addresses have signatures of their own and stand in no table of rights; everything else does. A new
address has to be added to the table of its group, or the first test names it.
"""

import re
from typing import Final

import pytest
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute

from regional_hub.door import Scope
from regional_hub.web.access import ALLOWED, Right
from shared_schema.service.pages.forms import SET_HERE
from shared_schema.service.pages.site import Site
from tests.door_promises import ask, is_let_in
from tests.regional_hub.browsing import ADMINISTRATOR, STAFF, Browser, give_account, token_of
from tests.regional_hub.running import RunningHub

OUTSIDE = "everybody, and whoever is not signed in"
EVERYBODY = "olga aldo nils ada"
CONTRACT: Final = {
    "GET /checkpoint",
    "GET /health",
    "GET /receipt/{name}",
    "GET /tile/entries/{path:path}",
    "GET /tile/{level}/{path:path}",
    "GET /v1/cosigner",
    "GET /v1/explain/{digest}",
    "GET /v1/feed",
    "GET /v1/hub",
    "GET /v1/members/me",
    "GET /v1/mirror/{origin}",
    "GET /v1/recalls",
    "GET /v1/recovery",
    "GET /v1/relay",
    "GET /v1/seen/{origin}",
    "GET /v1/witnessed/{origin:path}",
    "POST /add-checkpoint",
    "POST /v1/cosignatures",
    "POST /v1/enrolments",
    "POST /v1/heads",
    "POST /v1/leave",
    "POST /v1/recovery/entries",
    "POST /v1/relay",
    "POST /v1/rotations",
    "POST /v1/sealed/proposals",
    "POST /v1/sealed/{batch}/prepare",
    "POST /v1/sealed/{batch}/roster",
    "POST /v1/sealed/{batch}/shares",
    "POST /v1/sealed/{batch}/void",
    "POST /v1/submissions",
    "POST /v1/submissions/batch",
}
"""What members, readers of the log and witnesses ask for: without a session, most of it with a signature."""
DOOR: Final = {
    "GET /openapi.json": OUTSIDE,
    "GET /interface": OUTSIDE,
    "GET /methods": OUTSIDE,
    "GET /catalog": OUTSIDE,
    "GET /sign-in": OUTSIDE,
    "POST /sign-in": OUTSIDE,
    "GET /sign-in/code": OUTSIDE,
    "POST /sign-in/code": OUTSIDE,
    "POST /sign-out": OUTSIDE,
    "POST /language": OUTSIDE,
    "GET /welcome/{token}": OUTSIDE,
    "POST /welcome/{token}": OUTSIDE,
    "GET /feeds/{token}": OUTSIDE,
    "GET /mail/off/{token}": OUTSIDE,
    "POST /mail/off/{token}": OUTSIDE,
}
OWN_ACCOUNT: Final = {
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
ACCOUNTS: Final = {
    "GET /accounts": "ada",
    "GET /accounts/{person_id}": "ada",
    "POST /accounts/{person_id}": "ada",
    "POST /accounts/{person_id}/link": "ada",
    "POST /accounts/{person_id}/reset": "ada",
    "POST /accounts/{person_id}/state": "ada",
    "GET /invite": "ada",
    "POST /invite": "ada",
}
START: Final = {"GET /": EVERYBODY}
CONSOLE: Final = {
    "GET /members": "olga aldo",
    "GET /members/{name}": "olga aldo",
    "GET /members/{name}/items": "olga aldo",
    "POST /members/{name}/state": "olga",
    "POST /members/{name}/code": "olga",
    "POST /members/{name}/operator": "olga",
    "GET /enrolments": "olga aldo",
    "POST /enrolments": "olga",
    "POST /enrolments/{name}/approve": "olga",
    "GET /quarantine": "olga aldo",
    "POST /quarantine/retry": "olga",
    "POST /quarantine/{digest}/retry": "olga",
    "POST /quarantine/{digest}/drop": "olga",
    "GET /policy": "olga aldo",
    "POST /policy/test": "olga",
    "POST /policy": "olga",
    "GET /withdrawals": "olga aldo",
    "GET /questions": "olga aldo",
    "POST /questions/publish": "olga",
    "POST /questions/{question}/forward": "olga",
    "GET /sums": "olga aldo",
    "GET /sealed": "olga aldo",
    "GET /sealed/{batch}": "olga aldo",
    "POST /sums": "olga",
    "GET /witnesses": "olga aldo",
    "GET /alarms": "olga aldo",
    "POST /alarms/test": "olga",
    "POST /alarms/retry": "olga",
    "POST /alarms/drop": "olga",
    "GET /audit": "olga aldo",
    "GET /audit.jsonl": "olga aldo",
}
FIGURES: Final = {
    "GET /figures": EVERYBODY,
    "GET /figures/file": EVERYBODY,
    "GET /figures/use": EVERYBODY,
    "GET /watch": EVERYBODY,
    "POST /watch/{alert}": "olga nils ada",
    "GET /evidence": EVERYBODY,
    "GET /views": "olga nils ada",
    "POST /views": "olga nils ada",
    "POST /views/{view_id}/remove": "olga nils ada",
    "POST /views/{view_id}/feed": "olga nils ada",
    "POST /views/{view_id}/mail": "olga nils ada",
    "POST /views/address": "olga nils ada",
    "POST /views/address/confirm": "olga nils ada",
}
SCRIPTS: Final = {
    "GET /v1/status": "olga aldo",
    "GET /v1/aggregates": EVERYBODY,
    "GET /v1/tables": EVERYBODY,
}
PAGES: Final = {**DOOR, **OWN_ACCOUNT, **ACCOUNTS, **START, **FIGURES, **CONSOLE}
EXPECTED: Final = {**PAGES, **SCRIPTS}
UNKNOWN: Final = {"token_id": "999999", "view_id": "999999"}
POSTS: Final = [line for line in EXPECTED if line.startswith("POST ") and "/mail/off/" not in line]
"""The one without ends e-mails by the secret in its address, also from a mail program; no cookie counts there."""


@pytest.fixture
def staffed(region: RunningHub) -> RunningHub:
    """Everybody of STAFF has an account."""
    for person in STAFF:
        give_account(region, person)
    return region


def routes_of(hub: RunningHub) -> set[str]:
    """Every address of the application, those of the contract's routers as well."""
    routers = [route.original_router for route in hub.app.routes if hasattr(route, "original_router")]
    routes = [route for router in (hub.app.router, *routers) for route in router.routes if isinstance(route, APIRoute)]
    return {f"{method} {route.path}" for route in routes for method in route.methods or ()}


def site_of(hub: RunningHub) -> Site:
    """The site whose gate stands in front of the pages."""
    (gate,) = {dependency.dependency for dependency in hub.app.router.dependencies}
    site = gate.__self__  # type: ignore[union-attr]
    assert isinstance(site, Site)
    return site


def test_every_address_is_one_of_the_contract_or_in_one_table(region: RunningHub) -> None:
    assert routes_of(region) - CONTRACT - set(EXPECTED) == set(), "add these, with who gets in"
    assert (CONTRACT | set(EXPECTED)) - routes_of(region) == set(), "these are not there any more"
    assert {f"{method} {path}" for method, path in site_of(region).rights} == set(EXPECTED)


def test_every_right_is_in_the_table_of_rights() -> None:
    assert set(ALLOWED) == set(Right)


def test_an_address_that_names_no_right_is_refused_to_everybody(staffed: RunningHub) -> None:
    staffed.app.add_api_route("/forgotten", lambda: PlainTextResponse("secret"))
    staffed.app.add_api_route("/v1/forgotten", lambda: PlainTextResponse("secret"))
    for person in STAFF:
        browser = Browser(staffed).sign_in(person)
        assert browser.get("/forgotten").status_code == 403
        assert browser.get("/v1/forgotten").status_code == 401, "a cookie counts for nothing there"
        token = token_of(staffed, person, *(scope.value for scope in Scope))
        answer = browser.get("/v1/forgotten", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, "secret" in answer.text) == (403, False)
    assert Browser(staffed).get("/forgotten").status_code == 303


def test_without_an_account_the_door_is_open_and_nothing_else(staffed: RunningHub) -> None:
    nobody = Browser(staffed)
    let_in = {line for line in EXPECTED if is_let_in(ask(nobody, line, UNKNOWN))}
    assert let_in == set(DOOR)


def test_everybody_gets_where_the_tables_say_and_nowhere_else(staffed: RunningHub) -> None:
    found: dict[str, list[str]] = {line: [] for line in PAGES if line not in DOOR}
    for person in STAFF:
        browser = Browser(staffed).sign_in(person)
        for line, let_in in found.items():
            answer = ask(browser, line, UNKNOWN)
            assert answer.status_code < 500, (person, line, answer.text)
            if is_let_in(answer):
                let_in.append(person)
    assert {line: " ".join(people) for line, people in found.items()} == {line: PAGES[line] for line in found}


def test_whoever_owes_a_second_factor_gets_nowhere_but_to_its_own_account(staffed: RunningHub) -> None:
    for person in ("olga", ADMINISTRATOR):
        browser = Browser(staffed).sign_in(person, with_factor=False)
        let_in = {line for line in PAGES if line not in DOOR and is_let_in(ask(browser, line, UNKNOWN))}
        assert let_in == set(OWN_ACCOUNT), person


def test_a_script_gets_where_its_owner_may_go_and_its_token_reaches(staffed: RunningHub) -> None:
    found: dict[str, list[str]] = {line: [] for line in SCRIPTS}
    for person in STAFF:
        Browser(staffed).sign_in(person)  # with the second factor that the role needs
        token = token_of(staffed, person, *(scope.value for scope in Scope))
        for line, let_in in found.items():
            if is_let_in(ask(Browser(staffed), line, UNKNOWN, {"Authorization": f"Bearer {token}"})):
                let_in.append(person)
    assert {line: " ".join(people) for line, people in found.items()} == SCRIPTS
    narrow = token_of(staffed, "olga", Scope.FIGURES_READ)
    refused = ask(Browser(staffed), "GET /v1/status", UNKNOWN, {"Authorization": f"Bearer {narrow}"})
    assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed")


def test_the_token_of_an_operator_who_owes_a_second_factor_opens_nothing(staffed: RunningHub) -> None:
    token = token_of(staffed, "olga", Scope.CONSOLE_READ)
    answer = ask(Browser(staffed), "GET /v1/status", UNKNOWN, {"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403


def test_a_form_of_another_site_is_refused_at_every_address(staffed: RunningHub) -> None:
    ada = Browser(staffed).sign_in(ADMINISTRATOR)
    for site in ("cross-site", "same-site", "none"):
        answers = {line: ask(ada, line, UNKNOWN, {"Sec-Fetch-Site": site}).json()["code"] for line in POSTS}
        assert answers == dict.fromkeys(POSTS, "cross-site"), site


def test_every_reply_carries_the_headers_whatever_it_is(staffed: RunningHub) -> None:
    ada = Browser(staffed).sign_in(ADMINISTRATOR)
    for line in EXPECTED:
        for accept in ("text/html", "application/json"):
            headers = ask(ada, line, UNKNOWN, {"Accept": accept}).headers
            policy = headers["content-security-policy"]
            assert "unsafe" not in policy, line
            assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy, line
            assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store"), line


def test_reading_any_address_writes_nothing(staffed: RunningHub) -> None:
    ada, olga = (Browser(staffed).sign_in(person) for person in (ADMINISTRATOR, "olga"))
    written: list[object] = []
    staffed.hub.database.after_write = written.append
    for line in (line for line in PAGES if line.startswith("GET ")):
        for browser in (ada, olga):
            assert ask(browser, line, UNKNOWN, {"Accept": "text/html"}).status_code < 500, line
    assert written == []
    ada.post("/language", {"language": "de"})
    assert written, "the watcher does hear what is written"


def test_no_form_sets_what_the_hub_sets(staffed: RunningHub) -> None:
    ada = Browser(staffed).sign_in(ADMINISTRATOR)
    for field in SET_HERE:
        assert ada.post("/account", {"name": "Ada", field: "1"}).status_code == 422
        assert ada.post("/accounts/nils", {"name": "Nils", "role": "analyst", field: "1"}).status_code == 422


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/accounts/nils", {"person_id": "olga", "name": "Nils", "role": "analyst"}),
        ("/accounts/nils/state", {"id": "olga", "state": "disabled"}),
    ],
)
def test_another_id_in_the_form_than_in_the_address_is_a_conflict(
    staffed: RunningHub, path: str, fields: dict[str, str]
) -> None:
    ada = Browser(staffed).sign_in(ADMINISTRATOR)
    answer = ada.post(path, fields, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (409, "address-conflict")


def test_what_is_somebody_elses_is_told_like_what_is_not_there(staffed: RunningHub) -> None:
    with staffed.hub.database.write() as session:
        _, token = site_of(staffed).door.script_tokens.make_token(
            session, "olga", "mine", ["console:read"], 1, staffed.clock()
        )
    nils = Browser(staffed).sign_in("nils")
    answers = [nils.post(f"/account/tokens/{number}/revoke", {}) for number in (token.id, token.id + 1000)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert len({re.sub(r'value="[^"]*revoke"', "", answer.text) for answer in answers}) == 1
