"""How the node stands, who works with it, and whether its two chains hold."""

from local_node import audit, sync
from local_node.app import Node
from local_node.people import add_person, list_people
from local_node.verbs.parameters import PROGRAM, Params, Result
from local_node.web.overview import Overview, read_overview
from shared_schema.names import format_time
from shared_schema.problem import ProblemCode

STALE_HEAD = ProblemCode.STALE_HEAD.value


def show_status(node: Node, _params: Params) -> Result:
    """How the node is, and what to do next."""
    with node.database.read() as session:
        overview = read_overview(session)
        return {
            "name": node.name,
            "display_name": node.settings.display_name,
            "area": node.area.to_object(),
            "fingerprint": node.key.public.fingerprint,
            "people": [{"id": person.id, "role": person.role.value} for person in list_people(session)],
            **_status_of(overview),
        }


def _status_of(overview: Overview) -> Result:
    return {
        "hubs": [
            {
                "name": hub.name,
                "url": hub.url,
                "level": hub.level,
                "enrolled": hub.enrolled,
                "read": hub.read,
                "of": hub.size,
                "last_success_at": format_time(hub.last_success_at) if hub.last_success_at else None,
                "vouched_at": format_time(hub.vouched_at) if hub.vouched_at else None,
                "late": any((alarm.hub, alarm.code) == (hub.name, STALE_HEAD) for alarm in overview.alarms),
                "elsewhere": hub.elsewhere,
            }
            for hub in overview.hubs
        ],
        "requests": {state.value: count for state, count in overview.requests.items()},
        "outbox": {state.value: count for state, count in overview.outbox.items()},
        "inbox": {state.value: count for state, count in overview.inbox.items()},
        "alarms": [alarm_of(alarm) for alarm in overview.alarms],
        "next": [step.sentence for step in overview.next_steps],
    }


def alarm_of(alarm: sync.Alarm) -> Result:
    return {
        "hub": alarm.hub,
        "code": alarm.code,
        "message": f"{alarm.sentence} ({alarm.message})",
        "since": format_time(alarm.raised_at),
    }


def verify_audit(node: Node, _params: Params) -> Result:
    """Walk the audit log."""
    with node.database.read() as session:
        return {"ok": True, "events": audit.verify(session)}


def verify_ledger(node: Node, _params: Params) -> Result:
    """Walk the privacy ledger."""
    from local_node import ledger

    with node.database.read() as session:
        return {"ok": True, "entries": ledger.verify_chain(session)}


def people_add(node: Node, params: Params) -> Result:
    """Register somebody who works with this node."""
    with node.database.write() as session:
        person = add_person(session, params["id"], params["role"], by=PROGRAM, now=node.clock())
    return {"id": person.id, "role": person.role.value}
