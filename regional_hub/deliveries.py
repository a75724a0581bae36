"""The queue of messages to people and programs outside.

Whoever raises or ends an alarm puts the message into the queue in the same transaction (`tell`), so that no crash comes
between. A run claims a message, sends it while no transaction is open, and marks it. One that was cut off in between is
claimed again after CLAIM_LASTS, with the same id: at least once. Whoever receives it twice sees that by the id.

    waiting → sending → sent | waiting … given-up;   waiting → folded, a part of a bundle
"""

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Select, and_, delete, func, or_, select, text, update
from sqlalchemy.orm import Session

from regional_hub.delivery_rules import (
    AN_HOUR,
    GIVEN_UP_AFTER,
    TOLD_WITHIN,
    DeliveryState,
    Plan,
    Waiting,
    is_over,
    next_try,
    plan,
)
from regional_hub.orm import AlarmRow, DeliveryRow

CHANNELS: Final = "alarm channels"
"""In `Database.info`: the channels that alarms are told through, as the settings say."""
WEBHOOK: Final = "webhook"
EMAIL: Final = "email"
PERSON: Final = "person"
"""E-mails to somebody with an account, at an address that was confirmed."""
ALARM: Final = "alarm"
BUNDLE: Final = "bundle"
RAISED: Final = "raised"
ENDED: Final = "ended"
CLAIM_LASTS: Final = timedelta(minutes=10)
"""Longer than any try takes; what is claimed for longer was cut off."""
KEPT_FOR: Final = timedelta(days=90)
S = DeliveryState


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an alarm, as a message tells it."""

    alarm: int
    about: str
    code: str
    change: str
    raised_at: datetime
    resolved_at: datetime | None

    @property
    def at(self) -> datetime:
        """When it happened."""
        return self.resolved_at if self.change == ENDED and self.resolved_at is not None else self.raised_at


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this run alone may send."""

    id: int
    message_id: str
    channel: str
    topic: str
    tries: int
    made_at: datetime
    person_id: str | None = None
    view_id: int | None = None
    after: datetime | None = None
    up_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How one channel is doing."""

    channel: str
    waiting: int
    failing: int
    given_up: int
    last_sent_at: datetime | None
    code: str | None
    """Why the last message that is not through yet failed."""


# --- into the queue --------------------------------------------------------------------------------------------------


def tell(session: Session, alarm: AlarmRow, change: str, now: datetime) -> None:
    """Queue a change of an alarm for every channel, in the caller's transaction."""
    for channel in session.info.get(CHANNELS, ()):
        session.add(new_row(channel, ALARM, now, alarm_id=alarm.id, change=change))


def tell_open(session: Session, channel: str, now: datetime) -> None:
    """Queue what this channel has missed: what is open and was never told, as the channel is new or the alarm older
    than the queue; and that it has ended, of what was told before the channel was unset for a while."""
    for missed, change in ((_untold(channel), RAISED), (_unended(channel), ENDED)):
        for alarm in session.scalars(missed):
            session.add(new_row(channel, ALARM, now, alarm_id=alarm.id, change=change))
    session.flush()


def _untold(channel: str) -> Select[AlarmRow]:
    told = select(DeliveryRow.alarm_id).where(DeliveryRow.channel == channel, DeliveryRow.change == RAISED)
    return select(AlarmRow).where(AlarmRow.resolved_at.is_(None), AlarmRow.id.not_in(told)).order_by(AlarmRow.id)


def _unended(channel: str) -> Select[AlarmRow]:
    own = select(DeliveryRow.alarm_id).where(DeliveryRow.channel == channel)
    told = own.where(DeliveryRow.change == RAISED, DeliveryRow.state.in_((S.SENT.value, S.FOLDED.value)))
    ended = own.where(DeliveryRow.change == ENDED)
    return (
        select(AlarmRow)
        .where(AlarmRow.resolved_at.is_not(None), AlarmRow.id.in_(told), AlarmRow.id.not_in(ended))
        .order_by(AlarmRow.id)
    )


def new_row(channel: str, topic: str, now: datetime, **about: object) -> DeliveryRow:
    """A message that waits. Its id is random: a hub that was restored must not use one again."""
    return DeliveryRow(
        message_id=f"msg_{secrets.token_hex(16)}",
        channel=channel,
        topic=topic,
        state=S.WAITING.value,
        tries=0,
        made_at=now,
        next_at=now,
        **about,
    )


def has_work(session: Session, channels: Sequence[str], now: datetime) -> bool:
    """Whether a run has anything to do; most looks end here, and nobody waits for them."""
    due = select(DeliveryRow.id).where(
        or_(
            and_(DeliveryRow.state == S.WAITING, DeliveryRow.next_at <= now),
            and_(DeliveryRow.state == S.SENDING, DeliveryRow.claimed_at < now - CLAIM_LASTS),
        )
    )
    if session.scalar(due.limit(1)) is not None:
        return True
    missed = (find(channel) for channel in channels for find in (_untold, _unended))
    return any(session.scalar(each.limit(1)) is not None for each in missed)


# --- out of the queue ------------------------------------------------------------------------------------------------


