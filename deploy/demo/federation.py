"""Twelve processes: a national hub, two regional hubs, six city nodes, and three of small towns, each with its own
data directory and port.

Everything is done with the programs' own verbs over their control sockets, exactly as their command lines do it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from shared_schema.service.control import SOCKET_NAME, VerbError, ask

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
NATION = "bund.de"
SAXONY = "sachsen.de"
REGIONS = {SAXONY: "NUTS:2024:DED", "nrw.de": "NUTS:2024:DEA"}
OPERATORS = {NATION: "Bund", SAXONY: "Freistaat Sachsen", "nrw.de": "Land Nordrhein-Westfalen"}
"""Who runs each hub. A sealed total takes two of them."""
COORDINATOR, REVIEWER = "anna", "ben"
OPERATOR, ANALYST = "olga", "nils"
"""Who works with each node, and who with each hub."""
PASSWORD = "demo: late trains sing"
"""Of all of them: a demo's secret is printed for everybody to see."""
TIME_ZONE = "Europe/Berlin"
START_SECONDS = 180
"""Twelve Python programs start side by side, on two cores that may have other work."""
STOP_SECONDS = 15
POLL_SECONDS = 0.05
WORKERS = 6
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class DemoError(Exception):
    """The demo cannot go on; the message says where to look."""


@dataclass(frozen=True)
class City:
    """One city of `cities.json`, and which tables it has figures of."""

    city: str
    name: str
    display_name: str
    lau: str
    nuts1: str
    hub: str
    tables: Sequence[str]


def load_cities() -> list[City]:
    return [City(**item) for item in json.loads((HERE / "cities.json").read_text(encoding="utf-8"))]


def small_towns(places: Iterable[City]) -> list[City]:
    """Those that have no figures by offence: they read along, and hand in a sealed total."""
    return [place for place in places if "by_offence" not in place.tables]


@dataclass
class Program:
    """One process: a node or a hub."""

    package: str
    name: str
    data: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self, *arguments: str) -> None:
        """Run one command of the program's command line, for what needs no server yet."""
        line = [sys.executable, "-m", self.package, *arguments, "--data", str(self.data)]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise DemoError(f"{self.package} {arguments[0]} for {self.name}: {done.stderr.strip()[-500:]}")

    def start(self) -> None:
        with (self.data / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.package, "serve", "--data", str(self.data)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the demo, which then ends its processes in order
            )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                raise DemoError(f"{self.name} ended at its start; see {self.data / 'server.log'}")
            if (self.data / SOCKET_NAME).exists():
                try:
                    ask(self.data, "status", {})
                    return
                except (VerbError, OSError):
                    pass
            time.sleep(POLL_SECONDS)
        raise DemoError(f"{self.name} did not answer within {START_SECONDS} s; see {self.data / 'server.log'}")

    def ask(self, verb: str, **params: Any) -> dict[str, Any]:
        try:
            return ask(self.data, verb, params)
        except VerbError as error:
            raise DemoError(f"{self.name}: {verb}: {error.message}") from None

    def refusal(self, verb: str, /, **params: object) -> str | None:
        """The code with which it refuses; None when it does what it was asked."""
        try:
            ask(self.data, verb, params)
        except VerbError as error:
            return error.code
        return None

    def stop(self) -> None:
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass
class Federation:
    """All programs of the demo under one directory."""

    directory: Path
    hubs: dict[str, Program] = field(default_factory=dict)
    nodes: dict[str, Program] = field(default_factory=dict)
    places: list[City] = field(default_factory=load_cities)

    @property
    def towns(self) -> list[City]:
        return small_towns(self.places)

    @property
    def cities(self) -> list[City]:
        """Those that hand in figures of their own in every month of the story."""
        return [place for place in self.places if place not in self.towns]

    @property
    def programs(self) -> list[Program]:
        return [*self.hubs.values(), *self.nodes.values()]

    def prepare(self) -> None:
        """Choose ports and make the twelve data directories."""
        names = [NATION, *REGIONS, *(city.name for city in self.places)]
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        for name in (NATION, *REGIONS):
            self.hubs[name] = Program("regional_hub", name, self.directory / name, ports[name])
        for city in self.places:
            self.nodes[city.name] = Program("local_node", city.name, self.directory / city.name, ports[city.name])
        jobs: list[Callable[[], None]] = [lambda hub=hub: _init_hub(hub) for hub in self.hubs.values()]  # type: ignore[misc]
        jobs += [lambda city=city: _init_node(self.nodes[city.name], city) for city in self.places]  # type: ignore[misc]
        together(lambda job: job(), jobs)

    def start(self) -> None:
        for program in self.programs:
            program.start()
        together(Program.wait_until_ready, self.programs)
        together(_make_accounts, self.nodes.values())
        together(_make_hub_accounts, self.hubs.values())

    def stop(self) -> None:
        with ExitStack() as stack:  # every one is stopped, whatever happens to another
            for program in self.programs:
                stack.callback(program.stop)

    def connect(self) -> None:
        """Enrol the regional hubs at the nation and the cities at their hubs, with codes and typed fingerprints."""
        nation = self.hubs[NATION]
        for name in REGIONS:
            enrol_hub(self.hubs[name], nation)
        nation.ask("follow")
        for name in REGIONS:
            self.hubs[name].ask("follow")
        together(lambda place: enrol_node(self.nodes[place.name], self.hubs[place.hub]), self.places)

    def exchange(self) -> None:
        """One round: cities to their hubs, hubs to the nation, and everything back to the cities.

        Small towns have nothing to hand in, and read later what has come.
        """
        regions = [self.hubs[name] for name in REGIONS]
        together(lambda city: self.nodes[city.name].ask("sync"), self.cities)
        together(lambda hub: hub.ask("aggregate"), regions)
        self.hubs[NATION].ask("follow")
        self.hubs[NATION].ask("aggregate")
        together(lambda hub: hub.ask("follow"), regions)

    def exchange_words(self) -> None:
        """As `exchange`, but nothing is added up: for what is said in words."""
        regions = [self.hubs[name] for name in REGIONS]
        together(lambda node: node.ask("sync"), self.nodes.values())
        for hubs in (regions, [self.hubs[NATION]], regions):
            together(lambda hub: hub.ask("follow"), hubs)


