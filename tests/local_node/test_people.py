"""Who works with a node."""

import pytest

from local_node import audit
from local_node.people import PersonError, add_person, get_person, list_people
from local_node.review import Person, Role
from shared_schema.service.database import Database
from tests.factories import NOW, add_people


@pytest.mark.parametrize(
    ("person", "role"),
    [
        ("", "reviewer"),
        ("Bert", "reviewer"),
        ("b b", "reviewer"),
        ("b" * 41, "reviewer"),
        ("b", "boss"),
        ("anna", "reviewer"),
    ],
)
def test_a_person_needs_a_free_plain_id_and_a_known_role(node_database: Database, person: str, role: str) -> None:
    with node_database.write() as session:
        add_people(session)
        with pytest.raises(PersonError):
            add_person(session, person, role, by="anna", now=NOW)


def test_somebody_who_does_not_work_here_is_not_found(node_database: Database) -> None:
    with node_database.read() as session, pytest.raises(PersonError) as caught:
        get_person(session, "nobody")
    assert caught.value.code == "person-unknown"


def test_a_person_is_added_with_an_audit_event(node_database: Database) -> None:
    with node_database.write() as session:
        bert = add_person(session, "bert", "reviewer", by="local-node", now=NOW)
    assert bert == Person("bert", Role.REVIEWER)
    with node_database.read() as session:
        assert get_person(session, "bert") == bert
        assert list_people(session) == (bert,)
        assert [(event.action, event.subject) for event in audit.list_events(session)] == [
            ("person.added", "bert/reviewer")
        ]
