"""The log and its contents: `entries` and `tiles` only grow; what was signed can be erased without touching them."""

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String, Text
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from regional_hub.orm.columns import Base, BigId


class EntryRow(Base):
    """One leaf of the log. kind, digest, audience and time are the leaf; the rest helps to find it."""

    __tablename__ = "entries"

    index: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    audience: Mapped[str] = mapped_column(String(10))
    time: Mapped[str] = mapped_column(String(20))
    origin: Mapped[str] = mapped_column(String(100))
    seq: Mapped[int] = mapped_column(BigInteger)
    via: Mapped[str | None] = mapped_column(String(100))
    """The hub it was followed from; None when the origin handed it in here."""
    subject: Mapped[str | None] = mapped_column(String(200))
    """For figures: table, version and period, so that what belongs together is added up."""
    receipt_size: Mapped[int] = mapped_column(BigInteger)
    """The tree size of the receipt that was given: a retry gets the same one."""
    row_check: Mapped[int] = mapped_column(BigInteger)
    """CRC-32 of the columns that neither the leaf nor, once it is withdrawn, the content vouches for."""
    withdrawn_by: Mapped[int | None] = mapped_column(BigInteger)
    narrowed_by: Mapped[int | None] = mapped_column(BigInteger)
    """The last withdrawal from those beyond `narrowed_to`, where this hub is among those who keep the content."""
    narrowed_to: Mapped[str | None] = mapped_column(String(10))

    __table_args__ = (
        Index("entries_origin_seq", "origin", "seq", unique=True),
        Index("entries_subject", "subject", "kind"),
        Index("entries_kind", "kind", "index"),
        Index(
            "entries_one_trend",
            "origin",
            "subject",
            unique=True,
            sqlite_where=sql("kind = 'trend'"),
            postgresql_where=sql("kind = 'trend'"),
        ),
    )


class ContentRow(Base):
    """The canonical bytes of an envelope, until it is withdrawn."""

    __tablename__ = "contents"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    envelope: Mapped[bytes] = mapped_column(LargeBinary)


class TileRow(Base):
    """A hash tile of C2SP tlog-tiles, as wide as it is now; narrower ones are its beginning."""

    __tablename__ = "tiles"

    level: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hashes: Mapped[bytes] = mapped_column(LargeBinary)


class CheckpointRow(Base):
    """Every checkpoint that was signed, one a commit."""

    __tablename__ = "checkpoints"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    note: Mapped[str] = mapped_column(Text)


class HeadRow(Base):
    """The one row that says how long the log is. Whoever appends holds it for the length of a transaction."""

    __tablename__ = "log_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    frontier: Mapped[bytes] = mapped_column(LargeBinary)
    time: Mapped[str] = mapped_column(String(20))
    signers: Mapped[str | None] = mapped_column(String(200))
    """Key ids with which this hub signs: the first one statements, all of them checkpoints. NULL: its only key."""
    held: Mapped[str | None] = mapped_column(String(10))
    """Why nothing may be signed now: `restored`, `behind` or `forked`; NULL when all is well."""
    place: Mapped[str | None] = mapped_column(String(100))
    """Which database this is: another one after a restore from a copy."""