def together(action: Callable[[Item], Outcome], items: Iterable[Item]) -> list[Outcome]:
    """Do the same for all items side by side; the first failure ends it."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(action, items))


def free_ports(count: int) -> list[int]:
    """Ports that are free now; all are held open until all are known, so that they differ."""
    with ExitStack() as stack:
        sockets: Sequence[socket.socket] = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _init_hub(hub: Program) -> None:
    level, area = ("nation", "ISO3166:2020:DE") if hub.name == NATION else ("region", REGIONS[hub.name])
    hub.data.mkdir(parents=True, exist_ok=True)
    hub.command(
        "init", "--name", hub.name, "--level", level, "--area", area, "--public-url", hub.url,
        "--port", str(hub.port), "--work-interval", "0", "--operator", OPERATORS[hub.name],
    )  # fmt: skip


def _init_node(node: Program, city: City) -> None:
    node.data.mkdir(parents=True, exist_ok=True)
    node.command(
        "init", "--name", city.name, "--display-name", city.display_name, "--lau", city.lau, "--port", str(node.port),
        "--coordinator", COORDINATOR, "--reviewer", REVIEWER, "--agencies", "1", "--time-zone", TIME_ZONE,
    )  # fmt: skip


def _make_accounts(node: Program) -> None:
    for person in (COORDINATOR, REVIEWER):
        node.ask("account.set", id=person, password=PASSWORD, administrates=person == COORDINATOR)


def _make_hub_accounts(hub: Program) -> None:
    """An operator sets a second factor up when signing in for the first time; an analyst needs none."""
    for person, role in ((OPERATOR, "operator"), (ANALYST, "analyst")):
        hub.ask("account.add", id=person, role=role, administrates=person == OPERATOR)
        hub.ask("account.set", id=person, password=PASSWORD)


def enrol_hub(hub: Program, nation: Program) -> None:
    code = nation.ask("enrol.code", name=hub.name)["code"]
    fingerprint = nation.ask("status")["fingerprint"]
    own = hub.ask("parent.add", url=nation.url, fingerprint=fingerprint, code=code)["fingerprint"]
    nation.ask("enrol.approve", name=hub.name, fingerprint=own)


def enrol_node(node: Program, hub: Program) -> None:
    code = hub.ask("enrol.code", name=node.name)["code"]
    fingerprint = hub.ask("status")["fingerprint"]
    node.ask("hub.add", url=hub.url, fingerprint=fingerprint)
    node.ask("hub.enrol", hub=hub.name, code=code)
    own = node.ask("status")["fingerprint"]
    hub.ask("enrol.approve", name=node.name, fingerprint=own)


def is_interactive() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
