"""What a node refuses before its counts leave, and that what leaves can be made again and says nothing."""

import base64
import random
from functools import partial
from typing import Any

import pytest

from shared_schema.errors import SchemaError, VerificationError
from shared_schema.keys import Member, MemberRole, MemberStatus
from shared_schema.problem import ProblemCode
from shared_schema.sealed.agreed import read_batch, read_roster, read_void
from shared_schema.sealed.bodies import BatchBody
from shared_schema.sealed.checks import check_proposal
from shared_schema.sealed.city import (
    RANDOMNESS_SIZE,
    CityWarning,
    Warned,
    check_batch,
    find_warnings,
    make_share,
)
from shared_schema.sealed.countersign import BATCH_TERMS, countersign
from shared_schema.sealed.halves import half_info, receive_share
from shared_schema.sealed.hpke import open_sealed
from shared_schema.sealed.messages import ProposalAnswer
from shared_schema.sealed.terms import BatchTerms
from shared_schema.statement import Kind
from tests.shared_schema.builders import CITY_KEY
from tests.shared_schema.sealed_world import FRAME, HELPER, LEADER, NOW, OPERATORS, World, key_of, refused

CITY = "city-0000.sn.de"
RANDOMNESS = bytes(range(RANDOMNESS_SIZE))


def agreed(**plan: Any) -> World:
    world = World(**plan)
    world.agree()
    return world


# --- who says it ----------------------------------------------------------------------------------------------------


def statement_body(world: World) -> BatchBody:
    signature = ProposalAnswer.from_bytes(world.helper.proposal.answer).signature
    return BatchBody(terms=world.batch.terms, helper=signature)


def test_a_batch_that_only_the_leader_has_signed_is_none() -> None:
    world = agreed()
    for key, code in (
        (key_of(LEADER), ProblemCode.WRONG_ORIGIN),
        (key_of(CITY), ProblemCode.WRONG_ORIGIN),
        (CITY_KEY, ProblemCode.UNKNOWN_KEY),
    ):
        body = BatchBody(terms=world.batch.terms, helper=countersign(BATCH_TERMS, world.batch.terms, key))
        said = world.say(LEADER, Kind.BATCH, body)
        refused(partial(read_batch, said, world.directory, at=NOW), code)


def test_another_hub_cannot_announce_it() -> None:
    world = agreed()
    said = world.say(HELPER, Kind.BATCH, statement_body(world))
    refused(lambda: read_batch(said, world.directory, at=NOW), ProblemCode.WRONG_ORIGIN)


def test_changed_terms_are_not_what_the_helper_has_signed() -> None:
    world = agreed()
    body = statement_body(world)
    plan = body.terms.plan.model_copy(update={"epsilon_milli": 501})
    changed = body.model_copy(update={"terms": body.terms.model_copy(update={"plan": plan})})
    said = world.say(LEADER, Kind.BATCH, changed)
    refused(lambda: read_batch(said, world.directory, at=NOW), ProblemCode.BAD_SIGNATURE)


def test_a_suspended_helper_agrees_to_nothing() -> None:
    world = agreed()
    said = world.say(LEADER, Kind.BATCH, statement_body(world))
    helper = Member(HELPER, MemberRole.PARENT, key_of(HELPER).public, MemberStatus.SUSPENDED, vouched_by=LEADER)
    world.directory.apply(signer=LEADER, member=helper, position=99)
    refused(lambda: read_batch(said, world.directory, at=NOW), ProblemCode.MEMBER_NOT_ACTIVE)


def test_a_statement_of_another_kind_is_read_as_nothing_else() -> None:
    world = agreed()
    share = world.say(CITY, Kind.SHARE, world.body(CITY, [0, 0, 0]))
    batch = world.say(LEADER, Kind.BATCH, statement_body(world))
    for read in (
        lambda: read_batch(share, world.directory, at=NOW),
        lambda: read_roster(batch, world.batch, world.directory, at=NOW),
        lambda: read_void(batch, world.batch, world.directory, at=NOW),
        lambda: receive_share(batch),
    ):
        refused(read, ProblemCode.SCHEMA)


# --- two hubs that are two ------------------------------------------------------------------------------------------


def test_a_city_refuses_two_hubs_of_one_operator() -> None:
    """The hubs agree between themselves, and sign it: the city refuses all the same."""
    world = agreed()
    helper = world.batch.terms.helper.model_copy(update={"operator": "freistaat  SACHSEN"})
    terms = BatchTerms.from_object(world.batch.terms.model_copy(update={"helper": helper}).to_object())
    body = BatchBody(terms=terms, helper=countersign(BATCH_TERMS, terms, key_of(HELPER)))
    said = world.say(LEADER, Kind.BATCH, body)
    refused(lambda: read_batch(said, world.directory, at=NOW), ProblemCode.SAME_OPERATOR)


