"""Who may do what on the hub's pages: one table, and nothing that is not in it.

Every route names a right. What a right is not listed for is refused; a route that names none is refused to everybody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar, Final

from regional_hub.door import Account, Role
from shared_schema.service.accounts.changes import ADMINISTRATOR
from shared_schema.service.pages import access

OPERATOR, AUDITOR, ANALYST = Role.OPERATOR, Role.AUDITOR, Role.ANALYST


class Right(StrEnum):
    """One thing that somebody may do."""

    OUTSIDE = access.OUTSIDE
    OWN_ACCOUNT = access.OWN_ACCOUNT
    SEE_START = "see-start"
    SEE_CONSOLE = "see-console"
    OPERATE = "operate"
    SEE_AUDIT = "see-audit"
    SEE_FIGURES = "see-figures"
    SAVE_VIEWS = "save-views"
    MANAGE_ACCOUNTS = access.MANAGE_ACCOUNTS


EVERYBODY: Final = frozenset(Role)
ALLOWED: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        Right.OUTSIDE: EVERYBODY,  # and whoever is not signed in
        Right.OWN_ACCOUNT: EVERYBODY,
        Right.SEE_START: EVERYBODY,
        Right.SEE_CONSOLE: frozenset({OPERATOR, AUDITOR}),
        Right.OPERATE: frozenset({OPERATOR}),
        Right.SEE_AUDIT: frozenset({OPERATOR, AUDITOR}),
        Right.SEE_FIGURES: EVERYBODY,
        Right.SAVE_VIEWS: frozenset({OPERATOR, ANALYST}),
        Right.MANAGE_ACCOUNTS: frozenset({ADMINISTRATOR}),
    }
)
"""Right → the roles that have it."""


@dataclass(frozen=True, slots=True)
class Visitor(access.Visitor):
    """Who asks for a page of the hub."""

    ALLOWED: ClassVar[access.Table] = ALLOWED
    account: Account
