"""Tokens for scripts: shown once, kept as a hash, ended at once."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from local_node import audit
from local_node.door import script_tokens
from shared_schema.service.accounts.script_tokens import ScriptToken, TokenError, UnknownToken, is_use_worth_noting
from shared_schema.service.database import Database
from tests.factories import NOW, add_people


@pytest.fixture
def made(node_database: Database) -> tuple[str, ScriptToken]:
    with node_database.write() as session:
        add_people(session)
        return script_tokens.make_token(session, "anna", " nightly sync ", ["sync", "inbox:read"], 90, NOW)


def refused(database: Database, shown: str, now: datetime = NOW) -> str:
    with database.read() as session, pytest.raises(UnknownToken) as caught:
        script_tokens.find_token(session, shown, now)
    return caught.value.message


@pytest.mark.parametrize(
    ("label", "scopes", "days", "code"),
    [
        ("", ["sync"], 90, "token-label"),
        ("x" * 61, ["sync"], 90, "token-label"),
        ("a\nb", ["sync"], 90, "token-label"),
        ("sync", [], 90, "token-scopes"),
        ("sync", ["everything"], 90, "token-scopes"),
        ("sync", ["sync"], 0, "token-days"),
        ("sync", ["sync"], 366, "token-days"),
    ],
)
def test_a_token_needs_a_label_scopes_and_an_end(
    node_database: Database, label: str, scopes: list[str], days: int, code: str
) -> None:
    with node_database.write() as session:
        add_people(session)
        with pytest.raises(TokenError) as caught:
            script_tokens.make_token(session, "anna", label, scopes, days, NOW)
        assert script_tokens.list_tokens(session, "anna") == ()
    assert caught.value.code == code


@pytest.mark.parametrize("shown", ["", "pxn_", "pxn_" + "x" * 43, "é", "\ud800", "Bearer x", "x" * 100_000])
def test_what_is_no_token_is_unknown(node_database: Database, made: tuple[str, ScriptToken], shown: str) -> None:
    refused(node_database, shown)


def test_unknown_revoked_and_expired_tokens_are_told_the_same(
    node_database: Database, made: tuple[str, ScriptToken]
) -> None:
    shown, token = made
    words = {refused(node_database, "pxn_" + "x" * 43), refused(node_database, shown, NOW + timedelta(days=90))}
    with node_database.write() as session:
        assert script_tokens.revoke_token(session, "anna", token.id, NOW)
    words.add(refused(node_database, shown))
    assert words == {"expected a token that is in force"}


def test_nobody_revokes_the_token_of_somebody_else(node_database: Database, made: tuple[str, ScriptToken]) -> None:
    shown, token = made
    with node_database.write() as session:
        assert not script_tokens.revoke_token(session, "bert", token.id, NOW)
        assert script_tokens.find_token(session, shown, NOW) == token
        assert script_tokens.revoke_token(session, "anna", token.id, NOW)
        assert not script_tokens.revoke_token(session, "anna", token.id, NOW)


def test_a_token_is_kept_as_a_hash_alone(node_database: Database, made: tuple[str, ScriptToken]) -> None:
    shown, token = made
    with node_database.read() as session:
        rows = session.execute(text("SELECT * FROM script_tokens")).all()
        log = audit.list_events(session)
        assert script_tokens.find_token(session, shown, NOW) == token
    assert token.label == "nightly sync"
    assert shown not in repr(rows) + repr(log)


def test_the_last_use_is_noted_once_a_minute(node_database: Database, made: tuple[str, ScriptToken]) -> None:
    shown, token = made
    assert is_use_worth_noting(token, NOW)
    with node_database.write() as session:
        script_tokens.note_use(session, token.id, NOW)
        used = script_tokens.find_token(session, shown, NOW)
    assert used.last_used_at == NOW
    assert not is_use_worth_noting(used, NOW + timedelta(seconds=59))
    assert is_use_worth_noting(used, NOW + timedelta(seconds=60))


def test_all_tokens_of_a_person_end_together(node_database: Database, made: tuple[str, ScriptToken]) -> None:
    with node_database.write() as session:
        other, _ = script_tokens.make_token(session, "bert", "mine", ["sync"], 1, NOW)
        script_tokens.make_token(session, "anna", "second", ["sync"], 1, NOW)
        assert script_tokens.revoke_all(session, "anna", by="carla", now=NOW) == 2
        assert script_tokens.revoke_all(session, "anna", by="carla", now=NOW) == 0
        script_tokens.find_token(session, other, NOW)
    refused(node_database, made[0])


def test_one_person_has_twenty_tokens_at_most(node_database: Database, made: tuple[str, ScriptToken]) -> None:
    with node_database.write() as session:
        for number in range(19):
            script_tokens.make_token(session, "anna", f"machine {number}", ["sync"], 1, NOW)
        with pytest.raises(TokenError) as caught:
            script_tokens.make_token(session, "anna", "one more", ["sync"], 1, NOW)
        assert caught.value.code == "token-many"
        script_tokens.make_token(session, "anna", "later", ["sync"], 1, NOW + timedelta(days=1))
