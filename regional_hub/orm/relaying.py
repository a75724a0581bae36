"""What this hub hands on without the name of the city."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from regional_hub.orm.columns import Base, UtcTime


class RelayItemRow(Base):
    """What a member asked this hub to relay, and as what it was published: the link that nobody else may see.

    It stands outside the log. `about` is what a withdrawal takes back (a request) or an answer answers (a question).
    """

    __tablename__ = "relay_items"
    __table_args__ = (Index("relay_items_by_state", "state", "received_at"), Index("relay_items_by_origin", "origin"))

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    origin: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(20))
    attribution: Mapped[str | None] = mapped_column(String(10))
    audience: Mapped[str] = mapped_column(String(10))
    about: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(12))
    received_at: Mapped[datetime] = mapped_column(UtcTime)
    envelope: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Erased when the item is taken back."""
    relayed: Mapped[str | None] = mapped_column(String(64), unique=True)
    """The digest of the relayed statement, here or in the log of the hub above."""
    up: Mapped[str | None] = mapped_column(String(64), unique=True)
    """The digest of this hub's own request to the hub above."""
    up_envelope: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Until the hub above has confirmed it."""
    reason: Mapped[str | None] = mapped_column(String(40))
    """Why the hub above did not take it."""


class RelayQuestionRow(Base):
    """A question that is handed on to the author of an item."""

    __tablename__ = "relay_questions"

    question: Mapped[str] = mapped_column(String(64), primary_key=True)
    item: Mapped[str] = mapped_column(String(64), primary_key=True)
    since: Mapped[datetime] = mapped_column(UtcTime)
