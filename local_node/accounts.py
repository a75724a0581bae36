"""Accounts: with what the people of this node sign in, and what they may do by their roles.

An account belongs to somebody in `people`. Without a password nobody can sign in with it. Checking a password does
the same work for an account that does not exist.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from local_node import audit
from local_node.orm import AccountRow, PendingSignInRow, PersonRow, SessionRow
from local_node.people import PersonError, get_person
from local_node.review import Role
from shared_schema.service.passwords import check_password, hash_password, is_outdated, is_password

MAX_NAME_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can sign in: the person, its name for others, its roles, its agency where it belongs to one."""

    person_id: str
    name: str
    email: str | None
    role: Role
    roles: frozenset[Role]
    """The role of the person, and the administrator's where the account administrates."""
    agency: str | None
    language: str | None
    has_password: bool
    is_disabled: bool


def make_account(
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
    """Give somebody of this node an account, without a password yet. Raises PersonError: nobody of this id, no name."""
    get_person(session, person_id)
    if session.get(AccountRow, person_id) is not None:
        raise PersonError("expected somebody who has no account yet", code="account-known")
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
    return get_account(session, person_id)


def set_password(session: Session, person_id: str, password: str, *, by: str, now: datetime) -> None:
    """Set a password, which ends every session of this account.

    Raises PersonError (no account), PasswordError (not allowed as a password).
    """
    row = session.get(AccountRow, person_id)
    if row is None:
        raise PersonError("expected the id of somebody who has an account", code="account-unknown")
    check_password(password, words=(person_id, row.name, *row.name.split()))
    row.password_hash = hash_password(password)
    end_sessions(session, person_id)
    audit.append(session, by, "account.password", person_id, now)


def keep_hash(session: Session, person_id: str, password_hash: str, *, by: str, now: datetime) -> None:
    """Give an account that has none the hash of a password that was checked before (`passwords.check_password`).

    Raises PersonError: no account, or one that has a password.
    """
    row = session.get(AccountRow, person_id)
    if row is None or row.password_hash is not None:
        raise PersonError("expected an account without a password", code="account-unknown")
    row.password_hash = password_hash
    audit.append(session, by, "account.password", person_id, now)


def check_credentials(session: Session, person_id: str, password: str) -> Account | None:
    """The account when the password is right and it may be used; None, after the same work, for everything else.

    Reads only: the work takes its time, and nobody who writes has to wait for it.
    """
    row = session.get(AccountRow, person_id)
    is_right = is_password(None if row is None else row.password_hash, password)
    if row is None or not is_right or row.disabled_at is not None:
        return None
    return get_account(session, person_id)


def renew_hash(session: Session, person_id: str, password: str) -> None:
    """Keep a password that was right with today's parameters, where its hash has older ones."""
    row = session.get(AccountRow, person_id)
    if row is not None and row.password_hash is not None and is_outdated(row.password_hash):
        row.password_hash = hash_password(password)


def password_mark(session: Session, person_id: str) -> str:
    """What changes with the password: whoever checked one outside a write compares it before letting somebody in."""
    row = session.get(AccountRow, person_id)
    return "" if row is None or row.password_hash is None else row.password_hash


def end_sessions(session: Session, person_id: str, *, keep: str | None = None) -> int:
    """Sign somebody out everywhere, but for the session whose token hash is `keep`; how many were ended.

    Whoever has given the password and not yet the code begins again: it may be the password that was changed.
    """
    session.execute(delete(PendingSignInRow).where(PendingSignInRow.person_id == person_id))
    rows = session.scalars(select(SessionRow).where(SessionRow.person_id == person_id)).all()
    ended = [row for row in rows if row.token_hash != keep]
    for row in ended:
        session.delete(row)
    return len(ended)


def find_account(session: Session, person_id: str) -> Account | None:
    """The account of this id, or None."""
    row = session.execute(
        select(AccountRow, PersonRow.role)
        .join(PersonRow, PersonRow.id == AccountRow.person_id)
        .where(AccountRow.person_id == person_id)
    ).first()
    return None if row is None else _account(row[0], row[1])


def get_account(session: Session, person_id: str) -> Account:
    """Raises PersonError when nobody has this account."""
    account = find_account(session, person_id)
    if account is None:
        raise PersonError("expected the id of somebody who has an account", code="account-unknown")
    return account


def list_accounts(session: Session) -> tuple[Account, ...]:
    """All accounts, by id."""
    rows = session.execute(
        select(AccountRow, PersonRow.role)
        .join(PersonRow, PersonRow.id == AccountRow.person_id)
        .order_by(AccountRow.person_id)
    )
    return tuple(_account(row, role) for row, role in rows)


def check_name(name: str) -> str:
    """The name without space around it. Raises PersonError unless others can read it."""
    text = name.strip()
    if not 0 < len(text) <= MAX_NAME_CHARACTERS or not text.isprintable():
        raise PersonError(f"expected a name of 1 to {MAX_NAME_CHARACTERS} printable characters", code="name")
    return text


def _account(row: AccountRow, role: str) -> Account:
    roles = {Role(role)} | ({Role.ADMINISTRATOR} if row.administrates else set())
    return Account(
        row.person_id,
        row.name,
        row.email,
        Role(role),
        frozenset(roles),
        row.agency_id,
        row.language,
        row.password_hash is not None,
        row.disabled_at is not None,
    )
