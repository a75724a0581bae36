"""The hub's tables, the same on SQLite and PostgreSQL.

`entries` and `tiles` are the log and only grow; `contents` holds what was signed and can be erased without touching
the log; everything else says how far somebody is.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy import text as sql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC: SQLite has no time zones, so it is stored without and read back with."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of the hub's tables."""


def table_of(row: type[Base]) -> Table:
    """The table of a class, for statements on many rows that should not go through objects."""
    table = row.__table__
    if not isinstance(table, Table):
        raise TypeError("expected a class with a table")
    return table


BigId = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts up by itself only in a column that is called INTEGER."""


class EntryRow(Base):
    """One leaf of the log. kind, digest, audience and time are the leaf; the rest helps to find it."""

    __tablename__ = "entries"

    index: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    audience: Mapped[str] = mapped_column(String(10))
    time: Mapped[str] = mapped_column(String(20))
    origin: Mapped[str] = mapped_column(String(100))
    seq: Mapped[int] = mapped_column(BigInteger)
    via: Mapped[str | None] = mapped_column(String(100))
    """The hub it was followed from; None when the origin handed it in here."""
    subject: Mapped[str | None] = mapped_column(String(200))
    """For figures: table, version and period, so that what belongs together is added up."""
    receipt_size: Mapped[int] = mapped_column(BigInteger)
    """The tree size of the receipt that was given: a retry gets the same one."""
    row_check: Mapped[int] = mapped_column(BigInteger)
    """CRC-32 of the columns that neither the leaf nor, once it is withdrawn, the content vouches for."""
    withdrawn_by: Mapped[int | None] = mapped_column(BigInteger)
    narrowed_by: Mapped[int | None] = mapped_column(BigInteger)
    """The last withdrawal from those beyond `narrowed_to`, where this hub is among those who keep the content."""
    narrowed_to: Mapped[str | None] = mapped_column(String(10))

    __table_args__ = (
        Index("entries_origin_seq", "origin", "seq", unique=True),
        Index("entries_subject", "subject", "kind"),
        Index("entries_kind", "kind", "index"),
        Index(
            "entries_one_trend",
            "origin",
            "subject",
            unique=True,
            sqlite_where=sql("kind = 'trend'"),
            postgresql_where=sql("kind = 'trend'"),
        ),
    )


class ContentRow(Base):
    """The canonical bytes of an envelope, until it is withdrawn."""

    __tablename__ = "contents"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    envelope: Mapped[bytes] = mapped_column(LargeBinary)


class TileRow(Base):
    """A hash tile of C2SP tlog-tiles, as wide as it is now; narrower ones are its beginning."""

    __tablename__ = "tiles"

    level: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hashes: Mapped[bytes] = mapped_column(LargeBinary)


class CheckpointRow(Base):
    """Every checkpoint that was signed, one a commit."""

    __tablename__ = "checkpoints"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    note: Mapped[str] = mapped_column(Text)


class HeadRow(Base):
    """The one row that says how long the log is. Whoever appends holds it for the length of a transaction."""

    __tablename__ = "log_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    frontier: Mapped[bytes] = mapped_column(LargeBinary)
    time: Mapped[str] = mapped_column(String(20))
    signers: Mapped[str | None] = mapped_column(String(200))
    """Key ids with which this hub signs: the first one statements, all of them checkpoints. NULL: its only key."""
    held: Mapped[str | None] = mapped_column(String(10))
    """Why nothing may be signed now: `restored`, `behind` or `forked`; NULL when all is well."""
    place: Mapped[str | None] = mapped_column(String(100))
    """Which database this is: another one after a restore from a copy."""


class MemberRow(Base):
    """A direct member, or the parent, and how far it is.

    Who may sign with which key, the fold of the log says (`members.load_trust`); here stands what it says at its end.
    """

    __tablename__ = "members"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    role: Mapped[str] = mapped_column(String(10))
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    keyid: Mapped[str] = mapped_column(String(64), unique=True)
    status: Mapped[str] = mapped_column(String(10))
    area: Mapped[str] = mapped_column(Text)
    level: Mapped[str | None] = mapped_column(String(10))
    url: Mapped[str | None] = mapped_column(String(300))
    not_before: Mapped[datetime | None] = mapped_column(UtcTime)
    not_after: Mapped[datetime | None] = mapped_column(UtcTime)
    highest_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    read_up_to: Mapped[int] = mapped_column(BigInteger, default=0)
    last_read_at: Mapped[datetime | None] = mapped_column(UtcTime)
    software: Mapped[str | None] = mapped_column(String(40))
    """The version that its program has named last; it says so itself."""
    admitted_by: Mapped[int | None] = mapped_column(BigInteger)
    """The entry that admitted it: nothing that was taken back before it had ever come to it. NULL: not known."""


class EnrolmentCodeRow(Base):
    """A one-time code, as its hash."""

    __tablename__ = "enrolment_codes"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcTime)
    replaces: Mapped[bool] = mapped_column(Boolean, default=False, server_default=sql("false"))
    """For a new key of a member."""


class EnrolmentRow(Base):
    """Somebody who used a code and waits for the operator."""

    __tablename__ = "enrolments"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    request: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[datetime] = mapped_column(UtcTime)
    state: Mapped[str] = mapped_column(String(10))
    replaces: Mapped[bool] = mapped_column(Boolean, default=False, server_default=sql("false"))


class SourceRow(Base):
    """A hub that this hub follows, and how far."""

    __tablename__ = "sources"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    url: Mapped[str] = mapped_column(String(300))
    vkey: Mapped[str] = mapped_column(String(300))
    direction: Mapped[str] = mapped_column(String(10))
    """`parent` or `member`."""
    seen_size: Mapped[int] = mapped_column(BigInteger, default=0)
    seen_root: Mapped[bytes] = mapped_column(LargeBinary)
    frontier_size: Mapped[int] = mapped_column(BigInteger, default=0)
    frontier: Mapped[bytes] = mapped_column(LargeBinary, default=b"")
    last_success_at: Mapped[datetime | None] = mapped_column(UtcTime)
    former: Mapped[str] = mapped_column(Text, default="[]", server_default="[]")
    """Keys that were pinned before `vkey`, oldest first (`shared_schema.pins`)."""
    seen_note: Mapped[str | None] = mapped_column(Text)
    """The checkpoint of `seen_size` as the source has signed it."""
    read_note: Mapped[str | None] = mapped_column(Text)
    """The newest one up to which every leaf is in `mirror_leaves` (or was read before there was that table)."""
    policy: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Of the hub above: its policy in force, canonical JSON, as it has signed it."""
    last_time: Mapped[str | None] = mapped_column(String(20))
    """The time of the last entry that was read; it never goes back along a log."""
    announcement: Mapped[str | None] = mapped_column(Text)
    """With which the log's key names the key that cosigns for it (`shared_schema.cosignature`)."""
    head_times: Mapped[str | None] = mapped_column(Text)
    """JSON of `shared_schema.head_times.HeadTimes`."""


