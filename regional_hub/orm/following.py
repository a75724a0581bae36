"""What this hub reads from other hubs, how far it is, and what it could not take."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from regional_hub.orm.columns import Base, UtcTime


class SourceRow(Base):
    """A hub that this hub follows, and how far."""

    __tablename__ = "sources"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    url: Mapped[str] = mapped_column(String(300))
    vkey: Mapped[str] = mapped_column(String(300))
    direction: Mapped[str] = mapped_column(String(10))
    """`parent` or `member`."""
    seen_size: Mapped[int] = mapped_column(BigInteger, default=0)
    seen_root: Mapped[bytes] = mapped_column(LargeBinary)
    frontier_size: Mapped[int] = mapped_column(BigInteger, default=0)
    frontier: Mapped[bytes] = mapped_column(LargeBinary, default=b"")
    last_success_at: Mapped[datetime | None] = mapped_column(UtcTime)
    former: Mapped[str] = mapped_column(Text, default="[]", server_default="[]")
    """Keys that were pinned before `vkey`, oldest first (`shared_schema.pins`)."""
    seen_note: Mapped[str | None] = mapped_column(Text)
    """The checkpoint of `seen_size` as the source has signed it."""
    read_note: Mapped[str | None] = mapped_column(Text)
    """The newest one up to which every leaf is in `mirror_leaves` (or was read before there was that table)."""
    policy: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Of the hub above: its policy in force, canonical JSON, as it has signed it."""
    last_time: Mapped[str | None] = mapped_column(String(20))
    """The time of the last entry that was read; it never goes back along a log."""
    announcement: Mapped[str | None] = mapped_column(Text)
    """With which the log's key names the key that cosigns for it (`shared_schema.cosignature`)."""
    head_times: Mapped[str | None] = mapped_column(Text)
    """JSON of `shared_schema.head_times.HeadTimes`."""


class MirrorLeafRow(Base):
    """One leaf of another hub's log, as it was verified: what that hub needs when it has to go back to an old copy."""

    __tablename__ = "mirror_leaves"

    source: Mapped[str] = mapped_column(String(100), primary_key=True)
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)


class QuarantineRow(Base):
    """An item from another hub that could not be taken, with the reason; it never stops the stream."""

    __tablename__ = "quarantine"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(String(100))
    source_index: Mapped[int] = mapped_column(BigInteger)
    code: Mapped[str] = mapped_column(String(40))
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    since: Mapped[datetime] = mapped_column(UtcTime)


class EvidenceRow(Base):
    """Two contents for one (origin, seq): what was signed beside what is in the log."""

    __tablename__ = "evidence"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    origin: Mapped[str] = mapped_column(String(100))
    seq: Mapped[int] = mapped_column(BigInteger)
    known_digest: Mapped[str] = mapped_column(String(64))
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    since: Mapped[datetime] = mapped_column(UtcTime)


class QuarantineReportRow(Base):
    """What a linked hub said it has set aside of what it read here."""

    __tablename__ = "quarantine_reports"

    reporter: Mapped[str] = mapped_column(String(100), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    code: Mapped[str] = mapped_column(String(40))
    since: Mapped[datetime] = mapped_column(UtcTime)


class RecallReportRow(Base):
    """What a linked hub last said of a withdrawal: how many beyond it hold what is taken back, and who has confirmed.

    `withdrawal_index` is its place in that hub's log; `late` canonical JSON, a list of names.
    """

    __tablename__ = "recall_reports"
    __table_args__ = (Index("recall_reports_by_withdrawal", "withdrawal"),)

    source: Mapped[str] = mapped_column(String(100), primary_key=True)
    withdrawal: Mapped[str] = mapped_column(String(64), primary_key=True)
    withdrawal_index: Mapped[int] = mapped_column(BigInteger)
    holders: Mapped[int] = mapped_column(Integer)
    confirmed: Mapped[int] = mapped_column(Integer)
    unreachable: Mapped[int] = mapped_column(Integer)
    unheard: Mapped[int] = mapped_column(Integer)
    late: Mapped[str] = mapped_column(Text)
    reported_at: Mapped[datetime] = mapped_column(UtcTime)
