"""Following another hub: upwards and downwards the same way.

A hub follows the hub above it and the hubs below it. It reads their feeds as a member does, checks the log's proofs,
verifies the *origin's* signature of every item itself, and appends what travels further to its own log. Envelope bytes
never change, and a digest is taken once, so an item that comes back ends here. What cannot be verified is kept aside
with its reason and tried again when the directory has grown; it never stops the stream.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from regional_hub import audit, log, policies, sealed_claims, witness
from regional_hub.alarms import raise_alarm, resolve_alarms
from regional_hub.equivocation import keep_evidence
from regional_hub.erasure import erase_set_aside
from regional_hub.errors import HubError
from regional_hub.feed import reach_of
from regional_hub.members import Trust, membership_of, parent_audience
from regional_hub.orm import EntryRow, MemberRow, MirrorLeafRow, QuarantineRow, SourceRow, table_of
from regional_hub.publication import next_seq, sign_own
from shared_schema.canonical import parse_strict
from shared_schema.envelope import Envelope, check_size, envelope_from_object, verify_envelope
from shared_schema.errors import ContractError, FeedError, SchemaError, VerificationError
from shared_schema.feed import FeedItem, FeedState, parse_page, verify_page
from shared_schema.governance import Level, MembershipBody, PolicyBody, WithdrawalBody
from shared_schema.keys import MemberRole, SigningKey
from shared_schema.merkle import EMPTY_ROOT, Frontier
from shared_schema.pins import Pin
from shared_schema.problem import ProblemCode
from shared_schema.reach import REACH_OF_LEVEL, is_within
from shared_schema.release_rules import check_releasable
from shared_schema.rotation import KeyRotation, read_rotation
from shared_schema.sealed.bodies import ShareBody
from shared_schema.service.head_watch import Watched, explain
from shared_schema.service.hub_api import HubApi
from shared_schema.statement import (
    NEVER_WITHDRAWN,
    Audience,
    Kind,
    Statement,
    VerifiedStatement,
    check_may_sign_kind,
    parse_time,
    read_statement,
)
from shared_schema.trend import AggregateBody, TrendBody

HEALED_BY_MEMBERSHIPS = (ProblemCode.UNKNOWN_KEY, ProblemCode.MEMBER_NOT_ACTIVE)
"""What a later membership can settle: somebody is made known, or active again."""


@dataclass(frozen=True, slots=True)
class Follower:
    """The hub that follows."""

    name: str
    key: SigningKey
    level: Level


@dataclass(slots=True)
class FollowReport:
    """What one page brought: entries read, statements appended, statements set aside, and whether the pin has moved."""

    pages: int = 0
    entries: int = 0
    appended: int = 0
    quarantined: int = 0
    pin: Pin | None = None


def read_pin(row: SourceRow) -> Pin:
    """The key of a source that this hub believes."""
    return Pin.from_texts(row.vkey, row.former)


def read_state(row: SourceRow) -> FeedState:
    """How far this hub has read a source."""
    return FeedState(
        verifier=read_pin(row).verifier,
        seen_size=row.seen_size,
        seen_root=row.seen_root,
        frontier=Frontier.from_bytes(row.frontier_size, row.frontier),
        last_time=row.last_time or "",
    )


def add_source(session: Session, pin: Pin, url: str, direction: str) -> None:
    """Follow a hub from its first entry on; a new address of a known hub keeps the place."""
    row = session.get(SourceRow, pin.name)
    if row is None:
        row = SourceRow(name=pin.name, url=url, direction=direction, seen_root=EMPTY_ROOT, frontier=b"")
        row.vkey, row.former = pin.verifier.vkey, pin.former_text()
        session.add(row)
    elif row.vkey == pin.verifier.vkey:
        row.url, row.direction = url, direction
    else:
        raise HubError("expected the key that is known for this hub", code=ProblemCode.NAME_TAKEN)
    witness.add_log(session, pin.verifier)


def fetch_page(api: HubApi, state: FeedState, watched: Watched, level: Level) -> tuple[FeedState, list[FeedItem], str]:
    """Read and verify the next page for a hub of `level`.

    Raises HeadsDiffer when it does not continue what was signed before, FeedError, HubUnreachable, HubRefused.
    """
    page = parse_page(api.feed(state.next_index, state.seen_size))
    try:
        after, items = verify_page(state, page)
    except FeedError as error:
        raise explain(error, state, watched, page) from None
    for item in items:
        hidden = item.absent == "audience" and _reaches(item.entry.audience, level)
        if hidden or (item.absent == "withdrawn" and item.entry.kind in NEVER_WITHDRAWN):
            raise FeedError(
                f"expected the content of entry {item.index}, which is for this hub too", code=ProblemCode.FEED_ENTRY
            )
    return after, items, page.checkpoint


def notes_of(after: FeedState, note: str) -> dict[str, str]:
    """What is kept of a verified page's checkpoint: it is proof, for the hub that signed it and against it."""
    return {"seen_note": note} | ({"read_note": note} if after.frontier.size == after.seen_size else {})


