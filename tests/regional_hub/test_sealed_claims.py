"""What a hub below says about sealed totals is held against the log; a lie is set aside with its alarm."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sqlalchemy import select

from regional_hub.orm import QuarantineRow
from regional_hub.publication import publish
from shared_schema.problem import ProblemCode
from shared_schema.statement import Audience, Kind
from shared_schema.trend import AggregateBody
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import RunningHub
from tests.regional_hub.sealed_batches import Played, play, say_both, start_hubs
from tests.regional_hub.test_sealed_totals import newest_of

pytestmark = pytest.mark.sqlite_is_enough
Change = Callable[[dict[str, Any], Played], dict[str, Any]]


@pytest.fixture
def hubs(start_hub: HubStarter) -> tuple[RunningHub, RunningHub]:
    """A region that has opened two batches and published their sums, which the nation has not read yet."""
    region, nation = start_hubs(start_hub, enrolled=8)
    for label in ("2026-09", "2026-10"):
        say_both(region, nation, play(label, cities=8, absent=1))
    region.verb("follow")
    return region, nation


def in_cells(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return body | {"cells": [cell | changes for cell in body["cells"]]}


def add_to_first(body: dict[str, Any], more: int) -> dict[str, Any]:
    first, *others = body["cells"]
    moved = {name: first[name] + more for name in ("estimate", "low", "high")}
    shown = first["shown"] | {"estimate": first["shown"]["estimate"] + more}
    return body | {"cells": [first | moved | {"shown": shown}, *others]}


def more_cities(body: dict[str, Any], _: Played) -> dict[str, Any]:
    shown = body["cells"][0]["shown"] | {"contributors": 8}
    return in_cells(body, contributors=8, shown=shown) | {"coverage": {"reporting": 8, "expected": 8}}


def less_noise(body: dict[str, Any], _: Played) -> dict[str, Any]:
    """Two draws at the table's epsilon, where the batch had half of it."""
    noise = [{"draws": 2, "scale": {"numerator": 1, "denominator": 1}}]
    return in_cells(body, variance_milli=2 * 1841, noise=noise)


def without(name: str) -> Change:
    return lambda body, _: {key: value for key, value in body.items() if key != name}


LIES: Mapping[str, Change] = {
    "another figure": lambda body, _: add_to_first(body, 1),
    "more cities than in the roster": more_cities,
    "less noise than two draws of the batch": less_noise,
    "one draw": lambda body, _: in_cells(
        body, variance_milli=7835, noise=[{"draws": 1, "scale": {"numerator": 2, "denominator": 1}}]
    ),
    "no batches": without("batches"),
    "a batch that nobody knows": lambda body, _: body | {"batches": ["ab" * 32]},
    "a batch of another month": lambda body, _: body | {"batches": [play("2026-09", cities=8, absent=1).digest]},
    "a batch of another month beside its own": lambda body, played: (
        body | {"batches": sorted([played.digest, play("2026-09", cities=8, absent=1).digest])}
    ),
    "a sealed total of four": lambda body, _: (
        in_cells(body, contributors=4, shown=body["cells"][0]["shown"] | {"contributors": 4})
        | {"coverage": {"reporting": 4, "expected": 8}}
    ),
}


def say_complete(region: RunningHub, body: dict[str, Any]) -> None:
    with region.hub.database.write() as session:
        publish(
            session, Kind.AGGREGATE, AggregateBody.from_object(body), Audience.HUB,
            name=region.hub.name, key=region.hub.key, now=region.clock(),
        )  # fmt: skip


def set_aside(hub: RunningHub) -> list[str]:
    hub.verb("follow")
    with hub.hub.database.read() as session:
        return list(session.scalars(select(QuarantineRow.code)))


@pytest.mark.parametrize("name", LIES)
def test_a_sum_that_says_something_else_than_its_batches_is_not_taken(
    hubs: tuple[RunningHub, RunningHub], name: str
) -> None:
    region, nation = hubs
    region.verb("aggregate")
    honest = newest_of(region, complete=True)
    assert set_aside(nation) == []
    nation.verb("aggregate")
    before = newest_of(nation, complete=False)
    lie = LIES[name](honest.to_object() | {"revision": 2}, play(cities=8, absent=1))
    say_complete(region, lie)
    assert set_aside(nation) == [ProblemCode.RELEASE_RULE.value]
    assert any("not taken" in alarm["message"] for alarm in nation.verb("status")["alarms"])
    nation.verb("aggregate")
    assert newest_of(nation, complete=False) == before


def test_the_same_sum_said_again_is_taken(hubs: tuple[RunningHub, RunningHub]) -> None:
    """So that nothing above is refused for another reason than its lie."""
    region, nation = hubs
    region.verb("aggregate")
    say_complete(region, newest_of(region, complete=True).to_object() | {"revision": 2})
    assert set_aside(nation) == []
