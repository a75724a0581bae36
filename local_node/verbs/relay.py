"""What this city has asked its home hub to relay: where it stands, who asks about it, and how it is taken back."""

import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import audit, confidence, hub_client, inbox, outbox, people
from local_node.app import Node
from local_node.errors import NodeError
from local_node.hub_client import PinnedHub
from local_node.orm import OutboxRow
from local_node.review import MAY_REVIEW
from local_node.rounds import NONCE_BYTES
from local_node.verbs.parameters import Params, Result
from local_node.web.presentation import title_of
from shared_schema.envelope import Envelope, parse_envelope
from shared_schema.relay import RelayRequest
from shared_schema.service.control import VerbError

REASONS = ("error", "consent", "outdated", "other")


def relay_list(node: Node, _params: Params) -> Result:
    """Ask the home hub where the city's own requests stand, and which questions it hands on."""
    with node.database.read() as session:
        hub = _home(session)
    with hub_client.connect(hub.url, node.key, node.clock, node.transport) as api:
        standing = api.relay_standing()
    with node.database.read() as session:
        return {
            "hub": hub.name,
            "items": [
                {"request": item.request, "kind": item.kind.value, "state": item.state, "relayed": item.relayed}
                for item in standing.items
            ],
            "questions": [
                {"question": each.question, "title": _title(session, each.question), "about": each.relayed}
                for each in standing.questions
            ],
        }


def relay_withdraw(node: Node, params: Params) -> Result:
    """Take back what was asked for in confidence. One person suffices: nothing leaves that a second would have to read.

    It goes with the next sync. What nobody has seen is erased at once, the rest when the hub's next window begins.
    """
    reason = str(params["reason"])
    if reason not in REASONS:
        raise VerbError("bad-parameter", f"expected one of {', '.join(REASONS)}")
    with node.database.write() as session:
        person = people.get_person(session, params["by"])
        if person.role not in MAY_REVIEW:
            raise NodeError(f"expected a reviewer or a coordinator, got a {person.role.value}", code="role")
        item, hub = _find_request(session, str(params["request"]))
        envelope = confidence.sign_withdrawal(
            item, reason, nonce=secrets.token_urlsafe(NONCE_BYTES), key=node.key, now=node.clock()
        )
        outbox.enqueue(session, envelope, confidence.NO_SEQ, [hub], node.clock())
        audit.append(session, person.id, "relay.withdrawn", item.digest, node.clock())
    return {"request": item.digest, "state": "waiting", "next": "it is sent with the next sync: local-node sync"}


def _home(session: Session) -> PinnedHub:
    """The hub to which things are said in confidence: the nearest one."""
    for hub in hub_client.nearest_first(hub_client.list_hubs(session)):
        if hub.enrolled:
            return hub
    raise VerbError("no-hub", "expected a hub of which this node is a member; see: local-node hub add")


def _title(session: Session, digest: str) -> str:
    item = inbox.find_item(session, digest)
    return "not read yet: local-node sync" if item is None else title_of(item)


def _find_request(session: Session, beginning: str) -> tuple[Envelope, str]:
    """The one request, other than a withdrawal, whose digest begins so, and its hub."""
    rows = session.scalars(
        select(OutboxRow).where(OutboxRow.seq == confidence.NO_SEQ, OutboxRow.digest.startswith(beginning.lower()))
    ).all()
    found = [(parse_envelope(row.envelope), row.hub) for row in rows]
    items = [(item, hub) for item, hub in found if RelayRequest.from_bytes(item.payload).withdrawal is None]
    if len(items) != 1 or len(beginning) < inbox.SHORT_DIGEST or not beginning.isalnum():
        raise VerbError(
            "not-found", "expected the digest of one request, or its first digits; see: local-node relay list"
        )
    return items[0]
