"""A federation of any shape in one process: real hubs, real nodes, real signatures, and links that can be cut.

Hubs and nodes are the programs' own; only the wires between them are ours. Every request goes over a `Cable` that
knows who asks whom, so a link can be cut, lose its answers, or lead to a hub that lies to one reader alone.

    shape = Shape.tree(hubs=(1, 2, 4), cities=40)          # one at the top, two below it, four below those
    with Federation.start(shape, tmp_path, loop, clock) as federation:
        city = federation.city("c001.test.eu")
        digest = city.publish("Open evenings", Audience.EUROPE)
        federation.cut("c001.test.eu", city.hub)
        federation.round()                                 # every hub follows once, every node syncs once
        assert federation.other(city).shows(digest)
"""

import atexit
import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from local_node import inbox
from local_node import verbs as node_verbs
from local_node.app import DATABASE_FILE, Node
from local_node.app import MIGRATIONS as NODE_MIGRATIONS
from local_node.inbox import InboxState
from local_node.orm import OutboxRow
from local_node.settings import load_settings, write_settings
from shared_schema.canonical import parse_strict
from shared_schema.envelope import parse_envelope
from shared_schema.governance import Level
from shared_schema.service.database import Database
from shared_schema.service.key_file import write_key
from shared_schema.statement import Audience, Kind
from tests.regional_hub.running import Clock, EventLoop, Network, RunningHub, join, key_of

LEVELS: tuple[Level, ...] = ("region", "nation", "europe")
FIRST_PORT = 20_001
COORDINATOR, REVIEWER = "anna", "ben"
Tamper = Callable[[bytes], bytes]
WORDS_OF_A_LESSON = {
    "summary": "Students and practitioners met once a month.",
    "phenomenon": ["RWE"],
    "prevention_level": "primary",
    "agencies": [{"type": "edu_ter", "role": "deliver"}],
    "outcome": "no_effect",
    "lessons": "We would ask the students first.",
}


# --- the shape -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HubPlan:
    """One hub: its level and the hub above it (None at the top)."""

    name: str
    level: Level
    parent: str | None


@dataclass(frozen=True, slots=True)
class CityPlan:
    """One city and the hub that it is a member of."""

    name: str
    hub: str


