"""Who may do what on the pages: one table, and nothing that is not in it.

Every route names a right. What a right is not listed for is refused; a route that names none is refused to everybody.
Whose record it is, a handler checks: a partner only ever sees what is its own agency's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar, Final

from local_node.door import Account
from local_node.review import Role
from shared_schema.service.pages import access

COORDINATOR, REVIEWER, PARTNER, READER, ADMINISTRATOR = (
    Role.COORDINATOR,
    Role.REVIEWER,
    Role.PARTNER,
    Role.READER,
    Role.ADMINISTRATOR,
)


class Right(StrEnum):
    """One thing that somebody may do."""

    OUTSIDE = access.OUTSIDE
    SEE_TODAY = "see-today"
    OWN_ACCOUNT = access.OWN_ACCOUNT
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
    MANAGE_ACCOUNTS = access.MANAGE_ACCOUNTS
    MANAGE_SETTINGS = "manage-settings"


EVERYBODY: Final = frozenset(Role)
ALLOWED: Final[Mapping[str, frozenset[Role]]] = MappingProxyType(
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


@dataclass(frozen=True, slots=True)
class Visitor(access.Visitor):
    """Who asks for a page of the node."""

    ALLOWED: ClassVar[access.Table] = ALLOWED
    account: Account

    @property
    def roles(self) -> frozenset[Role]:
        return self.account.roles

    @property
    def agency(self) -> str | None:
        """The agency that this account belongs to; partners only see what is its own."""
        return self.account.agency
