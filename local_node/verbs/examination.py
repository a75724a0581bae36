"""`doctor`: everything that is wrong with this node, each with what to do."""

from sqlalchemy import select

from local_node import hub_client, inbox, sync
from local_node.app import Node
from local_node.orm import AuditRow
from local_node.verbs.backups import BACKUP_MADE
from local_node.verbs.parameters import Params, Result
from shared_schema.policy_order import NodeLimits, check_stricter
from shared_schema.service import doctor
from shared_schema.service.doctor import Finding

CHECKS = 8


def examine(node: Node, _params: Params) -> Result:
    """Look at the machine, the database, the settings and the hubs. Changes nothing."""
    now = node.clock()
    findings = [*doctor.look_at_disk(node.data_dir), *doctor.look_at_files(node.data_dir)]
    damaged = doctor.look_at_database(node.database, node.name)
    if damaged:
        return doctor.result_of([*findings, *damaged], CHECKS)
    with node.database.read() as session:
        made = session.scalar(select(AuditRow.at).where(AuditRow.action == BACKUP_MADE).order_by(AuditRow.seq.desc()))
        hubs = hub_client.nearest_first(hub_client.list_hubs(session))
        policy = inbox.current_policy(session, hubs[0].name) if hubs else None
        alarms = sync.list_alarms(session)
    findings += doctor.look_at_backup(made, now, "local-node")
    settings = node.settings
    limits = NodeLimits(settings.threshold if settings.protection == "threshold" else None, settings.retention_months)
    for words in check_stricter(limits, policy) if policy is not None else ():
        findings.append(Finding("settings", words, "change it in node.toml; until then the hub's policy counts"))
    for alarm in alarms:
        words = f"{alarm.hub}: {alarm.sentence}"
        findings.append(Finding(f"alarm {alarm.code}", words, "see the table of alarms in docs/operations.md"))
    for hub in hubs:
        with hub_client.connect(hub.url, node.key, node.clock, node.transport) as api:
            findings += doctor.look_at_hub(hub.name, api, now)
    return doctor.result_of(findings, CHECKS)
