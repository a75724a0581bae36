"""Agencies and accounts in the browser: stale forms, two people at once, and the last administrator."""

import re
from collections.abc import Iterator

import pytest

from local_node import agencies, audit
from local_node.app import Node
from local_node.door import accounts
from local_node.review import Role
from tests.browsing import PASSWORD
from tests.factories import add_returns, make_returns_file
from tests.local_node.browsing import Browser, give_account

Typed = dict[str, str | list[str]]
YOUTH: Typed = {
    "name": "Youth Office",
    "kinds": ["youth", "social"],
    "roles": ["deliver"],
    "contact-0-name": "Vera",
}
CARLA: Typed = {"id": "carla", "name": "Carla", "role": "coordinator"}


@pytest.fixture
def anna(node: Node) -> Browser:
    """Coordinator and administrator, as in a one-person city."""
    return Browser(node).sign_in("anna", administrates=True)


def seen_in(page: str) -> str:
    return str(re.findall(r'name="seen" value="([0-9a-f]{64})"', page)[0])


def actions(node: Node) -> list[str]:
    with node.database.read() as session:
        return [event.action for event in audit.list_events(session)]


def link_in(text: str) -> str:
    found = re.search(r"<code>http://127\.0\.0\.1:8600(/welcome/[\w-]{43})</code>", text)
    assert found, text
    return found[1]


# --- agencies ------------------------------------------------------------------------------------------------------


def test_a_form_that_is_wrong_says_where_and_shows_what_was_typed(anna: Browser, node: Node) -> None:
    wrong: dict[str, tuple[Typed, str]] = {
        "name": ({"name": " "}, "give the agency a name"),
        "kinds": ({"kinds": []}, "one thing that the agency is"),
        "roles": ({"roles": ["boss"]}, "one thing that the agency does"),
        "contacts": ({"contact-1-email": "no address"}, "Look at the contacts"),
        "id": ({"id": "Ä/.."}, "small letters"),
    }
    for field, (changes, says) in wrong.items():
        answer = anna.post("/agencies", YOUTH | changes)
        assert answer.status_code == 422
        assert says in answer.text
        assert f'href="#{field}"' in answer.text
        assert 'value="Vera"' in answer.text
    with node.database.read() as session:
        assert agencies.list_agencies(session) == ()


def test_an_agency_is_added_once_however_often_the_form_is_sent(anna: Browser, node: Node) -> None:
    assert anna.post("/agencies", YOUTH).headers["location"] == "/agencies/youth-office?done=agency-saved"
    assert anna.post("/agencies", YOUTH).status_code == 409
    with node.database.read() as session:
        assert len(agencies.list_agencies(session)) == 1


def test_two_tabs_do_not_overwrite_each_other(anna: Browser, node: Node) -> None:
    anna.post("/agencies", YOUTH)
    seen = seen_in(anna.page("/agencies/youth-office/edit"))
    assert anna.post("/agencies/youth-office/edit", YOUTH | {"name": "First", "seen": seen}).status_code == 303
    second = anna.post("/agencies/youth-office/edit", YOUTH | {"name": "Second", "seen": seen})
    assert second.status_code == 409
    assert "<dd>First</dd>" in second.text  # as it stands now
    assert 'value="Second"' in second.text  # and what was typed
    again = anna.post("/agencies/youth-office/edit", YOUTH | {"name": "Second", "seen": seen_in(second.text)})
    assert "Second" in anna.follow(again)


def test_an_agency_that_ended_is_there_and_says_so(anna: Browser, node: Node) -> None:
    anna.post("/agencies", YOUTH)
    give_account(node, "ben")
    page = anna.page("/agencies/youth-office")
    stale = seen_in(page)
    ended = anna.post("/agencies/youth-office/state", {"state": "ended", "seen": stale})
    assert "takes part no more" in anna.follow(ended)
    assert "Vera" in anna.page("/agencies/youth-office")
    late = {"state": "resumed", "seen": stale}
    assert anna.post("/agencies/youth-office/state", late).status_code == 409
    told = anna.post("/agencies/youth-office/state", late, headers={"Accept": "application/json"})
    assert (told.status_code, told.json()["code"]) == (409, "stale")
    assert anna.post("/agencies/youth-office/state", {"state": "sold", "seen": stale}).status_code == 422
    back = seen_in(anna.page("/agencies/youth-office"))
    assert "again" in anna.follow(anna.post("/agencies/youth-office/state", {"state": "resumed", "seen": back}))


@pytest.mark.parametrize("path", ["/agencies/nobody", "/agencies/nobody/edit", "/agencies/%00"])
def test_an_agency_that_is_not_here_is_a_page_that_is_not_here(anna: Browser, path: str) -> None:
    assert anna.get(path).status_code == 404


def test_what_is_typed_is_text_and_never_markup(anna: Browser) -> None:
    attack = "<script>alert(1)</script>{{ 7*7 }}"
    assert anna.post("/agencies", YOUTH | {"name": attack, "id": "x", "contact-0-name": attack}).status_code == 303
    for path in ("/agencies", "/agencies/x", "/agencies/x/edit", "/invite"):
        page = anna.page(path)
        assert "<script" not in page
        assert "49" not in re.sub(r"[0-9a-f]{32,}", "", page)


def test_the_page_of_an_agency_says_who_signs_in_for_it(anna: Browser) -> None:
    anna.post("/agencies", YOUTH)
    assert "Nobody yet" in anna.page("/agencies/youth-office")
    anna.post("/invite", {"id": "paul", "name": "Paul P.", "role": "partner", "agency": "youth-office"})
    assert "Paul P." in anna.page("/agencies/youth-office")
    assert "1 account" in anna.page("/agencies")


