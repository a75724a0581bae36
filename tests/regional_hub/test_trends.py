"""Published sums: which statements they are made of, when a new revision comes, and nothing counted twice."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from shared_schema.envelope import parse_envelope
from shared_schema.governance import PolicyBody
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import City, RunningHub, join
from tests.shared_schema import builders

NAMES = ("leipzig.sn.de", "dresden.sn.de", "chemnitz.sn.de")
OCTOBER = builders.MONTH
SEPTEMBER = {"start": "2026-09-01", "end": "2026-09-30", "granularity": "month", "basis": "recorded"}


def published(reader: City) -> list[dict[str, Any]]:
    """The bodies of the sums that a member can read, in the order of the log."""
    bodies = []
    for item in reader.feed()["entries"]:
        if item["entry"]["kind"] == "aggregate" and "envelope" in item:
            envelope = parse_envelope(json.dumps(item["envelope"]).encode())
            bodies.append(json.loads(envelope.payload)["body"])
    return bodies


def cell(body: Mapping[str, Any], place: int = 0) -> tuple[object, ...]:
    found = body["cells"][place]
    return found["status"], found["contributors"], found.get("estimate")


def test_a_sum_is_published_once_and_again_when_a_city_is_late(hub: RunningHub) -> None:
    first, second, third = (hub.enrol(name) for name in NAMES)
    for city, value in ((first, 5), (second, 7)):
        hub.accept(city.trend(value, 0, 0))
    assert hub.verb("aggregate") == {"published": 1}
    assert hub.verb("aggregate") == {"published": 0}
    (early,) = published(third)
    assert (early["revision"], cell(early)) == (1, ("Q", 2, None))
    assert early["coverage"] == {"reporting": 2, "expected": 3}
    hub.accept(third.trend(6, 0, 0))
    assert hub.verb("aggregate") == {"published": 1}
    assert hub.verb("aggregate") == {"published": 0}
    late = published(third)[-1]
    assert (late["revision"], cell(late)) == (2, ("A", 3, 18))
    assert late["coverage"] == {"reporting": 3, "expected": 3}
    assert hub.verb("verify")["ok"]


def test_every_table_and_period_has_its_own_sum(hub: RunningHub) -> None:
    cities = [hub.enrol(name) for name in NAMES]
    for city in cities:
        hub.accept_many([city.trend(1, 0, 0), city.trend(10, 0, 0, period=SEPTEMBER)])
    assert hub.verb("aggregate") == {"published": 2}
    assert {body["period"]["start"]: cell(body)[2] for body in published(cities[0])} == {
        "2026-09-01": 30,
        "2026-10-01": 3,
    }


def test_a_new_member_changes_what_was_expected(hub: RunningHub) -> None:
    city = hub.enrol(NAMES[0])
    hub.accept(city.trend())
    hub.verb("aggregate")
    hub.enrol(NAMES[1])
    assert hub.verb("aggregate") == {"published": 1}
    assert published(city)[-1]["coverage"] == {"reporting": 1, "expected": 2}


def test_a_revoked_city_counts_no_longer_among_the_expected(hub: RunningHub) -> None:
    first, second = hub.enrol(NAMES[0]), hub.enrol(NAMES[1])
    hub.accept(first.trend())
    hub.verb("members.set", name=second.name, status="left")
    hub.verb("aggregate")
    assert published(first)[-1]["coverage"] == {"reporting": 1, "expected": 1}


def test_a_withdrawn_release_leaves_the_sum(hub: RunningHub) -> None:
    cities = [hub.enrol(name) for name in NAMES]
    releases = [city.trend(number, 0, 0) for number, city in enumerate(cities, 1)]
    hub.accept_many(releases)
    hub.verb("aggregate")
    hub.accept(cities[2].withdrawal(releases[2]))
    assert hub.verb("aggregate") == {"published": 1}
    assert (published(cities[0])[-1]["revision"], cell(published(cities[0])[-1])) == (2, ("Q", 2, None))


def test_a_table_that_the_policy_has_replaced_is_added_up_no_longer(hub: RunningHub) -> None:
    city = hub.enrol(NAMES[0])
    hub.accept(city.trend())
    wording = builders.TABLE.to_object() | {"title": "Another title"}
    policy = PolicyBody.from_object(builders.POLICY.to_object() | {"version": 2, "tables": [wording]})
    hub.verb("policy.set", policy=policy.to_object())
    assert hub.verb("aggregate") == {"published": 0}


def test_a_region_without_a_nation_publishes_what_is_shown_and_nothing_else(hub: RunningHub) -> None:
    city = hub.enrol(NAMES[0])
    hub.accept(city.trend())
    hub.verb("aggregate")
    (body,) = published(city)
    assert body["complete"] is False


@pytest.fixture
def two_levels(start_hub: HubStarter) -> tuple[RunningHub, list[RunningHub], list[City]]:
    """A nation with a city of its own, two regions, and two cities in each of them."""
    nation = start_hub("bund.de", "nation")
    regions = [start_hub("sachsen.de"), start_hub("nrw.de")]
    cities = []
    for region in regions:
        join(region, nation)
        cities += [region.enrol(f"{number}.{region.hub.name}") for number in ("eins", "zwei")]
    return nation, regions, [*cities, nation.enrol("berlin.de")]


def go_round(nation: RunningHub, regions: list[RunningHub]) -> None:
    """Everybody adds up and follows, upwards and downwards, as the background work does."""
    for hub in (*regions, nation, *regions, nation, *regions):
        for source in hub.verb("follow")["sources"]:
            assert not {"alarm", "refused", "unreachable"} & set(source), source
        hub.verb("aggregate")


def test_two_levels_count_every_city_once(two_levels: tuple[RunningHub, list[RunningHub], list[City]]) -> None:
    nation, regions, cities = two_levels
    for number, city in enumerate(cities):
        city.hub.accept(city.trend(40 + number, 0, 0))
    go_round(nation, regions)
    for city in cities:
        last = [body for body in published(city) if cell(body)[1] == 5][-1]
        assert cell(last) == ("A", 5, 210)
        assert last["coverage"] == {"reporting": 5, "expected": 5}
    sizes = [hub.log_size() for hub in (nation, *regions)]
    go_round(nation, regions)  # nothing new: nobody publishes or appends anything
    assert [hub.log_size() for hub in (nation, *regions)] == sizes
    assert all(hub.verb("verify")["ok"] for hub in (nation, *regions))


def test_a_regions_hidden_cell_tears_no_hole_into_the_nations_sum(
    two_levels: tuple[RunningHub, list[RunningHub], list[City]],
) -> None:
    nation, regions, cities = two_levels
    for city in cities:
        city.hub.accept(city.trend(1, 0, 0))
    go_round(nation, regions)
    by_contributors = {cell(body)[1]: cell(body) for body in published(cities[0])}
    assert by_contributors == {2: ("Q", 2, None), 5: ("A", 5, 5)}  # the region shows nothing, the nation everything


def test_a_late_city_of_a_region_makes_a_new_revision_of_the_nation(
    two_levels: tuple[RunningHub, list[RunningHub], list[City]],
) -> None:
    nation, regions, cities = two_levels
    for city in cities[1:]:
        city.hub.accept(city.trend(1, 0, 0))
    go_round(nation, regions)
    early = nation.verb("sums")["sums"]
    cities[0].hub.accept(cities[0].trend(100, 0, 0))
    go_round(nation, regions)
    late = nation.verb("sums")["sums"]
    assert [cell(body)[1:] for body in (*early, *late)] == [(4, 4), (5, 104)]
    assert early[0]["coverage"] == {"reporting": 4, "expected": 5}


def test_a_missing_region_lowers_the_nations_coverage(
    two_levels: tuple[RunningHub, list[RunningHub], list[City]],
) -> None:
    nation, regions, cities = two_levels
    for city in (*cities[:2], cities[-1]):
        city.hub.accept(city.trend(1, 0, 0))
    go_round(nation, regions)
    (body,) = nation.verb("sums")["sums"]
    assert (cell(body), body["coverage"]) == (("A", 3, 3), {"reporting": 3, "expected": 5})


def test_no_citys_figures_leave_its_home_hub(two_levels: tuple[RunningHub, list[RunningHub], list[City]]) -> None:
    nation, regions, cities = two_levels
    for city in cities[:4]:
        city.hub.accept(city.trend(4711, 0, 0))
    go_round(nation, regions)
    assert "trend" not in nation.verb("status")["kinds"]
    assert regions[0].verb("status")["kinds"]["trend"] == 2
