"""Links that work once: with one, somebody sets a password, the first or a new one.

Looking at the page of a link spends nothing, because mail programs look too. A newer link ends the older ones.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shared_schema.errors import ProgramError
from shared_schema.service.accounts.account import Record
from shared_schema.service.accounts.rows import InvitationColumns, Rows
from shared_schema.service.tokens import hash_token, new_token

OPEN_FOR: Final = timedelta(days=7)


class InvitationError(ProgramError):
    """The link is not open: unknown, used, replaced or too old."""

    code = "invitation"


@dataclass(frozen=True, slots=True)
class Invitation:
    """An open link, as lists show it; the link itself is shown once, when it is made."""

    person_id: str
    made_by: str
    ends_at: datetime


class Invitations:
    """The links of one program."""

    def __init__(self, rows: Rows, record: Record) -> None:
        self._rows = rows
        self._record = record

    def invite(self, session: Session, person_id: str, *, by: str, now: datetime) -> tuple[str, Invitation]:
        """Make a link for this person and end the older ones; return what stands at its end."""
        self.end_invitations(session, person_id, now)
        token = new_token()
        row = self._rows.invitation(
            token_hash=hash_token(token),
            person_id=person_id,
            made_by=by,
            made_at=now,
            ends_at=now + OPEN_FOR,
            ended_at=None,
        )
        session.add(row)
        session.flush()
        self._record(session, by, "account.invited", person_id, now)
        return token, _invitation(row)

    def find_invited(self, session: Session, token: str, now: datetime) -> str:
        """Whom the link is for. Raises InvitationError, the same one for every link that is not open."""
        row = session.get(self._rows.invitation, hash_token(token))
        if row is None or row.ended_at is not None or row.ends_at <= now:
            raise InvitationError("expected a link that is open: it works once, for seven days; ask for a new one")
        return row.person_id

    def use_invitation(self, session: Session, token: str, now: datetime) -> str:
        """Spend the link and return whom it is for. Raises InvitationError, also when another request was faster."""
        person_id = self.find_invited(session, token, now)
        spent = session.execute(
            update(self._rows.invitation)
            .where(self._rows.invitation.token_hash == hash_token(token), self._rows.invitation.ended_at.is_(None))
            .values(ended_at=now)
        )
        if spent.rowcount != 1:  # type: ignore[attr-defined]
            raise InvitationError("expected a link that is open: it works once, for seven days; ask for a new one")
        self._record(session, person_id, "account.invitation-used", person_id, now)
        return person_id

    def end_invitations(self, session: Session, person_id: str, now: datetime) -> None:
        """End every open link of this person."""
        session.execute(
            update(self._rows.invitation)
            .where(self._rows.invitation.person_id == person_id, self._rows.invitation.ended_at.is_(None))
            .values(ended_at=now)
        )

    def open_invitations(self, session: Session, now: datetime) -> dict[str, Invitation]:
        """The open links by person."""
        rows = session.scalars(
            select(self._rows.invitation).where(
                self._rows.invitation.ended_at.is_(None), self._rows.invitation.ends_at > now
            )
        )
        return {row.person_id: _invitation(row) for row in rows}


def _invitation(row: InvitationColumns) -> Invitation:
    return Invitation(row.person_id, row.made_by, row.ends_at)
