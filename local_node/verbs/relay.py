"""What this city has asked its home hub to relay: where it stands, who asks about it, and how it is taken back."""

import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import confidence, hub_client, inbox, withdrawals
from local_node.app import Node
from local_node.hub_client import PinnedHub
from local_node.orm import OutboxRow
from local_node.rounds import NONCE_BYTES
from local_node.verbs.parameters import Params, Result
from local_node.web.presentation import title_of
from local_node.withdrawals import OwnItem
from shared_schema.service.control import VerbError
from shared_schema.statement import Kind


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
    if reason not in withdrawals.REASONS:
        raise VerbError("bad-parameter", f"expected one of {', '.join(withdrawals.REASONS)}")
    with node.database.write() as session:
        item = _find_request(session, str(params["request"]))
        done = withdrawals.take_back(
            session,
            item,
            by=str(params["by"]),
            reason=reason,
            to=None,
            key=node.key,
            nonce=secrets.token_urlsafe(NONCE_BYTES),
            now=node.clock(),
        )
    if done.removed:
        return {"request": item.digest, "state": "removed", "next": "it was never sent: there is nothing to take back"}
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


def _find_request(session: Session, beginning: str) -> OwnItem:
    """The one request, other than a withdrawal, whose digest begins so."""
    rows = session.scalars(
        select(OutboxRow).where(OutboxRow.seq == confidence.NO_SEQ, OutboxRow.digest.startswith(beginning.lower()))
    ).all()
    items = [item for row in rows if (item := withdrawals.find_own(session, row.digest)).kind is not Kind.WITHDRAWAL]
    if len(items) != 1 or len(beginning) < inbox.SHORT_DIGEST or not beginning.isalnum():
        raise VerbError(
            "not-found", "expected the digest of one request, or its first digits; see: local-node relay list"
        )
    return items[0]
