"""A node's database, and a hub that it has pinned, in one process."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from local_node import audit, hub_client, inbox, sync, verbs
from local_node.app import DATABASE_FILE, Node
from local_node.hub_client import PinnedHub
from local_node.inbox import InboxItem
from local_node.settings import load_settings, write_settings
from local_node.sync import Alarm, SyncReport
from shared_schema.governance import PolicyBody
from shared_schema.service.database import Database, upgrade_schema
from shared_schema.service.hub_api import HubApi, MemberState
from shared_schema.service.key_file import load_key, write_key
from shared_schema.trend import TableDefinition
from shared_schema.vocabulary import SourceKind
from tests.hub_simulator import Author, HubSimulator, MovableClock, seeded_key
from tests.local_node.browsing import give_back

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


PEOPLE = (("anna", "coordinator"), ("ben", "reviewer"))


@pytest.fixture
def node(data_dir: Path, hub: HubSimulator, clock: MovableClock) -> Iterator[Node]:
    """A node with a coordinator and a reviewer, whose network is the simulated hub."""
    opened = Node(data_dir, load_settings(data_dir), load_key(data_dir), clock, hub)
    for person, role in PEOPLE:
        verbs.run(opened, "people.add", {"id": person, "role": role})
    yield opened
    opened.close()
    give_back(opened)


@dataclass(frozen=True, slots=True)
class FirstRound:
    """What a first round left behind: the node's database, the hub's log, and what both remember of the round."""

    database: Path
    log: tuple[bytes, ...]
    vouched_at: int
    requests: tuple[str, ...]
    states: Mapping[str, MemberState]


FirstRounds = dict[tuple[bytes, str, datetime], FirstRound]


@pytest.fixture(scope="session")
def first_rounds() -> FirstRounds:
    """Those that were made in this process, by policy, settings and time."""
    return {}


@pytest.fixture
def member(
    node: Node,
    hub: HubSimulator,
    policy: PolicyBody,
    first_rounds: FirstRounds,
    tmp_path_factory: pytest.TempPathFactory,
) -> Node:
    """The same node, a member of the hub, whose policy it has read.

    Adding the hub and the first round are done once a process; from then on their database is copied for every hub
    whose log came out the same, where nothing else was stored before.
    """
    hub.enrol(LEIPZIG, node.key.public)
    hub.publish_policy(policy)
    log = tuple(entry.to_bytes() for entry in hub.entries)
    place = (policy.to_bytes(), node.settings.model_dump_json(), node.clock())
    with node.database.read() as session:
        is_untouched = len(audit.list_events(session)) == len(PEOPLE)
    known = first_rounds.get(place) if is_untouched else None
    if known is not None and known.log == log:
        node.database.close()  # it opens again by itself
        shutil.copy(known.database, node.data_dir / DATABASE_FILE)
        hub.vouched_at, hub.requests[:] = known.vouched_at, known.requests
        node.rounds._states.update(known.states)
        return node
    verbs.run(node, "hub.add", {"url": hub.url, "fingerprint": hub.verifier.key.fingerprint})
    verbs.run(node, "sync", {})
    if not is_untouched:
        return node
    node.database.close()
    kept = tmp_path_factory.mktemp("member") / DATABASE_FILE
    shutil.copy(node.data_dir / DATABASE_FILE, kept)
    first_rounds[place] = FirstRound(kept, log, hub.vouched_at, tuple(hub.requests), dict(node.rounds._states))
    return node
