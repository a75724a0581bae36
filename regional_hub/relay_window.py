"""The window closes: what waits is published together, in an order that says nothing, or handed up to the hub above.

Windows begin at fixed times, so when something is published tells only that it came before the last of them. Three
things hold an item back, and all three are about how many others it could be from:

- it has come since the window began,
- there are too few cities under this hub to be one of (`others_needed`),
- it would be alone: every item that is due is from one author, and somebody who knows that this author had something
  to say would know which item it is. It waits for company, `PATIENCE_WINDOWS` at most: a lesson that nobody reads helps
  nobody.

A withdrawal waits for the window alone. Whoever cannot wait so long rings the operator (`take_back`).
"""

import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub import audit, log, relay
from regional_hub.errors import HubError
from regional_hub.members import Trust
from regional_hub.orm import RelayItemRow
from regional_hub.publication import NONCE_BYTES, publish
from regional_hub.relay import Desk, RelayState
from regional_hub.relay_questions import add_question
from shared_schema.envelope import Envelope
from shared_schema.governance import WithdrawalBody
from shared_schema.problem import ProblemCode
from shared_schema.relay import RelayStanding, general_content, generalise, make_request, sign_request
from shared_schema.statement import Audience, Kind

LEAST_AUTHORS: Final = 2
PATIENCE_WINDOWS: Final = 7
"""With a window of a day, a week: long enough that company is likely, short enough that a warning is still one."""
Shuffle = Callable[[list[Any]], None]
SHUFFLE: Final[Shuffle] = random.SystemRandom().shuffle
"""Of the operating system: an order that could be computed again would be one that tells."""
HUB: Final = "hub"
"""Who acts in the audit log when the program does it by itself."""


@dataclass(slots=True)
class WindowReport:
    """What one run did, and how many items wait for which reason."""

    published: int = 0
    withdrawn: int = 0
    handed_up: int = 0
    too_early: int = 0
    too_few_cities: int = 0
    alone: int = 0


def start_of_window(now: datetime, window: timedelta) -> datetime:
    """The last fixed time at which a window began; windows are counted from 1970 on."""
    seconds = int(now.timestamp())
    return datetime.fromtimestamp(seconds - seconds % int(window.total_seconds()), UTC)


def others_needed(min_contributors: int) -> int:
    """How many cities there must be: as many *others* as a shown sum needs contributors, and the author."""
    return min_contributors + 1


def close_window(
    session: Session,
    desk: Desk,
    *,
    trust: Trust,
    cities: int,
    now: datetime,
    shuffle: Shuffle = SHUFFLE,
) -> WindowReport:
    """Publish and hand up what is due, in the caller's transaction. `cities` are those under this hub."""
    log.get_head(session, for_append=True)  # 1. two processes of one hub must not publish the same item
    report = WindowReport()
    start = start_of_window(now, desk.window)
    waiting = _waiting(session)
    due = [row for row in waiting if row.received_at < start]  # 2. only what was there when the window began
    report.too_early = len(waiting) - len(due)
    ready = [*_with_company(due, desk, trust, cities, start, report), *_others(due, desk)]
    shuffle(ready)  # 3. in no order
    for row in ready:
        _settle(session, row, desk, trust, now, report)
    if ready:
        audit.record(session, HUB, "relay-window-closed", f"{len(ready)} of {len(waiting)}", now)
    return report


def _waiting(session: Session) -> list[RelayItemRow]:
    return list(
        session.scalars(
            select(RelayItemRow)
            .where(RelayItemRow.state == RelayState.WAITING.value)
            .order_by(RelayItemRow.received_at, RelayItemRow.digest)
        )
    )


def _is_for_here(row: RelayItemRow, desk: Desk) -> bool:
    return row.kind != Kind.WITHDRAWAL.value and desk.publishes(row.attribution)


def _others(due: Sequence[RelayItemRow], desk: Desk) -> list[RelayItemRow]:
    """Withdrawals, and what the hub above publishes: there it waits for company."""
    return [row for row in due if not _is_for_here(row, desk)]


def _with_company(
    due: Sequence[RelayItemRow], desk: Desk, trust: Trust, cities: int, start: datetime, report: WindowReport
) -> list[RelayItemRow]:
    """What this hub may publish now."""
    rows = [row for row in due if _is_for_here(row, desk)]
    if cities < others_needed(trust.policy.min_contributors):
        report.too_few_cities = len(rows)
        return []
    patient_since = start - PATIENCE_WINDOWS * desk.window
    if len({row.origin for row in rows}) < LEAST_AUTHORS and all(row.received_at >= patient_since for row in rows):
        report.alone = len(rows)
        return []
    return rows


def _settle(session: Session, row: RelayItemRow, desk: Desk, trust: Trust, now: datetime, report: WindowReport) -> None:
    session.refresh(row)
    if row.state != RelayState.WAITING.value:
        return  # its own withdrawal stood before it in this very run
    if row.kind == Kind.WITHDRAWAL.value:
        _withdraw(session, row, desk, trust, now, report)
    elif desk.publishes(row.attribution):
        _publish(session, row, desk, now)
        report.published += 1
    else:
        _hand_up(session, row, desk, trust, now)
        report.handed_up += 1


