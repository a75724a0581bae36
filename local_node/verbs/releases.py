"""From records to an approved release. OpenDP is loaded only by the verbs that draw or sign."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from local_node import confidence, request_store, resolutions
from local_node.app import Node
from local_node.narrative import DETECTOR, Finding, free_texts
from local_node.request_store import StoredRequest
from local_node.review import RequestState, Resolution
from local_node.verbs.exchange import home_policy
from local_node.verbs.parameters import Params, Result
from local_node.verbs.spending import check_may_draw
from shared_schema.canonical import parse_strict
from shared_schema.period import parse_period
from shared_schema.service.control import VerbError
from shared_schema.statement import Kind

if TYPE_CHECKING:
    from local_node.figures import Ask

NEXT = {
    RequestState.REQUESTED: "another person decides: local-node release approve, resolve what was found, or refuse",
    RequestState.APPROVED: "it is signed and sent with the next sync: local-node sync",
    RequestState.HELD: "a rule holds it back; when that has changed: local-node release again",
}


def release_numbers(node: Node, params: Params) -> Result:
    """Ask for the release of one table and period, or of its correction."""
    from local_node import figures, noise, release

    with node.database.read() as session:
        ask = _ask(node, session, params)
        _, number = figures.check_rules(session, ask)  # a rule that is broken needs no hub to say so
    check_may_draw(node, params["table"], params["period"], number)
    with node.database.write() as session:
        request = release.request_numbers(
            session,
            ask.table_id,
            ask.period,
            params["by"],
            policy=ask.policy,
            area=node.area,
            expected_agencies=ask.expected_agencies,
            draw=noise.draw,
            now=ask.now,
            epsilon_milli=ask.epsilon_milli,
            correction=ask.correction,
            protection=ask.protection,
        )
        shown = shown_request(request_store.get_request(session, request.id))
        return shown | {"preview": asdict(figures.look_ahead(session, ask, is_asked=True))}


def release_preview(node: Node, params: Params) -> Result:
    """What a release would tell and cost, and what holds it back. Draws, charges and changes nothing."""
    from local_node import figures

    with node.database.read() as session:
        return asdict(figures.look_ahead(session, _ask(node, session, params)))


def _ask(node: Node, session: Session, params: Params) -> "Ask":
    """Raises VerbError, SchemaError (no period)."""
    from local_node.figures import Ask
    from local_node.protection import Protection

    epsilon_milli = params.get("epsilon_milli")
    if epsilon_milli is not None and type(epsilon_milli) is not int:
        raise VerbError("bad-parameter", "expected epsilon_milli as a whole number of thousandths")
    _, policy = home_policy(session)
    settings = node.settings
    return Ask(
        table_id=params["table"],
        period=parse_period(params["period"]),
        policy=policy,
        expected_agencies=settings.agencies_expected,
        now=node.clock(),
        protection=Protection(settings.protection, settings.threshold, settings.privacy_profile),
        correction=bool(params.get("correction", False)),
        epsilon_milli=epsilon_milli,
    )


def release_list(node: Node, _params: Params) -> Result:
    """All release requests, oldest first."""
    with node.database.read() as session:
        return {"requests": [_line(stored) for stored in request_store.list_requests(session)]}


def release_show(node: Node, params: Params) -> Result:
    """Everything about one request, with exactly what would leave."""
    with node.database.read() as session:
        return shown_request(request_store.get_request(session, params["request"]))


def release_approve(node: Node, params: Params) -> Result:
    """Approve as the second person."""
    from local_node import release, shares

    try:
        accepted = {int(number): str(reason) for number, reason in dict(params.get("accept") or {}).items()}
    except (TypeError, ValueError):
        raise VerbError("bad-parameter", "expected accept to give a reason for the number of a finding") from None
    with node.database.write() as session:
        is_share = request_store.get_request(session, params["request"]).request.kind is Kind.SHARE
        desk = shares.find_desk(session, node.sealed_rules) if is_share else None
        release.approve(session, params["request"], params["by"], accepted, node.clock(), params.get("seen"), desk=desk)
        return _line(request_store.get_request(session, params["request"])) | {"next": NEXT[RequestState.APPROVED]}


def release_resolve(node: Node, params: Params) -> Result:
    """Mask passages that were found, or put them in coarser words, as the second person."""
    chosen: dict[int, Resolution] = {}
    for resolution in Resolution:
        for number in params.get(resolution.value) or ():
            if type(number) is not int or number in chosen:
                raise VerbError("bad-parameter", "expected the number of a finding once, to mask or to coarsen")
            chosen[number] = resolution
    with node.database.write() as session:
        resolutions.resolve(
            session, params["request"], params["by"], chosen, node.local_lists(), node.clock(), params.get("seen")
        )
        return shown_request(request_store.get_request(session, params["request"]))


def release_recheck(node: Node, _params: Params) -> Result:
    """Look through released texts again that older rules have looked at."""
    with node.database.write() as session:
        rechecks = resolutions.recheck(session, node.local_lists, node.clock())
    return {
        "detector": DETECTOR,
        "looked_at": len(rechecks),
        "found": [
            {"request": each.request.id, "digest": each.digest, **found}
            for each in rechecks
            for found in shown_findings(free_texts(parse_strict(each.request.body)), each.findings)
        ],
    }


def release_refuse(node: Node, params: Params) -> Result:
    """Refuse with a reason, or take back what one asked for."""
    from local_node import release

    with node.database.write() as session:
        release.refuse(session, params["request"], params["by"], params["reason"], node.clock())
        return _line(request_store.get_request(session, params["request"]))


def release_again(node: Node, params: Params) -> Result:
    """Let a request that was held be decided anew."""
    from local_node import release

    with node.database.write() as session:
        release.ask_again(session, params["request"], params["by"], node.clock())
        return _line(request_store.get_request(session, params["request"]))


def _line(stored: StoredRequest) -> Result:
    request = stored.request
    return {
        "request": request.id,
        "kind": request.kind.value,
        "subject": stored.subject or str(parse_strict(request.body).get("title", "")),
        "audience": request.audience.value,
        "state": request.state.value,
        "by": request.requested_by,
        "findings": len(request.findings),
        "decided_by": stored.decided_by,
        "reason": stored.reason,
        "digest": stored.statement_digest,
    }


def shown_request(stored: StoredRequest) -> Result:
    """One request with exactly what would leave, and what comes next."""
    request = stored.request
    body = parse_strict(request.body)
    return _line(stored) | {
        "cells": [
            {"cell": code, "status": cell["status"], "value": cell.get("value")}
            for cell in body.get("cells", ())
            for code in cell["dims"].values()
        ],
        "body": body,
        "leaves": request.body.decode(),
        "seen": request.body_digest,
        "findings": shown_findings(free_texts(body), request.findings),
        "known_to": confidence.known_to(request),
        "next": NEXT.get(request.state),
    }


def shown_findings(texts: Mapping[str, str], findings: Sequence[Finding]) -> list[Result]:
    """Every finding with its passage, why it was made, and the coarser wording that is offered."""
    return [
        {
            "number": number,
            "field": finding.field,
            "passage": texts.get(finding.field, "")[finding.start : finding.end],
            "kind": finding.kind.value,
            "why": finding.why,
            "coarser": finding.coarser,
        }
        for number, finding in enumerate(findings)
    ]
