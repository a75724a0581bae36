"""Every version of a figure: who stored it, when, and from what. Append-only; the database refuses anything else.

`return_store` writes a version with every change, so a figure has the same history whether it came from a file at the
console, a form, a table that was pasted, or a correction of what is out.

    list_versions(session, agency="youth", table_id="first_contacts.by_age", period="2026-10")
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Select, delete, exists, insert, select
from sqlalchemy.orm import Session

from local_node.orm import ImportBatchRow, ReturnEntryRow, ReturnRecordRow, ReturnVersionRow
from shared_schema.service.database import forget

CONSOLE: Final = "console"
"""How a figure came that no page has stored."""
OWN: Final = "own"


@dataclass(frozen=True, slots=True)
class FigureVersion:
    """One version of a cell. `before` is what stood there until then, None also where there was nothing."""

    number: int
    batch: int
    agency: str
    table: str
    period: str
    cell: str
    value: int | None
    before: int | None
    is_first: bool
    counted_in: str | None
    at: datetime
    by: str
    how: str
    state: str


def note_versions(session: Session, batch: ImportBatchRow, rows: Iterable[ReturnRecordRow]) -> None:
    """Write down what these figures are from now on, in the caller's transaction."""
    versions = [
        {
            "batch_id": batch.id,
            "table_id": row.table_id,
            "agency": row.agency,
            "period": row.period,
            "cell": row.cell,
            "value": row.value,
            "status": row.status,
            "counted_in": row.counted_in,
            "at": batch.imported_at,
        }
        for row in rows
    ]
    if versions:
        session.execute(insert(ReturnVersionRow), versions)


def forget_gone(session: Session, table_ids: Iterable[str]) -> None:
    """Erase the versions of figures that are not there any more: a figure's history goes with it (migration 0011)."""
    version, row = ReturnVersionRow, ReturnRecordRow
    is_there = exists().where(
        row.table_id == version.table_id,
        row.agency == version.agency,
        row.period == version.period,
        row.cell == version.cell,
    )
    for table_id in sorted(set(table_ids)):
        session.execute(
            delete(version).where(version.table_id == table_id, ~is_there).execution_options(synchronize_session=False)
        )
    forget(session, "return_versions")


def list_versions(
    session: Session, *, agency: str, table_id: str | None = None, period: str | None = None, limit: int = 500
) -> tuple[FigureVersion, ...]:
    """The newest versions of an agency's figures, newest first; of one table and period where they are given.

    `before` is looked up among what is returned, so the oldest ones of a long history show where they begin.
    """
    query = _query(agency)
    if table_id is not None:
        query = query.where(ReturnVersionRow.table_id == table_id)
    if period is not None:
        query = query.where(ReturnVersionRow.period == period)
    rows = session.execute(query.order_by(ReturnVersionRow.id.desc()).limit(limit)).all()
    known: dict[tuple[str, str, str], int | None] = {}
    found: list[FigureVersion] = []
    for version, by, how, state in reversed(rows):
        place = (version.table_id, version.period, version.cell)
        found.append(_version(version, by, how, state, place in known, known.get(place)))
        known[place] = version.value
    return tuple(reversed(found))


def _query(agency: str) -> Select[ReturnVersionRow, str, str | None, str | None]:
    return (
        select(ReturnVersionRow, ImportBatchRow.imported_by, ReturnEntryRow.how, ReturnEntryRow.state)
        .join(ImportBatchRow, ImportBatchRow.id == ReturnVersionRow.batch_id)
        .join(ReturnEntryRow, ReturnEntryRow.batch_id == ReturnVersionRow.batch_id, isouter=True)
        .where(ReturnVersionRow.agency == agency)
    )


def _version(
    row: ReturnVersionRow, by: str, how: str | None, state: str | None, is_known: bool, before: int | None
) -> FigureVersion:
    return FigureVersion(
        number=row.id,
        batch=row.batch_id,
        agency=row.agency,
        table=row.table_id,
        period=row.period,
        cell=row.cell,
        value=row.value,
        before=before,
        is_first=not is_known,
        counted_in=row.counted_in,
        at=row.at,
        by=by,
        how=how or CONSOLE,
        state=state or OWN,
    )
