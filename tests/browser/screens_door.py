"""Signing in, and what somebody sees who may not."""

from local_node import verbs
from local_node.app import Node
from tests.browser.screens import Furnished, Screen
from tests.hub_simulator import HubSimulator


def furnish(furnished: Furnished) -> None:
    """Make the node a member of its hub, so that the other parts have rules and tables to work with."""
    join(furnished.node, furnished.hub)


def join(node: Node, hub: HubSimulator) -> None:
    """As in tests/local_node: pin the hub, become its member, read its policy."""
    verbs.run(node, "hub.add", {"url": hub.url, "fingerprint": hub.verifier.key.fingerprint})
    hub.enrol(node.name, node.key.public)
    verbs.run(node, "sync", {})


SCREENS = [
    Screen("/sign-in", as_=None, shot="sign-in"),
    Screen("/", as_="anna", shot="today"),
]
