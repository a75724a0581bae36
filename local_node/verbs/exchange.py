"""The node and its hubs: pin one, ask to be a member, sync, and look at what went and came."""

import base64
from datetime import datetime

from sqlalchemy.orm import Session

from local_node import (
    audit,
    draft_store,
    hub_client,
    inbox,
    outbox,
    outside_messages,
    request_store,
    resolutions,
    retention,
    sheet_store,
    sync,
)
from local_node.app import Node
from local_node.inbox import InboxItem, InboxState
from local_node.inbox_query import WORD_KINDS
from local_node.retention import months_before
from local_node.retention_rules import Kind as Kept
from local_node.retention_rules import months_for
from local_node.verbs.parameters import PROGRAM, Params, Result, actor_of, choose
from local_node.verbs.standing import alarm_of
from local_node.web.presentation import freshness_note, freshness_of, subject_of, title_of
from shared_schema.envelope import sign_payload
from shared_schema.governance import ENROLMENT_KIND, EnrolmentRequest, PolicyBody
from shared_schema.keys import MemberRole
from shared_schema.names import format_time
from shared_schema.policy_order import NodeLimits, retention_of
from shared_schema.service.control import VerbError
from shared_schema.statement import Kind

LISTED = 100_000
"""A listing without a limit of its own; the control socket carries about as many."""


def hub_add(node: Node, params: Params) -> Result:
    """Pin a hub: its address is checked, and its key against the fingerprint that a person typed in."""
    url = hub_client.check_address(params["url"], allow_private=node.settings.allow_private_hubs)
    with hub_client.connect(url, node.key, node.clock, node.transport) as api:
        identity = api.identity()
    with node.database.write() as session:
        hub = hub_client.pin_hub(session, url, identity, params["fingerprint"], node.clock())
        audit.append(session, actor_of(params), "hub.added", hub.name, node.clock())
    return {"hub": hub.name, "level": hub.level, "url": hub.url}


def hub_enrol(node: Node, params: Params) -> Result:
    """Ask a hub to become a member, with its operator's one-time code."""
    with node.database.read() as session:
        hub = hub_client.get_hub(session, params["hub"])
    request = EnrolmentRequest.from_object(
        {
            "v": 1,
            "name": node.name,
            "role": MemberRole.NODE.value,
            "key": base64.b64encode(node.key.public.raw).decode(),
            "area": node.area.to_object(),
            "code": str(params["code"]).strip().upper(),
        }
    )
    envelope = sign_payload(ENROLMENT_KIND, request.to_bytes(), node.key)
    with hub_client.connect(hub.url, node.key, node.clock, node.transport) as api:
        api.request_enrolment(envelope.stored_bytes)
    with node.database.write() as session:
        audit.append(session, actor_of(params), "hub.asked", hub.name, node.clock())
    fingerprint = node.key.public.fingerprint
    return {
        "hub": hub.name,
        "state": "waiting",
        "fingerprint": fingerprint,
        "next": f"read this fingerprint out to the operator of {hub.name} over the telephone: {fingerprint}; then sync",
    }


def show_policy(node: Node, _params: Params) -> Result:
    """The policy in force: tables, privacy, vocabulary."""
    with node.database.read() as session:
        hub, policy = home_policy(session)
    tables = [
        {
            "table": table.id,
            "version": table.version,
            "title": table.title,
            "cells": len(table.cells),
            "periods": ", ".join(table.granularities),
            "epsilon": f"{table.epsilon_milli / 1000:g}",
        }
        for table in policy.tables
    ]
    return {"hub": hub, "tables": tables, "policy": policy.to_object()}


def home_policy(session: Session) -> tuple[str, PolicyBody]:
    """The policy of the home hub, which is the nearest one. Raises VerbError when there is none yet."""
    for hub in hub_client.nearest_first(hub_client.list_hubs(session)):
        policy = inbox.current_policy(session, hub.name)
        if policy is not None:
            return hub.name, policy
    raise VerbError("no-policy", "expected the rules of a hub; add a hub, become its member, then run: local-node sync")


def run_sync(node: Node, params: Params) -> Result:
    """One round with every hub: read, sign what was approved, send."""
    report = node.rounds.run(patient=bool(params.get("patient", False)))
    with node.database.write() as session:
        limits = NodeLimits(retention_months=node.settings.retention_months)
        nearest = hub_client.nearest_first(hub_client.list_hubs(session))
        policy = inbox.current_policy(session, nearest[0].name) if nearest else None
        outside_messages.purge(session, node.clock())
        sheet_store.forget_old_sheets(session, node.clock())
        if (months := months_for(session, Kept.DRAFTS)) is not None:
            now, before = node.clock(), months_before(node.clock(), months)
            draft_store.erase_before(session, before, by=PROGRAM, now=now)
            request_store.erase_refused(session, WORD_KINDS, before, PROGRAM, now)
        expired = retention.purge(session, node.name, retention_of(limits, policy), node.clock())
        rechecked = resolutions.recheck(session, node.local_lists, node.clock(), again=False)
        alarms = sync.list_alarms(session)
    return {
        "signed": report.signed,
        "held": report.held,
        "pushed": report.pushed,
        "refused": report.refused,
        "pulled": report.pulled,
        "quarantined": report.quarantined,
        "expired": expired,
        "problems": [{"hub": hub, "problem": problem} for hub, problem in report.problems.items()],
        "rechecked": [each.request.id for each in rechecked if each.findings],
        "alarms": [alarm_of(alarm) for alarm in alarms],
    }


def outbox_list(node: Node, _params: Params) -> Result:
    """What was signed, and how far it got."""
    with node.database.read() as session:
        rows = outbox.list_rows(session, limit=LISTED)
    return {
        "items": [
            {
                "seq": row.seq,
                "hub": row.hub,
                "state": row.state.value,
                "attempts": row.attempts,
                "reason": row.reason,
                "next_try_at": format_time(row.next_try_at) if row.next_try_at else None,
                "digest": row.digest,
            }
            for row in rows
        ]
    }


def inbox_list(node: Node, params: Params) -> Result:
    """What was read from the hubs."""
    kinds = [choose(Kind, params["kind"])] if params.get("kind") else []
    state = choose(InboxState, params["state"]) if params.get("state") else None
    limit = LISTED if params.get("limit") is None else params["limit"]
    if not isinstance(limit, int) or not 1 <= limit <= LISTED:
        raise VerbError("bad-parameter", f"expected a limit from 1 to {LISTED}")
    with node.database.read() as session:
        items = inbox.list_items(session, kinds=kinds, state=state, limit=limit)
    return {"items": [_item(item, node.clock()) for item in items]}


def inbox_show(node: Node, params: Params) -> Result:
    """One item with its content."""
    with node.database.read() as session:
        found = inbox.find_by_beginning(session, params["digest"])
    if len(found) != 1:
        raise VerbError("not-found", "expected the digest of one item, or its first digits; see: local-node inbox list")
    body = found[0].body
    return _item(found[0], node.clock()) | {"body": None if body is None else body.to_object()}


def _item(item: InboxItem, now: datetime) -> Result:
    return {
        "kind": item.kind.value,
        "origin": item.origin,
        "title": title_of(item),
        "subject": subject_of(item),
        "state": item.state.value,
        "reason": item.reason,
        "freshness": freshness_of(item, now).value,
        "note": freshness_note(item, now),
        "audience": item.audience.value,
        "issued_at": item.issued_at,
        "received_at": format_time(item.received_at),
        "hub": item.hub,
        "digest": item.digest,
    }
