"""Two hubs and their cities in memory: totals are exact, cheats are named, and nothing is ever answered twice.

What must never happen comes first: a second set, a second sum, a share that does not hold.
"""

import base64
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from shared_schema.errors import ContractError, SchemaError
from shared_schema.problem import ProblemCode
from shared_schema.sealed import helper as helper_steps
from shared_schema.sealed import leader as leader_steps
from shared_schema.sealed.bodies import BatchBody, ShareBody
from shared_schema.sealed.hub import committed, dropped, opened, publish, voided
from shared_schema.sealed.messages import (
    MAX_PREPARE_BYTES,
    PrepareAnswer,
    PreparedShare,
    PrepareRequest,
    ProposalAnswer,
)
from shared_schema.sealed.states import FIRST, TRANSITIONS, BatchEvent, BatchState, next_state
from shared_schema.sealed.sums import SECRETS_SIZE, HubSecrets
from shared_schema.sealed.terms import ROLES, Refusal, Role, RosterTerms, VoidTerms
from shared_schema.sealed.total import redo_noise
from shared_schema.vdaf.field128 import MODULUS, Vector
from shared_schema.vdaf.prio3 import Prio3SumVec
from tests.shared_schema.builders import batch_plan
from tests.shared_schema.sealed_world import HELPER, NOW, World, key_of


def refused(call: Callable[[], object], code: ProblemCode) -> str:
    """The message with which a call is refused."""
    with pytest.raises(ContractError) as caught:
        call()
    assert caught.value.code is code
    return caught.value.message


def flip(text: str, bit: int) -> str:
    """One bit of a base64 text's bytes, counted around."""
    data = bytearray(base64.b64decode(text))
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    return base64.b64encode(bytes(data)).decode()


def reasons(world: World) -> dict[str, Refusal]:
    return {each.origin: each.reason for each in world.roster.terms.attendance.refused}


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


# --- one answer, one roster, one end --------------------------------------------------------------------------------


@pytest.fixture
def world() -> World:
    """A batch to which every city has sent."""
    world = World()
    world.agree()
    for city in world.cities:
        world.send(city, world.counts())
    return world


def signed_roster(world: World, terms: RosterTerms) -> bytes:
    world.helper, signature = helper_steps.sign_roster_once(world.helper, terms.to_bytes(), key_of(HELPER))
    return signature


def test_the_helper_answers_once(world: World) -> None:
    request = world.close()
    world.helper, answer = helper_steps.answer_once(world.helper, world.shares, request)
    assert helper_steps.answer_once(world.helper, world.shares, request) == (world.helper, answer)
    fewer = world.prepared.request.model_copy(update={"shares": world.prepared.request.shares[1:]})
    for other in (fewer.to_bytes(), b"{}", request[:-1]):
        refused(partial(helper_steps.answer_once, world.helper, world.shares, other), ProblemCode.ALREADY_ANSWERED)
    assert helper_steps.answer_once(world.helper, [], request)[1] == answer


def test_a_helper_that_was_stopped_before_it_stored_its_answer_gives_the_same(world: World) -> None:
    request = world.close()
    answers = {helper_steps.answer_once(world.helper, world.shares, request)[1] for _ in range(2)}
    assert len(answers) == 1


def test_a_leader_that_was_stopped_makes_the_same_request_and_the_same_sum(world: World) -> None:
    request = world.close()
    again = leader_steps.prepare(world.leader, list(reversed(world.shares)))
    assert again.request.to_bytes() == request
    _, answer = helper_steps.answer_once(world.helper, world.shares, request)
    taken = [
        leader_steps.take_answer(world.leader, prepared, PrepareAnswer.from_bytes(answer))
        for prepared in (world.prepared, again)
    ]
    assert taken[0] == taken[1]


def test_the_helper_waits_until_every_share_was_relayed(world: World) -> None:
    request = world.close()
    assert "1 more shares" in refused(
        lambda: helper_steps.answer_once(world.helper, world.shares[1:], request), ProblemCode.BATCH_STATE
    )
    helper_steps.answer_once(world.helper, world.shares, request)


def test_a_leader_that_leaves_out_a_share_it_has_relayed_gets_no_answer(world: World) -> None:
    world.close()
    fewer = world.prepared.request.model_copy(update={"shares": world.prepared.request.shares[1:]})
    refused(lambda: helper_steps.answer_once(world.helper, world.shares, fewer.to_bytes()), ProblemCode.SCHEMA)


