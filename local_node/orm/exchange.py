"""Hubs, what was sent to them and what came from them."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, PrimaryKeyConstraint, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from local_node.orm.columns import Base


class HubRow(Base):
    """A hub that this node sends to and reads from, and how far it has read.

    `seen_size` and `seen_root` (hexadecimal) are those of the last checkpoint that was accepted; `frontier_size` and
    `frontier` (Frontier.to_bytes) hold the entries that were read, which may be fewer. `seen_note` is the checkpoint of
    `seen_size` as the hub signed it, `read_note` the newest one up to which every leaf was read.
    `former` are the keys that were pinned before `vkey`, oldest first (`shared_schema.pins`).
    """

    __tablename__ = "hubs"

    name: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    vkey: Mapped[str]
    former: Mapped[str] = mapped_column(default="[]", server_default="[]")
    level: Mapped[str]
    added_at: Mapped[datetime]
    enrolled: Mapped[bool] = mapped_column(default=False)
    seen_size: Mapped[int] = mapped_column(default=0)
    seen_root: Mapped[str | None]
    frontier_size: Mapped[int] = mapped_column(default=0)
    frontier: Mapped[bytes] = mapped_column(default=b"")
    last_success_at: Mapped[datetime | None]
    seen_note: Mapped[str | None]
    read_note: Mapped[str | None]
    last_time: Mapped[str | None]
    """The time of the last entry that was read; it never goes back along a log."""
    announcement: Mapped[str | None]
    """With which the log's key names the key that cosigns for it (`shared_schema.cosignature`)."""
    head_times: Mapped[str | None]
    """JSON of `shared_schema.head_times.HeadTimes`."""
    elsewhere: Mapped[str | None]
    """The address of another place where this node asks which head of the hub is known there."""


class MirrorLeafRow(Base):
    """One leaf of a hub's log, as it was verified: what the hub needs when it has to go back to an old copy."""

    __tablename__ = "mirror_leaves"
    __table_args__ = (PrimaryKeyConstraint("hub", "log_index"),)

    hub: Mapped[str] = mapped_column(ForeignKey("hubs.name"))
    log_index: Mapped[int]
    leaf: Mapped[bytes]


class OutboxRow(Base):
    """One envelope for one hub. `state` is waiting, sending, delivered or refused; `reason` a problem code."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("digest", "hub"),
        Index("outbox_by_hub", "hub", "state", "seq"),
        Index("outbox_by_seq", "seq", "state", "digest"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str]
    seq: Mapped[int]
    envelope: Mapped[bytes]
    hub: Mapped[str] = mapped_column(ForeignKey("hubs.name"))
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    receipt: Mapped[bytes | None]
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    """When the log that was read was found to hold what the receipt proves."""
    missed_since: Mapped[datetime | None]
    """When it was first found not to hold it yet."""


class HeadEvidenceRow(Base):
    """Two heads that a hub has signed (`shared_schema.head_evidence.TwoHeads` as JSON)."""

    __tablename__ = "head_evidence"

    digest: Mapped[str] = mapped_column(primary_key=True)
    hub: Mapped[str] = mapped_column(ForeignKey("hubs.name"))
    code: Mapped[str]
    proven: Mapped[bool]
    body: Mapped[str]
    since: Mapped[datetime]


class InboxRow(Base):
    """One statement that was read from a hub. `state` is accepted, quarantined or withdrawn.

    `envelope` is the stored bytes; NULL where the content was erased or is not for this node.
    """

    __tablename__ = "inbox"
    __table_args__ = (
        Index("inbox_by_hub", "hub", "log_index"),
        Index("inbox_by_kind", "kind", "state"),
        Index("inbox_by_place", "origin", "seq"),
        Index("inbox_by_arrival", "received_at", "log_index"),
        Index("inbox_with_content", "digest", sqlite_where=text("envelope IS NOT NULL")),
    )

    digest: Mapped[str] = mapped_column(primary_key=True)
    hub: Mapped[str] = mapped_column(ForeignKey("hubs.name"))
    log_index: Mapped[int]
    kind: Mapped[str]
    origin: Mapped[str | None]
    seq: Mapped[int | None]
    audience: Mapped[str]
    issued_at: Mapped[str | None]
    received_at: Mapped[datetime]
    envelope: Mapped[bytes | None]
    state: Mapped[str]
    reason: Mapped[str | None]


class MembershipRow(Base):
    """Where a membership statement stands in a hub's log. Several logs can have the same one, at different places."""

    __tablename__ = "memberships"
    __table_args__ = (PrimaryKeyConstraint("hub", "log_index"),)

    hub: Mapped[str] = mapped_column(ForeignKey("hubs.name"))
    log_index: Mapped[int]
    digest: Mapped[str]


class KeyChangeRow(Base):
    """A new key of this node that is not in use yet. `how` is rotate or replace.

    `request` is what was sent to the hubs: the rotation that both keys have signed. NULL for a replacement, whose
    request has a one-time code and is sent once to each hub. `done_at` is when the key came into use.
    """

    __tablename__ = "key_changes"

    keyid: Mapped[str] = mapped_column(primary_key=True)
    how: Mapped[str]
    request: Mapped[bytes | None]
    made_at: Mapped[datetime]
    done_at: Mapped[datetime | None]


class EvidenceRow(Base):
    """A second content for a number of an origin, beside the one that came first (`known_digest`)."""

    __tablename__ = "evidence"

    digest: Mapped[str] = mapped_column(primary_key=True)
    hub: Mapped[str] = mapped_column(ForeignKey("hubs.name"))
    origin: Mapped[str]
    seq: Mapped[int]
    known_digest: Mapped[str]
    envelope: Mapped[bytes]
    since: Mapped[datetime]


class AlarmRow(Base):
    """Something a person has to know about a hub; open until `resolved_at`."""

    __tablename__ = "alarms"

    id: Mapped[int] = mapped_column(primary_key=True)
    hub: Mapped[str] = mapped_column(ForeignKey("hubs.name"))
    code: Mapped[str]
    message: Mapped[str]
    raised_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
