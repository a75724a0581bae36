"""Published sums: which statements they are made of, when a new revision comes, and nothing counted twice."""

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import pytest

from regional_hub.holdings import Library
from regional_hub.publication import publish
from regional_hub.trends import find_changed
from shared_schema.envelope import parse_envelope
from shared_schema.governance import PolicyBody
from shared_schema.period import parse_period
from shared_schema.service.control import VerbError
from shared_schema.statement import Audience, Kind
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import City, RunningHub, join
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough

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


@pytest.mark.sqlite_is_enough(False)
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


@pytest.mark.sqlite_is_enough(False)
def test_a_withdrawn_release_leaves_the_sum(hub: RunningHub) -> None:
    cities = [hub.enrol(name) for name in NAMES]
    releases = [city.trend(number, 0, 0) for number, city in enumerate(cities, 1)]
    hub.accept_many(releases)
    hub.verb("aggregate")
    hub.accept(cities[2].withdrawal(releases[2]))
    assert hub.verb("aggregate") == {"published": 1}
    assert (published(cities[0])[-1]["revision"], cell(published(cities[0])[-1])) == (2, ("Q", 2, None))


def enrol(hub: RunningHub, count: int) -> list[City]:
    return [hub.enrol(f"city{number}.sn.de") for number in range(count)]


def release(cities: Sequence[City], **changes: Any) -> list[bytes]:
    """Every city releases about 20 in the first cell, so that none stands out."""
    envelopes = [city.trend(20 + number, 0, 0, **changes) for number, city in enumerate(cities)]
    for city, envelope in zip(cities, envelopes, strict=True):
        city.hub.accept(envelope)
    return envelopes


def newest(reader: City, start: str = "2026-10-01", granularity: str = "month") -> dict[str, Any]:
    found = [
        body
        for body in published(reader)
        if (body["period"]["start"], body["period"]["granularity"]) == (start, granularity)
    ]
    return found[-1]


@pytest.mark.sqlite_is_enough(False)
def test_late_cities_wait_until_there_are_enough_of_them(hub: RunningHub) -> None:
    """One more city would be the difference of the two revisions."""
    cities = enrol(hub, 6)
    release(cities[:3])
    assert hub.verb("aggregate") == {"published": 1}
    for late in cities[3:5]:
        release([late])
        assert hub.verb("aggregate") == {"published": 0}
    assert (newest(cities[0])["revision"], cell(newest(cities[0]))) == (1, ("A", 3, 63))
    assert hub.verb("sums")["sums"][0]["cells"][0]["contributors"] == 5  # complete for the hub above all the while
    release(cities[5:])
    assert hub.verb("aggregate") == {"published": 1}
    assert (newest(cities[0])["revision"], cell(newest(cities[0]))) == (2, ("A", 6, 123))


def test_a_taken_back_release_cannot_be_had_as_the_difference(hub: RunningHub) -> None:
    cities = enrol(hub, 4)
    releases = release(cities)
    hub.verb("aggregate")
    assert cell(newest(cities[0])) == ("A", 4, 86)
    hub.accept(cities[3].withdrawal(releases[3]))
    assert hub.verb("aggregate") == {"published": 1}
    assert [found["withheld"] for found in newest(cities[0])["cells"]] == ["differencing"] * 3
    assert cell(hub.verb("sums")["sums"][0]) == ("A", 3, 63)
    hub.enrol("another.sn.de")  # whatever makes a new revision later, the cell stays withheld
    hub.verb("aggregate")
    assert newest(cities[0])["revision"] == 3 and cell(newest(cities[0]))[0] == "Q"


def test_when_everything_is_taken_back_a_revision_without_figures_takes_its_place(hub: RunningHub) -> None:
    cities = enrol(hub, 3)
    releases = release(cities)
    hub.verb("aggregate")
    for city, envelope in zip(cities, releases, strict=True):
        hub.accept(city.withdrawal(envelope))
    assert hub.verb("aggregate") == {"published": 1}
    assert hub.verb("aggregate") == {"published": 0}
    last = newest(cities[0])
    assert [cell(last, place) for place in range(3)] == [("L", 0, None)] * 3
    assert (last["revision"], last["coverage"]) == (2, {"reporting": 0, "expected": 3})
    assert hub.verb("verify")["ok"]


@pytest.mark.parametrize(
    ("change", "reason"), [({"min_contributors": 4}, "few-cities"), ({"p_percent": 100}, "dominance")]
)
def test_a_stricter_policy_takes_back_what_was_shown(hub: RunningHub, change: Mapping[str, int], reason: str) -> None:
    cities = enrol(hub, 3)
    release(cities)
    hub.verb("aggregate")
    policy = builders.POLICY.to_object() | {"version": 2, **change}
    hub.verb("policy.set", policy=policy)
    assert hub.verb("aggregate") == {"published": 1}
    assert newest(cities[0])["cells"][0]["withheld"] == reason