def test_a_leader_that_asks_about_a_stranger_gets_no_answer(world: World) -> None:
    world.close()
    lines = world.prepared.request.shares
    stranger = lines[-1].model_copy(update={"origin": "stranger.sn.de"})
    more = world.prepared.request.model_copy(update={"shares": (*lines, stranger)})
    refused(lambda: helper_steps.answer_once(world.helper, world.shares, more.to_bytes()), ProblemCode.SCHEMA)
    outsider = replace(world.shares[0], origin="stranger.sn.de")
    refused(lambda: leader_steps.prepare(world.leader, [outsider]), ProblemCode.SCHEMA)
    refused(lambda: leader_steps.prepare(world.leader, [], late={"stranger.sn.de": "ab" * 32}), ProblemCode.SCHEMA)


@pytest.mark.parametrize("text", ["", "AA==", "A", "!", "A" * 4_000])
def test_a_verifier_share_of_another_form_is_refused_whole(world: World, text: str) -> None:
    world.close()
    lines = world.prepared.request.shares
    broken = world.prepared.request.model_copy(
        update={"shares": (lines[0].model_copy(update={"verifier_share": text}), *lines[1:])}
    )
    with pytest.raises(SchemaError):
        helper_steps.answer_once(world.helper, world.shares, broken.to_bytes())
    assert world.helper.prepare is None


def test_a_leader_that_changes_a_verifier_share_has_that_city_refused(world: World) -> None:
    """It can make an honest city look like a cheat: the city sees it in the roster, and an auditor redoes it."""
    request = world.close()
    lines = world.prepared.request.shares
    changed = lines[0].model_copy(update={"verifier_share": flip(lines[0].verifier_share or "", 77)})
    request = world.prepared.request.model_copy(update={"shares": (changed, *lines[1:])}).to_bytes()
    _, answer = helper_steps.answer_once(world.helper, world.shares, request)
    assert PrepareAnswer.from_bytes(answer).shares[0].refused in (Refusal.RANGE, Refusal.HALVES)


def test_another_digest_than_the_relayed_one_is_a_second_share(world: World) -> None:
    world.close()
    lines = world.prepared.request.shares
    changed = lines[0].model_copy(update={"digest": "ab" * 32})
    request = world.prepared.request.model_copy(update={"shares": (changed, *lines[1:])}).to_bytes()
    _, answer = helper_steps.answer_once(world.helper, world.shares, request)
    assert PrepareAnswer.from_bytes(answer).shares[0].refused is Refusal.TWICE


def _another_set(terms: RosterTerms) -> RosterTerms:
    attendance = terms.attendance
    return terms.model_copy(
        update={
            "attendance": attendance.model_copy(
                update={"accepted": tuple(sorted([*attendance.accepted[1:], "ab" * 32]))}
            )
        }
    )


ROSTERS: Mapping[str, Callable[[RosterTerms], RosterTerms]] = {
    "another set": _another_set,
    "another sum of the helper": lambda terms: terms.model_copy(update={"helper_sum": "ab" * 32}),
    "another batch": lambda terms: terms.model_copy(update={"batch": "ab" * 32}),
    "one city fewer": lambda terms: terms.model_copy(
        update={"attendance": terms.attendance.model_copy(update={"accepted": terms.attendance.accepted[1:]})}
    ),
}


@pytest.mark.parametrize("name", ROSTERS)
def test_the_helper_signs_no_roster_but_its_own(world: World, name: str) -> None:
    terms = world.answer(world.close())
    assert isinstance(terms, RosterTerms)
    other = ROSTERS[name](terms)
    refused(lambda: helper_steps.sign_roster_once(world.helper, other.to_bytes(), key_of(HELPER)), ProblemCode.SCHEMA)
    assert world.helper.end is None
    signed_roster(world, terms)


