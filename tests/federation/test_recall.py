"""A withdrawal reaches every holder on every level, and nothing of the content is left on any disk."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.federation.searching import find_in_files, spellings
from tests.federation.topology import COORDINATOR, FederatedCity, Federation, Shape
from tests.regional_hub.running import EventLoop

ROUNDS_A_LEVEL = 2


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory, loop: EventLoop) -> Iterator[Federation]:
    """Europe over two nations, one of them with two regions and one with one; a city in each region."""
    with Federation.start(Shape.tree(hubs=(1, 2, 3), cities=3), tmp_path_factory.mktemp("all"), loop) as started:
        yield started


def author_of(federation: Federation) -> FederatedCity:
    return federation.city("c001.test.eu")


def rounds(federation: Federation, levels: int) -> None:
    for _ in range(ROUNDS_A_LEVEL * levels):
        federation.round()


def holders_of(federation: Federation, *needles: str) -> set[str]:
    """Whose files hold one of the texts."""
    return {name.partition("/")[0] for name in find_in_files(federation.directory, *needles)}


def readers_of(federation: Federation, digest: str) -> set[str]:
    return {name for name, city in federation.cities.items() if city.shows(digest)}


def check_recalled(federation: Federation) -> None:
    """Release, find it with everybody, withdraw, and find it nowhere."""
    author = author_of(federation)
    digest = author.publish("Abendrunde am Kanusportufer")
    federation.settle()
    needles = ("Abendrunde", "Kanusportufer")
    assert readers_of(federation, digest) == set(federation.cities)
    assert holders_of(federation, *needles) == {*federation.cities, *federation.hubs}, "the search finds what is there"

    author.verb("withdraw", digest=digest, by=COORDINATOR, reason="consent")
    assert find_in_files(federation.directory / author.name, *needles) == [], "with the author it is gone at once"
    rounds(federation, levels=3)
    assert readers_of(federation, digest) == set()
    assert find_in_files(federation.directory, *needles) == []
    assert all(hub.verb("verify")["ok"] for hub in federation.hubs.values())
    report = author.sync()
    assert (report["problems"], report["alarms"]) == ([], [])


def test_a_withdrawal_reaches_everybody_and_leaves_nothing(federation: Federation) -> None:
    check_recalled(federation)


@pytest.mark.long
def test_a_withdrawal_reaches_the_last_of_forty_members_and_leaves_nothing(tmp_path: Path, loop: EventLoop) -> None:
    with Federation.start(Shape.tree(hubs=(1, 2, 4), cities=40), tmp_path, loop) as federation:
        federation.settle()
        check_recalled(federation)


def test_the_search_finds_every_spelling() -> None:
    needle = b"Abendrunde am Ufer"
    for before in range(6):
        text = b"x" * before + needle + b"y" * 7
        for encoded in (text, base64.b64encode(text), base64.urlsafe_b64encode(text)):
            assert any(spelling in encoded for spelling in spellings(needle)), before
        assert not any(spelling in base64.b64encode(text.upper()) for spelling in spellings(needle))


@pytest.mark.long
def test_a_narrowed_item_stays_within_and_leaves_everybody_else(federation: Federation) -> None:
    author, needle = author_of(federation), "Fahrradwerkstatt"
    digest = author.publish(f"Die {needle}")
    federation.settle()
    region, nation, _ = federation.home_path(author.hub)
    other = federation.city("c002.test.eu")
    assert federation.home_path(other.hub)[1] == nation and other.hub != region
    assert holders_of(federation, needle) == {*federation.cities, *federation.hubs}

    for to, cities, hubs in (
        ("nation", {author.name, other.name}, {region, nation, other.hub}),
        ("region", {author.name}, {region}),
        (None, set(), set()),
    ):
        author.verb("withdraw", digest=digest, by=COORDINATOR, reason="other", to=to)
        rounds(federation, levels=3)
        assert readers_of(federation, digest) == cities, to
        assert holders_of(federation, needle) == cities | hubs, to
        assert all(hub.verb("verify")["ok"] for hub in federation.hubs.values())
        assert all(city.sync()["alarms"] == [] for city in federation.cities.values())


def status_of(city: FederatedCity, digest: str) -> str:
    (line,) = city.verb("recall.status", digest=digest)["recalls"]
    return str(line["status"])


@pytest.mark.long
def test_the_author_sees_who_is_late_and_who_was_away_for_a_year_forgets_it_when_it_comes_back(
    federation: Federation,
) -> None:
    author, away = author_of(federation), federation.city("c003.test.eu")
    digest = author.publish("Pfadfinderabend mit Gitarre")
    federation.settle()
    federation.cut(away.name, away.hub)
    author.verb("withdraw", digest=digest, by=COORDINATOR, reason="consent")
    assert status_of(author, digest) == "it is sent with the next sync"
    rounds(federation, levels=3)
    others = len(federation.cities) - 1 + len(federation.hubs) - 1  # all but the author and its home hub
    assert status_of(author, digest) == f"{others - 1} of {others} confirmed"
    federation.clock.advance(days=8)
    rounds(federation, levels=3)
    assert status_of(author, digest) == f"{others - 1} of {others} confirmed; late: {away.name}"
    for hub in federation.hubs.values():
        (line,) = hub.verb("recalls", digest=digest)["recalls"]
        # Seen from another hub it is that hub which needs no counting, and the home hub does; the author never counts.
        assert (line["holders"], line["unheard"]) == (others, 0), hub.hub.name
    federation.hubs[away.hub].verb("members.set", name=away.name, status="suspended")
    rounds(federation, levels=3)
    assert status_of(author, digest) == f"{others - 1} of {others} confirmed; 1 cannot be reached any more"
    federation.hubs[away.hub].verb("members.set", name=away.name, status="active")
    federation.clock.advance(days=365)
    assert away.shows(digest), "nobody can reach it meanwhile"
    assert holders_of(federation, "Pfadfinderabend") == {away.name}
    federation.mend()
    away.sync()
    assert not away.shows(digest)
    assert holders_of(federation, "Pfadfinderabend") == set()
    federation.settle()
