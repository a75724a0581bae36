"""Where an item is, as this hub sees it, and how far it came with each direct member. Every question has an answer."""

import re
from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub import log, recall
from regional_hub.errors import HubError
from regional_hub.feed import Publisher, can_read
from regional_hub.members import to_member
from regional_hub.orm import EntryRow, EvidenceRow, MemberRow, QuarantineReportRow, QuarantineRow, SourceRow
from shared_schema.canonical import parse_strict
from shared_schema.envelope import envelope_from_object
from shared_schema.errors import ContractError
from shared_schema.explain import MAX_RECEIVERS, NOTHING_TO_DO, Explanation, Place, Receiver, to_do_about
from shared_schema.keys import Member, MemberRole, MemberStatus
from shared_schema.names import format_time
from shared_schema.problem import ProblemCode
from shared_schema.statement import claimed_origin

_DIGEST = re.compile(r"[0-9a-f]{64}")


def explain_to(
    session: Session, reader: Member, digest: str, hub: Publisher, *, member: str | None, now: datetime
) -> Explanation:
    """What a member may know: the author about all receivers or one of them, everybody else about itself.

    Raises HubError: `bad-parameter` (no digest), `not-found` (nobody of that name, or not for the reader to know).
    """
    if not _DIGEST.fullmatch(digest):
        raise HubError("expected a digest of 64 hexadecimal digits", code=ProblemCode.BAD_PARAMETER)
    is_author = _origin_of(session, digest) == reader.name
    if not is_author and member not in (None, reader.name):
        raise HubError("expected your own name: only its author asks about others", code=ProblemCode.NOT_FOUND)
    found = explain(session, digest, hub, member=member if is_author else reader.name, now=now, is_public=not is_author)
    if not is_author and found.place in (Place.QUARANTINED, Place.REFUSED):  # that is between its author and this hub
        return _unknown(session, digest, hub)
    return found


def explain(
    session: Session, digest: str, hub: Publisher, *, now: datetime, member: str | None = None, is_public: bool = False
) -> Explanation:
    """Everything this hub knows of an item; with `member` about that receiver alone. Raises HubError (`not-found`).

    What `is_public` does not name the hub that the item came from: it would tell whose a sum is to readers that may not
    see it.
    """
    entry = log.find_entry(session, digest)
    if entry is None:
        return _outside_of_log(session, digest, hub)
    query = select(MemberRow) if member is None else select(MemberRow).where(MemberRow.name == member)
    rows = session.scalars(query.order_by(MemberRow.name).limit(MAX_RECEIVERS)).all()
    if member is not None and not rows:
        raise HubError("expected the name of a direct member", code=ProblemCode.NOT_FOUND)
    reports = {
        row.reporter: row
        for row in session.scalars(select(QuarantineReportRow).where(QuarantineReportRow.digest == digest))
    }
    last = recall.find_last(session, entry)
    receivers = tuple(
        _receiver(row, entry, last, reports.get(row.name), hub) for row in rows if row.name != entry.origin
    )
    source = ", from its author" if entry.via is None else f", from {entry.via}"
    where = f"entry {entry.index} of the log of {hub.name}{'' if is_public else source}, for {entry.audience}"
    if last is not None and entry.withdrawn_by is not None:
        sentence = f"{where}; taken back by entry {last.entry.index}, the content is erased"
        return _say(hub, digest, Place.WITHDRAWN, sentence, NOTHING_TO_DO, last.entry.time, receivers=receivers)
    if last is not None:
        sentence = f"{where}; its author has narrowed it to {entry.narrowed_to} with entry {last.entry.index}"
        return _say(hub, digest, Place.NARROWED, sentence, NOTHING_TO_DO, last.entry.time, receivers=receivers)
    return _say(hub, digest, Place.IN_LOG, where, NOTHING_TO_DO, entry.time, receivers=receivers)


