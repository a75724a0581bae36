"""Signing in to the node: what both programs promise of their doors."""

import pytest

from local_node.app import Node
from tests.door_promises import DoorPromises
from tests.hub_simulator import MovableClock
from tests.local_node.doorway import NodeDoorway


@pytest.fixture
def door(node: Node, clock: MovableClock) -> NodeDoorway:
    """The node's door."""
    return NodeDoorway(node, clock)


class TestTheDoorOfTheNode(DoorPromises):
    """See `DoorPromises`."""
