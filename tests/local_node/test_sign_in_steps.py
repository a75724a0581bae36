"""Between the password and the code: a step that opens nothing but its own page."""

from datetime import timedelta

import pytest

from local_node import audit, second_factor_rule
from local_node.door import accounts, second_factor, second_steps
from local_node.second_factor_rule import RequiredFor
from shared_schema.service.accounts.one_time_codes import code_at
from shared_schema.service.accounts.second_step import SecondStepError
from shared_schema.service.database import Database
from tests.factories import NOW, add_people


@pytest.fixture(autouse=True)
def _people(node_database: Database) -> None:
    with node_database.write() as session:
        add_people(session)


@pytest.mark.parametrize("token", ["", "x", "é", "\ud800", "x" * 100_000])
def test_a_token_that_nobody_was_given_is_no_step(node_database: Database, token: str) -> None:
    with node_database.write() as session:
        assert second_steps.find(session, token, NOW) is None
        with pytest.raises(SecondStepError):
            second_steps.end(session, token)


def test_a_step_is_open_for_five_minutes(node_database: Database) -> None:
    with node_database.write() as session:
        token = second_steps.begin(session, "anna", NOW)
        assert second_steps.find(session, token, NOW + timedelta(minutes=4, seconds=59)) == "anna"
        assert second_steps.find(session, token, NOW + timedelta(minutes=5)) is None


def test_a_step_ends_once(node_database: Database) -> None:
    with node_database.write() as session:
        token = second_steps.begin(session, "anna", NOW)
        second_steps.end(session, token)
        with pytest.raises(SecondStepError):
            second_steps.end(session, token)


def test_whoever_is_half_way_in_is_put_out_when_the_account_changes(node_database: Database) -> None:
    with node_database.write() as session:
        anna = second_steps.begin(session, "anna", NOW)
        bert = second_steps.begin(session, "bert", NOW)
        accounts.end_sessions(session, "anna")
        assert second_steps.find(session, anna, NOW) is None
        assert second_steps.find(session, bert, NOW) == "bert"


@pytest.mark.parametrize(
    ("rule", "roles", "required"),
    [
        ("nobody", ("administrator", "reviewer"), False),
        ("deciders", ("coordinator",), False),
        ("deciders", ("coordinator", "administrator"), True),
        ("deciders", ("reviewer",), True),
        ("deciders", ("partner",), False),
        ("everybody", ("reader",), True),
    ],
)
def test_who_needs_a_second_factor_is_a_rule(rule: str, roles: tuple[str, ...], required: bool) -> None:
    assert second_factor_rule.is_required(RequiredFor(rule), roles) is required


def test_nobody_needs_one_until_an_administrator_says_so(node_database: Database) -> None:
    with node_database.write() as session:
        assert second_factor_rule.required_for(session) is RequiredFor.NOBODY
        for _ in range(2):
            second_factor_rule.change_required_for(session, RequiredFor.EVERYBODY, by="anna", now=NOW)
        assert second_factor_rule.required_for(session) is RequiredFor.EVERYBODY
        events = [(event.action, event.subject) for event in audit.list_events(session)]
    assert events == [("second-factor.rule-changed", "everybody")]


def test_somebody_who_needs_one_owes_it_until_it_is_on(node_database: Database) -> None:
    with node_database.write() as session:
        second_factor_rule.change_required_for(session, RequiredFor.EVERYBODY, by="anna", now=NOW)
        assert second_factor_rule.owes_set_up(session, "bert", ("reviewer",))
        secret = second_factor.begin(session, "bert", NOW)
        assert second_factor_rule.owes_set_up(session, "bert", ("reviewer",))
        second_factor.confirm(session, "bert", code_at(secret, NOW), NOW)
        assert not second_factor_rule.owes_set_up(session, "bert", ("reviewer",))
