"""Who is signed in: sessions, and how often somebody may try (OWASP ASVS 5.0, 6.3 and 7).

A session is a random token in a cookie; here lies its hash. It ends after a working day, after two quiet hours, when
its owner signs out, and when the account's password, role or state changes.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from shared_schema.errors import ProgramError
from shared_schema.service.accounts.account import Account, Accounts, AccountT, Record
from shared_schema.service.accounts.rows import Rows
from shared_schema.service.tokens import MAX_TOKEN_CHARACTERS, hash_token, new_token

LONGEST_SESSION: Final = timedelta(hours=12)
LONGEST_QUIET: Final = timedelta(hours=2)
MAX_FAILURES: Final = 10
FAILURES_WITHIN: Final = timedelta(minutes=15)
MAX_CLIENT_CHARACTERS: Final = 60


class SignInError(ProgramError):
    """Nobody is signed in with this: `sign-in` for wrong words, `too-many` after ten of them."""

    code = "sign-in"


@dataclass(frozen=True, slots=True)
class SignedIn(Generic[AccountT]):
    """A session that is alive, and whose it is."""

    token_hash: str
    account: AccountT
    began_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session as its owner sees it; `client` is the kind of browser."""

    token_hash: str
    began_at: datetime
    seen_at: datetime
    client: str


class Sessions(Generic[AccountT]):
    """The sessions of one program."""

    def __init__(self, rows: Rows, record: Record, accounts: Accounts[AccountT]) -> None:
        self._rows = rows
        self._record = record
        self._accounts = accounts

    def check_may_try(self, session: Session, name: str, now: datetime) -> None:
        """Raise SignInError when there were ten failures for this name within fifteen minutes."""
        failures = session.scalar(
            select(func.count())
            .select_from(self._rows.attempt)
            .where(self._rows.attempt.name_hash == _hash_name(name), self._rows.attempt.at > now - FAILURES_WITHIN)
        )
        if (failures or 0) >= MAX_FAILURES:
            minutes = FAILURES_WITHIN // timedelta(minutes=1)
            raise SignInError(f"expected at most {MAX_FAILURES} tries within {minutes} minutes", code="too-many")

    def note_failure(self, session: Session, name: str, now: datetime) -> None:
        """Count one failure, and forget those that count no more."""
        session.execute(delete(self._rows.attempt).where(self._rows.attempt.at <= now - FAILURES_WITHIN))
        session.add(self._rows.attempt(name_hash=_hash_name(name), at=now))

    def begin(self, session: Session, account: Account, client: str, now: datetime) -> str:
        """Begin a session and return its token, which exists nowhere else."""
        token = new_token()
        session.execute(delete(self._rows.session).where(self._rows.session.ends_at <= now))
        session.execute(delete(self._rows.attempt).where(self._rows.attempt.name_hash == _hash_name(account.person_id)))
        session.add(
            self._rows.session(
                token_hash=hash_token(token),
                person_id=account.person_id,
                began_at=now,
                seen_at=now,
                ends_at=now + LONGEST_SESSION,
                client=client[:MAX_CLIENT_CHARACTERS],
            )
        )
        self._record(session, account.person_id, "session.began", account.person_id, now)
        return token

    def find_session(self, session: Session, token: str, now: datetime) -> SignedIn[AccountT] | None:
        """The session of this token while it is alive; whether it was quiet for too long, the caller judges as well."""
        if not 0 < len(token) <= MAX_TOKEN_CHARACTERS:
            return None
        row = session.get(self._rows.session, hash_token(token))
        if row is None or row.ends_at <= now:
            return None
        account = self._accounts.find_account(session, row.person_id)
        if account is None or account.is_disabled:
            return None
        return SignedIn(row.token_hash, account, row.began_at, row.seen_at)

    def list_sessions(self, session: Session, person_id: str, now: datetime) -> tuple[OpenSession, ...]:
        """Where somebody is signed in, the newest first."""
        rows = session.scalars(
            select(self._rows.session)
            .where(self._rows.session.person_id == person_id, self._rows.session.ends_at > now)
            .order_by(self._rows.session.began_at.desc(), self._rows.session.token_hash)
        )
        return tuple(OpenSession(row.token_hash, row.began_at, row.seen_at, row.client) for row in rows)

    def note_seen(self, session: Session, token_hash: str, at: datetime) -> None:
        """Remember when a session was last used."""
        row = session.get(self._rows.session, token_hash)
        if row is not None:
            row.seen_at = max(row.seen_at, at)

    def end(self, session: Session, token_hash: str, now: datetime) -> None:
        """Sign out; a session that is gone already is no mistake."""
        row = session.get(self._rows.session, token_hash)
        if row is not None:
            self._record(session, row.person_id, "session.ended", row.person_id, now)
            session.delete(row)


def _hash_name(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
