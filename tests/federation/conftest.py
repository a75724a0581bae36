"""Real processes for the tests of the whole path; they are the demo's own, each ended by its own process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.demo.federation import Program, free_ports, together
from tests.regional_hub.running import EventLoop


class Processes:
    """Makes nodes and hubs in a test's directory and ends them with the test."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack

    def make_hub(self, name: str, *, level: str = "region", public_url: str | None = None) -> Program:
        hub = self._program("regional_hub", name)
        hub.command(
            "init", "--name", name, "--level", level, "--area", "NUTS:2024:DED", "--public-url", public_url or hub.url,
            "--port", str(hub.port), "--work-interval", "0",
        )  # fmt: skip
        return self.start(hub)

    def make_node(self, name: str, *, agencies: int = 1, lau: str = "14713000") -> Program:
        node = self._program("local_node", name)
        node.command(
            "init", "--name", name, "--display-name", name.partition(".")[0].title(), "--lau", lau,
            "--port", str(node.port), "--coordinator", "anna", "--reviewer", "ben", "--agencies", str(agencies),
        )  # fmt: skip
        return self.start(node)

    def make_all(self, *makers: Callable[["Processes"], Program]) -> list[Program]:
        """Make several side by side: most of the time goes into starting Python."""
        return together(lambda make: make(self), makers)

    def start(self, program: Program) -> Program:
        program.start()
        self._stack.callback(program.stop)
        program.wait_until_ready()
        return program

    def _program(self, package: str, name: str) -> Program:
        data = self._directory / name
        data.mkdir()
        return Program(package, name, data, free_ports(1)[0])


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with ExitStack() as stack:
        yield Processes(tmp_path, stack)


@pytest.fixture(scope="session")
def loop() -> Iterator[EventLoop]:
    """The event loop of all hubs in this process."""
    with EventLoop() as running:
        yield running
