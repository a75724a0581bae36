"""Every lie that a hub can tell about its log, who notices it, and after how many syncs: none goes unnoticed.

Each lie begins after an honest time. Six readers are shown it: the real code of nodes, a real hub that follows, and a
real witness whom the liar asks to vouch for it. Each notices by itself or not at all; the table says which, and it
stands in docs/threat_model.md. A round is a sync of every reader, an hour after the one before.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from local_node import hub_client, outbox, sync, watch
from local_node.head_checks import Checks
from local_node.hub_client import PinnedHub
from regional_hub import follow
from shared_schema.cosignature import cosigner
from shared_schema.head_evidence import judge, parse_evidence
from shared_schema.head_times import HeadPolicy
from shared_schema.keys import MemberRole, MemberStatus
from shared_schema.names import format_time
from shared_schema.pins import Pin
from shared_schema.service.database import Database, upgrade_schema
from shared_schema.service.hub_api import HubApi, HubRefused
from shared_schema.statement import Kind
from tests.hub_simulator import Author, HubSimulator, Lie, seeded_key
from tests.regional_hub.running import Clock, EventLoop, Network, RunningHub, key_of

THREAT_MODEL = Path(__file__).resolve().parents[2] / "docs" / "threat_model.md"
MOST_ROUNDS = 26
"""A day of hourly syncs and one more: then the oldest time that is good enough has passed."""
NEVER = "–"
REFUSED = "refuses"


@dataclass
class NodeReader:
    """A node's database and its place in the feed; the code is the node's own."""

    author: Author
    database: Database
    pinned: PinnedHub
    api: HubApi
    checks: Checks
    clock: Clock

    def sync(self) -> None:
        sync.pull(self.database, self.pinned, self.api, self.clock, self.checks)
        sync.push(self.database, self.pinned, self.api, self.clock)

    def has_noticed(self) -> bool:
        return bool(self.alarms())

    def alarms(self) -> list[str]:
        with self.database.read() as session:
            return [alarm.code for alarm in sync.list_alarms(session)]

    def say(self, title: str) -> None:
        """Sign a practice and put it into the outbox."""
        with self.database.write() as session:
            envelope = self.author.practice(title)
            outbox.enqueue(session, envelope, self.author.last_seq, [self.pinned.name], self.clock())


@dataclass
class Follower:
    """A real hub that follows the liar; it was asked as a witness as well, as followed hubs are."""

    hub: RunningHub
    source: str

    def sync(self) -> None:
        self.hub.verb("follow")

    def has_noticed(self) -> bool:
        return any(alarm["about"] == self.source for alarm in self.hub.verb("status")["alarms"])


@dataclass
class Federation:
    """What all lies share: an honest witness, an honest follower, a clock, and an empty node's database."""

    network: Network
    clock: Clock
    witness: RunningHub
    follower: RunningHub
    folder: Path
    liars: int = 0


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    folder = tmp_path_factory.mktemp("lies")
    empty = Database(f"sqlite:///{folder / 'empty.db'}")
    upgrade_schema(empty, "local_node.migrations")
    empty.close()
    with ExitStack() as stack:
        loop = stack.enter_context(EventLoop())
        network, clock = Network(loop), Clock()

        def start(name: str, port: int) -> RunningHub:
            running = RunningHub.start(network, loop, folder / name, name=name, level="nation", port=port, clock=clock)
            return stack.enter_context(running)

        yield Federation(network, clock, start("zeuge.de", 8701), start("bund.de", 8702), folder)


