"""Tokens for scripts: what a program shows in place of a password, for a few things and for a limited time.

A token is shown once and kept as a hash. It never opens more than its owner may do at that moment; whoever asks with
it is looked up anew every time.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from local_node import audit
from local_node.errors import NodeError
from local_node.orm import ScriptTokenRow
from shared_schema import canonical
from shared_schema.service.tokens import hash_token, new_token

PREFIX: Final = "pxn_"
"""So that a token in a text or a log is recognised as one, by people and by programs that look for secrets."""
DEFAULT_DAYS: Final = 90
MAX_DAYS: Final = 365
MAX_LABEL_CHARACTERS: Final = 60
MAX_TOKENS: Final = 20
"""Of one person at a time: enough for every machine that they look after."""
USE_NOTED_EVERY: Final = timedelta(minutes=1)
"""A script that asks a hundred times a minute makes one write of it."""
_TOKEN: Final = re.compile(r"pxn_[A-Za-z0-9_-]{43}", re.ASCII)


class TokenError(NodeError):
    """A token cannot be made like this."""

    code = "token"


class UnknownToken(TokenError):
    """Not a token that is in force. Never says which of the reasons it is."""

    code = "token-unknown"


class Scope(StrEnum):
    """What a token opens."""

    RETURNS_WRITE = "returns:write"
    INBOX_READ = "inbox:read"
    FIGURES_READ = "figures:read"
    SYNC = "sync"


@dataclass(frozen=True, slots=True)
class ScriptToken:
    """A token, as its owner sees it."""

    id: int
    person_id: str
    label: str
    scopes: frozenset[Scope]
    made_at: datetime
    ends_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None

    def is_in_force(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.ends_at


def make_token(
    session: Session, person_id: str, label: str, scopes: Collection[str], days: int, now: datetime
) -> tuple[str, ScriptToken]:
    """Make a token and return it, the only time that it can be read.

    Raises TokenError: no or an unknown scope, a lifetime beyond a year, a label that is empty or long, too many tokens.
    """
    label = label.strip()
    if not 1 <= len(label) <= MAX_LABEL_CHARACTERS or not label.isprintable():
        raise TokenError(f"expected a label of 1 to {MAX_LABEL_CHARACTERS} printable characters", code="token-label")
    if not scopes or not set(scopes) <= set(Scope):
        raise TokenError(f"expected one or more of {', '.join(Scope)}", code="token-scopes")
    if not 1 <= days <= MAX_DAYS:
        raise TokenError(f"expected 1 to {MAX_DAYS} days, got {days}", code="token-days")
    if _count_in_force(session, person_id, now) >= MAX_TOKENS:
        raise TokenError(f"expected at most {MAX_TOKENS} tokens at a time; revoke one first", code="token-many")
    token = PREFIX + new_token()
    row = ScriptTokenRow(
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
    audit.append(session, person_id, "token.made", str(row.id), now)
    return token, _token(row)


def find_token(session: Session, shown: str, now: datetime) -> ScriptToken:
    """The token that a script shows. Raises UnknownToken: never made, revoked or expired, with the same words."""
    row = None
    if _TOKEN.fullmatch(shown):
        query = select(ScriptTokenRow).where(ScriptTokenRow.token_hash == hash_token(shown))
        row = session.scalars(query).one_or_none()
    if row is None or not _token(row).is_in_force(now):
        raise UnknownToken("expected a token that is in force")
    return _token(row)


def is_use_worth_noting(token: ScriptToken, now: datetime) -> bool:
    """Whether the last use that is written down is old enough to write a newer one."""
    return token.last_used_at is None or now - token.last_used_at >= USE_NOTED_EVERY


def note_use(session: Session, token_id: int, now: datetime) -> None:
    """Write down that a token was used."""
    session.execute(update(ScriptTokenRow).where(ScriptTokenRow.id == token_id).values(last_used_at=now))


def list_tokens(session: Session, person_id: str) -> tuple[ScriptToken, ...]:
    """This person's tokens, the newest first, those that ended as well."""
    rows = session.scalars(
        select(ScriptTokenRow).where(ScriptTokenRow.person_id == person_id).order_by(ScriptTokenRow.id.desc())
    )
    return tuple(_token(row) for row in rows)


def revoke_token(session: Session, person_id: str, token_id: int, now: datetime) -> bool:
    """End one of this person's tokens at once; False when they have no such token, or it has ended before."""
    revoked = _revoke(session, now, ScriptTokenRow.person_id == person_id, ScriptTokenRow.id == token_id)
    if revoked:
        audit.append(session, person_id, "token.revoked", str(token_id), now)
    return bool(revoked)


def revoke_all(session: Session, person_id: str, *, by: str, now: datetime) -> int:
    """End all tokens of a person; return how many."""
    revoked = _revoke(session, now, ScriptTokenRow.person_id == person_id)
    if revoked:
        audit.append(session, by, "token.all-revoked", person_id, now)
    return revoked


def _revoke(session: Session, now: datetime, *which: object) -> int:
    revoked = session.execute(
        update(ScriptTokenRow).where(ScriptTokenRow.revoked_at.is_(None), *which).values(revoked_at=now)  # type: ignore[arg-type]
    )
    return int(revoked.rowcount)  # type: ignore[attr-defined]


def _count_in_force(session: Session, person_id: str, now: datetime) -> int:
    query = select(func.count()).select_from(ScriptTokenRow)
    query = query.where(ScriptTokenRow.person_id == person_id, ScriptTokenRow.revoked_at.is_(None))
    return session.scalar(query.where(ScriptTokenRow.ends_at > now)) or 0


def _token(row: ScriptTokenRow) -> ScriptToken:
    scopes = frozenset(Scope(code) for code in canonical.parse_canonical(row.scopes.encode())["codes"])
    return ScriptToken(
        row.id, row.person_id, row.label, scopes, row.made_at, row.ends_at, row.last_used_at, row.revoked_at
    )
