"""Where else the node asks about its hubs' logs, and what it keeps against them."""

from local_node import audit, hub_client, watch
from local_node.app import Node
from local_node.verbs.parameters import PROGRAM, Params, Result
from shared_schema.canonical import parse_strict
from shared_schema.names import format_time


def ask_elsewhere(node: Node, params: Params) -> Result:
    """Ask at another place which head of a hub is known there; without an address, nowhere."""
    url = params.get("url")
    if url is not None:
        url = hub_client.check_address(str(url), allow_private=node.settings.allow_private_hubs)
    with node.database.write() as session:
        hub = hub_client.ask_elsewhere(session, str(params["hub"]), url)
        audit.append(session, PROGRAM, "hub.cross-check" if url else "hub.no-cross-check", hub.name, node.clock())
    return {"hub": hub.name, "elsewhere": hub.elsewhere}


def list_evidence(node: Node, _params: Params) -> Result:
    """What was kept."""
    with node.database.read() as session:
        return {
            "evidence": [
                {
                    "id": item.digest,
                    "about": item.hub,
                    "code": item.code,
                    "proven": item.proven,
                    "since": format_time(item.since),
                }
                for item in watch.list_evidence(session)
            ]
        }


def export_evidence(node: Node, params: Params) -> Result:
    """One piece of evidence as a file that others can check: `{"file": ...}`."""
    with node.database.read() as session:
        item = watch.get_evidence(session, str(params["id"]))
    return {"id": item.digest, "file": parse_strict(item.body.encode())}
