"""Two hubs and their cities in memory: totals are exact, and what does not hold is refused by name.

What must never happen comes first: a share that does not hold.
"""

import base64
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from shared_schema.sealed.terms import ROLES, Refusal, RosterTerms
from shared_schema.sealed.total import redo_noise
from shared_schema.vdaf.field128 import MODULUS, Vector
from tests.shared_schema.sealed_world import World, flip, reasons

# --- shares that do not hold ----------------------------------------------------------------------------------------

CHEAT = "city-0002.sn.de"
OTHER = "city-0003.sn.de"


def _changed(world: World, **changes: str) -> None:
    world.deliver(CHEAT, world.body(CHEAT, world.counts()).model_copy(update=changes))


def _flip(field: str) -> Callable[[World], None]:
    def send(world: World) -> None:
        body = world.body(CHEAT, world.counts())
        _changed(world, **{field: flip(getattr(body, field), world.chance.randrange(10**6))})

    return send


def _mixed(world: World, *fields: str) -> None:
    """Some fields of another city's honest share."""
    other = world.body(OTHER, world.counts())
    _changed(world, **{field: getattr(other, field) for field in fields})


def _of_another_batch(world: World) -> None:
    other = World(chance=world.chance, cities=len(world.cities))
    other.agree()
    world.deliver(CHEAT, other.body(CHEAT, world.counts()))


def _relabelled(world: World) -> None:
    """Made for another batch, and says that it is for this one."""
    other = World(chance=world.chance, cities=len(world.cities))
    other.agree()
    world.deliver(CHEAT, other.body(CHEAT, world.counts()).model_copy(update={"batch": world.batch.digest}))


def _resealed(
    world: World, public_share: Callable[[bytes], bytes], halves: Callable[[list[bytes]], list[bytes]]
) -> None:
    """A city that seals something else than it should, as only it can."""
    vdaf, nonce = world.batch.vdaf, world.chance.randbytes(16)
    public, shares = vdaf.shard(world.batch.context, world.counts(), nonce, world.chance.randbytes(vdaf.rand_size))
    made = halves([share.encode() for share in shares])
    world.deliver(CHEAT, world.sealed(CHEAT, nonce, public_share(public.encode()), made))


def _same(data: Any) -> Any:
    return data


def _bit(data: bytes, bit: int) -> bytes:
    return base64.b64decode(flip(base64.b64encode(data).decode(), bit))


def _encoded(change: Callable[[World, Vector], Vector]) -> Callable[[World], None]:
    def send(world: World) -> None:
        world.cheat(CHEAT, change(world, world.batch.vdaf.circuit.encode(world.counts())))

    return send


def _with(place: int, value: int) -> Callable[[World, Vector], Vector]:
    def change(_: World, meas: Vector) -> Vector:
        return [*meas[:place], value % MODULUS, *meas[place + 1 :]]

    return change


def _wide_half(world: World) -> None:
    """A field element that is none, in a half that is sealed as it should be."""
    _resealed(world, _same, lambda halves: [b"\xff" * 16 + halves[0][16:], halves[1]])


CHEATS: Mapping[str, tuple[Callable[[World], None], Refusal]] = {
    "a bit of the leader's half": (_flip("leader_half"), Refusal.BAD_SEAL),
    "a bit of the helper's half": (_flip("helper_half"), Refusal.BAD_SEAL),
    "a bit of the public share": (_flip("public_share"), Refusal.BAD_SEAL),
    "a bit of the nonce": (_flip("nonce"), Refusal.BAD_SEAL),
    "the leader's half of another city": (lambda world: _mixed(world, "leader_half"), Refusal.BAD_SEAL),
    "the helper's half of another city": (lambda world: _mixed(world, "helper_half"), Refusal.BAD_SEAL),
    "a whole share of another city": (
        lambda world: _mixed(world, "leader_half", "helper_half", "public_share", "nonce"),
        Refusal.BAD_SEAL,
    ),
    "a share for another batch": (_of_another_batch, Refusal.WRONG_BATCH),
    "a share for another batch, relabelled": (_relabelled, Refusal.BAD_SEAL),
    "halves swapped": (lambda world: _resealed(world, _same, lambda halves: [halves[1], halves[0][:64]]), Refusal.FORM),
    "a bit of what is sealed for the leader": (
        lambda world: _resealed(world, _same, lambda halves: [_bit(halves[0], 8 * 16), halves[1]]),
        Refusal.HALVES,
    ),
    "a bit of what is sealed for the helper": (
        lambda world: _resealed(world, _same, lambda halves: [halves[0], _bit(halves[1], 5)]),
        Refusal.HALVES,
    ),
    "a bit of the proof": (
        lambda world: _resealed(world, _same, lambda halves: [_bit(halves[0], 8 * (len(halves[0]) - 60)), halves[1]]),
        Refusal.RANGE,
    ),
    "a public share that lies about the helper": (
        lambda world: _resealed(world, lambda public: _bit(public, 8 * 40), _same),
        Refusal.HALVES,
    ),
    "a public share that lies about the leader": (
        lambda world: _resealed(world, lambda public: _bit(public, 3), _same),
        Refusal.HALVES,
    ),
    "a half that is too short": (
        lambda world: _resealed(world, _same, lambda halves: [halves[0][:-16], halves[1]]),
        Refusal.FORM,
    ),
    "a number that is no field element": (_wide_half, Refusal.FORM),
    "a count above the maximum": (_encoded(_with(0, 2)), Refusal.RANGE),
    "a count below zero": (_encoded(_with(0, -1)), Refusal.RANGE),
    "a count of a million": (_encoded(_with(3, 10**6)), Refusal.RANGE),
    "two wrong counts that cancel": (
        _encoded(lambda world, meas: _with(1, -1)(world, _with(0, 3)(world, meas))),
        Refusal.RANGE,
    ),
}


