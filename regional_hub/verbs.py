"""Everything an operator can do, as verbs: the command line and the control socket run the same functions.

A verb takes the hub and its parameters as JSON and gives JSON back; it opens the transactions. What is wrong is a
VerbError with one sentence.
"""

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from regional_hub import (
    account_verbs,
    alarms,
    audit,
    backup_verbs,
    batch_audit_verbs,
    batch_verbs,
    certificate_verbs,
    delivery_verbs,
    doctor_verbs,
    figure_verbs,
    follow,
    hub_keys,
    key_verbs,
    log,
    log_verbs,
    member_verbs,
    members,
    operator_verbs,
    operators,
    overview_verbs,
    policies,
    quarantine_verbs,
    recall_verbs,
    recovery_verbs,
    relay_verbs,
    sealed_totals,
    sealed_verbs,
    source_watch,
    trends,
    watch_verbs,
    witness,
    witness_verbs,
)
from regional_hub.app import Hub
from regional_hub.holdings import Library
from regional_hub.orm import AlarmRow, EntryRow, EvidenceRow, MemberRow, QuarantineRow, SourceRow
from regional_hub.publication import publish
from regional_hub.verb_parameters import OPERATOR, Params, Result, actor_of
from shared_schema.checkpoint import NoteVerifier
from shared_schema.envelope import sign_payload
from shared_schema.errors import ContractError, FeedError, ProgramError
from shared_schema.feed import FeedItem, FeedState
from shared_schema.governance import ENROLMENT_KIND, LEAST_CONTRIBUTORS, EnrolmentRequest, PolicyBody
from shared_schema.head_evidence import TwoHeads
from shared_schema.keys import MemberRole, MemberStatus, same_fingerprint
from shared_schema.names import ORIGIN_PATTERN
from shared_schema.pins import Pin
from shared_schema.problem import ProblemCode
from shared_schema.service import head_watch
from shared_schema.service.control import VerbError
from shared_schema.service.hub_api import HubApi, HubRefused, HubUnreachable, check_hub_url
from shared_schema.service.logging import get_logger
from shared_schema.statement import Audience, Kind

RESTORING = "it was restored from an old copy and gathers what it has lost; this hub keeps everything"
MAX_PAGES_A_RUN = 1_000
"""Half a million entries of one hub; an endless log must not keep the hub from reading the others."""


def run(hub: Hub, verb: str, params: Params) -> Result:
    """Run one verb. Raises VerbError."""
    function = VERBS.get(verb)
    if function is None:
        raise VerbError("unknown-verb", f"expected one of {', '.join(VERBS)}")
    actor_of(params)  # who acts is known before anything is done
    try:
        if verb in SIGNING_VERBS:
            hub.ask_first()
        return function(hub, params)
    except ContractError as error:
        raise VerbError(error.code.value, error.message) from None
    except ProgramError as error:
        raise VerbError(error.code, error.message) from None
    except (HubUnreachable, HubRefused) as error:
        code = error.code if isinstance(error, HubRefused) else "unreachable"
        raise VerbError(code, error.message) from None
    except KeyError as error:
        raise VerbError("bad-parameter", f"expected the parameter {error.args[0]}") from None


def publish_policy(hub: Hub, policy: PolicyBody, actor: str = OPERATOR) -> None:
    """Put a policy in force: sign it and append it to the log. Raises VerbError when it would protect nobody."""
    if policy.min_contributors < LEAST_CONTRIBUTORS:
        raise VerbError("bad-parameter", f"expected min_contributors of at least {LEAST_CONTRIBUTORS}")
    with hub.database.write() as session:
        publish(session, Kind.POLICY, policy, Audience.REGION, name=hub.name, key=hub.key, now=hub.clock())
        audit.record(session, actor, "policy-published", str(policy.version), hub.clock())
    hub.reload_trust()


