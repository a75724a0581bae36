"""A withdrawal reaches every holder on every level, and nothing of the content is left on any disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.federation.recall_kit import WORDS, Federation, TestCity, spellings
from tests.regional_hub.running import EventLoop


@pytest.fixture(scope="module")
def loop() -> Iterator[EventLoop]:
    with EventLoop() as running:
        yield running


@pytest.fixture
def federation(tmp_path: Path, loop: EventLoop) -> Iterator[Federation]:
    with Federation.start(tmp_path, loop) as started:
        yield started


def levels(federation: Federation, regions: int, cities: int) -> list[TestCity]:
    """Europe over two nations, each over `regions` regions of `cities` cities."""
    europe = federation.hub("europe.eu", "europe")
    made = []
    for nation_name in ("de", "fr"):
        nation = federation.hub(f"bund.{nation_name}", "nation", europe)
        for region in range(regions):
            hub = federation.hub(f"region{region}.{nation_name}", "region", nation)
            made += [federation.city(f"city{number}.region{region}.{nation_name}", hub) for number in range(cities)]
    for _ in range(3):  # so that everybody knows everybody's key
        federation.round()
    return made


def check_recalled(federation: Federation, cities: list[TestCity], rounds: int) -> None:
    """Release, find it with everybody, withdraw, and find it nowhere."""
    author = cities[0]
    digest = author.release(audience="europe")
    for _ in range(3):
        federation.round()
    assert {city.state_of(digest) for city in cities} == {"accepted"}
    everybody = {city.node.name for city in cities} | {hub.hub.name for hub in federation.hubs}
    holders = {name.partition("/")[0] for name in federation.find(*WORDS)}
    assert holders == everybody, "the search must find what is there"

    author.verb("withdraw", digest=digest, by="anna", reason="consent")
    here = [name for name in federation.find(*WORDS) if name.startswith(author.node.name)]
    assert here == [], "on the author's own node it is gone at once"
    for _ in range(rounds):
        federation.round()
    assert {city.state_of(digest) for city in cities} == {"withdrawn"}
    assert federation.find(*WORDS) == []
    assert all(hub.verb("verify")["ok"] for hub in federation.hubs)
    assert all(author.verb("sync")[each] == [] for each in ("problems", "alarms"))


def test_a_withdrawal_reaches_everybody_and_leaves_nothing(federation: Federation) -> None:
    check_recalled(federation, levels(federation, regions=1, cities=2), rounds=3)


@pytest.mark.long
def test_a_withdrawal_reaches_the_last_of_forty_members_and_leaves_nothing(federation: Federation) -> None:
    cities = levels(federation, regions=4, cities=5)
    assert len(cities) == 40
    check_recalled(federation, cities, rounds=3)


def test_the_search_finds_every_spelling() -> None:
    import base64

    needle = b"nach dem Ufer befragen"
    for before in range(6):
        text = b"x" * before + needle + b"y" * 7
        for encoded in (text, base64.b64encode(text), base64.urlsafe_b64encode(text)):
            assert any(spelling in encoded for spelling in spellings(needle)), before
        assert not any(spelling in base64.b64encode(text.upper()) for spelling in spellings(needle))
