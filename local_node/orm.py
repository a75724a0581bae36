"""The node's tables, and nothing else. `migrations/` makes them; a test compares the two.

Times are UTC to the second, kept as text that sorts like the time it means. Contents are bytes, structured values are
canonical JSON text. `ledger` and `audit` are append-only: the migration puts triggers on them that refuse UPDATE,
DELETE and an INSERT that does not continue the chain.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared_schema.statement import format_time, parse_time

SINGLE_ROW = 1
"""The id of the only row of `statement_seq`."""


class UtcTime(TypeDecorator[datetime]):
    """An aware moment as `2026-11-22T09:00:00Z`; fractions of a second are dropped."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else format_time(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else parse_time(value)


class Base(DeclarativeBase):
    """The node's metadata; `type_annotation_map` gives every Python type one column type."""

    type_annotation_map = {datetime: UtcTime, str: Text, bytes: LargeBinary}  # noqa: RUF012 - SQLAlchemy reads it so


# --- people and records: never leave the node ----------------------------------------------------------------------


class PersonRow(Base):
    """Somebody who works with this node: `coordinator`, `reviewer` or `partner`. Never anybody the work concerns."""

    __tablename__ = "people"

    id: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]


class ImportBatchRow(Base):
    """One file that was read; `file_digest` is the SHA-256 of its bytes, in hexadecimal digits."""

    __tablename__ = "import_batches"

    id: Mapped[int] = mapped_column(primary_key=True)
    file_digest: Mapped[str]
    measure: Mapped[str]
    agency: Mapped[str]
    source_kind: Mapped[str]
    imported_at: Mapped[datetime]
    imported_by: Mapped[str] = mapped_column(ForeignKey("people.id"))
    rows: Mapped[int]


