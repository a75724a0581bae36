"""What the node remembers of a hub's heads and receipts, and the evidence against it.

The steps that ask the hub and others are in `head_checks`; here is what they read and keep.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from local_node.errors import NodeError
from local_node.orm import HeadEvidenceRow, HubRow, InboxRow, OutboxRow
from shared_schema.checkpoint import NoteVerifier, verify_checkpoint
from shared_schema.entry import Receipt, digest_of
from shared_schema.head_evidence import TwoHeads, is_proven
from shared_schema.head_times import HeadTimes
from shared_schema.service.head_watch import Watched

DELIVERED = "delivered"
MAX_EVIDENCE = 100
"""Of one hub: so many that prove something, and so many that are open. One is enough, and a hub that first shows much
that is open keeps no proof out."""
SHORT_DIGEST = 8


class EvidenceError(NodeError):
    """There is no such evidence."""

    code = "not-found"


@dataclass(frozen=True, slots=True)
class OpenReceipt:
    """A receipt that the log has not been found to keep yet."""

    row_id: int
    digest: str
    receipt: Receipt
    missed_since: datetime | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A piece of evidence, for people; `body` is the file."""

    digest: str
    hub: str
    code: str
    proven: bool
    body: str
    since: datetime


def load(session: Session, hub: str) -> Watched:
    """What is remembered of a hub's heads."""
    row = session.get_one(HubRow, hub)
    return Watched(row.announcement, HeadTimes.from_text(row.head_times), row.seen_note)


def keep(session: Session, hub: str, watched: Watched) -> None:
    """Remember it, in the transaction that moves the place in the feed on."""
    session.execute(
        update(HubRow)
        .where(HubRow.name == hub)
        .values(announcement=watched.announcement, head_times=watched.times.to_text(), seen_note=watched.seen_note)
        .execution_options(synchronize_session=False)
    )


def find_elsewhere(session: Session, hub: str) -> str | None:
    """The address of the other place where the node asks about a hub."""
    return session.get_one(HubRow, hub).elsewhere


# --- receipts ------------------------------------------------------------------------------------------------------


def open_receipts(session: Session, hub: str, limit: int) -> list[OpenReceipt]:
    """Receipts that were never found in the log, the oldest first. What is said in confidence is in no log."""
    rows = session.scalars(
        select(OutboxRow)
        .where(
            OutboxRow.hub == hub,
            OutboxRow.state == DELIVERED,
            OutboxRow.seq > 0,
            OutboxRow.receipt.is_not(None),
            OutboxRow.confirmed_at.is_(None),
        )
        .order_by(OutboxRow.id)
        .limit(limit)
    )
    return [
        OpenReceipt(row.id, row.digest, Receipt.from_bytes(row.receipt), row.missed_since)
        for row in rows
        if row.receipt is not None
    ]


def was_read_at(session: Session, hub: str, digest: str, index: int) -> bool:
    """Whether this statement was read in the hub's log, at this very place."""
    row = session.get(InboxRow, digest)
    return row is not None and (row.hub, row.log_index) == (hub, index)


def confirm(session: Session, row_id: int, now: datetime) -> None:
    """The log holds what the receipt proves."""
    session.execute(update(OutboxRow).where(OutboxRow.id == row_id).values(confirmed_at=now, missed_since=None))


def miss(session: Session, row_id: int, now: datetime) -> None:
    """The log, read to its end, does not hold it yet."""
    session.execute(
        update(OutboxRow).where(OutboxRow.id == row_id, OutboxRow.missed_since.is_(None)).values(missed_since=now)
    )


# --- evidence ------------------------------------------------------------------------------------------------------


def keep_evidence(session: Session, evidence: TwoHeads, code: str, now: datetime) -> None:
    """Keep two heads, once."""
    log = NoteVerifier.from_vkey(evidence.vkey)
    heads = [verify_checkpoint(note, log).to_text() for note in (evidence.first, evidence.second)]
    digest, proven = digest_of("".join(heads).encode()), is_proven(evidence)
    known = session.get(HeadEvidenceRow, digest)
    if known is not None:
        if proven and not known.proven:
            known.body, known.proven = evidence.to_bytes().decode(), True
        return
    alike = (HeadEvidenceRow.hub == log.name) & (HeadEvidenceRow.proven == proven)
    kept = session.scalars(select(HeadEvidenceRow.digest).where(alike)).all()
    if len(kept) < MAX_EVIDENCE:
        body = evidence.to_bytes().decode()
        session.add(HeadEvidenceRow(digest=digest, hub=log.name, code=code, proven=proven, body=body, since=now))
        session.flush()


def list_evidence(session: Session) -> tuple[Kept, ...]:
    """All evidence, the oldest first."""
    rows = session.scalars(select(HeadEvidenceRow).order_by(HeadEvidenceRow.since, HeadEvidenceRow.digest))
    return tuple(Kept(row.digest, row.hub, row.code, row.proven, row.body, row.since) for row in rows)


def get_evidence(session: Session, beginning: str) -> Kept:
    """The one piece of evidence whose id begins so. Raises EvidenceError."""
    found = [item for item in list_evidence(session) if item.digest.startswith(beginning.lower())]
    if len(beginning) < SHORT_DIGEST or len(found) != 1:
        raise EvidenceError("expected the id of one piece of evidence; see: local-node evidence list")
    return found[0]
