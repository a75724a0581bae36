"""The node's door: its accounts, and what the shared parts behind a door need to know of a node.

An account belongs to somebody in `people`, whose role it has, and may belong to a partner agency.

    from local_node.door import accounts, sessions
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import audit
from local_node.orm import (
    AccountRow,
    InvitationRow,
    PendingSignInRow,
    PersonRow,
    RecoveryCodeRow,
    ScriptTokenRow,
    SecondFactorRow,
    SessionRow,
    SignInAttemptRow,
)
from local_node.people import get_person
from local_node.review import Role
from shared_schema.service.accounts import account as shared
from shared_schema.service.accounts.account import AccountError, check_name
from shared_schema.service.accounts.door import Door
from shared_schema.service.accounts.rows import Rows

TOKEN_PREFIX = "pxn_"  # noqa: S105 - no password
"""So that a token in a text or a log is recognised as one, by people and by programs that look for secrets."""


class Scope(StrEnum):
    """What a token opens."""

    RETURNS_WRITE = "returns:write"
    INBOX_READ = "inbox:read"
    FIGURES_READ = "figures:read"
    SYNC = "sync"


@dataclass(frozen=True, slots=True)
class Account(shared.Account):
    """Somebody who can sign in to the node, with its agency where it belongs to one."""

    roles: frozenset[Role]
    role: Role
    agency: str | None


class Accounts(shared.Accounts[Account]):
    """The accounts of the node."""

    def make_account(
        self,
        session: Session,
        person_id: str,
        name: str,
        *,
        by: str,
        now: datetime,
        agency: str | None = None,
        administrates: bool = False,
        language: str | None = None,
    ) -> Account:
        """Give somebody of this node an account, without a password yet.

        Raises PersonError: nobody of this id; AccountError: no name, or an account already.
        """
        get_person(session, person_id)
        if session.get(AccountRow, person_id) is not None:
            raise AccountError("expected somebody who has no account yet", code="account-known")
        session.add(
            AccountRow(
                person_id=person_id,
                name=check_name(name),
                agency_id=agency,
                administrates=administrates,
                language=language,
                added_at=now,
            )
        )
        session.flush()
        audit.append(session, by, "account.made", person_id, now)
        return self.get_account(session, person_id)

    def find_account(self, session: Session, person_id: str) -> Account | None:
        """The account of this id, or None."""
        row = session.execute(
            select(AccountRow, PersonRow.role)
            .join(PersonRow, PersonRow.id == AccountRow.person_id)
            .where(AccountRow.person_id == person_id)
        ).first()
        return None if row is None else _account(row[0], row[1])

    def list_accounts(self, session: Session) -> tuple[Account, ...]:
        """All accounts, by id."""
        rows = session.execute(
            select(AccountRow, PersonRow.role)
            .join(PersonRow, PersonRow.id == AccountRow.person_id)
            .order_by(AccountRow.person_id)
        )
        return tuple(_account(row, role) for row, role in rows)


def _account(row: AccountRow, role: str) -> Account:
    return Account(
        person_id=row.person_id,
        name=row.name,
        email=row.email,
        roles=frozenset({Role(role)} | ({Role.ADMINISTRATOR} if row.administrates else set())),
        language=row.language,
        has_password=row.password_hash is not None,
        is_disabled=row.disabled_at is not None,
        role=Role(role),
        agency=row.agency_id,
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
    audit.append,
)
door = Door(accounts, prefix=TOKEN_PREFIX, scopes=frozenset(scope.value for scope in Scope))
sessions = door.sessions
second_factor = door.second_factor
second_steps = door.second_steps
invitations = door.invitations
script_tokens = door.script_tokens
