"""A sealed total through real nodes and two real hubs: from the records of six cities to the figure that all read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.federation.topology import COORDINATOR, REVIEWER, CityPlan, FederatedCity, Federation, HubPlan, Shape
from tests.regional_hub.running import Clock, EventLoop
from tests.regional_hub.sealed_pair import policy

LEADER, HELPER = "sachsen.de", "bund.de"
CITIES = tuple(f"c{number}.sn.de" for number in range(6))
COUNTS = {name: (number, 2 * number, 5) for number, name in enumerate(CITIES)}
SHAPE = Shape(
    (HubPlan(HELPER, "nation", None), HubPlan(LEADER, "region", HELPER)),
    tuple(CityPlan(name, LEADER) for name in CITIES),
)
MAPPING = """kind = "returns"
measure = "bias_incidents"
source_kind = "police_recorded"
table = "bias_incidents.by_offence"
columns = { verbal = "verbal", property = "property", assault = "assault" }
"""


@pytest.fixture
def federation(loop: EventLoop, tmp_path: Path) -> Iterator[Federation]:
    hubs: dict[str, dict[str, Any]] = {
        LEADER: {"policy": policy(source_kind="police_recorded"), "more": {"operator": "Freistaat Sachsen"}},
        HELPER: {"more": {"operator": "Bund"}},
    }
    with Federation.start(SHAPE, tmp_path, loop, Clock(), hubs) as running:
        for hub in running.hubs.values():
            hub.verb("operator.say")
        running.round()
        running.round()
        yield running


def enter(city: FederatedCity, counts: tuple[int, ...]) -> None:
    folder = city.drafts
    (folder / "mapping.toml").write_text(MAPPING)
    (folder / "return.csv").write_text(f"month,verbal,property,assault\n2026-10,{','.join(map(str, counts))}\n")
    city.verb(
        "import", file=str(folder / "return.csv"), mapping=str(folder / "mapping.toml"), agency="police", by=COORDINATOR
    )


def work(federation: Federation) -> list[str]:
    """A round of everybody, with what hubs do by themselves."""
    steps = []
    federation.round()
    for name in (LEADER, HELPER):
        steps += [f"{name}: {step}" for step in federation.hubs[name].verb("sealed.work")["steps"]]
        federation.round()
    return steps


def ask(city: FederatedCity, batch: str) -> None:
    asked = city.verb("sealed.request", batch=batch, by=COORDINATOR)
    city.verb("release.approve", request=asked["request"], by=REVIEWER, accept={}, seen=asked["seen"])


def test_six_cities_are_added_up_and_nobody_reads_one_of_them(federation: Federation) -> None:
    work(federation)
    (batch,) = {line["batch"] for line in federation.city(CITIES[0]).verb("sealed.list")["collections"]}
    for name in CITIES:
        city = federation.city(name)
        enter(city, COUNTS[name])
        ask(city, batch)
        city.sync()
    for _ in range(4):
        work(federation)
    hub = federation.hubs[LEADER]
    assert [each["state"] for each in hub.verb("sealed.list", all=True)["batches"]] == ["done"]
    hub.verb("aggregate")
    federation.round()
    federation.hubs[HELPER].verb("aggregate")
    for name in CITIES:
        (line,) = federation.city(name).verb("sealed.list")["collections"]
        assert line["standing"] == "opened", line
    sums = [body for body in hub.verb("sums")["sums"] if body["period"]["granularity"] == "month"]
    assert sums and sums[0]["mechanism"] == "two-hub"
    assert sums[0]["coverage"] == {"reporting": 6, "expected": 6}
    for cell, true in zip(sums[0]["cells"], map(sum, zip(*COUNTS.values(), strict=True)), strict=True):
        assert abs(cell["estimate"] - true) < 40
        assert cell["status"] == "A"
    assert hub.verb("verify")["findings"] == []
