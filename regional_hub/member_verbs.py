"""What the operator does with members: see them and their keys, suspend, revoke, give a new key to one that lost it."""

from sqlalchemy import select

from regional_hub import departure, log, member_keys, members
from regional_hub.app import Hub
from regional_hub.member_keys import Hand, describe_key
from regional_hub.member_states import reading_state
from regional_hub.orm import MemberRow
from regional_hub.verb_parameters import Params, Result, actor_of
from shared_schema.governance import EnrolmentRequest
from shared_schema.keys import MemberStatus
from shared_schema.service.control import VerbError
from shared_schema.statement import format_time


def hand_of(hub: Hub) -> Hand:
    """The hub that writes, at one moment."""
    return Hand(hub.name, hub.key, hub.clock())


def list_members(hub: Hub, _params: Params) -> Result:
    """Members, their keys, and how far each one is."""
    trust, now = hub.refresh_trust(), hub.clock()
    with hub.database.read() as session:
        rows = session.scalars(select(MemberRow).order_by(MemberRow.name)).all()
        return {
            "members": [
                {
                    "name": row.name,
                    "role": row.role,
                    "status": row.status,
                    "operator": row.operator or "",
                    "reading": reading_state(row.last_read_at, now),
                    "keyid": row.keyid,
                    "former_keys": [
                        f"{known.key.keyid[: member_keys.SHORT_KEYID]} {describe_key(known, now)}"
                        for known in trust.directory.keys_of(row.name)[:-1]
                    ],
                    "software": row.software,
                    "highest_seq": row.highest_seq,
                    "read_up_to": row.read_up_to,
                    "last_read_at": None if row.last_read_at is None else format_time(row.last_read_at),
                }
                for row in rows
            ]
        }


def show_history(hub: Hub, params: Params) -> Result:
    """Every key that a member ever had, and what was said of it, in the order of the log."""
    name, trust, now = str(params["name"]), hub.refresh_trust(), hub.clock()
    member = trust.directory.find(name)
    if member is None:
        raise VerbError("not-found", "expected a name that this hub's log knows")
    with hub.database.read() as session:
        events = member_keys.list_events(session, name)
    return {
        "name": name,
        "status": member.status.value,
        "vouched_by": member.vouched_by,
        "keys": [
            {"keyid": known.key.keyid, "since": known.since, "state": describe_key(known, now)}
            for known in trust.directory.keys_of(name)
        ],
        "events": [
            {
                "entry": event.index,
                "time": event.time,
                "by": event.by,
                "status": event.body.status.value,
                "keyid": event.body.public_key.keyid[: member_keys.SHORT_KEYID],
                "rotation": event.body.rotation is not None,
                "revoked_keys": [keyid[: member_keys.SHORT_KEYID] for keyid in event.body.revoked_keys or ()],
            }
            for event in events
        ],
    }


def set_status(hub: Hub, params: Params) -> Result:
    """Suspend, revoke or reactivate a member, or let it leave."""
    try:
        status = MemberStatus(params["status"])
    except ValueError:
        raise VerbError("bad-parameter", f"expected one of {', '.join(MemberStatus)}") from None
    return _set_status(hub, str(params["name"]), status, actor_of(params))


def _set_status(hub: Hub, name: str, status: MemberStatus, actor: str) -> Result:
    hand, erased = hand_of(hub), {}
    with hub.database.write() as session:
        log.get_head(session, for_append=True)  # or the member may rotate its key away from the one that is named here
        hand.publish(session, members.set_status(session, name, status, actor=actor, now=hand.now))
        if status is MemberStatus.LEFT:
            erased = departure.erase(session, name)
    hub.reload_trust()
    return {"name": name, "status": status.value, **erased}


def revoke(hub: Hub, params: Params) -> Result:
    """End all keys of a member here and now, or with `key` one that it has rotated away."""
    name, keyid = str(params["name"]), params.get("key")
    if keyid is None:
        return _set_status(hub, name, MemberStatus.REVOKED, actor_of(params)) | {
            "next": f"for a new key under the same name: regional-hub members replace-key {name}"
        }
    hand = hand_of(hub)
    with hub.database.write() as session:
        ended = member_keys.revoke_key(session, name, str(keyid), trust=hub.trust, actor=actor_of(params), hand=hand)
    hub.reload_trust()
    return {"name": name, "revoked_key": ended}


def make_replacement_code(hub: Hub, params: Params) -> Result:
    """Make a one-time code with which a city whose key is lost or stolen asks for a new one."""
    name = str(params["name"])
    with hub.database.write() as session:
        code = member_keys.make_replacement_code(session, name, actor=actor_of(params), now=hub.clock())
    return {"name": name, "code": code, "valid_days": members.CODE_LIFETIME.days}


def replace_key(hub: Hub, request: EnrolmentRequest, actor: str) -> Result:
    """Approve a new key whose fingerprint was typed."""
    with hub.database.write() as session:
        member_keys.replace_key(session, request, trust=hub.trust, actor=actor, hand=hand_of(hub))
    hub.reload_trust()
    return {"name": request.name, "role": request.role.value, "status": "active", "key": "replaced"}
