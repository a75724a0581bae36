"""Sealed totals for the command line and the pages: what is collected, how it stands for this city, and asking."""

import secrets
from typing import Any

from sqlalchemy.orm import Session

from local_node import request_store, share_store
from local_node.app import Node
from local_node.sealed_batches import Batches
from local_node.sealed_standing import OwnShare, Reading, standing_of
from local_node.verbs.parameters import Params, Result
from local_node.verbs.releases import shown_request
from local_node.verbs.spending import check_may_draw
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
            "table": f"{plan.table.id}@{plan.table.version}",
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


def sealed_request(node: Node, params: Params) -> Result:
    """Ask for this city's share of one collection; a second person decides about it."""
    from local_node import share_request, shares  # OpenDP comes along, which takes half a second to load

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