@pytest.mark.parametrize(
    "operators",
    [
        {LEADER: OPERATORS[LEADER]},
        {HELPER: OPERATORS[HELPER]},
        OPERATORS | {HELPER: "Freistaat Sachsen"},
        OPERATORS | {LEADER: "Somebody else"},
    ],
)
def test_a_city_refuses_hubs_that_its_directory_knows_otherwise(operators: dict[str, str]) -> None:
    world = agreed()
    refused(lambda: world.checked(CITY, operators=operators), ProblemCode.BATCH_TERMS)


def test_a_city_believes_the_terms_where_the_directory_says_nothing() -> None:
    """Both hubs have signed who runs each; a directory of older hubs has no word about it."""
    assert agreed().checked(CITY, operators={LEADER: None, HELPER: None}).name == CITY


# --- what is collected ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "facts", "code"),
    [
        ({}, {"table": None}, ProblemCode.UNKNOWN_TABLE),
        ({"dimension": "other"}, {}, ProblemCode.GRID_MISMATCH),
        ({"epsilon_milli": 1_001}, {}, ProblemCode.PRIVACY_FLOOR),
        ({}, {"most_epsilon_milli": 499}, ProblemCode.PRIVACY_FLOOR),
        ({"cities": 8}, {"least_cities": 6}, ProblemCode.BATCH_TERMS),
        ({}, {"now": NOW.replace(day=28)}, ProblemCode.BATCH_TERMS),
        ({}, {"now": NOW.replace(day=19)}, ProblemCode.BATCH_TERMS),
        ({"closes": "2027-06-01T00:00:00Z"}, {}, ProblemCode.BATCH_TERMS),
        ({"opens": "2026-10-31T09:00:00Z"}, {}, ProblemCode.RELEASE_RULE),
    ],
)
def test_a_city_refuses_what_it_would_not_release(
    plan: dict[str, Any], facts: dict[str, Any], code: ProblemCode
) -> None:
    world = agreed(**plan)
    refused(lambda: world.checked(CITY, **facts), code)


@pytest.mark.parametrize("cells", [("cell_0", "cell_2", "cell_1"), ("cell_0", "cell_1"), ("other",)])
def test_the_grid_must_be_that_of_the_table(cells: tuple[str, ...]) -> None:
    world = World()
    world.plan = world.plan.model_copy(update={"cells": cells})
    world.agree()
    refused(lambda: world.checked(CITY), ProblemCode.GRID_MISMATCH)


def test_the_table_must_be_the_own_in_its_wording() -> None:
    world = agreed()
    other = world.table.model_copy(update={"title": "Something else"})
    refused(lambda: world.checked(CITY, table=other), ProblemCode.UNKNOWN_TABLE)
    quarters = world.table.model_copy(update={"granularities": ("quarter",)})
    plan = world.plan.model_copy(update={"table": quarters.reference})
    world = World()
    world.plan, world.table = plan, quarters
    world.agree()
    refused(lambda: world.checked(CITY), ProblemCode.RELEASE_RULE)


def test_a_city_that_is_no_member_sends_nothing() -> None:
    world = agreed()
    refused(lambda: world.checked("stranger.sn.de"), ProblemCode.BATCH_TERMS)


def test_members_are_known_and_of_different_municipalities() -> None:
    world = agreed()
    codes = dict(world.facts().municipalities)
    fewer = {name: code for name, code in codes.items() if name != world.cities[-1]}
    twins = codes | {world.cities[-1]: codes[world.cities[0]]}
    assert "1 that it does not have" in refused(
        lambda: world.checked(CITY, municipalities=fewer), ProblemCode.BATCH_TERMS
    )
    assert "different municipalities" in refused(
        lambda: world.checked(CITY, municipalities=twins), ProblemCode.BATCH_TERMS
    )


def test_what_was_sent_in_any_way_is_not_sent_again() -> None:
    world = agreed()
    refused(lambda: check_batch(world.batch, name=CITY, facts=world.facts(), is_sent=True), ProblemCode.RELEASE_RULE)


def test_a_second_hub_asks_the_same_of_a_proposal_and_knows_who_runs_the_leader() -> None:
    world = World()
    world.propose()
    proposal = world.leader.proposal
    check_proposal(proposal, leader=LEADER, facts=world.facts())
    for changes in (
        {"leader": "nrw.de"},
        {"facts": world.facts(operators={})},
        {"facts": world.facts(operators={LEADER: None})},
        {"facts": world.facts(operators={LEADER: "Bund"})},
        {"facts": world.facts(municipalities={})},
    ):
        given: dict[str, Any] = {"leader": LEADER, "facts": world.facts()} | changes
        refused(partial(check_proposal, proposal, **given), ProblemCode.BATCH_TERMS)
    refused(
        lambda: check_proposal(proposal, leader=LEADER, facts=world.facts(most_epsilon_milli=1)),
        ProblemCode.PRIVACY_FLOOR,
    )


# --- the share ------------------------------------------------------------------------------------------------------


