"""What an administrator does with accounts: invite, change, disable, let in again, reset.

Whatever changes what an account may do ends its sessions at once, and whoever is half-way in stays out. The last
account that can administrate is never taken away by a page; the console of the machine can do everything.
"""

import hashlib
import re
import unicodedata
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from sqlalchemy.orm import Session

from shared_schema import canonical
from shared_schema.service.accounts.account import AccountError, AccountT, check_name
from shared_schema.service.accounts.door import Door
from shared_schema.service.accounts.invitations import Invitation
from shared_schema.service.accounts.rows import AccountColumns

ADMINISTRATOR: Final = "administrator"
"""The role, the same in both programs, without which nobody gives accounts."""
MAX_EMAIL_CHARACTERS: Final = 120
_EMAIL: Final = re.compile(r"[^\s@<>\"',;:\\()\[\]]{1,64}@[^\s@<>\"',;:\\()\[\]]+\.[^\s@<>\"',;:\\()\[\]]+")


@dataclass(frozen=True, slots=True)
class AccountForm:
    """What an administrator says about somebody."""

    name: str
    role: str
    administrates: bool = False
    email: str | None = None


FormT = TypeVar("FormT", bound=AccountForm)


class AccountChanges(ABC, Generic[AccountT, FormT]):
    """The changes of one program, which says what its accounts have beside name, role and e-mail."""

    def __init__(self, door: Door[AccountT]) -> None:
        self._door = door
        self._accounts = door.accounts
        self._record = door.record

    # --- what the program says -------------------------------------------------------------------------------------

    @abstractmethod
    def form_of(self, account: AccountT) -> FormT:
        """What a form shows of an account."""

    @abstractmethod
    def check(self, session: Session, form: FormT, before: AccountT | None = None) -> FormT:
        """The form in order, for an account that is new or stands as `before`. Raises ProgramError."""

    @abstractmethod
    def add(self, session: Session, person_id: str, form: FormT, *, by: str, now: datetime) -> None:
        """Add somebody with an account as the form says, which is in order. Raises ProgramError: the id."""

    @abstractmethod
    def keep(self, session: Session, row: AccountColumns, form: FormT) -> None:
        """Store what the form says beside name, e-mail and administration."""

    def shown(self, account: AccountT) -> dict[str, Any]:
        """What a page shows of an account."""
        form = self.form_of(account)
        return {
            "name": account.name,
            "email": account.email or "",
            "role": form.role,
            "roles": sorted(account.roles),
            "password": account.has_password,
            "disabled": account.is_disabled,
        }

    def powers(self, account: AccountT) -> tuple[object, ...]:
        """What an account may do: where it changes, the account's sessions end."""
        return (account.roles, self.form_of(account).role)

    def check_may_return(self, session: Session, account: AccountT) -> None:
        """Raise AccountError where an account that is kept out cannot be let in again; here it always can."""

    # --- what an administrator does --------------------------------------------------------------------------------

    def seen(self, account: AccountT) -> str:
        """The digest of what a page shows of an account; a form carries it back."""
        return hashlib.sha256(canonical.encode(self.shown(account))).hexdigest()

    def invite_new(
        self, session: Session, person_id: str, form: FormT, *, by: str, now: datetime
    ) -> tuple[str, Invitation]:
        """Add a person with an account and return the link for the first password.

        Raises ProgramError: id, role, name, e-mail, and what else the program asks for.
        """
        self.add(session, person_id, self.check(session, form), by=by, now=now)
        return self._door.invitations.invite(session, person_id, by=by, now=now)

    def invite(self, session: Session, person_id: str, *, by: str, now: datetime) -> tuple[str, Invitation]:
        """A link for somebody who has no password yet.

        Raises AccountError: no account, one that is disabled, or one with a password, which is to be reset.
        """
        account = self._accounts.get_account(session, person_id)
        self._check_is_let_in(account)
        if account.has_password:
            raise AccountError("expected somebody without a password; reset the account instead", code="account-in-use")
        return self._door.invitations.invite(session, person_id, by=by, now=now)

    def change(
        self, session: Session, person_id: str, form: FormT, seen_as: str, *, by: str, now: datetime
    ) -> AccountT:
        """Change an account that is as the administrator saw it.

        Raises AccountError: `account-changed`, `last-administrator`, and as `invite_new` does.
        """
        before = self._as_seen(session, person_id, seen_as)
        checked = self.check(session, form, before)
        row = self._row(session, person_id)
        row.name, row.email, row.administrates = checked.name, checked.email, checked.administrates
        self.keep(session, row, checked)
        session.flush()
        after = self._accounts.get_account(session, person_id)
        if self.powers(after) != self.powers(before):
            self._check_somebody_administrates(session, before)
            self._accounts.end_sessions(session, person_id)
            roles = "+".join(sorted(after.roles))
            self._record(session, by, "account.role-changed", f"{person_id}/{roles}", now)
        elif self.seen(after) != seen_as:
            self._record(session, by, "account.changed", person_id, now)
        return after

    def disable(self, session: Session, person_id: str, *, by: str, now: datetime) -> None:
        """Nobody gets in with this account from this moment on: its sessions, links and tokens are dead.

        Raises AccountError: no account, `last-administrator`.
        """
        before = self._accounts.get_account(session, person_id)
        if before.is_disabled:
            return
        self._row(session, person_id).disabled_at = now
        session.flush()
        self._check_somebody_administrates(session, before)
        self._accounts.end_sessions(session, person_id)
        self._door.invitations.end_invitations(session, person_id, now)
        self._door.script_tokens.revoke_all(session, person_id, by=by, now=now)
        self._record(session, by, "account.disabled", person_id, now)

    def enable(self, session: Session, person_id: str, *, by: str, now: datetime) -> None:
        """Let an account in again, with the password it had. Raises AccountError: no account, `check_may_return`."""
        account = self._accounts.get_account(session, person_id)
        if not account.is_disabled:
            return
        self.check_may_return(session, account)
        self._row(session, person_id).disabled_at = None
        self._record(session, by, "account.enabled", person_id, now)

    def reset(
        self, session: Session, person_id: str, *, by: str, now: datetime, from_console: bool = False
    ) -> tuple[str, Invitation]:
        """Take password and second factor away, and return a link for a new password.

        The console may do it to the only administrator: it is how somebody who is locked out gets in again. Raises
        AccountError: no account, one that is disabled, `last-administrator`.
        """
        before = self._accounts.get_account(session, person_id)
        self._check_is_let_in(before)
        self._row(session, person_id).password_hash = None
        session.flush()
        if not from_console:
            self._check_somebody_administrates(session, before)
        self._accounts.end_sessions(session, person_id)
        self._door.second_factor.remove(session, person_id, by=by, now=now)
        self._door.script_tokens.revoke_all(session, person_id, by=by, now=now)
        self._record(session, by, "account.reset", person_id, now)
        return self._door.invitations.invite(session, person_id, by=by, now=now)

    def change_own(
        self, session: Session, person_id: str, *, name: str, email: str | None, language: str | None, now: datetime
    ) -> None:
        """What everybody may change about their own account. Raises AccountError."""
        row = self._row(session, person_id)
        new = (check_name(name), check_email(email), language)
        if new != (row.name, row.email, row.language):
            row.name, row.email, row.language = new
            self._record(session, person_id, "account.changed", person_id, now)

    def _row(self, session: Session, person_id: str) -> AccountColumns:
        return session.get_one(self._accounts.rows.account, person_id)

    def _as_seen(self, session: Session, person_id: str, seen_as: str) -> AccountT:
        account = self._accounts.get_account(session, person_id)
        if self.seen(account) != seen_as:
            raise AccountError(
                "expected the account as it stands now: somebody has changed it since this page was opened",
                code="account-changed",
            )
        return account

    def _check_is_let_in(self, account: AccountT) -> None:
        if account.is_disabled:
            message = "expected an account that is not disabled; let it in again first"
            raise AccountError(message, code="account-disabled")

    def _check_somebody_administrates(self, session: Session, before: AccountT) -> None:
        """Raise AccountError when a change of this account leaves nobody who can manage accounts; it is then undone."""
        if _can_administrate(before) and not any(map(_can_administrate, self._accounts.list_accounts(session))):
            raise AccountError(
                "expected at least one administrator who can sign in; give somebody else this right first",
                code="last-administrator",
            )


def check_email(email: str | None) -> str | None:
    """The address without space around it; None for an empty one. Raises AccountError."""
    text = unicodedata.normalize("NFC", (email or "").strip())
    if not text:
        return None
    if len(text) > MAX_EMAIL_CHARACTERS or not text.isprintable() or not _EMAIL.fullmatch(text):
        raise AccountError("expected an e-mail address like anna@city.example", code="account-email")
    return text


def _can_administrate(account: AccountT) -> bool:
    return ADMINISTRATOR in account.roles and account.has_password and not account.is_disabled
