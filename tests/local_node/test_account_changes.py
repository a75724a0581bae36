"""What an administrator may do with accounts, and what nobody may: lock everybody out."""

from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from local_node import audit
from local_node.account_changes import AccountForm, account_changes
from local_node.agencies import AgencyForm, add_agency, end_agency, get_agency, resume_agency
from local_node.door import Account, accounts, invitations, script_tokens, second_factor, second_steps, sessions
from local_node.people import add_person, roles_at_work
from local_node.review import Role
from shared_schema.errors import ProgramError
from shared_schema.service.accounts.one_time_codes import code_at
from shared_schema.service.database import Database
from tests.factories import NOW, add_people

PASSWORD = "late trains sing softly"


@pytest.fixture
def people(node_database: Database) -> Database:
    """Anna coordinates and administrates, bert reviews, paula has no account yet; there is a youth office."""
    with node_database.write() as session:
        add_people(session)
        add_agency(session, "youth-office", AgencyForm("Youth Office", ["youth"], ["deliver"]), by="anna", now=NOW)
        for person in ("anna", "bert"):
            accounts.make_account(session, person, person.title(), by="anna", now=NOW, administrates=person == "anna")
            accounts.set_password(session, person, PASSWORD, by="anna", now=NOW)
    return node_database


def change(session: Session, person: str, **changes: object) -> Account:
    account = accounts.get_account(session, person)
    form = replace(account_changes.form_of(account), **changes)  # type: ignore[arg-type]
    return account_changes.change(session, person, form, account_changes.seen(account), by="anna", now=NOW)


def signed_in(session: Session, person: str) -> str:
    return sessions.begin(session, accounts.get_account(session, person), "Firefox", NOW)


def refused(code: str) -> "pytest.RaisesExc[ProgramError]":
    return pytest.RaisesExc(ProgramError, check=lambda error: error.code == code)


@pytest.mark.parametrize(
    "changes",
    [
        {"role": "reader", "administrates": False},
        {"administrates": False},
        {"role": "reviewer", "administrates": False},
    ],
)
def test_the_last_administrator_stays_one(people: Database, changes: dict[str, object]) -> None:
    with refused("last-administrator"), people.write() as session:
        change(session, "anna", **changes)
    with refused("last-administrator"), people.write() as session:
        account_changes.disable(session, "anna", by="anna", now=NOW)
    with refused("last-administrator"), people.write() as session:
        account_changes.reset(session, "anna", by="anna", now=NOW)
    with people.read() as session:
        assert Role.ADMINISTRATOR in accounts.get_account(session, "anna").roles
        assert accounts.check_credentials(session, "anna", PASSWORD)


def test_an_administrator_without_a_password_does_not_count_as_one(people: Database) -> None:
    with people.write() as session:
        account_changes.invite_new(session, "new", AccountForm("New", "administrator"), by="anna", now=NOW)
    with refused("last-administrator"), people.write() as session:
        account_changes.disable(session, "anna", by="new", now=NOW)


def test_the_console_resets_even_the_only_administrator(people: Database) -> None:
    with people.write() as session:
        token, _ = account_changes.reset(session, "anna", by="local-node", now=NOW, from_console=True)
        assert accounts.check_credentials(session, "anna", PASSWORD) is None
        assert invitations.find_invited(session, token, NOW) == "anna"


def test_accounts_are_managed_where_nobody_administrates_yet(people: Database) -> None:
    with people.write() as session:
        change(session, "bert", role="administrator")
        change(session, "anna", administrates=False)
        account_changes.disable(session, "anna", by="local-node", now=NOW)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "\u0007"}, "name"),
        ({"role": "boss"}, "role-unknown"),
        ({"role": "partner"}, "account-agency"),
        ({"agency": "nobody"}, "account-agency"),
        ({"email": "anna@city"}, "account-email"),
        ({"email": "a@city.example\nBcc: b@city.example"}, "account-email"),
        ({"email": "x" * 130 + "@city.example"}, "account-email"),
    ],
)
def test_a_form_that_is_wrong_changes_nothing(people: Database, changes: dict[str, object], code: str) -> None:
    with refused(code), people.write() as session:
        change(session, "bert", **changes)
    with people.read() as session:
        assert account_changes.form_of(accounts.get_account(session, "bert")) == AccountForm("Bert", "reviewer")


def test_of_two_administrators_who_change_an_account_at_once_the_second_is_told(people: Database) -> None:
    with people.write() as session:
        before = accounts.get_account(session, "bert")
        change(session, "bert", role="coordinator")
        with refused("account-changed"):
            account_changes.change(
                session, "bert", account_changes.form_of(before), account_changes.seen(before), by="anna", now=NOW
            )


