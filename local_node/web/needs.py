"""What the exchange itself knows of something to do: hubs, reviews, the outbox, questions, rules, backups, withdrawals.

Other parts of the node have their own, and add them with `today.register` as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from local_node import hub_client, outbox, questions, request_store, sealed_batches, sync
from local_node.door import accounts
from local_node.inbox import InboxState
from local_node.orm import (
    AgencyRow,
    AuditRow,
    InboxRow,
    RecallRow,
    ReleaseRequestRow,
    WithdrawalRow,
)
from local_node.review import SINGLE_PERSON_WAIT, RequestState, ReviewedAs
from local_node.sealed_standing import SOON
from local_node.web import overview
from local_node.web.access import Right, Visitor
from local_node.web.today import Need, Pressing
from shared_schema.names import format_time
from shared_schema.recall import is_settled
from shared_schema.service.translations import N_
from shared_schema.statement import Kind

BACKUP_MADE: Final = "backup.made"
BACKUP_DAYS: Final = 8
"""A weekly backup that is a day late."""
REVIEW_DAYS: Final = 7
"""Within a week: a release that waits longer is of a month that nobody remembers."""
QUESTION_DAYS: Final = 90
"""An older question has found its answer elsewhere, or nobody knows."""
NEWS_DAYS: Final = 14


def about_hubs(session: Session, visitor: Visitor, _now: datetime) -> Sequence[Need]:
    """Alarms, and what is missing before anything can be exchanged; for those who can do something about it."""
    if not visitor.may(Right.SYNC_NOW):
        return ()
    return tuple(overview.about_hubs(hub_client.list_hubs(session), sync.list_alarms(session)))


def about_set_up(session: Session, visitor: Visitor, _now: datetime) -> Sequence[Need]:
    """Steps of the set-up that are open beside those about hubs: people without a password, no agency yet."""
    if not visitor.may(Right.MANAGE_SETTINGS):
        return ()
    waiting = sum(1 for each in accounts.list_accounts(session) if not each.has_password and not each.is_disabled)
    has_agency = session.scalar(select(exists().where(AgencyRow.ended_at.is_(None))))
    enrolled = any(hub.enrolled for hub in hub_client.list_hubs(session))
    count = (not enrolled) + bool(waiting) + (not has_agency)
    if not count:
        return ()
    return (
        Need(
            N_("1 step of the set-up is open."),
            "/set-up",
            Pressing.WAITING,
            many=N_("%(num)s steps of the set-up are open."),
            count=count,
        ),
    )


def about_reviews(session: Session, visitor: Visitor, now: datetime) -> Sequence[Need]:
    """Releases that wait for this very person, not those that this person has asked for."""
    if not visitor.may(Right.DECIDE_RELEASE):
        return ()
    mine = [
        asked_at
        for asked_by, asked_at, reviewed in request_store.list_waiting(session)
        if asked_by != visitor.person_id
        or (reviewed is ReviewedAs.SINGLE_PERSON and now - asked_at >= SINGLE_PERSON_WAIT)
    ]
    if not mine:
        return ()
    due = min(mine) + timedelta(days=REVIEW_DAYS)
    return (
        Need(
            N_("1 release waits for your review."),
            "/reviews",
            Pressing.LATE if due < now else Pressing.DUE,
            many=N_("%(num)s releases wait for your review."),
            count=len(mine),
            due=due.date(),
        ),
    )


def about_requests(session: Session, visitor: Visitor, _now: datetime) -> Sequence[Need]:
    """Releases that a rule holds back, and those that go with the next sync; for whoever asks for releases."""
    if not visitor.may(Right.ASK_RELEASE):
        return ()
    row = ReleaseRequestRow
    states = (RequestState.HELD.value, RequestState.APPROVED.value)
    counts = session.execute(select(row.state, func.count()).where(row.state.in_(states)).group_by(row.state))
    return tuple(overview.about_requests({RequestState(state): count for state, count in counts}))


def about_outbox(session: Session, visitor: Visitor, _now: datetime) -> Sequence[Need]:
    """What a hub refused. What waits stands with the hubs."""
    if not visitor.may(Right.SEE_OUTBOX):
        return ()
    refused = {state: count for state, count in outbox.count_rows(session).items() if state == "refused"}
    return tuple(overview.about_outbox(refused))


def about_inbox(session: Session, visitor: Visitor, _now: datetime) -> Sequence[Need]:
    """What could not be verified."""
    if not visitor.may(Right.SYNC_NOW):
        return ()
    row = InboxRow
    count = session.scalar(select(func.count()).where(row.state == InboxState.QUARANTINED.value)) or 0
    return tuple(overview.about_inbox({InboxState.QUARANTINED: count}))


def about_questions(session: Session, visitor: Visitor, now: datetime) -> Sequence[Need]:
    """Questions from other cities that nobody has answered yet."""
    if not visitor.may(Right.RESPOND):
        return ()
    count = questions.count_unanswered(session, format_time(now - timedelta(days=QUESTION_DAYS)))
    if not count:
        return ()
    return (
        Need(
            N_("1 question of another city has no answer yet. Perhaps you know something?"),
            "/questions",
            Pressing.OPEN,
            many=N_("%(num)s questions of other cities have no answer yet. Perhaps you know something?"),
            count=count,
        ),
    )


def about_rules(session: Session, visitor: Visitor, now: datetime) -> Sequence[Need]:
    """A hub has changed what is counted, or how it is protected."""
    if not visitor.may(Right.SYNC_NOW):
        return ()
    return tuple(_changed_rules(session, now))


def _changed_rules(session: Session, now: datetime) -> Iterator[Need]:
    row = InboxRow
    for hub in hub_client.list_hubs(session):
        newest = session.execute(
            select(row.digest, row.received_at)
            .where(row.kind == Kind.POLICY.value, row.state == InboxState.ACCEPTED.value, row.origin == hub.name)
            .order_by(row.seq.desc())
            .limit(2)
        ).all()
        if len(newest) == 2 and now - newest[0].received_at <= timedelta(days=NEWS_DAYS):
            yield Need(
                N_("%(hub)s has changed its rules: what is counted, or how it is protected. Have a look."),
                f"/inbox/{newest[0].digest}",
                Pressing.KNOWN,
                {"hub": hub.name},
            )


def about_backups(session: Session, visitor: Visitor, now: datetime) -> Sequence[Need]:
    """The last backup is old, or there is none although there is something to lose."""
    if not visitor.may(Right.SYNC_NOW):
        return ()
    row = AuditRow
    last = session.scalars(select(row.at).where(row.action == BACKUP_MADE).order_by(row.seq.desc()).limit(1)).first()
    first = session.scalars(select(row.at).order_by(row.seq).limit(1)).first()
    if (last or first or now) > now - timedelta(days=BACKUP_DAYS):
        return ()
    command = "local-node backup"
    if last is None:
        text = N_("There is no backup of this node yet. Ask whoever runs the program to make one, on another disk.")
        return (Need(text, "", Pressing.DUE, command=command),)
    days = (now - last).days
    return (
        Need(
            N_("The last backup is 1 day old. Ask whoever runs the program to make a new one, on another disk."),
            "",
            Pressing.DUE,
            many=N_(
                "The last backup is %(num)s days old. Ask whoever runs the program to make a new one, on another disk."
            ),
            count=days,
            command=command,
        ),
    )


def about_withdrawals(session: Session, visitor: Visitor, _now: datetime) -> Sequence[Need]:
    """What was taken back, and not everybody has confirmed it."""
    if not visitor.may(Right.WITHDRAW):
        return ()
    asked = session.scalars(select(WithdrawalRow.digest).where(WithdrawalRow.is_open)).all()
    said: dict[str, list[RecallRow]] = {}
    for row in session.scalars(select(RecallRow).where(RecallRow.withdrawal.in_([each for each in asked if each]))):
        said.setdefault(row.withdrawal, []).append(row)
    count = sum(1 for digest in asked if digest not in said or not all(map(is_settled, said[digest])))
    if not count:
        return ()
    return (
        Need(
            N_("1 item that you took back is not confirmed by everybody yet. Nothing to do: it is asked for."),
            "/outbox",
            Pressing.KNOWN,
            many=N_("%(num)s items that you took back are not confirmed by everybody yet. Nothing to do."),
            count=count,
            command="local-node recall status",
        ),
    )


@dataclass(frozen=True, slots=True)
class AboutSealed:
    """Collections of two hubs that are open and that this city has not answered; for whoever asks for releases."""

    name: str
    declined: frozenset[str]

    def __call__(self, session: Session, visitor: Visitor, now: datetime, /) -> Sequence[Need]:
        if not visitor.may(Right.ASK_RELEASE):
            return ()
        waiting = [
            each for each in sealed_batches.list_waiting(session, self.name, now) if each.table not in self.declined
        ]
        if not waiting:
            return ()
        first = waiting[0]
        return (
            Need(
                N_("1 sealed total waits for your city's figures."),
                "/sealed",
                Pressing.DUE if first.closes - now <= SOON else Pressing.WAITING,
                many=N_("%(num)s sealed totals wait for your city's figures."),
                count=len(waiting),
                due=first.closes.date(),
                command="local-node sealed",
            ),
        )


OWN: Final = (
    about_hubs,
    about_set_up,
    about_reviews,
    about_requests,
    about_outbox,
    about_withdrawals,
    about_rules,
    about_backups,
    about_questions,
    about_inbox,
)
