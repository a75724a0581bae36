"""The hub's door: its accounts with their roles, and what the shared parts behind a door need to know of a hub.

from regional_hub.door import accounts, sessions
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub import audit
from regional_hub.orm import (
    AccountRow,
    InvitationRow,
    PendingSignInRow,
    RecoveryCodeRow,
    ScriptTokenRow,
    SecondFactorRow,
    SessionRow,
    SignInAttemptRow,
)
from shared_schema.service.accounts import account as shared
from shared_schema.service.accounts.account import AccountError, check_name
from shared_schema.service.accounts.changes import ADMINISTRATOR
from shared_schema.service.accounts.door import Door
from shared_schema.service.accounts.rows import Rows

TOKEN_PREFIX: Final = "pxh_"  # noqa: S105 - no password
"""So that a token in a text or a log is recognised as one, and as one of a hub."""
_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)
"""Without a dot: in the audit log nobody has the name of a member."""


class Role(StrEnum):
    """What somebody does at the hub. `administrates` adds the accounts to each of them."""

    OPERATOR = "operator"
    AUDITOR = "auditor"
    ANALYST = "analyst"


NEED_SECOND_FACTOR: Final = frozenset({Role.OPERATOR.value, ADMINISTRATOR})
"""Whose account opens most: who changes the federation, and who gives accounts. A hub has no other rule."""
RESERVED: Final = frozenset({"operator", "program", "hub", "nobody"})
"""Who acts in the audit log without being a person of the pages: the console of the machine, the program itself."""


class Scope(StrEnum):
    """What a token opens."""

    FIGURES_READ = "figures:read"
    CONSOLE_READ = "console:read"


@dataclass(frozen=True, slots=True)
class Account(shared.Account):
    """Somebody who can sign in to the hub."""

    role: Role


class Accounts(shared.Accounts[Account]):
    """The accounts of the hub."""

    def make_account(
        self,
        session: Session,
        person_id: str,
        role: str,
        name: str,
        *,
        by: str,
        now: datetime,
        email: str | None = None,
        administrates: bool = False,
    ) -> Account:
        """Give somebody an account, without a password yet. Raises AccountError: the id, the role, the name."""
        _check_id(person_id)
        check_role(role)
        if session.get(AccountRow, person_id) is not None:
            raise AccountError("expected an id that nobody has yet", code="person-known")
        session.add(
            AccountRow(
                person_id=person_id,
                role=role,
                name=check_name(name),
                email=email,
                administrates=administrates,
                added_at=now,
            )
        )
        session.flush()
        audit.record(session, by, "account.made", f"{person_id}/{role}", now)
        return self.get_account(session, person_id)

    def find_account(self, session: Session, person_id: str) -> Account | None:
        """The account of this id, or None."""
        row = session.get(AccountRow, person_id)
        return None if row is None else _account(row)

    def list_accounts(self, session: Session) -> tuple[Account, ...]:
        """All accounts, by id."""
        return tuple(_account(row) for row in session.scalars(select(AccountRow).order_by(AccountRow.person_id)))


def needs_second_factor(_session: Session, roles: Collection[str]) -> bool:
    """Whether somebody with these roles needs a second factor before anything else."""
    return not NEED_SECOND_FACTOR.isdisjoint(roles)


def check_role(role: str) -> None:
    """Raise AccountError unless it is a role of the hub."""
    if role not in list(Role):
        raise AccountError(f"expected a role: {', '.join(Role)}", code="role-unknown")


def _check_id(person_id: str) -> None:
    if not _ID.fullmatch(person_id) or person_id in RESERVED:
        raise AccountError(
            "expected an id of small letters, digits, dash or underscore, 40 at most, and not one of "
            f"{', '.join(sorted(RESERVED))}",
            code="person",
        )


def _account(row: AccountRow) -> Account:
    return Account(
        person_id=row.person_id,
        name=row.name,
        email=row.email,
        roles=frozenset({row.role} | ({ADMINISTRATOR} if row.administrates else set())),
        language=row.language,
        has_password=row.password_hash is not None,
        is_disabled=row.disabled_at is not None,
        role=Role(row.role),
    )


accounts = Accounts(
    Rows(
        account=AccountRow,
        session=SessionRow,
        attempt=SignInAttemptRow,
        pending=PendingSignInRow,
        factor=SecondFactorRow,
        recovery_code=RecoveryCodeRow,
        invitation=InvitationRow,
        token=ScriptTokenRow,
    ),
    audit.record,
)
door = Door(accounts, prefix=TOKEN_PREFIX, scopes=frozenset(scope.value for scope in Scope))
sessions = door.sessions
second_factor = door.second_factor
second_steps = door.second_steps
invitations = door.invitations
script_tokens = door.script_tokens