def test_a_change_of_role_ends_the_sessions_of_that_account_alone(people: Database) -> None:
    with people.write() as session:
        anna, bert = signed_in(session, "anna"), signed_in(session, "bert")
        half_way = second_steps.begin(session, "bert", NOW)
        change(session, "bert", name="Bertold", email="bert@city.example")
        assert sessions.find_session(session, bert, NOW)  # a name is no right
        change(session, "bert", role="coordinator")
        assert sessions.find_session(session, bert, NOW) is None
        assert sessions.find_session(session, anna, NOW)
        assert second_steps.find(session, half_way, NOW) is None
        log = [(event.action, event.subject) for event in audit.list_events(session, limit=2)]
    assert log == [("account.role-changed", "bert/coordinator"), ("account.changed", "bert")]


def test_another_agency_ends_the_sessions_as_well(people: Database) -> None:
    with people.write() as session:
        bert = signed_in(session, "bert")
        change(session, "bert", role="partner", agency="youth-office")
        assert sessions.find_session(session, bert, NOW) is None


def test_a_partner_keeps_an_agency_that_has_ended_but_nobody_gets_it_anew(people: Database) -> None:
    with people.write() as session:
        change(session, "bert", role="partner", agency="youth-office")
        end_agency(session, "youth-office", get_agency(session, "youth-office").seen, by="anna", now=NOW)
        change(session, "bert", name="Bertold")
        with refused("account-agency"):
            change(session, "anna", agency="youth-office")


def test_nobody_becomes_a_partner_of_an_agency_that_takes_part_no_more(people: Database) -> None:
    with people.write() as session:
        change(session, "bert", role="coordinator", agency="youth-office")
        agency = get_agency(session, "youth-office")
        account_changes.end_agency(session, "youth-office", agency.seen, by="anna", now=NOW)
        assert not accounts.get_account(session, "bert").is_disabled
        change(session, "bert", name="Bertold")
        with refused("account-agency"):
            change(session, "bert", role="partner")


def test_nobody_of_an_agency_that_takes_part_no_more_gets_in(people: Database) -> None:
    with people.write() as session:
        change(session, "bert", role="partner", agency="youth-office")
        bert, anna = signed_in(session, "bert"), signed_in(session, "anna")
        agency = get_agency(session, "youth-office")
        with refused("agency-changed"):
            account_changes.end_agency(session, "youth-office", "older", by="anna", now=NOW)
        assert sessions.find_session(session, bert, NOW)
        assert account_changes.end_agency(session, "youth-office", agency.seen, by="anna", now=NOW) == 1
        assert sessions.find_session(session, bert, NOW) is None
        assert sessions.find_session(session, anna, NOW)
        with refused("account-agency-ended"):
            account_changes.enable(session, "bert", by="anna", now=NOW)
        ended = get_agency(session, "youth-office")
        assert account_changes.end_agency(session, "youth-office", ended.seen, by="anna", now=NOW) == 0
        resume_agency(session, "youth-office", ended.seen, by="anna", now=NOW)
        assert accounts.get_account(session, "bert").is_disabled  # a second step, by an administrator
        account_changes.enable(session, "bert", by="anna", now=NOW)
        assert accounts.check_credentials(session, "bert", PASSWORD)


def test_an_agency_of_the_last_administrator_goes_on(people: Database) -> None:
    with people.write() as session:
        change(session, "bert", role="partner", agency="youth-office", administrates=True)
        change(session, "anna", administrates=False, role="coordinator")
    for by, code in (("anna", "agency-administers"), ("bert", "last-administrator")):
        with refused(code), people.write() as session:
            agency = get_agency(session, "youth-office")
            account_changes.end_agency(session, "youth-office", agency.seen, by=by, now=NOW)
    with people.read() as session:
        assert get_agency(session, "youth-office").ended_at is None


def test_a_disabled_account_is_dead_at_once_and_in_every_way(people: Database) -> None:
    with people.write() as session:
        bert = signed_in(session, "bert")
        token, _ = script_tokens.make_token(session, "bert", "sync", ["inbox:read"], 90, NOW)
        half_way = second_steps.begin(session, "bert", NOW)
        for _ in range(2):
            account_changes.disable(session, "bert", by="anna", now=NOW)
        assert sessions.find_session(session, bert, NOW) is None
        assert accounts.check_credentials(session, "bert", PASSWORD) is None
        assert second_steps.find(session, half_way, NOW) is None
        with refused("token-unknown"):
            script_tokens.find_token(session, token, NOW)
        with refused("account-disabled"):
            account_changes.invite(session, "bert", by="anna", now=NOW)
        with refused("account-disabled"):
            account_changes.reset(session, "bert", by="anna", now=NOW)


