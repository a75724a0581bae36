"""Who may do what on the pages: one table, and nothing that is not in it.

Every route names a right. What a right is not listed for is refused; a route that names none is refused to everybody.
Whose record it is, a handler checks: a partner only ever sees what is its own agency's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from local_node.accounts import Account
from local_node.review import Role

COORDINATOR, REVIEWER, PARTNER, READER, ADMINISTRATOR = (
    Role.COORDINATOR,
    Role.REVIEWER,
    Role.PARTNER,
    Role.READER,
    Role.ADMINISTRATOR,
)


class Right(StrEnum):
    """One thing that somebody may do."""

    OUTSIDE = "outside"
    SEE_TODAY = "see-today"
    OWN_ACCOUNT = "own-account"
    READ_INBOX = "read-inbox"
    SEE_PICTURE = "see-picture"
    SEE_CALENDAR = "see-calendar"
    RESPOND = "respond"
    WRITE_LESSONS = "write-lessons"
    SEE_LESSONS = "see-lessons"
    ENTER_RETURNS = "enter-returns"
    SEE_RETURNS = "see-returns"
    ENTER_ACTIVITIES = "enter-activities"
    ASK_RELEASE = "ask-release"
    DECIDE_RELEASE = "decide-release"
    SEE_OUTBOX = "see-outbox"
    WITHDRAW = "withdraw"
    SEE_OWN_FIGURES = "see-own-figures"
    SEE_AGENCIES = "see-agencies"
    MANAGE_AGENCIES = "manage-agencies"
    SYNC_NOW = "sync-now"
    SEE_OVERSIGHT = "see-oversight"
    MANAGE_RETENTION = "manage-retention"
    MANAGE_ACCOUNTS = "manage-accounts"
    MANAGE_SETTINGS = "manage-settings"


EVERYBODY: Final = frozenset(Role)
ALLOWED: Final[Mapping[Right, frozenset[Role]]] = MappingProxyType(
    {
        Right.OUTSIDE: EVERYBODY,  # and whoever is not signed in
        Right.SEE_TODAY: EVERYBODY,
        Right.OWN_ACCOUNT: EVERYBODY,
        Right.READ_INBOX: EVERYBODY,
        Right.SEE_PICTURE: EVERYBODY,
        Right.SEE_CALENDAR: EVERYBODY,
        Right.RESPOND: frozenset({COORDINATOR, PARTNER}),
        Right.WRITE_LESSONS: frozenset({COORDINATOR, PARTNER}),
        Right.SEE_LESSONS: frozenset({COORDINATOR, REVIEWER, PARTNER}),
        Right.ENTER_RETURNS: frozenset({COORDINATOR, PARTNER}),
        Right.SEE_RETURNS: frozenset({COORDINATOR, REVIEWER, PARTNER}),
        Right.ENTER_ACTIVITIES: frozenset({COORDINATOR, PARTNER}),
        Right.ASK_RELEASE: frozenset({COORDINATOR}),
        Right.DECIDE_RELEASE: frozenset({COORDINATOR, REVIEWER}),
        Right.SEE_OUTBOX: frozenset({COORDINATOR, REVIEWER}),
        Right.WITHDRAW: frozenset({COORDINATOR}),
        Right.SEE_OWN_FIGURES: frozenset({COORDINATOR, REVIEWER}),
        Right.SEE_AGENCIES: frozenset({COORDINATOR, REVIEWER, ADMINISTRATOR}),
        Right.MANAGE_AGENCIES: frozenset({COORDINATOR, ADMINISTRATOR}),
        Right.SYNC_NOW: frozenset({COORDINATOR, ADMINISTRATOR}),
        Right.SEE_OVERSIGHT: frozenset({COORDINATOR, REVIEWER, ADMINISTRATOR}),
        Right.MANAGE_RETENTION: frozenset({REVIEWER, ADMINISTRATOR}),
        Right.MANAGE_ACCOUNTS: frozenset({ADMINISTRATOR}),
        Right.MANAGE_SETTINGS: frozenset({ADMINISTRATOR}),
    }
)
"""Right → the roles that have it."""


def may(roles: frozenset[Role], right: Right) -> bool:
    """Whether somebody with these roles has this right."""
    return not roles.isdisjoint(ALLOWED.get(right, frozenset()))


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks for a page: signed in, with the account as it is now."""

    account: Account
    session_hash: str
    """Empty for a script, which has a token and no session."""
    owes_second_factor: bool = False
    """Whether this account has to set up a second factor before anything else."""

    @property
    def person_id(self) -> str:
        return self.account.person_id

    @property
    def name(self) -> str:
        return self.account.name

    @property
    def roles(self) -> frozenset[Role]:
        return self.account.roles

    @property
    def agency(self) -> str | None:
        """The agency that this account belongs to; partners only see what is its own."""
        return self.account.agency

    def may(self, right: Right) -> bool:
        """Whether this account has a right."""
        return may(self.roles, right)
