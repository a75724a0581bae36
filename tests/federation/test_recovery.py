"""A hub that goes back to an old copy: it notices before it signs, and one command heals it (CHECKS G71).

Real hubs on both databases and real nodes, over an in-process transport. The copy of PostgreSQL is one of its rows,
put back into the same database: what a careless operator does, without any marker.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from local_node import backup, mirror, verbs
from local_node.app import Node
from local_node.orm import InboxRow, OutboxRow
from local_node.settings import load_settings, write_settings
from regional_hub import follow, log, recovery
from regional_hub.orm import Base, CheckpointRow, ContentRow, EntryRow, SourceRow
from shared_schema.checkpoint import Checkpoint
from shared_schema.entry import LogEntry, Receipt
from shared_schema.envelope import envelope_from_object
from shared_schema.feed import FeedEntry, FeedItem
from shared_schema.recovery import MAX_MISSING, BroughtEntries, RecoveryState, ShownHead
from shared_schema.service.backup import copy_sqlite, read_archive
from shared_schema.service.control import VerbError
from shared_schema.service.hub_api import HubApi, HubRefused
from shared_schema.service.key_file import load_key, write_key
from tests.regional_hub.running import City, EventLoop, Network, RunningHub, join, key_of
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough

Rows = dict[str, list[dict[str, Any]]]
FILLED_IN = ("area", "review")


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    with EventLoop() as running:
        yield running


@pytest.fixture
def network(loop: EventLoop) -> Network:
    return Network(loop)


class Region:
    """A hub that can be stopped, put back to an older state, and started again."""

    def __init__(self, network: Network, loop: EventLoop, place: Path, url: str | None, stack: ExitStack) -> None:
        self._network, self._loop, self._place, self._url, self._stack = network, loop, place, url, stack
        self.running: RunningHub = self._start()

    def _start(self) -> RunningHub:
        self._here = ExitStack()
        return self._here.enter_context(
            RunningHub.start(self._network, self._loop, self._place, self._url, name="sachsen.de")
        )

    def restart(self, rows: Rows | None = None) -> RunningHub:
        """Stop; put back `rows`, if there are any; start."""
        clock = self.running.clock
        if rows is not None:
            with self.running.hub.database.write() as session:
                for table in reversed(Base.metadata.sorted_tables):
                    session.execute(delete(table))
                for table in Base.metadata.sorted_tables:
                    if rows[table.name]:
                        session.execute(insert(table), rows[table.name])
        self._here.close()
        self.running = self._start()
        self.running.clock.now = clock.now
        return self.running

    def close(self) -> None:
        self._here.close()

    def copy(self) -> Rows:
        with self.running.hub.database.read() as session:
            return {
                table.name: [dict(row._mapping) for row in session.execute(select(table))]
                for table in Base.metadata.sorted_tables
            }


@pytest.fixture
def region(network: Network, loop: EventLoop, tmp_path: Path, hub_database_url: str) -> Iterator[Region]:
    with ExitStack() as stack:
        made = Region(network, loop, tmp_path / "hub", hub_database_url, stack)
        yield made
        made.close()


@contextmanager
def node_of(place: Path, name: str, hub: RunningHub) -> Iterator[Node]:
    """A node that is a member of the hub, with two people."""
    place.mkdir()
    settings: dict[str, str | int] = {"name": name, "display_name": name[:5].title(), "area_code": "14713000"}
    write_settings(place, settings | {"port": 8600, "sync_interval_seconds": 0})
    write_key(place, key_of(name))
    node = Node(place, load_settings(place), load_key(place), hub.clock, hub.network)
    for person, role in (("anna", "coordinator"), ("ben", "reviewer")):
        verbs.run(node, "people.add", {"id": person, "role": role})
    verbs.run(node, "hub.add", {"url": hub.url, "fingerprint": hub.hub.key.public.fingerprint})
    hub.enrol(name, area=node.area)
    verbs.run(node, "sync", {})
    yield node
    node.close()


def share(node: Node, title: str, audience: str = "europe") -> str:
    """Ask for the release of a practice, and approve it; the next sync signs and sends it."""
    draft = {name: value for name, value in builders.practice_body(title=title).items() if name not in FILLED_IN}
    file = node.data_dir / "draft.json"
    file.write_text(json.dumps(draft))
    request = verbs.run(node, "release.practice", {"file": str(file), "by": "anna", "audience": audience})
    accept = {str(place): "no person is meant" for place in range(len(request["findings"]))}
    verbs.run(node, "release.approve", {"request": request["request"], "by": "ben", "accept": accept})
    return str(request["request"])


def sync(node: Node) -> dict[str, Any]:
    return verbs.run(node, "sync", {})


def snapshot(hub: RunningHub) -> dict[str, Any]:
    """Everything of a log that others have seen: leaves, contents, head, checkpoints."""
    with hub.hub.database.read() as session:
        head = log.get_head(session)
        entries = session.execute(
            select(
                EntryRow.index, EntryRow.digest, EntryRow.origin, EntryRow.seq, EntryRow.via, EntryRow.subject,
                EntryRow.receipt_size, EntryRow.row_check, EntryRow.withdrawn_by, EntryRow.time,
            ).order_by(EntryRow.index)
        ).all()  # fmt: skip
        return {
            "size": head.size,
            "root": head.frontier.root(),
            "entries": [tuple(row) for row in entries],
            "contents": sorted(session.scalars(select(ContentRow.digest))),
        }


def notes(hub: RunningHub) -> dict[int, str]:
    with hub.hub.database.read() as session:
        return dict(session.execute(select(CheckpointRow.size, CheckpointRow.note)).all())


def receipts(node: Node) -> dict[str, bytes]:
    with node.database.read() as session:
        rows = session.execute(select(OutboxRow.digest, OutboxRow.receipt)).all()
    return {digest: receipt for digest, receipt in rows if receipt}


def alarms(hub: RunningHub) -> list[str]:
    return [alarm["code"] for alarm in hub.verb("status")["alarms"]]


def node_alarms(node: Node) -> list[str]:
    return [alarm["code"] for alarm in verbs.run(node, "status", {})["alarms"]]


@pytest.fixture
def leipzig(region: Region, tmp_path: Path) -> Iterator[Node]:
    with node_of(tmp_path / "leipzig", "leipzig.sn.de", region.running) as node:
        yield node


@pytest.fixture
def dresden(region: Region, tmp_path: Path) -> Iterator[Node]:
    with node_of(tmp_path / "dresden", "dresden.sn.de", region.running) as node:
        yield node


# --- CHECKS G71 ----------------------------------------------------------------------------------------------------


def test_a_hub_from_an_old_copy_is_healed_by_one_command_and_one_round_of_its_members(
    region: Region, leipzig: Node, dresden: Node
) -> None:
    share(leipzig, "Open evenings")
    assert sync(leipzig)["pushed"] == 1
    sync(dresden)
    old = region.copy()
    for number in ("one", "two", "three"):
        share(leipzig, f"Open evenings {number}")
        share(dresden, f"A football league {number}")
        assert [sync(node)["pushed"] for node in (leipzig, dresden)] == [1, 1]
    sync(leipzig)  # dresden's last entry is known to leipzig; leipzig's last checkpoint is the one of a page
    before, given = snapshot(region.running), receipts(leipzig) | receipts(dresden)

    hub = region.restart(old)
    assert hub.log_size() < before["size"]
    answers = [sync(node)["problems"] for node in (leipzig, dresden)]  # they show what they have seen
    assert {problem["problem"] for problems in answers for problem in problems} == {"log-behind"}
    share(leipzig, "A bicycle workshop")
    assert sync(leipzig)["pushed"] == 0
    assert hub.post(City("leipzig.sn.de", leipzig.key, hub, seq=90).sign()).json()["code"] == "log-behind"
    with pytest.raises(VerbError, match="restored"):
        hub.verb("members.set", name="dresden.sn.de", status="suspended")
    assert max(notes(hub)) == hub.log_size() < before["size"]  # nothing was signed meanwhile
    assert alarms(hub) == ["log-behind"]

    assert hub.verb("recover")["state"] == "serving"
    assert snapshot(hub) == before
    assert hub.verb("verify")["findings"] == []
    for digest, receipt in given.items():
        assert retry(hub, digest, (leipzig, dresden)) == receipt
    assert [sync(node)["problems"] for node in (leipzig, dresden)] == [[], []]
    assert (alarms(hub), node_alarms(leipzig), node_alarms(dresden)) == ([], [], [])
    assert hub.log_size() == before["size"] + 1  # the workshop, signed when the hub served again


def test_the_operator_may_order_first_and_the_last_member_that_comes_ends_the_hold(
    region: Region, leipzig: Node, dresden: Node
) -> None:
    old = region.copy()
    share(leipzig, "Open evenings")
    share(dresden, "A football league")
    for node in (leipzig, dresden):
        sync(node)  # nobody has read the league yet: only dresden's receipt proves its leaf
    before = snapshot(region.running)
    hub = region.restart(old)
    sync(leipzig)
    status = hub.verb("recover")
    assert (status["state"], status["waiting_for"]) == ("behind", ["dresden.sn.de"])
    assert sync(leipzig)["problems"] == [{"hub": "sachsen.de", "problem": "log-behind"}]
    assert hub.verb("recover.status")["state"] == "behind"
    sync(dresden)
    assert hub.verb("recover.status")["state"] == "serving"
    assert snapshot(hub) == before
    assert [sync(node)["problems"] for node in (leipzig, dresden)] == [[], []]
    assert (alarms(hub), node_alarms(leipzig), node_alarms(dresden)) == ([], [], [])


def retry(hub: RunningHub, digest: str, nodes: tuple[Node, ...]) -> bytes:
    """The receipt of a statement that is handed in once more."""
    for node in nodes:
        with node.database.read() as session:
            envelope = session.scalar(select(OutboxRow.envelope).where(OutboxRow.digest == digest))
        if envelope is not None:
            response = hub.post(envelope)
            assert response.status_code == 200, response.text
            return response.content
    raise AssertionError(digest)


# --- who may be asked, and who lies ---------------------------------------------------------------------------------


@pytest.fixture
def nation(network: Network, loop: EventLoop, tmp_path: Path) -> Iterator[RunningHub]:
    with RunningHub.start(network, loop, tmp_path / "nation", name="bund.de", level="nation", port=8750) as hub:
        yield hub


def test_a_restored_hub_asks_its_followers_before_it_signs_and_they_give_back_what_they_keep(
    region: Region, nation: RunningHub
) -> None:
    join(region.running, nation)
    city = region.running.enrol("leipzig.sn.de")
    nation.verb("follow")
    old = region.copy()
    region.running.accept(city.sign(audience="europe"))
    region.running.accept(city.sign(audience="region"))  # its content does not travel to the nation
    nation.verb("follow")
    before = snapshot(region.running)

    hub = region.restart(old)  # nobody but the hub itself has done anything since
    assert alarms(hub) == ["log-behind"]
    assert hub.post(City("leipzig.sn.de", city.key, hub, seq=2).sign()).json()["code"] == "log-behind"
    status = hub.verb("recover")
    assert (status["state"], status["waiting_for"]) == ("behind", ["leipzig.sn.de"])
    with pytest.raises(VerbError, match=r"--confirm sachsen\.de"):
        hub.verb("recover", alone=True)
    status = hub.verb("recover", alone=True, confirm="sachsen.de")
    assert (status["state"], status["contents_missing"]) == ("serving", 1)
    after = snapshot(hub)
    assert (after["root"], after["size"]) == (before["root"], before["size"])
    assert hub.verb("verify")["findings"] == ["entry 4: content missing"]
    assert [nation.verb("follow")["sources"][0].get(word) for word in ("alarm", "refused", "unreachable")] == [None] * 3


def test_a_hub_that_goes_back_to_before_it_said_who_runs_it_has_said_it_and_is_no_member_of_itself(
    region: Region, nation: RunningHub
) -> None:
    join(region.running, nation)
    nation.verb("follow")
    old = region.copy()
    hub = region.running
    hub.hub.settings = hub.hub.settings.model_copy(update={"operator": "Land"})
    hub.verb("operator.say")
    hub.verb("members.operator", name="bund.de", operator="Bund")
    nation.verb("follow")
    before = [entry[1] for entry in snapshot(hub)["entries"]]

    hub = region.restart(old)
    hub.hub.settings = hub.hub.settings.model_copy(update={"operator": "Land"})
    assert hub.verb("operator.say")["operator"] is None, "it waits for what others have"
    assert hub.verb("recover", alone=True, confirm="sachsen.de")["state"] == "serving"
    assert [entry[1] for entry in snapshot(hub)["entries"]] == before
    size = hub.log_size()
    assert hub.verb("operator.say")["operator"] == "Land"
    assert hub.log_size() == size
    members = {each["name"]: each["operator"] for each in hub.verb("members.list")["members"]}
    assert members == {"bund.de": "Bund"}


def test_a_content_that_comes_late_takes_its_place_and_readers_wait_for_it_without_an_alarm(
    region: Region, leipzig: Node, dresden: Node
) -> None:
    old = region.copy()
    digest = sign_unread(region, leipzig)
    before = snapshot(region.running)
    hub = region.restart(old)
    bring_only_receipts(leipzig, hub)
    assert hub.verb("recover", alone=True, confirm="sachsen.de")["contents_missing"] == 1
    assert sync(dresden)["problems"] == []
    assert node_alarms(dresden) == []
    assert sync(leipzig)["problems"] == []  # it was away, and hears from the hub that something is missing
    assert snapshot(hub) == before
    assert sync(dresden)["problems"] == []
    assert any(item["digest"] == digest for item in verbs.run(dresden, "inbox.list", {})["items"])
    assert hub.verb("verify")["findings"] == []


def sign_unread(region: Region, node: Node) -> str:
    """Something that is in the log, and that only its author knows."""
    share(node, "Open evenings")
    assert sync(node)["pushed"] == 1
    with node.database.read() as session:
        return str(session.scalar(select(OutboxRow.digest).order_by(OutboxRow.id.desc()).limit(1)))


def bring_only_receipts(node: Node, hub: RunningHub) -> None:
    with node.database.read() as session:
        stored = session.scalars(select(OutboxRow.receipt).where(OutboxRow.receipt.is_not(None))).all()
    with node.rounds._connect(node.rounds._hubs()[0]) as api:
        api.show_head(ShownHead(note=Receipt.from_bytes(stored[-1] or b"").checkpoint))
        api.bring_entries(BroughtEntries(receipts=tuple(Receipt.from_bytes(each or b"") for each in stored)))


def test_a_member_that_lies_to_a_hub_in_recovery_is_refused_and_changes_nothing(
    region: Region, leipzig: Node, dresden: Node
) -> None:
    old = region.copy()
    share(leipzig, "Open evenings")
    for node in (leipzig, leipzig, dresden):
        sync(node)
    before = snapshot(region.running)
    with dresden.database.read() as session:
        kept = mirror._kept(session, "sachsen.de")
        leaves = mirror._leaves_from(session, "sachsen.de", len(old["entries"]))
    hub = region.restart(old)
    name, size, rest = (kept.seen_note or "").split("\n", 2)
    changed = f"{name}\n{int(size) + 1}\n{rest}"
    liar = key_of("liar.de")
    signed_by_liar = Checkpoint("sachsen.de", 99, bytes(32)).sign(liar)
    with dresden.rounds._connect(dresden.rounds._hubs()[0]) as api:
        for note in (signed_by_liar, "nothing", changed):
            with pytest.raises(HubRefused, match="own signature"):
                api.show_head(ShownHead(note=note))
        assert alarms(hub) == []  # none of them held the log
        with pytest.raises(HubRefused, match="being restored"):
            api.bring_entries(BroughtEntries(first=len(old["entries"]), leaves=leaves, note=kept.read_note))
        api.show_head(ShownHead(note=kept.seen_note or ""))
        for lie in lies_about(leaves):
            with pytest.raises(HubRefused) as refused:
                api.bring_entries(BroughtEntries(first=len(old["entries"]), leaves=lie, note=kept.read_note))
            assert refused.value.code == "recovery-proof"
    for node in (leipzig, dresden):
        sync(node)
    assert hub.verb("recover")["state"] == "serving"
    assert snapshot(hub) == before


def lies_about(leaves: tuple[LogEntry, ...]) -> list[tuple[LogEntry, ...]]:
    """Another digest, another time, one dropped, one too few."""
    first = leaves[0]
    return [
        (first.model_copy(update={"digest": "0" * 64}), *leaves[1:]),
        (first.model_copy(update={"time": "2020-01-01T00:00:00Z"}), *leaves[1:]),
        leaves[1:],
        (),
    ]


def test_a_hub_that_names_the_digest_of_a_strangers_content_as_its_own_is_not_given_it(
    region: Region, nation: RunningHub
) -> None:
    join(region.running, nation)
    nation.verb("follow")
    region.running.verb("follow")
    city = region.running.enrol("leipzig.sn.de")
    for _ in range(2):  # neither is for the nation, which reads both digests in the log
        region.running.accept(city.sign(audience="region"))
    with region.running.hub.database.write() as session:
        stolen = [log.to_log_entry(row) for row in session.scalars(select(EntryRow).order_by(EntryRow.index))][-2:]
        first = session.get_one(SourceRow, "bund.de").frontier_size
        items = [FeedItem(index, entry, None, "audience") for index, entry in enumerate(stolen, first)]
        follow.keep_leaves(session, "bund.de", items)
    with nation.hub.api(region.running.url) as api:
        page = api.mirrored("bund.de", first)
    assert [leaf.digest for leaf in page.leaves] == [entry.digest for entry in stolen]
    assert page.contents == ()


def test_a_node_gives_a_hub_in_recovery_nothing_that_it_has_read_at_another_hub(
    region: Region, leipzig: Node, dresden: Node, nation: RunningHub
) -> None:
    verbs.run(leipzig, "hub.add", {"url": nation.url, "fingerprint": nation.hub.key.public.fingerprint})
    share(dresden, "Open evenings", audience="region")
    for node in (dresden, leipzig):
        sync(node)
    with leipzig.database.read() as session:
        digests = session.scalars(select(InboxRow.digest).where(InboxRow.envelope.is_not(None))).all()
        assert set(mirror._contents_of(session, "sachsen.de", digests)) == set(digests) != set()
        assert mirror._contents_of(session, "bund.de", digests) == {}


def test_a_hub_serves_nobody_before_it_knows_what_was_taken_back_and_who_was_suspended(
    region: Region, leipzig: Node, dresden: Node
) -> None:
    digest = sign_unread(region, leipzig)
    old = region.copy()
    verbs.run(leipzig, "withdraw", {"digest": digest, "reason": "consent", "by": "anna"})
    sync(leipzig)
    region.running.verb("members.set", name="dresden.sn.de", status="suspended")
    sync(leipzig)
    hub = region.restart(old)
    with leipzig.database.read() as session:
        kept = mirror._kept(session, "sachsen.de")
        leaves = mirror._leaves_from(session, "sachsen.de", len(old["entries"]))
    assert len(leaves) == 2
    hub.verb("recover")
    for node in (leipzig, dresden):
        with node.rounds._connect(node.rounds._hubs()[0]) as api:
            api.show_head(ShownHead(note=kept.seen_note or ""))
            api.bring_entries(BroughtEntries(first=len(old["entries"]), leaves=leaves, note=kept.read_note))
            assert api.recovery_state(0, done=True).state == "behind"
    status = hub.verb("recover")
    assert (status["state"], status["waiting_for"]) == ("behind", [])
    assert "withdrawal" in status["next"]
    sync(leipzig)
    assert hub.verb("recover.status")["state"] == "serving"
    with hub.hub.database.read() as session:
        assert session.get(ContentRow, digest) is None
    assert {each["name"]: each["status"] for each in hub.verb("members.list")["members"]}[
        "dresden.sn.de"
    ] == "suspended"


class ManyMissing:
    """A hub that misses more contents of a city that is away than it names at once, and one behind them."""

    def __init__(self, wanted: str) -> None:
        self.missing = [f"{number:064x}" for number in range(MAX_MISSING)] + [wanted]
        self.brought: list[str] = []

    def recovery_state(self, _seen: int, *, after: str | None = None) -> RecoveryState:
        start = self.missing.index(after) + 1 if after in self.missing else 0
        named = tuple(self.missing[start : start + MAX_MISSING])
        return RecoveryState(state="serving", size=9, wanted=9, missing=named)

    def bring_entries(self, brought: BroughtEntries) -> None:
        self.brought += [envelope_from_object(each).digest for each in brought.contents]


def test_a_node_brings_what_stands_behind_contents_that_it_does_not_have(region: Region, leipzig: Node) -> None:
    digest = sign_unread(region, leipzig)
    hub = ManyMissing(digest)
    mirror.bring_contents(leipzig.database, "sachsen.de", hub)  # type: ignore[arg-type]
    assert hub.brought == [digest]


def test_a_hub_that_has_forked_is_held_by_its_own_signature_and_cannot_be_healed(
    region: Region, leipzig: Node, dresden: Node
) -> None:
    old = region.copy()
    share(leipzig, "Open evenings")
    sync(leipzig)
    forked = region.restart(old)
    forked.accept(City("dresden.sn.de", dresden.key, forked, seq=40).sign())  # before anybody has shown anything
    assert sync(leipzig)["problems"] == [{"hub": "sachsen.de", "problem": "log-behind"}]
    assert forked.verb("recover")["state"] == "forked"
    assert alarms(forked) == ["feed-fork"]
    assert forked.post(City("dresden.sn.de", dresden.key, forked, seq=41).sign()).json()["code"] == "log-behind"


def test_a_copied_data_directory_is_held_until_everybody_was_heard(
    network: Network, loop: EventLoop, tmp_path: Path
) -> None:
    with RunningHub.start(network, loop, tmp_path / "first", name="sachsen.de") as hub:
        city = hub.enrol("leipzig.sn.de")
        hub.accept(city.sign())
        size = hub.log_size()
    (tmp_path / "moved").mkdir()
    shutil.copy(tmp_path / "first" / "hub.db", tmp_path / "moved" / "hub.db")
    with RunningHub.start(network, loop, tmp_path / "moved", name="sachsen.de") as hub:
        assert hub.verb("recover.status")["state"] == "restored"
        assert hub.post(City("leipzig.sn.de", city.key, hub, seq=1).sign()).json()["code"] == "log-behind"
        assert hub.verb("recover")["waiting_for"] == ["leipzig.sn.de"]
        api = City("leipzig.sn.de", city.key, hub).api()
        with api:
            assert api.recovery_state(size + 1, done=True).state == "restored"  # it says more than it can show
            assert api.recovery_state(size, done=True).state == "serving"
        assert alarms(hub) == []
        hub.accept(City("leipzig.sn.de", city.key, hub, seq=1).sign())
    with RunningHub.start(network, loop, tmp_path / "moved", name="sachsen.de") as hub:
        assert hub.verb("recover.status")["state"] == "serving"


# --- a node from an old copy ----------------------------------------------------------------------------------------


def test_a_node_from_an_old_copy_gets_its_own_statements_back_and_says_nothing_twice(
    region: Region, leipzig: Node, dresden: Node, tmp_path: Path
) -> None:
    hub = region.running
    share(leipzig, "Open evenings")  # approved in the copy, and signed only after it was made
    made = verbs.run(leipzig, "backup", {"target": str(tmp_path / "backups")})["backup"]
    sync(leipzig)
    share(leipzig, "A football league")
    sync(leipzig)
    sync(leipzig)
    size = hub.log_size()
    backup.restore(read_archive(Path(made), "local-node"), tmp_path / "again")
    again = Node(
        tmp_path / "again", load_settings(tmp_path / "again"), load_key(tmp_path / "again"), hub.clock, hub.network
    )
    report = sync(again)
    assert (report["signed"], report["problems"], report["alarms"]) == (0, [], [])
    assert hub.log_size() == size
    with again.database.read() as session, leipzig.database.read() as other:
        known = {(row.digest, row.seq, row.state) for row in session.scalars(select(OutboxRow))}
        assert known == {(row.digest, row.seq, row.state) for row in other.scalars(select(OutboxRow))}
    assert verbs.run(again, "status", {})["requests"] == {"signed": 1}
    share(again, "A bicycle workshop")
    assert (sync(again)["pushed"], hub.log_size()) == (1, size + 1)
    assert verbs.run(again, "audit.verify", {})["ok"]
    again.close()


# --- sums -----------------------------------------------------------------------------------------------------------


def test_a_sum_that_was_shown_and_lost_is_never_followed_by_one_that_could_be_subtracted_from_it(
    region: Region, network: Network
) -> None:
    names = ("leipzig.sn.de", "dresden.sn.de", "chemnitz.sn.de", "zwickau.sn.de")
    cities = [region.running.enrol(name) for name in names]
    old = region.copy()
    receipts = [region.running.accept(city.trend(40, 30, 20)) for city in cities[:3]]
    assert region.running.verb("aggregate")["published"] == 1
    page = cities[3].feed()
    before = snapshot(region.running)
    hub = region.restart(old)
    with HubApi(hub.url, cities[3].key, hub.clock, network) as api:
        read = [FeedEntry.from_object(item) for item in page["entries"]]
        first = len(old["entries"])
        api.show_head(ShownHead(note=page["checkpoint"]))
        leaves = tuple(item.entry for item in read[first:])
        contents = tuple(item.envelope for item in read[first:] if item.envelope is not None)
        api.bring_entries(BroughtEntries(first=first, leaves=leaves, note=page["checkpoint"], contents=contents))
        api.bring_entries(BroughtEntries(receipts=tuple(Receipt.from_object(receipt) for receipt in receipts)))
    status = hub.verb("recover", alone=True, confirm="sachsen.de")
    assert (status["state"], status["contents_missing"]) == ("serving", 3)
    assert status["kept_sums"] == ["bias_incidents.by_offence@1/2026"]
    assert snapshot(hub)["root"] == before["root"]
    hub.accept(City(cities[3].name, cities[3].key, hub).trend(10, 10, 10))
    assert hub.verb("aggregate")["published"] == 0


def test_a_hub_that_says_for_weeks_that_it_is_being_restored_is_an_alarm(
    region: Region, leipzig: Node, dresden: Node
) -> None:
    old = region.copy()
    share(leipzig, "Open evenings")
    for _ in range(2):
        sync(leipzig)
    hub = region.restart(old)
    leipzig.clock = leipzig.rounds._clock = hub.clock
    for days, alarm in ((6, []), (2, ["not-served"])):
        hub.clock.advance(days=days)
        assert sync(leipzig)["problems"] == [{"hub": "sachsen.de", "problem": "log-behind"}]
        assert node_alarms(leipzig) == alarm
    hub.verb("recover", alone=True, confirm="sachsen.de")
    sync(leipzig)
    assert node_alarms(leipzig) == []


def test_a_hub_that_was_admitted_since_comes_back_and_is_followed_again_once_its_address_is_known(
    region: Region, nation: RunningHub, network: Network, loop: EventLoop, tmp_path: Path
) -> None:
    """The nation goes back, and forgets that the region ever came."""
    with ExitStack() as stack:
        first = stack.enter_context(RunningHub.start(network, loop, tmp_path / "europe", name="eu.eu", port=8770))
        (tmp_path / "again").mkdir()
        copy_sqlite(tmp_path / "europe" / "hub.db", tmp_path / "again" / "hub.db")
        join(region.running, first)
        region.running.verb("follow")
        size = first.log_size()
    with RunningHub.start(network, loop, tmp_path / "again", name="eu.eu", port=8770) as hub:
        assert hub.verb("recover.status")["state"] == "restored"
        assert "alarm" not in region.running.verb("follow")["sources"][0]  # it shows what it has seen
        assert hub.verb("recover.status")["state"] == "behind"
        with region.running.hub.database.read() as session:
            parent = region.running.hub.trust.find_direct("eu.eu")
            assert parent is not None
            page = recovery.mirror_page(session, parent, hub.log_size(), region.running.hub.publisher)
        with region.running.hub.api(hub.url) as api:
            api.bring_entries(page)
        status = hub.verb("recover", alone=True, confirm="eu.eu")
        assert (status["state"], hub.log_size()) == ("serving", size)
        with pytest.raises(VerbError, match="expected the name of a hub"):
            hub.verb("members.address", name="nobody.de", url=region.running.url)
        hub.verb("members.address", name="sachsen.de", url=region.running.url)
        assert "alarm" not in hub.verb("follow")["sources"][0]
        assert region.running.verb("follow")["sources"][0].get("refused") is None


def test_the_folder_of_static_files_knows_what_was_signed_and_goes_on_after_the_recovery(
    network: Network, loop: EventLoop, tmp_path: Path
) -> None:
    folder, place = tmp_path / "public", tmp_path / "hub"
    with RunningHub.start(network, loop, place, static_dir=folder) as hub:
        city = hub.enrol("leipzig.sn.de")
        copy_sqlite(place / "hub.db", tmp_path / "old.db")
        receipt = hub.accept(city.sign())
        size, note = hub.log_size(), (folder / "checkpoint").read_bytes()
    for file in place.glob("hub.db*"):
        file.unlink()
    shutil.copy(tmp_path / "old.db", place / "hub.db")
    with RunningHub.start(network, loop, place, static_dir=folder) as hub:
        assert hub.verb("recover.status")["entries"] == f"{size - 1} of {size} entries are here"
        with HubApi(hub.url, city.key, hub.clock, network) as api:
            api.bring_entries(BroughtEntries(receipts=(Receipt.from_object(receipt),)))
            api.recovery_state(size, done=True)
            assert hub.verb("recover")["state"] == "serving"
        assert (folder / "checkpoint").read_bytes() == note
        hub.accept(City("leipzig.sn.de", city.key, hub, seq=1).sign())
        assert (folder / "checkpoint").read_bytes() != note
        assert hub.verb("verify")["findings"] == [f"entry {size - 1}: content missing"]