def store_page(
    session: Session, source: str, before: FeedState, after: FeedState, items: Sequence[FeedItem], note: str, *,
    trust: Trust, follower: Follower, now: datetime,
) -> FollowReport:  # fmt: skip
    """Append what travels further and move on, in the caller's one transaction.

    What the memberships among the items say counts for those behind them. Raises HubError when another process has
    moved on.
    """
    report = FollowReport(pages=1, entries=len(items))
    head = log.get_head(session, for_append=True)
    trust = replace(trust, directory=trust.directory.copy())  # the transaction may fail
    moved = session.execute(
        update(SourceRow)
        .where(SourceRow.name == source, SourceRow.frontier_size == before.next_index)
        .values(
            seen_size=after.seen_size,
            seen_root=after.seen_root,
            frontier_size=after.frontier.size,
            frontier=after.frontier.to_bytes(),
            last_time=after.last_time or None,
            last_success_at=now,
            **notes_of(after, note),
        )
        .execution_options(synchronize_session=False)
    )
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        raise HubError("expected nobody else to follow the same hub at the same time", code=ProblemCode.BUSY)
    keep_leaves(session, source, items)
    grown = False
    taken: dict[tuple[str, int], log.Arrival] = {}
    known = _known_digests(session, [item.entry.digest for item in items])
    for item in items:
        if item.envelope is None or item.entry.digest in known:
            continue
        try:
            verified = _verify_item(session, item, taken, trust, follower)
            _check_not_taken(taken, verified)
        except ContractError as error:
            _set_aside(session, source, item, error, now, taken)
            report.quarantined += 1
            continue
        if isinstance(verified.statement.body, PolicyBody) and verified.statement.origin == source:
            policies.take_parents(session, source, verified.statement.body, follower.name, now)
        if not _travels(verified, source, follower):
            continue  # nor may a membership count here that this hub's own log, and so its readers, will not have
        _take(session, taken, verified, source, trust, follower)
        body = verified.statement.body
        if isinstance(body, AggregateBody) and body.complete:
            resolve_alarms(session, _alarm_name(source, body), now)
        if isinstance(body, MembershipBody):
            grown = _learn(trust, verified, head.size + len(taken) - 1) or grown
            if (rotation := _find_announcement(verified.statement, source)) is not None:
                report.pin = _read_announcement(session, source, rotation, item.index, now)
                word = _vouch_again(session, trust, rotation, body, follower, taken, now)
                if word is not None:
                    taken[_place(word)] = log.Arrival(word)
                    grown = _learn(trust, word, head.size + len(taken) - 1) or grown
    if grown:
        take_set_aside(session, taken, trust, follower, codes=HEALED_BY_MEMBERSHIPS)
    if taken:
        log.append(session, list(taken.values()), name=follower.name, key=follower.key, head=head, now=now)
    report.appended = len(taken)
    return report


def _learn(trust: Trust, verified: VerifiedStatement, position: int) -> bool:
    """Fold one membership; False when it says nothing new or has no authority."""
    body, statement = verified.statement.body, verified.statement
    try:
        return isinstance(body, MembershipBody) and trust.directory.learn(
            body, signer=statement.origin, seq=statement.seq, position=position
        )
    except VerificationError:
        return False


def _find_announcement(statement: Statement, source: str) -> KeyRotation | None:
    """The rotation with which a source announces its own next key, in a statement of its own.

    What another hub says of the source stands in its log as well, and moves nobody's pin: a thief of the source's key
    would need no more than one hub that hands on a rotation.
    """
    body = statement.body
    if not isinstance(body, MembershipBody) or not statement.origin == body.member == source:
        return None
    try:
        rotation = None if body.signed_rotation is None else read_rotation(body.signed_rotation)
    except ContractError:
        return None
    is_its_own = rotation is not None and (rotation.name, rotation.new) == (source, body.public_key)
    return rotation if is_its_own else None


