"""What the operator sees first: how the federation stands, what a member has handed in, what waits to be published."""

import shutil
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from regional_hub import (
    batch_verbs,
    deliveries,
    feed,
    log,
    log_verbs,
    members,
    recall,
    recall_verbs,
    relay,
    relay_questions,
    trends,
)
from regional_hub.app import Hub
from regional_hub.backup_verbs import BACKUP_MADE
from regional_hub.certificate_verbs import describe
from regional_hub.errors import LogError
from regional_hub.member_states import reading_state
from regional_hub.orm import (
    AlarmRow,
    AuditRow,
    ContentRow,
    EntryRow,
    EvidenceRow,
    MemberRow,
    QuarantineReportRow,
    QuarantineRow,
    SourceRow,
    WitnessRow,
)
from regional_hub.verb_parameters import Params, Result
from shared_schema.keys import MemberStatus
from shared_schema.names import format_time, parse_time
from shared_schema.service.control import VerbError
from shared_schema.service.doctor import LEAST_FREE_BYTES, OLDEST_BACKUP
from shared_schema.statement import Kind

State = Literal["good", "wait", "bad", "unknown"]
"""All is well; something waits for a person or is late; something is wrong; it cannot be seen from here."""
LAST_ITEMS: Final = 10
MOST_UNVERIFIED: Final = timedelta(hours=48)
"""Twice the longest interval in which a hub verifies its log by itself."""


def show_overview(hub: Hub, _params: Params) -> Result:
    """How the federation stands: open alarms, and one line for everything that an operator looks after."""
    now, trust = hub.clock(), hub.refresh_trust()
    recalls = _recalls(hub)
    with hub.database.read() as session:
        alarms = _alarms(session)
        changed = len(trends.list_changed(session, trust))
        lines: dict[str, Result] = {
            "log": _log(session, now),
            "members": _members(session, now),
            "enrolments": _waiting(len(members.waiting_requests(session))),
            "quarantine": _quarantine(session),
            "recalls": recalls,
            "questions": _relay(session),
            "sums": _waiting(changed),
            "witnesses": _witnesses(session, now, timedelta(hours=hub.settings.freshness_hours)),
            "keys": {"state": "good" if hub.own_keys.state == "settled" else "wait", "step": hub.own_keys.state},
            "messages": _messages(session, hub.alarm_channels),
            "disk": _disk(hub),
            "backup": _backup(session, now),
        }
        sealed = _sealed(session, hub)
    if sealed is not None:
        lines["sealed"] = sealed
    if (certificate := describe(hub)) is not None:
        lines["certificate"] = certificate
    return {
        "well": not alarms and all(line["state"] in ("good", "unknown") for line in lines.values()),
        "alarms": alarms,
        "lines": lines,
    }


def _sealed(session: Session, hub: Hub) -> Result | None:
    """Batches that wait for somebody, and tables that cannot be collected; None for a hub without sealed totals."""
    batches, now = batch_verbs.look_at_batches(session, hub), hub.clock()
    tables = batch_verbs.look_at_tables(session, hub)
    if not batches and not tables:
        return None
    stuck = [each for each in batches if each.is_lost or each.is_past_deadline(now) or each.has_waited_long(now)]
    blocked = sum(1 for each in tables if each.is_blocked)
    state: State = "bad" if stuck else "wait" if blocked else "good"
    return {"state": state, "under_way": len(batches), "stuck": len(stuck), "blocked": blocked}


def _alarms(session: Session) -> list[Result]:
    rows = session.scalars(
        select(AlarmRow).where(AlarmRow.resolved_at.is_(None)).order_by(AlarmRow.raised_at, AlarmRow.id)
    )
    return [
        {"about": row.about, "code": row.code, "message": row.message, "since": format_time(row.raised_at)}
        for row in rows
    ]


def _waiting(count: int) -> Result:
    return {"state": "wait" if count else "good", "count": count}


