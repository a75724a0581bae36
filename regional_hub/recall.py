"""Who has confirmed a withdrawal: this hub's own members, and what the hubs beside it report of those beyond them.

A member that asks for entries from behind a withdrawal on has erased what it takes back (`feed.note_reading`), unless
it has set the withdrawal aside: then it still shows the item. A report for one hub leaves out what that hub itself has
reported, so nobody is counted twice however the hubs are joined in a tree. A city hears of its own withdrawals alone:
who is late says who reads when.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from regional_hub.errors import LogError
from regional_hub.feed import Publisher
from regional_hub.orm import ContentRow, EntryRow, MemberRow, QuarantineReportRow, QuarantineRow, RecallReportRow
from shared_schema import canonical
from shared_schema.canonical import parse_strict
from shared_schema.envelope import envelope_from_object
from shared_schema.errors import ContractError
from shared_schema.governance import Level, WithdrawalBody
from shared_schema.keys import Member, MemberRole, MemberStatus
from shared_schema.names import format_time, parse_time
from shared_schema.problem import ProblemCode
from shared_schema.reach import REACH_OF_LEVEL
from shared_schema.recall import MAX_RECALLS, MAX_SET_ASIDE, Recall, RecallPage, SetAside, Tally, add_up, is_settled
from shared_schema.statement import Audience, Kind

LATE_AFTER: Final = timedelta(days=7)
"""A city that is not asked for a week has a reason that somebody should hear."""
LOOKED_BACK: Final = 2_000
"""Withdrawals that the page of a member counts: it is to stand at once, and what is late is not old."""
READ_AT_ONCE: Final = 500
"""Digests in one question: no database takes any number of them."""
_WITHDRAWALS: Final = select(EntryRow).where(EntryRow.kind == Kind.WITHDRAWAL.value).order_by(EntryRow.index)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A withdrawal in this log, and the item that it takes back."""

    entry: EntryRow
    item: EntryRow
    body: WithdrawalBody


def page_for(session: Session, reader: Member, hub: Publisher, *, since: int, now: datetime) -> RecallPage:
    """The withdrawals from `since` on that `reader` may know of: a node its own, a hub all, since it adds up.

    Raises LogError when one of them cannot be read: a page without it would say that nobody has the item.
    """
    query = _WITHDRAWALS.where(EntryRow.index >= since)
    if reader.role is MemberRole.NODE:
        query = query.where(EntryRow.origin == reader.name)
    entries = session.scalars(query.limit(MAX_RECALLS + 1)).all()
    return RecallPage(
        hub=hub.name,
        recalls=tuple(_count_each(session, entries[:MAX_RECALLS], hub, reader.name, now)),
        set_aside=_set_aside_from(session, reader),
        next=entries[MAX_RECALLS].index if len(entries) > MAX_RECALLS else None,
    )


def count_all(session: Session, hub: Publisher, now: datetime) -> list[Recall]:
    """Every withdrawal in the log, for the hub's own operator. Raises LogError when one cannot be read."""
    return _count_each(session, session.scalars(_WITHDRAWALS).all(), hub, hub.name, now)


def _count_each(
    session: Session, entries: Sequence[EntryRow], hub: Publisher, asker: str, now: datetime
) -> list[Recall]:
    members = session.scalars(select(MemberRow).order_by(MemberRow.name)).all()
    shown = _read_all(session, entries)
    heard = _Heard.load(session, [each.entry.digest for each in shown])
    return [_count(each, members, heard, hub, asker=asker, now=now) for each in shown]


def tallies_of_member(session: Session, member: MemberRow, hub: Publisher, now: datetime) -> list[Tally]:
    """For each item that was withdrawn lately and of which this member may have had a copy: whether it has given it up.

    The last `LOOKED_BACK` withdrawals are looked at. What lies beyond a hub is not in it. Raises LogError when a
    withdrawal cannot be read.
    """
    newest = _WITHDRAWALS.order_by(None).order_by(EntryRow.index.desc()).limit(LOOKED_BACK)
    withdrawals = _read_all(session, session.scalars(newest).all())
    heard = _Heard.load(session, [each.entry.digest for each in withdrawals])
    found = [each for each in withdrawals if _could_hold(each, member, hub) and not _keeps(each, member, hub)]
    return [_state_of(each, member, heard, now) for each in found]


def find(session: Session, withdrawal: str) -> Withdrawal | None:
    """A withdrawal of this log by its digest."""
    entry = session.scalars(select(EntryRow).where(EntryRow.digest == withdrawal)).one_or_none()
    return next(iter(_read_all(session, [] if entry is None else [entry])), None)