@dataclass
class Story:
    """One hub before it lies. `read` entries are known to everybody but the new member; what follows is recent."""

    federation: Federation
    hub: HubSimulator
    city: Author
    readers: "dict[str, NodeReader | Follower]" = field(default_factory=dict)
    read: int = 0
    said: int = 0
    revoked: int = 0

    @property
    def author(self) -> NodeReader:
        author = self.readers["author"]
        assert isinstance(author, NodeReader)
        return author

    def witness_api(self, hub: RunningHub) -> HubApi:
        return HubApi(hub.url, self.hub.author.key, self.federation.clock, self.federation.network)

    def ask_witnesses(self, face: HubSimulator, old: int) -> None:
        """As an honest hub does after it has grown from `old`."""
        for hub in (self.federation.witness, self.federation.follower):
            with self.witness_api(hub) as api:
                face.ask_witness(api, old)

    def everybody_reads(self) -> None:
        for name, reader in self.readers.items():
            if name != "new member":
                reader.sync()
                assert not reader.has_noticed(), name

    def without(self, *left_out: int) -> HubSimulator:
        """Another log of the hub, without these entries."""
        return self.hub.other_log([index for index in range(len(self.hub.entries)) if index not in left_out])


READERS = ("author", "member", "new member", "cross-check", "witness policy")


@pytest.fixture
def story(federation: Federation) -> Iterator[Story]:
    """An honest time: all have read the beginning; then the author's practice, two others and a revocation."""
    federation.liars += 1
    clock, number = federation.clock, federation.liars
    hub = HubSimulator(f"land{number}.de", clock=clock, url=f"http://127.0.0.1:{20_000 + number}")
    federation.network.others[hub.url] = hub
    story = Story(federation, hub, hub.city(f"dresden.land{number}.de"))
    federation.witness.verb("witness.add-log", vkey=hub.verifier.vkey)
    with ExitStack() as stack:
        for place in READERS:
            story.readers[place] = stack.enter_context(node_reader(story, place, number))
        hub.enrol("bund.de", key_of("bund.de").public, role=MemberRole.PARENT)
        with federation.follower.hub.database.write() as session:
            follow.add_source(session, Pin(hub.verifier), hub.url, "member")
        story.readers["following hub"] = Follower(federation.follower, hub.name)
        for title in ("Open evenings", "Football at night"):
            hub.log(story.city.practice(title))
        thief = hub.city(f"gera.land{number}.de")
        story.ask_witnesses(hub, 0)
        story.everybody_reads()
        story.read = len(hub.entries)
        clock.advance(minutes=10)
        story.author.say("What the author has a receipt for")
        story.author.sync()
        story.said = story.read
        hub.log(story.city.practice("Cooking together"))
        hub.log(story.city.practice("A café for parents"))
        story.revoked = len(hub.entries)
        hub.enrol(thief.name, thief.key.public, status=MemberStatus.REVOKED)
        story.ask_witnesses(hub, story.read)
        yield story
    del federation.network.others[hub.url]


class node_reader:
    """A node with an empty database that has pinned the story's hub and is its member."""

    def __init__(self, story: Story, place: str, number: int) -> None:
        federation, hub = story.federation, story.hub
        file = federation.folder / f"{place.replace(' ', '-')}-{number}.db"
        shutil.copy(federation.folder / "empty.db", file)
        name = f"{place.replace(' ', '-')}.land{number}.de"
        author = Author(name, seeded_key(name), federation.clock)
        hub.enrol(name, author.key.public)
        database = Database(f"sqlite:///{file}")
        api = HubApi(hub.url, author.key, federation.clock, federation.network)

        def connect(url: str) -> HubApi:
            return HubApi(url, author.key, federation.clock, federation.network)

        witness = cosigner("zeuge.de", federation.witness.hub.cosigner_key)
        is_strict = place == "witness policy"
        policy = HeadPolicy(witnesses=(witness,), needed=1, strict=True) if is_strict else HeadPolicy()
        with database.write() as session:
            identity, fingerprint = api.identity(), hub.verifier.key.fingerprint
            pinned = hub_client.pin_hub(session, hub.url, identity, fingerprint, federation.clock())
            if place == "cross-check":
                hub_client.ask_elsewhere(session, hub.name, federation.witness.url)
        self.reader = NodeReader(author, database, pinned, api, Checks(policy, connect), federation.clock)

    def __enter__(self) -> NodeReader:
        return self.reader

    def __exit__(self, *_error: object) -> None:
        self.reader.api.close()
        self.reader.database.close()


