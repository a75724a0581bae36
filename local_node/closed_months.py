"""Up to which month the raw records of a measure were erased: nothing earlier is read in any more.

What was erased cannot be compared with what comes again. Read in once more it would count as late, in a second release,
or as a correction of everything. So an import that touches a closed month is refused as a whole.

    check_open(session, "bias_incidents", ["2021-03"])       raises RecordError (`closed`)
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from local_node.errors import RecordError
from local_node.orm import ClosedMeasureRow
from shared_schema.period import parse_period

CLOSED: Final = "closed"


def closed_before(session: Session, measure: str) -> str | None:
    """The first month (`2024-01`) that is open; None when nothing was erased."""
    row = session.get(ClosedMeasureRow, measure)
    return None if row is None else row.before


def check_open(session: Session, measure: str, labels: Iterable[str]) -> None:
    """Raise RecordError when one of these periods begins before what was erased."""
    before = closed_before(session, measure)
    if before is None:
        return
    for label in sorted(labels):
        if f"{parse_period(label).first_day:%Y-%m}" < before:
            raise RecordError(
                f"expected periods from {before} on, got {label}: raw records of {measure} from before were erased, "
                "as the retention rules say, so nothing can be added or corrected there",
                code=CLOSED,
            )


def close_before(session: Session, measure: str, month: str, *, by: str, now: datetime) -> None:
    """Close everything before a month; what is closed stays closed."""
    row = session.get(ClosedMeasureRow, measure)
    if row is None:
        session.add(ClosedMeasureRow(measure=measure, before=month, closed_at=now, closed_by=by))
    elif row.before < month:
        row.before, row.closed_at, row.closed_by = month, now, by
    session.flush()
