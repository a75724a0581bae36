"""Accounts: with what people sign in, and what they may do by their roles.

Without a password nobody can sign in. Checking a password does the same work for an account that does not exist.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from shared_schema.errors import ProgramError
from shared_schema.service.accounts.rows import AccountColumns, Rows
from shared_schema.service.passwords import check_password, hash_password, is_outdated, is_password

MAX_NAME_CHARACTERS: Final = 80
Record = Callable[[Session, str, str, str, datetime], object]
"""Writes an audit event in the same transaction: who, the action, an identifier, when. Never contents."""


class AccountError(ProgramError):
    """This account is not there, or cannot be changed in this way."""

    code = "account"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can sign in: the person, its name for others, its roles."""

    person_id: str
    name: str
    email: str | None
    roles: frozenset[str]
    """The role of the person, and the administrator's where the account administrates."""
    language: str | None
    has_password: bool
    is_disabled: bool


AccountT = TypeVar("AccountT", bound=Account)


class Accounts(ABC, Generic[AccountT]):
    """The accounts of one program, which says how one is read."""

    def __init__(self, rows: Rows, record: Record) -> None:
        self.rows = rows
        self.record = record

    @abstractmethod
    def find_account(self, session: Session, person_id: str) -> AccountT | None:
        """The account of this id, or None."""

    @abstractmethod
    def list_accounts(self, session: Session) -> tuple[AccountT, ...]:
        """All accounts, by id."""

    def get_account(self, session: Session, person_id: str) -> AccountT:
        """Raises AccountError when nobody has this account."""
        account = self.find_account(session, person_id)
        if account is None:
            raise AccountError("expected the id of somebody who has an account", code="account-unknown")
        return account

    def set_password(self, session: Session, person_id: str, password: str, *, by: str, now: datetime) -> None:
        """Set a password, which ends every session of this account.

        Raises AccountError (no account), PasswordError (not allowed as a password).
        """
        row = self._row(session, person_id)
        if row is None:
            raise AccountError("expected the id of somebody who has an account", code="account-unknown")
        check_password(password, words=(person_id, row.name, *row.name.split()))
        row.password_hash = hash_password(password)
        self.end_sessions(session, person_id)
        self.record(session, by, "account.password", person_id, now)

    def keep_hash(self, session: Session, person_id: str, password_hash: str, *, by: str, now: datetime) -> None:
        """Give an account that has none the hash of a password that was checked before (`passwords.check_password`).

        Raises AccountError: no account, or one that has a password.
        """
        row = self._row(session, person_id)
        if row is None or row.password_hash is not None:
            raise AccountError("expected an account without a password", code="account-unknown")
        row.password_hash = password_hash
        self.record(session, by, "account.password", person_id, now)

    def check_credentials(self, session: Session, person_id: str, password: str) -> AccountT | None:
        """The account when the password is right and it may be used; None, after the same work, for everything else.

        Reads only: the work takes its time, and nobody who writes has to wait for it.
        """
        row = self._row(session, person_id)
        is_right = is_password(None if row is None else row.password_hash, password)
        if row is None or not is_right or row.disabled_at is not None:
            return None
        return self.get_account(session, person_id)

    def renew_hash(self, session: Session, person_id: str, password: str) -> None:
        """Keep a password that was right with today's parameters, where its hash has older ones."""
        row = self._row(session, person_id)
        if row is not None and row.password_hash is not None and is_outdated(row.password_hash):
            row.password_hash = hash_password(password)

    def password_mark(self, session: Session, person_id: str) -> str:
        """What changes with the password: who checked one outside a write compares it before letting somebody in."""
        row = self._row(session, person_id)
        return "" if row is None or row.password_hash is None else row.password_hash

    def choose_language(self, session: Session, person_id: str, language: str) -> None:
        """Keep the language in which somebody reads; one who has no account any more has none."""
        row = self._row(session, person_id)
        if row is not None:
            row.language = language

    def end_sessions(self, session: Session, person_id: str, *, keep: str | None = None) -> int:
        """Sign somebody out everywhere, but for the session whose token hash is `keep`; how many were ended.

        Whoever has given the password and not yet the code begins again: it may be the password that was changed.
        """
        pending, signed_in = self.rows.pending, self.rows.session
        session.execute(delete(pending).where(pending.person_id == person_id))
        rows = session.scalars(select(signed_in).where(signed_in.person_id == person_id)).all()
        ended = [row for row in rows if row.token_hash != keep]
        for row in ended:
            session.delete(row)
        return len(ended)

    def _row(self, session: Session, person_id: str) -> AccountColumns | None:
        return session.get(self.rows.account, person_id)


def check_name(name: str) -> str:
    """The name without space around it. Raises AccountError unless others can read it."""
    text = name.strip()
    if not 0 < len(text) <= MAX_NAME_CHARACTERS or not text.isprintable():
        raise AccountError(f"expected a name of 1 to {MAX_NAME_CHARACTERS} printable characters", code="name")
    return text
