"""The sums that may be shown, cell by cell, so that they can be asked for. All of it follows from the log.

`place` is that of a cell in its table's grid; `start` is the month with which a period begins: year * 12 + month - 1.
A figure counts from the log entry `entry_index` on and until the entry `until`, which has brought a newer one; so every
question can be asked of any earlier state of the log.
"""

from sqlalchemy import BigInteger, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from regional_hub.orm.columns import Base, BigId


class SeriesRow(Base):
    """Sums that belong together over time: of one hub, one wording of a table, one length of period."""

    __tablename__ = "series"
    __table_args__ = (
        Index("series_by_table", "table_id", "granularity", "area"),
        Index(
            "series_once",
            "origin",
            "area",
            "table_id",
            "table_version",
            "fingerprint",
            "granularity",
            unique=True,
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    origin: Mapped[str] = mapped_column(String(100))
    relation: Mapped[str] = mapped_column(String(10))
    """How the hub that published it stands to this one: `own`, `below` or `above`."""
    level: Mapped[str] = mapped_column(String(10))
    area: Mapped[str] = mapped_column(String(16))
    area_scheme: Mapped[str] = mapped_column(String(10))
    area_version: Mapped[str] = mapped_column(String(4))
    table_id: Mapped[str] = mapped_column(String(80))
    table_version: Mapped[int] = mapped_column(Integer)
    fingerprint: Mapped[str] = mapped_column(String(64))
    granularity: Mapped[str] = mapped_column(String(10))
    dimension: Mapped[str] = mapped_column(String(80))
    first_entry: Mapped[int] = mapped_column(BigInteger)
    """The entry of its first sum: before it there was no such series."""
    cells: Mapped[str] = mapped_column(Text)
    """The codes of the grid, in its order, with a space between."""


class ShownSumRow(Base):
    """One revision of a sum, without its cells."""

    __tablename__ = "shown_sums"
    __table_args__ = (
        Index("shown_sums_by_series", "series_id", "start", "entry_index"),
        Index("shown_sums_by_start", "start", "entry_index"),
    )

    entry_index: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    series_id: Mapped[int] = mapped_column(BigInteger)
    start: Mapped[int] = mapped_column(Integer)
    until: Mapped[int | None] = mapped_column(BigInteger)
    revision: Mapped[int] = mapped_column(Integer)
    source_kind: Mapped[str] = mapped_column(String(40))
    reporting: Mapped[int] = mapped_column(BigInteger)
    expected: Mapped[int] = mapped_column(BigInteger)
    rolled_up: Mapped[int] = mapped_column(BigInteger)
    mechanism: Mapped[str | None] = mapped_column(String(10))
    """`two-hub` for sealed totals alone, `mixed` where they are a part of it; NULL where each city drew its noise."""


class ShownCellRow(Base):
    """One cell of one revision of a sum. What may not be shown has no estimate, and is never 0.

    On SQLite the rows lie in the order of their key, so that a series is read in one go.
    """

    __tablename__ = "shown_cells"
    __table_args__ = ({"sqlite_with_rowid": False},)

    series_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    start: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    entry_index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    until: Mapped[int | None] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(1))
    contributors: Mapped[int] = mapped_column(BigInteger)
    estimate: Mapped[int | None] = mapped_column(BigInteger)
    variance_milli: Mapped[int | None] = mapped_column(BigInteger)
    low: Mapped[int | None] = mapped_column(BigInteger)
    high: Mapped[int | None] = mapped_column(BigInteger)
    suppressed: Mapped[int | None] = mapped_column(BigInteger)
    suppressed_high: Mapped[int | None] = mapped_column(BigInteger)
    withheld: Mapped[str | None] = mapped_column(String(20))


class FiguresHeadRow(Base):
    """The one row that says up to which entry of the log (not included) the sums above are complete."""

    __tablename__ = "figures_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    next_index: Mapped[int] = mapped_column(BigInteger)
