"""Both sums make the total, only those that were committed to, and an auditor of one hub can make its sum again."""

import base64
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial

import pytest

from shared_schema.laplace import variance_milli
from shared_schema.problem import ProblemCode
from shared_schema.sealed.bodies import AggregateShareBody
from shared_schema.sealed.hub import HubBatch
from shared_schema.sealed.sums import noisy_sum
from shared_schema.sealed.terms import ROLES, Role, sum_digest
from shared_schema.sealed.total import check_aggregate_share, read_total, redo_noise, redo_sum
from tests.shared_schema.sealed_world import World, refused

Sums = dict[Role, AggregateShareBody]


@pytest.fixture
def world() -> World:
    world = World(chance=random.Random(4))
    world.agree()
    for city in world.cities:
        world.send(city, world.counts())
    world.decide()
    return world


def _vector_changed(body: AggregateShareBody) -> AggregateShareBody:
    vector = base64.b64decode(body.vector)
    return _with_vector(body, bytes([vector[0] ^ 1]) + vector[1:])


def _with_vector(body: AggregateShareBody, vector: bytes) -> AggregateShareBody:
    return body.model_copy(update={"vector": base64.b64encode(vector).decode()})


CHANGES: Mapping[str, tuple[Callable[[Sums], Sums], ProblemCode]] = {
    "one is missing": (lambda sums: {"leader": sums["leader"]}, ProblemCode.SCHEMA),
    "one for both": (lambda sums: dict.fromkeys(ROLES, sums["leader"]), ProblemCode.SCHEMA),
    "swapped": (lambda sums: {"leader": sums["helper"], "helper": sums["leader"]}, ProblemCode.SCHEMA),
    "another batch": (
        lambda sums: sums | {"helper": sums["helper"].model_copy(update={"batch": "ab" * 32})},
        ProblemCode.SCHEMA,
    ),
    "another roster": (
        lambda sums: sums | {"leader": sums["leader"].model_copy(update={"roster": "ab" * 32})},
        ProblemCode.SCHEMA,
    ),
    "another sum": (lambda sums: sums | {"helper": _vector_changed(sums["helper"])}, ProblemCode.BAD_SHARE),
    "the other's role": (
        lambda sums: sums | {"helper": sums["leader"].model_copy(update={"role": "helper"})},
        ProblemCode.BAD_SHARE,
    ),
    "too short": (
        lambda sums: sums | {"leader": _with_vector(sums["leader"], bytes(32))},
        ProblemCode.SCHEMA,
    ),
    "no field element": (
        lambda sums: sums | {"leader": _with_vector(sums["leader"], b"\xff" * 48)},
        ProblemCode.SCHEMA,
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_only_the_two_sums_that_were_committed_to_make_a_total(world: World, name: str) -> None:
    change, code = CHANGES[name]
    sums = world.sums()
    refused(lambda: read_total(world.batch, world.roster, change(dict(sums))), code)
    assert len(read_total(world.batch, world.roster, sums).values) == len(world.plan.cells)


def test_a_roster_of_another_batch_makes_no_total(world: World) -> None:
    other = replace(world.roster, terms=world.roster.terms.model_copy(update={"batch": "ab" * 32}))
    refused(lambda: read_total(world.batch, other, world.sums()), ProblemCode.SCHEMA)


def test_a_sum_that_was_false_from_the_start_is_noticed_when_it_is_wild(world: World) -> None:
    """A hub that commits itself to random digits spoils the total, and everybody sees that it is none."""
    wild = bytes(range(48))
    terms = world.roster.terms.model_copy(update={"helper_sum": sum_digest(world.batch.digest, "helper", wild)})
    sums = world.sums()
    sums["helper"] = _with_vector(sums["helper"], wild)
    refused(lambda: read_total(world.batch, replace(world.roster, terms=terms), sums), ProblemCode.BAD_SHARE)


def test_either_sum_alone_is_random_digits(world: World) -> None:
    """Of a field of 2^128 a true small sum would have twelve zero bytes; neither hub's has more than chance allows."""
    for body in world.sums().values():
        vector = base64.b64decode(body.vector)
        assert all(vector[at + 8 : at + 16] not in (bytes(8), b"\xff" * 8) for at in range(0, len(vector), 16))


def test_the_total_says_its_variance_and_who_is_in_it() -> None:
    world = World(cities=8, epsilon_milli=250)
    world.agree()
    for city in world.cities[:6]:
        world.send(city, world.counts())
    world.decide()
    total = world.open()
    assert (total.contributors, total.members) == (6, 8)
    assert total.variance_milli == 2 * variance_milli(Fraction(4))


def test_each_value_is_checked_against_the_roster_by_itself(world: World) -> None:
    for role, body in world.sums().items():
        check_aggregate_share(body, world.batch, world.roster, role)


# --- the auditor ----------------------------------------------------------------------------------------------------


@pytest.fixture(params=ROLES)
def hub(request: pytest.FixtureRequest, world: World) -> HubBatch:
    return world.leader if request.param == "leader" else world.helper


def test_an_auditor_of_one_hub_makes_its_sum_again(world: World, hub: HubBatch) -> None:
    assert hub.secrets is not None and hub.verify_key is not None
    again = redo_sum(world.batch, world.roster, hub.role, hub.secrets, hub.verify_key, world.shares)
    assert again == hub.sum


def test_an_auditor_finds_a_missing_share_another_key_and_another_seed(world: World, hub: HubBatch) -> None:
    assert hub.secrets is not None and hub.verify_key is not None
    other = world.helper if hub.role == "leader" else world.leader
    assert other.secrets is not None
    for secrets, shares in (
        (hub.secrets, world.shares[1:]),
        (other.secrets, world.shares),
        (replace(hub.secrets, noise_seed=other.secrets.noise_seed), world.shares),
    ):
        again = partial(redo_sum, world.batch, world.roster, hub.role, secrets, hub.verify_key, shares)
        refused(again, ProblemCode.BAD_SHARE)


def test_an_auditor_finds_a_sum_that_its_hub_has_changed(world: World, hub: HubBatch) -> None:
    """By one in one cell: nobody outside can see it."""
    assert hub.secrets is not None and hub.verify_key is not None and hub.sum is not None
    false = bytes([hub.sum[0] ^ 1]) + hub.sum[1:]
    name = f"{hub.role}_sum"
    terms = world.roster.terms.model_copy(update={name: sum_digest(world.batch.digest, hub.role, false)})
    roster = replace(world.roster, terms=terms)
    secrets, verify_key = hub.secrets, hub.verify_key
    refused(lambda: redo_sum(world.batch, roster, hub.role, secrets, verify_key, world.shares), ProblemCode.BAD_SHARE)


def test_only_the_seed_in_the_terms_gives_the_noise(world: World, hub: HubBatch) -> None:
    assert hub.secrets is not None
    assert noisy_sum(world.batch, hub.secrets.noise_seed, []) != noisy_sum(world.batch, bytes(32), [])
    refused(lambda: redo_noise(world.batch, hub.role, bytes(32)), ProblemCode.BAD_SHARE)
