"""A member hub whose sums are none: they stop nobody else's, the operator is told, and revoking it takes them out."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest

from regional_hub import follow
from shared_schema.laplace import variance_milli
from shared_schema.period import parse_period
from shared_schema.statement import Audience, Kind
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import Network, RunningHub, join
from tests.regional_hub.test_critic_follow import LIAR, LyingHub
from tests.regional_hub.test_trends import cell, published
from tests.shared_schema import builders

SEPTEMBER = parse_period("2026-09").to_object()
WILD: Mapping[str, Any] = {
    "variance_milli": 1,
    "noise": [{"draws": 5, "scale": {"numerator": 10**9, "denominator": 1}}],
}
HONEST: Mapping[str, Any] = {
    "variance_milli": 5 * 1_841,
    "noise": [{"draws": 5, "scale": {"numerator": 1, "denominator": 1}}],
}


@pytest.fixture
def nation(start_hub: HubStarter) -> RunningHub:
    return start_hub("nation.de", "nation")


@pytest.fixture
def liar(nation: RunningHub, network: Network) -> LyingHub:
    return LyingHub(nation, network)


def hand_up(liar: LyingHub, figures: Mapping[str, Any], *, seq: int = 1, first: int = 0) -> None:
    """A complete sum of five cities, as the next entry of the liar's log."""
    cells = [
        builders.aggregate_cell(code, contributors=5, estimate=1, low=-8, high=10) | dict(figures)
        for code in builders.GRID
    ]
    cities = {"reporting": 5, "expected": 5}
    body = builders.aggregate_body(complete=True, coverage=cities, agencies=cities, cells=cells, revision=seq)
    envelope = builders.signed_statement(
        Kind.AGGREGATE, body, key=liar.key, origin=LIAR, seq=seq, audience=Audience.HUB.value
    )
    liar.put(envelope, Audience.HUB)
    liar.serve(first=first)


def release_september(nation: RunningHub) -> None:
    for name in ("one.de", "two.de", "three.de"):
        nation.accept(nation.enrol(name).trend(20, 20, 20, period=SEPTEMBER))


def test_a_sum_with_noise_that_nobody_has_drawn_is_set_aside_and_the_operator_told(
    nation: RunningHub, liar: LyingHub
) -> None:
    hand_up(liar, WILD)
    (source,) = nation.verb("follow")["sources"]
    assert (source["appended"], source["quarantined"]) == (0, 1)
    release_september(nation)
    assert nation.verb("aggregate") == {"published": 1}
    (alarm,) = nation.verb("status")["alarms"]
    assert (alarm["about"], alarm["code"]) == (f"{LIAR} bias_incidents.by_offence@1/2026-10", "release-rule")
    liar.serve(first=1)
    assert "alarm" not in nation.verb("follow")["sources"][0]
    assert len(nation.verb("status")["alarms"]) == 1  # a feed that goes on honestly does not end it


def test_the_next_sum_of_the_same_table_and_period_ends_the_alarm(nation: RunningHub, liar: LyingHub) -> None:
    hand_up(liar, WILD)
    nation.verb("follow")
    hand_up(liar, HONEST, seq=2, first=1)
    (source,) = nation.verb("follow")["sources"]
    assert source["appended"] == 1
    assert nation.verb("status")["alarms"] == []


def test_a_sum_that_cannot_be_made_stops_no_other_and_ends_with_the_hub(
    nation: RunningHub, liar: LyingHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a hub of an earlier version has taken it, which did not look at the noise."""
    with monkeypatch.context() as earlier:
        earlier.setattr(follow, "check_releasable", lambda *_: None)
        hand_up(liar, WILD)
        assert nation.verb("follow")["sources"][0]["appended"] == 1
    release_september(nation)
    assert nation.verb("aggregate") == {"published": 1}
    assert nation.verb("aggregate") == {"published": 0}  # tried again, and told once
    (alarm,) = nation.verb("status")["alarms"]
    assert (alarm["about"], alarm["code"]) == ("bias_incidents.by_offence@1/2026-10", "internal")
    assert [cell(body) for body in nation.verb("sums")["sums"]] == [("A", 3, 60)]
    nation.verb("members.set", name=LIAR, status="revoked")
    nation.verb("aggregate")
    assert nation.verb("aggregate") == {"published": 0}
    assert nation.verb("verify")["ok"]


def test_what_a_revoked_hub_has_said_is_in_no_sum(nation: RunningHub, liar: LyingHub) -> None:
    hand_up(liar, HONEST)
    nation.verb("follow")
    october = nation.enrol("one.de")
    nation.accept(october.trend(20, 20, 20))
    nation.verb("aggregate")
    assert cell(nation.verb("sums")["sums"][0]) == ("A", 6, 21)
    nation.verb("members.set", name=LIAR, status="revoked")
    assert nation.verb("aggregate") == {"published": 1}
    assert cell(nation.verb("sums")["sums"][0]) == ("A", 1, 20)


def test_cities_that_nobody_has_vouched_for_protect_nobody(nation: RunningHub, liar: LyingHub) -> None:
    """A hub that claims five cities with much noise would be company enough for one real city."""
    loud = Fraction(2_200)
    noise = {
        "variance_milli": 5 * variance_milli(loud),
        "noise": [{"draws": 5, "scale": {"numerator": 2_200, "denominator": 1}}],
    }
    hand_up(liar, noise)
    nation.verb("follow")
    city = nation.enrol("berlin.de")
    nation.accept(city.trend(3, 3, 3))
    nation.verb("aggregate")
    assert [(found["status"], found.get("withheld")) for found in published(city)[-1]["cells"]] == [
        ("Q", "few-cities")
    ] * 3
    assert cell(nation.verb("sums")["sums"][0]) == ("A", 6, 4)  # what was handed up goes on all the same


def test_the_cities_of_an_honest_hub_count(start_hub: HubStarter, nation: RunningHub) -> None:
    region = start_hub("zzz.de")
    join(region, nation)
    for name in ("eins", "zwei", "drei"):
        region.accept(region.enrol(f"{name}.zzz.de").trend(20, 20, 20))
    region.verb("aggregate")
    nation.verb("follow")
    nation.verb("aggregate")
    region.verb("members.set", name="drei.zzz.de", status="left")
    region.verb("aggregate")
    nation.verb("follow")
    nation.verb("aggregate")
    assert cell(published(nation.enrol("berlin.de"))[-1]) == ("A", 3, 60)
