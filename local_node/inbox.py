"""The inbox: what was read from a hub's feed, each item verified with its origin's own key or put in quarantine.

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
from enum import StrEnum

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from local_node import audit, mirror, search_index, sum_index
from local_node.errors import NodeError
from local_node.lesson import LESSON_KINDS, Lesson, read_lesson
from local_node.orm import EvidenceRow, HubRow, InboxRow, MembershipRow, WithdrawalRow
from local_node.trust import Trust
from shared_schema.canonical import parse_strict
from shared_schema.checkpoint import NoteVerifier
from shared_schema.envelope import MAX_ENVELOPE_BYTES, Envelope, parse_envelope
from shared_schema.errors import ContractError, FeedError, VerificationError
from shared_schema.feed import FeedItem, FeedState
from shared_schema.governance import Level, MembershipBody, PolicyBody, WithdrawalBody
from shared_schema.merkle import EMPTY_ROOT, Frontier
from shared_schema.names import format_time, parse_time
from shared_schema.pins import Pin
from shared_schema.problem import ProblemCode
from shared_schema.reach import is_within
from shared_schema.rotation import read_rotation
from shared_schema.service.database import forget
from shared_schema.statement import (
    NEVER_WITHDRAWN,
    STATEMENT_BODIES,
    Audience,
    Kind,
    StatementBody,
    VerifiedStatement,
    claimed_origin,
)
from shared_schema.trend import AggregateBody

SHORT_DIGEST = 8
NOT_YET_EXPLAINED = "withdrawal-not-seen"
"""The reason of a gap: said to be withdrawn, but no withdrawal was read."""
LOST = "content-lost"
"""The reason of a gap that is nobody's fault: the hub was restored from an old copy and waits for the content."""
PROGRAM = "local-node"
HEALED_BY_MEMBERSHIPS = (
    ProblemCode.UNKNOWN_KEY.value,
    ProblemCode.BAD_SIGNATURE.value,
    ProblemCode.MEMBER_NOT_ACTIVE.value,
)
"""What a later membership may heal. A key that was revoked or suspended at that place in the log stays so."""
NEVER_ABSENT = (Kind.MEMBERSHIP.value, Kind.POLICY.value)
"""Whoever does not see a revocation goes on believing a key that nobody vouches for any more."""


class InboxState(StrEnum):
    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"
    WITHDRAWN = "withdrawn"


class InboxError(NodeError):
    """The inbox is not where this step starts from."""

    code = "inbox"


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


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One item, for people. `body` is there when the item is accepted and its content was not erased."""

    digest: str
    hub: str
    log_index: int
    kind: Kind
    origin: str | None
    audience: Audience
    issued_at: str | None
    received_at: datetime
    state: InboxState
    reason: str | None
    body: StatementBody | None


# --- the feed's place and the directory ----------------------------------------------------------------------------


def load_state(session: Session, hub: NoteVerifier) -> FeedState:
    """How far the feed of `hub` has been read."""
    row = session.get_one(HubRow, hub.name)
    return FeedState(
        verifier=hub,
        seen_size=row.seen_size,
        seen_root=EMPTY_ROOT if row.seen_root is None else bytes.fromhex(row.seen_root),
        frontier=Frontier.from_bytes(row.frontier_size, row.frontier),
        last_time=row.last_time or "",
    )


def load_trust(session: Session, pin: Pin) -> Trust:
    """The directory: the fold of the accepted memberships, in the order of this hub's log.

    All are verified again from the first key on, because another hub's word counts here only where this hub's
    directory carries it. What only another hub's log has shown so far comes behind, and counts for what comes later.
    """
    trust = Trust(pin)
    end = session.get_one(HubRow, pin.name).frontier_size
    here = select(MembershipRow.digest, MembershipRow.log_index).where(MembershipRow.hub == pin.name)
    places = dict(session.execute(here).all())
    rows = session.scalars(
        select(InboxRow)
        .where(InboxRow.kind == Kind.MEMBERSHIP.value, InboxRow.state == InboxState.ACCEPTED.value)
        .order_by(InboxRow.log_index)
    )
    waiting = [(row, places.get(row.digest, end)) for row in rows if row.envelope is not None]
    waiting.sort(key=lambda placed: placed[1])
    while waiting:
        left = [(row, index) for row, index in waiting if not _relearn(trust, row, index)]
        if len(left) == len(waiting):
            break
        waiting = left
    return trust


def _relearn(trust: Trust, row: InboxRow, index: int) -> bool:
    try:
        trust.learn(_verify_row(row, trust, index).statement, position=index)
    except ContractError:
        return False
    return True


def current_policy(session: Session, hub: str) -> PolicyBody | None:
    """The newest policy that `hub` itself has signed, or None when none was read yet."""
    row = session.scalars(
        select(InboxRow)
        .where(InboxRow.kind == Kind.POLICY.value, InboxRow.state == InboxState.ACCEPTED.value, InboxRow.origin == hub)
        .order_by(InboxRow.seq.desc())
        .limit(1)
    ).first()
    body = None if row is None else _body(row)
    return body if isinstance(body, PolicyBody) else None


# --- storing -------------------------------------------------------------------------------------------------------


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
    _move_on(session, before, after, note)
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
            report.pin = _read_announcement(session, row, item.index, now) or report.pin
    while grown:
        grown = _try_quarantined_again(session, hub, trust, report)
    _index(session, report)
    if report.erased:
        search_index.compact(session)
    return report


def _index(session: Session, report: PageReport) -> None:
    """Put what was accepted, and not taken back since, into the index of the search."""
    session.flush()
    accepted = [lesson for row, lesson in report.lessons if row.state == InboxState.ACCEPTED.value]
    search_index.add(session, accepted)


def _read_announcement(session: Session, row: InboxRow, index: int, now: datetime) -> Pin | None:
    """The pin after a hub's announcement of its own next key, whose statement was verified; None when it stays."""
    body = _body(row)
    if not isinstance(body, MembershipBody) or body.member != row.origin or body.signed_rotation is None:
        return None
    pin = get_pin(session, body.member)
    moved = pin.announced(read_rotation(body.signed_rotation), index)
    if moved == pin:
        return None
    move_pin(session, moved, now)
    return moved


