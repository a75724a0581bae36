"""A second factor per person: set up, confirmed with a first code, asked for at every sign-in.

A code counts once, and so does a recovery code. Both are spent by comparing and swapping, so two requests with the
same code at the same moment open one session.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from shared_schema.errors import ProgramError
from shared_schema.service.accounts.account import Record
from shared_schema.service.accounts.one_time_codes import (
    RECOVERY_BYTES,
    RECOVERY_CODES,
    SECRET_BYTES,
    encode_secret,
    find_step,
    format_recovery_codes,
    hash_recovery_code,
)
from shared_schema.service.accounts.rows import Rows, SecondFactorColumns

WAITS_FOR: Final = timedelta(hours=1)
"""A secret that was shown and never confirmed may have been seen by others: it is not offered again later."""


class SecondFactorError(ProgramError):
    """The code is not the right one, or this step does not come now."""

    code = "second-factor"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a person stands: `since` when it is on; `codes_left` of the recovery codes."""

    since: datetime | None
    codes_left: int

    @property
    def is_on(self) -> bool:
        return self.since is not None


class SecondFactors:
    """The second factors of one program."""

    def __init__(self, rows: Rows, record: Record) -> None:
        self._rows = rows
        self._record = record

    def standing(self, session: Session, person_id: str) -> Standing:
        """Whether this person has a second factor."""
        row = session.get(self._rows.factor, person_id)
        if row is None or row.confirmed_at is None:
            return Standing(None, 0)
        left = session.scalar(
            select(func.count())
            .select_from(self._rows.recovery_code)
            .where(self._rows.recovery_code.person_id == person_id, self._rows.recovery_code.used_at.is_(None))
        )
        return Standing(row.confirmed_at, left or 0)

    def list_owners(self, session: Session) -> frozenset[str]:
        """Everybody whose second factor is on."""
        rows = session.scalars(select(self._rows.factor.person_id).where(self._rows.factor.confirmed_at.is_not(None)))
        return frozenset(rows)

    def begin(self, session: Session, person_id: str, now: datetime) -> str:
        """Return the secret for the telephone: a new one, or the one that waits for its first code.

        The same one again, because a page that is loaded twice must not spoil what the telephone has already read.
        Raises SecondFactorError when the second factor is on.
        """
        row = session.get(self._rows.factor, person_id)
        if row is not None and row.confirmed_at is None and now - row.began_at >= WAITS_FOR:
            session.delete(row)
            session.flush()
            row = None
        if row is None:
            row = self._rows.factor(
                person_id=person_id,
                secret=encode_secret(secrets.token_bytes(SECRET_BYTES)),
                began_at=now,
                confirmed_at=None,
                last_step=0,
            )
            session.add(row)
            session.flush()
        elif row.confirmed_at is not None:
            raise SecondFactorError("expected no second factor yet; turn it off first", code="second-factor-on")
        return row.secret

    def waiting_secret(self, session: Session, person_id: str, now: datetime) -> str | None:
        """The secret that waits for its first code; after an hour it does no more."""
        row = session.get(self._rows.factor, person_id)
        return row.secret if row is not None and _waits(row, now) else None

    def confirm(self, session: Session, person_id: str, code: str, now: datetime) -> tuple[str, ...]:
        """Turn it on with a first code; return the recovery codes, which nobody can read again.

        Raises SecondFactorError: nothing waits, or the code is wrong.
        """
        row = session.get(self._rows.factor, person_id)
        if row is None or not _waits(row, now):
            raise SecondFactorError(
                "expected a second factor that waits for its first code", code="second-factor-state"
            )
        step = find_step(row.secret, code, now, row.last_step)
        if step is None:
            raise SecondFactorError("expected the six digits that the telephone shows now", code="second-factor-code")
        row.confirmed_at, row.last_step = now, step
        codes = self._new_recovery_codes(session, person_id)
        self._record(session, person_id, "second-factor.on", person_id, now)
        return codes

    def renew_recovery_codes(self, session: Session, person_id: str, now: datetime) -> tuple[str, ...]:
        """Ten new codes in the place of the old ones. Raises SecondFactorError when there is no second factor."""
        if not self.standing(session, person_id).is_on:
            raise SecondFactorError("expected a second factor that is on", code="second-factor-state")
        codes = self._new_recovery_codes(session, person_id)
        self._record(session, person_id, "second-factor.codes-renewed", person_id, now)
        return codes

    def spend_code(self, session: Session, person_id: str, typed: str, now: datetime) -> bool:
        """Accept the code of the moment, or a recovery code, once; return whether it was a recovery code.

        Raises SecondFactorError, the same one whatever was wrong.
        """
        row = session.get(self._rows.factor, person_id)
        if row is not None and row.confirmed_at is not None:
            step = find_step(row.secret, typed, now, row.last_step)
            if step is not None and self._spend_step(session, person_id, row.last_step, step):
                return False
            if self._spend_recovery_code(session, person_id, typed, now):
                self._record(session, person_id, "second-factor.recovery-code-used", person_id, now)
                return True
        raise SecondFactorError(
            "expected the six digits that the telephone shows now, or a recovery code; each works once",
            code="second-factor-code",
        )

    def remove(self, session: Session, person_id: str, *, by: str, now: datetime) -> None:
        """Turn it off, with its recovery codes; nothing happens where there is none."""
        gone = session.get(self._rows.factor, person_id)
        if gone is None:
            return
        session.delete(gone)
        session.execute(delete(self._rows.recovery_code).where(self._rows.recovery_code.person_id == person_id))
        self._record(session, by, "second-factor.off", person_id, now)

    def _spend_step(self, session: Session, person_id: str, last_step: int, step: int) -> bool:
        spent = session.execute(
            update(self._rows.factor)
            .where(self._rows.factor.person_id == person_id, self._rows.factor.last_step == last_step)
            .values(last_step=step)
        )
        return bool(spent.rowcount == 1)  # type: ignore[attr-defined]

    def _spend_recovery_code(self, session: Session, person_id: str, typed: str, now: datetime) -> bool:
        spent = session.execute(
            update(self._rows.recovery_code)
            .where(
                self._rows.recovery_code.code_hash == hash_recovery_code(typed),
                self._rows.recovery_code.person_id == person_id,
                self._rows.recovery_code.used_at.is_(None),
            )
            .values(used_at=now)
        )
        return bool(spent.rowcount == 1)  # type: ignore[attr-defined]

    def _new_recovery_codes(self, session: Session, person_id: str) -> tuple[str, ...]:
        session.execute(delete(self._rows.recovery_code).where(self._rows.recovery_code.person_id == person_id))
        codes = format_recovery_codes(secrets.token_bytes(RECOVERY_BYTES) for _ in range(RECOVERY_CODES))
        session.add_all(
            self._rows.recovery_code(code_hash=hash_recovery_code(code), person_id=person_id) for code in codes
        )
        session.flush()
        return codes


def _waits(row: SecondFactorColumns, now: datetime) -> bool:
    return row.confirmed_at is None and now - row.began_at < WAITS_FOR
