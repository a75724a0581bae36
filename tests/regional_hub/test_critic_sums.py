"""No release, however wild, keeps a hub from adding up; a hub hands up no more than its cities can have."""

from collections.abc import Mapping
from fractions import Fraction

import pytest

from shared_schema.errors import ReleaseRuleError
from shared_schema.laplace import variance_milli
from shared_schema.problem import ProblemCode
from shared_schema.statement import Audience, Kind
from shared_schema.trend import MAX_ABSOLUTE_VALUE, MAX_AGENCIES, MAX_CITIES
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import RunningHub, check_problem, join
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough


def test_the_wildest_releases_are_added_up(hub: RunningHub) -> None:
    for name in ("leipzig.sn.de", "dresden.sn.de"):
        hub.accept(
            hub.enrol(name).trend(
                MAX_ABSOLUTE_VALUE,
                -MAX_ABSOLUTE_VALUE,
                0,
                mechanism=builders.mechanism(Fraction(2_200)),
                privacy=builders.trend_body()["privacy"] | {"epsilon_milli": 1},
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


ONE = variance_milli(Fraction(1))


def complete_sum(noise: object, variance: int, *, contributors: int = 5, scale: object = None) -> bytes:
    """A complete sum of five cities whose cells all claim this noise."""
    cells = [
        builders.aggregate_cell(
            code, contributors=contributors, estimate=9, variance_milli=variance, low=1, high=17
        ) | ({} if noise is None else {"noise": noise})
        for code in builders.GRID
    ]  # fmt: skip
    cities = {"reporting": 5, "expected": 5}
    body = builders.aggregate_body(complete=True, coverage=cities, agencies=cities, cells=cells, scale=scale)
    if scale is None:
        del body["scale"]
    return builders.signed_statement(Kind.AGGREGATE, body, audience=Audience.HUB.value, origin=builders.HUB)


def drawn(draws: int, scale: Fraction) -> dict[str, object]:
    return {"draws": draws, "scale": {"numerator": scale.numerator, "denominator": scale.denominator}}


@pytest.mark.parametrize(
    ("noise", "variance"),
    [
        ([drawn(5, Fraction(10**9))], 1),
        ([drawn(4 * 10**15, Fraction(10**9))], 1),
        ([drawn(5, Fraction(1, 10**9))], 0),
        ([drawn(1, Fraction(1, 10**9))], 1),
        ([drawn(5, Fraction(999, 1000))], 5 * variance_milli(Fraction(999, 1000))),
        ([drawn(4, Fraction(1))], 4 * ONE),
        ([drawn(5, Fraction(1))], 5 * ONE + 6),
        ([drawn(5, Fraction(1))], 5 * ONE - 6),
        ([drawn(5, Fraction(3_000))], 5 * variance_milli(Fraction(3_000))),
        (None, 5 * 920 - 1),
    ],
)
def test_a_member_cannot_claim_noise_that_its_cities_have_not_drawn(noise: object, variance: int) -> None:
    with pytest.raises(ReleaseRuleError):
        builders.receive(complete_sum(noise, variance))


@pytest.mark.parametrize(
    ("noise", "variance"),
    [
        ([drawn(5, Fraction(1))], 5 * ONE),
        ([drawn(5, Fraction(1)), drawn(7, Fraction(2))], 5 * ONE + 7 * variance_milli(Fraction(2))),
        ([drawn(3, Fraction(1)), {"draws": 2, "base": 5}], 3 * ONE + 2 * 2_000),
        ([drawn(5, Fraction(2_200))], 5 * variance_milli(Fraction(2_200))),
        (None, 5 * 920),
    ],
)
def test_noise_that_cities_can_have_drawn_is_taken(noise: object, variance: int) -> None:
    builders.receive(complete_sum(noise, variance))


def test_a_hub_that_says_one_scale_for_all_is_held_to_it() -> None:
    scale = {"numerator": 1, "denominator": 1}
    builders.receive(complete_sum(None, 5 * ONE, scale=scale))
    with pytest.raises(ReleaseRuleError, match="variance that belongs to the noise"):
        builders.receive(complete_sum(None, 50 * ONE, scale=scale))


def test_an_interval_holds_its_estimate() -> None:
    body = builders.aggregate_body(complete=True)
    body["cells"][0] |= {"low": 42, "variance_milli": 3 * ONE}
    with pytest.raises(ReleaseRuleError, match="interval"):
        builders.receive(
            builders.signed_statement(Kind.AGGREGATE, body, audience=Audience.HUB.value, origin=builders.HUB)
        )


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
