"""Put recovered entries back in their places: the same indexes, the same leaves, the same tiles, the same receipts.

The leaves are proven, and a content belongs to a leaf by its digest; its origin's signature is verified again all the
same. An entry whose content nobody has brought keeps its place with an unknown origin, and is filled when it comes.

Where a commit ended is known from the checkpoints that were brought (everybody keeps the newest one, and authors those
of their receipts). So whoever still has a receipt gets the same one again.
"""

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Final

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from regional_hub import audit, charges, figure_index, log
from regional_hub.alarms import resolve_alarms
from regional_hub.errors import LogError
from regional_hub.members import Trust
from regional_hub.orm import (
    RECOVERED,
    AggregateRow,
    CheckpointRow,
    ContentRow,
    EntryRow,
    HeadRow,
    MemberRow,
    RecoveryContentRow,
    RecoveryHeardRow,
    RecoveryLeafRow,
    RecoveryNoteRow,
    RecoveryRow,
    SourceRow,
    table_of,
)
from regional_hub.recovery import (
    FORKED,
    RECOVERY_ID,
    UNKNOWN_ORIGIN,
    hold,
    is_ready,
    known_pin,
    read_content,
)
from regional_hub.tiles import TileReader
from shared_schema.checkpoint import NoteVerifier, keep_signatures
from shared_schema.directory import Directory, member_of
from shared_schema.entry import LogEntry
from shared_schema.envelope import verify_envelope
from shared_schema.errors import ContractError, VerificationError
from shared_schema.governance import Level, MembershipBody, WithdrawalBody
from shared_schema.keys import Member, MemberRole, PublicKey
from shared_schema.merkle import Frontier
from shared_schema.pins import Pin
from shared_schema.reach import is_within
from shared_schema.recovery import read_own_checkpoint
from shared_schema.statement import NEVER_WITHDRAWN, Kind, VerifiedStatement, read_statement
from shared_schema.trend import AggregateBody

BATCH: Final = 1_000
MAX_LEVELS: Final = 8
"""Hubs above each other that can have vouched for one another; there are four levels."""


@dataclass(frozen=True, slots=True)
class PutBack:
    """How many entries came back, and how many of them without their content."""

    entries: int
    without_content: int


class Signers:
    """Whose signature counts, growing with the memberships in the order of the log."""

    def __init__(self, trust: Trust, sources: Mapping[str, str]) -> None:
        self.name = trust.name
        self._directory: Directory = trust.directory.copy()
        self._direct = set(trust.direct)
        self._sources = sources

    def verify(self, stored: bytes, digest: str) -> VerifiedStatement | None:
        """The statement of a content; None when it is another one, or nobody known has signed it."""
        envelope = read_content(stored)
        if envelope is None or envelope.digest != digest:
            return None
        known = self._directory.find_key(envelope.keyid)
        if known is None:
            return None
        try:
            verified = read_statement(verify_envelope(envelope, known.key))
        except ContractError:
            return None
        return verified if verified.statement.origin == known.name else None

    def learn(self, verified: VerifiedStatement, index: int) -> None:
        """Fold a membership that stands at `index`, as this hub did when the entry was new."""
        statement, body = verified.statement, verified.statement.body
        if not isinstance(body, MembershipBody):
            return
        with contextlib.suppress(VerificationError):  # it has no authority over that name, here as everywhere
            self._directory.learn(body, signer=statement.origin, seq=statement.seq, position=index)
        if statement.origin == self.name:
            self._direct.add(body.member)

    def is_within(self, origin: str, to: str, level: Level) -> bool:
        """Whether this hub, of `level`, keeps what `origin` narrows to `to`."""
        return is_within(self._directory, origin, to, level=level)

    def via(self, origin: str) -> str | None:
        """Over which followed hub a statement came: None for this hub's own and its cities'."""
        if origin == self.name:
            return None
        member = self._directory.find(origin)
        if origin in self._direct and member is not None and member.role is MemberRole.NODE:
            return None
        name = origin
        for _ in range(MAX_LEVELS):
            if name in self._sources:
                return name
            member = self._directory.find(name)
            if member is None:
                break
            name = member.vouched_by
        return next((name for name, direction in self._sources.items() if direction == "parent"), None)


@dataclass(slots=True)
class _Recovered:
    """What the staged leaves make, gathered before anything is written."""

    entries: list[log.Entry] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)
    statements: dict[int, VerifiedStatement] = field(default_factory=dict)


