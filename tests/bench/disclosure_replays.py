"""Does asking again bring anything new? One release is asked for, previewed, refused and sent 1,000 times over.

Noise that is drawn twice averages away, so all of it must show one value per cell: the one that was drawn first.
"""

from collections.abc import Iterator
from fractions import Fraction
from unittest.mock import patch

from local_node import noise, verbs
from shared_schema.canonical import parse_strict
from shared_schema.service.control import VerbError
from shared_schema.service.hub_api import HubApi
from tests.bench.disclosure_city import (
    EPSILONS,
    MEASURE,
    REVIEWER,
    City,
    cell_codes,
    make_policy,
    make_template,
    workshop,
)
from tests.bench.figures import Figure, exactly
from tests.hub_simulator import HubSimulator

TIMES = 1_000
CELLS = 6
MONTH = "2024-01"
TABLE = f"{MEASURE}.by_{next(iter(EPSILONS))}"


class CountedNoise:
    """The node's own noise, and how often it was drawn."""

    def __init__(self) -> None:
        self.draws = 0
        self._draw = noise.draw

    def __call__(self, scale: Fraction, count: int) -> tuple[int, ...]:
        self.draws += 1
        return self._draw(scale, count)


def measure_replays(times: int = TIMES) -> Iterator[Figure]:
    """How many different values one release has shown, and how often noise was drawn for it."""
    counted = CountedNoise()
    with workshop() as directory, patch.object(noise, "draw", counted):
        template = make_template(directory, make_policy(CELLS))
        with template.open(directory / "city") as city:
            city.import_events([[f"{MONTH}-05", *[code] * len(EPSILONS)] for code in cell_codes(CELLS)], [MONTH])
            seen = set(ask_again_and_again(city, times))
    yield exactly("replays_distinct_values", len(seen), bar=1, sample_size=times)
    yield exactly("replays_draws", counted.draws, bar=1, sample_size=times)


def ask_again_and_again(city: City, times: int) -> Iterator[tuple[int | None, ...]]:
    """The cells as every one of the answers shows them: of requests, previews, and of what the hub has at the end."""
    request = city.release(TABLE, MONTH)["request"]
    for _ in range(times):
        if "release.preview" in verbs.VERBS:
            yield _values(city.run("release.preview", table=TABLE, period=MONTH)["cells"])
        yield _values(city.run("release.show", request=request)["cells"])
        _expect_refusal(city)
        city.run("release.refuse", by=REVIEWER, request=request, reason="once more")
        answer = city.release(TABLE, MONTH)
        request = answer["request"]
        yield _values(answer["cells"])
    city.run("release.approve", by=REVIEWER, request=request)
    city.run("sync")
    yield from _send_again_and_again(city, times)


def _expect_refusal(city: City) -> None:
    """A second request beside the first one is refused."""
    try:
        city.release(TABLE, MONTH)
    except VerbError:
        return
    raise RuntimeError("expected a request that is open to stand in the way of another one")


def _send_again_and_again(city: City, times: int) -> Iterator[tuple[int | None, ...]]:
    """Push the signed release as often; the hub keeps one."""
    (hub,) = city.hubs
    (sent,) = _trends(hub)
    with HubApi(hub.url, city.node.key, city.node.clock, hub) as api:
        for _ in range(times):
            api.submit(sent)
    yield from (tuple(cell.get("value") for cell in cells) for cells in _bodies(hub))


def _values(cells: list[dict[str, int | None]]) -> tuple[int | None, ...]:
    return tuple(cell["value"] for cell in cells)


def _trends(hub: HubSimulator) -> list[bytes]:
    return [envelope.stored_bytes for envelope in hub.envelopes.values() if envelope.kind == "trend"]


def _bodies(hub: HubSimulator) -> Iterator[list[dict[str, int]]]:
    for envelope in hub.envelopes.values():
        if envelope.kind == "trend":
            yield parse_strict(envelope.payload)["body"]["cells"]
