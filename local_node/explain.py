"""Where an item is, as this node sees it. `verbs.explaining` puts the hub's answer beside it."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import hub_client, recalls, withdrawals
from local_node.inbox import NOT_YET_EXPLAINED, InboxState
from local_node.orm import InboxRow, OutboxRow, WithdrawalRow
from local_node.outbox import OutboxState
from local_node.request_store import StoredRequest
from local_node.review import SINGLE_PERSON_WAIT, RequestState, ReviewedAs
from shared_schema.entry import Receipt
from shared_schema.errors import ContractError
from shared_schema.explain import NOTHING_TO_DO, RELEASE_ANEW, Explanation, Place, to_do_about
from shared_schema.names import format_time
from shared_schema.recall import in_words

NO_DIGEST = "0" * 64
"""What is not signed yet has no digest."""


def explain_request(name: str, stored: StoredRequest, now: datetime) -> Explanation:
    """Where a request stands that is not signed, or whose statement was taken out before it was sent."""
    request = stored.request
    asked, digest = format_time(request.requested_at), stored.statement_digest or NO_DIGEST

    def say(place: Place, sentence: str, to_do: str, since: datetime | None) -> Explanation:
        moment = asked if since is None else format_time(since)
        return Explanation(by=name, digest=digest, place=place, since=moment, sentence=sentence, to_do=to_do)

    if request.state is RequestState.APPROVED:
        return say(Place.APPROVED, "approved; it is signed with the next sync", "local-node sync", stored.decided_at)
    if request.state is RequestState.HELD:
        why = f"a rule holds it back: {(stored.reason or 'no reason was kept')[:400]}"
        return say(Place.HELD, why, "when that has changed: local-node release again", stored.decided_at)
    if request.state is RequestState.REFUSED:
        why = f"it was refused here: {(stored.reason or 'no reason was kept')[:400]}"
        return say(Place.REFUSED, why, "change it and ask again with a new request", stored.decided_at)
    count = len(request.findings)
    if request.reviewer_role is ReviewedAs.SINGLE_PERSON and now < request.requested_at + SINGLE_PERSON_WAIT:
        until = format_time(request.requested_at + SINGLE_PERSON_WAIT)
        return say(Place.REVIEW, f"one person decides alone, so it waits until {until}", "approve it after that", None)
    if count:
        return say(
            Place.REVIEW, f"it waits for a second person; {count} passages were found that need a decision",
            "local-node release resolve, approve with reasons, or refuse", None,
        )  # fmt: skip
    return say(Place.REVIEW, "it waits for a second person", "local-node release approve, or refuse", None)


def explain_here(session: Session, name: str, digest: str) -> Explanation:
    """What this node knows of an item by itself: its outbox, what it took back, its inbox."""
    row = session.get(InboxRow, digest)
    rows = session.scalars(select(OutboxRow).where(OutboxRow.digest == digest).order_by(OutboxRow.hub)).all()
    taken = withdrawals.list_own(session, digest)
    if taken and taken[0].narrow_to is None:
        return _taken_back(session, name, taken[0])
    if row is not None:
        sent = f"; {_delivered(list(rows))}" if rows else ""
        return _received(session, name, row, sent)
    if rows:
        return _sent(name, list(rows))
    read = [f"{hub.name} up to entry {hub.read} of {hub.size}" for hub in hub_client.list_hubs(session)]
    sentence = f"not in what was read so far: {', '.join(read) or 'no hub was added'}"[:600]
    return Explanation(by=name, digest=digest, place=Place.UNKNOWN, sentence=sentence, to_do="local-node sync")


def _taken_back(session: Session, name: str, row: WithdrawalRow) -> Explanation:
    said = None if row.digest is None else recalls.tally_of(session, row.digest)
    how = "no hub had it" if not row.is_open else "its withdrawal is on the way" if said is None else in_words(said[0])
    to_do = "local-node sync" if row.is_open and said is None else NOTHING_TO_DO
    if said is not None and said[0].late:
        to_do = "ask those who are late by telephone to sync"
    return Explanation(
        by=name, digest=row.item, place=Place.WITHDRAWN, since=format_time(row.asked_at),
        sentence=f"this city took it back; {how}"[:600], to_do=to_do,
    )  # fmt: skip


def _received(session: Session, name: str, row: InboxRow, sent: str) -> Explanation:
    def say(place: Place, sentence: str, to_do: str = NOTHING_TO_DO, reason: str | None = None) -> Explanation:
        return Explanation(
            by=name, digest=row.digest, place=place, since=format_time(row.received_at), reason=reason,
            sentence=f"{sentence}{sent}"[:600], to_do=to_do,
        )  # fmt: skip

    where = f"entry {row.log_index} of {row.hub}"
    if row.state == InboxState.ACCEPTED.value:
        return say(Place.SHOWN, f"read and verified as {where}")
    if row.state == InboxState.QUARANTINED.value:
        code = row.reason or ""
        return say(Place.QUARANTINED, f"{where} could not be verified and is set aside", to_do_about(code), code)
    if row.reason == NOT_YET_EXPLAINED:
        to_do = "nothing: it is asked for again with every sync; if it lasts, call the operator of the hub"
        return say(Place.GAP, f"{where}: the hub says that it was taken back, but shows no author's word", to_do)
    return say(Place.WITHDRAWN, f"{where} was taken back by its author, or narrowed to others; its text is erased here")


def _sent(name: str, rows: list[OutboxRow]) -> Explanation:
    """The least advanced row decides: it is where something has to happen."""
    order = (
        OutboxState.REFUSED,
        OutboxState.WAITING,
        OutboxState.SENDING,
        OutboxState.WITHDRAWN,
        OutboxState.DELIVERED,
    )
    row = min(rows, key=lambda each: order.index(OutboxState(each.state)))
    since = format_time(row.created_at)
    if row.state == OutboxState.REFUSED.value:
        code = row.reason or "unknown"
        return Explanation(
            by=name, digest=row.digest, place=Place.REFUSED, since=since, reason=code,
            sentence=f"{row.hub} refused it: {code}", to_do=to_do_about(code) or RELEASE_ANEW,
        )  # fmt: skip
    if row.state in (OutboxState.WAITING.value, OutboxState.SENDING.value):
        why = f"; the last try ended with {row.reason}" if row.reason else ""
        when = f", the next one is due at {format_time(row.next_try_at)}" if row.next_try_at else ""
        to_do = "local-node sync" if row.reason in (None, "unreachable") else to_do_about(row.reason)
        return Explanation(
            by=name, digest=row.digest, place=Place.OUTBOX, since=since, reason=row.reason,
            sentence=f"it waits to be sent to {row.hub}{why}{when}", to_do=to_do,
        )  # fmt: skip
    return Explanation(
        by=name, digest=row.digest, place=Place.AT_HUB, since=since, sentence=_delivered(rows), to_do="local-node sync"
    )


def _delivered(rows: list[OutboxRow]) -> str:
    parts = []
    for row in rows:
        try:
            place = f"as entry {Receipt.from_bytes(row.receipt or b'').index}"
        except ContractError:  # what was said in confidence has another receipt, and what waits has none
            place = "in confidence" if row.receipt else f"is {row.state}"
        parts.append(f"{row.hub} {place}")
    return f"sent to {', '.join(parts)}"