def put_back(
    session: Session, *, trust: Trust, pin: Pin, keyids: Collection[str], level: Level, now: datetime,
    extra_members: tuple[str, ...] = (),
) -> PutBack | None:  # fmt: skip
    """End the hold and put everything back, in the caller's one transaction; None while something is still awaited.

    `pin` has this hub's keys as its log says them now, `keyids` those whose private keys are here. The checkpoints get
    back the signatures of this hub's keys alone; not what witnesses, or whoever brought them, have written under them:
    receipts are the same bytes again.

    Raises LogError, and changes nothing, when the leaves do not lead to every checkpoint that was brought.
    """
    head = log.lock_head(session)
    before, pin = pin, known_pin(session, pin)
    _drop_former(session, pin, head.size)
    if not is_ready(session, extra_members) or find_missing_key(session, pin, keyids) is not None:
        return None
    if any(former.until == 0 for former in pin.former):
        return None  # the announcement of a key is awaited: without it nobody who reads the log could follow
    leaves = [LogEntry.from_bytes(row.leaf) for row in _staged(session, head.size)]
    own = [NoteVerifier(pin.name, key) for key in pin.keys]  # who else had vouched for a head stands in no receipt
    shown = session.execute(select(RecoveryNoteRow.size, RecoveryNoteRow.note)).all()
    notes = {size: keep_signatures(note, own) for size, note in shown}
    if not _leads_to_all(head.frontier, leaves, notes, pin):
        hold(session, FORKED, now)
        return None
    signers = Signers(trust, dict(session.execute(select(SourceRow.name, SourceRow.direction)).all()))
    recovered = _make_entries(session, head.size, leaves, sorted(notes), signers)
    _write_log(session, head, leaves, recovered, notes)
    _apply(session, recovered.statements, pin.name, signers, level)
    if pin.verifier != before.verifier:
        _take_signers(session, recovered.statements, notes, pin, keyids)
    _end(session, head.size, len(leaves), now)
    return PutBack(len(leaves), sum(entry.origin == UNKNOWN_ORIGIN for entry in recovered.entries))


def _staged(session: Session, first: int) -> Iterator[RecoveryLeafRow]:
    yield from session.scalars(
        select(RecoveryLeafRow).where(RecoveryLeafRow.index >= first).order_by(RecoveryLeafRow.index)
    )


def _leads_to_all(frontier: Frontier, leaves: list[LogEntry], notes: Mapping[int, str], pin: Pin) -> bool:
    """Every own checkpoint beyond the head is one of this tree: else this hub's key has signed another tree too."""
    roots = {}
    for leaf in leaves:
        frontier = frontier.append(leaf.leaf)
        if frontier.size in notes:
            roots[frontier.size] = frontier.root()
    for size, note in notes.items():
        checkpoint = read_own_checkpoint(note, pin)
        if size in roots and (checkpoint is None or checkpoint.root != roots[size]):
            return False
    return True


def _make_entries(
    session: Session, first: int, leaves: list[LogEntry], sizes: list[int], signers: Signers
) -> _Recovered:
    recovered = _Recovered()
    contents = dict(session.execute(select(RecoveryContentRow.digest, RecoveryContentRow.envelope)).all())
    ends = _ends_of_commits(first, first + len(leaves), sizes)
    for index, leaf in enumerate(leaves, first):
        stored = contents.get(leaf.digest)
        verified = None if stored is None else signers.verify(stored, leaf.digest)
        if verified is not None and stored is not None:
            signers.learn(verified, index)
            recovered.statements[index] = verified
            recovered.contents[leaf.digest] = stored
        recovered.entries.append(_entry(index, leaf, ends[index], verified, signers))
    return recovered


def _ends_of_commits(first: int, last: int, sizes: list[int]) -> dict[int, int]:
    """Index → the size of the first checkpoint that has it."""
    ends = [size for size in sizes if first < size <= last]
    return {index: end for start, end in pairwise([first, *ends]) for index in range(start, end)}


def _entry(
    index: int, leaf: LogEntry, receipt_size: int, verified: VerifiedStatement | None, signers: Signers
) -> log.Entry:
    origin, seq, via, subject = UNKNOWN_ORIGIN, -1 - index, None, None
    if verified is not None:
        origin, seq = verified.statement.origin, verified.statement.seq
        via, subject = signers.via(origin), log.subject_of(verified)
    return log.Entry(
        index=index,
        digest=leaf.digest,
        kind=str(leaf.kind),
        audience=leaf.audience.value,
        time=leaf.time,
        origin=origin,
        seq=seq,
        via=via,
        subject=subject,
        receipt_size=receipt_size,
        row_check=log.check_of(index, origin, seq, via, subject, receipt_size),
    )


