"""Who vouches for whose head, and heads that do not go together."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from regional_hub.orm.columns import Base, UtcTime


class CosignatureRow(Base):
    """Who has cosigned this hub's newest checkpoint, itself among them. `time` is in Unix seconds."""

    __tablename__ = "cosignatures"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(300), primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(8), primary_key=True)
    time: Mapped[int] = mapped_column(BigInteger)
    line: Mapped[str] = mapped_column(Text)


class WitnessedRow(Base):
    """A log that this hub witnesses, and the largest head that it has cosigned."""

    __tablename__ = "witnessed"

    origin: Mapped[str] = mapped_column(String(300), primary_key=True)
    vkey: Mapped[str] = mapped_column(String(400))
    size: Mapped[int] = mapped_column(BigInteger)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str | None] = mapped_column(Text)
    cosigned_at: Mapped[int] = mapped_column(BigInteger)


class WitnessRow(Base):
    """A witness of this hub's log, and the size up to which it has cosigned it."""

    __tablename__ = "witnesses"

    name: Mapped[str] = mapped_column(String(300), primary_key=True)
    url: Mapped[str] = mapped_column(String(300))
    vkey: Mapped[str] = mapped_column(String(400))
    known_size: Mapped[int] = mapped_column(BigInteger)
    cosigned_at: Mapped[int | None] = mapped_column(BigInteger)
    problem: Mapped[str | None] = mapped_column(String(40))


class HeadEvidenceRow(Base):
    """Two heads that a log has signed (`shared_schema.head_evidence.TwoHeads` as JSON)."""

    __tablename__ = "head_evidence"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    origin: Mapped[str] = mapped_column(String(300), index=True)
    code: Mapped[str] = mapped_column(String(40))
    proven: Mapped[bool] = mapped_column(Boolean)
    body: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(UtcTime)
