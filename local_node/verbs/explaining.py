"""Why an item is not where somebody expects it, who has confirmed what was taken back, and what was set aside."""

import re
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import (
    explain,
    hub_client,
    hub_place,
    inbox,
    item_store,
    recalls,
    request_store,
    search_index,
    withdrawals,
)
from local_node.app import Node
from local_node.orm import EvidenceRow, InboxRow, OutboxRow, WithdrawalRow
from local_node.review import RequestState
from local_node.verbs.parameters import Params, Result
from shared_schema.explain import Explanation, Place, to_do_about
from shared_schema.names import format_time
from shared_schema.recall import in_words
from shared_schema.service.control import VerbError
from shared_schema.service.hub_api import HubRefused, HubUnreachable

_REQUEST = re.compile(r"r[0-9]{1,9}")
WHOLE_DIGEST = 64


def explain_item(node: Node, params: Params) -> Result:
    """Where an item is: on this node, and what its hubs say. The first answer is the one that counts here."""
    given, member = str(params["digest"]).lower(), params.get("member")
    with node.database.read() as session:
        if _REQUEST.fullmatch(given):
            stored = request_store.get_request(session, given)
            if stored.statement_digest is None or stored.request.state is RequestState.REFUSED:
                return _answer(explain.explain_request(node.name, stored, node.clock()), [])
            given = stored.statement_digest
        digest = _complete(session, given)
        here = explain.explain_here(session, node.name, digest)
        hubs = hub_client.nearest_first(hub_client.list_hubs(session))
    said: list[Explanation | tuple[str, str]] = []
    for hub in hubs:
        try:
            with hub_client.connect(hub.url, node.key, node.clock, node.transport) as api:
                said.append(api.explain(digest, member))
        except (HubUnreachable, HubRefused) as error:
            said.append((hub.name, error.message))
    return _answer(here, said)


def _answer(here: Explanation, said: list[Explanation | tuple[str, str]]) -> Result:
    verdict = here
    if here.place is Place.UNKNOWN:  # the nearest hub that knows more says why it is not here
        for each in said:
            if isinstance(each, Explanation) and each.place is not Place.UNKNOWN:
                own = next((one for one in each.receivers if one.name == here.by), None)
                verdict = each if own is None else each.model_copy(update=own.model_dump(exclude={"name"}))
                break
    return {
        "digest": here.digest,
        "place": verdict.place.value,
        "since": verdict.since,
        "reason": verdict.reason,
        "sentence": verdict.sentence,
        "to_do": verdict.to_do,
        "hubs": [_hub_line(each) for each in said],
        "receivers": [
            {"hub": each.by} | receiver.to_object()
            for each in said
            if isinstance(each, Explanation)
            for receiver in each.receivers
        ],
    }


def _hub_line(said: Explanation | tuple[str, str]) -> Result:
    if isinstance(said, Explanation):
        return {"hub": said.by, "place": said.place.value, "sentence": said.sentence, "to_do": said.to_do}
    return {"hub": said[0], "place": "no answer", "sentence": said[1], "to_do": "try again later"}


def _complete(session: Session, beginning: str) -> str:
    """The whole digest; one of which this node knows nothing has to be given whole."""
    if not beginning.isalnum() or len(beginning) < inbox.SHORT_DIGEST:
        raise VerbError("not-found", "expected a request such as r1, or a digest, or its first eight digits")
    known: set[str] = set()
    for column in (InboxRow.digest, OutboxRow.digest):
        known |= set(session.scalars(select(column).where(column.startswith(beginning)).limit(2)))
    if len(known) == 1:
        return known.pop()
    if len(beginning) == WHOLE_DIGEST and not known:
        return beginning
    raise VerbError("not-found", "expected the digest of one item that is known here, or a whole digest")


def recall_status(node: Node, params: Params) -> Result:
    """What was taken back, and how many have confirmed it, as the hubs said with the last sync."""
    wanted = str(params.get("digest") or "").lower()
    with node.database.read() as session:
        rows = [row for row in withdrawals.list_own(session) if row.item.startswith(wanted)]
        lines = []
        for row in rows:
            said = None if row.digest is None else recalls.tally_of(session, row.digest)
            line: dict[str, Any] = {
                "item": row.item,
                "kind": row.kind,
                "reason": row.reason,
                "narrowed_to": row.narrow_to,
                "since": format_time(row.asked_at),
                "status": _status(row) if said is None else in_words(said[0]),
                "asked_at": None if said is None else format_time(said[1]),
            }
            if said is not None:
                tally = said[0]
                line |= {"holders": tally.holders, "confirmed": tally.confirmed, "unreachable": tally.unreachable}
                line |= {"unheard": tally.unheard, "late": ", ".join(tally.late)}
            lines.append(line)
    if wanted and not lines:
        raise VerbError("not-found", "expected the digest of an item that this city took back, or its first digits")
    return {"recalls": lines}


def _status(row: WithdrawalRow) -> str:
    if not row.is_open:
        return "no hub had it"
    if row.in_confidence:
        return "the hub takes it back in its own name; see: local-node relay list"
    return "it is sent with the next sync" if row.digest is None else "no hub has said anything yet"


def quarantine_list(node: Node, _params: Params) -> Result:
    """What could not be verified, and two contents for one number of an author."""
    with node.database.read() as session:
        rows = session.scalars(
            select(InboxRow)
            .where(InboxRow.state == inbox.InboxState.QUARANTINED.value)
            .order_by(InboxRow.hub, InboxRow.log_index)
        ).all()
        evidence = session.scalars(select(EvidenceRow).order_by(EvidenceRow.since, EvidenceRow.digest)).all()
        return {
            "items": [
                {
                    "hub": row.hub,
                    "entry": row.log_index,
                    "kind": row.kind,
                    "says_it_is_by": row.origin,
                    "code": row.reason,
                    "since": format_time(row.received_at),
                    "digest": row.digest,
                    "to_do": to_do_about(row.reason or ""),
                }
                for row in rows
            ],
            "evidence": [
                {
                    "origin": row.origin,
                    "seq": row.seq,
                    "first": row.known_digest,
                    "second": row.digest,
                    "hub": row.hub,
                    "since": format_time(row.since),
                }
                for row in evidence
            ],
        }


def quarantine_retry(node: Node, _params: Params) -> Result:
    """Try everything once more that was set aside: the directory may have grown, or this program be newer."""
    accepted = 0
    with node.database.read() as session:
        hubs = hub_client.list_hubs(session)
    for hub in hubs:
        with node.database.write() as session:
            trust = hub_place.load_trust(session, hub.pin)
            report = item_store.retry_all(session, hub.name, trust)
            if report.erased:
                search_index.compact(session)
        accepted += report.accepted
    with node.database.read() as session:
        left = session.scalars(
            select(InboxRow.digest).where(InboxRow.state == inbox.InboxState.QUARANTINED.value)
        ).all()
    return {"released": accepted, "left": len(left)}
