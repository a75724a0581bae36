"""What an administrator does with the accounts of the hub."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from regional_hub.door import Account, accounts, check_role, door
from regional_hub.orm import AccountRow
from shared_schema.service.accounts import changes
from shared_schema.service.accounts.account import check_name
from shared_schema.service.accounts.changes import ADMINISTRATOR, AccountForm, check_email
from shared_schema.service.accounts.rows import AccountColumns


class AccountChanges(changes.AccountChanges[Account, AccountForm]):
    """The changes of the hub."""

    def form_of(self, account: Account) -> AccountForm:
        """What a form shows of an account."""
        return AccountForm(account.name, account.role.value, ADMINISTRATOR in account.roles, account.email)

    def check(self, session: Session, form: AccountForm, before: Account | None = None) -> AccountForm:
        """The form in order. Raises AccountError: role, name, e-mail."""
        check_role(form.role)
        return replace(form, name=check_name(form.name), email=check_email(form.email))

    def add(self, session: Session, person_id: str, form: AccountForm, *, by: str, now: datetime) -> None:
        """Make the account. Raises AccountError: the id."""
        accounts.make_account(
            session,
            person_id,
            form.role,
            form.name,
            by=by,
            now=now,
            email=form.email,
            administrates=form.administrates,
        )

    def keep(self, session: Session, row: AccountColumns, form: AccountForm) -> None:
        """Store the role."""
        session.get_one(AccountRow, row.person_id).role = form.role


account_changes = AccountChanges(door)