def get_pin(session: Session, hub: str) -> Pin:
    """The key of a hub that this node believes, and those before it."""
    row = session.get_one(HubRow, hub)
    return Pin.from_texts(row.vkey, row.former)


def move_pin(session: Session, pin: Pin, now: datetime) -> None:
    """Believe another key of a hub, to which the pinned one has handed over; the audit log says so."""
    row = session.get_one(HubRow, pin.name)
    row.vkey, row.former = pin.verifier.vkey, pin.former_text()
    audit.append(session, PROGRAM, "hub.key-moved", f"{pin.name}/{pin.verifier.key.keyid}", now)


def _move_on(session: Session, before: FeedState, after: FeedState, note: str | None) -> None:
    moved = session.execute(
        update(HubRow)
        .where(
            HubRow.name == before.verifier.name,
            HubRow.frontier_size == before.next_index,
            HubRow.seen_size == before.seen_size,
        )
        .values(
            seen_size=after.seen_size,
            seen_root=after.seen_root.hex(),
            frontier_size=after.frontier.size,
            frontier=after.frontier.to_bytes(),
            **mirror.notes_of(after, note),
            last_time=after.last_time or None,
        )
        .execution_options(synchronize_session=False)
    )
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        raise InboxError(f"expected nobody else to read the feed of {before.verifier.name}", code="busy")


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
        verified = _verify_row(row, trust, index, envelope)
        place = verified.statement.origin, verified.statement.seq
        if not was_accepted and (known := report.places.setdefault(place, verified.digest)) != verified.digest:
            _keep_evidence(session, row, verified, known)
            report.conflicts += 1
            return False
        grown = trust.learn(verified.statement, position=index)
        if isinstance(verified.statement.body, WithdrawalBody) and not was_accepted:
            report.erased += _take_back(session, row.hub, verified.statement.body, verified.statement.origin, trust)
    except ContractError as error:
        if not was_accepted:  # another hub's directory may know more than this one's
            row.state, row.reason = InboxState.QUARANTINED.value, error.code.value
            if envelope is not None:
                row.origin = claimed_origin(envelope)
        return False
    row.state, row.reason = InboxState.ACCEPTED.value, None
    row.origin, row.seq = verified.statement.origin, verified.statement.seq
    row.issued_at = verified.statement.issued_at
    if not was_accepted and (lesson := _lesson(row, verified.statement.body)):
        report.lessons.append((row, lesson))
    if not was_accepted and isinstance(verified.statement.body, AggregateBody):
        sum_index.add(session, row.digest, verified.statement.origin, verified.statement.body)
    return grown


_PLACE = re.compile(rb'"origin":"([a-z0-9.-]{1,100})","seq":([0-9]{1,16}),"v":1\}')
"""The end of every statement in canonical JSON, and so of every one that verifies."""


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


def _verify_row(row: InboxRow, trust: Trust, index: int, envelope: Envelope | None = None) -> VerifiedStatement:
    logged_at = parse_time(row.issued_at) if row.issued_at else row.received_at
    if envelope is None:
        envelope = parse_envelope(row.envelope or b"")
    return trust.verify(envelope, audience=Audience(row.audience), logged_at=logged_at, position=index)


