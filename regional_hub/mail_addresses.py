"""Which address of an account was confirmed: by a code that was sent there. Nothing else is ever sent to another one.

Everybody may write any address into the own account. Without this, somebody could have the hub write to strangers. A
code works once, for an hour, and for five tries; a new one can be asked for every ten minutes, five times in a day.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub import audit
from regional_hub.deliveries import PERSON, new_row
from regional_hub.orm import AccountRow, MailAddressRow
from shared_schema.errors import ProgramError
from shared_schema.service.mail import MailError, check_address
from shared_schema.service.tokens import hash_token

CONFIRM: Final = "confirm"
"""The topic of an e-mail with a code."""
CODE_DIGITS: Final = 8
CODE_LASTS: Final = timedelta(hours=1)
MOST_WRONG: Final = 5
ASK_AGAIN_AFTER: Final = timedelta(minutes=10)
MOST_ASKED: Final = 5
ASKED_WITHIN: Final = timedelta(days=1)


class AddressError(ProgramError):
    """No code can be sent, or this is not the one that was."""

    code = "address"


@dataclass(frozen=True, slots=True)
class AddressState:
    """The address of an account as it stands there now, and whether it was confirmed or a code is on its way."""

    address: str
    is_confirmed: bool
    is_asked: bool


def state_of(session: Session, person: str, now: datetime) -> AddressState:
    """How it stands with somebody's address."""
    address = session.scalar(select(AccountRow.email).where(AccountRow.person_id == person)) or ""
    row = session.get(MailAddressRow, person)
    if row is None or row.address != address:
        return AddressState(address, is_confirmed=False, is_asked=False)
    is_asked = row.confirmed_at is None and now - row.asked_at < CODE_LASTS
    return AddressState(address, row.confirmed_at is not None, is_asked)


def confirmed_address(session: Session, person: str) -> str | None:
    """Where an e-mail for somebody may go; None where there is no such place, or the account is kept out."""
    account = session.get(AccountRow, person)
    row = session.get(MailAddressRow, person)
    if account is None or account.disabled_at is not None or row is None or row.confirmed_at is None:
        return None
    return row.address if row.address == account.email else None


def ask(session: Session, person: str, now: datetime) -> None:
    """Queue an e-mail with a code to the address of the account.

    Raises AddressError: no address that can be used, one that is confirmed already, or asked too often.
    """
    account = session.scalars(select(AccountRow).where(AccountRow.person_id == person).with_for_update()).one()
    try:
        address = check_address(account.email or "")
    except MailError as error:
        raise AddressError(error.message, code="mail-address") from None
    row = session.get(MailAddressRow, person)
    if row is not None and row.confirmed_at is not None and row.address == address:
        raise AddressError("expected an address that was not confirmed yet", code="address-confirmed")
    if row is None:
        row = MailAddressRow(person_id=person, address="", asked_at=now, first_asked_at=now, asked=0, wrong=0)
        session.add(row)
    elif now - row.asked_at < ASK_AGAIN_AFTER:
        raise AddressError("expected ten minutes between two codes", code="address-often")
    if now - row.first_asked_at >= ASKED_WITHIN:
        row.first_asked_at, row.asked = now, 0
    if row.asked >= MOST_ASKED:
        raise AddressError(f"expected at most {MOST_ASKED} codes in a day", code="address-often")
    row.address, row.asked_at, row.asked, row.wrong = address, now, row.asked + 1, 0
    row.code_hash = row.confirmed_at = None
    session.add(new_row(PERSON, CONFIRM, now, person_id=person))
    audit.record(session, person, "address-code-asked", person, now)


def draw_code(session: Session, person: str, now: datetime) -> tuple[str, str] | None:
    """A new code and the address that it goes to, just before it is sent; None where nobody waits for one any more.

    Only its hash is kept: every try to send it has a code of its own, and the newest counts.
    """
    row = session.get(MailAddressRow, person)
    account = session.get(AccountRow, person)
    if row is None or account is None or account.disabled_at is not None or row.confirmed_at is not None:
        return None
    if row.address != account.email or now - row.asked_at >= CODE_LASTS:
        return None
    code = "".join(secrets.choice("0123456789") for _ in range(CODE_DIGITS))
    row.code_hash = _hash(person, code)
    return code, row.address


def confirm(session: Session, person: str, code: str, now: datetime) -> bool:
    """Whether this is the code, and then the address is confirmed; a wrong one is counted."""
    account = session.get(AccountRow, person)
    row = session.scalars(select(MailAddressRow).where(MailAddressRow.person_id == person).with_for_update()).first()
    if account is None or row is None or row.code_hash is None or row.address != account.email:
        return False
    if row.wrong >= MOST_WRONG or now - row.asked_at >= CODE_LASTS:
        return False
    if not secrets.compare_digest(row.code_hash, _hash(person, "".join(code.split()))):
        row.wrong += 1
        return False
    row.code_hash, row.confirmed_at = None, now
    audit.record(session, person, "address-confirmed", person, now)
    return True


def _hash(person: str, code: str) -> str:
    return hash_token(f"{person} {code}")
