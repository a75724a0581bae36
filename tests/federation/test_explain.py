"""Every item has an answer for every receiver, and the answer is what the receiver shows."""

from collections.abc import Iterator

import pytest

from shared_schema.service.control import VerbError
from shared_schema.statement import Audience
from tests.federation.topology import COORDINATOR, FederatedCity, Federation, Shape
from tests.regional_hub.running import EventLoop

AUTHOR = "c001.test.eu"


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory, loop: EventLoop) -> Iterator[Federation]:
    with Federation.start(Shape.tree(hubs=(1, 2), cities=3), tmp_path_factory.mktemp("all"), loop) as started:
        yield started


@pytest.fixture(scope="module")
def items(federation: Federation) -> dict[str, str]:
    """One item of each fate, by a name for it; c003 was away when the last ones came."""
    author = federation.city(AUTHOR)
    found = {audience.value: author.publish(f"For the {audience.value}", audience) for audience in list(Audience)[1:]}
    found["withdrawn"] = author.publish("Taken back")
    found["narrowed"] = author.publish("Narrowed")
    federation.settle()
    author.verb("withdraw", digest=found["withdrawn"], by=COORDINATOR, reason="error")
    author.verb("withdraw", digest=found["narrowed"], by=COORDINATOR, reason="error", to="region")
    federation.settle()
    federation.cut("c003.test.eu", federation.city("c003.test.eu").hub)
    found["late"] = author.publish("Late")
    found["late and withdrawn"] = author.publish("Late and taken back")
    federation.round()
    author.verb("withdraw", digest=found["late and withdrawn"], by=COORDINATOR, reason="error")
    for _ in range(3):
        federation.round()
    federation.cut(AUTHOR, author.hub)
    author.approve("Waits")
    author.sync()
    found["other"] = federation.city("c002.test.eu").publish("By somebody else")
    for _ in range(3):
        federation.round()
    return found


def explain(city: FederatedCity, digest: str) -> dict[str, str]:
    answer = city.verb("explain", digest=digest)
    assert answer["sentence"] and answer["to_do"] and answer["place"]
    return answer


def test_every_item_has_an_answer_for_every_receiver(federation: Federation, items: dict[str, str]) -> None:
    places = {}
    for name, digest in items.items():
        for city in federation.cities.values():
            place = explain(city, digest)["place"]
            assert (place == "shown") == city.shows(digest), (name, city.name, place)
            places[name, city.name] = place
    assert places["withdrawn", "c002.test.eu"] == "withdrawn"
    assert {"shown", "withdrawn", "unknown"} <= set(places.values())


def test_the_home_hub_says_of_each_member_what_that_member_shows(federation: Federation, items: dict[str, str]) -> None:
    for name, digest in items.items():
        for city in federation.cities.values():
            hub = federation.hubs[city.hub]
            answer = hub.verb("explain", digest=digest, member=city.name)
            own = answer.get("receivers", [])
            if not own:  # its own item, or one that is not in this hub's log
                assert answer["place"] == "unknown" or city.name == AUTHOR or name == "other"
                continue
            place = own[0]["place"]
            assert own[0]["sentence"] and own[0]["to_do"]
            if place == "delivered":
                assert city.shows(digest), (name, city.name)
            if place in ("not-for-it", "withdrawn"):
                assert not city.shows(digest), (name, city.name)
            if city.name == "c003.test.eu" and name == "late":
                assert place == "waiting" and not city.shows(digest)


def test_the_author_sees_each_receiver_and_others_see_themselves_alone(
    federation: Federation, items: dict[str, str]
) -> None:
    federation.mend(AUTHOR, federation.city(AUTHOR).hub)
    receivers = author_view(federation, items["late"])
    assert receivers["c003.test.eu"] == "waiting" and AUTHOR not in receivers
    parent = federation.home_path(federation.city(AUTHOR).hub)[1]
    assert receivers[parent] == "delivered"
    assert author_view(federation, items["late"], member="c003.test.eu") == {"c003.test.eu": "waiting"}
    other = federation.city("c002.test.eu")
    assert [each["name"] for each in other.verb("explain", digest=items["europe"])["receivers"]] == [other.name]
    refused = other.verb("explain", digest=items["europe"], member="c003.test.eu")["hubs"]
    assert [each["place"] for each in refused] == ["no answer"]


def author_view(federation: Federation, digest: str, **params: object) -> dict[str, str]:
    answer = federation.city(AUTHOR).verb("explain", digest=digest, **params)
    return {each["name"]: each["place"] for each in answer["receivers"]}


def test_what_waits_here_says_what_it_waits_for(federation: Federation, items: dict[str, str]) -> None:
    author = federation.city(AUTHOR)
    draft = author.approve("Approved and not signed")
    assert explain(author, draft)["place"] == "approved"
    with pytest.raises(VerbError, match="expected the id"):
        author.verb("explain", digest="r999")
    with pytest.raises(VerbError, match="eight digits"):
        author.verb("explain", digest="abc")
    assert explain(author, "ab" * 32)["place"] == "unknown"
    assert items