def show_status(hub: Hub, _params: Params) -> Result:
    """How the hub is: size of the log, members, sources, alarms."""
    with hub.database.read() as session:
        open_alarms = session.scalars(select(AlarmRow).where(AlarmRow.resolved_at.is_(None))).all()
        return {
            "name": hub.name,
            "level": hub.settings.level,
            "operator": hub.settings.operator or "",
            "fingerprint": hub.verifier.key.fingerprint,
            "log_size": log.get_head(session).size,
            "log": recovery_verbs.log_in_words(session),
            "direct": session.scalar(
                select(func.count()).select_from(EntryRow).where(EntryRow.via.is_(None), EntryRow.origin != hub.name)
            ),
            "kinds": dict(session.execute(select(EntryRow.kind, func.count()).group_by(EntryRow.kind)).all()),
            "members": session.scalar(select(func.count()).select_from(MemberRow)),
            "waiting_enrolments": len(members.waiting_requests(session)),
            "quarantined": session.scalar(select(func.count()).select_from(QuarantineRow)),
            "evidence": session.scalar(select(func.count()).select_from(EvidenceRow)),
            "sources": [
                {"name": row.name, "direction": row.direction, "read": row.frontier_size, "of": row.seen_size}
                for row in session.scalars(select(SourceRow).order_by(SourceRow.name))
            ],
            "alarms": [{"about": row.about, "code": row.code, "message": row.message} for row in open_alarms],
        }


def make_code(hub: Hub, params: Params) -> Result:
    """Make a one-time code for a new member."""
    name = str(params["name"])
    _check_name(name)
    if name == hub.name:
        raise VerbError("name-taken", "expected the name of a member, not of this hub")
    with hub.database.write() as session:
        code = members.make_code(session, name, actor=actor_of(params), now=hub.clock())
    return {"name": name, "code": code, "valid_days": members.CODE_LIFETIME.days}


def _check_name(name: str) -> None:
    if not re.fullmatch(ORIGIN_PATTERN, name):
        raise VerbError("bad-parameter", "expected a name such as leipzig.sn.de")


def list_requests(hub: Hub, _params: Params) -> Result:
    """Who waits to be admitted. The fingerprint is not shown: the member reads it out and the operator types it."""
    with hub.database.read() as session:
        waiting = members.waiting_requests(session)
    return {
        "waiting": [
            {
                "name": item.name,
                "role": item.role.value,
                "area": item.area.code,
                "operator": item.operator or "",
            }
            for item in waiting
        ]
    }


def approve(hub: Hub, params: Params) -> Result:
    """Admit a member whose fingerprint the operator has typed.

    `operator` is who runs a hub; absent, what it says itself counts, and an empty text says nothing.
    """
    name, now = str(params["name"]), hub.clock()
    try:
        with hub.database.read() as session:
            request = members.check_fingerprint(session, name, str(params["fingerprint"]))
            replaces = members.is_replacement(session, name)
    except ContractError as error:
        with hub.database.write() as session:
            audit.record(session, actor_of(params), f"enrolment-refused-{error.code.value}", name[:100], now)
        raise
    if replaces:
        return member_verbs.replace_key(hub, request, actor_of(params))
    run_by = operators.read_operator(params.get("operator", request.operator))
    members.check_unclaimed(hub.refresh_trust().directory, request)
    with hub.database.write() as session:
        body = members.admit(session, request, actor=actor_of(params), now=now)
        chain = request.rotations or ()
        entry = member_verbs.hand_of(hub).vouch(session, body, chain, Audience.EUROPE)
        session.get_one(MemberRow, name).admitted_by = entry.index
        if request.role is MemberRole.HUB and request.url is not None:
            pin = Pin.with_history(NoteVerifier(request.name, request.public_key), chain)
            follow.add_source(session, pin, request.url, "member")
        if run_by is not None:
            _say_operator(hub, session, name, run_by, actor_of(params))
    hub.reload_trust()
    return {"name": name, "role": request.role.value, "status": "active"}


def _say_operator(hub: Hub, session: Session, name: str, operator: str, actor: str) -> None:
    session.flush()  # the member is one
    hand = member_verbs.hand_of(hub)
    operators.say_of(session, name, operator, actor=actor, hand=hand, level=hub.settings.level)


