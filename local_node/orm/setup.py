"""How long things are kept, what was closed for good by that, and messages from outside."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from local_node.orm.columns import Base


class RetentionRuleRow(Base):
    """After how many months something is erased; without a row it is kept, or its default counts.

    `kind` is one of `retention_rules.Kind`, `subject` a measure or empty.
    """

    __tablename__ = "retention_rules"

    kind: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True, default="", server_default="")
    months: Mapped[int]
    set_at: Mapped[datetime]
    set_by: Mapped[str] = mapped_column(ForeignKey("people.id"))


class ClosedMeasureRow(Base):
    """Raw records of a measure were erased. `before` is a month (`2024-01`): nothing earlier is read in any more.

    A record that came again after its erasure would count as late and be in a second release.
    """

    __tablename__ = "closed_measures"

    measure: Mapped[str] = mapped_column(primary_key=True)
    before: Mapped[str] = mapped_column(String(7))
    closed_at: Mapped[datetime]
    closed_by: Mapped[str] = mapped_column(ForeignKey("people.id"))


class OutsideMessageRow(Base):
    """What somebody wrote on a public page, for the coordinator. `topic` is one of `outside_messages.Topic`."""

    __tablename__ = "outside_messages"
    __table_args__ = (Index("outside_messages_by_time", "received_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    received_at: Mapped[datetime]
    topic: Mapped[str]
    text: Mapped[str]
    contact: Mapped[str] = mapped_column(default="", server_default="")
    done_at: Mapped[datetime | None]
    done_by: Mapped[str | None] = mapped_column(ForeignKey("people.id"))