# --- the lies ------------------------------------------------------------------------------------------------------


def fork_what_was_read(story: Story) -> HubSimulator:
    story.everybody_reads()
    other = story.without(story.read - 2)
    for number in range(3):
        other.log(story.city.practice(f"Another beginning {number}"))
    return other


def show_another_log_from_now_on(story: Story) -> HubSimulator:
    other = story.hub.other_log(range(story.read))
    for number in range(6):
        other.log(story.city.practice(f"Another future {number}"))
    return other


def rewind(story: Story) -> HubSimulator:
    story.everybody_reads()
    story.hub.shown_size = story.read
    return story.hub


def drop_after_receipt(story: Story) -> HubSimulator:
    other = story.without(story.said)
    other.log(story.city.practice("In its place"))
    return other


def reorder_what_was_read(story: Story) -> HubSimulator:
    story.everybody_reads()
    order = list(range(len(story.hub.entries)))
    order[story.read - 3], order[story.read - 2] = order[story.read - 2], order[story.read - 3]
    other = story.hub.other_log(order)
    other.log(story.city.practice("One more"))
    return other


def reorder_what_is_new(story: Story) -> HubSimulator:
    order = list(range(len(story.hub.entries)))
    order[story.said], order[story.said + 1] = order[story.said + 1], order[story.said]
    other = story.hub.other_log(order)
    other.log(story.city.practice("One more"))
    return other


def reorder_within_a_page(story: Story) -> HubSimulator:
    story.hub.lie = Lie.SWAP_ENTRIES
    return story.hub


def insert_among_what_was_read(story: Story) -> HubSimulator:
    story.everybody_reads()
    other = story.hub.other_log(range(story.read - 1))
    other.log(story.city.practice("Slipped in"), time=story.hub.entries[story.read - 2].time)
    for entry in story.hub.entries[story.read - 1 :]:
        other.log(story.hub.envelopes[entry.digest], kind=Kind(entry.kind), audience=entry.audience, time=entry.time)
    return other


def insert_with_an_earlier_time(story: Story) -> HubSimulator:
    size = len(story.hub.entries)
    story.hub.log(story.city.practice("As if it had been there"), time=story.hub.entries[0].time)
    story.ask_witnesses(story.hub, size)  # it continues the log, so they do
    return story.hub


def hide_a_revocation_as_not_for_us(story: Story) -> HubSimulator:
    story.hub.lie = Lie.HIDE_REVOCATION
    return story.hub


def hide_a_revocation_as_withdrawn(story: Story) -> HubSimulator:
    story.hub.lie = Lie.WITHDRAW_REVOCATION
    return story.hub


def show_a_log_without_the_revocation(story: Story) -> HubSimulator:
    other = story.without(story.revoked)
    for number in range(2):
        other.log(story.city.practice(f"In its place {number}"))
    return other


def show_an_old_head(story: Story) -> HubSimulator:
    story.hub.shown_size = story.read
    story.hub.frozen_at = story.federation.clock()
    return story.hub


def sign_an_old_head_anew(story: Story) -> HubSimulator:
    story.hub.shown_size = story.read
    return story.hub


LIES: dict[str, Callable[[Story], HubSimulator]] = {
    "fork: another beginning of what was read": fork_what_was_read,
    "fork: another log from now on": show_another_log_from_now_on,
    "rewind: a shorter log than was read": rewind,
    "drop an entry after its receipt": drop_after_receipt,
    "reorder what was read": reorder_what_was_read,
    "reorder what is new": reorder_what_is_new,
    "reorder within a page": reorder_within_a_page,
    "late insert among what was read": insert_among_what_was_read,
    "late insert at the end, with an earlier time": insert_with_an_earlier_time,
    "hide a revocation: not for this reader": hide_a_revocation_as_not_for_us,
    "hide a revocation: said to be withdrawn": hide_a_revocation_as_withdrawn,
    "hide a revocation: another log without it": show_a_log_without_the_revocation,
    "stale head: as it was signed then": show_an_old_head,
    "stale head: signed anew every hour": sign_an_old_head_anew,
}
COLUMNS = (*READERS, "following hub", "witness")
ALWAYS = frozenset(list(LIES)[::3])
"""Every third one; the others take their time, and are told in the long run."""


