"""What the operator does with this hub's own key: announce the next one ahead, activate it, retire the old one."""

import secrets
from datetime import timedelta

from regional_hub import hub_keys, member_keys
from regional_hub.app import Hub
from regional_hub.member_keys import Hand
from regional_hub.verb_parameters import Params, Result, actor_of
from shared_schema.keys import PublicKey, SigningKey
from shared_schema.names import format_time, parse_time
from shared_schema.service.control import VerbError
from shared_schema.service.key_file import find_next_key, promote_next_key, write_next_key

DEFAULT_NOTICE_DAYS = 30
MOST_NOTICE_DAYS = 730


def show(hub: Hub, _params: Params) -> Result:
    """The keys of this hub, and what happens when."""
    hub.reload_keys()
    keys = hub.own_keys
    rotation = keys.announced
    result: Result = {
        "state": keys.state,
        "signs_statements": keys.key.public.fingerprint,
        "sign_checkpoints": [each.public.fingerprint for each in (keys.key, *keys.key.beside)],
        "rotations": len(keys.rotations),
    }
    if rotation is not None:
        day = parse_time(rotation.not_before or rotation.made_at)
        result |= {"new_key_from": format_time(day), "old_key_until": format_time(day + hub_keys.OVERLAP)}
    return result


def announce(hub: Hub, params: Params) -> Result:
    """Make the next key and say it in the log; it comes into use after the notice."""
    days = params.get("days", DEFAULT_NOTICE_DAYS)
    if not isinstance(days, int) or not 0 < days <= MOST_NOTICE_DAYS:
        raise VerbError("bad-parameter", f"expected days from {hub_keys.LEAST_NOTICE.days} to {MOST_NOTICE_DAYS}")
    hub.reload_keys()
    # It is on the disk before anybody hears of it; one that a crash has left there was never announced, and is used.
    next_key = find_next_key(hub.data_dir) or SigningKey.from_seed(secrets.token_bytes(32))
    write_next_key(hub.data_dir, next_key)
    with hub.database.write() as session:
        rotation = hub_keys.announce(
            session,
            hub.own_keys,
            next_key,
            name=hub.name,
            level=hub.settings.level,
            area=hub.area,
            notice=timedelta(days=days),
            actor=actor_of(params),
            now=hub.clock(),
        )
    hub.reload_keys()
    hub.reload_trust()
    return {
        "fingerprint": PublicKey(next_key.public.raw).fingerprint,
        "new_key_from": rotation.not_before,
        "next": "tell new members this fingerprint from now on; everybody else finds it in the log",
    }


def activate(hub: Hub, params: Params) -> Result:
    """Sign statements with the announced key."""
    hub.reload_keys()
    with hub.database.write() as session:
        hub_keys.activate(session, hub.own_keys, name=hub.name, actor=actor_of(params), now=hub.clock())
    hub.reload_keys()
    return {"state": hub.own_keys.state, "fingerprint": hub.key.public.fingerprint}


def retire(hub: Hub, params: Params) -> Result:
    """Let the new key sign alone, and erase the old one."""
    hub.reload_keys()
    with hub.database.write() as session:
        hub_keys.retire(session, hub.own_keys, name=hub.name, actor=actor_of(params), now=hub.clock())
    hub.reload_keys()
    promote_next_key(hub.data_dir)
    return {"state": hub.own_keys.state, "fingerprint": hub.key.public.fingerprint}


def tend(hub: Hub, params: Params) -> Result:
    """Activate or retire when the day has come, and end members' keys; the background work asks for it."""
    hub.reload_keys()
    _end_former_keys(hub)
    step = hub_keys.due(hub.own_keys, hub.clock())
    if step == "activate":
        return activate(hub, params) | {"done": step}
    if step == "retire":
        return retire(hub, params) | {"done": step}
    return {"done": None}


def _end_former_keys(hub: Hub) -> None:
    trust, now = hub.refresh_trust(), hub.clock()
    if not member_keys.has_former_keys_to_end(trust, now):
        return
    with hub.database.write() as session:
        member_keys.end_former_keys(session, trust=trust, hand=Hand(hub.name, hub.key, now))
    hub.reload_trust()
