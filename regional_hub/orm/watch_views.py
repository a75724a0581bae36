"""What people keep of the trend watch, and where e-mails for them may go."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from regional_hub.orm.columns import Base, BigId, UtcTime


class WatchViewRow(Base):
    """A choice of alerts with a name. `query` is its one spelling in an address.

    `feed_token` opens the Atom feed, `off_token` the page that ends the e-mails. `mailed_up_to` is NULL where none are
    wanted.
    """

    __tablename__ = "watch_views"
    __table_args__ = (
        Index("watch_views_by_owner", "owner", "name", unique=True),
        Index("watch_views_by_feed", "feed_token", unique=True),
        Index("watch_views_by_off", "off_token", unique=True),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    owner: Mapped[str] = mapped_column(ForeignKey("accounts.person_id"))
    name: Mapped[str]
    query: Mapped[str]
    feed_token: Mapped[str]
    off_token: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(UtcTime)
    mailed_up_to: Mapped[datetime | None] = mapped_column(UtcTime)
    next_mail_at: Mapped[datetime | None] = mapped_column(UtcTime)


class MailAddressRow(Base):
    """The address that somebody has asked a code for; `confirmed_at` when it came back. Of the code only a hash."""

    __tablename__ = "mail_addresses"

    person_id: Mapped[str] = mapped_column(ForeignKey("accounts.person_id"), primary_key=True)
    address: Mapped[str]
    code_hash: Mapped[str | None]
    wrong: Mapped[int]
    asked: Mapped[int]
    first_asked_at: Mapped[datetime] = mapped_column(UtcTime)
    asked_at: Mapped[datetime] = mapped_column(UtcTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcTime)
