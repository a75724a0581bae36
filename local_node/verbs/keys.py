"""This node's own key: rotate it, ask for a new one when it is lost or stolen, and leave a hub."""

import base64
import secrets

from local_node import audit, hub_client, own_keys, withdrawals
from local_node.app import Node
from local_node.people import get_person
from local_node.verbs.parameters import PROGRAM, Params, Result
from local_node.verbs.withdrawals import take_back
from shared_schema.departure import LEAVE_KIND, LeaveRequest
from shared_schema.envelope import sign_payload
from shared_schema.governance import ENROLMENT_KIND, EnrolmentRequest
from shared_schema.keys import MemberRole, PublicKey, SigningKey
from shared_schema.names import format_time
from shared_schema.rotation import KeyRotation, sign_rotation
from shared_schema.service.control import VerbError

NONCE_BYTES = 18


def show_keys(node: Node, _params: Params) -> Result:
    """The key in use, and how far a change of it is."""
    with node.database.read() as session:
        change = own_keys.find_change(session)
        hubs = [hub for hub in hub_client.list_hubs(session) if hub.enrolled]
        shown = {hub.name: own_keys.load_directory(session, hub.pin) for hub in hubs}
    result: Result = {"fingerprint": node.key.public.fingerprint, "keyid": node.key.public.keyid}
    if node.head_cosigner is not None:
        result["cosigner"] = node.head_cosigner.verifier.vkey
    if change is None:
        return result | {"change": None}
    waiting = [name for name, directory in shown.items() if not own_keys.shows_key(directory, node.name, change.keyid)]
    return result | {
        "change": change.how.value,
        "new_keyid": change.keyid,
        "confirmed": sorted(set(shown) - set(waiting)),
        "waiting_for": waiting,
    }


def rotate(node: Node, _params: Params) -> Result:
    """Put a new key in the place of the one in use; every hub takes both for a month."""
    with node.database.read() as session:
        if own_keys.find_change(session) is not None:
            raise VerbError("key-change", "expected no other change of the key to be under way; see: keys status")
        if not any(hub.enrolled for hub in hub_client.list_hubs(session)):
            raise VerbError("not-a-member", "expected a hub whose member this node is")
    new = node.ring.make_next()
    rotation = KeyRotation(
        name=node.name,
        old_key=_encode(node.key.public),
        new_key=_encode(new.public),
        made_at=format_time(node.clock()),
        nonce=secrets.token_urlsafe(NONCE_BYTES),
    )
    signed = sign_rotation(rotation, old=node.key, new=new)
    with node.database.write() as session:
        own_keys.begin_rotation(session, signed, new.public.keyid, node.clock())
    problems = node.rounds.run().problems
    return show_keys(node, {}) | {
        "state": "changed" if node.key.public == new.public else "under way",
        "problems": [{"hub": hub, "problem": problem} for hub, problem in problems.items()],
    }


def replace(node: Node, params: Params) -> Result:
    """Ask a hub for a new key under the same name, with the one-time code that its operator made for that."""
    with node.database.read() as session:
        hub = hub_client.get_hub(session, params["hub"])
        directory = own_keys.load_directory(session, hub.pin)
    # The key in use is new already when its file was lost, or when another hub has taken it in place of the old one.
    is_known = directory.find_key(node.key.public.keyid) is not None
    key = node.ring.make_next() if is_known else node.key
    if is_known:
        with node.database.write() as session:
            own_keys.begin_replacement(session, key.public.keyid, node.clock())
    request = EnrolmentRequest.from_object(
        {
            "v": 1,
            "name": node.name,
            "role": MemberRole.NODE.value,
            "key": _encode(key.public),
            "area": node.area.to_object(),
            "code": str(params["code"]).strip().upper(),
        }
    )
    _ask(node, hub.url, key, sign_payload(ENROLMENT_KIND, request.to_bytes(), key).stored_bytes)
    with node.database.write() as session:
        audit.append(session, PROGRAM, "hub.asked-for-new-key", hub.name, node.clock())
    fingerprint = key.public.fingerprint
    return {
        "hub": hub.name,
        "state": "waiting",
        "fingerprint": fingerprint,
        "next": f"read this fingerprint out to the operator of {hub.name} over the telephone: {fingerprint}; then sync",
    }


