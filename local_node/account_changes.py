"""What an administrator does with the accounts of the node, where a partner belongs to an agency."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from local_node import agencies, people
from local_node.door import Account, accounts, door
from local_node.orm import AccountRow, PersonRow
from local_node.people import PersonError
from local_node.review import Role
from shared_schema.service.accounts import changes
from shared_schema.service.accounts.account import AccountError, check_name
from shared_schema.service.accounts.changes import check_email
from shared_schema.service.accounts.invitations import Invitation
from shared_schema.service.accounts.rows import AccountColumns


@dataclass(frozen=True, slots=True)
class AccountForm(changes.AccountForm):
    """What an administrator says about somebody."""

    agency: str | None = None


class AccountChanges(changes.AccountChanges[Account, AccountForm]):
    """The changes of the node."""

    def form_of(self, account: Account) -> AccountForm:
        """What a form shows of an account."""
        administrates = account.role is not Role.ADMINISTRATOR and Role.ADMINISTRATOR in account.roles
        return AccountForm(account.name, account.role.value, administrates, account.email, account.agency)

    def shown(self, account: Account) -> dict[str, Any]:
        """What a page shows of an account."""
        return super().shown(account) | {"agency": account.agency or ""}

    def powers(self, account: Account) -> tuple[object, ...]:
        """What an account may do, and for which agency."""
        return (*super().powers(account), account.agency)

    def check(self, session: Session, form: AccountForm, before: Account | None = None) -> AccountForm:
        """The form in order. An account keeps the agency that it had `before` when that has ended; its partner it was.

        Raises PersonError (role), AccountError (name, e-mail, agency).
        """
        if form.role not in list(Role):
            raise PersonError(f"expected a role: {', '.join(Role)}", code="role-unknown")
        agency = form.agency or None
        keeps = (
            before is not None
            and before.agency == agency
            and (before.role is Role.PARTNER or form.role != Role.PARTNER)
        )
        if agency is not None and not keeps:
            found = agencies.find_agency(session, agency)
            if found is None or found.ended_at is not None:
                raise AccountError("expected an agency that takes part", code="account-agency")
        if form.role == Role.PARTNER and agency is None:
            raise AccountError("expected the agency that a partner belongs to", code="account-agency")
        return replace(form, name=check_name(form.name), email=check_email(form.email), agency=agency)

    def add(self, session: Session, person_id: str, form: AccountForm, *, by: str, now: datetime) -> None:
        """Add somebody to the node, with an account. Raises PersonError: the id."""
        people.add_person(session, person_id, form.role, by=by, now=now)
        self._make(session, person_id, form, by=by, now=now)

    def keep(self, session: Session, row: AccountColumns, form: AccountForm) -> None:
        """Store agency and role."""
        session.get_one(AccountRow, row.person_id).agency_id = form.agency
        session.get_one(PersonRow, row.person_id).role = form.role

    def check_may_return(self, session: Session, account: Account) -> None:
        """Raise AccountError `account-agency-ended` for a partner whose agency takes part no more."""
        if account.agency is not None and _is_partner_of(account, account.agency):
            agency = agencies.find_agency(session, account.agency)
            if agency is not None and agency.ended_at is not None:
                message = "expected an agency that takes part; take it back first"
                raise AccountError(message, code="account-agency-ended")

    def invite(
        self, session: Session, person_id: str, *, by: str, now: datetime, agency: str | None = None
    ) -> tuple[str, Invitation]:
        """A link for somebody of this node who has no password yet; an account is made where there is none.

        `agency` is for a new account: that of a partner.

        Raises PersonError (nobody of this id), AccountError (has a password: reset it; disabled; a partner without
        agency).
        """
        person = people.get_person(session, person_id)
        if accounts.find_account(session, person_id) is None:
            form = self.check(session, AccountForm(person_id, person.role.value, agency=agency))
            self._make(session, person_id, form, by=by, now=now)
        return super().invite(session, person_id, by=by, now=now)

    def end_agency(self, session: Session, agency_id: str, seen_as: str, *, by: str, now: datetime) -> int:
        """The agency takes part no more, and nobody of it gets in; how many accounts that closed.

        Whoever belongs to it and has another role than a partner's stays. Raises AgencyError (`agency-changed`),
        AccountError: `last-administrator`, or `agency-administers`: only an administrator keeps one of them out.
        """
        agencies.end_agency(session, agency_id, seen_as, by=by, now=now)
        theirs = [each for each in accounts.list_accounts(session) if _is_partner_of(each, agency_id)]
        closed = [each for each in theirs if not each.is_disabled]
        actor = accounts.find_account(session, by)
        administrates = actor is not None and Role.ADMINISTRATOR in actor.roles
        if not administrates and any(Role.ADMINISTRATOR in each.roles for each in closed):
            raise AccountError("expected an administrator to end an agency of one", code="agency-administers")
        for account in closed:
            self.disable(session, account.person_id, by=by, now=now)
        return len(closed)

    def _make(self, session: Session, person_id: str, form: AccountForm, *, by: str, now: datetime) -> None:
        accounts.make_account(
            session, person_id, form.name, by=by, now=now, agency=form.agency, administrates=form.administrates
        )
        session.get_one(AccountRow, person_id).email = form.email


def _is_partner_of(account: Account, agency_id: str) -> bool:
    return account.role is Role.PARTNER and account.agency == agency_id


account_changes = AccountChanges(door)
