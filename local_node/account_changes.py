"""What an administrator does with accounts: invite, change, disable, let in again, reset.

Whatever changes what an account may do ends its sessions at once, and whoever is half-way in stays out. The last
account that can administrate this node is never taken away by a page; the console of the machine can do everything.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from local_node import accounts, agencies, audit, invitations, people, script_tokens, second_factor
from local_node.accounts import Account
from local_node.errors import NodeError
from local_node.invitations import Invitation
from local_node.orm import AccountRow, PersonRow
from local_node.people import PersonError
from local_node.review import Role
from shared_schema import canonical

MAX_EMAIL_CHARACTERS: Final = 120
_EMAIL: Final = re.compile(r"[^\s@<>\"',;:\\()\[\]]{1,64}@[^\s@<>\"',;:\\()\[\]]+\.[^\s@<>\"',;:\\()\[\]]+")


class AccountError(NodeError):
    """This account cannot be changed in this way."""

    code = "account"


@dataclass(frozen=True, slots=True)
class AccountForm:
    """What an administrator says about somebody."""

    name: str
    role: str
    agency: str | None = None
    administrates: bool = False
    email: str | None = None


def seen(account: Account) -> str:
    """The digest of what a page shows of an account; a form carries it back."""
    shown = {
        "name": account.name,
        "email": account.email or "",
        "role": account.role.value,
        "roles": sorted(account.roles),
        "agency": account.agency or "",
        "password": account.has_password,
        "disabled": account.is_disabled,
    }
    return hashlib.sha256(canonical.encode(shown)).hexdigest()


def form_of(account: Account) -> AccountForm:
    """What a form shows of an account."""
    administrates = account.role is not Role.ADMINISTRATOR and Role.ADMINISTRATOR in account.roles
    return AccountForm(account.name, account.role.value, account.agency, administrates, account.email)


def invite_new(
    session: Session, person_id: str, form: AccountForm, *, by: str, now: datetime
) -> tuple[str, Invitation]:
    """Add a person with an account and return the link for the first password.

    Raises PersonError (id, role, name), AccountError (e-mail, agency).
    """
    checked = _check(session, form)
    people.add_person(session, person_id, checked.role, by=by, now=now)
    return _make_and_invite(session, person_id, checked, by=by, now=now)


def invite(
    session: Session, person_id: str, *, by: str, now: datetime, agency: str | None = None
) -> tuple[str, Invitation]:
    """A link for somebody of this node who has no password yet; an account is made where there is none.

    `agency` is for a new account: that of a partner.

    Raises PersonError (nobody of this id), AccountError (has a password: reset it; disabled; a partner without agency).
    """
    person = people.get_person(session, person_id)
    account = accounts.find_account(session, person_id)
    if account is None:
        form = _check(session, AccountForm(person_id, person.role.value, agency))
        return _make_and_invite(session, person_id, form, by=by, now=now)
    if account.is_disabled:
        raise AccountError("expected an account that is not disabled; let it in again first", code="account-disabled")
    if account.has_password:
        raise AccountError("expected somebody without a password; reset the account instead", code="account-in-use")
    return invitations.invite(session, person_id, by=by, now=now)


def change(session: Session, person_id: str, form: AccountForm, seen_as: str, *, by: str, now: datetime) -> Account:
    """Change name, e-mail, role, agency or administration of an account that is as the administrator saw it.

    Raises PersonError, AccountError: `account-changed`, `last-administrator`, and as `invite_new` does.
    """
    before = _as_seen(session, person_id, seen_as)
    checked = _check(session, form, before)
    row = session.get_one(AccountRow, person_id)
    row.name, row.email = checked.name, checked.email
    row.agency_id, row.administrates = checked.agency, checked.administrates
    session.get_one(PersonRow, person_id).role = checked.role
    session.flush()
    after = accounts.get_account(session, person_id)
    if (after.roles, after.role, after.agency) != (before.roles, before.role, before.agency):
        _check_somebody_administrates(session, before)
        accounts.end_sessions(session, person_id)
        audit.append(session, by, "account.role-changed", f"{person_id}/{'+'.join(sorted(after.roles))}", now)
    elif seen(after) != seen_as:
        audit.append(session, by, "account.changed", person_id, now)
    return after


def disable(session: Session, person_id: str, *, by: str, now: datetime) -> None:
    """Nobody gets in with this account from this moment on: its sessions, links and tokens are dead.

    Raises PersonError (no account), AccountError `last-administrator`.
    """
    before = accounts.get_account(session, person_id)
    if before.is_disabled:
        return
    session.get_one(AccountRow, person_id).disabled_at = now
    session.flush()
    _check_somebody_administrates(session, before)
    accounts.end_sessions(session, person_id)
    invitations.end_invitations(session, person_id, now)
    script_tokens.revoke_all(session, person_id, by=by, now=now)
    audit.append(session, by, "account.disabled", person_id, now)


def end_agency(session: Session, agency_id: str, seen_as: str, *, by: str, now: datetime) -> int:
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
        disable(session, account.person_id, by=by, now=now)
    return len(closed)


def enable(session: Session, person_id: str, *, by: str, now: datetime) -> None:
    """Let an account in again, with the password it had.

    Raises PersonError (no account), AccountError `account-agency-ended`: a partner whose agency takes part no more.
    """
    account = accounts.get_account(session, person_id)
    if not account.is_disabled:
        return
    if account.agency is not None and _is_partner_of(account, account.agency):
        agency = agencies.find_agency(session, account.agency)
        if agency is not None and agency.ended_at is not None:
            raise AccountError("expected an agency that takes part; take it back first", code="account-agency-ended")
    session.get_one(AccountRow, person_id).disabled_at = None
    audit.append(session, by, "account.enabled", person_id, now)


def reset(
    session: Session, person_id: str, *, by: str, now: datetime, from_console: bool = False
) -> tuple[str, Invitation]:
    """Take password and second factor away, and return a link for a new password.

    The console may do it to the only administrator: it is how somebody who is locked out gets in again. Raises
    PersonError (no account), AccountError (disabled, `last-administrator`).
    """
    before = accounts.get_account(session, person_id)
    if before.is_disabled:
        raise AccountError("expected an account that is not disabled; let it in again first", code="account-disabled")
    session.get_one(AccountRow, person_id).password_hash = None
    session.flush()
    if not from_console:
        _check_somebody_administrates(session, before)
    accounts.end_sessions(session, person_id)
    second_factor.remove(session, person_id, by=by, now=now)
    script_tokens.revoke_all(session, person_id, by=by, now=now)
    audit.append(session, by, "account.reset", person_id, now)
    return invitations.invite(session, person_id, by=by, now=now)


def change_own(
    session: Session, person_id: str, *, name: str, email: str | None, language: str | None, now: datetime
) -> None:
    """What everybody may change about their own account. Raises PersonError, AccountError."""
    row = session.get_one(AccountRow, person_id)
    new = (accounts.check_name(name), check_email(email), language)
    if new != (row.name, row.email, row.language):
        row.name, row.email, row.language = new
        audit.append(session, person_id, "account.changed", person_id, now)


def check_email(email: str | None) -> str | None:
    """The address without space around it; None for an empty one. Raises AccountError."""
    text = unicodedata.normalize("NFC", (email or "").strip())
    if not text:
        return None
    if len(text) > MAX_EMAIL_CHARACTERS or not text.isprintable() or not _EMAIL.fullmatch(text):
        raise AccountError("expected an e-mail address like anna@city.example", code="account-email")
    return text


def _make_and_invite(
    session: Session, person_id: str, form: AccountForm, *, by: str, now: datetime
) -> tuple[str, Invitation]:
    accounts.make_account(
        session, person_id, form.name, by=by, now=now, agency=form.agency, administrates=form.administrates
    )
    session.get_one(AccountRow, person_id).email = form.email
    return invitations.invite(session, person_id, by=by, now=now)


def _check(session: Session, form: AccountForm, before: Account | None = None) -> AccountForm:
    """The form in order. An account keeps the agency that it had `before` when that has ended; its partner it was."""
    if form.role not in list(Role):
        raise PersonError(f"expected a role: {', '.join(Role)}", code="role-unknown")
    agency = form.agency or None
    keeps = (
        before is not None and before.agency == agency and (before.role is Role.PARTNER or form.role != Role.PARTNER)
    )
    if agency is not None and not keeps:
        found = agencies.find_agency(session, agency)
        if found is None or found.ended_at is not None:
            raise AccountError("expected an agency that takes part", code="account-agency")
    if form.role == Role.PARTNER and agency is None:
        raise AccountError("expected the agency that a partner belongs to", code="account-agency")
    return replace(form, name=accounts.check_name(form.name), email=check_email(form.email), agency=agency)


def _as_seen(session: Session, person_id: str, seen_as: str) -> Account:
    account = accounts.get_account(session, person_id)
    if seen(account) != seen_as:
        raise AccountError(
            "expected the account as it stands now: somebody has changed it since this page was opened",
            code="account-changed",
        )
    return account


def _is_partner_of(account: Account, agency_id: str) -> bool:
    return account.role is Role.PARTNER and account.agency == agency_id


def _can_administrate(account: Account) -> bool:
    return Role.ADMINISTRATOR in account.roles and account.has_password and not account.is_disabled


def _check_somebody_administrates(session: Session, before: Account) -> None:
    """Raise AccountError when a change of this account leaves nobody who can manage accounts; it is then undone."""
    if _can_administrate(before) and not any(map(_can_administrate, accounts.list_accounts(session))):
        raise AccountError(
            "expected at least one administrator who can sign in; give somebody else this right first",
            code="last-administrator",
        )
