"""What this hub keeps of batches of sealed totals, as leader or as helper.

What is said once for ever has a row that is only ever added, so that the database itself refuses a second one.
"""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from regional_hub.orm.columns import Base, BigId, UtcTime

_LIVING = sql("state NOT IN ('void', 'dropped')")


class SealedBatchRow(Base):
    """How far a batch is, and what opens its shares. There is one for a table, period and set of members.

    `slot` is the hash of these three; another batch may have it when the one before is void, or was never agreed to.
    """

    __tablename__ = "sealed_batches"
    __table_args__ = (
        Index("sealed_batches_slot", "role", "slot", unique=True, sqlite_where=_LIVING, postgresql_where=_LIVING),
        Index("sealed_batches_subject", "role", "subject"),
        UniqueConstraint("role", "proposal", name="sealed_batches_proposal"),
        UniqueConstraint("role", "batch", name="sealed_batches_batch"),
        UniqueConstraint("role", "roster", name="sealed_batches_roster"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    role: Mapped[str] = mapped_column(String(6))
    other: Mapped[str] = mapped_column(String(100))
    """The hub on the other side."""
    slot: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str | None] = mapped_column(String(200))
    """`table@version/period`."""
    state: Mapped[str] = mapped_column(String(12))
    made_at: Mapped[datetime] = mapped_column(UtcTime)
    proposal: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the proposal's bytes."""
    terms: Mapped[bytes | None] = mapped_column(LargeBinary)
    batch: Mapped[str | None] = mapped_column(String(64))
    roster: Mapped[str | None] = mapped_column(String(64))
    """The digests of both statements, as soon as they stand in the leader's log."""
    hpke_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    verify_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Both are erased at the end, and are in no backup."""
    noise_seed: Mapped[bytes] = mapped_column(LargeBinary)
    """It stays: with it an auditor draws the noise again."""


class SealedWordRow(Base):
    """What this hub stands by in a batch, one for each step: what it has asked, answered, signed or added up."""

    __tablename__ = "sealed_words"

    batch_id: Mapped[int] = mapped_column(ForeignKey("sealed_batches.id"), primary_key=True)
    step: Mapped[str] = mapped_column(String(12), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the question that was answered, where there is one, and else of the content."""
    content: Mapped[bytes | None] = mapped_column(LargeBinary)
    """NULL when it was erased: a sum of a batch that is void, a question that need not be asked again."""


class SealedShareRow(Base):
    """A city's share in a batch, one for each city. A late one has its digest alone."""

    __tablename__ = "sealed_shares"
    __table_args__ = (UniqueConstraint("batch_id", "digest", name="sealed_shares_digest"),)

    batch_id: Mapped[int] = mapped_column(ForeignKey("sealed_batches.id"), primary_key=True)
    city: Mapped[str] = mapped_column(String(100), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    late: Mapped[bool] = mapped_column(Boolean)
    received_at: Mapped[datetime] = mapped_column(UtcTime)
    city_key: Mapped[bytes] = mapped_column(LargeBinary)
    """The city's public key with which the signature was verified when it came."""
    envelope: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Until it is destroyed."""
