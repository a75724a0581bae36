"""Two hubs in memory: nothing is answered twice, one roster, one end.

What must never happen comes first: a second set, a second sum.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import pytest

from shared_schema.errors import SchemaError
from shared_schema.problem import ProblemCode
from shared_schema.sealed import helper as helper_steps
from shared_schema.sealed import leader as leader_steps
from shared_schema.sealed.hub import committed, publish, voided
from shared_schema.sealed.messages import (
    MAX_PREPARE_BYTES,
    PrepareAnswer,
    PreparedShare,
    PrepareRequest,
)
from shared_schema.sealed.states import FIRST, TRANSITIONS, BatchEvent, BatchState, next_state
from shared_schema.sealed.terms import ROLES, Refusal, Role, RosterTerms, VoidTerms
from shared_schema.sealed.total import redo_noise
from shared_schema.vdaf.prio3 import Prio3SumVec
from tests.shared_schema.sealed_world import HELPER, World, flip, key_of, refused, sent_world

CHEAT = "city-0002.sn.de"


# --- one answer, one roster, one end --------------------------------------------------------------------------------


@pytest.fixture
def world() -> World:
    return sent_world()


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
    body = world.body(CHEAT, world.counts())
    world.deliver(CHEAT, body.model_copy(update={"leader_half": flip(body.leader_half, 4_000)}))

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
