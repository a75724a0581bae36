"""E-mails of what is new: who gets one, when, and that nobody gets one twice.

A run claims an e-mail before it sends it, in one transaction: the subscription moves on to the newest item, and a row
says `sending`. Two runs at once, or one after a crash, find nothing left to claim. So an e-mail is sent *at most once*:
where the program is cut off in the middle of sending, nobody knows whether the mail server had taken it, and it is not
sent again; the page says so. What a mail server clearly refused is tried again (RETRY_AFTER), MAX_TRIES times in all.

    subscription, next_at   claim   sending → sent | failed → sending … → given-up
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from local_node import audit, search_index
from local_node.errors import NodeError
from local_node.orm import AccountRow, MailingRow, SubscriptionRow

TOKEN_BYTES = 24
MAX_TRIES = 5
RETRY_AFTER = timedelta(hours=1)
"""Times the tries so far: a mail server that is down in the night is back in the morning."""
CUT_OFF_AFTER = timedelta(minutes=30)
"""Sending takes seconds; what still says `sending` after that was cut off."""
KEPT = 20
"""Mailings of a person that the page can tell about."""


class Rhythm(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"


PERIOD = {Rhythm.DAILY: timedelta(days=1), Rhythm.WEEKLY: timedelta(days=7)}


class MailingState(StrEnum):
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    GIVEN_UP = "given-up"


class SubscriptionError(NodeError):
    """This subscription is not there, or was changed in the meantime."""

    code = "subscription"


@dataclass(frozen=True, slots=True)
class Subscription:
    person: str
    rhythm: Rhythm
    off_token: str
    next_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """One e-mail that this run alone may send: what arrived after number `after_item`, up to `up_to`."""

    mailing: int
    person: str
    off_token: str
    rhythm: Rhythm
    after_item: int
    up_to: int
    tries: int


@dataclass(frozen=True, slots=True)
class Mailing:
    """What became of one e-mail. `is_cut_off`: nobody knows whether it arrived."""

    at: datetime
    state: MailingState
    code: str | None
    is_cut_off: bool


# --- who gets one --------------------------------------------------------------------------------------------------


def find(session: Session, person: str) -> Subscription | None:
    """Somebody's subscription."""
    row = session.get(SubscriptionRow, person)
    return None if row is None else Subscription(row.person_id, Rhythm(row.rhythm), row.off_token, row.next_at)


def find_by_token(session: Session, token: str) -> Subscription | None:
    """The subscription that the link in an e-mail ends."""
    row = session.scalars(select(SubscriptionRow).where(SubscriptionRow.off_token == token)).first()
    return None if row is None else find(session, row.person_id)


def choose(session: Session, person: str, rhythm: Rhythm | None, now: datetime) -> None:
    """Get an e-mail daily or weekly, or none. A new one begins with what arrives from now on."""
    row = session.get(SubscriptionRow, person)
    if rhythm is None:
        if row is not None:
            _end(session, person, now)
        return
    if row is not None and row.rhythm == rhythm:
        return
    statement = insert(SubscriptionRow).values(
        person_id=person,
        rhythm=rhythm.value,
        off_token=secrets.token_urlsafe(TOKEN_BYTES),
        covered_up_to=search_index.last_number(session),
        next_at=now + PERIOD[rhythm],
        edition=1,
    )
    changed = {"rhythm": rhythm.value, "next_at": now + PERIOD[rhythm], "edition": SubscriptionRow.edition + 1}
    session.execute(statement.on_conflict_do_update(index_elements=["person_id"], set_=changed))
    audit.append(session, person, f"mail.{rhythm.value}", person, now)


def end_by_token(session: Session, token: str, now: datetime) -> bool:
    """End the subscription that a link belongs to; False for a link that belongs to none any more."""
    found = find_by_token(session, token)
    if found is not None:
        _end(session, found.person, now)
    return found is not None


def _end(session: Session, person: str, now: datetime) -> None:
    session.execute(delete(SubscriptionRow).where(SubscriptionRow.person_id == person))
    session.execute(
        update(MailingRow)
        .where(MailingRow.person_id == person, MailingRow.state == MailingState.FAILED)
        .values(state=MailingState.GIVEN_UP)
    )
    audit.append(session, person, "mail.never", person, now)


# --- what is sent --------------------------------------------------------------------------------------------------


def list_due(session: Session, now: datetime) -> tuple[str, ...]:
    """Whose e-mail is due, or failed and due again; people whose account is closed get none."""
    waiting = select(SubscriptionRow.person_id).where(SubscriptionRow.next_at <= now)
    failed = select(MailingRow.person_id).where(MailingRow.state == MailingState.FAILED, MailingRow.next_at <= now)
    closed = select(AccountRow.person_id).where(AccountRow.disabled_at.is_not(None))
    people = {*session.scalars(waiting), *session.scalars(failed)} - set(session.scalars(closed))
    return tuple(sorted(people))


def claim(session: Session, person: str, now: datetime) -> Claim | None:
    """Take the next e-mail of somebody, in a transaction of its own; None when another run has it, or none is due.

    What failed before comes first. With nothing new the subscription only moves on. An account that was closed while
    others' e-mails went out gets none.
    """
    row = session.get(SubscriptionRow, person)
    if row is None or _is_closed(session, person):
        return None
    return _claim_failed(session, row, now) or _claim_due(session, row, now)