def _log(session: Session, now: datetime) -> Result:
    head = log.get_head(session)
    last = session.execute(
        select(AuditRow.action, AuditRow.at)
        .where(AuditRow.action.in_((log_verbs.VERIFIED, log_verbs.DAMAGED)))
        .order_by(AuditRow.seq.desc())
    ).first()
    is_damaged = last is not None and last.action == log_verbs.DAMAGED
    is_old = last is None or now - parse_time(last.at) > MOST_UNVERIFIED
    state: State = "bad" if head.held is not None or is_damaged else "wait" if is_old else "good"
    at = None if last is None else last.at
    return {"state": state, "size": head.size, "held": head.held, "damaged": is_damaged, "verified_at": at}


def _members(session: Session, now: datetime) -> Result:
    read = session.scalars(select(MemberRow.last_read_at).where(MemberRow.status == MemberStatus.ACTIVE.value)).all()
    found = Counter(reading_state(at, now) for at in read)
    state: State = "bad" if found["silent"] else "wait" if found["late"] else "good"
    return {"state": state, "in_time": found["in-time"], "late": found["late"], "silent": found["silent"]}


def _quarantine(session: Session) -> Result:
    here, elsewhere, twins = (
        session.scalar(select(func.count()).select_from(table)) or 0
        for table in (QuarantineRow, QuarantineReportRow, EvidenceRow)
    )
    state: State = "bad" if twins else "wait" if here or elsewhere else "good"
    return {"state": state, "here": here, "elsewhere": elsewhere, "evidence": twins}


def _recalls(hub: Hub) -> Result:
    """A withdrawal that cannot be read leaves its line without numbers, and the other lines as they are."""
    try:
        recalls = recall_verbs.list_recalls(hub, {})["recalls"]
    except LogError:
        return {"state": "bad", "all": None, "late": None, "damaged": True}
    late = sum(1 for each in recalls if each["late"])
    return {"state": "bad" if late else "good", "all": len(recalls), "late": late, "damaged": False}


def _relay(session: Session) -> Result:
    waiting = sum(1 for each in relay_questions.find_questions(session) if not each.forwarded)
    items = sum(1 for row in relay.list_items(session) if row.state == relay.RelayState.WAITING.value)
    return {"state": "wait" if waiting else "good", "questions": waiting, "items_waiting": items}


def _witnesses(session: Session, now: datetime, freshness: timedelta) -> Result:
    rows = session.scalars(select(WitnessRow)).all()
    sources = session.scalars(select(SourceRow)).all()
    failing = sum(1 for row in rows if row.problem is not None)
    old = sum(1 for row in sources if row.last_success_at is None or now - row.last_success_at > freshness)
    state: State = "bad" if old else "wait" if failing else "good"
    return {"state": state, "witnesses": len(rows), "failing": failing, "hubs": len(sources), "old": old}


def _messages(session: Session, channels: tuple[str, ...]) -> Result:
    """Whether the operator hears of alarms, and people of theirs; a hub that tells nobody is well all the same."""
    standing = [deliveries.standing_of(session, channel) for channel in (*channels, deliveries.PERSON)]
    given_up, failing = sum(each.given_up for each in standing), sum(each.failing for each in standing)
    state: State = "bad" if given_up else "wait" if failing else "good"
    return {"state": state, "channels": list(channels), "given_up": given_up, "failing": failing}