def test_agencies_whose_figures_are_here_already_are_offered_under_their_ids(anna: Browser, node: Node) -> None:
    with node.database.write() as session:
        add_returns(session, make_returns_file(m2026_01=[1] * 6), agency="police")
    assert 'href="/agencies/new?id=police"' in anna.page("/agencies")
    assert 'value="police"' in anna.page("/agencies/new?id=police")
    anna.post("/agencies", YOUTH | {"id": "police"})
    assert "?id=police" not in anna.page("/agencies")


# --- accounts ------------------------------------------------------------------------------------------------------


def test_an_invitation_leads_from_the_list_to_a_first_sign_in(anna: Browser, node: Node) -> None:
    shown = anna.post("/invite", CARLA | {"administrates": "1", "email": "carla@city.example"})
    link, carla = link_in(shown.text), Browser(node)
    assert "has a link" in anna.page("/accounts")
    assert link not in anna.page("/accounts") + anna.page("/accounts/carla")
    assert carla.post(link, {"password": PASSWORD, "again": PASSWORD}).status_code == 303
    assert carla.post("/sign-in", {"person": "carla", "password": PASSWORD}).status_code == 303
    assert "Accounts" in carla.page("/accounts")
    assert actions(node)[0] == "session.began"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"id": ""}, 422),
        ({"id": "anna"}, 422),
        ({"id": "carla b"}, 422),
        ({"role": "boss"}, 422),
        ({"role": "partner"}, 422),
        ({"agency": "nobody"}, 422),
        ({"name": ""}, 422),
        ({"email": "x"}, 422),
    ],
)
def test_an_invitation_that_is_wrong_adds_nobody(anna: Browser, node: Node, changes: Typed, status: int) -> None:
    answer = anna.post("/invite", CARLA | changes)
    assert answer.status_code == status
    assert 'value="Carla"' in answer.text or not changes.get("name", "x")
    with node.database.read() as session:
        assert [account.person_id for account in accounts.list_accounts(session)] == ["anna"]


def test_the_last_administrator_cannot_lock_everybody_out(anna: Browser) -> None:
    seen = seen_in(anna.page("/accounts/anna"))
    lost = anna.post("/accounts/anna", {"name": "Anna", "role": "coordinator", "seen": seen})
    assert (lost.status_code, "Nobody could manage accounts here" in lost.text) == (409, True)
    assert anna.post("/accounts/anna/state", {"state": "disabled"}).status_code == 409
    assert anna.post("/accounts/anna/reset").status_code == 409
    assert anna.get("/accounts").status_code == 200


def test_a_change_of_role_ends_the_session_and_a_stale_form_changes_nothing(anna: Browser, node: Node) -> None:
    ben = Browser(node).sign_in("ben")
    seen = seen_in(anna.page("/accounts/ben"))
    assert anna.post("/accounts/ben", {"name": "ben", "role": "reader", "seen": seen}).status_code == 303
    assert ben.get("/").status_code == 303
    stale = anna.post("/accounts/ben", {"name": "ben", "role": "coordinator", "seen": seen})
    assert (stale.status_code, "As it stands now" in stale.text) == (409, True)
    with node.database.read() as session:
        assert accounts.get_account(session, "ben").role is Role.READER


def test_somebody_is_kept_out_at_once_and_let_in_again(anna: Browser, node: Node) -> None:
    ben = Browser(node).sign_in("ben")
    for _ in range(2):
        assert anna.post("/accounts/ben/state", {"state": "disabled"}).status_code == 303
    assert ben.get("/").status_code == 303
    assert ben.post("/sign-in", {"person": "ben", "password": PASSWORD}).status_code == 403
    assert anna.post("/accounts/ben/link").status_code == 422
    anna.post("/accounts/ben/state", {"state": "enabled"})
    assert ben.post("/sign-in", {"person": "ben", "password": PASSWORD}).status_code == 303


def test_a_reset_gives_a_link_and_takes_the_password(anna: Browser, node: Node) -> None:
    give_account(node, "ben")
    link = link_in(anna.post("/accounts/ben/reset").text)
    ben = Browser(node)
    assert ben.post("/sign-in", {"person": "ben", "password": PASSWORD}).status_code == 403
    assert ben.get(link).status_code == 200
    newer = link_in(anna.post("/accounts/ben/link").text)
    assert (ben.get(link).status_code, ben.get(newer).status_code) == (410, 200)


def test_somebody_of_the_console_is_listed_and_gets_a_link(anna: Browser) -> None:
    assert "no account yet" in anna.page("/accounts")
    assert "Give this person an account" in anna.page("/accounts/ben")
    link_in(anna.post("/accounts/ben/link").text)
    assert anna.post("/accounts/nobody/link").status_code == 404
    assert anna.get("/accounts/nobody").status_code == 404


def test_the_rule_about_second_factors_is_one_of_three(anna: Browser, node: Node) -> None:
    assert anna.post("/sign-in-rule", {"rule": "whoever"}).status_code == 422
    assert anna.post("/sign-in-rule", {"rule": "deciders"}).status_code == 303
    assert actions(node)[0] == "second-factor.rule-changed"


@pytest.fixture(autouse=True)
def _nothing_secret_is_in_the_audit_log(node: Node) -> Iterator[None]:
    yield
    with node.database.read() as session:
        log = repr(audit.list_events(session))
        audit.verify(session)
    for private in ("Carla", "carla@city.example", "Vera", PASSWORD):
        assert private not in log