def test_an_account_that_is_let_in_again_has_its_password_and_no_old_tokens(people: Database) -> None:
    with people.write() as session:
        token, _ = script_tokens.make_token(session, "bert", "sync", ["inbox:read"], 90, NOW)
        account_changes.disable(session, "bert", by="anna", now=NOW)
        for _ in range(2):
            account_changes.enable(session, "bert", by="anna", now=NOW)
        assert accounts.check_credentials(session, "bert", PASSWORD)
        with refused("token-unknown"):
            script_tokens.find_token(session, token, NOW)


def test_nobody_waits_for_a_reviewer_who_has_left(people: Database) -> None:
    with people.write() as session:
        assert roles_at_work(session)["bert"] is Role.REVIEWER
        account_changes.disable(session, "bert", by="anna", now=NOW)
        assert "bert" not in roles_at_work(session)


def test_a_reset_takes_password_second_factor_tokens_and_sessions(people: Database) -> None:
    with people.write() as session:
        bert = signed_in(session, "bert")
        secret = second_factor.begin(session, "bert", NOW)
        second_factor.confirm(session, "bert", code_at(secret, NOW), NOW)
        shown, _ = script_tokens.make_token(session, "bert", "sync", ["inbox:read"], 90, NOW)
        link, _ = account_changes.reset(session, "bert", by="anna", now=NOW)
        assert sessions.find_session(session, bert, NOW) is None
        assert accounts.check_credentials(session, "bert", PASSWORD) is None
        assert not second_factor.standing(session, "bert").is_on
        with refused("token-unknown"):
            script_tokens.find_token(session, shown, NOW)
        assert invitations.find_invited(session, link, NOW) == "bert"


def test_somebody_of_the_console_is_invited_and_a_partner_with_the_agency(people: Database) -> None:
    with people.write() as session:
        with refused("account-agency"):
            account_changes.invite(session, "paula", by="anna", now=NOW)
        link, _ = account_changes.invite(session, "paula", by="anna", now=NOW, agency="youth-office")
        assert invitations.find_invited(session, link, NOW) == "paula"
        assert accounts.get_account(session, "paula").agency == "youth-office"
        again, _ = account_changes.invite(session, "paula", by="anna", now=NOW)
        assert again != link


def test_whoever_has_a_password_is_not_invited_but_reset(people: Database) -> None:
    with people.write() as session:
        with refused("account-in-use"):
            account_changes.invite(session, "bert", by="anna", now=NOW)
        with refused("person-unknown"):
            account_changes.invite(session, "nobody", by="anna", now=NOW)


def test_a_new_person_comes_with_account_role_and_link(people: Database) -> None:
    with people.write() as session:
        form = AccountForm(" Carla ", "coordinator", administrates=True, email="carla@city.example ")
        link, invitation = account_changes.invite_new(session, "carla", form, by="anna", now=NOW)
        carla = accounts.get_account(session, "carla")
        assert (carla.name, carla.email) == ("Carla", "carla@city.example")
        assert carla.roles == {Role.COORDINATOR, Role.ADMINISTRATOR}
        assert invitations.find_invited(session, link, NOW) == invitation.person_id == "carla"
        with refused("person-known"):
            account_changes.invite_new(session, "carla", form, by="anna", now=NOW)


def test_what_people_change_about_themselves_is_no_right(people: Database) -> None:
    with people.write() as session:
        bert = signed_in(session, "bert")
        for _ in range(2):
            account_changes.change_own(session, "bert", name="B.", email="b@city.example", language="de", now=NOW)
        account = accounts.get_account(session, "bert")
        assert (account.name, account.email, account.language, account.role) == (
            "B.",
            "b@city.example",
            "de",
            "reviewer",
        )
        assert sessions.find_session(session, bert, NOW)
        with refused("account-email"):
            account_changes.change_own(session, "bert", name="B.", email="b", language="de", now=NOW)
        assert [event.action for event in audit.list_events(session)].count("account.changed") == 1


def test_an_administrator_may_be_nothing_else(people: Database) -> None:
    with people.write() as session:
        add_person(session, "adam", "administrator", by="anna", now=NOW)
        account_changes.invite(session, "adam", by="anna", now=NOW)
        assert accounts.get_account(session, "adam").roles == {Role.ADMINISTRATOR}
        assert account_changes.form_of(accounts.get_account(session, "adam")).administrates is False
