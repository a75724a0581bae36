"""After a restore: the ledger takes back what the city has released since the copy was made.

The hub shows every city its own statements, and `sync` has verified them against the hub's log. They are the city's own
signed words, so the missing entries follow from them, in the order of the ledger:

1. A release whose hash follows from what it says comes back exactly as it was drawn (format 2).
2. A release of a node before version 0.2 comes back with the hash that it names (format 0: taken over).
3. What a sealed share has cost is in its entry's hash and nothing else, and no hub shows a share again. So where an
   entry is missing, every collection that this city is a member of is tried: the one whose hash fits was paid
   (format 3).
4. An entry that was drawn and never handed in, or withdrawn since, is unknown. A `lost` entry keeps its place: it
   charges nothing, and its hash is the one that the next release names as the one before it (format 0).

What was in the records since the copy was made is not in the messages, and does not come back.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from local_node.audit import FIRST_PREV_HASH
from local_node.errors import LedgerError
from local_node.ledger_formats import COMPOSITION, RELEASE_FORMAT, SEALED, SHARE_FORMAT, TAKEN_OVER
from local_node.orm import CorrectionRecordRow, InboxRow, LedgerRow
from local_node.resumed import LOST, note_resumed
from shared_schema import canonical
from shared_schema.envelope import parse_envelope, verify_envelope
from shared_schema.governance import PolicyBody
from shared_schema.keys import PublicKey
from shared_schema.period import Period
from shared_schema.release_rules import WINDOWS
from shared_schema.spending import entry_hash, hash_entry
from shared_schema.statement import Kind, Statement, parse_time, read_statement
from shared_schema.trend import LaplaceMechanism, TableDefinition, TrendBody
from shared_schema.vocabulary import SourceKind

LOST_PERIOD: Final = "1900"
UNKNOWN: Final = "0" * 64
MAX_LOST: Final = 10_000
"""Entries in one gap: far more than a city draws in its life."""

MAX_TRIES: Final = 50_000
"""Hashes that are tried for a gap: three entries of 36 shares, in half a second."""

Tables = Mapping[tuple[str, int], TableDefinition]
"""(id, version) → the table."""


@dataclass(frozen=True, slots=True)
class ShareCharge:
    """What an entry would cover that has paid for a sealed share."""

    table: TableDefinition
    period: Period
    source_kind: SourceKind
    epsilon_milli: int

    def hash_at(self, seq: int, prev: str) -> str:
        privacy = {
            "unit": self.table.unit,
            "window": WINDOWS[self.table.unit],
            "epsilon_milli": self.epsilon_milli,
            "composition": COMPOSITION,
        }
        place = {"table": self.table.reference.to_object(), "period": self.period.to_object()}
        return hash_entry(seq, prev, place | {"source_kind": self.source_kind.value, "privacy": privacy})


@dataclass(frozen=True, slots=True)
class Resumed:
    """How many entries came back, and how many are known by their place alone."""

    restored: int
    lost: int


def own_releases(session: Session, origin: str, keys: Sequence[PublicKey]) -> list[Statement]:
    """The city's own releases as they were read from its hubs, by their place in the ledger; verified again."""
    rows = session.scalars(
        select(InboxRow.envelope).where(
            InboxRow.kind == Kind.TREND.value, InboxRow.origin == origin, InboxRow.envelope.is_not(None)
        )
    )
    by_keyid = {key.keyid: key for key in keys}
    envelopes = [parse_envelope(stored or b"") for stored in rows]
    found = [
        read_statement(verify_envelope(envelope, by_keyid.get(envelope.keyid, keys[-1]))).statement
        for envelope in envelopes
    ]
    releases = [item for item in found if item.origin == origin and isinstance(item.body, TrendBody)]
    return sorted(releases, key=lambda item: (_body(item).ledger.seq, item.seq))


def known_tables(session: Session) -> Tables:
    """Every table of every policy that was read."""
    rows = session.scalars(
        select(InboxRow.envelope).where(InboxRow.kind == Kind.POLICY.value, InboxRow.envelope.is_not(None))
    )
    policies = (
        PolicyBody.from_object(canonical.parse_strict(parse_envelope(row or b"").payload)["body"]) for row in rows
    )
    return {(table.id, table.version): table for policy in policies for table in policy.tables}


