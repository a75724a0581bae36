"""Signing in with two factors: the password opens one page, and only the code opens a session."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete
from sqlalchemy.orm import Session

from shared_schema.errors import ProgramError
from shared_schema.service.accounts.rows import Rows
from shared_schema.service.tokens import hash_token, new_token

PENDING: Final = timedelta(minutes=5)
"""Long enough to find the telephone."""


class SecondStepError(ProgramError):
    """This step of signing in is not open."""

    code = "sign-in-step"


class SecondSteps:
    """Who has given the password, and owes the code."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def begin(self, session: Session, person_id: str, now: datetime) -> str:
        """Remember that somebody gave the right password; return what their browser shows with the code."""
        row = self._rows.pending
        session.execute(delete(row).where(row.ends_at <= now))
        token = new_token()
        session.add(row(token_hash=hash_token(token), person_id=person_id, ends_at=now + PENDING))
        session.flush()
        return token

    def find(self, session: Session, token: str, now: datetime) -> str | None:
        """Who owes the code; None when nobody does, or does no more."""
        row = session.get(self._rows.pending, hash_token(token))
        return None if row is None or row.ends_at <= now else row.person_id

    def end(self, session: Session, token: str) -> None:
        """Take the step away. Raises SecondStepError when another request has ended it."""
        row = self._rows.pending
        ended = session.execute(delete(row).where(row.token_hash == hash_token(token)))
        if ended.rowcount != 1:  # type: ignore[attr-defined]
            raise SecondStepError("expected a sign-in that waits for its code; begin again", code="sign-in-again")