@pytest.mark.parametrize("least", [1, 2])
def test_no_policy_shows_sums_of_fewer_than_three_cities(hub: RunningHub, least: int) -> None:
    """A new one is refused; one that a hub of an earlier version has put in force is read, and three count."""
    policy = builders.POLICY.to_object() | {"version": 2, "min_contributors": least}
    with pytest.raises(VerbError, match="min_contributors of at least 3"):
        hub.verb("policy.set", policy=policy)
    earlier = PolicyBody.from_object(policy)
    with hub.hub.database.write() as session:
        publish(session, Kind.POLICY, earlier, Audience.REGION, name=hub.hub.name, key=hub.hub.key, now=hub.clock())
    cities = enrol(hub, 2)
    release(cities)
    hub.verb("aggregate")
    assert hub.verb("policy.show")["min_contributors"] == least
    assert newest(cities[0])["cells"][0]["withheld"] == "few-cities"


def test_a_city_that_stands_out_is_not_shown(hub: RunningHub) -> None:
    cities = enrol(hub, 3)
    for city, value in zip(cities, (200, 30, 9), strict=True):
        hub.accept(city.trend(value, 1, 0))
    hub.verb("aggregate")
    assert [found.get("withheld") for found in newest(cities[0])["cells"]] == ["dominance", None, None]


def test_one_citys_correction_waits_and_reaches_the_complete_sum_at_once(hub: RunningHub) -> None:
    cities = enrol(hub, 3)
    release(cities)
    hub.verb("aggregate")
    hub.accept(cities[0].trend(-3, 0, 0, correction=1, mechanism=builders.mechanism(Fraction(2))))
    assert hub.verb("aggregate") == {"published": 0}
    assert cell(newest(cities[0])) == ("A", 3, 63)
    assert cell(hub.verb("sums")["sums"][0]) == ("A", 3, 60)
    for city in cities[1:]:
        hub.accept(city.trend(-3, 0, 0, correction=1, mechanism=builders.mechanism(Fraction(2))))
    assert hub.verb("aggregate") == {"published": 1}
    assert (newest(cities[0])["revision"], cell(newest(cities[0]))) == (2, ("A", 3, 54))


def month(start: str) -> dict[str, str]:
    return parse_period(start[:7]).to_object()


QUARTER = ("2026-07-01", "2026-08-01", "2026-09-01")


def test_a_quarter_is_published_once_its_months_are_there(hub: RunningHub) -> None:
    cities = enrol(hub, 3)
    for start in QUARTER[:2]:
        release(cities, period=month(start))
    assert hub.verb("aggregate") == {"published": 2}
    release(cities, period=month(QUARTER[2]))
    assert hub.verb("aggregate") == {"published": 2}
    quarter = newest(cities[0], "2026-07-01", "quarter")
    assert (cell(quarter), quarter["rolled_up"]) == (("A", 3, 189), 3)


def test_a_quarter_that_gives_away_one_city_is_withheld(hub: RunningHub) -> None:
    """The months less the quarter would be the one city that is not in all of them."""
    cities = enrol(hub, 4)
    for start in QUARTER:
        release(cities[:3] if start == QUARTER[2] else cities, period=month(start))
    hub.verb("aggregate")
    assert cell(newest(cities[0], QUARTER[0])) == ("A", 4, 86)
    assert newest(cities[0], QUARTER[0], "quarter")["cells"][0]["withheld"] == "differencing"


def test_a_month_that_comes_after_its_quarter_gives_nothing_away_either(hub: RunningHub) -> None:
    cities = enrol(hub, 4)
    for start in QUARTER:
        release(cities[:3], period=month(start))
    hub.verb("aggregate")
    release(cities[3:], period=month(QUARTER[0]))
    assert hub.verb("aggregate") == {"published": 0}
    assert cell(newest(cities[0], QUARTER[0], "quarter")) == ("A", 3, 189)


def test_a_cell_that_few_cities_have_in_a_month_is_still_in_the_quarter_of_those_that_refuse_noise(
    hub: RunningHub,
) -> None:
    """No months are shown, so a quarter of three such cities gives nothing away."""
    cities = enrol(hub, 3)
    mechanism = {"name": "threshold-rounding", "threshold": 10, "base": 5, "library": "scipy"}
    period = parse_period("2026-Q3").to_object()
    for city in cities:
        cells = [
            {"dims": {"offence": "verbal"}, "status": "A", "value": 20},
            {"dims": {"offence": "property"}, "status": "Q", "low": 0, "high": 9},
            {"dims": {"offence": "assault"}, "status": "L"},
        ]
        body = builders.trend_body(period=period, mechanism=mechanism, cells=cells)
        del body["privacy"]
        hub.accept(city.sign(Kind.TREND, body))
    assert hub.verb("aggregate") == {"published": 1}
    quarter = newest(cities[0], "2026-07-01", "quarter")
    assert [cell(quarter, place) for place in range(3)] == [("A", 3, 60), ("Q", 0, None), ("L", 0, None)]
    assert (quarter["cells"][1]["suppressed"], quarter["cells"][1]["suppressed_high"]) == (3, 27)