def _is_closed(session: Session, person: str) -> bool:
    closed = select(AccountRow.person_id).where(AccountRow.person_id == person, AccountRow.disabled_at.is_not(None))
    return session.scalar(closed) is not None


def preview(session: Session, person: str, now: datetime) -> Claim | None:
    """The claim that a run would make now; nothing changes. Its number means nothing."""
    row = session.get(SubscriptionRow, person)
    up_to = search_index.last_number(session)
    if row is None:
        return None
    failed = select(MailingRow).where(MailingRow.person_id == person, MailingRow.state == MailingState.FAILED)
    waiting = session.scalars(failed.where(MailingRow.next_at <= now).order_by(MailingRow.id).limit(1)).first()
    if waiting is not None:
        return _claimed(row, waiting.id, waiting.after_item, waiting.up_to, waiting.tries + 1)
    return _claimed(row, 0, row.covered_up_to, up_to, 1) if row.next_at <= now and up_to > row.covered_up_to else None


def _claim_failed(session: Session, row: SubscriptionRow, now: datetime) -> Claim | None:
    waiting = (
        MailingRow.person_id == row.person_id,
        MailingRow.state == MailingState.FAILED,
        MailingRow.next_at <= now,
    )
    mailing = session.scalars(select(MailingRow).where(*waiting).order_by(MailingRow.id).limit(1)).first()
    if mailing is None:
        return None
    taken = session.execute(
        update(MailingRow)
        .where(MailingRow.id == mailing.id, MailingRow.state == MailingState.FAILED, MailingRow.tries == mailing.tries)
        .values(state=MailingState.SENDING, claimed_at=now, tries=mailing.tries + 1)
        .execution_options(synchronize_session=False)
    )
    if taken.rowcount != 1:  # type: ignore[attr-defined]
        return None
    return _claimed(row, mailing.id, mailing.after_item, mailing.up_to, mailing.tries + 1)


def _claim_due(session: Session, row: SubscriptionRow, now: datetime) -> Claim | None:
    up_to = search_index.last_number(session)
    moved = session.execute(
        update(SubscriptionRow)
        .where(
            SubscriptionRow.person_id == row.person_id,
            SubscriptionRow.edition == row.edition,
            SubscriptionRow.next_at <= now,
        )
        .values(covered_up_to=up_to, next_at=_next(row.next_at, Rhythm(row.rhythm), now), edition=row.edition + 1)
        .execution_options(synchronize_session=False)
    )
    if moved.rowcount != 1 or up_to <= row.covered_up_to:  # type: ignore[attr-defined]
        return None
    values = {"person_id": row.person_id, "after_item": row.covered_up_to, "up_to": up_to}
    state = {"state": MailingState.SENDING.value, "tries": 1, "claimed_at": now, "next_at": now}
    mailing = session.scalar(insert(MailingRow).values(**values, **state).returning(MailingRow.id))
    return None if mailing is None else _claimed(row, mailing, row.covered_up_to, up_to, 1)


def _next(due: datetime, rhythm: Rhythm, now: datetime) -> datetime:
    """The same time of day, however long the node was off: those that were missed are one e-mail."""
    missed = (now - due) // PERIOD[rhythm]
    return due + PERIOD[rhythm] * (missed + 1)


def _claimed(row: SubscriptionRow, mailing: int, after: int, up_to: int, tries: int) -> Claim:
    return Claim(mailing, row.person_id, row.off_token, Rhythm(row.rhythm), after, up_to, tries)


def mark_sent(session: Session, claim: Claim) -> None:
    """The mail server has taken it."""
    _finish(session, claim, {"state": MailingState.SENT.value, "code": None})


def drop(session: Session, claim: Claim) -> None:
    """There was nothing to say after all: no e-mail, and nothing to tell about."""
    session.execute(delete(MailingRow).where(MailingRow.id == claim.mailing))


def mark_failed(session: Session, claim: Claim, code: str, now: datetime, *, final: bool = False) -> None:
    """The mail server has clearly not taken it. It is tried again later, until MAX_TRIES, or never when `final`."""
    state = MailingState.GIVEN_UP if final or claim.tries >= MAX_TRIES else MailingState.FAILED
    _finish(session, claim, {"state": state.value, "code": code, "next_at": now + RETRY_AFTER * claim.tries})


def _finish(session: Session, claim: Claim, values: dict[str, object]) -> None:
    session.execute(
        update(MailingRow)
        .where(
            MailingRow.id == claim.mailing, MailingRow.state == MailingState.SENDING, MailingRow.tries == claim.tries
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    old = select(MailingRow.id).where(MailingRow.person_id == claim.person).order_by(MailingRow.id.desc()).offset(KEPT)
    session.execute(delete(MailingRow).where(MailingRow.id.in_(old), MailingRow.state != MailingState.FAILED))


def list_mailings(session: Session, person: str, now: datetime) -> tuple[Mailing, ...]:
    """What became of somebody's latest e-mails, the newest first."""
    rows = session.scalars(
        select(MailingRow).where(MailingRow.person_id == person).order_by(MailingRow.id.desc()).limit(KEPT)
    )
    return tuple(
        Mailing(
            row.claimed_at,
            MailingState(row.state),
            row.code,
            row.state == MailingState.SENDING and row.claimed_at + CUT_OFF_AFTER < now,
        )
        for row in rows
    )