def _read_announcement(session: Session, source: str, rotation: KeyRotation, index: int, now: datetime) -> Pin | None:
    pin = read_pin(session.get_one(SourceRow, source))
    moved = pin.announced(rotation, index)
    if moved == pin:
        return None
    move_pin(session, source, moved, now)
    return moved


def move_pin(session: Session, source: str, pin: Pin, now: datetime) -> None:
    """Believe another key of a source, to which the pinned one has handed over."""
    row = session.get_one(SourceRow, source)
    row.vkey, row.former = pin.verifier.vkey, pin.former_text()
    witness.move_log(session, pin.verifier)
    audit.record(session, source, "pinned-key-moved", source, now)


def _vouch_again(
    session: Session, trust: Trust, rotation: KeyRotation, body: MembershipBody, follower: Follower,
    taken: Mapping[tuple[str, int], log.Arrival], now: datetime,
) -> VerifiedStatement | None:  # fmt: skip
    """This hub's own word for the next key of a hub that it has vouched for, with the same proof.

    So everybody who reads this hub's log, in whatever region, learns the key before the first statement signed with it.
    """
    row = session.get(MemberRow, rotation.name)
    known = trust.directory.find(rotation.name)
    if row is None or known is None or known.vouched_by != follower.name or known.key != rotation.old:
        return None
    row.public_key, row.keyid = rotation.new.raw, rotation.new.keyid
    word = membership_of(row).model_copy(update={"rotation": body.rotation})
    seqs = [seq for origin, seq in taken if origin == follower.name]
    return sign_own(
        Kind.MEMBERSHIP,
        word,
        Audience.EUROPE if row.role == MemberRole.HUB.value else parent_audience(follower.level),
        name=follower.name,
        key=follower.key,
        seq=max([next_seq(session, follower.name), *(seq + 1 for seq in seqs)]),
        now=now,
    )


def keep_leaves(session: Session, source: str, items: Sequence[FeedItem]) -> None:
    """Keep the leaves of a verified page: the hub that they come from may need them back one day."""
    rows = [{"source": source, "index": item.index, "leaf": item.entry.to_bytes()} for item in items]
    if rows:
        session.connection().execute(insert(table_of(MirrorLeafRow)), rows)


def _take(
    session: Session, taken: dict[tuple[str, int], log.Arrival], verified: VerifiedStatement, source: str,
    trust: Trust, follower: Follower,
) -> None:  # fmt: skip
    """Put a verified statement among those that will be appended.

    A withdrawal of what never came here is not taken: there is nothing to take back, and nobody behind this hub has it
    either. What was only set aside is erased there.
    """
    body, origin = verified.statement.body, verified.statement.origin
    is_here = True
    if isinstance(body, WithdrawalBody):
        if _find_target(session, taken, body.digest) is None:
            erase_set_aside(session, body.digest, origin)
            return
        is_here = body.to is None or is_within(trust.directory, origin, body.to, level=follower.level)
    taken.setdefault(_place(verified), log.Arrival(verified, via=source, is_within=is_here))


@dataclass(frozen=True, slots=True)
class _Target:
    """What a withdrawal takes back, as far as its rules need it."""

    origin: str
    kind: Kind
    reach: int


def _find_target(session: Session, taken: Mapping[tuple[str, int], log.Arrival], digest: str) -> _Target | None:
    """The item with this digest, in the log or on its way into it, as the narrowings on their way leave it."""
    row = log.find_entry(session, digest)
    target = None if row is None else _Target(row.origin, Kind(row.kind), reach_of(row))
    for arrival in taken.values():
        statement, body = arrival.verified.statement, arrival.verified.statement.body
        if arrival.verified.digest == digest:
            target = _Target(statement.origin, statement.kind, statement.audience.reach)
        elif target is not None and isinstance(body, WithdrawalBody) and body.digest == digest and body.to is not None:
            target = replace(target, reach=Audience(body.to).reach)
    return target


def _check_withdrawal(target: _Target | None, statement: Statement, body: WithdrawalBody) -> None:
    """Raise VerificationError for what is somebody else's or never withdrawn, and for what gives something back."""
    if target is None:
        return
    if target.origin != statement.origin or target.kind in NEVER_WITHDRAWN:
        raise VerificationError("expected an item of the same origin", code=ProblemCode.NOT_FOUND)
    if body.to is not None and Audience(body.to).reach >= target.reach:
        raise VerificationError("expected a smaller audience than before", code=ProblemCode.RELEASE_RULE)


def _place(verified: VerifiedStatement) -> tuple[str, int]:
    return verified.statement.origin, verified.statement.seq


