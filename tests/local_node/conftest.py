"""A node's database, and a hub that it has pinned, in one process."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local_node import hub_client, inbox, sync
from local_node.hub_client import PinnedHub
from local_node.inbox import InboxItem
from local_node.sync import Alarm, SyncReport
from shared_schema.service.database import Database, upgrade_schema
from shared_schema.service.hub_api import HubApi
from tests.hub_simulator import Author, HubSimulator, MovableClock, seeded_key

LEIPZIG = "leipzig.sn.de"


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def hub(clock: MovableClock) -> HubSimulator:
    return HubSimulator("sachsen.de", clock=clock)


@pytest.fixture
def node_database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'node.db'}")
    upgrade_schema(opened, "local_node.migrations")
    yield opened
    opened.close()


@dataclass
class Leipzig:
    """A node that has pinned the simulated hub and is enrolled there."""

    database: Database
    hub: HubSimulator
    clock: MovableClock
    author: Author
    api: HubApi
    pinned: PinnedHub

    def pull(self) -> SyncReport:
        return sync.pull(self.database, self.pinned, self.api, self.clock)

    def push(self, *, patient: bool = True) -> SyncReport:
        return sync.push(self.database, self.pinned, self.api, self.clock, patient=patient)

    def items(self) -> dict[str, InboxItem]:
        with self.database.read() as session:
            return {item.digest: item for item in inbox.list_items(session)}

    def alarms(self, *, only_open: bool = True) -> tuple[Alarm, ...]:
        with self.database.read() as session:
            return sync.list_alarms(session, only_open=only_open)


@pytest.fixture
def leipzig(node_database: Database, hub: HubSimulator, clock: MovableClock) -> Iterator[Leipzig]:
    author = Author(LEIPZIG, seeded_key(LEIPZIG), clock)
    hub.enrol(LEIPZIG, author.key.public)
    with HubApi(hub.url, author.key, clock, hub) as api:
        with node_database.write() as session:
            pinned = hub_client.pin_hub(session, hub.url, api.identity(), hub.verifier.key.fingerprint, clock())
        yield Leipzig(node_database, hub, clock, author, api, pinned)
