"""Corrections and what they are of: what a hub takes, also within one request, and what they can lead to."""

import json
from fractions import Fraction
from typing import Any

import pytest

from shared_schema.period import parse_period
from shared_schema.problem import ProblemCode
from shared_schema.trend import MAX_ABSOLUTE_VALUE
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import City, RunningHub, check_problem, join
from tests.regional_hub.test_trends import cell
from tests.shared_schema import builders

FRANCE = {"scheme": "ISO3166", "version": "2024", "code": "FR"}


def correction(city: City, number: int, *values: int, **changes: Any) -> bytes:
    faint = builders.trend_body()["privacy"] | {"epsilon_milli": 10}
    mechanism = builders.mechanism(Fraction(200))
    return city.trend(
        *(values or (1, 0, 0)), **{"correction": number, "privacy": faint, "mechanism": mechanism} | changes
    )


def send(hub: RunningHub, *bodies: bytes) -> list[int]:
    """The statuses of one request with several submissions."""
    response = hub.post(b'{"submissions":[' + b",".join(bodies) + b"]}", "/v1/submissions/batch")
    return [result["status"] for result in json.loads(response.content)["results"]]


def test_a_correction_behind_the_withdrawal_of_its_release_is_refused_in_the_same_request(
    hub: RunningHub, city: City
) -> None:
    release = city.trend()
    hub.accept(release)
    assert send(hub, city.withdrawal(release), correction(city, 1)) == [201, 422]
    september = {"period": parse_period("2026-09").to_object()}
    release = city.trend(**september)
    assert send(hub, release, city.withdrawal(release), correction(city, 1, **september)) == [201, 201, 422]
    assert hub.verb("verify")["ok"]


def test_a_withdrawn_correction_can_be_followed_by_the_next(hub: RunningHub, city: City) -> None:
    first = correction(city_with_release(hub, city), 1)
    assert send(hub, first, city.withdrawal(first), correction(city, 2)) == [201, 201, 201]


def city_with_release(hub: RunningHub, city: City) -> City:
    hub.accept(city.trend())
    return city


@pytest.mark.parametrize(
    "changes", [{"source_kind": "agency_return"}, {"area": FRANCE}, {"source_kind": "agency_return", "area": FRANCE}]
)
def test_a_correction_is_of_the_same_source_and_area_as_its_release(
    hub: RunningHub, city: City, changes: dict[str, Any]
) -> None:
    city_with_release(hub, city)
    check_problem(hub.post(correction(city, 1, **changes)), ProblemCode.RELEASE_RULE)
    hub.accept(correction(city, 1))


@pytest.mark.parametrize("area", [FRANCE, builders.LEIPZIG | {"code": "DE_99999999"}])
def test_figures_are_of_the_area_that_the_member_was_admitted_with(
    hub: RunningHub, city: City, area: dict[str, str]
) -> None:
    check_problem(hub.post(city.trend(area=area)), ProblemCode.RELEASE_RULE)


def test_corrections_lead_to_no_figure_that_a_release_could_not_have(hub: RunningHub, city: City) -> None:
    most = MAX_ABSOLUTE_VALUE
    hub.accept(city.trend(1, 0, 0))
    hub.accept(correction(city, 1, most - 2, 0, 0))
    check_problem(hub.post(correction(city, 2, 2, 0, 0)), ProblemCode.RELEASE_RULE)
    check_problem(hub.post(correction(city, 2, -2, 0, 0)), ProblemCode.RELEASE_RULE)  # the first could be withdrawn
    hub.accept(correction(city, 2, 1, 0, 0))
    assert send(hub, correction(city, 3, 0, most, 0), correction(city, 4, 0, 1, 0)) == [201, 422]


def test_the_noise_of_corrections_fits_into_a_sum_too(hub: RunningHub, city: City) -> None:
    faint = builders.trend_body()["privacy"] | {"epsilon_milli": 1}
    loud = {"privacy": faint, "mechanism": builders.mechanism(Fraction(2_000))}
    city_with_release(hub, city)
    hub.accept(correction(city, 1, **loud))
    check_problem(hub.post(correction(city, 2, **loud)), ProblemCode.RELEASE_RULE)


def test_no_city_keeps_its_region_out_of_the_nations_sum(start_hub: HubStarter) -> None:
    """Three months that each are as large as a figure can be make a quarter that is none."""
    nation, region = start_hub("bund.de", "nation"), start_hub("sachsen.de")
    join(region, nation)
    wild, *others = (region.enrol(f"{name}.sachsen.de") for name in ("eins", "zwei", "drei", "vier"))
    for label in ("2026-07", "2026-08", "2026-09"):
        period = parse_period(label).to_object()
        region.accept(wild.trend(MAX_ABSOLUTE_VALUE, 0, 0, period=period))
        for city in others:
            region.accept(city.trend(20, 20, 20, period=period))
    region.verb("aggregate")
    (source,) = nation.verb("follow")["sources"]
    assert source["quarantined"] == 0
    (quarter,) = [body for body in nation.verb("sums")["sums"] if body["period"]["granularity"] == "quarter"]
    assert (cell(quarter), cell(quarter, 1)) == (("A", 3, 180), ("A", 4, 180))