def measure(story: Story, face: HubSimulator) -> dict[str, str]:
    """Show `face` to all readers, round after round, and say after how many each one has noticed."""
    noticed = dict.fromkeys(COLUMNS, NEVER)
    with story.witness_api(story.federation.witness) as api:
        try:
            face.ask_witness(api, len(story.hub.entries))
        except HubRefused:
            noticed["witness"] = REFUSED
    story.federation.network.others[story.hub.url] = face
    for number in range(1, MOST_ROUNDS + 1):
        story.federation.clock.advance(hours=1)
        for name, reader in story.readers.items():
            if noticed[name] == NEVER:
                reader.sync()
                if reader.has_noticed():
                    noticed[name] = str(number)
    return noticed


@pytest.mark.parametrize("lie", [pytest.param(lie, marks=() if lie in ALWAYS else pytest.mark.long) for lie in LIES])
def test_no_lie_goes_unnoticed_and_the_document_says_who_notices(story: Story, lie: str) -> None:
    measured = measure(story, LIES[lie](story))
    readers = [cell for column, cell in measured.items() if column != "witness"]
    assert set(readers) != {NEVER}, f"nobody has noticed: {lie}"
    assert f"| {lie} | {' | '.join(measured[column] for column in COLUMNS)} |" in documented_table()


def test_an_honest_hub_is_not_suspected_by_anybody(story: Story) -> None:
    """The same readers, the same rounds, and a hub that grows: no alarm."""
    for number in range(MOST_ROUNDS):
        story.federation.clock.advance(hours=1)
        size = len(story.hub.entries)
        story.hub.log(story.city.practice(f"Practice {number}"))
        story.ask_witnesses(story.hub, size)
        for name, reader in story.readers.items():
            reader.sync()
            assert not reader.has_noticed(), (name, number)


def test_two_heads_that_a_reader_was_shown_convince_somebody_else(story: Story) -> None:
    measure_once = show_another_log_from_now_on(story)
    story.federation.network.others[story.hub.url] = measure_once
    reader = story.readers["cross-check"]
    assert isinstance(reader, NodeReader)
    reader.sync()
    assert reader.alarms() == ["feed-fork"]
    with reader.database.read() as session:
        (kept,) = watch.list_evidence(session)
    verdict = judge(parse_evidence(kept.body.encode()), story.hub.verifier.vkey)
    assert verdict.proven, verdict.sentence
    story.federation.network.others[story.hub.url] = story.hub


def test_an_alarm_ends_when_the_hub_shows_everybody_the_same_log_again(story: Story) -> None:
    """But for a reader that has read the other log: for that one the hub has forked, and stays so."""
    story.hub.shown_size = story.read
    reader = story.readers["cross-check"]
    reader.sync()
    assert reader.has_noticed()
    story.hub.shown_size = None
    reader.sync()
    assert not reader.has_noticed()


def documented_table() -> list[str]:
    """The lines of the table in the threat model."""
    text = THREAT_MODEL.read_text(encoding="utf-8")
    match = re.search(r"<!-- measured: lies -->\n\n(.*?)\n<!-- end: lies -->", text, flags=re.DOTALL)
    assert match is not None, "expected the marks in docs/threat_model.md"
    return match[1].splitlines()


def test_the_document_has_a_line_for_every_lie_and_no_other() -> None:
    header, _, *lines = documented_table()
    assert header == f"| lie | {' | '.join(COLUMNS)} |"
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == list(LIES)


def test_times_of_the_simulated_log_are_in_order(story: Story) -> None:
    """Else the readers would have noticed for another reason than the lie."""
    times = [entry.time for entry in story.hub.entries]
    assert times == sorted(times) and times[-1] <= format_time(story.federation.clock())
