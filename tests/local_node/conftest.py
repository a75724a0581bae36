"""A node's database, and a hub that it has pinned, in one process."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local_node import hub_client, inbox, sync, verbs
from local_node.app import DATABASE_FILE, Node
from local_node.hub_client import PinnedHub
from local_node.inbox import InboxItem
from local_node.settings import load_settings, write_settings
from local_node.sync import Alarm, SyncReport
from shared_schema.governance import PolicyBody
from shared_schema.service.database import Database, upgrade_schema
from shared_schema.service.hub_api import HubApi
from shared_schema.service.key_file import load_key, write_key
from shared_schema.trend import TableDefinition
from shared_schema.vocabulary import SourceKind
from tests.hub_simulator import Author, HubSimulator, MovableClock, seeded_key

LEIPZIG = "leipzig.sn.de"


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def hub(clock: MovableClock) -> HubSimulator:
    return HubSimulator("sachsen.de", clock=clock)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that every migration has gone through, to be copied: to run them takes a fifth of a second."""
    path = tmp_path_factory.mktemp("empty") / DATABASE_FILE
    made = Database(f"sqlite:///{path}")
    upgrade_schema(made, "local_node.migrations")
    made.close()
    return path


@pytest.fixture
def node_database(tmp_path: Path, empty_database: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{shutil.copy(empty_database, tmp_path / DATABASE_FILE)}")
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


@pytest.fixture
def policy() -> PolicyBody:
    """A table of two cells, by month, at epsilon 1."""
    table = TableDefinition(
        id="bias_incidents.by_offence",
        version=1,
        measure="bias_incidents",
        title="Bias incidents by offence",
        unit="record",
        dimension="offence",
        cells=("assault", "arson"),
        source_kinds=(SourceKind.AGENCY_RETURN,),
        granularities=("month",),
        epsilon_milli=1000,
    )
    return PolicyBody(
        version=1,
        vocabulary_version=1,
        tables=(table,),
        epsilon_milli_per_measure=2000,
        epsilon_milli_total=4000,
        min_contributors=3,
    )


SETTINGS: dict[str, str | int] = {
    "name": LEIPZIG,
    "display_name": "Leipzig",
    "area_code": "14713000",
    "port": 8600,
    "sync_interval_seconds": 0,
}


@pytest.fixture
def data_dir(tmp_path: Path, empty_database: Path) -> Path:
    """The data directory of a node that was made a moment ago."""
    directory = tmp_path / "node"
    directory.mkdir()
    shutil.copy(empty_database, directory / DATABASE_FILE)
    write_settings(directory, SETTINGS)
    write_key(directory, seeded_key(LEIPZIG))
    return directory


@pytest.fixture
def node(data_dir: Path, hub: HubSimulator, clock: MovableClock) -> Iterator[Node]:
    """A node with a coordinator and a reviewer, whose network is the simulated hub."""
    opened = Node(data_dir, load_settings(data_dir), load_key(data_dir), clock, hub)
    for person, role in (("anna", "coordinator"), ("ben", "reviewer")):
        verbs.run(opened, "people.add", {"id": person, "role": role})
    yield opened
    opened.close()


@pytest.fixture
def member(node: Node, hub: HubSimulator, policy: PolicyBody) -> Node:
    """The same node, a member of the hub, whose policy it has read."""
    verbs.run(node, "hub.add", {"url": hub.url, "fingerprint": hub.verifier.key.fingerprint})
    hub.enrol(LEIPZIG, node.key.public)
    hub.publish_policy(policy)
    verbs.run(node, "sync", {})
    return node