def _publish(session: Session, row: RelayItemRow, desk: Desk, now: datetime) -> None:
    content = relay.read_content(row)
    if isinstance(content, WithdrawalBody):
        raise HubError("expected an item, not a withdrawal")
    body = generalise(content, desk.area)
    entry = publish(session, Kind.RELAYED, body, Audience(row.audience), name=desk.name, key=desk.key, now=now)
    relay.move(session, row, RelayState.PUBLISHED, relayed=entry.digest)


def _withdraw(
    session: Session, row: RelayItemRow, desk: Desk, trust: Trust, now: datetime, report: WindowReport
) -> None:
    """Take back as the hub what the author takes back in confidence."""
    target = session.get_one(RelayItemRow, row.about)
    content = relay.read_content(row)
    if not isinstance(content, WithdrawalBody):
        raise HubError("expected a withdrawal")
    if target.state == RelayState.PUBLISHED.value and target.relayed is not None:
        _publish_withdrawal(session, target.relayed, content.reason, desk, now)
    if target.state == RelayState.HANDED_UP.value and target.up is not None:
        up = _request_up(WithdrawalBody(digest=target.up, reason=content.reason), row, desk, trust, now)
        row.up, row.up_envelope = up.digest, up.stored_bytes
        target.up_envelope = None  # what the hub above has not confirmed yet is not sent to it any more
        session.flush()
    relay.close_withdrawal(session, row, target)
    report.withdrawn += 1


def _publish_withdrawal(session: Session, relayed: str, reason: str, desk: Desk, now: datetime) -> None:
    entry = log.find_entry(session, relayed)
    if entry is None or entry.withdrawn_by is not None:
        return
    body = WithdrawalBody.from_object({"digest": relayed, "reason": reason})
    publish(session, Kind.WITHDRAWAL, body, Audience(entry.audience), name=desk.name, key=desk.key, now=now)


def take_back(session: Session, desk: Desk, relayed: str, reason: str, *, actor: str, now: datetime) -> None:
    """The operator takes a relayed item back at once. Raises HubError (`not-found`)."""
    log.get_head(session, for_append=True)
    query = select(RelayItemRow).where(
        RelayItemRow.relayed == relayed, RelayItemRow.state == RelayState.PUBLISHED.value
    )
    row = session.scalars(query).one_or_none()
    if row is None:
        raise HubError("expected the digest of an item that this hub has relayed", code=ProblemCode.NOT_FOUND)
    _publish_withdrawal(session, relayed, reason, desk, now)
    relay.move(session, row, RelayState.WITHDRAWN, envelope=None)
    audit.record(session, actor, "relay-taken-back", relayed, now)


# --- the hub above -------------------------------------------------------------------------------------------------


def _hand_up(session: Session, row: RelayItemRow, desk: Desk, trust: Trust, now: datetime) -> None:
    """Ask the hub above as this hub, with everything general already: it learns the region and nothing more."""
    content = relay.read_content(row)
    if isinstance(content, WithdrawalBody):
        raise HubError("expected an item, not a withdrawal")
    general = type(content).from_object(general_content(content, desk.area))
    up = _request_up(general, row, desk, trust, now)
    relay.move(session, row, RelayState.HANDED_UP, up=up.digest, up_envelope=up.stored_bytes)


def _request_up(content: Any, row: RelayItemRow, desk: Desk, trust: Trust, now: datetime) -> Envelope:
    parent = relay.find_parent(trust)
    if parent is None:
        raise HubError("expected a hub above this one")
    request = make_request(
        content,
        hub=parent,
        origin=desk.name,
        issued_at=now,
        nonce=secrets.token_urlsafe(NONCE_BYTES),
        audience=Audience(row.audience),
    )
    return sign_request(request, desk.key)


def unconfirmed(session: Session) -> list[tuple[str, bytes]]:
    """(digest, envelope) of what the hub above has not confirmed yet, items before withdrawals."""
    rows = session.scalars(
        select(RelayItemRow).where(RelayItemRow.up_envelope.is_not(None)).order_by(RelayItemRow.received_at)
    ).all()
    ordered = sorted(rows, key=lambda row: row.kind == Kind.WITHDRAWAL.value)
    return [(row.up, row.up_envelope) for row in ordered if row.up is not None and row.up_envelope is not None]


def note_answer(session: Session, up: str, refused: str | None) -> bool:
    """The hub above has confirmed a request, or says why it does not take it; then it is sent again later.

    True when it is settled; so is the withdrawal of what never came there.
    """
    row = session.scalars(select(RelayItemRow).where(RelayItemRow.up == up)).one()
    row.reason = refused
    never_came = row.kind == Kind.WITHDRAWAL.value and refused == ProblemCode.NOT_FOUND.value
    if refused is None or never_came:
        row.up_envelope = None
    return refused is None or never_came


def learn_standing(session: Session, standing: RelayStanding, now: datetime) -> None:
    """Take over what the hub above has published and which questions it hands on."""
    rows = {row.up: row for row in relay.list_items(session) if row.up is not None}
    for item in standing.items:
        row = rows.get(item.request)
        if row is not None and item.relayed is not None:
            row.relayed = item.relayed
    for question in standing.questions:
        row = rows.get(question.request)
        if row is not None:
            add_question(session, question.question, row.digest, now)