def _disk(hub: Hub) -> Result:
    free = shutil.disk_usage(hub.data_dir).free
    state: State = "good" if free >= LEAST_FREE_BYTES else "bad"
    return {"state": state, "free_mb": free // 2**20, "database": hub.database.dialect}


def _backup(session: Session, now: datetime) -> Result:
    at = session.scalar(
        select(AuditRow.at).where(AuditRow.action == BACKUP_MADE).order_by(AuditRow.seq.desc()).limit(1)
    )
    state: State = "bad" if at is None or now - parse_time(at) > OLDEST_BACKUP else "good"
    return {"state": state, "made_at": at}


def show_member(hub: Hub, params: Params) -> Result:
    """One member: its state, how far it has read, and what came in and went out by kind."""
    name, now = str(params["name"]), hub.clock()
    with hub.database.read() as session:
        row = session.get(MemberRow, name)
        if row is None:
            raise VerbError("not-found", "expected the name of a member")
        size = log.get_head(session).size
        handed_in = session.execute(
            select(EntryRow.kind, func.count().label("entries"))
            .where(EntryRow.origin == name)
            .group_by(EntryRow.kind)
            .order_by(EntryRow.kind)
        ).all()
        member = members.to_member(row, hub.name)
        return {
            "name": row.name,
            "role": row.role,
            "status": row.status,
            "operator": row.operator or "",
            "reading": reading_state(row.last_read_at, now),
            "area": members.membership_of(row).area.code,
            "software": row.software,
            "fingerprint": member.key.fingerprint,
            "highest_seq": row.highest_seq,
            "read_up_to": row.read_up_to,
            "lag": max(size - row.read_up_to, 0),
            "last_read_at": None if row.last_read_at is None else format_time(row.last_read_at),
            "handed_in": {each.kind: each.entries for each in handed_in},
            "handed_out": feed.count_handed_out(session, member, hub.publisher, row.read_up_to),
            "taken_back": _taken_back(session, row, hub, now),
        }


def _taken_back(session: Session, row: MemberRow, hub: Hub, now: datetime) -> Result | None:
    """None when a withdrawal cannot be read: whoever must revoke a key sees the member all the same."""
    try:
        found = recall.tallies_of_member(session, row, hub.publisher, now)
    except LogError:
        return None
    return {
        "held": len(found),
        "given_up": sum(each.confirmed for each in found),
        "late": sum(1 for each in found if each.late),
        "unreachable": sum(each.unreachable for each in found),
    }


def list_member_items(hub: Hub, params: Params) -> Result:
    """The last ten things that a member has handed in, newest first. No contents: the digest names each."""
    name = str(params["name"])
    with hub.database.read() as session:
        if session.get(MemberRow, name) is None:
            raise VerbError("not-found", "expected the name of a member")
        rows = session.execute(
            select(EntryRow, ContentRow.digest.label("kept"))
            .outerjoin(ContentRow, ContentRow.digest == EntryRow.digest)
            .where(EntryRow.origin == name)
            .order_by(EntryRow.index.desc())
            .limit(LAST_ITEMS)
        ).all()
        return {"name": name, "items": [_item(entry, is_kept=kept is not None) for entry, kept in rows]}


def _item(entry: EntryRow, *, is_kept: bool) -> Result:
    if entry.withdrawn_by is not None:
        state = "withdrawn"
    elif entry.narrowed_by is not None:
        state = "narrowed"
    else:
        state = "in-force" if is_kept or entry.kind == Kind.SHARE.value else "missing"
    return {
        "entry": entry.index,
        "seq": entry.seq,
        "kind": entry.kind,
        "audience": entry.audience,
        "time": entry.time,
        "digest": entry.digest,
        "state": state,
    }


def list_changed_sums(hub: Hub, _params: Params) -> Result:
    """The sums whose inputs have changed, which the next round publishes when the policy lets it."""
    trust = hub.refresh_trust()
    with hub.database.read() as session:
        names = sorted(trends.list_changed(session, trust))
    return {"sums": [dict(zip(("table", "period"), name.rsplit("/", 1), strict=True)) for name in names]}


def list_sources(hub: Hub, _params: Params) -> Result:
    """The hubs that are followed: how far, and when they last answered."""
    now, freshness = hub.clock(), timedelta(hours=hub.settings.freshness_hours)
    with hub.database.read() as session:
        rows = session.scalars(select(SourceRow).order_by(SourceRow.name)).all()
        return {
            "freshness_hours": hub.settings.freshness_hours,
            "sources": [
                {
                    "name": row.name,
                    "direction": row.direction,
                    "read": row.frontier_size,
                    "of": row.seen_size,
                    "last_success_at": None if row.last_success_at is None else format_time(row.last_success_at),
                    "fresh": row.last_success_at is not None and now - row.last_success_at <= freshness,
                }
                for row in rows
            ],
        }


VERBS: dict[str, Callable[[Hub, Params], Result]] = {
    "overview": show_overview,
    "members.show": show_member,
    "members.items": list_member_items,
    "sums.changed": list_changed_sums,
    "sources": list_sources,
}
