"""Sealed totals for the command line and the pages: what is collected, how it stands for this city, and asking."""

import secrets
from dataclasses import asdict
from typing import Any

from sqlalchemy.orm import Session

from local_node import request_store, share_store
from local_node.app import Node
from local_node.sealed_batches import Batches
from local_node.sealed_standing import OwnShare, Reading, standing_of
from local_node.verbs.parameters import Params, Result
from local_node.verbs.releases import shown_request
from local_node.verbs.spending import check_may_draw
from shared_schema.sealed.agreed import AgreedBatch
from shared_schema.sealed.city import RANDOMNESS_SIZE


def sealed_list(node: Node, _params: Params) -> Result:
    """The collections that this city is a member of, the newest first, and how each stands for it."""
    with node.database.read() as session:
        readings = Batches(session).list_of(node.name)
        own = share_store.own_shares(session, [reading.digest for reading in readings])
        lines = [_line(node, reading, own.get(reading.digest)) for reading in readings]
    return {"collections": lines, "next": "ask to take part: local-node sealed request BATCH --by ID"}


def _line(node: Node, reading: Reading, own: OwnShare | None) -> dict[str, Any]:
    standing = standing_of(reading, node.name, own, node.clock())
    line: dict[str, Any] = {"batch": reading.digest, "standing": standing.value}
    if reading.batch is not None:
        plan, terms = reading.batch.plan, reading.batch.terms
        line |= {
            "table": plan.table.id,
            "version": plan.table.version,
            "period": plan.period.label,
            "closes": plan.closes,
            "cities": len(plan.members),
            "hubs": f"{terms.leader.name}, {terms.helper.name}",
            "epsilon": f"{plan.epsilon_milli / 1000:g}",
        }
    refusal = reading.refusal_of(node.name)
    return line | {
        "request": None if own is None else own.request,
        "reason": reading.fault or (own.hub_code if own is not None else None) or refusal,
    }


def sealed_show(node: Node, params: Params) -> Result:
    """One collection: who takes part, who collects, what has come of it, and what keeps this city from asking."""
    from local_node import share_look, shares  # OpenDP comes along, which takes half a second to load

    with node.database.read() as session:
        batches = Batches(session)
        reading = shares.get_reading(batches, str(params["batch"]))
        own = share_store.own_shares(session, [reading.digest]).get(reading.digest)
        shown = _line(node, reading, own)
        if reading.batch is None:
            return shown
        desk = shares.find_desk(session, node.sealed_rules)
        obstacle = share_look.find_obstacle(
            session, batches, reading, desk, node.settings.agencies_expected, node.clock()
        )
        cost = share_look.cost_for(session, reading.batch, desk)
    return (
        shown
        | _terms(reading.batch)
        | _ending(reading)
        | {
            "is_member": node.name in reading.batch.member_names,
            "obstacle": None if obstacle is None else asdict(obstacle),
            "cost": None if cost is None else asdict(cost),
        }
    )


def _terms(batch: AgreedBatch) -> Result:
    plan, terms = batch.plan, batch.terms
    return {
        "opens": plan.opens,
        "granularity": plan.period.granularity,
        "cells": len(plan.cells),
        "maximum": plan.maximum,
        "min_batch": plan.min_batch,
        "epsilon_milli": plan.epsilon_milli,
        "members": list(plan.members),
        "leader": {"name": terms.leader.name, "operator": terms.leader.operator},
        "helper": {"name": terms.helper.name, "operator": terms.helper.operator},
        "late_of": plan.late_of,
    }


def _ending(reading: Reading) -> Result:
    """What both hubs have said of it: who is in, who is not and why; only the latter are named by them."""
    ended: Result = {"void": None if reading.void is None else reading.void.reason, "opened": reading.is_opened}
    attendance = None if reading.roster is None else reading.roster.terms.attendance
    if attendance is None and reading.void is not None:
        attendance = reading.void.attendance
    if attendance is None:
        return ended | {"attendance": None}
    return ended | {
        "attendance": {
            "accepted": len(attendance.accepted),
            "refused": [{"name": each.origin, "reason": each.reason.value} for each in attendance.refused],
            "absent": list(attendance.absent),
        }
    }


def sealed_look(node: Node, params: Params) -> Result:
    """What is in a request for a share: this city's own counts, proved anew, what is odd about them, and the terms."""
    from local_node import share_look, shares

    with node.database.read() as session:
        request = request_store.get_request(session, str(params["request"])).request
        batches = Batches(session)
        reading = shares.get_reading(batches, shares.batch_of(request))
        desk = shares.find_desk(session, node.sealed_rules)
        looked = share_look.look_at(session, request.id, desk, node.clock())
        cost = None if reading.batch is None else share_look.cost_for(session, reading.batch, desk)
    shown: Result = {"batch": reading.digest} if reading.batch is None else _line(node, reading, None)
    return (
        shown
        | ({} if reading.batch is None else _terms(reading.batch) | {"dimension": reading.batch.plan.dimension})
        | {
            "counts": [{"cell": code, "count": count} for code, count in looked.counts],
            "proved": looked.proved,
            "obstacle": None if looked.obstacle is None else asdict(looked.obstacle),
            "warnings": [{"warning": each.warning.value, "cell": each.cell} for each in looked.warnings],
            "cost": None if cost is None else asdict(cost),
        }
    )


def sealed_request(node: Node, params: Params) -> Result:
    """Ask for this city's share of one collection; a second person decides about it."""
    from local_node import share_request, shares

    now = node.clock()
    with node.database.read() as session:
        desk = shares.find_desk(session, node.sealed_rules)
        reading, table_id, period = _check_first(session, str(params["batch"]), desk, node)
    check_may_draw(node, table_id, period)
    with node.database.write() as session:
        request = share_request.request_share(
            session,
            reading.digest,
            str(params["by"]),
            desk=desk,
            expected_agencies=node.settings.agencies_expected,
            randomness=secrets.token_bytes(RANDOMNESS_SIZE),
            now=now,
        )
        return shown_request(request_store.get_request(session, request.id))


def _check_first(session: Session, beginning: str, desk: Any, node: Node) -> tuple[Reading, str, str]:
    """A rule that is broken needs no hub to say so."""
    from local_node import shares

    batches = Batches(session)
    reading = shares.get_reading(batches, beginning)
    checked = shares.check_may_send(session, batches, reading, desk, node.clock())
    return reading, checked.batch.plan.table.id, checked.batch.plan.period.label