def add_parent(hub: Hub, params: Params) -> Result:
    """Compare the fingerprint of the hub above, vouch for it, follow it, and ask it to be a member.

    `operator` is who runs the hub above: this hub's members take its word for that.
    """
    url, now = check_hub_url(str(params["url"])), hub.clock()
    run_by = operators.read_operator(params.get("operator"))
    with hub.api(url) as api:
        identity = api.identity()
        verifier = NoteVerifier.from_vkey(identity.vkey)
        if verifier.name != identity.name or not same_fingerprint(str(params["fingerprint"]), verifier.key):
            raise VerbError("fingerprint-mismatch", "expected the fingerprint that the hub above reads out")
        request = EnrolmentRequest(
            name=hub.name,
            role=MemberRole.HUB,
            key=b64encode(hub.key.public.raw).decode(),
            area=hub.area,
            code=str(params["code"]),
            level=hub.settings.level,
            url=hub.settings.public_url,
            rotations=tuple(hub_keys.shown(hub.own_keys.rotations)) or None,
            operator=hub.settings.operator,
        )
        told = _ask_to_join(hub, api, request)
    with hub.database.write() as session:
        body = members.add_parent(session, identity.name, verifier.key, identity.level, hub.area, url)
        # As far down as this hub's word reaches, so that its members can check what comes from above; a smaller region
        # below a region takes what is for the nation at least.
        audience = members.parent_audience(hub.settings.level)
        member_verbs.hand_of(hub).vouch(session, body, identity.rotations, audience)
        follow.add_source(session, Pin.with_history(verifier, identity.rotations), url, "parent")
        audit.record(session, actor_of(params), "parent-added", identity.name, now)
        if run_by is not None:
            _say_operator(hub, session, identity.name, run_by, actor_of(params))
    hub.reload_trust()
    return {
        "name": identity.name,
        "level": identity.level,
        "fingerprint": hub.key.public.fingerprint,
        "operator_told": told,
    }


def _ask_to_join(hub: Hub, api: HubApi, request: EnrolmentRequest) -> bool:
    """Ask the hub above to be a member; whether it was told who runs this hub.

    A hub of an earlier release refuses the field before it looks at the code, and is asked again without it.
    """
    try:
        api.request_enrolment(sign_payload(ENROLMENT_KIND, request.to_bytes(), hub.key).to_bytes())
        return request.operator is not None
    except HubRefused as error:
        if request.operator is None or error.code != ProblemCode.SCHEMA.value:
            raise
    plain = request.model_copy(update={"operator": None})
    api.request_enrolment(sign_payload(ENROLMENT_KIND, plain.to_bytes(), hub.key).to_bytes())
    return False


def follow_all(hub: Hub, _params: Params) -> Result:
    """Read the feeds of the hub above and the hubs below, once, to their ends or `MAX_PAGES_A_RUN` pages far."""
    trust = hub.refresh_trust()
    with hub.database.read() as session:
        names = session.scalars(select(SourceRow.name).order_by(SourceRow.name)).all()
    read = [_follow_one(hub, name) for name in names if _is_followed(trust, name)]
    figure_verbs.index(hub, {})  # sums of other hubs have come
    return {"sources": read}


def _is_followed(trust: members.Trust, name: str) -> bool:
    """Whoever is suspended is read on from the same place later; whoever is revoked or has left, never again."""
    member = trust.directory.find(name)
    return member is None or member.status is MemberStatus.ACTIVE


