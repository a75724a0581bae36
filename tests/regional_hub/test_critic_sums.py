"""No release, however wild, keeps a hub from adding up; a hub hands up no more than its cities can have."""

from collections.abc import Mapping
from fractions import Fraction

import pytest

from shared_schema.errors import ReleaseRuleError
from shared_schema.problem import ProblemCode
from shared_schema.statement import Audience, Kind
from shared_schema.trend import MAX_ABSOLUTE_VALUE, MAX_AGENCIES, MAX_CITIES
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import RunningHub, check_problem, join
from tests.shared_schema import builders


def test_the_wildest_releases_are_added_up(hub: RunningHub) -> None:
    for name in ("leipzig.sn.de", "dresden.sn.de"):
        hub.accept(
            hub.enrol(name).trend(
                MAX_ABSOLUTE_VALUE,
                -MAX_ABSOLUTE_VALUE,
                0,
                mechanism=builders.mechanism(Fraction(2_200)),
                coverage={"reporting": MAX_AGENCIES, "expected": MAX_AGENCIES},
            )
        )
    assert hub.verb("aggregate") == {"published": 1}
    (body,) = hub.verb("sums")["sums"]
    assert [cell["estimate"] for cell in body["cells"]] == [2 * MAX_ABSOLUTE_VALUE, -2 * MAX_ABSOLUTE_VALUE, 0]


@pytest.mark.parametrize(
    "changes",
    [
        {"cells": [{"dims": {"offence": code}, "status": "A", "value": 10**9 + 1} for code in builders.GRID]},
        {"mechanism": builders.mechanism(Fraction(3_000))},
    ],
)
def test_wilder_ones_are_refused(hub: RunningHub, changes: Mapping[str, object]) -> None:
    city = hub.enrol("leipzig.sn.de")
    check_problem(hub.post(city.sign(Kind.TREND, builders.trend_body(**changes))), ProblemCode.SCHEMA)


def test_more_agencies_than_any_city_has_are_refused(hub: RunningHub) -> None:
    coverage = {"reporting": 1, "expected": MAX_AGENCIES + 1}
    body = hub.enrol("leipzig.sn.de").trend(1, 2, 3, coverage=coverage)
    check_problem(hub.post(body), ProblemCode.RELEASE_RULE)


@pytest.mark.parametrize(
    "changes",
    [
        {"coverage": {"reporting": MAX_CITIES + 1, "expected": MAX_CITIES + 1}},
        {"coverage": {"reporting": 2, "expected": 2}},
        {"agencies": {"reporting": 1, "expected": 3 * MAX_AGENCIES + 1}},
        {"cells": [builders.aggregate_cell(code, contributors=0, estimate=1, variance_milli=0, low=1, high=1)
                   for code in builders.GRID]},
        {"cells": [builders.aggregate_cell(code, contributors=1, estimate=1, variance_milli=10**10 + 1, low=1, high=1)
                   for code in builders.GRID]},
    ],
)  # fmt: skip
def test_a_hub_hands_up_what_its_cities_can_have(changes: Mapping[str, object]) -> None:
    value = builders.statement(
        Kind.AGGREGATE, builders.aggregate_body(**changes), audience=Audience.REGION.value, origin=builders.HUB
    )
    envelope = builders.signed_statement(
        Kind.AGGREGATE, value["body"], audience=Audience.REGION.value, origin=builders.HUB
    )
    with pytest.raises(ReleaseRuleError):
        builders.receive(envelope)


def test_europe_expects_the_cities_below_the_regions_too(start_hub: HubStarter) -> None:
    europe, nation, region = start_hub("eu.int", "europe"), start_hub("nation.de", "nation"), start_hub("zzz.de")
    join(nation, europe)
    join(region, nation)
    first, _ = region.enrol("one.zzz.de"), region.enrol("two.zzz.de")
    region.accept(first.trend(1, 2, 3))
    for lower, upper in ((region, nation), (nation, europe)):
        lower.verb("aggregate")
        upper.verb("follow")
    (body,) = europe.verb("sums")["sums"]
    assert body["coverage"] == {"reporting": 1, "expected": 2}


def test_a_practice_that_would_name_its_city_all_the_same_is_refused(hub: RunningHub) -> None:
    body = hub.enrol("leipzig.sn.de").sign(Kind.PRACTICE, builders.practice_body(attribution="country"))
    check_problem(hub.post(body), ProblemCode.RELEASE_RULE)