def test_there_is_one_roster_for_a_batch_for_ever(world: World) -> None:
    terms = world.answer(world.close())
    assert isinstance(terms, RosterTerms)
    signature = signed_roster(world, terms)
    assert signed_roster(world, terms) == signature
    other = terms.model_copy(update={"leader_sum": "ab" * 32})
    refused(lambda: signed_roster(world, other), ProblemCode.ALREADY_ANSWERED)
    given_up = VoidTerms(batch=world.batch.digest, reason="given-up")
    refused(
        lambda: helper_steps.sign_void_once(world.helper, given_up.to_bytes(), key_of(HELPER)),
        ProblemCode.ALREADY_ANSWERED,
    )


def test_no_roster_is_signed_before_the_helper_has_answered(world: World) -> None:
    attendance = {"accepted": sorted(share.digest for share in world.shares), "refused": [], "absent": []}
    terms = RosterTerms.from_object(
        {
            "v": 1,
            "batch": world.batch.digest,
            "attendance": attendance,
            "leader_sum": "ab" * 32,
            "helper_sum": "cd" * 32,
        }
    )
    refused(lambda: signed_roster(world, terms), ProblemCode.BATCH_STATE)


def test_nothing_is_published_before_the_roster_is_in_the_log(world: World) -> None:
    terms = world.answer(world.close())
    assert isinstance(terms, RosterTerms)
    signed_roster(world, terms)
    for batch in (world.leader, world.helper):
        refused(partial(publish, batch), ProblemCode.BATCH_STATE)


def test_a_roster_in_the_log_that_is_not_the_signed_one_is_taken_by_nobody(world: World) -> None:
    world.decide()
    other = replace(world.roster, terms=_another_set(world.roster.terms))
    for batch in (world.leader, world.helper):
        refused(partial(committed, batch, other), ProblemCode.ALREADY_ANSWERED)
        assert committed(batch, world.roster) == batch


def test_a_sum_is_published_again_with_the_same_bytes(world: World) -> None:
    world.decide()
    assert world.sums() == world.sums()


def test_what_opens_a_share_is_gone_after_the_end_and_the_seed_of_the_noise_stays(world: World) -> None:
    world.decide()
    seeds = [made.secrets.noise_seed for made in (world.leader, world.helper) if made.secrets is not None]
    world.open()
    for role, batch, seed in zip(ROLES, (world.leader, world.helper), seeds, strict=True):
        assert (batch.state, batch.secrets, batch.verify_key, batch.noise_seed) == (BatchState.DONE, None, None, seed)
        assert len(redo_noise(world.batch, role, seed)) == len(world.plan.cells)
        refused(partial(publish, batch), ProblemCode.BATCH_STATE)


def test_no_secret_shows_in_what_is_printed(world: World) -> None:
    world.decide()
    for batch in (world.leader, world.helper):
        assert batch.secrets is not None and batch.verify_key is not None and batch.sum is not None
        shown = repr(batch)
        for secret in (batch.secrets.key.raw, batch.secrets.noise_seed, batch.verify_key, batch.sum):
            assert repr(secret) not in shown and secret.hex() not in shown
    assert "verifier_share=VerifierShare" not in repr(world.prepared)


# --- void -----------------------------------------------------------------------------------------------------------


def test_fewer_than_min_batch_open_nothing() -> None:
    world = World(cities=6)
    world.agree()
    for city in world.cities[:4]:
        world.send(city, world.counts())
    world.send_late(world.cities[4], world.counts())
    terms = world.decide()
    assert isinstance(terms, VoidTerms) and terms.reason == "too-few" and terms.attendance is not None
    assert len(terms.attendance.accepted) == 4
    assert terms.attendance.absent == (world.cities[5],)
    assert world.void == terms
    for batch in (world.leader, world.helper):
        assert (batch.state, batch.secrets, batch.verify_key, batch.sum) == (BatchState.VOID, None, None, None)
        refused(partial(publish, batch), ProblemCode.BATCH_STATE)


def test_of_too_few_the_helper_says_nothing_that_could_be_a_sum() -> None:
    world = World(cities=6)
    world.agree()
    for city in world.cities[:4]:
        world.send(city, world.counts())
    world.helper, answer = helper_steps.answer_once(world.helper, world.shares, world.close())
    assert PrepareAnswer.from_bytes(answer).helper_sum is None
    assert world.helper.sum is None


