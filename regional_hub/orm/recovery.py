"""What comes back from others after an old copy was restored."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from regional_hub.orm.columns import Base, BigId, UtcTime


class RecoveryRow(Base):
    """The one row of a recovery that is going on: since when, the largest own checkpoint that was shown, and orders."""

    __tablename__ = "recovery"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    since: Mapped[datetime] = mapped_column(UtcTime)
    wanted_size: Mapped[int] = mapped_column(BigInteger)
    ordered: Mapped[bool] = mapped_column(Boolean)
    """Whether the operator has said `recover`; until then everything is gathered and nothing is put back."""
    alone: Mapped[bool] = mapped_column(Boolean)
    """Whether the operator has said not to wait for the members that were not heard."""
    rotations: Mapped[str | None] = mapped_column(Text)
    """How this hub's key was handed on after the copy was made, as somebody has shown it (a JSON list)."""


class RecoveryLeafRow(Base):
    """A leaf that this hub has lost and that somebody has proved."""

    __tablename__ = "recovery_leaves"

    index: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64), index=True)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)


class RecoveryNoteRow(Base):
    """A checkpoint that this hub has signed and lost."""

    __tablename__ = "recovery_notes"

    size: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    note: Mapped[str] = mapped_column(Text)


class RecoveryContentRow(Base):
    """A content that was brought back and is not in its place yet."""

    __tablename__ = "recovery_contents"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    envelope: Mapped[bytes] = mapped_column(LargeBinary)


class RecoveryHeardRow(Base):
    """A member that has said how much of the log it had seen, and has brought what it has."""

    __tablename__ = "recovery_heard"

    member: Mapped[str] = mapped_column(String(100), primary_key=True)
    seen: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(UtcTime)
