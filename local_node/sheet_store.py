"""Tables that are being looked at before they are stored, and the layouts that were corrected once.

A table waits for its sender for a day, then it is forgotten. It is taken out once, by whoever stores it, so that a
double click cannot store it twice. Only numbers, periods and headers are in it (`sheets.without_texts`).
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, delete
from sqlalchemy.orm import Session

from local_node.errors import RecordError
from local_node.layouts import LEFT_OUT, fits, layout_of, propose
from local_node.orm import ColumnLayoutRow, ReturnSheetRow
from local_node.return_entry import How
from local_node.sheets import Sheet, without_texts
from shared_schema import canonical
from shared_schema.service.database import forget
from shared_schema.trend import TableDefinition

KEPT_FOR: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WaitingSheet:
    """A table on its way in, and for whom."""

    id: str
    agency: str
    table: str
    how: How
    sheet: Sheet
    made_by: str


def keep_sheet(
    session: Session, sheet: Sheet, *, agency: str, table: TableDefinition, how: How, person: str, now: datetime
) -> str:
    """Let a table wait for a look at it; its number. What has waited for a day is forgotten."""
    forget_old_sheets(session, now)
    kept = without_texts(sheet)
    content = canonical.encode(
        {"header": list(kept.header), "rows": [list(row) for row in kept.rows], "lines": list(kept.lines)}
    )
    row = ReturnSheetRow(
        id=secrets.token_hex(12),
        agency=agency,
        table_id=table.id,
        how=how.value,
        digest=hashlib.sha256(content).hexdigest(),
        content=content,
        made_by=person,
        made_at=now,
    )
    session.add(row)
    session.flush()
    return row.id


def find_sheet(session: Session, number: str, *, now: datetime) -> WaitingSheet | None:
    """The table that waits under this number, None when there is none any more."""
    row = session.get(ReturnSheetRow, number)
    if row is None or row.made_at < now - KEPT_FOR:
        return None
    content = canonical.parse_strict(row.content)
    sheet = Sheet(tuple(content["header"]), tuple(map(tuple, content["rows"])), tuple(content["lines"]))
    return WaitingSheet(row.id, row.agency, row.table_id, How(row.how), sheet, row.made_by)


def claim_sheet(session: Session, number: str) -> bool:
    """Take a table out; False when somebody has done so before."""
    return _erase(session, ReturnSheetRow.id == number) == 1


def forget_old_sheets(session: Session, now: datetime) -> int:
    """Erase the tables that have waited for a day, whether anybody comes back or not; how many there were."""
    return _erase(session, ReturnSheetRow.made_at < now - KEPT_FOR)


def _erase(session: Session, which: ColumnElement[bool]) -> int:
    """Tables leave the files of the database as well: they are an agency's figures before anything protects them."""
    gone = session.execute(delete(ReturnSheetRow).where(which).returning(ReturnSheetRow.id)).all()
    if gone:
        forget(session, "return_sheets")
    return len(gone)


# --- layouts ---------------------------------------------------------------------------------------------------------


def find_columns(
    session: Session, sheet: Sheet, table: TableDefinition, agency: str, names: dict[str, str]
) -> tuple[tuple[str, ...], bool]:
    """Which column is which cell: as the agency has corrected it once (True), else as it is proposed."""
    row = session.get(ColumnLayoutRow, (agency, table.id, layout_of(sheet)))
    if row is not None:
        columns = tuple(canonical.parse_strict(row.columns.encode())["columns"])
        if fits(columns, sheet, table):
            return columns, True
    return propose(sheet, names), False


def remember_columns(
    session: Session,
    sheet: Sheet,
    columns: Sequence[str],
    table: TableDefinition,
    *,
    agency: str,
    person: str,
    now: datetime,
) -> None:
    """Remember a layout for the next time. Raises RecordError for one that cannot be."""
    if not fits(columns, sheet, table):
        raise RecordError("expected every cell from one column at most, and one cell at least", code="columns")
    row = ColumnLayoutRow(
        agency=agency,
        table_id=table.id,
        layout=layout_of(sheet),
        columns=canonical.encode({"columns": [code or LEFT_OUT for code in columns]}).decode(),
        set_by=person,
        set_at=now,
    )
    session.merge(row)
    session.flush()
