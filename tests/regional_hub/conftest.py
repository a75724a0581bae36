"""Hubs for the tests of this folder, on both databases.

`hub` is a fresh one; `standing_hub` serves a whole module of tests that change nothing or do not mind each other.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from shared_schema.governance import Level
from tests import postgres
from tests.regional_hub.running import City, EventLoop, Network, RunningHub

HubStarter = Callable[..., RunningHub]


@pytest.fixture(scope="session")
def loop() -> Iterator[EventLoop]:
    with EventLoop() as running:
        yield running


@pytest.fixture
def network(loop: EventLoop) -> Network:
    return Network(loop)


@pytest.fixture
def hub(network: Network, loop: EventLoop, tmp_path: Path, hub_database_url: str) -> Iterator[RunningHub]:
    """A region's hub with the builders' policy; a test that asks for it runs on both databases."""
    with RunningHub.start(network, loop, tmp_path / "hub", hub_database_url) as running:
        yield running


@pytest.fixture
def city(hub: RunningHub) -> City:
    return hub.enrol("leipzig.sn.de")


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def standing_hub(
    request: pytest.FixtureRequest, loop: EventLoop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHub]:
    """A hub for all tests of a module."""
    with ExitStack() as stack:
        url: str | None = None
        if request.param == "postgres":
            server = make_url(request.getfixturevalue("postgres_url"))
            url = stack.enter_context(
                postgres.fresh_database(server, request.getfixturevalue("hub_template"))
            ).render_as_string(hide_password=False)
        folder = tmp_path_factory.mktemp("hub")
        yield stack.enter_context(RunningHub.start(Network(loop), loop, folder, url))


@pytest.fixture(scope="module")
def resident(standing_hub: RunningHub) -> City:
    """A member of the standing hub."""
    return standing_hub.enrol("leipzig.sn.de")


@pytest.fixture(scope="module")
def neighbour(standing_hub: RunningHub) -> City:
    """Another member of the standing hub."""
    return standing_hub.enrol("dresden.sn.de")


@pytest.fixture
def start_hub(network: Network, loop: EventLoop, tmp_path: Path) -> Iterator[HubStarter]:
    """Starts further hubs on SQLite, each with a directory and an address of its own."""
    ports = count(8701)
    with ExitStack() as stack:

        def start(name: str, level: Level = "region", **options: Any) -> RunningHub:
            place = tmp_path / name
            return stack.enter_context(
                RunningHub.start(network, loop, place, name=name, level=level, port=next(ports), **options)
            )

        yield start


@pytest.fixture
def region(start_hub: HubStarter) -> RunningHub:
    """A hub on SQLite alone: for rules that have nothing to do with the database."""
    return start_hub("sachsen.de")


@pytest.fixture
def town(region: RunningHub) -> City:
    return region.enrol("leipzig.sn.de")