def _write_log(
    session: Session, head: log.Head, leaves: list[LogEntry], recovered: _Recovered, notes: Mapping[int, str]
) -> None:
    connection = session.connection()
    if leaves:
        connection.execute(insert(table_of(EntryRow)), [entry._asdict() for entry in recovered.entries])
        frontier = TileReader(session).grow(head.frontier, [leaf.leaf for leaf in leaves])
        connection.execute(
            insert(table_of(CheckpointRow)),
            [{"size": size, "note": note} for size, note in notes.items() if head.size < size <= frontier.size],
        )
    else:
        frontier = head.frontier
    if recovered.contents:
        rows = [{"digest": digest, "envelope": stored} for digest, stored in recovered.contents.items()]
        connection.execute(insert(table_of(ContentRow)), rows)
    time = leaves[-1].time if leaves else head.time
    moved = connection.execute(
        update(table_of(HeadRow))
        .where(table_of(HeadRow).c.id == log.HEAD_ID, table_of(HeadRow).c.size == head.size)
        .values(size=frontier.size, frontier=frontier.to_bytes(), time=time, held=None)
    )
    if moved.rowcount != 1:
        raise LogError(f"expected a log of {head.size} entries; another process has appended")
    session.info[log.GREW] = bool(leaves)
    session.expire_all()


def _apply(
    session: Session, statements: Mapping[int, VerifiedStatement], name: str, signers: Signers, level: Level
) -> None:
    """What the entries did when they were new: withdrawals erase, memberships count, figures are charged."""
    for index, verified in sorted(statements.items()):
        statement = verified.statement
        if isinstance(statement.body, WithdrawalBody):
            _withdraw(session, statement.body, statement.origin, index, signers, level)
        elif isinstance(statement.body, MembershipBody) and statement.origin == name != statement.body.member:
            _take_membership(session, statement.body)
        elif isinstance(statement.body, AggregateBody) and statement.origin == name:
            _take_sum(session, statement.body, verified.digest)
    session.flush()
    _raise_highest(session)
    charges.fill_missing(session, name)


def _withdraw(session: Session, body: WithdrawalBody, origin: str, index: int, signers: Signers, level: Level) -> None:
    row = session.scalars(select(EntryRow).where(EntryRow.digest == body.digest)).one_or_none()
    if row is None or row.origin not in (origin, UNKNOWN_ORIGIN) or row.kind in NEVER_WITHDRAWN:
        return
    if row.origin == UNKNOWN_ORIGIN:
        row.origin = origin
        row.row_check = log.check_of(row.index, origin, row.seq, row.via, row.subject, row.receipt_size)
    session.flush()
    is_within = body.to is None or signers.is_within(origin, body.to, level)
    log.apply_withdrawal(session, body, origin, index, is_within=is_within)
    session.expire_all()


def _take_membership(session: Session, body: MembershipBody) -> None:
    """The member as this hub vouched for it. A hub's address is not in the statement: `follow` needs it anew."""
    row = session.get(MemberRow, body.member) or MemberRow(name=body.member, highest_seq=0, read_up_to=0)
    row.role, row.status, row.level = body.role.value, body.status.value, body.level
    row.public_key, row.keyid = body.public_key.raw, body.public_key.keyid
    row.area = body.area.to_bytes().decode()
    row.operator = row.operator if body.operator is None else body.operator  # a word without it takes nothing back
    session.add(row)
    session.flush()


def _take_sum(session: Session, body: AggregateBody, digest: str) -> None:
    """This hub's newest revision of a sum. Of what it was made is not known any more (`trends.kept_families`)."""
    subject = f"{body.table.id}@{body.table.version}/{body.period.label}"
    row = session.get(AggregateRow, (subject, body.complete)) or AggregateRow(
        subject=subject, complete=body.complete, revision=0
    )
    row.revision, row.digest, row.inputs = body.revision, digest, RECOVERED
    session.add(row)


def _raise_highest(session: Session) -> None:
    highest = dict(
        session.execute(
            select(EntryRow.origin, func.max(EntryRow.seq)).where(EntryRow.via.is_(None)).group_by(EntryRow.origin)
        ).all()
    )
    for row in session.scalars(select(MemberRow)):
        row.highest_seq = max(row.highest_seq, highest.get(row.name, 0))
    session.flush()


# --- this hub's own keys ---------------------------------------------------------------------------------------------


def find_missing_key(session: Session, pin: Pin, keyids: Collection[str]) -> PublicKey | None:
    """The key that signs this log by now and is not here; None when nothing is missing."""
    newest = known_pin(session, pin).verifier.key
    return None if newest.keyid in keyids else newest