def resume(
    session: Session,
    releases: Sequence[Statement],
    end: tuple[int, str] | None,
    tables: Tables,
    now: datetime,
    shares: Sequence[ShareCharge] = (),
) -> Resumed:
    """Append what is missing, in the caller's transaction. `end` is the last entry that the hub knows, as (seq, hash).

    `shares` are the sealed shares that this city may have paid for since.

    Raises LedgerError (`ledger-forked`) and changes nothing when the ledger has gone on by itself since the copy was
    made: then two entries claim one place, and nobody can tell which draw is out.
    """
    last = session.execute(select(LedgerRow.seq, LedgerRow.entry_hash).order_by(LedgerRow.seq.desc()).limit(1)).first()
    seq, head = (0, FIRST_PREV_HASH) if last is None else (last.seq, last.entry_hash)
    first = seq + 1
    _check_same(session, releases, seq)
    restored = lost = 0
    for release in releases:
        body = _body(release)
        if body.ledger.seq <= seq:
            continue
        gap = _gap_rows(seq, head, body.ledger.seq - 1, body.ledger.prev or UNKNOWN, shares, now)
        session.add_all(gap)
        session.flush()
        seq, head = seq + len(gap), gap[-1].entry_hash if gap else head
        lost, restored = lost + _count_lost(gap), restored + len(gap) - _count_lost(gap)
        if body.ledger.prev not in (None, head):
            raise _forked(body.ledger.seq)
        session.add(_row_of(release, body, head, tables))
        session.flush()
        _take_out_corrections(session, body)
        seq, head, restored = body.ledger.seq, body.ledger.head, restored + 1
    if end is not None and end[0] > seq:
        rest = _gap_rows(seq, head, end[0], end[1], shares, now)
        session.add_all(rest)
        session.flush()
        lost, restored = lost + _count_lost(rest), restored + len(rest) - _count_lost(rest)
    if restored or lost:
        note_resumed(session, first, first + restored + lost - 1, restored=restored, lost=lost, now=now)
    return Resumed(restored, lost)


def _check_same(session: Session, releases: Iterable[Statement], last: int) -> None:
    """What is in both must be the same."""
    here = dict(session.execute(select(LedgerRow.seq, LedgerRow.entry_hash)).all())
    for release in releases:
        place = _body(release).ledger
        if place.seq <= last and here.get(place.seq) != place.head:
            raise _forked(place.seq)


def _forked(seq: int) -> LedgerError:
    return LedgerError(
        f"expected entry {seq} of the ledger to be the one that was released; this ledger has gone on by itself since "
        f"the copy was made. Put a newer backup in its place, or ask your hub's operator",
        code="ledger-forked",
    )


def _body(release: Statement) -> TrendBody:
    assert isinstance(release.body, TrendBody)  # noqa: S101 - own_releases takes no other
    return release.body


def _row_of(release: Statement, body: TrendBody, prev_hash: str, tables: Tables) -> LedgerRow:
    laplace = body.mechanism if isinstance(body.mechanism, LaplaceMechanism) else None
    follows = body.ledger.prev is not None and entry_hash(body) == body.ledger.head
    table = tables.get((body.table.id, body.table.version))
    if table is None:
        raise LedgerError("expected the policy with the table of every release; sync first", code="unknown-table")
    return LedgerRow(
        seq=body.ledger.seq,
        table_id=body.table.id,
        table_version=body.table.version,
        fingerprint=body.table.fingerprint,
        measure=table.measure,
        unit=table.unit,
        period=body.period.label,
        source_kind=body.source_kind.value,
        epsilon_milli=0 if body.privacy is None else body.privacy.epsilon_milli,
        scale_numerator=0 if laplace is None else laplace.scale.numerator,
        scale_denominator=1 if laplace is None else laplace.scale.denominator,
        library=body.mechanism.library,
        coverage_reporting=body.coverage.reporting,
        coverage_expected=body.coverage.expected,
        cells=canonical.encode({"items": [cell.to_object() for cell in body.cells]}).decode(),
        charged_at=parse_time(release.issued_at),
        prev_hash=prev_hash,
        entry_hash=body.ledger.head,
        format=RELEASE_FORMAT if follows else TAKEN_OVER,
        correction=body.correction or 0,
        threshold=None if isinstance(body.mechanism, LaplaceMechanism) else body.mechanism.threshold,
    )