def test_the_helper_signs_no_void_that_is_not_true(world: World) -> None:
    terms = world.answer(world.close())
    assert isinstance(terms, RosterTerms)
    enough = VoidTerms(batch=world.batch.digest, reason="too-few", attendance=terms.attendance)
    few = terms.attendance.model_copy(update={"accepted": (), "absent": world.cities})
    invented = VoidTerms(batch=world.batch.digest, reason="too-few", attendance=few)
    elsewhere = VoidTerms(batch="ab" * 32, reason="given-up")
    for void in (enough, invented, elsewhere):
        refused(partial(helper_steps.sign_void_once, world.helper, void.to_bytes(), key_of(HELPER)), ProblemCode.SCHEMA)


@pytest.mark.parametrize("when", ["open", "closed", "answered"])
def test_a_batch_can_be_given_up_until_the_roster_is_signed(world: World, when: str) -> None:
    if when == "closed":
        world.close()
    if when == "answered":
        world.answer(world.close())
    world.end_void(leader_steps.give_up(world.leader))
    again = VoidTerms(batch=world.batch.digest, reason="given-up").to_bytes()
    assert helper_steps.sign_void_once(world.helper, again, key_of(HELPER))[0] == world.helper
    assert (world.leader.state, world.helper.state) == (BatchState.VOID, BatchState.VOID)
    refused(lambda: leader_steps.give_up(world.leader), ProblemCode.BATCH_STATE)


def test_after_the_roster_nothing_is_given_up(world: World) -> None:
    world.decide()
    for batch in (world.leader, world.helper):
        refused(partial(voided, batch), ProblemCode.BATCH_STATE)


# --- agreeing -------------------------------------------------------------------------------------------------------


def agreed_answer(world: World) -> ProposalAnswer:
    world.helper, answer = helper_steps.agree_to(
        world.propose(),
        name=HELPER,
        operator=world.operators[HELPER],
        randomness=bytes(range(helper_steps.RANDOMNESS_SIZE)),
        key=key_of(HELPER),
    )
    return ProposalAnswer.from_bytes(answer)


def test_a_helper_that_was_stopped_agrees_with_the_same_bytes() -> None:
    world = World()
    proposal = world.propose()
    randomness = bytes(helper_steps.RANDOMNESS_SIZE)
    given: dict[str, Any] = {"name": HELPER, "operator": "Bund", "randomness": randomness, "key": key_of(HELPER)}
    assert helper_steps.agree_to(proposal, **given) == helper_steps.agree_to(proposal, **given)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"plan": {"epsilon_milli": 900}}, ProblemCode.BATCH_TERMS),
        ({"helper": {"name": "nrw.de"}}, ProblemCode.BATCH_TERMS),
        ({"helper": {"operator": "freistaat sachsen"}}, ProblemCode.SAME_OPERATOR),
        ({"verify_key": "ab" * 32}, ProblemCode.BAD_SHARE),
    ],
)
def test_a_leader_opens_nothing_that_it_has_not_proposed(changes: dict[str, Any], code: ProblemCode) -> None:
    world = World()
    answer = agreed_answer(world)
    terms = answer.terms
    changed = terms.model_copy(
        update={
            name: value if isinstance(value, str) else getattr(terms, name).model_copy(update=value)
            for name, value in changes.items()
        }
    )
    refused(lambda: leader_steps.agree(world.leader, answer.model_copy(update={"terms": changed})), code)


def test_a_verification_key_that_does_not_open_is_refused() -> None:
    world = World()
    answer = agreed_answer(world)
    for text in (flip(answer.verify_key, 99), "AAAA", "", "A"):
        with pytest.raises(ContractError):
            leader_steps.agree(world.leader, answer.model_copy(update={"verify_key": text}))


def test_a_helper_agrees_to_no_proposal_to_somebody_else_nor_to_one_of_its_own_operator() -> None:
    world = World()
    proposal = world.propose()
    given: dict[str, Any] = {
        "operator": "Bund",
        "randomness": bytes(helper_steps.RANDOMNESS_SIZE),
        "key": key_of(HELPER),
    }
    refused(lambda: helper_steps.agree_to(proposal, name="nrw.de", **given), ProblemCode.SCHEMA)
    given["operator"] = "FREISTAAT  SACHSEN"
    refused(lambda: helper_steps.agree_to(proposal, name=HELPER, **given), ProblemCode.SAME_OPERATOR)
    given |= {"operator": "Bund", "randomness": bytes(1)}
    refused(lambda: helper_steps.agree_to(proposal, name=HELPER, **given), ProblemCode.SCHEMA)
    given["randomness"] = bytes(helper_steps.RANDOMNESS_SIZE)
    for body in (b"", b"{}", b"[]", proposal + b" ", b"[" * 10**6, bytes(MAX_PREPARE_BYTES + 1)):
        with pytest.raises(SchemaError):
            helper_steps.agree_to(body, name=HELPER, **given)


