"""`doctor`: everything that is wrong with this hub, each with what to do."""

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub import batch_verbs, deliveries, heads, log, policies, recovery
from regional_hub.alarm_advice import advice_on
from regional_hub.app import Hub
from regional_hub.backup_verbs import BACKUP_MADE
from regional_hub.orm import AlarmRow, AuditRow
from regional_hub.verb_parameters import Params, Result
from shared_schema.names import format_time
from shared_schema.service import doctor
from shared_schema.service.doctor import Finding
from shared_schema.statement import parse_time

CHECKS = 12


def examine(hub: Hub, params: Params) -> Result:
    """Look at the machine, the database, the log, the members and the other hubs. Changes nothing.

    With `quick` neither the whole database is read nor another hub asked: a page waits for it.
    """
    now, is_quick = hub.clock(), bool(params.get("quick"))
    findings = [*doctor.look_at_disk(hub.data_dir), *doctor.look_at_files(hub.data_dir)]
    damaged = doctor.look_at_database(hub.database, hub.name, thorough=not is_quick)
    if damaged:
        return doctor.result_of([*findings, *damaged], CHECKS)
    with hub.database.read() as session:
        made = session.scalar(select(AuditRow.at).where(AuditRow.action == BACKUP_MADE).order_by(AuditRow.seq.desc()))
        findings += doctor.look_at_backup(None if made is None else parse_time(made), now, "regional-hub")
        findings += [*_look_at_log(session), *_look_at_members(session, hub), *_look_at_alarms(session)]
        findings += _look_at_sealed(session, hub)
        findings += [
            found
            for channel in (*hub.alarm_channels, deliveries.PERSON)
            for found in _look_at_messages(session, channel)
        ]
    for name, url in [] if is_quick else heads.followers_of(hub):
        with hub.api(url) as api:
            findings += doctor.look_at_hub(name, api, now)
    return doctor.result_of(findings, CHECKS)


def _look_at_log(session: Session) -> list[Finding]:
    held, missing = log.get_head(session).held, recovery.find_missing(session, limit=None)
    findings = []
    if held is not None:
        findings.append(Finding("log", recovery.WORDS[held], recovery.COMMANDS[held]))
    elif missing:
        words = f"{len(missing)} contents are missing since it was restored"
        findings.append(Finding("log", words, "ask the members to sync; see: regional-hub recover --status"))
    return findings


def _look_at_members(session: Session, hub: Hub) -> list[Finding]:
    refused = policies.refused_members(session, hub.trust.policy)
    if not refused:
        return []
    words = f"the programs of {len(refused)} are too old to hand in anything: {', '.join(refused[:5])}"
    return [Finding("members", words, "ask them to update")]


def _look_at_alarms(session: Session) -> list[Finding]:
    rows = session.scalars(select(AlarmRow).where(AlarmRow.resolved_at.is_(None)).order_by(AlarmRow.id))
    return [
        Finding(
            f"alarm {row.code}",
            f"{row.about}: {row.message}",
            f"run: {advice_on(row.code).command}; see the table of alarms in docs/operations.md",
        )
        for row in rows
    ]


def _look_at_sealed(session: Session, hub: Hub) -> list[Finding]:
    """Batches that do not go on by themselves, and tables of which none can be opened."""
    now, findings = hub.clock(), []
    for each in batch_verbs.look_at_batches(session, hub):
        about, since = f"sealed total {each.table}/{each.period}", format_time(each.since)
        if each.is_lost:
            who = "run: regional-hub sealed give-up" if each.role == "leader" else f"ask the operator of {each.other}"
            findings.append(Finding(about, "its keys are gone: it can only be given up", who))
        elif each.is_past_deadline(now) and each.role == "leader":
            words = f"its time is over since {format_time(each.closes)}, and it is not closed"
            findings.append(Finding(about, words, "look whether the hub works: work_interval_seconds, and its own log"))
        elif each.has_waited_long(now) or each.is_past_deadline(now):
            findings.append(Finding(about, f"it waits for {each.other} since {since}", "call its operator"))
    for table in batch_verbs.look_at_tables(session, hub):
        if table.is_blocked:
            words = f"no batch can be opened: {', '.join(table.obstacles)}"
            findings.append(Finding(f"sealed table {table.rule.table}", words, "see the page Sealed totals"))
    return findings


def _look_at_messages(session: Session, channel: str) -> list[Finding]:
    """Whether the operator hears of alarms, and people of what they asked for."""
    standing = deliveries.standing_of(session, channel)
    about = "alerts by e-mail" if channel == deliveries.PERSON else f"alarms by {channel}"
    why = f" ({standing.code})" if standing.code else ""
    if standing.given_up:
        words = f"{standing.given_up} messages were given up{why}"
        return [Finding(about, words, "run: regional-hub alarms test; then: regional-hub alarms retry")]
    if standing.failing:
        words = f"{standing.failing} messages were not taken yet{why}; they are tried again"
        return [Finding(about, words, "run: regional-hub alarms test")]
    return []


VERBS: dict[str, Callable[[Hub, Params], Result]] = {"doctor": examine}
