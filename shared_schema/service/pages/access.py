"""Who may do what: a program has one table, right → roles, and what is not in it is refused.

Every route names a right; a route that names none is refused to everybody. These are the rights that the shared pages
ask for; a program's own enumeration has them with the same values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final

from shared_schema.service.accounts.account import Account

OUTSIDE: Final = "outside"
"""For everybody, and for whoever is not signed in."""
OWN_ACCOUNT: Final = "own-account"
"""What stays open while somebody owes a second factor."""
MANAGE_ACCOUNTS: Final = "manage-accounts"
Table = Mapping[str, frozenset[str]]


def may(table: Table, roles: frozenset[str], right: str) -> bool:
    """Whether somebody with these roles has this right."""
    return not roles.isdisjoint(table.get(right, frozenset()))


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks for a page: signed in, with the account as it is now."""

    ALLOWED: ClassVar[Table] = MappingProxyType({})
    """The table of the program."""
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
    def roles(self) -> frozenset[str]:
        return self.account.roles

    def may(self, right: str) -> bool:
        """Whether this account has a right."""
        return may(self.ALLOWED, self.roles, right)
