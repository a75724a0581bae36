"""From the proposal to the door: two hubs agree to the same, and what enters is of this batch."""

import random
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from shared_schema.errors import ContractError, SchemaError
from shared_schema.problem import ProblemCode
from shared_schema.sealed import helper as helper_steps
from shared_schema.sealed import leader as leader_steps
from shared_schema.sealed.bodies import BatchBody, ShareBody
from shared_schema.sealed.hub import dropped, opened
from shared_schema.sealed.messages import (
    MAX_PREPARE_BYTES,
    ProposalAnswer,
)
from shared_schema.sealed.states import BatchState
from shared_schema.sealed.sums import SECRETS_SIZE, HubSecrets
from tests.shared_schema.builders import batch_plan
from tests.shared_schema.sealed_world import HELPER, NOW, World, flip, key_of, refused, sent_world


@pytest.fixture
def world() -> World:
    return sent_world()


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
