"""Federations of every shape, with one to four levels of hubs: whoever may see an item sees it, and nobody else.

./run test tests/federation/test_topology.py
"""

from pathlib import Path

import pytest

from shared_schema.statement import Audience
from tests.federation.topology import Federation, Shape
from tests.regional_hub.running import EventLoop

SHAPES = {
    "one hub": ((1,), 3),
    "two levels of hubs": ((1, 2), 4),
    "three levels of hubs": ((1, 2, 4), 8),
    "four levels of hubs": ((1, 1, 2, 2), 4),
}


IN_BETWEEN = ("two levels of hubs", "three levels of hubs")


@pytest.mark.parametrize(
    "shape", [pytest.param(each, marks=[pytest.mark.long] if each in IN_BETWEEN else []) for each in SHAPES]
)
def test_everybody_sees_what_is_for_them_and_nothing_else(shape: str, tmp_path: Path, loop: EventLoop) -> None:
    hubs, cities = SHAPES[shape]
    with Federation.start(Shape.tree(hubs=hubs, cities=cities), tmp_path, loop) as federation:
        author = federation.city("c001.test.eu")
        audiences = (Audience.REGION, Audience.NATION, Audience.EUROPE)
        digests = {audience: author.publish(f"For the {audience.value}", audience) for audience in audiences}
        federation.settle()
        for reader in federation.cities.values():
            expected = {digest for audience, digest in digests.items() if federation.may_see(reader, author, audience)}
            assert reader.visible() == expected, reader.name
        for hub in federation.hubs.values():
            assert hub.verb("verify")["ok"]
        assert not [status for status in federation.wires.statuses if status >= 500]


@pytest.mark.long
def test_a_cut_link_holds_an_item_up_and_loses_nothing(tmp_path: Path, loop: EventLoop) -> None:
    with Federation.start(Shape.tree(hubs=(1, 2), cities=4), tmp_path, loop) as federation:
        author, far = federation.city("c001.test.eu"), federation.city("c002.test.eu")
        federation.cut("h2-1.test.eu", "h1-1.test.eu")
        digest = author.publish("Held up")
        for _ in range(3):
            federation.round()
        assert not far.shows(digest)
        federation.mend()
        federation.settle()
        assert far.shows(digest)


def test_a_lost_answer_delivers_once(tmp_path: Path, loop: EventLoop) -> None:
    with Federation.start(Shape.tree(hubs=(1,), cities=2), tmp_path, loop) as federation:
        author = federation.city("c001.test.eu")
        author.approve("Said twice, heard once")
        hub = federation.hubs[author.hub]
        before = hub.log_size()
        federation.wires.deaf.add((author.name, author.hub))
        author.sync()
        federation.mend()
        federation.settle()
        assert hub.log_size() == before + 1
        assert len(author.receipts()) == 1


def test_a_hub_that_lies_to_one_reader_is_noticed_by_that_reader_alone(tmp_path: Path, loop: EventLoop) -> None:
    with Federation.start(Shape.tree(hubs=(1,), cities=3), tmp_path, loop) as federation:
        author, fooled, other = (federation.city(f"c00{number}.test.eu") for number in (1, 2, 3))
        federation.settle()
        federation.wires.lies[fooled.name, author.hub] = lambda page: page.replace(b'"practice"', b'"bulletin"')
        digest = author.publish("Changed on the way")
        assert [alarm["code"] for alarm in fooled.sync()["alarms"]] == ["feed-fork"]
        assert other.sync()["alarms"] == []
        assert other.shows(digest) and not fooled.shows(digest)


@pytest.mark.parametrize("hubs", [(), (2,), (1, 0), (1, 1, 1, 1, 1)])
def test_a_shape_that_is_no_tree_is_refused(hubs: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="one to four levels"):
        Shape.tree(hubs=hubs, cities=1)