class EventRecordRow(Base):
    """One event. `dims` is canonical JSON: dimension → cell code.

    `unit_hash` is the keyed hash of an agency's own file reference, with which a person counts once; `counts` is false
    where the person was counted before. `counted_in` is the month (`2026-01`) that a late event counts in; NULL is the
    month it was recorded in.
    """

    __tablename__ = "event_records"
    __table_args__ = (
        Index("event_records_by_measure", "measure", "recorded_on"),
        Index("event_records_counted", "measure", "counted_in"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batches.id"))
    measure: Mapped[str]
    agency: Mapped[str]
    recorded_on: Mapped[date]
    dims: Mapped[str]
    unit_hash: Mapped[str | None]
    counted_in: Mapped[str | None] = mapped_column(String(7))
    counts: Mapped[bool] = mapped_column(default=True, server_default=true())


class CountedUnitRow(Base):
    """A person that was counted in a month (year * 12 + month - 1). A trigger refuses a second one within a year."""

    __tablename__ = "counted_units"
    __table_args__ = (Index("counted_units_by_unit", "measure", "unit_hash", "month", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    measure: Mapped[str]
    unit_hash: Mapped[str]
    month: Mapped[int]


class ReturnRecordRow(Base):
    """One cell of an agency's return. NULL is not collected, 0 is zero; `status` is A, B (break) or D (differs).

    `counted_in` is the period that a late return counts in; NULL is its own.
    """

    __tablename__ = "return_records"
    __table_args__ = (UniqueConstraint("table_id", "agency", "period", "cell"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batches.id"))
    table_id: Mapped[str]
    agency: Mapped[str]
    period: Mapped[str]
    cell: Mapped[str]
    value: Mapped[int | None]
    status: Mapped[str] = mapped_column(default="A", server_default="A")
    counted_in: Mapped[str | None]


class CorrectionRecordRow(Base):
    """By how much a cell that is released was wrong. `ledger_seq` is the correction that has taken it out."""

    __tablename__ = "correction_records"
    __table_args__ = (Index("correction_records_by_table", "table_id", "period"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batches.id"))
    table_id: Mapped[str]
    agency: Mapped[str]
    period: Mapped[str]
    cell: Mapped[str]
    delta: Mapped[int]
    ledger_seq: Mapped[int | None]


class CollectedPeriodRow(Base):
    """An agency's word that its events of a period, by a dimension, are all here: no event then means zero.

    `status` is A, B (break) or D (differs). A `late` period came after its release: its events count in a later one.
    """

    __tablename__ = "collected_periods"
    __table_args__ = (PrimaryKeyConstraint("measure", "agency", "dimension", "period"),)

    measure: Mapped[str]
    agency: Mapped[str]
    dimension: Mapped[str]
    period: Mapped[str]
    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batches.id"))
    status: Mapped[str] = mapped_column(default="A", server_default="A")
    late: Mapped[bool] = mapped_column(default=False, server_default=false())


# --- the ledger and the audit log: append-only ---------------------------------------------------------------------


class LedgerRow(Base):
    """One charge with its draw.

    `cells` is canonical JSON of ReleasedCell objects: the values as they are released, never as they were counted.
    `correction` is 0 for a release and 1, 2, … for its corrections. With a `threshold` there is no noise: epsilon and
    scale are 0. `format` says what `entry_hash` covers: 1 all columns but `format`, `correction` and `threshold`,
    2 what the statement will say (`spending.hash_entry`).
    """

    __tablename__ = "ledger"
    __table_args__ = (
        UniqueConstraint("table_id", "table_version", "period", "correction"),
        Index("ledger_by_measure", "measure"),
    )

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    table_id: Mapped[str]
    table_version: Mapped[int]
    fingerprint: Mapped[str]
    measure: Mapped[str]
    unit: Mapped[str]
    period: Mapped[str]
    source_kind: Mapped[str]
    epsilon_milli: Mapped[int]
    scale_numerator: Mapped[int]
    scale_denominator: Mapped[int]
    library: Mapped[str]
    coverage_reporting: Mapped[int]
    coverage_expected: Mapped[int]
    cells: Mapped[str]
    charged_at: Mapped[datetime]
    prev_hash: Mapped[str]
    entry_hash: Mapped[str]
    format: Mapped[int] = mapped_column(default=1, server_default="1")
    correction: Mapped[int] = mapped_column(default=0, server_default="0")
    threshold: Mapped[int | None]


class AuditRow(Base):
    """One event: who did what to which thing. Identifiers and digests only."""

    __tablename__ = "audit"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    prev_hash: Mapped[str]
    entry_hash: Mapped[str]


# --- releases ------------------------------------------------------------------------------------------------------


class ReleaseRequestRow(Base):
    """A release on its way. `state` is one of review.RequestState.

    `body` is the canonical JSON text of exactly the body that will be signed; `approved_digest` is the SHA-256 of the
    text that was approved. `subject` names what a trend is about (`table/version/period`). `findings` is canonical
    JSON: {"items": [{field, start, end, kind, why, accepted?}, ...]}. `digest` names the signed statement.
    """

    __tablename__ = "release_requests"
    __table_args__ = (Index("release_requests_by_state", "state"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    kind: Mapped[str]
    state: Mapped[str]
    body: Mapped[str]
    audience: Mapped[str]
    subject: Mapped[str | None]
    requested_by: Mapped[str] = mapped_column(ForeignKey("people.id"))
    requested_at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("people.id"))
    decided_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    findings: Mapped[str]
    approved_digest: Mapped[str | None]
    digest: Mapped[str | None]


class StatementSeqRow(Base):
    """The highest `seq` that this node has signed; one row, id 1."""

    __tablename__ = "statement_seq"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_seq: Mapped[int]


# --- hubs, outbox and inbox ----------------------------------------------------------------------------------------


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
    __table_args__ = (UniqueConstraint("digest", "hub"), Index("outbox_by_hub", "hub", "state", "seq"))

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


class WithdrawalRow(Base):
    """Something of this city that a person took back, from everybody or from those beyond `narrow_to`.

    `digest` names the withdrawal once it is signed; `is_open` is false where no hub could have the item.
    """

    __tablename__ = "withdrawals"
    __table_args__ = (Index("withdrawals_by_item", "item"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str]
    kind: Mapped[str]
    audience: Mapped[str]
    in_confidence: Mapped[bool]
    reason: Mapped[str]
    narrow_to: Mapped[str | None]
    asked_by: Mapped[str] = mapped_column(ForeignKey("people.id"))
    asked_at: Mapped[datetime]
    digest: Mapped[str | None]
    is_open: Mapped[bool]


class RecallRow(Base):
    """What a hub last said of a withdrawal of this city: how many hold what it takes back, and who has confirmed.

    `late` is canonical JSON: {"names": [...]}.
    """

    __tablename__ = "recalls"
    __table_args__ = (PrimaryKeyConstraint("hub", "withdrawal"),)

    hub: Mapped[str] = mapped_column(ForeignKey("hubs.name"))
    withdrawal: Mapped[str]
    item: Mapped[str]
    holders: Mapped[int]
    confirmed: Mapped[int]
    unreachable: Mapped[int]
    unheard: Mapped[int]
    late: Mapped[str]
    asked_at: Mapped[datetime]


class ExportRow(Base):
    """A file with own releases that this node wrote for others; `items` is canonical JSON: {"digests": [...]}.

    `file_digest` is the SHA-256 of its bytes: a file that nobody changed since is written anew without what is taken
    back.
    """

    __tablename__ = "exports"

    path: Mapped[str] = mapped_column(primary_key=True)
    file_digest: Mapped[str]
    items: Mapped[str]
    written_at: Mapped[datetime]


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


class SearchItemRow(Base):
    """What the search knows of an accepted item in words; its texts are in the FTS5 table `search_texts`, by `id`.

    Lists of codes have a blank around each code. `relayed` is true where a hub signed for a city that is not named.
    `evidence` is 0 to 5. Likeness is judged by `title_key` and `sketch` (likeness.pack).
    Triggers delete a row, and its texts, with the step in which its item in the inbox stops being accepted.
    """

    __tablename__ = "search_items"
    __table_args__ = (
        Index("search_items_by_replaces", "replaces", "origin", "kind", "relayed", "seq"),
        Index("search_items_by_about", "about"),
        Index("search_items_by_adapted_from", "adapted_from"),
        Index("search_items_by_time", "issued_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    origin: Mapped[str]
    seq: Mapped[int]
    issued_at: Mapped[str]
    relayed: Mapped[bool]
    author: Mapped[str]
    headline: Mapped[str]
    phenomena: Mapped[str]
    settings: Mapped[str]
    agencies: Mapped[str]
    outcome: Mapped[str | None]
    evidence: Mapped[int | None]
    level: Mapped[str | None]
    language: Mapped[str]
    area: Mapped[str | None]
    size: Mapped[str | None]
    urbanisation: Mapped[str | None]
    review_by: Mapped[str | None]
    archived: Mapped[bool]
    replaces: Mapped[str | None]
    about: Mapped[str | None]
    adapted_from: Mapped[str | None]
    title_key: Mapped[str]
    sketch: Mapped[bytes]


class AlarmRow(Base):
    """Something a person has to know about a hub; open until `resolved_at`."""

    __tablename__ = "alarms"

    id: Mapped[int] = mapped_column(primary_key=True)
    hub: Mapped[str] = mapped_column(ForeignKey("hubs.name"))
    code: Mapped[str]
    message: Mapped[str]
    raised_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
