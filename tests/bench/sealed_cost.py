"""Seconds and bytes of a sealed total: of one city, and of each hub for 30, 200 and 1,000 cities of 40 cells.

A hub's time is all that it does with the cities' shares: their signatures, its halves, the proofs, the sum. It is the
processor time of one process. What the databases and the network add is not in it.
"""

import random
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeVar

from shared_schema.envelope import parse_envelope, verify_envelope
from shared_schema.sealed import helper as helper_steps
from shared_schema.sealed import leader as leader_steps
from shared_schema.sealed.halves import ReceivedShare, receive_share
from shared_schema.sealed.messages import PrepareAnswer
from shared_schema.statement import Audience, Kind, make_statement, read_statement, sign_statement
from tests.bench.figures import Figure, at_most, measured
from tests.shared_schema.sealed_world import NOW, World, key_of

T = TypeVar("T")
CITIES: Final = (30, 200, 1_000)
CELLS: Final = 40
MAXIMUM: Final = 1_000
MOST_SECONDS: Final = 120.0
"""Of one hub for the largest number of cities."""
MOST_GROWTH: Final = 1.3
"""Times what a city costs in the smaller batch: linear, with room for a busy machine."""


def measure_cost() -> Iterator[Figure]:
    """All sizes, smallest first."""
    a_city: dict[str, dict[int, float]] = {"leader": {}, "helper": {}}
    for cities in CITIES:
        world = World(cities=cities, cells=CELLS, chance=random.Random(cities), maximum=MAXIMUM)
        world.agree()
        made = [_timed(partial(_send, world, name)) for name in world.cities]
        envelopes = [envelope for _, envelope in made]
        if cities == CITIES[0]:
            seconds = statistics.median(took for took, _ in made)
            yield measured("sealed_city_seconds", seconds, sample_size=cities)
            yield measured("sealed_city_bytes", len(envelopes[0]), sample_size=cities)
        for role, took in _seconds_of_hubs(world, envelopes).items():
            a_city[role][cities] = took / cities
            name = f"sealed_{role}_seconds_{cities}_cities"
            if cities == CITIES[-1]:
                yield at_most(name, took, bar=MOST_SECONDS, sample_size=cities)
            else:
                yield measured(name, took, sample_size=cities)
    for role, seconds_of in a_city.items():
        growth = seconds_of[CITIES[-1]] / seconds_of[CITIES[1]]
        yield at_most(f"sealed_{role}_growth_per_city", growth, bar=MOST_GROWTH, sample_size=CITIES[-1])


def _send(world: World, name: str) -> bytes:
    """A city's share as it leaves: checked, made, sealed and signed."""
    statement = make_statement(
        world.body(name, world.counts()), kind=Kind.SHARE, origin=name, seq=1, issued_at=NOW,
        nonce="A" * 22, audience=Audience.HUB,
    )  # fmt: skip
    return sign_statement(statement, key_of(name)).to_bytes()


def _seconds_of_hubs(world: World, envelopes: list[bytes]) -> dict[str, float]:
    received, shares = _timed(lambda: _receive(world, envelopes))
    closed = leader_steps.closed(world.leader)
    prepared_in, prepared = _timed(lambda: leader_steps.prepare(closed, shares))
    request = prepared.request.to_bytes()
    answered_in, (_, answer) = _timed(lambda: helper_steps.answer_once(world.helper, shares, request))
    taken_in, _ = _timed(lambda: leader_steps.take_answer(closed, prepared, PrepareAnswer.from_bytes(answer)))
    return {"leader": received + prepared_in + taken_in, "helper": received + answered_in}


def _receive(world: World, envelopes: list[bytes]) -> list[ReceivedShare]:
    return [
        receive_share(read_statement(verify_envelope(parse_envelope(envelope), key_of(name).public)))
        for name, envelope in zip(world.cities, envelopes, strict=True)
    ]


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    begun = time.process_time()
    made = work()
    return time.process_time() - begun, made
