"""Links that work once, for seven days."""

from datetime import timedelta

import pytest

from local_node import audit
from local_node.door import invitations
from shared_schema.service.accounts.invitations import InvitationError
from shared_schema.service.database import Database
from tests.factories import NOW, add_people


@pytest.fixture
def link(node_database: Database) -> str:
    with node_database.write() as session:
        add_people(session)
        return invitations.invite(session, "bert", by="anna", now=NOW)[0]


@pytest.mark.parametrize("token", ["", "x", "../../", "é\ud800", "x" * 100_000])
def test_a_link_that_nobody_was_given_is_not_open(node_database: Database, link: str, token: str) -> None:
    with node_database.write() as session, pytest.raises(InvitationError):
        invitations.use_invitation(session, token, NOW)


def test_a_link_works_once(node_database: Database, link: str) -> None:
    with node_database.write() as session:
        assert invitations.use_invitation(session, link, NOW) == "bert"
    with node_database.write() as session, pytest.raises(InvitationError):
        invitations.use_invitation(session, link, NOW)


def test_a_link_expires_after_seven_days(node_database: Database, link: str) -> None:
    with node_database.write() as session:
        assert invitations.find_invited(session, link, NOW + timedelta(days=7, seconds=-1)) == "bert"
        with pytest.raises(InvitationError):
            invitations.use_invitation(session, link, NOW + timedelta(days=7))
        assert invitations.open_invitations(session, NOW + timedelta(days=7)) == {}


def test_looking_at_a_link_does_not_spend_it(node_database: Database, link: str) -> None:
    with node_database.write() as session:
        for _ in range(3):
            assert invitations.find_invited(session, link, NOW) == "bert"
        assert invitations.use_invitation(session, link, NOW) == "bert"


def test_a_newer_link_ends_the_older_one_and_nobody_elses(node_database: Database, link: str) -> None:
    with node_database.write() as session:
        other, _ = invitations.invite(session, "paula", by="anna", now=NOW)
        newer, shown = invitations.invite(session, "bert", by="anna", now=NOW)
        with pytest.raises(InvitationError):
            invitations.find_invited(session, link, NOW)
        assert invitations.find_invited(session, newer, NOW) == "bert"
        assert invitations.find_invited(session, other, NOW) == "paula"
        assert invitations.open_invitations(session, NOW)["bert"] == shown


def test_the_link_itself_is_kept_nowhere(node_database: Database, link: str) -> None:
    with node_database.write() as session:
        invitations.use_invitation(session, link, NOW)
        log = audit.list_events(session)
    assert [event.action for event in log] == ["account.invitation-used", "account.invited"]
    assert link not in repr(log)
