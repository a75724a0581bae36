"""Random batches with cities that stay away, come late or cheat: is the opened total what it should be?

A total minus the noise of both hubs must be the true sum of exactly the accepted cities, and every honest city that
sent in time must be accepted. Cheats run the honest program on counts that are out of range.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from shared_schema.sealed.hub import secrets_of
from shared_schema.sealed.total import read_total, redo_noise
from shared_schema.vdaf.field128 import MODULUS
from tests.bench.figures import Figure, exactly, measured
from tests.shared_schema.sealed_world import World

BATCHES: Final = 200


@dataclass
class Seen:
    """What came of the batches."""

    opened: int = 0
    void: int = 0
    wrong: int = 0
    honest: int = 0
    honest_refused: int = 0
    cheats: int = 0
    cheats_accepted: int = 0
    late: int = 0
    absent: int = 0


def measure_batches() -> Iterator[Figure]:
    """`BATCHES` random ones."""
    chance, seen = random.Random("sealed batches"), Seen()
    for _ in range(BATCHES):
        _live(World(cities=chance.randint(5, 12), cells=chance.randint(1, 8), chance=chance), chance, seen)
    yield measured("sealed_batches_opened", seen.opened, sample_size=BATCHES)
    yield measured("sealed_batches_void", seen.void, sample_size=BATCHES)
    yield exactly("sealed_batches_totals_that_are_not_the_true_sum", seen.wrong, bar=0, sample_size=seen.opened)
    yield exactly("sealed_batches_honest_cities_refused", seen.honest_refused, bar=0, sample_size=seen.honest)
    yield exactly("sealed_batches_cheats_accepted", seen.cheats_accepted, bar=0, sample_size=seen.cheats)
    yield measured("sealed_batches_late_cities", seen.late, sample_size=BATCHES)
    yield measured("sealed_batches_absent_cities", seen.absent, sample_size=BATCHES)


def _live(world: World, chance: random.Random, seen: Seen) -> None:
    world.agree()
    ways = {name: chance.choices(("honest", "absent", "late", "cheat"), (12, 2, 1, 2))[0] for name in world.cities}
    for name, way in ways.items():
        if way == "honest":
            world.send(name, world.counts())
        elif way == "late":
            world.send_late(name, world.counts())
        elif way == "cheat":
            world.cheat(name, _impossible(world, chance))
    for way in ("honest", "late", "absent"):
        setattr(seen, way, getattr(seen, way) + list(ways.values()).count(way))
    seen.cheats += list(ways.values()).count("cheat")
    terms = world.decide()
    if world.void is not None:
        seen.void += 1
        return
    seen.opened += 1
    attendance = terms.attendance
    assert attendance is not None
    accepted = {share.origin for share in world.shares if share.digest in set(attendance.accepted)}
    seen.honest_refused += sum(way == "honest" and name not in accepted for name, way in ways.items())
    seen.cheats_accepted += sum(way == "cheat" and name in accepted for name, way in ways.items())
    noises = [
        redo_noise(world.batch, "leader", secrets_of(world.leader)[0].noise_seed),
        redo_noise(world.batch, "helper", secrets_of(world.helper)[0].noise_seed),
    ]
    total = read_total(world.batch, world.roster, world.sums()).values
    bare = [value - one - other for value, one, other in zip(total, *noises, strict=True)]
    seen.wrong += bare != world.true_sums()


def _impossible(world: World, chance: random.Random) -> list[int]:
    """An encoding of which one place is not a bit: a count above the maximum, or below zero."""
    measurement = world.batch.vdaf.circuit.encode(world.counts())
    place = chance.randrange(len(measurement))
    measurement[place] = chance.choice([2, 1000, MODULUS - 1, MODULUS - 7, chance.randrange(2, MODULUS)])
    return measurement
