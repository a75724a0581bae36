"""What the people of this node do with what others wrote: read marks, notes, saved views, e-mails. It stays here.

`search_items.id` counts the items as they arrive, so "everything up to here" is one number. A trigger lowers such a
number when the newest items leave, because SQLite then gives their numbers to others. What is taken back takes the
marks and notes about it along, by trigger too (migration 0013).
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from local_node.orm.columns import Base


class ReaderRow(Base):
    """Somebody who reads: every item up to the number `read_up_to` counts as read."""

    __tablename__ = "readers"

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
    read_up_to: Mapped[int]


class ReadItemRow(Base):
    """An item beyond `readers.read_up_to` that somebody has opened."""

    __tablename__ = "read_items"
    __table_args__ = (PrimaryKeyConstraint("person_id", "digest"), Index("read_items_by_digest", "digest"))

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    digest: Mapped[str]


class UsefulMarkRow(Base):
    """Somebody says that an item is useful to this city."""

    __tablename__ = "useful_marks"
    __table_args__ = (PrimaryKeyConstraint("digest", "person_id"), Index("useful_marks_by_person", "person_id"))

    digest: Mapped[str]
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    marked_at: Mapped[datetime]


class NoteRow(Base):
    """What somebody has written down for themselves about an item. `edition` rises with every change."""

    __tablename__ = "notes"
    __table_args__ = (PrimaryKeyConstraint("person_id", "digest"), Index("notes_by_digest", "digest"))

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    digest: Mapped[str]
    text: Mapped[str]
    edition: Mapped[int]
    changed_at: Mapped[datetime]


class SavedViewRow(Base):
    """Filters with a name. `query` is their canonical form as in an address; `feed_token` opens the Atom feed."""

    __tablename__ = "saved_views"
    __table_args__ = (
        Index("saved_views_by_owner", "owner", "name", unique=True),
        Index("saved_views_by_token", "feed_token", unique=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(ForeignKey("people.id"))
    name: Mapped[str]
    query: Mapped[str]
    shared: Mapped[bool]
    feed_token: Mapped[str]
    made_at: Mapped[datetime]


class ViewMarkRow(Base):
    """How far somebody has seen a view: items with a number up to `seen_up_to` are not new there."""

    __tablename__ = "view_marks"
    __table_args__ = (PrimaryKeyConstraint("view_id", "person_id"),)

    view_id: Mapped[int] = mapped_column(ForeignKey("saved_views.id"))
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    seen_up_to: Mapped[int]


class SubscriptionRow(Base):
    """Who gets an e-mail with what is new: `daily` or `weekly`. Items up to `covered_up_to` were in an earlier one.

    `off_token` opens the page that ends it. `edition` rises with every change and every claim of a run.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        Index("subscriptions_by_time", "next_at"),
        Index("subscriptions_by_token", "off_token", unique=True),
    )

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
    rhythm: Mapped[str]
    off_token: Mapped[str]
    covered_up_to: Mapped[int]
    next_at: Mapped[datetime]
    edition: Mapped[int]


class MailingRow(Base):
    """One e-mail with the items after `after_item` up to `up_to`: `sending`, `sent`, `failed` or `given-up`.

    One that is `sending` for long was cut off; nobody knows whether it arrived, and it is not sent again.
    """

    __tablename__ = "mailings"
    __table_args__ = (Index("mailings_by_person", "person_id", "id"), Index("mailings_by_state", "state"))

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    after_item: Mapped[int]
    up_to: Mapped[int]
    state: Mapped[str]
    tries: Mapped[int]
    claimed_at: Mapped[datetime]
    next_at: Mapped[datetime]
    code: Mapped[str | None]
