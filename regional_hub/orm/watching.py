"""What the trend watch has found, and what people have decided about it."""

from datetime import datetime

from sqlalchemy import BigInteger, Float, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from regional_hub.orm.columns import Base, UtcTime


class TrendAlertRow(Base):
    """One alert for each kind, table, cell and period. It holds no figure: that of the sum is read where it is shown.

    `stated` of `judged` places rise at least; both are NULL where the sum itself stands out.
    """

    __tablename__ = "trend_alerts"
    __table_args__ = (
        Index("trend_alerts_by_period", "start"),
        Index("trend_alerts_by_table", "table_id", "table_version", "period"),
        Index("trend_alerts_by_word", "said_at"),
    )

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    table_id: Mapped[str] = mapped_column(String(80))
    table_version: Mapped[int] = mapped_column(Integer)
    cell: Mapped[str] = mapped_column(String(80))
    period: Mapped[str] = mapped_column(String(10))
    start: Mapped[int] = mapped_column(Integer)
    """The month with which the period begins: year * 12 + month - 1."""
    stated: Mapped[int | None] = mapped_column(BigInteger)
    judged: Mapped[int | None] = mapped_column(BigInteger)
    chance: Mapped[float] = mapped_column(Float)
    years: Mapped[int] = mapped_column(Integer)
    """At most one false alarm in so many years: what was promised when it was found."""
    entry_index: Mapped[int] = mapped_column(BigInteger)
    """The log entry of the sum that was shown then."""
    state: Mapped[str] = mapped_column(String(10))
    raised_at: Mapped[datetime] = mapped_column(UtcTime)
    changed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    changed_by: Mapped[str | None] = mapped_column(String(100))
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcTime)
    said_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When what it says was last another: raised, withdrawn, or with other numbers."""


class TrendLookRow(Base):
    """A table and period that was judged, and what it was judged on: only when that changes it is judged again."""

    __tablename__ = "trend_looks"

    subject: Mapped[str] = mapped_column(String(200), primary_key=True)
    inputs: Mapped[str] = mapped_column(String(64))