def _ask(node: Node, url: str, key: SigningKey, envelope: bytes) -> None:
    with hub_client.connect(url, key, node.clock, node.transport) as api:
        api.request_enrolment(envelope)


STAYS = (
    "the entries of the hub's log: digests, kinds and times, never contents",
    "sums that were published with this city's figures in them, and what these have cost in privacy",
    "contents that were shared and not taken back, at everybody who has them: take back first what is to go",
    "the name, the last key and the highest number at the hub, so that nobody else can speak under this name",
)
ERASED = (
    "how far this node has read, and when it asked last",
    "its request to become a member, and codes that were made for it",
    "which items without a city's name were this city's; what waits of them is not published",
)


STAYS_AFTER_ALL = (
    *STAYS[:2],
    "what was withdrawn at those who have not read the withdrawal yet: the hubs hand it on, and nobody has to be asked",
    STAYS[3],
)


def _withdraw_all(node: Node, hub: str, params: Params) -> int:
    """Take back everything that was said at a hub, and wait for its receipts; how many items that were.

    An item is taken back from everybody, also where another hub has it. Raises VerbError while a receipt is missing:
    the node is a member still, and the same command goes on from there.
    """
    with node.database.write() as session:
        asked = {"by": get_person(session, str(params["by"])).id, "reason": params.get("reason", "other")}
        items = withdrawals.list_withdrawable(session, hub)
        for item in items:
            take_back(session, node, item, asked)
    node.rounds.run()
    with node.database.read() as session:
        missing = withdrawals.count_unconfirmed(session, hub) + len(withdrawals.list_withdrawable(session, hub))
    if missing:
        raise VerbError(
            "not-withdrawn",
            f"expected a receipt of {hub} for every withdrawal, {missing} are missing; nothing is shown here any more, "
            "and this node is a member still: run the same command again when the hub is reached",
        )
    return len(items)


def leave(node: Node, params: Params) -> Result:
    """Stop being a member of a hub; with `withdraw_all` everything that was said there is taken back first.

    Without `yes` it only says what that means.
    """
    with node.database.read() as session:
        hub = hub_client.get_hub(session, params["hub"])
        items = len(withdrawals.list_withdrawable(session, hub.name)) if params.get("withdraw_all") is True else None
    words: Result = {"stays": list(STAYS if items is None else STAYS_AFTER_ALL), "erased": list(ERASED)}
    if params.get("yes") is not True:
        words |= {} if items is None else {"to_withdraw": items}
        return {"hub": hub.name, "state": "member", **words, "next": f"to leave: local-node leave {hub.name} --yes"}
    if items is not None:
        words["withdrawn"] = _withdraw_all(node, hub.name, params)
    request = LeaveRequest(
        hub=hub.name,
        name=node.name,
        made_at=format_time(node.clock()),
        nonce=secrets.token_urlsafe(NONCE_BYTES),
    )
    envelope = sign_payload(LEAVE_KIND, request.to_bytes(), node.key)
    with hub_client.connect(hub.url, node.key, node.clock, node.transport) as api:
        api.leave(envelope.stored_bytes)
    with node.database.write() as session:
        hub_client.mark_enrolled(session, hub.name, enrolled=False)
        given_up = own_keys.give_up_waiting(session, hub.name)
        audit.append(session, PROGRAM, "hub.left", hub.name, node.clock())
    return {"hub": hub.name, "state": "left", "not_sent_any_more": given_up, **words}


def _encode(key: PublicKey) -> str:
    return base64.b64encode(key.raw).decode()
