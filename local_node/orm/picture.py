"""What the picture reads quickly, and what a coordinator has written for the report. Nothing of it leaves the node."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from local_node.orm.columns import Base


class SumRow(Base):
    """Which table and period a hub's accepted sum is about: without it, one table's page would read every sum.

    Only sums for everybody. Whether one still counts stands in the inbox.
    """

    __tablename__ = "sums"
    __table_args__ = (Index("sums_by_table", "table_id", "granularity", "first_day"),)

    digest: Mapped[str] = mapped_column(primary_key=True)
    origin: Mapped[str]
    table_id: Mapped[str]
    table_version: Mapped[int]
    granularity: Mapped[str]
    period: Mapped[str]
    first_day: Mapped[str]
    revision: Mapped[int]


class QuarterNoteRow(Base):
    """The coordinator's own words in the report of a quarter (`2026-Q3`). `version` rises with every saving."""

    __tablename__ = "quarter_notes"

    quarter: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str]
    version: Mapped[int]
    saved_by: Mapped[str] = mapped_column(ForeignKey("people.id"))
    saved_at: Mapped[datetime]
