"""The ledger and the audit log: append-only, the database refuses everything else."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from local_node.orm.columns import Base


class LedgerRow(Base):
    """One charge with its draw.

    `cells` is canonical JSON of ReleasedCell objects: the values as they are released, never as they were counted.
    `correction` is 0 for a release and 1, 2, … for its corrections. With a `threshold` there is no noise: epsilon and
    scale are 0. `format` says what `entry_hash` covers: 1 all columns but `format`, `correction` and `threshold`,
    2 what the statement will say (`spending.hash_entry`), 3 what a sealed share costs: nothing was drawn for it,
    `cells` is empty and `scale` 0.
    """

    __tablename__ = "ledger"
    __table_args__ = (
        UniqueConstraint("table_id", "table_version", "period", "correction"),
        Index("ledger_by_measure", "measure"),
    )

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    table_id: Mapped[str]
    table_version: Mapped[int]
    fingerprint: Mapped[str]
    measure: Mapped[str]
    unit: Mapped[str]
    period: Mapped[str]
    source_kind: Mapped[str]
    epsilon_milli: Mapped[int]
    scale_numerator: Mapped[int]
    scale_denominator: Mapped[int]
    library: Mapped[str]
    coverage_reporting: Mapped[int]
    coverage_expected: Mapped[int]
    cells: Mapped[str]
    charged_at: Mapped[datetime]
    prev_hash: Mapped[str]
    entry_hash: Mapped[str]
    format: Mapped[int] = mapped_column(default=1, server_default="1")
    correction: Mapped[int] = mapped_column(default=0, server_default="0")
    threshold: Mapped[int | None]


class AuditRow(Base):
    """One event: who did what to which thing. Identifiers and digests only."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("audit_by_actor", "actor", "seq", "at"),
        Index("audit_by_both", "actor", "action", "seq", "at"),
        Index("audit_by_action", "action", "seq", "at"),
        Index("audit_by_subject", "subject", "seq"),
        Index("audit_by_time", "at", "seq"),
    )

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    prev_hash: Mapped[str]
    entry_hash: Mapped[str]