def prepare(session: Session, channel: str, now: datetime) -> tuple[int, ...]:
    """Decide what goes out through a channel now, and fold what goes out together; the rows to claim, oldest first."""
    _lock(session)
    tell_open(session, channel, now)
    _free_cut_off(session, now)
    bundles = tuple(session.scalars(_due(channel, BUNDLE, now)))
    planned = _plan(session, channel, now, len(bundles))
    if len(planned.together) == 1:
        return (*bundles, *planned.alone, *planned.together)
    if planned.together:
        bundles = (*bundles, _fold(session, channel, planned.together, now))
    return (*bundles, *planned.alone)


def prepare_people(session: Session, now: datetime) -> tuple[int, ...]:
    """The rows to claim of e-mails to people, oldest first."""
    _free_cut_off(session, now)
    own = (DeliveryRow.state == S.WAITING, DeliveryRow.channel == PERSON, DeliveryRow.next_at <= now)
    return tuple(session.scalars(select(DeliveryRow.id).where(*own).order_by(DeliveryRow.id)))


def _lock(session: Session) -> None:
    """Processes of one hub plan one after the other; together they would send more than is allowed."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE deliveries IN SHARE ROW EXCLUSIVE MODE"))


def _free_cut_off(session: Session, now: datetime) -> None:
    """What was cut off waits again, unless it is too old: a message that ends the program must not do so for ever."""
    cut_off = update(DeliveryRow).where(DeliveryRow.state == S.SENDING, DeliveryRow.claimed_at < now - CLAIM_LASTS)
    too_old = cut_off.where(DeliveryRow.made_at <= now - GIVEN_UP_AFTER)
    for statement, values in (
        (too_old, {"state": S.GIVEN_UP.value, "finished_at": now}),
        (cut_off, {"state": S.WAITING.value}),
    ):
        session.execute(statement.values(code="cut-off", **values).execution_options(synchronize_session=False))


def _due(channel: str, topic: str, now: datetime) -> Select[int]:
    return (
        select(DeliveryRow.id)
        .where(
            DeliveryRow.state == S.WAITING,
            DeliveryRow.channel == channel,
            DeliveryRow.topic == topic,
            DeliveryRow.next_at <= now,
        )
        .order_by(DeliveryRow.id)
    )


def _plan(session: Session, channel: str, now: datetime, bundles: int) -> Plan:
    rows = session.execute(
        select(DeliveryRow.id, DeliveryRow.made_at, AlarmRow.about, AlarmRow.code)
        .join(AlarmRow, AlarmRow.id == DeliveryRow.alarm_id)
        .where(DeliveryRow.id.in_(_due(channel, ALARM, now)))
        .order_by(DeliveryRow.id)
    ).all()
    waiting = [Waiting(row.id, f"{row.code} {row.about}", row.made_at) for row in rows]
    return plan(waiting, _told(session, channel, now), _used(session, channel, now) + bundles, now)


def _told(session: Session, channel: str, now: datetime) -> Counter[str]:
    """How many messages of each alarm were tried within a day, also as a part of a bundle."""
    rows = session.execute(
        select(AlarmRow.about, AlarmRow.code, func.count().label("times"))
        .join(DeliveryRow, DeliveryRow.alarm_id == AlarmRow.id)
        .where(
            DeliveryRow.channel == channel, DeliveryRow.claimed_at > now - TOLD_WITHIN, DeliveryRow.state != S.WAITING
        )
        .group_by(AlarmRow.about, AlarmRow.code)
    )
    return Counter({f"{row.code} {row.about}": row.times for row in rows})


def _used(session: Session, channel: str, now: datetime) -> int:
    """How many messages went out within the hour; what was folded is one with its bundle."""
    return (
        session.scalar(
            select(func.count())
            .select_from(DeliveryRow)
            .where(
                DeliveryRow.channel == channel,
                DeliveryRow.claimed_at > now - AN_HOUR,
                DeliveryRow.state.in_((S.SENT.value, S.SENDING.value)),
            )
        )
        or 0
    )


def _fold(session: Session, channel: str, parts: Sequence[int], now: datetime) -> int:
    row = new_row(channel, BUNDLE, now)
    session.add(row)
    session.flush()
    session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.id.in_(parts), DeliveryRow.state == S.WAITING)
        .values(state=S.FOLDED.value, part_of=row.id, claimed_at=now, finished_at=now)
        .execution_options(synchronize_session=False)
    )
    return row.id


def claim(session: Session, delivery: int, now: datetime) -> Claim | None:
    """Take a message, in a transaction of its own; None when another run has it."""
    row = session.get(DeliveryRow, delivery)
    if row is None:
        return None
    taken = session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.id == delivery, DeliveryRow.state == S.WAITING, DeliveryRow.tries == row.tries)
        .values(state=S.SENDING.value, tries=row.tries + 1, claimed_at=now)
        .execution_options(synchronize_session=False)
    )
    if taken.rowcount != 1:  # type: ignore[attr-defined]
        return None
    whom = (row.person_id, row.view_id, row.after, row.up_to)
    return Claim(row.id, row.message_id, row.channel, row.topic, row.tries + 1, row.made_at, *whom)


def mark_sent(session: Session, claimed: Claim, now: datetime) -> None:
    """It was taken."""
    _finish(session, claimed, state=S.SENT.value, code=None, finished_at=now)


def mark_dropped(session: Session, claimed: Claim, now: datetime) -> None:
    """There is nobody to tell any more, or nothing."""
    _finish(session, claimed, state=S.DROPPED.value, code=None, finished_at=now)


def mark_failed(session: Session, claimed: Claim, code: str, now: datetime, draw: float) -> DeliveryState:
    """It was not taken, or nobody knows: try again later, or give up when it is too old."""
    if is_over(claimed.made_at, now):
        _finish(session, claimed, state=S.GIVEN_UP.value, code=code, finished_at=now)
        return S.GIVEN_UP
    _finish(session, claimed, state=S.WAITING.value, code=code, next_at=next_try(claimed.tries, now, draw))
    return S.WAITING


def _finish(session: Session, claimed: Claim, **values: object) -> None:
    session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.id == claimed.id, DeliveryRow.state == S.SENDING, DeliveryRow.tries == claimed.tries)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def changes_of(session: Session, claimed: Claim) -> tuple[Change, ...]:
    """What a message tells, oldest first: one change, or all that a bundle has folded."""
    own = DeliveryRow.part_of == claimed.id if claimed.topic == BUNDLE else DeliveryRow.id == claimed.id
    rows = session.execute(
        select(AlarmRow, DeliveryRow.change)
        .join(DeliveryRow, DeliveryRow.alarm_id == AlarmRow.id)
        .where(own)
        .order_by(DeliveryRow.id)
    )
    return tuple(
        Change(alarm.id, alarm.about, alarm.code, change or RAISED, alarm.raised_at, alarm.resolved_at)
        for alarm, change in rows
    )


# --- looking, and what an operator decides ---------------------------------------------------------------------------


def standing_of(session: Session, channel: str) -> Standing:
    """How a channel is doing."""
    own = DeliveryRow.channel == channel
    open_states = (S.WAITING.value, S.SENDING.value)
    counted = session.execute(
        select(
            func.count().filter(DeliveryRow.state.in_(open_states)).label("waiting"),
            func.count().filter(DeliveryRow.state.in_(open_states), DeliveryRow.code.is_not(None)).label("failing"),
            func.count().filter(DeliveryRow.state == S.GIVEN_UP).label("given_up"),
            func.max(DeliveryRow.finished_at).filter(DeliveryRow.state == S.SENT).label("last"),
        ).where(own)
    ).one()
    code = session.scalar(
        select(DeliveryRow.code)
        .where(own, DeliveryRow.state.in_((*open_states, S.GIVEN_UP.value)), DeliveryRow.code.is_not(None))
        .order_by(DeliveryRow.id.desc())
        .limit(1)
    )
    return Standing(channel, counted.waiting, counted.failing, counted.given_up, counted.last, code)


def list_newest(session: Session, limit: int) -> list[tuple[DeliveryRow, AlarmRow | None]]:
    """The newest messages about alarms with the alarm of each, but for those that went out in a bundle."""
    rows = session.execute(
        select(DeliveryRow, AlarmRow)
        .outerjoin(AlarmRow, AlarmRow.id == DeliveryRow.alarm_id)
        .where(DeliveryRow.state != S.FOLDED, DeliveryRow.topic.in_((ALARM, BUNDLE)))
        .order_by(DeliveryRow.id.desc())
        .limit(limit)
    )
    return [(row, alarm) for row, alarm in rows]


def try_again(session: Session, now: datetime) -> int:
    """Let everything wait again that was given up, as if it were new; how many."""
    return _move_given_up(session, state=S.WAITING.value, made_at=now, next_at=now, finished_at=None, tries=0)


def drop_given_up(session: Session) -> int:
    """Forget what was given up; how many."""
    return _move_given_up(session, state=S.DROPPED.value)


def _move_given_up(session: Session, **values: object) -> int:
    moved = session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.state == S.GIVEN_UP)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    count: int = moved.rowcount  # type: ignore[attr-defined]
    return count


def tidy(session: Session, channels: Sequence[str], now: datetime) -> None:
    """Drop what waits for a channel that is not set any more, and delete what is old and done.

    What was told of an alarm that is still open stays, so that it is not told again.
    """
    session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.state == S.WAITING, DeliveryRow.channel.not_in(channels))
        .values(state=S.DROPPED.value, finished_at=now)
        .execution_options(synchronize_session=False)
    )
    still_open = select(AlarmRow.id).where(AlarmRow.resolved_at.is_(None))
    done = (S.SENT.value, S.FOLDED.value, S.DROPPED.value)
    session.execute(
        delete(DeliveryRow)
        .where(
            DeliveryRow.state.in_(done),
            DeliveryRow.made_at < now - KEPT_FOR,
            or_(DeliveryRow.alarm_id.is_(None), DeliveryRow.alarm_id.not_in(still_open)),
        )
        .execution_options(synchronize_session=False)
    )
