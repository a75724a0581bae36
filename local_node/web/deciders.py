"""Who may approve something, by name, and who has written or asked for it: what the pages say in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import people
from local_node.orm import AccountRow
from local_node.review import (
    MAY_REVIEW,
    SINGLE_PERSON_WAIT,
    Person,
    ReleaseRequest,
    RequestState,
    ReviewedAs,
    Role,
    check_may_decide,
    reviewer_role_for,
)
from shared_schema.errors import ProgramError


@dataclass(frozen=True, slots=True)
class Deciders:
    """`names` may approve. `role` is how the statement will say that it was reviewed; None where nobody can."""

    role: ReviewedAs | None
    names: tuple[str, ...]

    @property
    def is_alone(self) -> bool:
        """Whether one person decides alone, a day later."""
        return self.role is ReviewedAs.SINGLE_PERSON


def names_of(session: Session) -> dict[str, str]:
    """Id -> what others call this person; the id itself for whoever has no account."""
    names = {person.id: person.id for person in people.list_people(session)}
    return names | {row.person_id: row.name for row in session.scalars(select(AccountRow))}


def deciders_for(session: Session, requester: str, writers: Iterable[str]) -> Deciders:
    """Who could approve a text that `requester` asks for and `writers` had a hand in."""
    everybody = people.roles_at_work(session)
    authors = {requester, *writers}
    try:
        role = reviewer_role_for(requester, everybody, writers)
    except ProgramError:
        return Deciders(None, ())
    return _named(session, role, everybody, authors)


def deciders_of(session: Session, request: ReleaseRequest) -> Deciders:
    """Who may approve a request that was made."""
    return _named(session, request.reviewer_role, people.roles_at_work(session), request.authors)


def _named(session: Session, role: ReviewedAs, everybody: Mapping[str, Role], authors: Iterable[str]) -> Deciders:
    names = names_of(session)
    if role is ReviewedAs.SINGLE_PERSON:
        found = [person for person, own in everybody.items() if own in MAY_REVIEW]
    else:
        found = [person for person, own in everybody.items() if own.value == role.value and person not in authors]
    return Deciders(role, tuple(sorted(names.get(person, person) for person in found)))


def why_not(request: ReleaseRequest, person: Person, now: datetime) -> str | None:
    """The code of the rule that keeps this person from approving now; None when nothing does."""
    if request.state is not RequestState.REQUESTED:
        return "state"
    try:
        check_may_decide(request, person, now)
    except ProgramError as error:
        return error.code
    return None


def opens_at(request: ReleaseRequest) -> datetime | None:
    """From when on one person alone may approve; None where two do."""
    alone = request.reviewer_role is ReviewedAs.SINGLE_PERSON
    return request.requested_at + SINGLE_PERSON_WAIT if alone else None