@dataclass(frozen=True, slots=True)
class Shape:
    """Who is there, and who is whose member; a hub stands before those below it."""

    hubs: tuple[HubPlan, ...]
    cities: tuple[CityPlan, ...]

    @classmethod
    def tree(cls, *, hubs: Sequence[int], cities: int) -> "Shape":
        """A tree with so many hubs on each level, from the top, and cities spread evenly below the lowest level.

        With four levels of hubs the two lowest are regions: a region that is a member of a larger region.
        """
        if not 1 <= len(hubs) <= len(LEVELS) + 1 or min(hubs) < 1 or hubs[0] != 1:
            raise ValueError("expected one to four levels of hubs, with one hub at the top")
        plans: list[HubPlan] = []
        above: list[str] = []
        for depth, count in enumerate(hubs):
            level = LEVELS[max(0, min(len(hubs), len(LEVELS)) - 1 - depth)]
            names = [f"h{depth + 1}-{number + 1}.test.eu" for number in range(count)]
            plans += [
                HubPlan(name, level, above[place * len(above) // count] if above else None)
                for place, name in enumerate(names)
            ]
            above = names
        places = [CityPlan(f"c{number + 1:03d}.test.eu", above[number % len(above)]) for number in range(cities)]
        return cls(tuple(plans), tuple(places))


# --- the wires -----------------------------------------------------------------------------------------------------


class Wires(Network):
    """The network of the federation: who can reach whom, who gets an answer, and what is said on the way."""

    def __init__(self, loop: EventLoop) -> None:
        super().__init__(loop)
        self.cut: set[frozenset[str]] = set()
        self.deaf: set[tuple[str, str]] = set()
        """(who asks, whom): the request arrives, its answer is lost."""
        self.lies: dict[tuple[str, str], Tamper] = {}
        """(who asks, whom) → what becomes of a feed page on the way: a hub that lies to one reader alone."""
        self.owners: dict[str, str] = {}
        self.statuses: Counter[int] = Counter()
        """How often each status was answered: none of 5xx but 503 and 507 may be among them."""

    def cable(self, owner: str) -> "Cable":
        return Cable(self, owner)

    def ask_as(self, asker: str, request: httpx.Request) -> httpx.Response:
        address = f"{request.url.scheme}://{request.url.netloc.decode()}"
        asked = self.owners.get(address, "")
        if frozenset((asker, asked)) in self.cut:
            raise httpx.ConnectError("the link is cut", request=request)
        response = self.handle_request(request)
        self.statuses[response.status_code] += 1
        if (asker, asked) in self.deaf:
            raise httpx.ReadError("the answer was lost", request=request)
        tamper = self.lies.get((asker, asked))
        if tamper is None or request.url.path != "/v1/feed" or response.status_code != 200:
            return response
        return httpx.Response(200, stream=httpx.ByteStream(tamper(response.read())))


class Cable(httpx.BaseTransport):
    """One party's end of the wires."""

    def __init__(self, wires: Wires, owner: str) -> None:
        self._wires = wires
        self._owner = owner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._wires.ask_as(self._owner, request)


# --- the parties ---------------------------------------------------------------------------------------------------


@dataclass
class FederatedCity:
    """A real node with a coordinator and a reviewer."""

    name: str
    hub: str
    node: Node
    drafts: Path
    """A folder outside of the node's own: what a coordinator writes before the node knows of it."""
    drafted: list[str] = field(default_factory=list)

    def verb(self, verb: str, /, **params: object) -> dict[str, Any]:
        return node_verbs.run(self.node, verb, params)

    def approve(self, title: str, audience: Audience = Audience.EUROPE) -> str:
        """Write a practice and have it approved by the second person; it is signed at the next sync."""
        draft = self.drafts / f"{len(self.drafted)}.json"
        draft.write_text(json.dumps(WORDS_OF_A_LESSON | {"title": title}))
        self.drafted.append(title)
        asked = self.verb("release.practice", file=str(draft), by=COORDINATOR, audience=audience.value)
        draft.unlink()
        accept = {str(found["number"]): "no person is meant" for found in asked["findings"]}
        self.verb("release.approve", request=asked["request"], by=REVIEWER, accept=accept, seen=asked["seen"])
        return str(asked["request"])

    def publish(self, title: str, audience: Audience = Audience.EUROPE) -> str:
        """As `approve`, and sync; return the digest of the signed statement."""
        request = self.approve(title, audience)
        self.sync()
        digest = self.verb("release.show", request=request)["digest"]
        assert digest is not None, "expected the hub to be reached, so that the statement was signed"
        return str(digest)

    def sync(self) -> dict[str, Any]:
        return self.verb("sync")

    def shows(self, digest: str) -> bool:
        """Whether a coordinator can read this item here."""
        with self.node.database.read() as session:
            item = inbox.find_item(session, digest)
        return item is not None and item.state is InboxState.ACCEPTED

    def visible(self) -> set[str]:
        """Digests of all items in words that a coordinator can read here."""
        with self.node.database.read() as session:
            items = inbox.list_items(session, kinds=[Kind.PRACTICE], state=InboxState.ACCEPTED, limit=1_000_000)
        return {item.digest for item in items}

    def practices(self) -> dict[str, Audience]:
        """digest → audience of this city's own practices that a hub has acknowledged and nobody has taken back."""
        with self.node.database.read() as session:
            rows = session.execute(select(OutboxRow.digest, OutboxRow.envelope).where(OutboxRow.receipt.is_not(None)))
            envelopes = {digest: parse_envelope(stored) for digest, stored in rows if stored}
        return {
            digest: Audience(parse_strict(envelope.payload)["audience"])
            for digest, envelope in envelopes.items()
            if envelope.kind == Kind.PRACTICE.value
        }

    def withdraw(self, digest: str, *, to: Audience | None = None) -> None:
        """Take an own item back, from everybody or from those beyond `to`; it is sent at the next sync."""
        narrowed = {} if to is None else {"to": to.value}
        self.verb("withdraw", digest=digest, by=COORDINATOR, reason="consent", **narrowed)

    def receipts(self) -> dict[str, bytes]:
        """digest → receipt of everything that a hub has acknowledged to this city."""
        with self.node.database.read() as session:
            rows = session.execute(select(OutboxRow.digest, OutboxRow.receipt).where(OutboxRow.receipt.is_not(None)))
            return {digest: receipt for digest, receipt in rows if receipt is not None}


@dataclass
class Federation:
    """Everybody, by name. `round` lets every hub follow and every node sync once."""

    shape: Shape
    directory: Path
    clock: Clock
    wires: Wires
    hubs: dict[str, RunningHub]
    cities: dict[str, FederatedCity]

    @classmethod
    @contextmanager
    def start(
        cls, shape: Shape, directory: Path, loop: EventLoop, clock: Clock | None = None,
        hubs: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Iterator["Federation"]:  # fmt: skip
        """Start all hubs and nodes, and enrol everybody by the whole ceremony: code, request, fingerprint.

        `hubs` are further options of single hubs, as `RunningHub.start` takes them.
        """
        clock = clock or Clock()
        wires = Wires(loop)
        with ExitStack() as stack:
            federation = cls(shape, directory, clock, wires, {}, {})
            for number, plan in enumerate(shape.hubs):
                federation._start_hub(plan, FIRST_PORT + number, stack, loop, (hubs or {}).get(plan.name, {}))
            for number, place in enumerate(shape.cities):
                federation._start_city(place, number, stack)
            yield federation

    def _start_hub(
        self, plan: HubPlan, port: int, stack: ExitStack, loop: EventLoop, options: Mapping[str, Any]
    ) -> None:
        running = stack.enter_context(
            RunningHub.start(
                self.wires, loop, self.directory / plan.name, name=plan.name, level=plan.level, port=port,
                clock=self.clock, cable=self.wires.cable(plan.name), **options,
            )
        )  # fmt: skip
        self.wires.owners[running.url] = plan.name
        self.hubs[plan.name] = running
        if plan.parent is not None:
            join(running, self.hubs[plan.parent])

    def _start_city(self, place: CityPlan, number: int, stack: ExitStack) -> None:
        folder = self.directory / place.name
        node = make_node(folder, place.name, number, self.clock, self.wires.cable(place.name))
        stack.callback(node.close)
        city = FederatedCity(place.name, place.hub, node, self.directory / "drafts")
        city.drafts.mkdir(exist_ok=True)
        hub = self.hubs[place.hub]
        code = hub.verb("enrol.code", name=place.name)["code"]
        city.verb("hub.add", url=hub.url, fingerprint=hub.hub.key.public.fingerprint)
        city.verb("hub.enrol", hub=place.hub, code=code)
        hub.verb("enrol.approve", name=place.name, fingerprint=node.key.public.fingerprint)
        city.sync()
        self.cities[place.name] = city

    # --- what happens -----------------------------------------------------------------------------------------

    def city(self, name: str) -> FederatedCity:
        return self.cities[name]

    def cut(self, one: str, other: str) -> None:
        self.wires.cut.add(frozenset((one, other)))

    def mend(self, one: str | None = None, other: str | None = None) -> None:
        """Mend one link, or all of them."""
        if one is None or other is None:
            self.wires.cut.clear()
            self.wires.deaf.clear()
        else:
            self.wires.cut.discard(frozenset((one, other)))

    def links(self) -> list[tuple[str, str]]:
        """Every link of the shape: (who is the member, of which hub)."""
        upwards = [(plan.name, plan.parent) for plan in self.shape.hubs if plan.parent is not None]
        return upwards + [(place.name, place.hub) for place in self.shape.cities]

    def round(self, order: random.Random | None = None) -> None:
        """Every node syncs and every hub follows once, in the order of the tree from below, or shuffled."""
        steps: list[Callable[[], object]] = [city.sync for city in self.cities.values()]
        steps += [hub_step(self.hubs[plan.name]) for plan in reversed(self.shape.hubs)]
        if order is not None:
            order.shuffle(steps)
        for step in steps:
            step()

    def settle(self, rounds: int | None = None) -> int:
        """Rounds until a whole one changes no log and no inbox; return how many there were.

        Raises AssertionError when the federation is still moving after `rounds` (default: three a level of hubs).
        """
        most = rounds if rounds is not None else 3 * len({plan.level for plan in self.shape.hubs}) + 3
        before = None
        for number in range(most):
            after = self.sizes()
            if after == before:
                return number
            before = after
            self.round()
        raise AssertionError(f"expected the federation to come to rest within {most} rounds")

    def sizes(self) -> Mapping[str, int]:
        sizes = {name: hub.log_size() for name, hub in self.hubs.items()}
        for name, city in self.cities.items():
            with city.node.database.read() as session:
                sizes[name] = sum(inbox.count_items(session).values())
        return sizes

    # --- who may see what -------------------------------------------------------------------------------------

    def home_path(self, hub: str) -> list[str]:
        """A hub and everything above it."""
        parents = {plan.name: plan.parent for plan in self.shape.hubs}
        path = [hub]
        while (above := parents[path[-1]]) is not None:
            path.append(above)
        return path

    def may_see(self, reader: FederatedCity, author: FederatedCity, audience: Audience) -> bool:
        """Whether an item of `author` for `audience` is for `reader`: the lowest hub above both decides."""
        if reader is author:
            return True
        levels = {plan.name: plan.level for plan in self.shape.hubs}
        shared = next(hub for hub in self.home_path(author.hub) if hub in self.home_path(reader.hub))
        if shared == author.hub:
            return True
        return audience.reach >= max(Audience(levels[shared]).reach, Audience.NATION.reach)


def hub_step(hub: RunningHub) -> Callable[[], object]:
    return lambda: hub.verb("follow")


# --- making nodes --------------------------------------------------------------------------------------------------


def make_node(folder: Path, name: str, number: int, clock: Clock, transport: httpx.BaseTransport) -> Node:
    """A node in a fresh directory with a coordinator and a reviewer."""
    folder.mkdir()
    write_settings(
        folder,
        {
            "name": name,
            "display_name": f"Town {number + 1}",
            "area_code": f"{14_000_000 + number}",
            "port": 8600,
            "sync_interval_seconds": 0,
        },
    )
    write_key(folder, key_of(name))
    shutil.copy(migrated_node_file(), folder / DATABASE_FILE)
    node = Node(folder, load_settings(folder), key_of(name), clock, transport)
    for person, role in ((COORDINATOR, "coordinator"), (REVIEWER, "reviewer")):
        node_verbs.run(node, "people.add", {"id": person, "role": role})
    return node


@cache
def migrated_node_file() -> Path:
    """An empty, migrated database of a node: migrating forty of them one by one takes longer than the tests."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    database = Database(f"sqlite:///{folder / 'schema.db'}")
    database.migrate(NODE_MIGRATIONS)
    database.close()
    return folder / "schema.db"