class MirrorLeafRow(Base):
    """One leaf of another hub's log, as it was verified: what that hub needs when it has to go back to an old copy."""

    __tablename__ = "mirror_leaves"

    source: Mapped[str] = mapped_column(String(100), primary_key=True)
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)


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


class QuarantineRow(Base):
    """An item from another hub that could not be taken, with the reason; it never stops the stream."""

    __tablename__ = "quarantine"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(String(100))
    source_index: Mapped[int] = mapped_column(BigInteger)
    code: Mapped[str] = mapped_column(String(40))
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    since: Mapped[datetime] = mapped_column(UtcTime)


class EvidenceRow(Base):
    """Two contents for one (origin, seq): what was signed beside what is in the log."""

    __tablename__ = "evidence"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    origin: Mapped[str] = mapped_column(String(100))
    seq: Mapped[int] = mapped_column(BigInteger)
    known_digest: Mapped[str] = mapped_column(String(64))
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    since: Mapped[datetime] = mapped_column(UtcTime)


RECOVERED = "recovered"
"""The inputs of a sum that was published after the copy was made from which this hub was restored."""


class AggregateRow(Base):
    """What this hub has published for a table and period: the newest revision and from which statements."""

    __tablename__ = "aggregates"

    subject: Mapped[str] = mapped_column(String(200), primary_key=True)
    complete: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    revision: Mapped[int] = mapped_column(Integer)
    inputs: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))
    atoms: Mapped[str | None] = mapped_column(Text)
    """Canonical JSON: what anybody can take apart from the revisions that were shown (`atoms.Atoms`)."""