def _follow_one(hub: Hub, name: str) -> Result:
    report = {"name": name, "pages": 0, "entries": 0, "appended": 0, "quarantined": 0}
    with hub.database.read() as session:
        row = session.get_one(SourceRow, name)
        state, watched, url = follow.read_state(row), source_watch.load(row), row.url
        cosigned = witness.cosigned_note(session, name)
    try:
        with hub.api(url) as api:
            for _ in range(MAX_PAGES_A_RUN):
                after, items, note = _fetch_page(hub, api, name, state, watched)
                head_watch.check_witnesses(note, hub.head_policy, hub.clock())
                watched = head_watch.listen(api, after.verifier, note, watched, hub.head_policy)
                trust = hub.refresh_trust()
                with hub.database.write() as session:
                    stored = follow.store_page(
                        session, name, state, after, items, note, trust=trust, follower=hub.follower, now=hub.clock()
                    )
                    source_watch.keep(session, name, watched)
                for field in ("pages", "entries", "appended", "quarantined"):
                    report[field] += getattr(stored, field)
                state = after if stored.pin is None else replace(after, verifier=stored.pin.verifier)
                # Whoever asks from behind a withdrawal has confirmed it: so once more, when the page brought one.
                if after.next_index >= after.seen_size and not any(
                    each.entry.kind is Kind.WITHDRAWAL for each in items
                ):
                    break
            shorter = cosigned is not None and not head_watch.includes_head(state, watched, cosigned, api)
            recall_verbs.hear(hub, api, name)
    except FeedError as error:
        if recovery_verbs.show_head(hub, name):
            return report | {"unreachable": RESTORING}
        get_logger().error("feed-refused", hub=name, code=error.code.value)
        evidence = _evidence_of(hub, error, state, watched, url)
        with hub.database.write() as session:
            alarms.raise_alarm(session, name, *follow.alarm_of(error), hub.clock())
            if evidence is not None:
                witness.keep_evidence(session, evidence, error.code, hub.clock())
        return report | {"alarm": error.code.value, "message": error.message}
    except HubUnreachable as error:
        if error.code == ProblemCode.LOG_BEHIND and recovery_verbs.show_head(hub, name):
            return report | {"unreachable": RESTORING}
        return report | {"unreachable": error.message}
    except HubRefused as error:
        if error.code == ProblemCode.BAD_CURSOR and recovery_verbs.show_head(hub, name):
            return report | {"unreachable": RESTORING}
        return report | {"refused": error.code}
    except ContractError as error:  # whatever one hub does, the others are read all the same
        return report | {"refused": error.code.value}
    finally:
        hub.reload_trust()
    with hub.database.write() as session:
        faults = source_watch.report(session, name, watched, hub.head_policy, hub.clock(), shorter=shorter)
    return report | ({"alarm": faults[0].value} if faults else {})


def _evidence_of(
    hub: Hub, error: FeedError, state: FeedState, watched: head_watch.Watched, url: str
) -> TwoHeads | None:
    if not isinstance(error, head_watch.HeadsDiffer):
        return None
    try:
        with hub.api(url) as api:
            return head_watch.evidence_of(error, state, watched, api, hub.clock())
    except ContractError:  # one of them was signed with an earlier key of that hub
        return None


def _fetch_page(
    hub: Hub, api: HubApi, name: str, state: FeedState, watched: head_watch.Watched
) -> tuple[FeedState, list[FeedItem], str]:
    """The next page; a source that signs with another key than the pinned one must show how that key was handed on."""
    try:
        return follow.fetch_page(api, state, watched, hub.settings.level)
    except FeedError as error:
        if error.code is not ProblemCode.FEED_CHECKPOINT:
            raise
        with hub.database.read() as session:
            pin = follow.read_pin(session.get_one(SourceRow, name))
        try:
            moved = pin.follow_chain(api.identity().rotations)
        except ContractError:
            raise error from None
        if moved == pin:
            raise
    found = follow.fetch_page(api, replace(state, verifier=moved.verifier), watched, hub.settings.level)
    with hub.database.write() as session:
        follow.move_pin(session, name, moved, hub.clock())
    return found


def aggregate(hub: Hub, _params: Params) -> Result:
    """Publish every sum whose inputs have changed. Contents are read before anybody else has to wait for it."""
    trust = hub.reload_trust()
    library = Library(trust)
    with hub.database.read() as session:
        changed = trends.find_changed(session, trust, library)
        overdue = sealed_totals.find_overdue(session, trust, hub.clock())
        told = not sealed_totals.alarms_differ(session, overdue)
    published = 0
    if changed or not told:
        with hub.database.write() as session:
            published = trends.publish_aggregates(session, trust, hub.publishing, hub.clock(), library)
            sealed_totals.tend_alarms(session, overdue, hub.clock())
    figure_verbs.index(hub, {})
    return {"published": published}


