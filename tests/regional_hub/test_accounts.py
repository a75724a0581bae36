"""The hub's accounts from the console of the machine and on the page, and who acts in the audit log."""

import pytest
from sqlalchemy import select

from regional_hub import audit, verbs
from regional_hub.orm import AccountRow, AuditRow, SecondFactorRow, SessionRow
from shared_schema.service.control import VerbError
from tests.browsing import PASSWORD
from tests.regional_hub.browsing import Browser, give_account
from tests.regional_hub.running import RunningHub

OTHER = "green kettles walk uphill"


def refused(code: str) -> "pytest.RaisesExc[VerbError]":
    return pytest.RaisesExc(VerbError, check=lambda error: error.code == code)


def trail(hub: RunningHub) -> list[tuple[str, str, str]]:
    """Who did what to whom."""
    with hub.hub.database.read() as session:
        rows = session.scalars(select(AuditRow).order_by(AuditRow.seq))
        return [(row.actor, row.action, row.subject) for row in rows]


def test_an_account_is_made_with_a_role_and_gets_a_password(hub: RunningHub) -> None:
    made = hub.verb("account.add", id="olga", role="operator", name="Olga Lind", administrates=True)
    assert made == {
        "id": "olga",
        "name": "Olga Lind",
        "roles": ["administrator", "operator"],
        "state": "no password",
    }
    assert hub.verb("account.set", id="olga", password=PASSWORD)["state"] == "in use"
    assert ("operator", "account.made", "olga/operator") in trail(hub)
    with hub.hub.database.read() as session:
        assert audit.verify(session)
        assert PASSWORD not in (session.get_one(AccountRow, "olga").password_hash or "")


@pytest.mark.parametrize(
    "person", ["", "Olga", "olga lind", "leipzig.sn.de", "operator", "program", "hub", "nobody", "x" * 41, "ölga", "-a"]
)
def test_an_id_that_could_be_taken_for_somebody_else_is_refused(region: RunningHub, person: str) -> None:
    with refused("person"):
        region.verb("account.add", id=person, role="analyst")
    assert region.verb("account.list") == {"accounts": []}


@pytest.mark.parametrize("role", ["", "administrator", "Operator", "coordinator"])
def test_a_role_that_the_hub_does_not_have_is_refused(region: RunningHub, role: str) -> None:
    with refused("role-unknown"):
        region.verb("account.add", id="olga", role=role)
    with refused("role-unknown"):
        region.verb("account.invite", id="olga", role=role)


def test_an_id_is_given_once(region: RunningHub) -> None:
    region.verb("account.add", id="olga", role="operator")
    with refused("person-known"):
        region.verb("account.invite", id="olga", role="analyst")
    assert region.verb("account.list")["accounts"][0]["roles"] == ["operator"]


@pytest.mark.parametrize(
    "verb", ["account.set", "account.invite", "account.disable", "account.enable", "account.reset"]
)
def test_nobody_is_changed_who_is_not_there(region: RunningHub, verb: str) -> None:
    with refused("account-unknown"):
        region.verb(verb, id="nobody-here", password=PASSWORD)


@pytest.mark.parametrize("password", ["", "short", "olga olga olga", "password123!", "x" * 129])
def test_a_password_that_is_easily_guessed_is_refused(region: RunningHub, password: str) -> None:
    region.verb("account.add", id="olga", role="operator")
    with refused("schema"):
        region.verb("account.set", id="olga", password=password)
    assert region.verb("account.list")["accounts"][0]["state"] == "no password"


def test_a_disabled_account_is_out_at_once_and_comes_back_with_its_password(region: RunningHub) -> None:
    browser = Browser(region).sign_in("nils")
    assert region.verb("account.disable", id="nils")["state"] == "disabled"
    assert browser.get("/").status_code == 303
    with refused("account-disabled"):
        region.verb("account.reset", id="nils")
    assert region.verb("account.enable", id="nils")["state"] == "in use"
    assert browser.get("/").status_code == 303, "the session does not come back"


def test_the_only_administrator_can_be_reset_from_the_console_alone(region: RunningHub) -> None:
    ada = Browser(region).sign_in("ada")
    page = ada.post("/accounts/ada/reset", {})
    assert (page.status_code, "Nobody could manage accounts here" in page.text) == (409, True)
    link = region.verb("account.reset", id="ada")
    assert ada.get("/").status_code == 303
    with region.hub.database.read() as session:
        assert session.get(SecondFactorRow, "ada") is None
        assert session.scalars(select(SessionRow)).all() == []
    path = str(link["link"]).removeprefix(region.url)
    assert Browser(region).post(path, {"password": OTHER, "again": OTHER}).status_code == 303


# --- who acts -------------------------------------------------------------------------------------------------------


def test_the_audit_trail_names_the_person_of_a_page_and_else_the_console(region: RunningHub) -> None:
    region.verb("enrol.code", name="leipzig.sn.de")
    region.verb("enrol.code", name="dresden.sn.de", by="olga")
    codes = [line for line in trail(region) if line[1] == "enrolment-code-made"]
    assert [(actor, subject) for actor, _, subject in codes] == [
        ("operator", "leipzig.sn.de"),
        ("olga", "dresden.sn.de"),
    ]


@pytest.mark.parametrize("by", ["", "Olga Lind", "leipzig.sn.de", "x" * 41, 7, None, ["olga"]])
def test_who_acts_is_an_id_or_nothing_is_done(region: RunningHub, by: object) -> None:
    before = trail(region)
    with refused("bad-parameter"):
        verbs.run(region.hub, "enrol.code", {"name": "leipzig.sn.de", "by": by})
    assert trail(region) == before


# --- the accounts page ----------------------------------------------------------------------------------------------


def seen_in(page: str) -> str:
    return page.partition('name="seen" value="')[2].partition('"')[0]


def test_an_administrator_invites_changes_and_keeps_out(region: RunningHub) -> None:
    ada = Browser(region).sign_in("ada")
    page = ada.post("/invite", {"id": "olga", "name": "Olga Lind", "role": "operator", "email": "olga@hub.example"})
    assert "/welcome/" in page.text and "olga" in ada.page("/accounts")
    shown = ada.page("/accounts/olga")
    changed = {"name": "Olga Lind", "role": "auditor", "seen": seen_in(shown)}
    assert ada.post("/accounts/olga", changed).status_code == 303
    assert ada.post("/accounts/olga", changed).status_code == 409, "a form that is sent twice came too late"
    assert ada.post("/accounts/olga/state", {"state": "disabled"}).status_code == 303
    assert region.verb("account.list")["accounts"][1]["state"] == "disabled"
    assert [line for line in trail(region) if line[0] == "ada"][-1] == ("ada", "account.disabled", "olga")


def test_a_change_of_role_ends_the_session(region: RunningHub) -> None:
    ada, nils = Browser(region).sign_in("ada"), Browser(region).sign_in("nils")
    form = {"name": "Nils", "role": "auditor", "seen": seen_in(ada.page("/accounts/nils"))}
    assert ada.post("/accounts/nils", form).status_code == 303
    assert nils.get("/").status_code == 303


def test_whoever_administrates_without_being_operator_runs_nothing(region: RunningHub) -> None:
    give_account(region, "carla", "auditor", administrates=True)
    carla = Browser(region).sign_in("carla")
    assert carla.get("/accounts").status_code == 200
    for role in ("operator", "analyst"):
        assert carla.post("/invite", {"id": f"new-{role}", "name": "New", "role": role}).status_code == 200