def _known_digests(session: Session, digests: Sequence[str]) -> set[str]:
    return set(session.scalars(select(EntryRow.digest).where(EntryRow.digest.in_(digests))))


def _verify_item(
    session: Session, item: FeedItem, taken: Mapping[tuple[str, int], log.Arrival], trust: Trust, follower: Follower
) -> VerifiedStatement:
    """The statement of an item, its origin's signature verified through the directory.

    Raises ContractError with the reason why it cannot be taken.
    """
    if item.envelope is None:
        raise VerificationError("expected an envelope")
    logged_at = parse_time(item.entry.time)
    return _verify_relayed(session, taken, item.envelope, item.entry.audience, logged_at, trust, follower.level)


def _verify_relayed(
    session: Session, taken: Mapping[tuple[str, int], log.Arrival], envelope: Envelope, audience: Audience,
    logged_at: datetime, trust: Trust, level: Level,
) -> VerifiedStatement:  # fmt: skip
    check_size(envelope)
    known = trust.directory.find_key(envelope.keyid)
    member = None if known is None else trust.directory.find(known.name)
    if known is None or member is None:
        raise VerificationError("expected a key of the directory", code=ProblemCode.UNKNOWN_KEY)
    verified = read_statement(verify_envelope(envelope, known.key))
    statement = verified.statement
    trust.directory.check_may_sign(known, logged_at)  # at the end of this hub's own log, where it would be appended
    if statement.origin != member.name:
        raise VerificationError("expected a statement of the member that signed it", code=ProblemCode.WRONG_ORIGIN)
    check_may_sign_kind(statement.kind, member.role)
    if isinstance(statement.body, (TrendBody, ShareBody)):
        raise VerificationError("expected a city's figures at its home hub alone", code=ProblemCode.KIND_NOT_ALLOWED)
    if statement.audience is not audience:
        raise VerificationError("expected the audience that the entry names", code=ProblemCode.SCHEMA)
    _check_seq(session, verified)
    if isinstance(statement.body, AggregateBody) and statement.audience is Audience.HUB:
        check_releasable(statement, trust.policy)  # it will be added up here, so it must be on the same grid
        coming = (arrival.verified for arrival in taken.values())
        sealed_claims.check_claim(session, statement.origin, statement.body, trust, level, coming)
    if isinstance(statement.body, WithdrawalBody):
        _check_withdrawal(_find_target(session, taken, statement.body.digest), statement, statement.body)
    return verified


def _check_seq(session: Session, verified: VerifiedStatement) -> None:
    origin, seq = _place(verified)
    known = _find_digest(session, origin, seq)
    if known is not None and known != verified.digest:
        raise _conflict(seq)


def _check_not_taken(taken: Mapping[tuple[str, int], log.Arrival], verified: VerifiedStatement) -> None:
    """The same for what the page itself brought before."""
    twin = taken.get(_place(verified))
    if twin is not None and twin.verified.digest != verified.digest:
        raise _conflict(verified.statement.seq)


def _conflict(seq: int) -> VerificationError:
    return VerificationError(
        f"expected one content for seq {seq}; both are kept as evidence", code=ProblemCode.SEQ_CONFLICT
    )


def _find_digest(session: Session, origin: str, seq: int) -> str | None:
    return session.scalar(select(EntryRow.digest).where(EntryRow.origin == origin, EntryRow.seq == seq))


def _travels(verified: VerifiedStatement, source: str, follower: Follower) -> bool:
    """Beyond the level it was logged at, or the complete sum that a hub below hands up."""
    statement = verified.statement
    if isinstance(statement.body, AggregateBody) and statement.audience is Audience.HUB:
        return statement.origin == source and statement.body.complete
    return _reaches(statement.audience, follower.level)


def _reaches(audience: Audience, level: Level) -> bool:
    """Whether what another hub logged for `audience` goes on to a hub of `level`."""
    return audience.reach >= max(REACH_OF_LEVEL[level], Audience.NATION.reach)