def list_sums(hub: Hub, _params: Params) -> Result:
    """Every complete sum as it is now."""
    with hub.database.read() as session:
        sums = trends.complete_sums(session, hub.trust, hub.area)
    return {"sums": [body.to_object() for body in sums]}


def show_policy(hub: Hub, _params: Params) -> Result:
    """The policy that this hub has signed last."""
    with hub.database.read() as session:
        return members.get_policy(session, hub.name).to_object()


def set_policy(hub: Hub, params: Params) -> Result:
    """Put another policy in force; its version must rise, and it may only be stricter than that of the hub above.

    With `dry_run` nothing changes: it says who would be refused.
    """
    policy = PolicyBody.from_object(params["policy"])
    with hub.database.read() as session:
        known = members.get_policy(session, hub.name).version
        looser = policies.looser_than_parents(session, policy)
        refused = policies.refused_members(session, policy)
        if params.get("dry_run"):
            return {"version": policy.version, "dry_run": True, "looser": list(looser), "refused": refused}
        policies.check_own(session, policy)
    if policy.version <= known:
        raise VerbError("bad-parameter", f"expected a policy version above {known}")
    publish_policy(hub, policy, actor_of(params))
    with hub.database.write() as session:
        policies.compare(session, policy, hub.clock())
    return {"version": policy.version}


VERBS: dict[str, Callable[[Hub, Params], Result]] = {
    "status": show_status,
    "enrol.code": make_code,
    "enrol.list": list_requests,
    "enrol.approve": approve,
    "members.list": member_verbs.list_members,
    "members.set": member_verbs.set_status,
    "members.history": member_verbs.show_history,
    "members.revoke": member_verbs.revoke,
    "members.replace-key": member_verbs.make_replacement_code,
    "keys.show": key_verbs.show,
    "keys.announce": key_verbs.announce,
    "keys.activate": key_verbs.activate,
    "keys.retire": key_verbs.retire,
    "keys.tend": key_verbs.tend,
    "parent.add": add_parent,
    "follow": follow_all,
    "aggregate": aggregate,
    "sums": list_sums,
    "figures.index": figure_verbs.index,
    "verify": log_verbs.verify,
    "log.check": log_verbs.check,
    "batch.audit": batch_audit_verbs.audit,
    "log.publish": log_verbs.publish,
    "recalls": recall_verbs.list_recalls,
    "explain": recall_verbs.explain_item,
    "quarantine.list": quarantine_verbs.list_items,
    "quarantine.show": quarantine_verbs.show,
    "quarantine.retry": quarantine_verbs.retry,
    "quarantine.drop": quarantine_verbs.drop,
    "relay.list": relay_verbs.list_items,
    "relay.questions": relay_verbs.list_questions,
    "relay.forward": relay_verbs.forward,
    "relay.publish": relay_verbs.publish,
    "relay.withdraw": relay_verbs.withdraw,
    "witness.add": witness_verbs.add_witness,
    "witness.add-log": witness_verbs.add_log,
    "witness.remove": witness_verbs.remove,
    "witness.list": witness_verbs.list_all,
    "witness.collect": witness_verbs.collect,
    "evidence.list": witness_verbs.list_evidence,
    "evidence.export": witness_verbs.export_evidence,
    "policy.show": show_policy,
    "policy.set": set_policy,
    **account_verbs.VERBS,
    **backup_verbs.VERBS,
    **batch_verbs.VERBS,
    **certificate_verbs.VERBS,
    **delivery_verbs.VERBS,
    **doctor_verbs.VERBS,
    **operator_verbs.VERBS,
    **sealed_verbs.VERBS,
    **overview_verbs.VERBS,
    **recovery_verbs.VERBS,
    **watch_verbs.VERBS,
}
SIGNING_VERBS = frozenset(
    {
        "enrol.approve",
        "members.set",
        "members.operator",
        "operator.say",
        "parent.add",
        "follow",
        "aggregate",
        "relay.forward",
        "relay.publish",
        "relay.withdraw",
        "policy.set",
        "sealed.work",
        "sealed.open",
        "sealed.late",
        "sealed.give-up",
    }
)
"""Before these a hub asks whether anybody has seen more of its log than it has itself."""
