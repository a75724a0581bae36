"""The people who work with this node: coordinators, reviewers, partners. Nobody whom the work concerns is ever here."""

import re
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import audit
from local_node.errors import NodeError
from local_node.orm import AccountRow, PersonRow
from local_node.review import Person, Role

_ID: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}", re.ASCII)


class PersonError(NodeError):
    """Nobody of this name works with this node, or the name cannot be given."""

    code = "person"


def add_person(session: Session, person_id: str, role: str, *, by: str, now: datetime) -> Person:
    """Register somebody. Raises PersonError: a malformed id, an unknown role, an id that is taken."""
    check_id(person_id)
    if role not in list(Role):
        raise PersonError(f"expected a role: {', '.join(Role)}")
    if session.get(PersonRow, person_id) is not None:
        raise PersonError("expected an id that nobody has yet", code="person-known")
    session.add(PersonRow(id=person_id, role=role))
    session.flush()
    audit.append(session, by, "person.added", f"{person_id}/{role}", now)
    return Person(person_id, Role(role))


def check_id(person_id: str) -> None:
    """Raise PersonError unless somebody can have this id."""
    if not _ID.fullmatch(person_id):
        raise PersonError("expected an id of small letters, digits, dot, dash or underscore, 40 at most")


def get_person(session: Session, person_id: str) -> Person:
    """Raises PersonError when nobody of this id works with this node."""
    row = session.get(PersonRow, person_id)
    if row is None:
        raise PersonError("expected the id of somebody who works with this node", code="person-unknown")
    return Person(row.id, Role(row.role))


def list_people(session: Session) -> tuple[Person, ...]:
    """Everybody, by id."""
    return tuple(Person(row.id, Role(row.role)) for row in session.scalars(select(PersonRow).order_by(PersonRow.id)))


def roles_at_work(session: Session) -> dict[str, Role]:
    """Person → role of everybody who can still decide something: whose account is disabled cannot.

    A reviewer who has left must not be waited for.
    """
    gone = select(AccountRow.person_id).where(AccountRow.disabled_at.is_not(None))
    rows = session.scalars(select(PersonRow).where(PersonRow.id.not_in(gone)))
    return {row.id: Role(row.role) for row in rows}