def _set_aside(
    session: Session, source: str, item: FeedItem, error: ContractError, now: datetime,
    taken: Mapping[tuple[str, int], log.Arrival],
) -> None:  # fmt: skip
    if item.envelope is None:
        return
    stored = item.envelope.stored_bytes
    session.merge(
        QuarantineRow(
            digest=item.entry.digest,
            source=source,
            source_index=item.index,
            code=error.code.value,
            envelope=stored,
            since=now,
        )
    )
    if item.entry.kind is Kind.AGGREGATE and item.entry.audience is Audience.HUB:
        message = f"a sum for this hub was not taken, so this hub adds up an older one or none: {error.message}"
        raise_alarm(session, _alarm_name(source, _find_sum(item.envelope)), error.code, message, now)
    if error.code is ProblemCode.SEQ_CONFLICT:
        statement = parse_strict(item.envelope.payload)
        place = statement["origin"], statement["seq"]
        known = taken[place].verified.digest if place in taken else _find_digest(session, *place)
        keep_evidence(
            session, *place, digest=item.entry.digest, known_digest=known or "", envelope=stored, about=source, now=now
        )


def _find_sum(envelope: Envelope) -> AggregateBody | None:
    """The sum in an envelope that was not taken; None when that cannot be read either."""
    try:
        return AggregateBody.from_object(parse_strict(envelope.payload)["body"])
    except (ContractError, KeyError, TypeError):
        return None


def _alarm_name(source: str, body: AggregateBody | None) -> str:
    """What an alarm about a member's sum is about: the next one of the same table and period ends it."""
    return source if body is None else f"{source} {body.table.id}@{body.table.version}/{body.period.label}"


def take_set_aside(
    session: Session, taken: dict[tuple[str, int], log.Arrival], trust: Trust, follower: Follower, *,
    codes: Sequence[ProblemCode] = (), digest: str | None = None,
) -> int:  # fmt: skip
    """Take what was set aside and can be verified now: because the directory has grown, or this program is newer.

    Without codes and digest everything is tried. What still cannot be taken stays, with the reason of now. Returns how
    many left quarantine.
    """
    query = select(QuarantineRow).order_by(QuarantineRow.source, QuarantineRow.source_index)
    if codes:
        query = query.where(QuarantineRow.code.in_([code.value for code in codes]))
    if digest is not None:
        query = query.where(QuarantineRow.digest == digest)
    rows = session.scalars(query).all()
    known = _known_digests(session, [row.digest for row in rows])
    released = 0
    for row in rows:
        if row.digest not in known:  # else it has come another way since
            try:
                envelope = envelope_from_object(parse_strict(row.envelope))
                audience = _claimed_audience(envelope)
                verified = _verify_relayed(session, taken, envelope, audience, row.since, trust, follower.level)
                _check_not_taken(taken, verified)
            except ContractError as error:
                row.code = error.code.value
                continue
            if _travels(verified, row.source, follower):
                _take(session, taken, verified, row.source, trust, follower)
        session.execute(delete(QuarantineRow).where(QuarantineRow.digest == row.digest))
        released += 1
    return released


def _claimed_audience(envelope: Envelope) -> Audience:
    """What an unverified payload says of its audience; that its entry said the same was checked when it came."""
    try:
        return Audience(str(parse_strict(envelope.payload).get("audience")))
    except ValueError:
        raise SchemaError("expected an audience") from None


def try_again(session: Session, digest: str | None, *, trust: Trust, follower: Follower, now: datetime) -> int:
    """Try what was set aside once more, all of it or one item, in the caller's transaction; how many left quarantine.

    With an item goes what takes it back, if that was set aside as well. What a membership among them lets in, the next
    call takes.
    """
    head = log.get_head(session, for_append=True)
    taken: dict[tuple[str, int], log.Arrival] = {}
    released = take_set_aside(session, taken, trust, follower, digest=digest)
    if digest is not None and released:
        for withdrawal in _set_aside_withdrawals_of(session, digest):
            released += take_set_aside(session, taken, trust, follower, digest=withdrawal)
    if taken:
        log.append(session, list(taken.values()), name=follower.name, key=follower.key, head=head, now=now)
    return released


def _set_aside_withdrawals_of(session: Session, digest: str) -> list[str]:
    """What was set aside and says that it takes this item back, in the order in which it came."""
    rows = session.scalars(select(QuarantineRow).order_by(QuarantineRow.source, QuarantineRow.source_index))
    return [row.digest for row in rows if _target_in(row.envelope) == digest]


def _target_in(stored: bytes) -> object:
    """The digest that an unverified withdrawal names; None when it is something else."""
    try:
        said = parse_strict(envelope_from_object(parse_strict(stored)).payload)
        return WithdrawalBody.from_object(said["body"]).digest if said.get("kind") == Kind.WITHDRAWAL else None
    except (ContractError, KeyError):
        return None


def alarm_of(error: FeedError) -> tuple[ProblemCode, str]:
    """Code and sentence of an alarm about a feed that lies."""
    return error.code, error.message[:600]
