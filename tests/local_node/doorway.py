"""The node as one of the programs with a door."""

from dataclasses import dataclass, field
from typing import Any

from local_node import door as node_door
from local_node.app import Node
from shared_schema.service.accounts.door import Door
from shared_schema.service.database import Database
from tests.browsing import password_hash
from tests.hub_simulator import MovableClock
from tests.local_node.browsing import BASE, Browser


@dataclass
class NodeDoorway:
    """A node where Anna and Ben have accounts."""

    node: Node
    clock: MovableClock
    door: Door[Any] = field(default=node_door.door)
    origin: str = BASE
    page: str = "/inbox?show=all"

    def __post_init__(self) -> None:
        with self.database.write() as session:
            for person in ("anna", "ben"):
                node_door.accounts.make_account(session, person, person.title(), by="test", now=self.clock())
                node_door.accounts.keep_hash(session, person, password_hash(), by="test", now=self.clock())

    @property
    def database(self) -> Database:
        return self.node.database

    def browser(self, **cookies: str) -> Browser:
        return Browser(self.node, cookies=cookies)

    def signed_in(self, person: str) -> Browser:
        return self.browser().sign_in(person)
