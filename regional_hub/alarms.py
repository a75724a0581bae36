"""Alarms: what a person must look at, raised once and ended when what it is about is well again."""

from datetime import datetime
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from regional_hub.orm import AlarmRow
from shared_schema.problem import ProblemCode

MOST_ABOUT: Final = 100
MOST_MESSAGE: Final = 600
"""The columns' lengths. PostgreSQL would refuse what is longer, and with it the work that has found it."""


def raise_alarm(session: Session, about: str, code: ProblemCode, message: str, now: datetime) -> None:
    """Raise an alarm once; the same one that is still open is not repeated."""
    open_alarm = session.scalars(
        select(AlarmRow).where(
            AlarmRow.about == about[:MOST_ABOUT], AlarmRow.code == code.value, AlarmRow.resolved_at.is_(None)
        )
    ).first()
    if open_alarm is None:
        session.add(AlarmRow(about=about[:MOST_ABOUT], code=code.value, message=message[:MOST_MESSAGE], raised_at=now))


def resolve_alarms(session: Session, about: str, now: datetime) -> None:
    """A feed that continues honestly ends the alarms about itself; evidence stays."""
    session.execute(
        update(AlarmRow)
        .where(
            AlarmRow.about == about[:MOST_ABOUT],
            AlarmRow.resolved_at.is_(None),
            AlarmRow.code != ProblemCode.SEQ_CONFLICT.value,
        )
        .values(resolved_at=now)
        .execution_options(synchronize_session=False)
    )


def settle(session: Session, about: str, code: ProblemCode, now: datetime) -> None:
    """End one alarm that only a person can end."""
    session.execute(
        update(AlarmRow)
        .where(AlarmRow.about == about[:MOST_ABOUT], AlarmRow.resolved_at.is_(None), AlarmRow.code == code.value)
        .values(resolved_at=now)
        .execution_options(synchronize_session=False)
    )
