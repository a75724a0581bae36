"""Alarms: what a person must look at, raised once and ended when what it is about is well again.

Whoever raises or ends one queues the messages about it in the same transaction (`deliveries`).
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub import deliveries
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
        alarm = AlarmRow(about=about[:MOST_ABOUT], code=code.value, message=message[:MOST_MESSAGE], raised_at=now)
        session.add(alarm)
        session.flush()
        deliveries.tell(session, alarm, deliveries.RAISED, now)


def resolve_alarms(session: Session, about: str, now: datetime, *, keep: tuple[ProblemCode, ...] = ()) -> None:
    """A feed that continues honestly ends the alarms about itself; evidence stays, and so do those of `keep`."""
    kept = [ProblemCode.SEQ_CONFLICT.value, *(code.value for code in keep)]
    _end(session, now, AlarmRow.about == about[:MOST_ABOUT], AlarmRow.code.not_in(kept))


def settle(session: Session, about: str, code: ProblemCode, now: datetime) -> None:
    """End one alarm that only a person can end."""
    _end(session, now, AlarmRow.about == about[:MOST_ABOUT], AlarmRow.code == code.value)


def _end(session: Session, now: datetime, *which: Any) -> None:
    """Each row is held until the commit: of two processes of a hub one ends it and tells about it."""
    ended = select(AlarmRow).where(AlarmRow.resolved_at.is_(None), *which).order_by(AlarmRow.id).with_for_update()
    for alarm in session.scalars(ended.execution_options(populate_existing=True)):
        alarm.resolved_at = now
        deliveries.tell(session, alarm, deliveries.ENDED, now)