def _count_lost(rows: Sequence[LedgerRow]) -> int:
    return sum(row.measure == LOST for row in rows)


def _gap_rows(
    after: int, head: str, last: int, last_head: str, shares: Sequence[ShareCharge], now: datetime
) -> list[LedgerRow]:
    """Entries `after` + 1 to `last`: those of sealed shares where the hashes fit, else lost ones."""
    paid = _find_shares(after, head, last, last_head, shares)
    if paid is None:
        return _lost_rows(after, head, last, last_head, now)
    rows: list[LedgerRow] = []
    for seq, share in enumerate(paid, after + 1):
        rows.append(_share_row(seq, head, share, now))
        head = rows[-1].entry_hash
    return rows


def _find_shares(
    after: int, head: str, last: int, last_head: str, shares: Sequence[ShareCharge]
) -> tuple[ShareCharge, ...] | None:
    """The shares, each at most once, whose entries lead from one hash to the other; None when none do."""
    if len(shares) ** (last - after) > MAX_TRIES:
        return None
    if after == last:
        return () if head == last_head else None
    for number, share in enumerate(shares):
        others = (*shares[:number], *shares[number + 1 :])
        rest = _find_shares(after + 1, share.hash_at(after + 1, head), last, last_head, others)
        if rest is not None:
            return (share, *rest)
    return None


def _share_row(seq: int, prev_hash: str, share: ShareCharge, now: datetime) -> LedgerRow:
    row = _lost_row(seq, prev_hash, share.hash_at(seq, prev_hash), now)
    row.table_id, row.table_version, row.fingerprint = share.table.id, share.table.version, share.table.fingerprint
    row.measure, row.unit, row.period = share.table.measure, share.table.unit, share.period.label
    row.source_kind, row.epsilon_milli, row.library = share.source_kind.value, share.epsilon_milli, SEALED
    row.format = SHARE_FORMAT
    return row


def _lost_rows(after: int, head: str, last: int, last_head: str, now: datetime) -> list[LedgerRow]:
    """Entries `after` + 1 to `last`, the hash of the last one known."""
    if last - after > MAX_LOST:
        raise LedgerError(f"expected at most {MAX_LOST} entries in a gap", code="ledger-forked")
    rows: list[LedgerRow] = []
    for seq in range(after + 1, last + 1):
        prev_hash, head = head, last_head if seq == last else UNKNOWN
        rows.append(_lost_row(seq, prev_hash, head, now))
    return rows


def _lost_row(seq: int, prev_hash: str, head: str, now: datetime) -> LedgerRow:
    return LedgerRow(
        seq=seq,
        table_id=LOST,
        table_version=seq,
        fingerprint=UNKNOWN,
        measure=LOST,
        unit="record",
        period=LOST_PERIOD,
        source_kind=SourceKind.AGENCY_RETURN.value,
        epsilon_milli=0,
        scale_numerator=0,
        scale_denominator=1,
        library=LOST,
        coverage_reporting=0,
        coverage_expected=0,
        cells=canonical.encode({"items": []}).decode(),
        charged_at=now,
        prev_hash=prev_hash,
        entry_hash=head,
        format=TAKEN_OVER,
        correction=0,
        threshold=None,
    )


def _take_out_corrections(session: Session, body: TrendBody) -> None:
    """What was waiting in the copy was in the correction that was drawn after it: it must not go out once more."""
    if body.correction is not None:
        session.execute(
            update(CorrectionRecordRow)
            .where(
                CorrectionRecordRow.table_id == body.table.id,
                CorrectionRecordRow.period == body.period.label,
                CorrectionRecordRow.ledger_seq.is_(None),
            )
            .values(ledger_seq=body.ledger.seq)
            .execution_options(synchronize_session=False)
        )
