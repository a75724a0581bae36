"""The audit log: one chain, no free text, and a change is found."""

import pytest
from sqlalchemy import text

from local_node import audit
from local_node.errors import AuditError
from shared_schema.service.database import Database
from tests.factories import NOW


def append(database: Database, actor: str = "anna", action: str = "release.approved", subject: str = "r1") -> None:
    with database.write() as session:
        audit.append(session, actor, action, subject, NOW)


@pytest.mark.parametrize(
    ("actor", "action", "subject"),
    [
        ("", "a", "r1"),
        ("Anna Meier", "a", "r1"),
        ("anna", "approved the release", "r1"),
        ("anna", "Approved", "r1"),
        ("anna", "a", ""),
        ("anna", "a", "because Kevin asked"),
        ("anna", "a", "r1\x1b[31m"),
        ("anna", "a", "x" * 301),
    ],
)
def test_an_event_holds_identifiers_and_no_free_text(
    node_database: Database, actor: str, action: str, subject: str
) -> None:
    with pytest.raises(AuditError, match="identifier"):
        append(node_database, actor, action, subject)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET actor = 'bert' WHERE seq = 2",
        "UPDATE audit SET at = '2020-01-01T00:00:00Z' WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 1",
    ],
)
def test_a_change_beneath_the_database_is_found(node_database: Database, change: str) -> None:
    for number in range(3):
        append(node_database, subject=f"r{number}")
    with node_database.write() as session:
        session.execute(text("DROP TRIGGER audit_no_update"))
        session.execute(text("DROP TRIGGER audit_no_delete"))
        session.execute(text(change))
    with node_database.read() as session, pytest.raises(AuditError, match="break at event"):
        audit.verify(session)


def test_an_event_goes_with_the_transaction_it_tells_about(node_database: Database) -> None:
    with pytest.raises(RuntimeError), node_database.write() as session:
        audit.append(session, "anna", "release.approved", "r1", NOW)
        raise RuntimeError("no")
    with node_database.read() as session:
        assert audit.verify(session) == 0


def test_events_stand_in_one_chain_and_are_listed_newest_first(node_database: Database) -> None:
    for number in range(3):
        append(node_database, subject=f"r{number}")
    with node_database.read() as session:
        assert audit.verify(session) == 3
        events = audit.list_events(session, limit=2)
    assert [(event.seq, event.subject, event.at) for event in events] == [(3, "r2", NOW), (2, "r1", NOW)]