def test_the_same_arguments_make_the_same_bytes_for_ever() -> None:
    world = agreed()
    checked = world.checked(CITY)
    once, again = (make_share(checked, [3, 0, 5], FRAME, randomness=RANDOMNESS).to_bytes() for _ in range(2))
    assert once == again


def test_randomness_that_is_used_twice_gives_nothing_away() -> None:
    """Other counts, another city, another batch: every part of the share is another one."""
    world, other = agreed(), agreed(chance=random.Random(9))
    shares = [
        make_share(world.checked(CITY), [3, 0, 5], FRAME, randomness=RANDOMNESS),
        make_share(world.checked(CITY), [3, 0, 6], FRAME, randomness=RANDOMNESS),
        make_share(world.checked(world.cities[1]), [3, 0, 5], FRAME, randomness=RANDOMNESS),
        make_share(other.checked(CITY), [3, 0, 5], FRAME, randomness=RANDOMNESS),
        make_share(world.checked(CITY), [3, 0, 5], FRAME, randomness=bytes(RANDOMNESS_SIZE)),
    ]
    for part in ("nonce", "public_share", "leader_half", "helper_half"):
        assert len({getattr(share, part) for share in shares}) == len(shares)
    for half in ("leader_half", "helper_half"):
        assert len({base64.b64decode(getattr(share, half))[:32] for share in shares}) == len(shares)


@pytest.mark.parametrize(
    ("counts", "match"),
    [
        ([0, 0], "3 counts"),
        ([0, 0, 0, 0], "3 counts"),
        ([0, 1_001, 0], "cell 1"),
        ([-1, 0, 0], "cell 0"),
        ([0, 0, 2**60], "2\\^53"),
    ],
)
def test_counts_that_do_not_fit_are_refused_and_not_repeated(counts: list[int], match: str) -> None:
    world = agreed()
    with pytest.raises(SchemaError, match=match) as caught:
        make_share(world.checked(CITY), counts, FRAME, randomness=RANDOMNESS)
    assert "1001" not in caught.value.message and str(2**60) not in caught.value.message


@pytest.mark.parametrize("size", [0, 31, 33])
def test_randomness_has_32_bytes(size: int) -> None:
    world = agreed()
    with pytest.raises(SchemaError, match="32 random bytes"):
        make_share(world.checked(CITY), [0, 0, 0], FRAME, randomness=bytes(size))


def test_a_share_is_as_long_whatever_its_counts_are() -> None:
    world = agreed(maximum=1_000, cells=40)
    sizes = {
        len(make_share(world.checked(CITY), [count] * 40, FRAME, randomness=RANDOMNESS).to_bytes())
        for count in (0, 1, 500, 1_000)
    }
    assert len(sizes) == 1


def test_each_half_opens_for_its_own_hub_alone() -> None:
    world = agreed()
    body = world.body(CITY, [1, 2, 3])
    nonce, public_share = base64.b64decode(body.nonce), base64.b64decode(body.public_share)
    assert world.leader.secrets is not None and world.helper.secrets is not None
    info = half_info(world.batch.digest, CITY, "leader", nonce, public_share)
    sealed = base64.b64decode(body.leader_half)
    assert open_sealed(world.leader.secrets.key, info, sealed)
    with pytest.raises(VerificationError):
        open_sealed(world.helper.secrets.key, info, sealed)


def test_a_share_says_in_the_clear_only_what_a_release_says() -> None:
    world = agreed()
    body = make_share(world.checked(CITY), [7, 7, 7], FRAME, randomness=RANDOMNESS)
    assert (body.batch, body.table, body.period) == (world.batch.digest, world.plan.table, world.plan.period)
    assert (body.coverage, body.review, body.ledger) == (FRAME.coverage, FRAME.review, FRAME.ledger)
    assert (body.privacy.unit, body.privacy.window, body.privacy.epsilon_milli) == ("record", "period", 500)


# --- what a person should look at -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "history", "last_total", "expected"),
    [
        ([5, 6], [[4, 6], [5, 2]], [100, 90], ()),
        ([5, 19], [[4, 6], [5, 2]], [100, 90], (Warned(CityWarning.FAR_ABOVE, 1),)),
        ([10, 18], [[0, 6]], [100, 90], ()),
        ([11, 18], [[0, 6]], [100, 90], (Warned(CityWarning.FAR_ABOVE, 0),)),
        ([500, 500], [], None, ()),
        ([30, 30], [], [60, 59], (Warned(CityWarning.LARGE_PART, None),)),
        ([30, 29], [], [60, 59], ()),
        ([2, 3], [], [-1, 0], ()),
        ([6, 0], [], [-1, 0], (Warned(CityWarning.LARGE_PART, None),)),
    ],
)
def test_a_person_is_warned_of_what_nobody_can_correct_afterwards(
    counts: list[int], history: list[list[int]], last_total: list[int] | None, expected: tuple[Warned, ...]
) -> None:
    assert find_warnings(counts, history, last_total) == expected
