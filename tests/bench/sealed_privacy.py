"""Can one hub that sees everything but the other hub's secrets tell whether one person is in a city's counts?

The attacker is one of the two hubs: it has its own keys, its halves and its noise, every statement, both published
sums, and the true counts of all other cities. What is left is the city's count and the other hub's noise. A run of the
whole protocol (`sealed_world`: real shares, proofs, seals and signatures) plays one game for each cell: a person is in
the city's cell, or not. The attacker's best event is chosen beforehand: what is left is at least 1; there the
likelihood ratio of a discrete Laplace draw is at its largest. Bounds and sources as in `disclosure_audit`.

The same audit has to catch a protocol in which the other hub adds no noise.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Final
from unittest.mock import patch

from shared_schema.sealed import sums
from shared_schema.sealed.agreed import AgreedBatch
from shared_schema.sealed.hub import secrets_of
from shared_schema.sealed.terms import ROLES, Role
from shared_schema.sealed.total import read_total, redo_noise
from tests.bench.disclosure_audit import Tally, epsilon_estimate, epsilon_lower_bound
from tests.bench.figures import Figure, above, measured, within
from tests.shared_schema.sealed_world import World

EPSILON_MILLI: Final = 500
CITIES: Final = 5
CELLS: Final = 200
GAMES: Final = 25_000
"""In each of the two worlds, for each of the two attackers."""
GAMES_TO_CATCH: Final = 500


def measure_privacy() -> Iterator[Figure]:
    """Each hub as the attacker, then the same audit on a protocol that is broken."""
    tallies = play(GAMES)
    claimed = EPSILON_MILLI / 1000
    for role, tally in tallies.items():
        games, bound = min(tally.inside, tally.outside), epsilon_lower_bound(tally)
        yield within(f"sealed_epsilon_lower_bound_{role}", bound, low=0.8 * claimed, high=claimed, sample_size=games)
        yield measured(f"sealed_epsilon_estimate_{role}", epsilon_estimate(tally), sample_size=games)
    for role in ROLES:
        with no_noise_of("helper" if role == "leader" else "leader"):
            tally = play(GAMES_TO_CATCH)[role]
        games = min(tally.inside, tally.outside)
        bound = epsilon_lower_bound(tally)
        yield above(f"sealed_epsilon_lower_bound_{role}_other_noise_left_out", bound, bar=claimed, sample_size=games)


def play(games: int) -> dict[Role, Tally]:
    """Run the protocol until each attacker has played so many games in each world."""
    chance = random.SystemRandom()
    tallies = dict.fromkeys(ROLES, Tally(0, 0, 0, 0))
    while min(min(tally.inside, tally.outside) for tally in tallies.values()) < games:
        for role, tally in _play_once(chance).items():
            tallies[role] += tally
    return tallies


def _play_once(chance: random.Random) -> dict[Role, Tally]:
    world = World(
        cities=CITIES, cells=CELLS, chance=random.Random(chance.getrandbits(256)),
        maximum=1, epsilon_milli=EPSILON_MILLI, min_batch=CITIES,
    )  # fmt: skip
    batch = world.agree()
    counts = {name: [chance.randrange(2) for _ in range(CELLS)] for name in world.cities}
    for name, own in counts.items():
        world.send(name, own)
    world.decide()
    published = world.sums()
    total = read_total(batch, world.roster, published).values
    victim, *others = world.cities
    known = [sum(column) for column in zip(*(counts[name] for name in others), strict=True)]
    own_noise = {
        "leader": redo_noise(batch, "leader", secrets_of(world.leader)[0].noise_seed),
        "helper": redo_noise(batch, "helper", secrets_of(world.helper)[0].noise_seed),
    }
    return {role: _look(total, known, own_noise[role], counts[victim]) for role in ROLES}


def _look(total: Sequence[int], known: Sequence[int], own: Sequence[int], truth: Sequence[int]) -> Tally:
    left = [value - others - noise for value, others, noise in zip(total, known, own, strict=True)]
    inside = [value for value, count in zip(left, truth, strict=True) if count]
    outside = [value for value, count in zip(left, truth, strict=True) if not count]
    return Tally(len(inside), sum(value >= 1 for value in inside), len(outside), sum(value >= 1 for value in outside))


@contextmanager
def no_noise_of(silent: Role) -> Iterator[None]:
    """A broken program: that hub adds nothing, and its seed's noise is none either."""
    honest = sums.noise_of

    def noise_of(batch: AgreedBatch, seed: bytes) -> list[int]:
        drawn = honest(batch, seed)
        return [0] * len(drawn) if sha256(seed).hexdigest() == batch.terms.part_of(silent).noise_seed else drawn

    with patch.object(sums, "noise_of", noise_of):
        yield