def test_a_table_that_the_policy_has_replaced_is_added_up_no_longer(hub: RunningHub) -> None:
    city = hub.enrol(NAMES[0])
    hub.accept(city.trend())
    wording = builders.TABLE.to_object() | {"title": "Another title"}
    policy = PolicyBody.from_object(builders.POLICY.to_object() | {"version": 2, "tables": [wording]})
    hub.verb("policy.set", policy=policy.to_object())
    assert hub.verb("aggregate") == {"published": 0}


def count_changed(hub: RunningHub) -> int:
    with hub.hub.database.read() as session:
        trust = hub.hub.reload_trust()
        return find_changed(session, trust, Library(trust))


def test_what_makes_no_sum_is_not_looked_at_again(hub: RunningHub) -> None:
    """A table that is not in force any more, with a sum and without one."""
    city = hub.enrol(NAMES[0])
    hub.accept(city.trend())
    hub.verb("aggregate")
    hub.accept(city.trend(period=SEPTEMBER))
    hub.verb("policy.set", policy=builders.POLICY.to_object() | {"version": 2, "tables": []})
    hub.enrol(NAMES[1])
    assert count_changed(hub) == 2
    assert hub.verb("aggregate") == {"published": 0}
    assert count_changed(hub) == 0
    hub.verb("policy.set", policy=builders.POLICY.to_object() | {"version": 3})
    assert hub.verb("aggregate") == {"published": 2}  # September for the first time, October of two expected cities
    assert [body["revision"] for body in published(city)] == [1, 1, 2]
    assert (count_changed(hub), hub.verb("aggregate")) == (0, {"published": 0})
    assert hub.verb("verify")["ok"]


def test_a_regions_months_of_different_cities_make_no_quarter_of_the_nation(
    two_levels: tuple[RunningHub, list[RunningHub], list[City]],
) -> None:
    nation, regions, (first, second, *_) = two_levels
    for city, starts in ((first, QUARTER[:2]), (second, QUARTER[2:])):
        for start in starts:
            city.hub.accept(city.trend(40, 0, 0, period=month(start)))
    go_round(nation, regions)
    assert count_changed(nation) == 0
    assert {body["period"]["granularity"] for body in nation.verb("sums")["sums"]} == {"month"}


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


@pytest.fixture
def three_and_two(start_hub: HubStarter) -> tuple[RunningHub, list[RunningHub], list[City]]:
    """A nation with a region of three cities, which shows its sums, and one of two, which cannot."""
    nation = start_hub("bund.de", "nation")
    regions = [start_hub("sachsen.de"), start_hub("nrw.de")]
    for region in regions:
        join(region, nation)
    three = [regions[0].enrol(f"{number}.sachsen.de") for number in ("eins", "zwei", "drei")]
    return nation, regions, three + [regions[1].enrol(f"{number}.nrw.de") for number in ("eins", "zwei")]


def test_a_nation_shows_nothing_that_gives_away_what_a_region_hides(
    three_and_two: tuple[RunningHub, list[RunningHub], list[City]],
) -> None:
    """The nation's sum less the first region's would be the two cities of the second."""
    nation, regions, cities = three_and_two
    release(cities)
    go_round(nation, regions)
    by_contributors = {cell(body)[1]: body["cells"][0] for body in published(cities[0])}
    assert by_contributors[3]["estimate"] == 63
    assert by_contributors[5]["withheld"] == "differencing"
    assert nation.verb("sums")["sums"][0]["cells"][0]["estimate"] == 110


def test_a_nation_shows_what_its_regions_show(
    three_and_two: tuple[RunningHub, list[RunningHub], list[City]],
) -> None:
    nation, regions, cities = three_and_two
    cities.append(regions[1].enrol("drei.nrw.de"))
    release(cities)
    go_round(nation, regions)
    last = [body for body in published(cities[0]) if cell(body)[1] == 6][-1]
    assert cell(last) == ("A", 6, 135)
    for region in regions:  # late by one city: the nation waits as the region does
        late = region.enrol(f"spaet.{region.hub.name}")
        release([late])
    go_round(nation, regions)
    last = [body for body in published(cities[0]) if body["coverage"]["expected"] == 8][-1]
    assert cell(last) == ("A", 6, 135)
    assert cell(nation.verb("sums")["sums"][0]) == ("A", 8, 175)


def test_a_nation_withholds_what_a_region_must_withhold_after_a_withdrawal(
    three_and_two: tuple[RunningHub, list[RunningHub], list[City]],
) -> None:
    nation, regions, cities = three_and_two
    cities += [regions[1].enrol("drei.nrw.de"), regions[1].enrol("vier.nrw.de")]
    releases = release(cities)
    go_round(nation, regions)
    assert cell([body for body in published(cities[0]) if cell(body)[1] == 7][-1])[0] == "A"
    regions[1].accept(cities[-1].withdrawal(releases[-1]))
    go_round(nation, regions)
    last = [body for body in published(cities[0]) if body["coverage"]["expected"] == 7][-1]
    assert last["cells"][0]["withheld"] == "differencing"
