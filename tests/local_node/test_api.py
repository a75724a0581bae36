"""The addresses for scripts: a token and never a cookie; what opens nothing is told the same; the rest works."""

import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from local_node import verbs
from local_node.account_changes import AccountForm, account_changes
from local_node.agencies import AgencyForm, add_agency
from local_node.app import Node
from local_node.door import Scope, accounts, script_tokens
from local_node.entered_for import list_entered_for
from local_node.orm import ImportBatchRow
from shared_schema.statement import Audience, Kind
from tests.browsing import PASSWORD
from tests.hub_simulator import HubSimulator, MovableClock
from tests.local_node.browsing import Browser, give_account
from tests.local_node.test_trends import aggregate, cell

INBOX = "/api/v1/inbox"
ALL = [("GET", INBOX), ("GET", "/api/v1/figures"), ("POST", "/api/v1/returns"), ("POST", "/api/v1/sync")]
TABLE = "bias_incidents.by_offence"
CSV = "month,assault,arson\n2026-01,3,0\n2026-02,,2\n"
MAPPING = f"""kind = "returns"
measure = "bias_incidents"
table = "{TABLE}"
columns = {{ assault = "assault", arson = "arson" }}
"""


@dataclass
class Script:
    """A program without cookies, that shows a token."""

    node: Node
    token: str

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> httpx.Response:
        sent = {"Accept": "application/json", "Authorization": f"Bearer {self.token}"} | (headers or {})
        return Browser(self.node)._ask(method, path, sent, content=body)

    def hand_in(self, content: str, query: str = f"agency=youth-office&table={TABLE}") -> httpx.Response:
        return self.ask("POST", f"/api/v1/returns?{query}", {"Content-Type": "text/csv"}, content.encode())


def script(node: Node, person: str = "anna", scopes: list[str] | None = None, days: int = 90) -> Script:
    with node.database.read() as session:
        is_new = accounts.find_account(session, person) is None
    if is_new:
        give_account(node, person)
    with node.database.write() as session:
        wanted = [scope.value for scope in Scope] if scopes is None else scopes
        return Script(node, script_tokens.make_token(session, person, "test", wanted, days, node.clock())[0])


@pytest.fixture
def partner(member: Node) -> Script:
    """Paul of the youth office."""
    with member.database.write() as session:
        form = AgencyForm("Youth Office", ["youth"], ["deliver"])
        add_agency(session, "youth-office", form, by="anna", now=member.clock())
        paul = AccountForm("Paul", "partner", agency="youth-office")
        account_changes.invite_new(session, "paul", paul, by="anna", now=member.clock())
    return script(member, "paul")


# --- who is not let in ---------------------------------------------------------------------------------------------


def test_nothing_but_a_token_in_force_opens_anything_and_the_answers_are_the_same(
    node: Node, clock: MovableClock
) -> None:
    good, revoked, disabled, expired = (script(node), script(node), script(node, "ben"), script(node, days=1))
    with node.database.write() as session:
        newest = script_tokens.list_tokens(session, "anna")
        script_tokens.revoke_token(session, "anna", newest[1].id, clock())
    verbs.run(node, "account.disable", {"id": "ben"})
    clock.advance(days=1)
    headers: list[dict[str, str]] = [
        {"Authorization": value}
        for value in (
            "",
            "Bearer",
            "Bearer ",
            f"Basic {good.token}",
            good.token,
            f"Bearer {good.token}x",
            "Bearer pxn_" + "x" * 43,
            "Bearer " + "x" * 8000,
            f"Bearer {revoked.token}",
            f"Bearer {disabled.token}",
            f"Bearer {expired.token}",
        )
    ]
    bodies = set()
    for sent in headers:
        for method, path in ALL if sent is headers[0] else ALL[:1]:
            answer = good.ask(method, path, sent)
            assert answer.status_code == 401, sent
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.headers["content-type"] == "application/problem+json"
            bodies.add(answer.text)
    assert len(bodies) == 1
    assert good.ask("GET", INBOX).status_code == 200


