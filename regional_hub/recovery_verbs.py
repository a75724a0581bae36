"""The verbs of a recovery: what the operator of a hub that was restored from an old copy runs and reads."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import update
from sqlalchemy.orm import Session

from regional_hub import audit, follow, heads, log, recovered_log, recovery, trends
from regional_hub.app import Hub
from regional_hub.orm import MemberRow, RecoveryRow, SourceRow
from regional_hub.verb_parameters import Params, Result, actor_of
from regional_hub.web import recovery_api
from shared_schema.checkpoint import NoteVerifier
from shared_schema.keys import MemberRole, PublicKey
from shared_schema.pins import Pin
from shared_schema.service.control import VerbError
from shared_schema.service.hub_api import check_hub_url
from shared_schema.service.key_file import KEY_FILE, NEXT_KEY_FILE

SHOWN_DIGESTS: Final = 20
HERE: Final = "all that was signed is here"


def recover(hub: Hub, params: Params) -> Result:
    """Get back what this hub has lost: ask the followers now, and the members as they come.

    `alone` says not to wait for those that were not heard; the operator has typed the hub's name for that.
    """
    alone = bool(params.get("alone", False))
    if alone and params.get("confirm") != hub.name:
        raise VerbError(
            "bad-parameter",
            f"expected --confirm {hub.name}: whoever was not heard may know entries that are lost for good then",
        )
    with hub.database.write() as session:
        if log.get_head(session).held is None and not recovery.is_open(session):
            return _status(session, hub) | {"answers": []}
        values = {"ordered": True} | ({"alone": True} if alone else {})
        session.execute(update(RecoveryRow).values(**values).execution_options(synchronize_session=False))
        audit.record(
            session, actor_of(params), "recovery-alone" if alone else "recovery-ordered", hub.name, hub.clock()
        )
    return go_on(hub, {})


def go_on(hub: Hub, _params: Params) -> Result:
    """Ask the followers again while a recovery waits; the background work runs it too."""
    with hub.database.read() as session:
        row = session.get(RecoveryRow, recovery.RECOVERY_ID)
        waits = row is not None and row.ordered
    answers = heads.fetch_from_followers(hub) if waits else {}
    recovery_api.finish(hub)
    with hub.database.read() as session:
        return _status(session, hub) | {"answers": [{"hub": name, "gave": said} for name, said in answers.items()]}


def show_status(hub: Hub, _params: Params) -> Result:
    """How far the recovery is."""
    with hub.database.read() as session:
        return _status(session, hub)


def _status(session: Session, hub: Hub) -> Result:
    lost = recovered_log.staged_members(session, recovery.known_pin(session, hub.own_pin))
    names = tuple(member.name for member in lost.values() if member.status == "active")
    progress = recovery.progress_of(session, names)
    return {
        "state": progress.state,
        "entries": f"{progress.size + progress.leaves} of {progress.wanted} entries are here",
        "contents_missing": progress.contents_missing,
        "missing": list(progress.missing[:SHOWN_DIGESTS]),
        "waiting_for": list(progress.waiting_for),
        "kept_sums": ["all"] if (kept := trends.kept_families(session)) is None else sorted(kept),
        "next": _next_step(progress, recovered_log.find_missing_key(session, hub.own_pin, hub.keyids_at_hand())),
    }


def _next_step(progress: recovery.Progress, missing: PublicKey | None) -> str:
    if progress.state == "serving":
        return "nothing" if not progress.contents_missing else "nothing: members bring the contents when they sync"
    if missing is not None and progress.state != "forked":
        return (
            f"put {NEXT_KEY_FILE} with the key {missing.fingerprint} beside {KEY_FILE}: the log announces it, and "
            "signs nothing without it; then: regional-hub recover"
        )
    if progress.state == "forked" or not progress.ordered:
        return recovery.COMMANDS[progress.state]
    if progress.waiting_for:
        return (
            "ask these to sync; if one never comes, and you accept that what only it knows is lost: "
            "regional-hub recover --alone"
        )
    if progress.misses_words and progress.size + progress.leaves == progress.wanted:
        return (
            "ask members to sync once more: what a withdrawal, a membership or a policy says is missing; without it "
            "something that was taken back would be shown; if nobody has it: regional-hub recover --alone"
        )
    return "wait: nobody who was heard has these entries; whoever has a receipt for one brings it with a sync"


def log_in_words(session: Session) -> str:
    """For `status` and `doctor`."""
    held = log.get_head(session).held
    return HERE if held is None else f"{recovery.WORDS[held]}; {recovery.COMMANDS[held]}"


def show_head(hub: Hub, name: str) -> bool:
    """Show a followed hub the newest checkpoint of its own that is known here; True when it is being restored."""
    with hub.database.read() as session:
        row = session.get_one(SourceRow, name)
        url, seen, head = row.url, row.seen_size, recovery.newest_head(session, name)
    if head is None:
        return False
    with hub.api(url) as api:
        return heads.show_head(api, head, seen)


def set_address(hub: Hub, params: Params) -> Result:
    """Say where a member hub is: its address is in no statement, so an old copy does not have it."""
    name, url = str(params["name"]), check_hub_url(str(params["url"]))
    with hub.database.write() as session:
        row = session.get(MemberRow, name)
        if row is None or row.role == MemberRole.NODE.value:
            raise VerbError("not-found", "expected the name of a hub that is a member or the parent")
        row.url = url
        direction = "parent" if row.role == MemberRole.PARENT.value else "member"
        follow.add_source(session, Pin(NoteVerifier(name, PublicKey(row.public_key))), url, direction)
        audit.record(session, actor_of(params), "member-address", name, hub.clock())
    return {"name": name, "url": url}


VERBS: dict[str, Callable[[Hub, Params], Result]] = {
    "recover": recover,
    "recover.status": show_status,
    "recover.continue": go_on,
    "members.address": set_address,
}