def test_a_leader_that_gives_itself_the_helpers_name_or_seed_is_refused() -> None:
    world = World()
    world.propose()
    randomness = bytes(helper_steps.RANDOMNESS_SIZE)
    given: dict[str, Any] = {"operator": "Bund", "randomness": randomness, "key": key_of(HELPER)}
    own = HubSecrets.from_randomness(randomness[:SECRETS_SIZE]).part_of(HELPER, "Bund")
    for changes in ({"name": HELPER}, {"hpke_key": own.hpke_key}, {"noise_seed": own.noise_seed}):
        leader = world.leader.proposal.leader.model_copy(update=changes)
        proposal = world.leader.proposal.model_copy(update={"leader": leader}).to_bytes()
        with pytest.raises(SchemaError, match="expected two"):
            helper_steps.agree_to(proposal, name=HELPER, **given)


@pytest.mark.parametrize(("name", "operator"), [("Bund", "Bund"), (HELPER, ""), (HELPER, "x" * 121)])
def test_a_hub_without_a_proper_name_or_operator_takes_no_part(name: str, operator: str) -> None:
    with pytest.raises(SchemaError):
        HubSecrets.from_randomness(bytes(SECRETS_SIZE)).part_of(name, operator)


def test_the_first_announcement_of_a_batch_counts() -> None:
    """The same terms in a second statement would be a second context for shares, and a second roster."""
    world = World()
    first = world.agree()
    assert world.helper.terms is not None and world.helper.agreed is not None
    body = BatchBody(
        terms=first.terms,
        helper=ProposalAnswer.from_bytes(world.helper.proposal.answer).signature,
    )
    second = world.announce(body)
    assert second.digest != first.digest
    for batch in (world.leader, world.helper):
        assert opened(batch, first) == batch
        refused(partial(opened, batch, second), ProblemCode.BATCH_STATE)


def test_a_hub_opens_no_batch_with_other_terms() -> None:
    world, other = World(), World(chance=random.Random(2))
    agreed_answer(world)
    other.agree()
    refused(lambda: opened(world.helper, other.batch), ProblemCode.BATCH_TERMS)


def test_a_helper_that_does_not_agree_ends_the_proposal() -> None:
    world = World()
    world.propose()
    gone = dropped(world.leader)
    assert (gone.state, gone.secrets) == (BatchState.DROPPED, None)
    refused(lambda: dropped(gone), ProblemCode.BATCH_STATE)


# --- at the door ----------------------------------------------------------------------------------------------------


def test_a_share_enters_the_log_only_while_its_batch_is_open(world: World) -> None:
    share = world.shares[0]
    leader_steps.take(world.leader, share, at=NOW)
    for at in (NOW.replace(day=19), NOW.replace(day=28)):
        refused(partial(leader_steps.take, world.leader, share, at=at), ProblemCode.BATCH_STATE)
    world.close()
    refused(lambda: leader_steps.take(world.leader, share, at=NOW), ProblemCode.BATCH_STATE)


@pytest.mark.parametrize(
    "changes",
    [
        {"batch": "ab" * 32},
        {"period": batch_plan()["period"] | {"start": "2026-09-01", "end": "2026-09-30"}},
        {"table": {"id": "other.table", "version": 1, "fingerprint": "ab" * 32}},
    ],
)
def test_a_share_that_says_something_else_than_its_batch_is_refused_at_the_door(
    world: World, changes: dict[str, Any]
) -> None:
    share = world.shares[0]
    other = replace(share, body=ShareBody.from_object(share.body.to_object() | changes))
    refused(lambda: leader_steps.take(world.leader, other, at=NOW), ProblemCode.BATCH_TERMS)


def test_a_stranger_is_refused_at_the_door(world: World) -> None:
    share = replace(world.shares[0], origin="stranger.sn.de")
    refused(lambda: leader_steps.take(world.leader, share, at=NOW), ProblemCode.BATCH_TERMS)


