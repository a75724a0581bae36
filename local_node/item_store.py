"""Storing what a hub's feed brings: each item is verified with its origin's own key or put in quarantine.

A page is stored together with the new place in the feed, in one transaction, or not at all. An item that cannot be
verified is quarantined with its reason and never shown as verified; it does not stop the stream, and it is tried again
whenever the directory has grown. A withdrawal by the same origin erases the content here and keeps the digest. What is
accepted enters the index of the search in the same transaction, and what is erased leaves it.

A content that the hub says was withdrawn, without a withdrawal in the log, is a *gap*: `sync` raises an alarm for it
and fills it as soon as the hub shows the content.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import erasure, hub_place, mirror, search_index, sum_index
from local_node.inbox import HEALED_BY_MEMBERSHIPS, LOST, NOT_YET_EXPLAINED, InboxState, lesson_of
from local_node.lesson import Lesson
from local_node.orm import EvidenceRow, InboxRow, MembershipRow, WithdrawalRow
from local_node.trust import Trust
from shared_schema.envelope import MAX_ENVELOPE_BYTES, Envelope, parse_envelope
from shared_schema.errors import ContractError, FeedError
from shared_schema.feed import FeedItem, FeedState
from shared_schema.governance import WithdrawalBody
from shared_schema.pins import Pin
from shared_schema.problem import ProblemCode
from shared_schema.statement import Audience, Kind, VerifiedStatement, claimed_origin
from shared_schema.trend import AggregateBody

NEVER_ABSENT = (Kind.MEMBERSHIP.value, Kind.POLICY.value)
"""Whoever does not see a revocation goes on believing a key that nobody vouches for any more."""
_PLACE = re.compile(rb'"origin":"([a-z0-9.-]{1,100})","seq":([0-9]{1,16}),"v":1\}')
"""The end of every statement in canonical JSON, and so of every one that verifies."""


@dataclass(slots=True)
class PageReport:
    """What a page brought; `erased` contents were here before and are taken back. `pin` is there when it has moved."""

    accepted: int = 0
    quarantined: int = 0
    withdrawn: int = 0
    erased: int = 0
    pin: Pin | None = None
    lessons: list[tuple[InboxRow, Lesson]] = field(default_factory=list)
    """What enters the index of the search when the page is done, unless a later entry takes it back."""
    conflicts: int = 0
    places: dict[tuple[str, int], str] = field(default_factory=dict)
    """(origin, seq) → digest of what is here, for all that the page speaks of."""

    def count(self, state: InboxState) -> None:
        setattr(self, state.value, getattr(self, state.value) + 1)


def check_nothing_hidden(items: Sequence[FeedItem]) -> None:
    """Raise FeedError when the hub keeps a content from us that is meant for every member."""
    for item in items:
        if item.absent == "audience" and item.entry.audience is not Audience.HUB:
            raise FeedError(
                f"expected the content of entry {item.index}, which is for the {item.entry.audience.value}",
                code=ProblemCode.FEED_ENTRY,
            )
        if item.absent is not None and item.entry.kind in NEVER_ABSENT:
            raise FeedError(
                f"expected the {item.entry.kind} of entry {item.index}, which is for everybody",
                code=ProblemCode.FEED_ENTRY,
            )


def store_page(
    session: Session,
    before: FeedState,
    after: FeedState,
    items: Sequence[FeedItem],
    *,
    trust: Trust,
    now: datetime,
    note: str | None = None,
) -> PageReport:
    """Store the items of a verified page and move on, in the caller's one transaction.

    `note` is the page's checkpoint; it is kept with the leaves, for the day on which the hub has lost them. `trust`
    learns the memberships among them; throw it away when the transaction fails. Raises InboxError when another process
    has moved on from `before`.
    """
    hub = before.verifier.name
    hub_place.move_on(session, before, after, note)
    mirror.keep_leaves(session, hub, items)
    report = PageReport()
    grown = False
    digests = [item.entry.digest for item in items]
    known, taken_back = _known(session, digests), _taken_back(session, digests)
    report.places = _places_of(session, (item.envelope for item in items if item.envelope is not None))
    for item in items:
        row = known.get(item.entry.digest)
        if row is None and item.entry.digest in taken_back:
            item = replace(item, envelope=None)  # this node's own; its withdrawal is on the way
        if row is None:
            row = _new_row(item, hub, now)
            if row is None:
                continue  # a content for the hub alone, such as another city's figures
            if row.digest in taken_back:
                row.reason = None
            session.add(row)
            known[row.digest] = row
        elif row.state == InboxState.WITHDRAWN.value or item.envelope is None:
            continue
        if item.entry.kind is Kind.MEMBERSHIP:
            session.merge(MembershipRow(hub=hub, log_index=item.index, digest=row.digest))
        grown = _try(session, row, item.index, trust, report, item.envelope) or grown
        report.count(InboxState(row.state))
        if item.entry.kind is Kind.MEMBERSHIP and row.state == InboxState.ACCEPTED.value and row.origin == hub:
            report.pin = hub_place.read_announcement(session, row, item.index, now) or report.pin
    while grown:
        grown = _try_quarantined_again(session, hub, trust, report)
    _index(session, report)
    if report.erased:
        search_index.compact(session)
    return report


def retry_all(session: Session, hub: str, trust: Trust) -> PageReport:
    """Try everything again that was set aside of a hub's log, whatever the reason, in the caller's transaction."""
    report = PageReport()
    while _try_quarantined_again(session, hub, trust, report, only_healed=False):
        pass
    session.flush()
    _index(session, report)
    return report


def try_again(session: Session, row: InboxRow, envelope: Envelope, trust: Trust) -> None:
    """Verify one item whose content has come later than its place in the log."""
    report = PageReport(places=_places_of(session, [envelope]))
    _try(session, row, row.log_index, trust, report, envelope)
    _index(session, report)


def _try_quarantined_again(
    session: Session, hub: str, trust: Trust, report: PageReport, *, only_healed: bool = True
) -> bool:
    session.flush()
    query = select(InboxRow).where(InboxRow.hub == hub, InboxRow.state == InboxState.QUARANTINED.value)
    if only_healed:
        query = query.where(InboxRow.reason.in_(HEALED_BY_MEMBERSHIPS))
    rows = session.scalars(query.order_by(InboxRow.log_index)).all()
    grown = False
    stored = [row.envelope for row in rows if row.envelope is not None and len(row.envelope) <= MAX_ENVELOPE_BYTES]
    report.places |= _places_of(session, map(parse_envelope, stored))
    for row in rows:
        grown = _try(session, row, row.log_index, trust, report) or grown
        if row.state == InboxState.ACCEPTED.value:
            report.count(InboxState.ACCEPTED)
    return grown


def _index(session: Session, report: PageReport) -> None:
    """Put what was accepted, and not taken back since, into the index of the search."""
    session.flush()
    accepted = [lesson for row, lesson in report.lessons if row.state == InboxState.ACCEPTED.value]
    search_index.add(session, accepted)


def _known(session: Session, digests: Sequence[str]) -> dict[str, InboxRow]:
    rows = session.scalars(select(InboxRow).where(InboxRow.digest.in_(digests)))
    return {row.digest: row for row in rows}


def _taken_back(session: Session, digests: Sequence[str]) -> frozenset[str]:
    """Which of these this node itself has taken back from everybody (`withdrawals`): their text does not come back."""
    query = select(WithdrawalRow.item).where(WithdrawalRow.item.in_(digests), WithdrawalRow.narrow_to.is_(None))
    return frozenset(session.scalars(query))


def _new_row(item: FeedItem, hub: str, now: datetime) -> InboxRow | None:
    """A row that is not verified yet; until then `issued_at` is the time at which the hub logged the item."""
    if item.envelope is None and item.entry.audience is Audience.HUB:
        return None
    return InboxRow(
        digest=item.entry.digest,
        hub=hub,
        log_index=item.index,
        kind=str(item.entry.kind),
        origin=None,
        seq=None,
        audience=item.entry.audience.value,
        issued_at=item.entry.time,
        received_at=now,
        envelope=None if item.envelope is None else item.envelope.stored_bytes,
        state=(InboxState.WITHDRAWN if item.envelope is None else InboxState.QUARANTINED).value,
        reason=_reason_of(item),
    )


def _reason_of(item: FeedItem) -> str:
    if item.envelope is not None:
        return ProblemCode.UNKNOWN_KEY.value
    return LOST if item.absent == "lost" else NOT_YET_EXPLAINED


def _try(
    session: Session, row: InboxRow, index: int, trust: Trust, report: PageReport, envelope: Envelope | None = None
) -> bool:
    """Verify a row that stands at `index` of the log and set its state; True when the directory has grown by it."""
    if row.envelope is None:
        return False
    was_accepted = row.state == InboxState.ACCEPTED.value
    try:
        verified = hub_place.verify_row(row, trust, index, envelope)
        place = verified.statement.origin, verified.statement.seq
        if not was_accepted and (known := report.places.setdefault(place, verified.digest)) != verified.digest:
            _keep_evidence(session, row, verified, known)
            report.conflicts += 1
            return False
        grown = trust.learn(verified.statement, position=index)
        if isinstance(verified.statement.body, WithdrawalBody) and not was_accepted:
            report.erased += erasure.take_back(
                session, row.hub, verified.statement.body, verified.statement.origin, trust
            )
    except ContractError as error:
        if not was_accepted:  # another hub's directory may know more than this one's
            row.state, row.reason = InboxState.QUARANTINED.value, error.code.value
            if envelope is not None:
                row.origin = claimed_origin(envelope)
        return False
    row.state, row.reason = InboxState.ACCEPTED.value, None
    row.origin, row.seq = verified.statement.origin, verified.statement.seq
    row.issued_at = verified.statement.issued_at
    if not was_accepted and (lesson := lesson_of(row, verified.statement.body)):
        report.lessons.append((row, lesson))
    if not was_accepted and isinstance(verified.statement.body, AggregateBody):
        sum_index.add(session, row.digest, verified.statement.origin, verified.statement.body)
    return grown


def _places_of(session: Session, envelopes: Iterable[Envelope]) -> dict[tuple[str, int], str]:
    """(origin, seq) → digest of what was accepted before, for the numbers that these envelopes claim."""
    claims = [match for each in envelopes if (match := _PLACE.search(each.payload[-200:]))]
    if not claims:
        return {}
    session.flush()
    rows = session.execute(
        select(InboxRow.origin, InboxRow.seq, InboxRow.digest).where(
            InboxRow.origin.in_({match[1].decode() for match in claims}),
            InboxRow.seq.in_({int(match[2]) for match in claims}),
            InboxRow.state != InboxState.QUARANTINED.value,
        )
    )
    return {(origin, seq): digest for origin, seq, digest in rows if origin is not None and seq is not None}


def _keep_evidence(session: Session, row: InboxRow, verified: VerifiedStatement, known: str) -> None:
    """Two contents for one number: the first stays, the second is set aside, both are kept. `sync` raises the alarm."""
    row.state, row.reason = InboxState.QUARANTINED.value, ProblemCode.SEQ_CONFLICT.value
    row.origin = verified.statement.origin
    if session.get(EvidenceRow, row.digest) is None:
        session.add(
            EvidenceRow(
                digest=row.digest,
                hub=row.hub,
                origin=verified.statement.origin,
                seq=verified.statement.seq,
                known_digest=known,
                envelope=row.envelope or b"",
                since=row.received_at,
            )
        )
        session.flush()
