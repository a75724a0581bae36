"""Releases on their way, and what was taken back."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from local_node.orm.columns import Base

SINGLE_ROW = 1
"""The id of the only row of `statement_seq`."""


class ReleaseRequestRow(Base):
    """A release on its way. `state` is one of review.RequestState.

    `body` is the canonical JSON text of exactly the body that will be signed; `approved_digest` is the SHA-256 of the
    text that was approved. `writers` is canonical JSON: {"ids": [...]}, who wrote the text besides whoever asks; NULL
    for nobody else. `subject` names what a trend is about (`table/version/period`). `findings` is canonical
    JSON: {"items": [{field, start, end, kind, why, accepted?}, ...]}. `digest` names the signed statement.
    """

    __tablename__ = "release_requests"
    __table_args__ = (
        Index("release_requests_by_state", "state"),
        Index("release_requests_by_subject", "subject"),
        Index("release_requests_by_digest", "digest"),
    )

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
    writers: Mapped[str | None]


class SealedShareRow(Base):
    """What this city's share in a batch is made from: of the same 32 bytes the same halves, for ever.

    `batch` is the digest of the statement that has opened it. `randomness` is NULL once nobody needs it. `outcome` is
    NULL while nobody knows, `counted` when the share is in the total, `free` when the batch has ended without it: then
    the figures may be sent again in another batch, for the same entry of the ledger.
    """

    __tablename__ = "sealed_shares"
    __table_args__ = (Index("sealed_shares_by_slot", "table_id", "table_version", "period"),)

    batch: Mapped[str] = mapped_column(primary_key=True)
    table_id: Mapped[str]
    table_version: Mapped[int]
    period: Mapped[str]
    ledger_seq: Mapped[int]
    randomness: Mapped[bytes | None]
    outcome: Mapped[str | None]
    made_at: Mapped[datetime]


class StatementSeqRow(Base):
    """The highest `seq` that this node has signed; one row, id 1."""

    __tablename__ = "statement_seq"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_seq: Mapped[int]


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