def _drop_former(session: Session, pin: Pin, size: int) -> None:
    """Forget checkpoints of a former key from behind the announcement of the next one, as soon as that is known."""
    kept = [size]
    for row in session.scalars(select(RecoveryNoteRow)).all():
        if read_own_checkpoint(row.note, pin) is None:
            session.delete(row)
        else:
            kept.append(row.size)
    recovery = session.get(RecoveryRow, RECOVERY_ID)
    if recovery is not None:
        recovery.wanted_size = max(kept)
    session.flush()


def _take_signers(
    session: Session, statements: Mapping[int, VerifiedStatement], notes: Mapping[int, str], pin: Pin,
    keyids: Collection[str],
) -> None:  # fmt: skip
    """Who signs from now on, when the log has announced another key in what came back, at `pin.former[-1].until`.

    The new key alone when the old one had been retired, or is not here any more; else both, in the order that the
    newest of this hub's own statements shows.
    """
    former, new = pin.former[-1], pin.verifier.key
    old = former.verifier.key
    is_retired = read_own_checkpoint(notes[max(notes)], Pin(former.verifier)) is None
    since = {each.envelope.keyid for index, each in statements.items() if index > former.until}
    if is_retired or old.keyid not in keyids:
        signers = new.keyid
    else:
        signers = f"{new.keyid} {old.keyid}" if new.keyid in since else f"{old.keyid} {new.keyid}"
    session.execute(update(HeadRow).where(HeadRow.id == log.HEAD_ID).values(signers=signers))


def _end(session: Session, first: int, count: int, now: datetime) -> None:
    for table in (RecoveryRow, RecoveryLeafRow, RecoveryNoteRow, RecoveryHeardRow):
        session.execute(delete(table).execution_options(synchronize_session=False))
    here = select(ContentRow.digest)
    session.execute(
        delete(RecoveryContentRow)
        .where(RecoveryContentRow.digest.in_(here))
        .execution_options(synchronize_session=False)
    )
    session.expunge_all()
    resolve_alarms(session, "this hub", now)
    audit.record(session, "program", "log-recovered", f"{first}-{first + count}", now)


# --- contents that come later --------------------------------------------------------------------------------------


def fill_contents(session: Session, *, trust: Trust, level: Level, now: datetime) -> int:
    """Put contents that came after the entries into their places; returns how many. What cannot be verified waits."""
    waiting = session.execute(
        select(EntryRow, RecoveryContentRow.envelope)
        .join(RecoveryContentRow, RecoveryContentRow.digest == EntryRow.digest)
        .where(EntryRow.origin == UNKNOWN_ORIGIN)
        .order_by(EntryRow.index)
    ).all()
    if not waiting:
        return 0
    log.lock_head(session)
    signers = Signers(trust, dict(session.execute(select(SourceRow.name, SourceRow.direction)).all()))
    statements: dict[int, VerifiedStatement] = {}
    for row, stored in waiting:
        verified = signers.verify(stored, row.digest)
        if verified is None:
            continue
        signers.learn(verified, row.index)
        statements[row.index] = verified
        row.origin, row.seq = verified.statement.origin, verified.statement.seq
        row.via, row.subject = signers.via(row.origin), log.subject_of(verified)
        row.row_check = log.check_of(row.index, row.origin, row.seq, row.via, row.subject, row.receipt_size)
        session.add(ContentRow(digest=row.digest, envelope=stored))
        if row.kind == Kind.AGGREGATE.value:
            figure_index.start_again(session)  # it may stand before what was read already
        session.execute(delete(RecoveryContentRow).where(RecoveryContentRow.digest == row.digest))
    session.flush()
    _apply(session, statements, trust.name, signers, level)
    if statements:
        audit.record(session, "program", "contents-recovered", str(len(statements)), now)
    return len(statements)


def staged_members(session: Session, pin: Pin) -> dict[str, Member]:
    """Key id → a member that this hub has admitted in what it has lost: it may be heard, and is waited for."""
    found: dict[str, Member] = {}
    rows = session.execute(
        select(RecoveryContentRow.envelope)
        .join(RecoveryLeafRow, RecoveryLeafRow.digest == RecoveryContentRow.digest)
        .order_by(RecoveryLeafRow.index)
    )
    for (stored,) in rows:
        envelope = read_content(stored)
        if envelope is None or envelope.kind != Kind.MEMBERSHIP.value:
            continue
        try:
            key = next(key for key in pin.keys if key.keyid == envelope.keyid)
            statement = read_statement(verify_envelope(envelope, key)).statement
        except (StopIteration, ContractError):
            continue
        body = statement.body
        if isinstance(body, MembershipBody) and statement.origin == pin.name != body.member:
            found[body.public_key.keyid] = member_of(body, pin.name)
    return found
