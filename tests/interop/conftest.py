"""A hub of this process for programs of others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.regional_hub.running import EventLoop, Network, RunningHub


@pytest.fixture(scope="session")
def loop() -> Iterator[EventLoop]:
    with EventLoop() as running:
        yield running


@pytest.fixture
def hub(loop: EventLoop, tmp_path: Path) -> Iterator[RunningHub]:
    """A region's hub with an empty log but for its policy."""
    with RunningHub.start(Network(loop), loop, tmp_path / "hub") as running:
        yield running