def find_last(session: Session, item: EntryRow) -> Withdrawal | None:
    """The withdrawal that an item was last touched by; None when nobody has taken it back."""
    index = item.withdrawn_by if item.withdrawn_by is not None else item.narrowed_by
    entry = None if index is None else session.get(EntryRow, index)
    return next(iter(_read_all(session, [] if entry is None else [entry])), None)


def _read_all(session: Session, entries: Sequence[EntryRow]) -> list[Withdrawal]:
    """The withdrawals of those entries whose content and whose item are here, a page of them at a time."""
    found = []
    for first in range(0, len(entries), READ_AT_ONCE):
        part = entries[first : first + READ_AT_ONCE]
        wanted = ContentRow.digest.in_([entry.digest for entry in part])
        stored = session.execute(select(ContentRow.digest, ContentRow.envelope).where(wanted))
        bodies = {digest: _read_body(envelope) for digest, envelope in stored}
        named = select(EntryRow).where(EntryRow.digest.in_([body.digest for body in bodies.values()]))
        items = {item.digest: item for item in session.scalars(named)}
        for entry in part:
            body = bodies.get(entry.digest)
            if body is not None and body.digest in items:
                found.append(Withdrawal(entry, items[body.digest], body))
    return found


def _read_body(envelope: bytes) -> WithdrawalBody:
    try:  # it was verified when it came in; `verify` checks it again
        payload = parse_strict(envelope_from_object(parse_strict(envelope)).payload)
        return WithdrawalBody.from_object(payload["body"])
    except (ContractError, KeyError, TypeError):
        raise LogError(
            "expected withdrawals that can be read; run: regional-hub verify", code=ProblemCode.LOG_DAMAGED
        ) from None


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the hubs beside this one have said of withdrawals, by (hub, digest of the withdrawal)."""

    reports: Mapping[tuple[str, str], RecallReportRow]
    set_aside: frozenset[tuple[str, str]]

    @classmethod
    def load(cls, session: Session, withdrawals: Sequence[str]) -> "_Heard":
        reports: dict[tuple[str, str], RecallReportRow] = {}
        aside: set[tuple[str, str]] = set()
        for first in range(0, len(withdrawals), READ_AT_ONCE):
            part = withdrawals[first : first + READ_AT_ONCE]
            rows = session.scalars(select(RecallReportRow).where(RecallReportRow.withdrawal.in_(part)))
            reports |= {(row.source, row.withdrawal): row for row in rows}
            named = QuarantineReportRow.digest.in_(part)
            said = session.execute(select(QuarantineReportRow.reporter, QuarantineReportRow.digest).where(named))
            aside |= {(reporter, digest) for reporter, digest in said}
        return cls(reports, frozenset(aside))


def _count(
    each: Withdrawal, members: Sequence[MemberRow], heard: _Heard, hub: Publisher, *, asker: str, now: datetime
) -> Recall:
    """How far a withdrawal has come, without what lies beyond `asker`."""
    total = add_up(_shares(each, members, heard, hub, asker, now))
    return Recall(
        index=each.entry.index,
        withdrawal=each.entry.digest,
        item=each.item.digest,
        holders=total.holders,
        confirmed=total.confirmed,
        unreachable=total.unreachable,
        unheard=total.unheard,
        late=total.late,
    )


def _shares(
    each: Withdrawal, members: Sequence[MemberRow], heard: _Heard, hub: Publisher, asker: str, now: datetime
) -> Iterable[Tally]:
    for member in members:
        is_hub = member.role != MemberRole.NODE.value
        if (is_hub and member.name == asker) or not _could_hold(each, member, hub):
            continue
        if not _keeps(each, member, hub):
            yield _state_of(each, member, heard, now)
        if is_hub:
            yield _beyond(member, heard.reports.get((member.name, each.entry.digest)))


def _could_hold(each: Withdrawal, member: MemberRow, hub: Publisher) -> bool:
    """Whether the item was ever meant for this member, and it was here before it was taken back."""
    if member.name == each.item.origin or (member.admitted_by or -1) > each.entry.index:
        return False
    if member.status != MemberStatus.ACTIVE.value and (
        member.last_read_at is None or member.last_read_at < parse_time(each.item.time)
    ):
        return False  # it had gone before the item came
    return _reaches(Audience(each.item.audience).reach, member, hub)


def _keeps(each: Withdrawal, member: MemberRow, hub: Publisher) -> bool:
    """Whether it is among those who may keep the item after a narrowing."""
    is_narrowed = each.body.to is not None and each.item.withdrawn_by != each.entry.index
    return is_narrowed and each.body.to is not None and _reaches(Audience(each.body.to).reach, member, hub)


def _reaches(reach: int, member: MemberRow, hub: Publisher) -> bool:
    if member.role == MemberRole.NODE.value:
        return reach >= Audience.REGION.reach
    if member.role == MemberRole.PARENT.value:
        return reach > REACH_OF_LEVEL[hub.level]
    level: Level = member.level or "region"  # type: ignore[assignment]
    return reach >= max(REACH_OF_LEVEL[level], Audience.NATION.reach)


def _state_of(each: Withdrawal, member: MemberRow, heard: _Heard, now: datetime) -> Tally:
    has_read = member.read_up_to > each.entry.index or each.entry.via == member.name
    if has_read and (member.name, each.entry.digest) not in heard.set_aside:
        return Tally(holders=1, confirmed=1)
    if member.status != MemberStatus.ACTIVE.value:
        return Tally(holders=1, unreachable=1)
    is_late = now > parse_time(each.entry.time) + LATE_AFTER
    return Tally(holders=1, late=(member.name,) if is_late else ())


def _beyond(member: MemberRow, report: RecallReportRow | None) -> Tally:
    """What lies beyond a hub, as it said last; of a hub that has ended nobody hears about the rest."""
    if report is None:
        return Tally(unheard=1)
    if member.status != MemberStatus.ACTIVE.value:
        return Tally(report.holders, report.confirmed, report.holders - report.confirmed, report.unheard)
    late = tuple(parse_strict(report.late.encode())["names"])
    return Tally(report.holders, report.confirmed, report.unreachable, report.unheard, late)


# --- what other hubs report ----------------------------------------------------------------------------------------


def heard_of(session: Session, source: str) -> tuple[int, list[int]]:
    """What to ask a hub for: (the first place in its log of which it has named nothing yet, places still open)."""
    rows = session.scalars(select(RecallReportRow).where(RecallReportRow.source == source)).all()
    end = max((row.withdrawal_index for row in rows), default=-1) + 1
    return end, sorted(row.withdrawal_index for row in rows if not is_settled(row))


def store_reports(session: Session, source: str, pages: Sequence[RecallPage], has_read: int, now: datetime) -> None:
    """Store what a hub said, in the caller's transaction.

    `has_read` is how far it had read here before it was asked: of a withdrawal before that place which it does not name
    it has nothing, and nobody beyond it has. Unless it has set the withdrawal aside, or more than it can say.
    """
    aside = {item.digest for page in pages for item in page.set_aside}
    if len(aside) >= MAX_SET_ASIDE:
        has_read = 0
    for recall in (each for page in pages for each in page.recalls):
        session.merge(
            RecallReportRow(
                source=source,
                withdrawal=recall.withdrawal,
                withdrawal_index=recall.index,
                holders=recall.holders,
                confirmed=recall.confirmed,
                unreachable=recall.unreachable,
                unheard=recall.unheard,
                late=canonical.encode({"names": list(recall.late)}).decode(),
                reported_at=now,
            )
        )
    session.flush()
    known = select(RecallReportRow.withdrawal).where(RecallReportRow.source == source)
    silent = select(EntryRow.digest).where(
        EntryRow.kind == Kind.WITHDRAWAL.value, EntryRow.index < has_read, EntryRow.digest.not_in(known)
    )
    for digest in [digest for digest in session.scalars(silent) if digest not in aside]:
        session.add(
            RecallReportRow(
                source=source, withdrawal=digest, withdrawal_index=0, holders=0, confirmed=0, unreachable=0, unheard=0,
                late='{"names":[]}', reported_at=now,
            )
        )  # fmt: skip
    _store_set_aside(session, source, pages)


def _store_set_aside(session: Session, reporter: str, pages: Sequence[RecallPage]) -> None:
    said = {item.digest: item for page in pages for item in page.set_aside}
    query = select(QuarantineReportRow).where(QuarantineReportRow.reporter == reporter)
    known = {row.digest: row for row in session.scalars(query)}
    for digest in known.keys() - said.keys():
        session.delete(known[digest])
    for digest, item in said.items():
        session.merge(
            QuarantineReportRow(reporter=reporter, digest=digest, code=item.code, since=parse_time(item.since))
        )


def _set_aside_from(session: Session, reader: Member) -> tuple[SetAside, ...]:
    """What this hub could not take of what it read at the hub that asks."""
    if reader.role is MemberRole.NODE:
        return ()
    rows = session.scalars(
        select(QuarantineRow)
        .where(QuarantineRow.source == reader.name)
        .order_by(QuarantineRow.source_index)
        .limit(MAX_SET_ASIDE)
    )
    return tuple(SetAside(digest=row.digest, code=row.code, since=format_time(row.since)) for row in rows)


def has_read(session: Session, member: str) -> int:
    """How far a member has read this log."""
    return session.scalar(select(func.max(MemberRow.read_up_to)).where(MemberRow.name == member)) or 0
