"""Figures that somebody else has entered for an agency: it sees them, and says that they are right or not.

Nobody enters for others in silence. The figures count at once, so that a month is not lost; an objection is shown to
the coordinator, changes nothing by itself, and is answered by entering other figures or by asking back.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from local_node import audit
from local_node.errors import RecordError
from local_node.orm import ImportBatchRow, ReturnEntryRow, ReturnRecordRow, ReturnVersionRow
from local_node.return_entry import CONFIRMED, OBJECTED, TO_CONFIRM, is_version_of

__all__ = ["CONFIRMED", "OBJECTED", "EnteredFor", "Objection", "answer", "list_entered_for"]


class Objection(StrEnum):
    """What is wrong; never a text, which could say too much."""

    FIGURES = "figures"  # the figures are not ours
    NOT_ASKED = "not_asked"  # we did not ask anybody to enter this
    LATER = "later"  # we will send other figures


@dataclass(frozen=True, slots=True)
class EnteredFor:
    """One batch that somebody entered for an agency."""

    batch: int
    agency: str
    by: str
    at: datetime
    state: str
    reason: str | None
    tables: tuple[tuple[str, str], ...]
    """(table, period) of what it changed."""


def list_entered_for(
    session: Session, agency: str | None = None, *, states: tuple[str, ...] = (TO_CONFIRM,)
) -> tuple[EnteredFor, ...]:
    """What waits for an agency's word, or has another of the `states`; of all agencies without one. Newest first.

    Figures that others have taken the place of since are no question any more, and are left out.
    """
    still_there = (
        select(ReturnVersionRow.id)
        .join(ReturnRecordRow, is_version_of(ReturnRecordRow))
        .where(
            ReturnVersionRow.batch_id == ReturnEntryRow.batch_id, ReturnRecordRow.batch_id == ReturnEntryRow.batch_id
        )
    )
    query = (
        select(ReturnEntryRow, ImportBatchRow)
        .join(ImportBatchRow, ImportBatchRow.id == ReturnEntryRow.batch_id)
        .where(ReturnEntryRow.state.in_(states), still_there.exists())
        .order_by(ReturnEntryRow.batch_id.desc())
        .limit(200)
    )
    if agency is not None:
        query = query.where(ReturnEntryRow.agency == agency)
    return tuple(
        EnteredFor(
            entry.batch_id,
            entry.agency,
            batch.imported_by,
            batch.imported_at,
            entry.state,
            entry.reason,
            _places(session, entry.batch_id),
        )
        for entry, batch in session.execute(query)
    )


def answer(
    session: Session, batch: int, *, agency: str, person: str, objection: Objection | None, now: datetime
) -> None:
    """The agency's word about figures that were entered for it: right, or an objection. It is given once.

    Raises RecordError: nothing of this agency waits under this number, or it was answered before.
    """
    state = CONFIRMED if objection is None else OBJECTED
    done = session.execute(
        update(ReturnEntryRow)
        .where(ReturnEntryRow.batch_id == batch, ReturnEntryRow.agency == agency, ReturnEntryRow.state == TO_CONFIRM)
        .values(state=state, answered_by=person, answered_at=now, reason=None if objection is None else objection.value)
        .returning(ReturnEntryRow.batch_id)
    ).all()
    if len(done) != 1:
        raise RecordError("expected figures that wait for this agency's word", code="entry-unknown")
    audit.append(session, person, f"return.{state}", f"{agency}/batch/{batch}", now)


def _places(session: Session, batch: int) -> tuple[tuple[str, str], ...]:
    version = ReturnVersionRow
    found = session.execute(
        select(version.table_id, version.period)
        .where(version.batch_id == batch)
        .distinct()
        .order_by(version.table_id, version.period)
    )
    return tuple((table, period) for table, period in found)