def _take_back(session: Session, hub: str, body: WithdrawalBody, origin: str, trust: Trust) -> bool:
    """Erase what a withdrawal takes back from this node; a narrowing leaves it to those within."""
    if body.to is not None and _keeps(session, hub, origin, body.to, trust):
        return False
    return _erase(session, body.digest, origin)


def _keeps(session: Session, hub: str, origin: str, to: str, trust: Trust) -> bool:
    """Whether this node is within what is left: as a member of the hub whose log is read, or of another one."""
    for row in session.scalars(select(HubRow).order_by(HubRow.name != hub)).all():
        level: Level = row.level  # type: ignore[assignment]  # checked when the hub was pinned
        known = trust if row.name == hub else load_trust(session, Pin.from_texts(row.vkey, row.former))
        if is_within(known.directory, origin, to, level=level):
            return True
    return False


def erase_own(session: Session, digest: str) -> bool:
    """Erase this node's own item, whose withdrawal is on its way; True when it was here."""
    row = session.get(InboxRow, digest)
    if row is None or row.state == InboxState.WITHDRAWN.value:
        return False
    row.state, row.reason, row.envelope = InboxState.WITHDRAWN.value, None, None
    session.flush()
    forget(session, "inbox")
    return True


def _erase(session: Session, digest: str, origin: str) -> bool:
    """Erase what `origin` takes back; True when there was something.

    Raises VerificationError when it is somebody else's or may not go.
    """
    session.flush()
    row = session.get(InboxRow, digest)
    if row is None:
        return False
    explained = row.state == InboxState.WITHDRAWN.value
    if row.kind in NEVER_WITHDRAWN or (not explained and row.origin != origin):
        raise VerificationError("expected an item of the same origin", code=ProblemCode.WRONG_ORIGIN)
    row.state, row.reason, row.envelope = InboxState.WITHDRAWN.value, None, None
    row.origin = row.origin or origin
    session.execute(
        update(EvidenceRow)
        .where(or_(EvidenceRow.digest == digest, EvidenceRow.known_digest == digest), EvidenceRow.origin == origin)
        .values(envelope=b"")
    )
    forget(session, "inbox")
    return not explained


def retry_all(session: Session, hub: str, trust: Trust) -> PageReport:
    """Try everything again that was set aside of a hub's log, whatever the reason, in the caller's transaction."""
    report = PageReport()
    while _try_quarantined_again(session, hub, trust, report, only_healed=False):
        pass
    session.flush()
    _index(session, report)
    return report


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


# --- gaps ----------------------------------------------------------------------------------------------------------


def find_gaps(session: Session, hub: str, limit: int, *, why: str = NOT_YET_EXPLAINED) -> tuple[tuple[int, str], ...]:
    """(log index, digest) of contents that are said to be withdrawn, though nobody's withdrawal was read.

    With `why` LOST those that the hub has lost.
    """
    rows = session.execute(
        select(InboxRow.log_index, InboxRow.digest)
        .where(InboxRow.hub == hub, InboxRow.reason == why)
        .order_by(InboxRow.log_index)
        .limit(limit)
    )
    return tuple((index, digest) for index, digest in rows)


def fill_gap(session: Session, envelope: Envelope, trust: Trust) -> None:
    """Store a content that the hub kept back at first; its digest says that it is the one."""
    row = session.get(InboxRow, envelope.digest)
    if row is not None and row.reason in (NOT_YET_EXPLAINED, LOST):
        row.envelope = envelope.stored_bytes
        row.state, row.reason = InboxState.QUARANTINED.value, ProblemCode.UNKNOWN_KEY.value
        report = PageReport(places=_places_of(session, [envelope]))
        _try(session, row, row.log_index, trust, report, envelope)
        _index(session, report)


# --- reading -------------------------------------------------------------------------------------------------------


_KNOWN_KINDS = InboxRow.kind.in_([kind.value for kind in Kind])
"""A kind of a later release is set aside (`verbs.explaining.quarantine_list`), and no page knows how to show it."""


def list_items(
    session: Session,
    *,
    kinds: Sequence[Kind] = (),
    state: InboxState | None = None,
    newest_versions: bool = False,
    limit: int = 500,
    offset: int = 0,
) -> tuple[InboxItem, ...]:
    """Items, the newest of the log first; with `newest_versions` without those whose place a newer one takes."""
    newest_first = (InboxRow.received_at.desc(), InboxRow.log_index.desc())
    query = select(InboxRow).where(_KNOWN_KINDS).order_by(*newest_first).limit(limit)
    if kinds:
        query = query.where(InboxRow.kind.in_([kind.value for kind in kinds]))
    if state is not None:
        query = query.where(InboxRow.state == state.value)
    if newest_versions:
        query = query.where(InboxRow.digest.not_in(search_index.replaced_digests()))
    return tuple(_item(row) for row in session.scalars(query.offset(offset)))


