"""What this hub has added up, and what its cities have spent."""

from sqlalchemy import BigInteger, Boolean, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from regional_hub.orm.columns import Base, BigId

RECOVERED = "recovered"
"""The inputs of a sum that was published after the copy was made from which this hub was restored."""


class AggregateRow(Base):
    """What this hub has published for a table and period: the newest revision and from which statements."""

    __tablename__ = "aggregates"

    subject: Mapped[str] = mapped_column(String(200), primary_key=True)
    complete: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    revision: Mapped[int] = mapped_column(Integer)
    inputs: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))
    atoms: Mapped[str | None] = mapped_column(Text)
    """Canonical JSON: what anybody can take apart from the revisions that were shown (`atoms.Atoms`)."""


class ChargeRow(Base):
    """What one release of a city has spent. It stays when the release is withdrawn: what is out is out.

    Months are year * 12 + month - 1, both included. `ledger_seq`, `ledger_head` and `ledger_prev` are the city's own;
    the last one is NULL where the release does not say it, or was taken before this column was there.
    """

    __tablename__ = "charges"
    __table_args__ = (Index("charges_by_origin", "origin", "first_month"),)

    entry_index: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    origin: Mapped[str] = mapped_column(String(100))
    measure: Mapped[str] = mapped_column(String(80))
    table_id: Mapped[str] = mapped_column(String(80))
    first_month: Mapped[int] = mapped_column(Integer)
    last_month: Mapped[int] = mapped_column(Integer)
    epsilon_milli: Mapped[int] = mapped_column(Integer)
    correction: Mapped[int] = mapped_column(Integer)
    ledger_prev: Mapped[str | None] = mapped_column(String(64))
    ledger_seq: Mapped[int] = mapped_column(BigInteger)
    ledger_head: Mapped[str] = mapped_column(String(64))