class ChargeRow(Base):
    """What one release of a city has spent. It stays when the release is withdrawn: what is out is out.

    Months are year * 12 + month - 1, both included. `ledger_seq`, `ledger_head` and `ledger_prev` are the city's own;
    the last one is NULL where the release does not say it, or was taken before this column was there.
    """

    __tablename__ = "charges"
    __table_args__ = (Index("charges_by_origin", "origin", "first_month"),)

    entry_index: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    origin: Mapped[str] = mapped_column(String(100))
    measure: Mapped[str] = mapped_column(String(80))
    table_id: Mapped[str] = mapped_column(String(80))
    first_month: Mapped[int] = mapped_column(Integer)
    last_month: Mapped[int] = mapped_column(Integer)
    epsilon_milli: Mapped[int] = mapped_column(Integer)
    correction: Mapped[int] = mapped_column(Integer)
    ledger_prev: Mapped[str | None] = mapped_column(String(64))
    ledger_seq: Mapped[int] = mapped_column(BigInteger)
    ledger_head: Mapped[str] = mapped_column(String(64))


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


class RecallReportRow(Base):
    """What a linked hub last said of a withdrawal: how many beyond it hold what is taken back, and who has confirmed.

    `withdrawal_index` is its place in that hub's log; `late` canonical JSON, a list of names.
    """

    __tablename__ = "recall_reports"
    __table_args__ = (Index("recall_reports_by_withdrawal", "withdrawal"),)

    source: Mapped[str] = mapped_column(String(100), primary_key=True)
    withdrawal: Mapped[str] = mapped_column(String(64), primary_key=True)
    withdrawal_index: Mapped[int] = mapped_column(BigInteger)
    holders: Mapped[int] = mapped_column(Integer)
    confirmed: Mapped[int] = mapped_column(Integer)
    unreachable: Mapped[int] = mapped_column(Integer)
    unheard: Mapped[int] = mapped_column(Integer)
    late: Mapped[str] = mapped_column(Text)
    reported_at: Mapped[datetime] = mapped_column(UtcTime)


class QuarantineReportRow(Base):
    """What a linked hub said it has set aside of what it read here."""

    __tablename__ = "quarantine_reports"

    reporter: Mapped[str] = mapped_column(String(100), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    code: Mapped[str] = mapped_column(String(40))
    since: Mapped[datetime] = mapped_column(UtcTime)


class AlarmRow(Base):
    """Something a person must look at."""

    __tablename__ = "alarms"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    about: Mapped[str] = mapped_column(String(100))
    code: Mapped[str] = mapped_column(String(40))
    message: Mapped[str] = mapped_column(String(600))
    raised_at: Mapped[datetime] = mapped_column(UtcTime)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcTime)


class AuditRow(Base):
    """What operators and the program did: hash-chained, append-only, without contents."""

    __tablename__ = "audit"

    seq: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    at: Mapped[str] = mapped_column(String(20))
    actor: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(200))
    previous_hash: Mapped[str] = mapped_column(String(64))
    entry_hash: Mapped[str] = mapped_column(String(64))