# --- a helper that lies ---------------------------------------------------------------------------------------------


def _answer_changed(world: World, change: Callable[[PrepareAnswer], PrepareAnswer]) -> Callable[[], object]:
    request = world.close()
    _, answer = helper_steps.answer_once(world.helper, world.shares, request)
    changed = change(PrepareAnswer.from_bytes(answer))
    return lambda: leader_steps.take_answer(world.leader, world.prepared, changed)


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: answer.model_copy(update={"batch": "ab" * 32}),
        lambda answer: answer.model_copy(update={"shares": answer.shares[1:]}),
        lambda answer: answer.model_copy(update={"shares": answer.shares[::-1]}),
        lambda answer: answer.model_copy(update={"helper_sum": None}),
    ],
)
def test_a_leader_takes_no_answer_to_something_else(
    world: World, change: Callable[[PrepareAnswer], PrepareAnswer]
) -> None:
    refused(_answer_changed(world, change), ProblemCode.SCHEMA)


def test_a_leader_takes_no_message_that_does_not_fit_its_half(world: World) -> None:
    def change(answer: PrepareAnswer) -> PrepareAnswer:
        first = answer.shares[0]
        return answer.model_copy(
            update={"shares": (first.model_copy(update={"message": flip(first.message or "", 3)}), *answer.shares[1:])}
        )

    refused(_answer_changed(world, change), ProblemCode.BAD_SHARE)


def test_a_helper_cannot_accept_what_the_leader_has_refused() -> None:
    world = World(cities=7)
    world.agree()
    for city in world.cities:
        if city != CHEAT:
            world.send(city, world.counts())
    _changed(world, leader_half=flip(world.body(CHEAT, world.counts()).leader_half, 4_000))

    def change(answer: PrepareAnswer) -> PrepareAnswer:
        accepted = next(each for each in answer.shares if each.message is not None)
        return answer.model_copy(
            update={
                "shares": tuple(
                    each if each.origin != CHEAT else accepted.model_copy(update={"origin": CHEAT})
                    for each in answer.shares
                )
            }
        )

    refused(_answer_changed(world, change), ProblemCode.SCHEMA)


# --- the tables -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("state", list(BatchState))
@pytest.mark.parametrize("event", list(BatchEvent))
def test_every_event_in_every_state_is_in_the_table_or_refused(
    role: Role, state: BatchState, event: BatchEvent
) -> None:
    if (state, event) in TRANSITIONS[role]:
        assert next_state(role, state, event) is TRANSITIONS[role][state, event]
    else:
        assert state.value in refused(lambda: next_state(role, state, event), ProblemCode.BATCH_STATE)


@pytest.mark.parametrize("role", ROLES)
def test_every_state_of_a_role_is_reached_and_ends_in_done_void_or_dropped(role: Role) -> None:
    table = TRANSITIONS[role]
    reached = {FIRST[role]}
    while more := {new for (old, _), new in table.items() if old in reached} - reached:
        reached |= more
    assert reached == {old for old, _ in table} | set(table.values())
    ends = reached - {old for old, _ in table}
    assert ends == {BatchState.DONE, BatchState.VOID, BatchState.DROPPED}


@pytest.mark.parametrize("role", ROLES)
def test_no_way_leads_from_a_signed_roster_to_void(role: Role) -> None:
    reached = {BatchState.SIGNED if role == "helper" else BatchState.COMMITTED}
    while more := {new for (old, _), new in TRANSITIONS[role].items() if old in reached} - reached:
        reached |= more
    assert BatchState.VOID not in reached


def test_the_request_of_the_largest_batch_fits() -> None:
    vdaf = Prio3SumVec.with_best_chunks(shares=2, length=400, max_measurement=2**20 - 1)
    share = base64.b64encode(bytes(vdaf.circuit.verifier_len * 16 + 32)).decode()
    names = sorted(f"city-{number:04d}.{'x' * 30}.eu" for number in range(2_000))
    lines = tuple(PreparedShare(origin=name, digest="ab" * 32, verifier_share=share) for name in names)
    assert len(PrepareRequest(batch="ab" * 32, shares=lines).to_bytes()) <= MAX_PREPARE_BYTES
