"""What the hub tells people and programs outside: one row for each message and channel."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from regional_hub.orm.columns import Base, BigId, UtcTime


class DeliveryRow(Base):
    """One message for one channel. It holds no text: what it says is read from what it is about when it is sent.

    `message_id` stays the same however often it is tried. `folded`: it went out as a part of `part_of`, a bundle.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("message_id", name="deliveries_message"),
        UniqueConstraint("alarm_id", "change", "channel", name="deliveries_alarm"),
        Index("deliveries_by_state", "state", "channel", "next_at"),
        Index("deliveries_by_part", "part_of"),
        Index("deliveries_by_view", "view_id"),
        Index("deliveries_by_time", "claimed_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    message_id: Mapped[str] = mapped_column(String(40))
    channel: Mapped[str] = mapped_column(String(10))
    """`webhook` or `email`: the operator's own; `person`: somebody with an account."""
    topic: Mapped[str] = mapped_column(String(10))
    alarm_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("alarms.id"))
    change: Mapped[str | None] = mapped_column(String(10))
    """Of an alarm: `raised` or `ended`."""
    part_of: Mapped[int | None] = mapped_column(BigInteger)
    person_id: Mapped[str | None] = mapped_column(String(40))
    """Whom it is for, when it is for a person."""
    view_id: Mapped[int | None] = mapped_column(BigInteger)
    after: Mapped[datetime | None] = mapped_column(UtcTime)
    """Of a view: what was said after this, until `up_to`."""
    up_to: Mapped[datetime | None] = mapped_column(UtcTime)
    state: Mapped[str] = mapped_column(String(10))
    tries: Mapped[int] = mapped_column(Integer)
    made_at: Mapped[datetime] = mapped_column(UtcTime)
    next_at: Mapped[datetime] = mapped_column(UtcTime)
    claimed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)
    code: Mapped[str | None] = mapped_column(String(40))
    """Why the last try failed."""
