"""What this hub remembers of the heads of the hubs it follows, and what it says about them to its operator."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from regional_hub import alarms
from regional_hub.orm import SourceRow
from shared_schema.head_times import HeadPolicy, HeadTimes
from shared_schema.problem import ProblemCode
from shared_schema.service.head_watch import Watched

CODES = (ProblemCode.STALE_HEAD, ProblemCode.TOO_FEW_WITNESSES)
SHORTER_THAN_WITNESSED = "expected the head that this hub has cosigned as a witness, got a shorter log"


def load(row: SourceRow) -> Watched:
    """What is remembered of a source's heads."""
    return Watched(row.announcement, HeadTimes.from_text(row.head_times), row.seen_note)


def keep(session: Session, source: str, watched: Watched) -> None:
    """Remember it, in the transaction that moves the place in the feed on."""
    session.execute(
        update(SourceRow)
        .where(SourceRow.name == source)
        .values(announcement=watched.announcement, head_times=watched.times.to_text(), seen_note=watched.seen_note)
        .execution_options(synchronize_session=False)
    )


def report(
    session: Session, source: str, watched: Watched, policy: HeadPolicy, now: datetime, *, shorter: bool
) -> list[ProblemCode]:
    """Raise the alarms about a source that was read to its end, and end those that no longer hold.

    `shorter`: it shows a shorter log than the one that this hub has cosigned.
    """
    faults = dict(watched.times.find_faults(policy, now))
    if shorter:
        faults[ProblemCode.STALE_HEAD] = SHORTER_THAN_WITNESSED
    for code, message in faults.items():
        alarms.raise_alarm(session, source, code, message, now)
    alarms.resolve_alarms(session, source, now, keep=tuple(faults))
    return list(faults)
