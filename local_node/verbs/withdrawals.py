"""Taking back what this city has said, and who has confirmed it."""

import json
import secrets
from contextlib import suppress
from pathlib import Path

from sqlalchemy.orm import Session

from local_node import asking, draft_store, exports, request_store, withdrawals
from local_node.app import Node
from local_node.rounds import NONCE_BYTES
from local_node.verbs import relay
from local_node.verbs.parameters import Params, Result
from local_node.withdrawals import OwnItem, TakenBack, WithdrawalError
from local_node.writing import fields_of
from shared_schema.service.hub_api import HubRefused, HubUnreachable


def withdraw(node: Node, params: Params) -> Result:
    """Take an own item back from everybody, or from those beyond an audience.

    With `keep` its text goes into a new file, with `as_draft` into a draft of this person.
    """
    to = params.get("to")
    path = None if params.get("keep") is None else Path(str(params["keep"]))
    digest = _digest_of(node, str(params["digest"]))
    with node.database.read() as session:
        item = withdrawals.find_own(session, digest)
        draft = None if path is None else withdrawals.draft_of(request_store.find_by_digest(session, item.digest), item)
    if path is not None and draft is not None:
        withdrawals.write_new(path, draft)  # before anything is erased
    try:
        with node.database.write() as session:
            item = withdrawals.find_own(session, digest)
            kept = {} if path is None else {"draft": str(path)}
            if params.get("as_draft"):
                kept = {"draft": _keep_as_draft(session, node, item, str(params["by"]))}
            return take_back(session, node, item, params, to) | kept
    except BaseException:
        if path is not None:
            with suppress(OSError):
                path.unlink()
        raise


def _keep_as_draft(session: Session, node: Node, item: OwnItem, person: str) -> str:
    """The text as a draft in the node, before it is erased; its id."""
    stored = request_store.find_by_digest(session, item.digest)
    body = json.loads(withdrawals.draft_of(stored, item))
    draft = draft_store.begin(
        session,
        form_key=secrets.token_urlsafe(NONCE_BYTES),
        kind=item.kind,
        fields=fields_of(item.kind, body),
        audience=item.audience,
        writer=asking.writer_of(session, person),
        others=() if stored is None else stored.request.authors,
        now=node.clock(),
    )
    return draft.id


def take_back(session: Session, node: Node, item: OwnItem, params: Params, to: str | None = None) -> Result:
    """Take an item back in the caller's transaction, and say what that did."""
    done = withdrawals.take_back(
        session,
        item,
        by=str(params["by"]),
        reason=str(params["reason"]),
        to=to,
        key=node.key,
        nonce=secrets.token_urlsafe(NONCE_BYTES),
        now=node.clock(),
    )
    cleaned, left = exports.take_out(session, item.digest) if done.erased else ((), ())
    return {
        "digest": item.digest,
        "kind": item.kind.value,
        "state": _state_of(done),
        "narrowed_to": to,
        "exports_cleaned": list(cleaned),
        "exports_to_delete": list(left),
        "next": _next(done),
    }


def _state_of(done: TakenBack) -> str:
    if done.removed:
        return "removed"
    return "waiting" if done.asked else "erased"


def _next(done: TakenBack) -> str:
    if done.removed:
        return "it was never sent: nobody has it, and there is nothing to take back"
    if not done.asked:
        return "no hub took it: nobody has it, and there is nothing to take back"
    return "it is sent with the next sync: local-node sync; who has confirmed: local-node recall status"


def _digest_of(node: Node, beginning: str) -> str:
    """The digest of the own item; of a relayed item the request behind it, which the home hub knows."""
    with node.database.read() as session:
        try:
            return withdrawals.find_own(session, beginning).digest
        except WithdrawalError as error:
            own_error = error
    if own_error.code == "not-own":
        raise own_error
    with suppress(HubUnreachable, HubRefused):
        for item in relay.relay_list(node, {})["items"]:
            if item["relayed"] is not None and item["relayed"].startswith(beginning.lower()):
                return str(item["request"])
    raise own_error