def find_item(session: Session, digest: str) -> InboxItem | None:
    """One item by its digest."""
    row = session.get(InboxRow, digest)
    return None if row is None or row.kind not in list(Kind) else _item(row)


def find_by_beginning(session: Session, beginning: str) -> tuple[InboxItem, ...]:
    """The items whose digest begins so; nothing for fewer than eight digits."""
    if len(beginning) < SHORT_DIGEST or not beginning.isalnum():
        return ()
    rows = session.scalars(select(InboxRow).where(InboxRow.digest.startswith(beginning.lower()), _KNOWN_KINDS).limit(2))
    return tuple(map(_item, rows))


def find_lesson(session: Session, digest: str) -> Lesson | None:
    """The accepted item in words with this digest.

    Raises ContractError when the stored bytes do not fit the contract any more.
    """
    row = session.get(InboxRow, digest)
    body = None if row is None else _body(row)
    return None if row is None or body is None else _lesson(row, body)


def _lesson(row: InboxRow, body: StatementBody) -> Lesson | None:
    """What an accepted row says in words; it is no newer than its arrival, whatever its author's clock said."""
    if Kind(row.kind) not in LESSON_KINDS or row.origin is None or row.seq is None or row.issued_at is None:
        return None
    issued_at = min(row.issued_at, format_time(row.received_at))
    return read_lesson(row.digest, row.origin, row.seq, issued_at, body)


def members_of(session: Session, hub: str) -> tuple[str, ...]:
    """Everybody whom a hub has ever vouched for, from its accepted memberships."""
    rows = session.scalars(
        select(InboxRow.envelope).where(
            InboxRow.kind == Kind.MEMBERSHIP.value,
            InboxRow.state == InboxState.ACCEPTED.value,
            InboxRow.origin == hub,
            InboxRow.envelope.is_not(None),
        )
    )
    bodies = (parse_strict(parse_envelope(envelope).payload)["body"] for envelope in rows if envelope)
    return tuple(sorted({str(body["member"]) for body in bodies}))


def count_items(session: Session) -> dict[tuple[Kind, InboxState], int]:
    """How many items there are of every kind and state."""
    grouped = select(InboxRow.kind, InboxRow.state, func.count()).where(_KNOWN_KINDS)
    rows = session.execute(grouped.group_by(InboxRow.kind, InboxRow.state))
    return {(Kind(kind), InboxState(state)): count for kind, state, count in rows}


def count_replaced(session: Session) -> int:
    """How many accepted items have a newer version."""
    replaced = search_index.replaced_digests().subquery()
    return session.scalar(select(func.count()).select_from(replaced)) or 0


def latest_bodies(session: Session, kind: Kind, limit: int) -> tuple[tuple[str, StatementBody], ...]:
    """(origin, body) of the newest accepted items of a kind, newest first."""
    rows = session.scalars(
        select(InboxRow)
        .where(InboxRow.kind == kind.value, InboxRow.state == InboxState.ACCEPTED.value)
        .order_by(InboxRow.received_at.desc(), InboxRow.log_index.desc())
        .limit(limit)
    )
    return tuple((row.origin or "", body) for row in rows if (body := _body(row)) is not None)


def find_bodies(session: Session, digests: Sequence[str]) -> tuple[tuple[str, StatementBody], ...]:
    """(origin, body) of those of these items that are accepted."""
    rows = session.scalars(select(InboxRow).where(InboxRow.digest.in_(digests)))
    return tuple((row.origin or "", body) for row in rows if (body := _body(row)) is not None)


def _item(row: InboxRow) -> InboxItem:
    return InboxItem(
        digest=row.digest,
        hub=row.hub,
        log_index=row.log_index,
        kind=Kind(row.kind),
        origin=row.origin,
        audience=Audience(row.audience),
        issued_at=row.issued_at,
        received_at=row.received_at,
        state=InboxState(row.state),
        reason=row.reason,
        body=_body(row),
    )


def _body(row: InboxRow) -> StatementBody | None:
    """The body of an accepted item. It was verified before it was stored as accepted."""
    if row.state != InboxState.ACCEPTED.value or row.envelope is None:
        return None
    payload = parse_strict(parse_envelope(row.envelope).payload)
    body: StatementBody = STATEMENT_BODIES[Kind(row.kind)].from_object(payload["body"])  # type: ignore[assignment]
    return body
