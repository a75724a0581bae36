"""What the demo says of a sealed total is what happened: also what is left of it, and that one operator is refused."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.demo import one_operator, sealed
from deploy.demo.federation import DemoError
from deploy.demo.sealed import HubPair, Total
from deploy.demo.sealed_story import Sealed, problems_of
from deploy.demo.secrets_left import Noted, look, take_note
from shared_schema.service.control import VerbError
from tests.federation.test_demo_recall import Asking, asking
from tests.federation.test_sealed import CITIES, COUNTS, HELPER, LEADER, SHAPE, enter
from tests.federation.topology import FederatedCity, Federation
from tests.regional_hub.running import Clock, EventLoop
from tests.regional_hub.sealed_pair import policy

TABLE, MONTH = "bias_incidents.by_offence", "2026-10"
PAIR = HubPair(LEADER, HELPER)
CODES = ("verbal", "property", "assault")


class Refusing(Asking):
    """A city of this process that says with which code it refuses."""

    def refusal(self, verb: str, /, **params: object) -> str | None:
        try:
            self.ask(verb, **params)
        except VerbError as error:
            return error.code
        return None


class Played:
    """The demo's steps in this process, once for all tests here."""

    def __init__(self, federation: Federation) -> None:
        self.federation = federation
        self.nodes, self.hubs = asking(federation.cities), asking(federation.hubs)
        self.folders = {name: city.node.data_dir for name, city in federation.cities.items()}
        self.batch = sealed.open_batch(self.hubs[LEADER], TABLE, MONTH)
        federation.round()
        for name in CITIES:
            enter(federation.city(name), COUNTS[name])
            sealed.send_share(self.nodes[name], self.batch)
            federation.city(name).sync()
        self.noted = take_note(self.folders, self.hub_folders, self.batch)
        self.before = [look(folder, self.noted) for folder in self.hub_folders.values()]
        sealed.add_up(self.hubs, PAIR)
        for name in (LEADER, HELPER):
            federation.round()
            self.hubs[name].ask("aggregate")
        federation.round()
        federation.round()

    @property
    def hub_folders(self) -> dict[str, Path]:
        return {name: self.federation.hubs[name].hub.data_dir for name in (LEADER, HELPER)}

    def total(self, origin: str) -> Total | None:
        figures = [dict(zip(CODES, COUNTS[name], strict=True)) for name in CITIES]
        return sealed.read_total(self.nodes[CITIES[0]], origin, sealed.true_sums(figures), TABLE, MONTH)

    def found(self) -> Sealed:
        return Sealed(
            batch=self.batch,
            operators=sealed.operators_in(self.nodes[CITIES[0]], self.batch),
            members=len(CITIES),
            counted=sealed.count_in(self.nodes, self.batch),
            shares=[len(shares) for shares in self.noted.shares.values()],
            region=self.total(LEADER),
            nation=self.total(HELPER),
            before=self.before,
            after=[look(folder, self.noted) for folder in self.hub_folders.values()],
        )


@pytest.fixture(scope="module")
def played(loop: EventLoop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    hubs: dict[str, dict[str, Any]] = {
        LEADER: {"policy": policy(), "more": {"operator": "Freistaat Sachsen"}},
        HELPER: {"more": {"operator": "Bund"}},
    }
    with Federation.start(SHAPE, tmp_path_factory.mktemp("all"), loop, Clock(), hubs) as running:
        for hub in running.hubs.values():
            hub.verb("operator.say")
        running.round()
        running.round()
        yield Played(running)


def test_six_cities_are_counted_and_nothing_of_one_is_left(played: Played) -> None:
    found = played.found()
    assert problems_of(found) == []
    assert (found.cities, found.shares, found.readable, found.keys_left) == ("6 of 6", [1] * 6, 0, 0)
    assert found.operators == {LEADER: "Freistaat Sachsen", HELPER: "Bund"}
    assert found.region is not None
    assert [cell.true for cell in found.region.cells] == [15, 30, 30]


def test_the_search_finds_shares_and_keys_while_the_batch_is_open(played: Played) -> None:
    leader, helper = played.before
    assert (leader.readable, leader.shares_in_files, leader.keys_in_files) == (6, 6, 2)
    assert (helper.readable, helper.shares_in_files, helper.keys_in_files) == (0, 0, 2)


def test_the_search_finds_a_share_or_a_key_that_somebody_has_kept(played: Played, tmp_path: Path) -> None:
    (share, *_), key = played.noted.shares[CITIES[0]], played.noted.keys[0]
    for name, content, left in (
        ("copy", share.stored_bytes[500:-500], (1, 0)),
        ("payload", share.payload[500:-300], (1, 0)),
        ("key", key.hex().encode(), (0, 1)),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "hub.db").write_bytes((played.hub_folders[HELPER] / "hub.db").read_bytes())
        (folder / "kept").write_bytes(b"before" + content + b"after")
        seen = look(folder, Noted({CITIES[0]: (share,)}, (key,)))
        assert (seen.shares_in_files, seen.keys_in_files) == left, name


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda found: replace(found, operators=dict.fromkeys(found.operators, "Bund")), "two operators"),
        (lambda found: replace(found, counted=5), "5 of 6"),
        (lambda found: replace(found, shares=[1, 1, 1, 1, 1, 2]), "one share"),
        (lambda found: replace(found, before=found.after), "does not find"),
        (lambda found: replace(found, after=found.before), "share of a single city"),
        (lambda found: replace(found, region=None), "has not come"),
        (lambda found: replace(found, nation=replace(found.nation, mechanism=None)), "does not say so"),
        (lambda found: replace(found, nation=replace(found.nation, cells=found.nation.cells[1:])), "of the nation"),
        (lambda found: replace(found, region=replace(found.region, deviation=0.01)), "one of the two sums is false"),
    ],
)
def test_what_is_not_kept_is_said(played: Played, change: Callable[[Sealed], Sealed], says: str) -> None:
    assert any(says in problem for problem in problems_of(change(played.found())))


class Stuck:
    """A hub that works and never comes to an end."""

    def ask(self, verb: str, **_params: object) -> dict[str, Any]:
        return {"batches": [{"state": "published"}]} if verb == "sealed.list" else {}


def test_hubs_that_do_not_come_to_an_end_stop_the_demo() -> None:
    with pytest.raises(DemoError, match="done at both hubs"):
        sealed.add_up({LEADER: Stuck(), HELPER: Stuck()}, PAIR)


def city_of(played: Played) -> FederatedCity:
    return played.federation.city(CITIES[1])


def test_a_city_refuses_the_same_batch_of_one_operator(played: Played) -> None:
    """Last in this file: the announcement stays in the log."""
    leader, helper = (played.federation.hubs[name].hub for name in (LEADER, HELPER))
    digest = one_operator.announce_as(leader, helper.key, played.batch, "2026-09")
    played.federation.round()
    played.federation.round()
    city = Refusing(city_of(played))
    assert one_operator.is_refused(city, digest)
    assert not one_operator.is_refused(city, played.batch), "which is refused for another reason: it has ended"
    for hub in played.federation.hubs.values():
        assert hub.verb("status")["alarms"] == []
        assert hub.verb("verify")["findings"] == []
    assert city.ask("status")["alarms"] == []
