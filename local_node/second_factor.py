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

from local_node import audit
from local_node.errors import NodeError
from local_node.one_time_codes import (
    RECOVERY_BYTES,
    RECOVERY_CODES,
    SECRET_BYTES,
    encode_secret,
    find_step,
    format_recovery_codes,
    hash_recovery_code,
)
from local_node.orm import RecoveryCodeRow, SecondFactorRow

WAITS_FOR: Final = timedelta(hours=1)
"""A secret that was shown and never confirmed may have been seen by others: it is not offered again later."""


class SecondFactorError(NodeError):
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


def standing(session: Session, person_id: str) -> Standing:
    """Whether this person has a second factor."""
    row = session.get(SecondFactorRow, person_id)
    if row is None or row.confirmed_at is None:
        return Standing(None, 0)
    left = session.scalar(
        select(func.count())
        .select_from(RecoveryCodeRow)
        .where(RecoveryCodeRow.person_id == person_id, RecoveryCodeRow.used_at.is_(None))
    )
    return Standing(row.confirmed_at, left or 0)


def list_owners(session: Session) -> frozenset[str]:
    """Everybody whose second factor is on."""
    rows = session.scalars(select(SecondFactorRow.person_id).where(SecondFactorRow.confirmed_at.is_not(None)))
    return frozenset(rows)


def begin(session: Session, person_id: str, now: datetime) -> str:
    """Return the secret for the telephone: a new one, or the one that waits for its first code.

    The same one again, because a page that is loaded twice must not spoil what the telephone has already read. Raises
    SecondFactorError when the second factor is on.
    """
    row = session.get(SecondFactorRow, person_id)
    if row is not None and row.confirmed_at is None and now - row.began_at >= WAITS_FOR:
        session.delete(row)
        session.flush()
        row = None
    if row is None:
        row = SecondFactorRow(
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


def waiting_secret(session: Session, person_id: str, now: datetime) -> str | None:
    """The secret that waits for its first code; after an hour it does no more."""
    row = session.get(SecondFactorRow, person_id)
    return row.secret if row is not None and _waits(row, now) else None


def confirm(session: Session, person_id: str, code: str, now: datetime) -> tuple[str, ...]:
    """Turn it on with a first code; return the recovery codes, which nobody can read again.

    Raises SecondFactorError: nothing waits, or the code is wrong.
    """
    row = session.get(SecondFactorRow, person_id)
    if row is None or not _waits(row, now):
        raise SecondFactorError("expected a second factor that waits for its first code", code="second-factor-state")
    step = find_step(row.secret, code, now, row.last_step)
    if step is None:
        raise SecondFactorError("expected the six digits that the telephone shows now", code="second-factor-code")
    row.confirmed_at, row.last_step = now, step
    codes = _new_recovery_codes(session, person_id)
    audit.append(session, person_id, "second-factor.on", person_id, now)
    return codes


def renew_recovery_codes(session: Session, person_id: str, now: datetime) -> tuple[str, ...]:
    """Ten new codes in the place of the old ones. Raises SecondFactorError when there is no second factor."""
    if not standing(session, person_id).is_on:
        raise SecondFactorError("expected a second factor that is on", code="second-factor-state")
    codes = _new_recovery_codes(session, person_id)
    audit.append(session, person_id, "second-factor.codes-renewed", person_id, now)
    return codes


def spend_code(session: Session, person_id: str, typed: str, now: datetime) -> bool:
    """Accept the code of the moment, or a recovery code, once; return whether it was a recovery code.

    Raises SecondFactorError, the same one whatever was wrong.
    """
    row = session.get(SecondFactorRow, person_id)
    if row is not None and row.confirmed_at is not None:
        step = find_step(row.secret, typed, now, row.last_step)
        if step is not None and _spend_step(session, person_id, row.last_step, step):
            return False
        if _spend_recovery_code(session, person_id, typed, now):
            audit.append(session, person_id, "second-factor.recovery-code-used", person_id, now)
            return True
    raise SecondFactorError(
        "expected the six digits that the telephone shows now, or a recovery code; each works once",
        code="second-factor-code",
    )


def remove(session: Session, person_id: str, *, by: str, now: datetime) -> None:
    """Turn it off, with its recovery codes; nothing happens where there is none."""
    gone = session.get(SecondFactorRow, person_id)
    if gone is None:
        return
    session.delete(gone)
    session.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.person_id == person_id))
    audit.append(session, by, "second-factor.off", person_id, now)


def _waits(row: SecondFactorRow, now: datetime) -> bool:
    return row.confirmed_at is None and now - row.began_at < WAITS_FOR


def _spend_step(session: Session, person_id: str, last_step: int, step: int) -> bool:
    spent = session.execute(
        update(SecondFactorRow)
        .where(SecondFactorRow.person_id == person_id, SecondFactorRow.last_step == last_step)
        .values(last_step=step)
    )
    return bool(spent.rowcount == 1)  # type: ignore[attr-defined]


def _spend_recovery_code(session: Session, person_id: str, typed: str, now: datetime) -> bool:
    spent = session.execute(
        update(RecoveryCodeRow)
        .where(
            RecoveryCodeRow.code_hash == hash_recovery_code(typed),
            RecoveryCodeRow.person_id == person_id,
            RecoveryCodeRow.used_at.is_(None),
        )
        .values(used_at=now)
    )
    return bool(spent.rowcount == 1)  # type: ignore[attr-defined]


def _new_recovery_codes(session: Session, person_id: str) -> tuple[str, ...]:
    session.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.person_id == person_id))
    codes = format_recovery_codes(secrets.token_bytes(RECOVERY_BYTES) for _ in range(RECOVERY_CODES))
    session.add_all(RecoveryCodeRow(code_hash=hash_recovery_code(code), person_id=person_id) for code in codes)
    session.flush()
    return codes
