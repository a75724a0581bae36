"""Tokens for scripts: what a program shows in place of a password, for a few things and for a limited time.

A token is shown once and kept as a hash. It never opens more than its owner may do at that moment; whoever asks with
it is looked up anew every time.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from shared_schema import canonical
from shared_schema.errors import ProgramError
from shared_schema.service.accounts.account import Record
from shared_schema.service.accounts.rows import Rows, ScriptTokenColumns
from shared_schema.service.tokens import hash_token, new_token

DEFAULT_DAYS: Final = 90
MAX_DAYS: Final = 365
MAX_LABEL_CHARACTERS: Final = 60
MAX_TOKENS: Final = 20
"""Of one person at a time: enough for every machine that they look after."""
USE_NOTED_EVERY: Final = timedelta(minutes=1)
"""A script that asks a hundred times a minute makes one write of it."""


class TokenError(ProgramError):
    """A token cannot be made like this."""

    code = "token"


class UnknownToken(TokenError):
    """Not a token that is in force. Never says which of the reasons it is."""

    code = "token-unknown"


@dataclass(frozen=True, slots=True)
class ScriptToken:
    """A token, as its owner sees it."""

    id: int
    person_id: str
    label: str
    scopes: frozenset[str]
    made_at: datetime
    ends_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None

    def is_in_force(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.ends_at


class ScriptTokens:
    """The tokens of one program: they begin with `prefix` and open one or more of its `scopes`."""

    def __init__(self, rows: Rows, record: Record, prefix: str, scopes: Collection[str]) -> None:
        self._rows = rows
        self._record = record
        self._prefix = prefix
        self._scopes = tuple(scopes)
        self._form = re.compile(rf"{re.escape(prefix)}[A-Za-z0-9_-]{{43}}", re.ASCII)

    def make_token(
        self, session: Session, person_id: str, label: str, scopes: Collection[str], days: int, now: datetime
    ) -> tuple[str, ScriptToken]:
        """Make a token and return it, the only time that it can be read.

        Raises TokenError: no or an unknown scope, a lifetime beyond a year, a label that is empty or long, too many
        tokens.
        """
        label = label.strip()
        if not 1 <= len(label) <= MAX_LABEL_CHARACTERS or not label.isprintable():
            raise TokenError(
                f"expected a label of 1 to {MAX_LABEL_CHARACTERS} printable characters", code="token-label"
            )
        if not scopes or not set(scopes) <= set(self._scopes):
            raise TokenError(f"expected one or more of {', '.join(self._scopes)}", code="token-scopes")
        if not 1 <= days <= MAX_DAYS:
            raise TokenError(f"expected 1 to {MAX_DAYS} days, got {days}", code="token-days")
        if self._count_in_force(session, person_id, now) >= MAX_TOKENS:
            raise TokenError(f"expected at most {MAX_TOKENS} tokens at a time; revoke one first", code="token-many")
        token = self._prefix + new_token()
        row = self._rows.token(
            token_hash=hash_token(token),
            person_id=person_id,
            label=label,
            scopes=canonical.encode({"codes": sorted(set(scopes))}).decode(),
            made_at=now,
            ends_at=now + timedelta(days=days),
            last_used_at=None,
            revoked_at=None,
        )
        session.add(row)
        session.flush()
        self._record(session, person_id, "token.made", str(row.id), now)
        return token, _token(row)

    def find_token(self, session: Session, shown: str, now: datetime) -> ScriptToken:
        """The token that a script shows. Raises UnknownToken: never made, revoked or expired, with the same words."""
        row = None
        if self._form.fullmatch(shown):
            query = select(self._rows.token).where(self._rows.token.token_hash == hash_token(shown))
            row = session.scalars(query).one_or_none()
        if row is None or not _token(row).is_in_force(now):
            raise UnknownToken("expected a token that is in force")
        return _token(row)

    def note_use(self, session: Session, token_id: int, now: datetime) -> None:
        """Write down that a token was used."""
        session.execute(update(self._rows.token).where(self._rows.token.id == token_id).values(last_used_at=now))

    def list_tokens(self, session: Session, person_id: str) -> tuple[ScriptToken, ...]:
        """This person's tokens, the newest first, those that ended as well."""
        rows = session.scalars(
            select(self._rows.token).where(self._rows.token.person_id == person_id).order_by(self._rows.token.id.desc())
        )
        return tuple(_token(row) for row in rows)

    def revoke_token(self, session: Session, person_id: str, token_id: int, now: datetime) -> bool:
        """End one of this person's tokens at once; False when they have no such token, or it has ended before."""
        revoked = self._revoke(session, now, self._rows.token.person_id == person_id, self._rows.token.id == token_id)
        if revoked:
            self._record(session, person_id, "token.revoked", str(token_id), now)
        return bool(revoked)

    def revoke_all(self, session: Session, person_id: str, *, by: str, now: datetime) -> int:
        """End all tokens of a person; return how many."""
        revoked = self._revoke(session, now, self._rows.token.person_id == person_id)
        if revoked:
            self._record(session, by, "token.all-revoked", person_id, now)
        return revoked

    def _revoke(self, session: Session, now: datetime, *which: object) -> int:
        revoked = session.execute(
            update(self._rows.token).where(self._rows.token.revoked_at.is_(None), *which).values(revoked_at=now)  # type: ignore[arg-type]
        )
        return int(revoked.rowcount)  # type: ignore[attr-defined]

    def _count_in_force(self, session: Session, person_id: str, now: datetime) -> int:
        query = select(func.count()).select_from(self._rows.token)
        query = query.where(self._rows.token.person_id == person_id, self._rows.token.revoked_at.is_(None))
        return session.scalar(query.where(self._rows.token.ends_at > now)) or 0


def is_use_worth_noting(token: ScriptToken, now: datetime) -> bool:
    """Whether the last use that is written down is old enough to write a newer one."""
    return token.last_used_at is None or now - token.last_used_at >= USE_NOTED_EVERY


def _token(row: ScriptTokenColumns) -> ScriptToken:
    scopes = frozenset(canonical.parse_canonical(row.scopes.encode())["codes"])
    return ScriptToken(
        row.id, row.person_id, row.label, scopes, row.made_at, row.ends_at, row.last_used_at, row.revoked_at
    )