@pytest.mark.parametrize("name", CHEATS)
def test_a_share_that_does_not_hold_is_refused_by_name_and_the_others_count(name: str) -> None:
    send, reason = CHEATS[name]
    world = World(cities=7, chance=random.Random(name))
    world.agree()
    for city in world.cities:
        if city != CHEAT:
            world.send(city, world.counts())
    send(world)
    check_exact(world, {CHEAT: reason}, absent=())


def test_whoever_sends_twice_is_in_neither_sum() -> None:
    world = World(cities=7)
    world.agree()
    for city in world.cities:
        world.send(city, world.counts())
    world.send(CHEAT, world.counts())
    check_exact(world, {CHEAT: Refusal.TWICE}, absent=())


def test_the_same_share_that_is_relayed_twice_counts_once() -> None:
    world = World()
    world.agree()
    shares = [world.send(city, world.counts()) for city in world.cities]
    world.shares += shares
    terms = world.decide()
    assert isinstance(terms, RosterTerms) and len(terms.attendance.accepted) == len(world.cities)


def check_exact(world: World, expected: Mapping[str, Refusal], absent: tuple[str, ...]) -> None:
    """Decide and open: the refused are named with their reason, and without both noises the sums are exactly right."""
    world.decide()
    attendance = world.roster.terms.attendance
    assert reasons(world) == dict(expected)
    assert attendance.absent == absent
    seeds = [made.secrets.noise_seed for made in (world.leader, world.helper) if made.secrets is not None]
    noise = [redo_noise(world.batch, role, seed) for role, seed in zip(ROLES, seeds, strict=True)]
    total = world.open()
    sums = [value - one - other for value, one, other in zip(total.values, *noise, strict=True)]
    assert sums == world.true_sums()
    assert (total.contributors, total.members) == (len(attendance.accepted), len(world.cities))


def run_random_batch(seed: int) -> None:
    """One batch in which everything that can go wrong in a city does, at random."""
    chance = random.Random(seed)
    world = World(
        cities=chance.randint(9, 16),
        cells=chance.randint(1, 12),
        maximum=chance.choice([1, 7, 100, 1_000]),
        chance=chance,
    )
    world.agree()
    expected: dict[str, Refusal] = {}
    absent = []
    for place, city in enumerate(world.cities):
        fate = "sends" if place < 5 else chance.choice(["sends", "sends", "absent", "late", "cheats", "twice"])
        if fate == "absent":
            absent.append(city)
        elif fate == "late":
            world.send_late(city, world.counts())
            expected[city] = Refusal.LATE
        elif fate == "cheats":
            world.cheat(
                city, _with(0, chance.choice([2, -1, 17]))(world, world.batch.vdaf.circuit.encode(world.counts()))
            )
            expected[city] = Refusal.RANGE
        else:
            world.send(city, world.counts())
        if fate == "twice":
            world.send(city, world.counts())
            expected[city] = Refusal.TWICE
    check_exact(world, expected, tuple(absent))


@pytest.mark.parametrize("seed", range(6))
def test_without_both_noises_a_total_is_exactly_the_true_sums(seed: int) -> None:
    run_random_batch(seed)


@pytest.mark.long
def test_without_both_noises_200_totals_are_exactly_the_true_sums() -> None:
    for seed in range(1_000, 1_200):
        run_random_batch(seed)


@pytest.mark.long
def test_of_2000_shares_with_a_changed_bit_none_is_accepted() -> None:
    """Whatever anybody on the way can change: every one is refused, and the honest ones beside it are right."""
    chance = random.Random(7)
    for _ in range(100):
        world = World(cities=26, cells=2, maximum=7, chance=chance)
        world.agree()
        for city in world.cities[:6]:
            world.send(city, world.counts())
        expected = {}
        for city in world.cities[6:]:
            body = world.body(city, world.counts())
            field = chance.choice(["leader_half", "helper_half", "public_share", "nonce"])
            world.deliver(city, body.model_copy(update={field: flip(getattr(body, field), chance.randrange(10**6))}))
            expected[city] = Refusal.BAD_SEAL
        check_exact(world, expected, ())