def test_a_cookie_opens_no_address_for_scripts_and_a_token_no_page(node: Node) -> None:
    browser = Browser(node).sign_in("anna", administrates=True)
    for method, path in ALL:
        answer = browser.get(path, method=method, headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"  # a page never
    for path in ("/", "/account", "/accounts"):
        assert script(node).ask("GET", path).status_code == 401


def test_a_token_opens_its_scope_alone(member: Node) -> None:
    opens = {INBOX: "inbox:read", "/api/v1/figures": "figures:read", "/api/v1/sync": "sync"}
    for scope in opens.values():
        shown = script(member, scopes=[scope])
        for method, path in ALL:
            status = shown.ask(method, path).status_code
            assert status == (200 if opens.get(path) == scope else 403), (scope, path)


def test_a_token_never_opens_more_than_its_owner_may_do_now(member: Node, partner: Script) -> None:
    assert partner.ask("POST", "/api/v1/sync").status_code == 403  # a partner may not, whatever the token says
    assert partner.ask("GET", INBOX).status_code == 200
    anna = script(member)
    assert anna.ask("POST", "/api/v1/sync").status_code == 200
    with member.database.write() as session:
        account = accounts.get_account(session, "anna")
        form = AccountForm("Anna", "reader")
        account_changes.change(session, "anna", form, account_changes.seen(account), by="ben", now=member.clock())
    assert anna.ask("POST", "/api/v1/sync").status_code == 403
    assert anna.hand_in(CSV).status_code == 403


def test_a_token_of_somebody_who_owes_a_second_factor_waits(node: Node) -> None:
    olga = Browser(node).sign_in("anna", administrates=True)
    shown = script(node)
    olga.post("/sign-in-rule", {"rule": "everybody"})
    assert shown.ask("GET", INBOX).status_code == 403


def test_an_address_that_is_not_there_is_a_problem_document(node: Node) -> None:
    answer = script(node).ask("GET", "/api/v1/nothing", {"Accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert script(node).ask("PUT", INBOX).status_code == 405


# --- returns -------------------------------------------------------------------------------------------------------


def test_a_partner_hands_in_its_own_agencys_returns_alone(member: Node, partner: Script) -> None:
    for other in ("police", "nobody", ""):
        answer = partner.hand_in(CSV, f"agency={other}&table={TABLE}")
        assert answer.status_code in (404, 422)
    stored = partner.hand_in(CSV)
    assert (stored.status_code, stored.json()["added"]) == (201, 4)
    again = partner.hand_in(CSV)
    assert (again.status_code, again.json()["unchanged"]) == (200, 4)


def test_a_return_that_is_wrong_stores_nothing(partner: Script) -> None:
    for content, status in (
        ("", 422),
        ("month,assault\n2026-01,3\n", 422),
        ("month,assault,arson\n2026-01,three,0\n", 422),
        ("month,assault,arson\n2026-01,=1+1,0\n", 422),
        ("month,assault,arson\n2031-01,1,0\n", 422),
        ("x" * 6_000_000, 413),
    ):
        answer = partner.hand_in(content)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.content) < 2048
    assert partner.hand_in(CSV).json()["added"] == 4


def test_a_body_that_is_none_of_ours_is_a_problem(partner: Script) -> None:
    path = f"/api/v1/returns?agency=youth-office&table={TABLE}"
    for kind, body, status in (
        ("application/json", b"{", 400),
        ("application/json", b"[" * 100_000, 400),
        ("application/json", b"[]", 422),
        ("application/json", b'{"agency": "youth-office"}', 422),
        ("application/json", b'{"agency": "youth-office", "csv": 7, "mapping": ""}', 422),
        ("application/json", b'{"agency": "youth-office", "csv": "", "mapping": "", "by": "anna"}', 422),
        ("application/json", b'{"agency": "youth-office", "csv": "\\ud800", "mapping": "\\ud800"}', 422),
        ("application/xml", b"<x/>", 415),
        ("text/csv", b"\xff\xfe", 400),
    ):
        assert partner.ask("POST", path, {"Content-Type": kind}, body).status_code == status, body[:80]


def test_a_file_comes_with_the_mapping_that_the_command_line_takes(member: Node, partner: Script) -> None:
    sent: dict[str, Any] = {"agency": "youth-office", "csv": CSV, "mapping": MAPPING}
    json_of = {"Content-Type": "application/json"}
    other = json.dumps(sent | {"agency": "police"}).encode()
    assert partner.ask("POST", "/api/v1/returns", json_of, other).status_code == 404
    stored = partner.ask("POST", "/api/v1/returns", json_of, json.dumps(sent).encode())
    assert (stored.status_code, stored.json()["added"]) == (201, 4)
    changed = json.dumps(sent | {"csv": CSV.replace("3,0", "4,0"), "correction": False, "periods": []}).encode()
    assert partner.ask("POST", "/api/v1/returns", json_of, changed).json()["replaced"] == 1


def test_what_a_coordinators_script_hands_in_for_an_agency_waits_for_the_agencys_word(
    member: Node, partner: Script
) -> None:
    assert partner.hand_in(CSV).status_code == 201
    with member.database.read() as session:
        assert list_entered_for(session) == (), "its own figures"
    assert script(member).hand_in(CSV.replace("3,0", "4,0")).json()["replaced"] == 1
    with member.database.read() as session:
        (waiting,) = list_entered_for(session, "youth-office")
    assert (waiting.by, waiting.state) == ("anna", "to_confirm")
    assert "Somebody has entered figures for you" in Browser(member).sign_in("paul").page("/returns")


@pytest.mark.parametrize("more", ["status=A", "by=ben", "now=2020-01-01", "region=DE", "period=2026-01"])
def test_nothing_more_can_be_said_in_the_address(member: Node, more: str) -> None:
    """CHECKS D47: fields that would set region, status or time."""
    query = f"agency=youth-office&table={TABLE}&{more}"
    answer = script(member).hand_in(CSV, query)
    assert (answer.status_code, answer.json()["code"]) == (422, "schema")
    in_json = script(member).ask("POST", f"/api/v1/returns?{more}", {"Content-Type": "application/json"}, b"{}")
    assert in_json.status_code == 422
    with member.database.read() as session:
        assert session.scalar(select(func.count()).select_from(ImportBatchRow)) == 0


def test_another_agency_in_the_address_than_in_the_body_is_a_conflict(partner: Script) -> None:
    """CHECKS D45."""
    sent = json.dumps({"agency": "youth-office", "csv": CSV, "mapping": MAPPING}).encode()
    answer = partner.ask("POST", "/api/v1/returns?agency=police", {"Content-Type": "application/json"}, sent)
    assert (answer.status_code, answer.json()["code"]) == (409, "address-conflict")


def test_a_coordinator_hands_in_for_an_agency_under_their_own_name(member: Node) -> None:
    assert script(member).hand_in(CSV).status_code == 201
    with member.database.read() as session:
        from sqlalchemy import text

        assert session.execute(text("SELECT imported_by, agency FROM import_batches")).all() == [
            ("anna", "youth-office")
        ]


# --- reading -------------------------------------------------------------------------------------------------------


def test_lessons_come_a_page_at_a_time_and_figures_apart(member: Node, hub: HubSimulator) -> None:
    city = hub.city("dresden.sn.de")
    for number in range(3):
        hub.log(city.practice(f"Practice {number}"))
    body = aggregate("2026-01", cell("assault", 40), cell("arson", None, status="Q"))
    hub.log(hub.author.sign(Kind.AGGREGATE, body, Audience.REGION))
    hub.log(hub.city("koeln.nw.de", enrolled=False).practice("Nobody vouches for this"))
    reader = script(member)
    assert reader.ask("POST", "/api/v1/sync").status_code == 200
    first = reader.ask("GET", f"{INBOX}?limit=2").json()
    assert [item["title"] for item in first["items"]] == ["Practice 2", "Practice 1"]
    assert first["items"][0]["body"]["title"] == "Practice 2"
    second = reader.ask("GET", f"{INBOX}?limit=2&page={first['next_page']}").json()
    assert ([item["title"] for item in second["items"]], second["next_page"]) == (["Practice 0"], None)
    figures = reader.ask("GET", "/api/v1/figures").json()["items"]
    assert [figure["kind"] for figure in figures] == ["aggregate"]
    assert reader.ask("GET", f"{INBOX}?kind=question").json()["items"] == []


def test_a_page_that_cannot_be_is_refused(node: Node) -> None:
    reader = script(node)
    for query in ("page=0", "page=-1", "page=١٢", "limit=1000000000", "limit=201", "kind=rumour"):
        answer = reader.ask("GET", f"{INBOX}?{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "bad-parameter"), query


# --- the page where they are made ----------------------------------------------------------------------------------


def test_a_token_is_made_once_shown_once_and_revoked_at_once(node: Node) -> None:
    browser = Browser(node).sign_in("anna")
    form: dict[str, str | list[str]] = {
        "label": "nightly <b>",
        "scopes": ["inbox:read"],
        "days": "30",
        "newest": "",
        "current": PASSWORD,
    }
    wrong: list[dict[str, str | list[str]]] = [{"current": "x"}, {"days": "366"}, {"days": "x"}, {"label": ""}]
    wrong += [{"scopes": []}, {"scopes": ["all"]}]
    for changes in wrong:
        assert browser.post("/account/tokens", form | changes).status_code == 422
    shown = browser.post("/account/tokens", form).text
    assert browser.post("/account/tokens", form).status_code == 409  # the same form a second time
    token = shown.split("<code>")[1].split("</code>")[0]
    page = browser.page("/account/tokens")
    assert token not in page
    assert "nightly &lt;b&gt;" in page
    assert Script(node, token).ask("GET", INBOX).status_code == 200
    other = Browser(node).sign_in("ben")
    assert other.post("/account/tokens/1/revoke").status_code == 404
    assert other.post("/account/tokens/999/revoke").status_code == 404
    assert browser.post("/account/tokens/1/revoke").status_code == 303
    assert Script(node, token).ask("GET", INBOX).status_code == 401


def test_nobody_is_offered_a_scope_beyond_their_role(node: Node) -> None:
    ben = Browser(node).sign_in("ben")  # a reviewer does not hand in returns
    assert "hand in returns" not in ben.page("/account/tokens")
    form: dict[str, str | list[str]] = {"label": "x", "scopes": ["returns:write"], "days": "9", "current": PASSWORD}
    assert ben.post("/account/tokens", form).status_code == 422
