"""Who is signed in: sessions, and how often somebody may try (OWASP ASVS 5.0, 6.3 and 7).

A session is a random token in a cookie; here lies its hash. It ends after a working day, after two quiet hours, when
its owner signs out, and when the account's password, role or state changes.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from local_node import audit
from local_node.accounts import Account, find_account
from local_node.errors import NodeError
from local_node.orm import SessionRow, SignInAttemptRow
from shared_schema.service.tokens import MAX_TOKEN_CHARACTERS, hash_token, new_token

LONGEST_SESSION: Final = timedelta(hours=12)
LONGEST_QUIET: Final = timedelta(hours=2)
MAX_FAILURES: Final = 10
FAILURES_WITHIN: Final = timedelta(minutes=15)
MAX_CLIENT_CHARACTERS: Final = 60


class SignInError(NodeError):
    """Nobody is signed in with this: `sign-in` for wrong words, `too-many` after ten of them."""

    code = "sign-in"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that is alive, and whose it is."""

    token_hash: str
    account: Account
    began_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session as its owner sees it; `client` is the kind of browser."""

    token_hash: str
    began_at: datetime
    seen_at: datetime
    client: str


def check_may_try(session: Session, name: str, now: datetime) -> None:
    """Raise SignInError when there were ten failures for this name within fifteen minutes."""
    failures = session.scalar(
        select(func.count())
        .select_from(SignInAttemptRow)
        .where(SignInAttemptRow.name_hash == _hash_name(name), SignInAttemptRow.at > now - FAILURES_WITHIN)
    )
    if (failures or 0) >= MAX_FAILURES:
        minutes = FAILURES_WITHIN // timedelta(minutes=1)
        raise SignInError(f"expected at most {MAX_FAILURES} tries within {minutes} minutes", code="too-many")


def note_failure(session: Session, name: str, now: datetime) -> None:
    """Count one failure, and forget those that count no more."""
    session.execute(delete(SignInAttemptRow).where(SignInAttemptRow.at <= now - FAILURES_WITHIN))
    session.add(SignInAttemptRow(name_hash=_hash_name(name), at=now))


def begin(session: Session, account: Account, client: str, now: datetime) -> str:
    """Begin a session and return its token, which exists nowhere else."""
    token = new_token()
    session.execute(delete(SessionRow).where(SessionRow.ends_at <= now))
    session.execute(delete(SignInAttemptRow).where(SignInAttemptRow.name_hash == _hash_name(account.person_id)))
    session.add(
        SessionRow(
            token_hash=hash_token(token),
            person_id=account.person_id,
            began_at=now,
            seen_at=now,
            ends_at=now + LONGEST_SESSION,
            client=client[:MAX_CLIENT_CHARACTERS],
        )
    )
    audit.append(session, account.person_id, "session.began", account.person_id, now)
    return token


def find_session(session: Session, token: str, now: datetime) -> SignedIn | None:
    """The session of this token while it is alive; whether it was quiet for too long, the caller judges as well."""
    if not 0 < len(token) <= MAX_TOKEN_CHARACTERS:
        return None
    row = session.get(SessionRow, hash_token(token))
    if row is None or row.ends_at <= now:
        return None
    account = find_account(session, row.person_id)
    if account is None or account.is_disabled:
        return None
    return SignedIn(row.token_hash, account, row.began_at, row.seen_at)


def list_sessions(session: Session, person_id: str, now: datetime) -> tuple[OpenSession, ...]:
    """Where somebody is signed in, the newest first."""
    rows = session.scalars(
        select(SessionRow)
        .where(SessionRow.person_id == person_id, SessionRow.ends_at > now)
        .order_by(SessionRow.began_at.desc(), SessionRow.token_hash)
    )
    return tuple(OpenSession(row.token_hash, row.began_at, row.seen_at, row.client) for row in rows)


def note_seen(session: Session, token_hash: str, at: datetime) -> None:
    """Remember when a session was last used."""
    row = session.get(SessionRow, token_hash)
    if row is not None:
        row.seen_at = max(row.seen_at, at)


def end(session: Session, token_hash: str, now: datetime) -> None:
    """Sign out; a session that is gone already is no mistake."""
    row = session.get(SessionRow, token_hash)
    if row is not None:
        audit.append(session, row.person_id, "session.ended", row.person_id, now)
        session.delete(row)


def _hash_name(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
