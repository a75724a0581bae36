"""Hubs on several levels and the cities below them, all real and in one process; and a search through all their files.

with Federation.start(tmp_path, loop) as federation:
    nation = federation.hub("bund.de", "nation")
    saxony = federation.hub("sachsen.de", "region", parent=nation)
    leipzig = federation.city("leipzig.sn.de", saxony)
    digest = leipzig.release("practice", DRAFT)
    federation.round()
"""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from local_node import verbs as node_verbs
from local_node.app import Node
from local_node.settings import load_settings, write_settings
from shared_schema.governance import Level
from shared_schema.service.key_file import load_key, write_key
from tests.regional_hub.running import Clock, EventLoop, Network, RunningHub, join, key_of

DRAFT: dict[str, Any] = {
    "title": "Abendrunde am Flussufer",
    "summary": "Zwei Kolleginnen luden zum Kanusport ein. Niemand blieb laenger als drei Wochen.",
    "phenomenon": ["RWE"],
    "prevention_level": "primary",
    "agencies": [{"type": "youth", "role": "deliver"}],
    "outcome": "no_effect",
    "lessons": "Wir wuerden zuerst die Jugendlichen nach dem Ufer befragen.",
    "language": "de",
}
WORDS = ("Abendrunde", "Kanusport", "nach dem Ufer befragen")
"""Found in DRAFT and nowhere else in the federation."""


@dataclass
class TestCity:
    """A node with two people that is a member of one hub."""

    __test__ = False
    node: Node
    hub: RunningHub

    def verb(self, verb: str, /, **params: object) -> dict[str, Any]:
        return node_verbs.run(self.node, verb, params)

    def ask(self, kind: str = "practice", draft: Mapping[str, Any] = DRAFT, **params: object) -> str:
        """Ask for a release and approve it as the second person; the request's id."""
        file = self.node.data_dir.parent / f"{self.node.name}.draft.json"
        file.write_text(json.dumps(draft))
        shown = self.verb("release.words", kind=kind, file=str(file), by="anna", **params)
        file.unlink()
        accept = {str(finding["number"]): "no person" for finding in shown["findings"]}
        self.verb("release.approve", request=shown["request"], by="ben", accept=accept)
        return str(shown["request"])

    def release(self, kind: str = "practice", draft: Mapping[str, Any] = DRAFT, **params: object) -> str:
        """Release and send; the statement's digest."""
        request = self.ask(kind, draft, **params)
        report = self.verb("sync")
        assert (report["signed"], report["held"], report["refused"], report["problems"]) == (1, 0, 0, []), report
        return str(self.verb("release.show", request=request)["digest"])

    def state_of(self, digest: str) -> str | None:
        """How this city's inbox has the item; None when it was never read."""
        items = {item["digest"]: item["state"] for item in self.verb("inbox.list")["items"]}
        return items.get(digest)


@dataclass
class Federation:
    """Everybody, in the order in which they were made: hubs from above downwards."""

    directory: Path
    network: Network
    loop: EventLoop
    stack: ExitStack
    clock: Clock = field(default_factory=Clock)
    hubs: list[RunningHub] = field(default_factory=list)
    cities: list[TestCity] = field(default_factory=list)
    _ports: Iterator[int] = field(default_factory=lambda: count(9100))

    @classmethod
    @contextmanager
    def start(cls, directory: Path, loop: EventLoop) -> Iterator["Federation"]:
        with ExitStack() as stack:
            yield cls(directory, Network(loop), loop, stack)

    def hub(self, name: str, level: Level, parent: RunningHub | None = None, **options: Any) -> RunningHub:
        started = RunningHub.start(
            self.network, self.loop, self.directory / name, name=name, level=level, port=next(self._ports),
            clock=self.clock, **options,
        )  # fmt: skip
        hub = self.stack.enter_context(started)
        if parent is not None:
            join(hub, parent)
        self.hubs.append(hub)
        return hub

    def city(self, name: str, hub: RunningHub) -> TestCity:
        data = self.directory / name
        data.mkdir()
        settings: dict[str, str | int] = {
            "name": name, "display_name": name.partition(".")[0].title(), "area_code": "14713000",
            "port": 8600, "sync_interval_seconds": 0,
        }  # fmt: skip
        write_settings(data, settings)
        write_key(data, key_of(name))
        node = Node(data, load_settings(data), load_key(data), self.clock, self.network)
        self.stack.callback(node.close)
        city = TestCity(node, hub)
        for person, role in (("anna", "coordinator"), ("ben", "reviewer")):
            city.verb("people.add", id=person, role=role)
        city.verb("hub.add", url=hub.url, fingerprint=hub.hub.key.public.fingerprint)
        code = hub.verb("enrol.code", name=name)["code"]
        city.verb("hub.enrol", hub=hub.hub.name, code=code)
        hub.verb("enrol.approve", name=name, fingerprint=node.key.public.fingerprint)
        city.verb("sync")
        self.cities.append(city)
        return city

    def round(self, *, without: tuple[str, ...] = ()) -> None:
        """One round of everybody: cities send and read, hubs follow upwards and then downwards, cities read."""
        for city in self.cities:
            if city.node.name not in without:
                city.verb("sync")
        for hub in (*reversed(self.hubs), *self.hubs):
            if hub.hub.name not in without:
                report = hub.verb("follow")
                assert not any("alarm" in source for source in report["sources"]), report

    def find(self, *needles: str) -> list[str]:
        """Which files of the federation hold one of the texts: plain, in hexadecimal, or within base64."""
        wanted = [spelling for needle in needles for spelling in spellings(needle.encode())]
        found = []
        for path in sorted(self.directory.rglob("*")):
            if path.is_file():
                content = path.read_bytes()
                lower = content.lower()
                if any(each in content for each in wanted) or any(
                    needle.encode().hex().encode() in lower for needle in needles
                ):
                    found.append(str(path.relative_to(self.directory)))
        return found


def spellings(data: bytes) -> list[bytes]:
    """The bytes themselves, and what every base64 text that has them holds, for each of the three alignments."""
    result = [data]
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + data)
        first = (shift * 8 + 5) // 6 if shift else 0
        last = (len(data) + shift) // 3 * 4
        inner = encoded[first:last]
        result += [inner, inner.replace(b"+", b"-").replace(b"/", b"_")]
    return result
