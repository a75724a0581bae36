"""One city for the measurements of disclosure control: a real data directory with a hub's signed policy in force.

The directory is made once with the node's own verbs (pin the hub, sync, people) and copied for every node after that,
so a fresh node costs a copy of a file. The hub is the tests' simulator: real keys, signatures and proofs, no network.

    with workshop() as directory:
        template = make_template(directory, policy)
        with template.open(directory / "first") as city:
            city.run("release.numbers", table=..., period="2020-01")
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import httpx

from local_node import verbs
from local_node.app import DATABASE_FILE, Node
from local_node.rounds import Rounds
from local_node.settings import load_settings, write_settings
from shared_schema.governance import PolicyBody
from shared_schema.service.database import Database
from shared_schema.service.key_file import load_key, write_key
from shared_schema.trend import TableDefinition
from tests.hub_simulator import HubSimulator, MovableClock, seeded_key

NAME = "leipzig.sn.de"
HUBS = ("sachsen.de", "thueringen.de")
MEASURE = "first_contacts"
COORDINATOR, REVIEWER, AGENCY = "anna", "ben", "youth"
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
EPSILONS = {"phenomenon": 1000, "agency": 500, "age": 500}
"""The default division of 2.0 among the tables of a measure (DESIGN section 4), in thousandths."""
FAST_STORAGE = Path("/dev/shm")
PROCESSES = 2
"""That measure side by side: as many as the machine that the bars are for has cores."""
FILE_REFERENCE = "reference"
Unit = Literal["record", "person"]


def make_policy(
    cells: int,
    *,
    unit: Unit = "record",
    granularities: Sequence[str] = ("month",),
    measures: Sequence[str] = (MEASURE,),
) -> PolicyBody:
    """Measures with three one-way tables of `cells` cells each: 1.0 + 0.5 + 0.5."""
    tables = [
        TableDefinition.from_object(
            {
                "id": f"{measure}.by_{dimension}",
                "version": 1,
                "measure": measure,
                "title": f"{measure} by {dimension}",
                "unit": unit,
                "dimension": dimension,
                "cells": cell_codes(cells),
                "source_kinds": ["agency_return"],
                "granularities": list(granularities),
                "epsilon_milli": epsilon,
            }
        )
        for measure in measures
        for dimension, epsilon in EPSILONS.items()
    ]
    return PolicyBody.from_object(
        {
            "version": 1,
            "vocabulary_version": 1,
            "tables": [table.to_object() for table in tables],
            "measures": [
                {"id": measure, "title": measure, "unit": unit, "source_kinds": ["agency_return"]}
                for measure in measures
            ],
            "epsilon_milli_per_measure": sum(EPSILONS.values()),
            "epsilon_milli_total": 4000,
            "min_contributors": 3,
        }
    )


def months_from(year: int, count: int) -> list[str]:
    """The labels of `count` months from January of `year` on."""
    return [f"{year + place // 12}-{place % 12 + 1:02d}" for place in range(count)]


def cell_codes(cells: int) -> list[str]:
    """The codes of a grid; they mean nothing."""
    return [f"c{place:02d}" for place in range(cells)]


def events_mapping(*, measure: str = MEASURE, unit: Unit = "record") -> str:
    """The mapping of a file of events with one column per dimension."""
    lines = ['kind = "events"', f'measure = "{measure}"']
    if unit == "person":
        lines.append(f'unit_column = "{FILE_REFERENCE}"')
    return "\n".join([*lines, "[dimensions]", *(f'{name} = {{ column = "{name}" }}' for name in EPSILONS)]) + "\n"


def events_file(rows: Sequence[Sequence[str]], *, unit: Unit = "record") -> str:
    """A CSV file; each row has a date, a code per dimension and, where persons count, a file reference."""
    header = ["date", *EPSILONS, *([FILE_REFERENCE] if unit == "person" else [])]
    return "\n".join(",".join(row) for row in (header, *rows)) + "\n"


class Network(httpx.BaseTransport):
    """Hubs by the port of their address."""

    def __init__(self, hubs: Sequence[HubSimulator]) -> None:
        self._hubs = {httpx.URL(hub.url).port: hub for hub in hubs}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._hubs[request.url.port].handle_request(request)


@dataclass
class City:
    """A node with its directory and its hubs; `run` runs a verb as the command line does."""

    node: Node
    directory: Path
    hubs: tuple[HubSimulator, ...]
    _files: Iterator[int] = field(default_factory=itertools.count)

    def run(self, verb: str, **params: Any) -> dict[str, Any]:
        return verbs.run(self.node, verb, {"by": COORDINATOR, **params})

    def import_events(
        self,
        rows: Sequence[Sequence[str]],
        periods: Sequence[str],
        *,
        measure: str = MEASURE,
        unit: Unit = "record",
        agency: str = AGENCY,
        **options: object,
    ) -> dict[str, Any]:
        """Import a file of events that covers `periods`."""
        file = self.write(events_file(rows, unit=unit), "csv")
        mapping = self.write(events_mapping(measure=measure, unit=unit), "toml")
        return self.run("import", file=str(file), mapping=str(mapping), agency=agency, periods=list(periods), **options)

    def restart(self, content: bytes | None = None, **settings: object) -> None:
        """Start the program anew; with `content` on an older copy of its database, with `settings` on changed ones."""
        self.node.database.close()
        path = self.directory / DATABASE_FILE
        if content is not None:
            for stale in self.directory.glob(f"{DATABASE_FILE}*"):
                stale.unlink()
            path.write_bytes(content)
        node = self.node
        node.settings = node.settings.model_copy(update=settings)
        node.database = Database(f"sqlite:///{path.resolve()}")
        node.rounds = Rounds(node.database, node.name, node.ring, node.clock, node.transport)

    def copy_database(self) -> bytes:
        """The database as a backup would hold it."""
        self.restart()  # the last connection that closes writes the log back into the one file
        return (self.directory / DATABASE_FILE).read_bytes()

    def write(self, text: str, ending: str) -> Path:
        """A file for a verb to read."""
        path = self.directory / f"file{next(self._files)}.{ending}"
        path.write_text(text, encoding="utf-8")
        return path

    def release(self, table_id: str, period: str) -> dict[str, Any]:
        """Ask for a release with the verb; the answer shows the body that would be signed."""
        return self.run("release.numbers", table=table_id, period=period)


@dataclass(frozen=True)
class Template:
    """A data directory to copy, and the state of its hubs."""

    directory: Path
    hubs: tuple[HubSimulator, ...]
    clock: MovableClock

    @contextmanager
    def open(self, directory: Path) -> Iterator[City]:
        """A fresh node at `directory`, whose hubs remember nothing of the other copies."""
        shutil.copytree(self.directory, directory)
        hubs = self.fresh_hubs()
        node = Node(directory, load_settings(directory), load_key(directory), self.clock, Network(hubs))
        try:
            yield City(node, directory, hubs)
        finally:
            node.close()

    def reset(self, city: City) -> None:
        """Make a used city a fresh one again; cheaper than to open another one."""
        city.hubs = self.fresh_hubs()
        city.node.transport = Network(city.hubs)
        city.restart((self.directory / DATABASE_FILE).read_bytes(), **dict(load_settings(self.directory)))

    def fresh_hubs(self) -> tuple[HubSimulator, ...]:
        return tuple(map(_copy_of, self.hubs))


def make_template(directory: Path, policy: PolicyBody, *, hubs: int = 1) -> Template:
    """Make a node with its own verbs: people, pinned hubs, and the hubs' signed policy read from their logs."""
    clock = MovableClock(NOW)
    simulated = tuple(_make_hub(place, clock) for place in range(hubs))
    place = directory / "template"
    place.mkdir()
    settings: dict[str, str | int] = {
        "name": NAME, "display_name": "Leipzig", "area_code": "14713000", "sync_interval_seconds": 0,
    }  # fmt: skip
    write_settings(place, settings)
    write_key(place, seeded_key(NAME))
    node = Node(place, load_settings(place), load_key(place), clock, Network(simulated))
    for person, role in ((COORDINATOR, "coordinator"), (REVIEWER, "reviewer")):
        verbs.run(node, "people.add", {"id": person, "role": role})
    for hub in simulated:
        verbs.run(node, "hub.add", {"url": hub.url, "fingerprint": hub.verifier.key.fingerprint})
        hub.enrol(NAME, node.key.public)
        hub.publish_policy(policy)
    verbs.run(node, "sync", {})
    node.close()  # the last connection writes the log back into the one file
    return Template(place, simulated, clock)


def _make_hub(place: int, clock: MovableClock) -> HubSimulator:
    hub = HubSimulator(HUBS[place], clock=clock)
    hub.url = f"http://127.0.0.1:{65535 - place}"
    return hub


def _copy_of(hub: HubSimulator) -> HubSimulator:
    """The same hub as it is now; what one copy logs, the other does not know."""
    other = copy(hub)
    for name, value in vars(hub).items():
        if isinstance(value, (list, dict, set)):
            setattr(other, name, copy(value))
    return other


@contextmanager
def workshop() -> Iterator[Path]:
    """A directory for many short-lived nodes, in memory where the machine has such a place."""
    place = FAST_STORAGE if os.access(FAST_STORAGE, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="pe-bench-", dir=place) as name:
        yield Path(name)
