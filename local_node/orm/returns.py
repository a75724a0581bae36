"""Who reports what, how figures came, every version of a figure, and files that are being looked at."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from local_node.orm.columns import Base


class ReturnDutyRow(Base):
    """What an agency has agreed to report: a table, by month, quarter or year, from one period on.

    `due_days` is how many days after the end of a period its return is due. `last_period` ends the agreement.
    """

    __tablename__ = "return_duties"
    __table_args__ = (UniqueConstraint("agency", "table_id", "granularity"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    agency: Mapped[str]
    table_id: Mapped[str]
    granularity: Mapped[str]
    first_period: Mapped[str]
    last_period: Mapped[str | None]
    due_days: Mapped[int]
    set_by: Mapped[str] = mapped_column(ForeignKey("people.id"))
    set_at: Mapped[datetime]


class ReturnEntryRow(Base):
    """How the figures of an import came, where it was not a file at the console: form, paste or file.

    `state` is own, or to_confirm, confirmed, objected where somebody entered them for another agency; `reason` is one
    of `entered_for.Objection`.
    """

    __tablename__ = "return_entries"
    __table_args__ = (Index("return_entries_by_state", "state"),)

    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batches.id"), primary_key=True)
    agency: Mapped[str]
    how: Mapped[str]
    state: Mapped[str]
    answered_by: Mapped[str | None] = mapped_column(ForeignKey("people.id"))
    answered_at: Mapped[datetime | None]
    reason: Mapped[str | None]


class ReturnVersionRow(Base):
    """One version of one cell of a return, as it was stored. Append-only: see migration 0011."""

    __tablename__ = "return_versions"
    __table_args__ = (
        Index("return_versions_by_return", "agency", "table_id", "period"),
        Index("return_versions_first", "period", "agency", "table_id", "at"),
        Index("return_versions_by_batch", "batch_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batches.id"))
    table_id: Mapped[str]
    agency: Mapped[str]
    period: Mapped[str]
    cell: Mapped[str]
    value: Mapped[int | None]
    status: Mapped[str]
    counted_in: Mapped[str | None]
    at: Mapped[datetime]


class ReturnSheetRow(Base):
    """A table that was pasted or sent as a file and is being looked at; gone once it is stored, or after a day.

    `content` is canonical JSON (`sheet_store`): headers, periods, numbers. Whatever else stood in it was never kept.
    """

    __tablename__ = "return_sheets"
    __table_args__ = (Index("return_sheets_by_time", "made_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    agency: Mapped[str]
    table_id: Mapped[str]
    how: Mapped[str]
    digest: Mapped[str]
    content: Mapped[bytes]
    made_by: Mapped[str] = mapped_column(ForeignKey("people.id"))
    made_at: Mapped[datetime]


class ColumnLayoutRow(Base):
    """Which column of an agency's layout is which cell. `layout` is the fingerprint of its headers.

    `columns` is canonical JSON: {"columns": [code of the cell, "period" or "" for each]}.
    """

    __tablename__ = "column_layouts"
    __table_args__ = (PrimaryKeyConstraint("agency", "table_id", "layout"),)

    agency: Mapped[str]
    table_id: Mapped[str]
    layout: Mapped[str]
    columns: Mapped[str]
    set_by: Mapped[str] = mapped_column(ForeignKey("people.id"))
    set_at: Mapped[datetime]
