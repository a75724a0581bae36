"""People and raw records: none of it ever leaves the node."""

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, PrimaryKeyConstraint, String, UniqueConstraint, false, true
from sqlalchemy.orm import Mapped, mapped_column

from local_node.orm.columns import Base


class PersonRow(Base):
    """Somebody who works with this node: `role` is one of review.Role. Never anybody the work concerns."""

    __tablename__ = "people"

    id: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]


class ImportBatchRow(Base):
    """One file that was read; `file_digest` is the SHA-256 of its bytes, in hexadecimal digits."""

    __tablename__ = "import_batches"

    id: Mapped[int] = mapped_column(primary_key=True)
    file_digest: Mapped[str]
    measure: Mapped[str]
    agency: Mapped[str]
    source_kind: Mapped[str]
    imported_at: Mapped[datetime]
    imported_by: Mapped[str] = mapped_column(ForeignKey("people.id"))
    rows: Mapped[int]


class EventRecordRow(Base):
    """One event. `dims` is canonical JSON: dimension → cell code.

    `unit_hash` is the keyed hash of an agency's own file reference, with which a person counts once; `counts` is false
    where the person was counted before. `counted_in` is the month (`2026-01`) that a late event counts in; NULL is the
    month it was recorded in.
    """

    __tablename__ = "event_records"
    __table_args__ = (
        Index("event_records_by_measure", "measure", "recorded_on"),
        Index("event_records_counted", "measure", "counted_in"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batches.id"))
    measure: Mapped[str]
    agency: Mapped[str]
    recorded_on: Mapped[date]
    dims: Mapped[str]
    unit_hash: Mapped[str | None]
    counted_in: Mapped[str | None] = mapped_column(String(7))
    counts: Mapped[bool] = mapped_column(default=True, server_default=true())


class CountedUnitRow(Base):
    """A person that was counted in a month (year * 12 + month - 1). A trigger refuses a second one within a year."""

    __tablename__ = "counted_units"
    __table_args__ = (Index("counted_units_by_unit", "measure", "unit_hash", "month", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    measure: Mapped[str]
    unit_hash: Mapped[str]
    month: Mapped[int]


class ReturnRecordRow(Base):
    """One cell of an agency's return. NULL is not collected, 0 is zero; `status` is A, B (break) or D (differs).

    `counted_in` is the period that a late return counts in; NULL is its own.
    """

    __tablename__ = "return_records"
    __table_args__ = (
        UniqueConstraint("table_id", "agency", "period", "cell"),
        # All that a sum over agencies needs, so that 36 months of 60 of them are added up from the index alone.
        Index("return_records_figures", "table_id", "period", "cell", "agency", "value", "status", "counted_in"),
        Index("return_records_by_period", "period", "agency", "table_id", "value"),
        Index("return_records_counted", "table_id", "counted_in"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batches.id"))
    table_id: Mapped[str]
    agency: Mapped[str]
    period: Mapped[str]
    cell: Mapped[str]
    value: Mapped[int | None]
    status: Mapped[str] = mapped_column(default="A", server_default="A")
    counted_in: Mapped[str | None]


class CorrectionRecordRow(Base):
    """By how much a cell that is released was wrong. `ledger_seq` is the correction that has taken it out."""

    __tablename__ = "correction_records"
    __table_args__ = (Index("correction_records_by_table", "table_id", "period"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batches.id"))
    table_id: Mapped[str]
    agency: Mapped[str]
    period: Mapped[str]
    cell: Mapped[str]
    delta: Mapped[int]
    ledger_seq: Mapped[int | None]


class CollectedPeriodRow(Base):
    """An agency's word that its events of a period, by a dimension, are all here: no event then means zero.

    `status` is A, B (break) or D (differs). A `late` period came after its release: its events count in a later one.
    """

    __tablename__ = "collected_periods"
    __table_args__ = (PrimaryKeyConstraint("measure", "agency", "dimension", "period"),)

    measure: Mapped[str]
    agency: Mapped[str]
    dimension: Mapped[str]
    period: Mapped[str]
    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batches.id"))
    status: Mapped[str] = mapped_column(default="A", server_default="A")
    late: Mapped[bool] = mapped_column(default=False, server_default=false())