def _receiver(
    row: MemberRow, entry: EntryRow, last: "recall.Withdrawal | None", report: QuarantineReportRow | None,
    hub: Publisher,
) -> Receiver:  # fmt: skip
    """How far an item came with one member: read off its signed reads and, of a hub, its own report."""

    def say(place: Place, sentence: str, to_do: str = NOTHING_TO_DO, since: str | None = None) -> Receiver:
        return Receiver(name=row.name, place=place, sentence=sentence, to_do=to_do, since=since)

    reader = to_member(row, hub.name)
    seen = "never" if row.last_read_at is None else f"last at {format_time(row.last_read_at)}"
    read_at = None if row.last_read_at is None else format_time(row.last_read_at)
    is_dropped = last is not None and (entry.withdrawn_by is not None or not can_read(entry, reader, hub))
    if last is not None and is_dropped:
        if row.read_up_to > last.entry.index:
            return say(Place.WITHDRAWN, "it has read the withdrawal, and has erased the content", since=read_at)
        if row.status != MemberStatus.ACTIVE.value:
            return say(
                Place.UNREACHABLE, f"it is {row.status} and has not confirmed the withdrawal",
                "ask it by telephone to delete the item", format_time_or_none(row.last_read_at),
            )  # fmt: skip
        return say(
            Place.WAITING, f"it has not read the withdrawal yet; it has read {seen}", "ask it to sync", last.entry.time
        )
    if report is not None:
        return Receiver(
            name=row.name, place=Place.QUARANTINED, since=format_time(report.since), reason=report.code,
            sentence=f"it has set the item aside: {report.code}", to_do=to_do_about(report.code),
        )  # fmt: skip
    if not can_read(entry, reader, hub):
        return say(Place.NOT_FOR_IT, f"the item is for {entry.narrowed_to or entry.audience}, and that is not it")
    if row.read_up_to > entry.index:
        return say(Place.DELIVERED, "it has read it; whether it could verify it, its own node says", since=read_at)
    if row.status != MemberStatus.ACTIVE.value:
        return say(
            Place.UNREACHABLE, f"it is {row.status}, and reads nothing",
            to_do_about(ProblemCode.MEMBER_NOT_ACTIVE.value), format_time_or_none(row.last_read_at),
        )  # fmt: skip
    is_hub = row.role != MemberRole.NODE.value
    how = "follow" if is_hub else "sync"
    return say(Place.WAITING, f"it has read {seen}, up to entry {row.read_up_to}", f"ask it to {how}", entry.time)


def format_time_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def _outside_of_log(session: Session, digest: str, hub: Publisher) -> Explanation:
    aside = session.get(QuarantineRow, digest)
    if aside is not None:
        sentence = f"set aside by {hub.name}: it came from {aside.source} as entry {aside.source_index}"
        return _say(
            hub, digest, Place.QUARANTINED, sentence, to_do_about(aside.code), format_time(aside.since), aside.code
        )
    evidence = session.get(EvidenceRow, digest)
    if evidence is not None:
        code = ProblemCode.SEQ_CONFLICT.value
        sentence = f"kept by {hub.name} as evidence: another content has seq {evidence.seq} of its origin"
        return _say(hub, digest, Place.REFUSED, sentence, to_do_about(code), format_time(evidence.since), code)
    return _unknown(session, digest, hub)


def _unknown(session: Session, digest: str, hub: Publisher) -> Explanation:
    behind = [
        f"{row.name} (read {row.frontier_size} of {row.seen_size})"
        for row in session.scalars(select(SourceRow).order_by(SourceRow.name))
    ]
    follows = f"; it follows {', '.join(behind)}"[:400] if behind else ""
    return _say(
        hub, digest, Place.UNKNOWN, f"not in the log of {hub.name}{follows}",
        "wait until it has followed the hubs beside it; or it is not meant for this hub",
    )  # fmt: skip


def _say(
    hub: Publisher, digest: str, place: Place, sentence: str, to_do: str, since: str | None = None,
    reason: str | None = None, receivers: tuple[Receiver, ...] = (),
) -> Explanation:  # fmt: skip
    return Explanation(
        by=hub.name, digest=digest, place=place, since=since, reason=reason, sentence=sentence, to_do=to_do,
        receivers=receivers,
    )  # fmt: skip


def _origin_of(session: Session, digest: str) -> str | None:
    """Who an item is by; of what was set aside, who it says it is by."""
    entry = log.find_entry(session, digest)
    if entry is not None:
        return entry.origin
    stored = [
        row.envelope
        for row in (session.get(QuarantineRow, digest), session.get(EvidenceRow, digest))
        if row is not None
    ]
    return next(_claims(stored), None)


def _claims(stored: list[bytes]) -> Iterator[str]:
    for each in stored:
        try:
            origin = claimed_origin(envelope_from_object(parse_strict(each)))
        except ContractError:
            continue
        if origin is not None:
            yield origin
