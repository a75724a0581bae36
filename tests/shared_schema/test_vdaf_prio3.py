"""Prio3SumVec as its callers meet it: right sums from honest cities, and a clear word for what does not fit."""

import random
from dataclasses import replace

import pytest

from shared_schema.errors import ContractError, SchemaError, ShareError
from shared_schema.problem import ProblemCode
from shared_schema.vdaf.field128 import ENCODED_SIZE, MODULUS, centred
from shared_schema.vdaf.messages import (
    HelperShare,
    LeaderShare,
    PublicShare,
    VerifierMessage,
    parse_agg_share,
    parse_input_share,
    parse_public_share,
    parse_verifier_message,
    parse_verifier_share,
)
from shared_schema.vdaf.prio3 import Prio3SumVec
from shared_schema.vdaf.sum_vec import MAX_MEASUREMENTS, SumVec
from tests.shared_schema.sealed import SMALL, TABLE, accept, make_report

CTX = b"batch 1"


def honest_are_right(vdaf: Prio3SumVec, cities: int) -> None:
    """Every city is accepted and adds exactly its counts; the sums are those of all."""
    chance = random.Random(11)
    totals = [vdaf.agg_init(), vdaf.agg_init()]
    truth = [0] * vdaf.circuit.length
    for _ in range(cities):
        counts = [chance.choice([0, vdaf.circuit.max_measurement, chance.randint(0, vdaf.circuit.max_measurement)])
                  for _ in truth]  # fmt: skip
        out_shares = accept(vdaf, make_report(vdaf, counts, chance))
        assert vdaf.unshard(out_shares, 1) == counts
        totals = [vdaf.agg_update(total, share) for total, share in zip(totals, out_shares, strict=True)]
        truth = [held + count for held, count in zip(truth, counts, strict=True)]
    assert vdaf.unshard(totals, cities) == truth


def test_a_hundred_honest_cities_are_accepted_and_add_up() -> None:
    honest_are_right(SMALL, 100)


@pytest.mark.long
def test_ten_thousand_honest_cities_are_accepted_and_add_up() -> None:
    honest_are_right(TABLE, 10_000)


@pytest.mark.parametrize("shares", [2, 3, 5])
@pytest.mark.parametrize("circuit", [SumVec(1, 1, 1), SumVec(1, 2**53 - 1, 53), SumVec(3, 9, 5), SumVec(4, 7, 4)])
def test_any_number_of_aggregators_find_the_counts_together(shares: int, circuit: SumVec) -> None:
    vdaf = Prio3SumVec(shares, circuit)
    counts = [circuit.max_measurement - place for place in range(circuit.length)]
    public_share, input_shares = vdaf.shard(CTX, counts, bytes(16), random.Random(2).randbytes(vdaf.rand_size))
    verified = [
        vdaf.verify_init(bytes(32), CTX, agg_id, bytes(16), public_share, share)
        for agg_id, share in enumerate(input_shares)
    ]
    message = vdaf.verifier_shares_to_message(CTX, [share for _, share in verified])
    assert vdaf.unshard([vdaf.verify_next(state, message) for state, _ in verified], 1) == counts


def test_a_helper_receives_the_same_whatever_the_counts_are() -> None:
    rand = random.Random(3).randbytes(SMALL.rand_size)
    _, (_, none) = SMALL.shard(CTX, [0] * 5, bytes(16), rand)
    _, (_, many) = SMALL.shard(CTX, [20] * 5, bytes(16), rand)
    assert none == many


def test_shares_do_not_show_themselves() -> None:
    public_share, input_shares = SMALL.shard(CTX, [1, 2, 3, 4, 5], bytes(16), bytes(SMALL.rand_size))
    state, verifier_share = SMALL.verify_init(bytes(32), CTX, 0, bytes(16), public_share, input_shares[0])
    shown = [repr(value) for value in (public_share, *input_shares, state, verifier_share, VerifierMessage(b"m"))]
    assert shown == [
        *("PublicShare()", "LeaderShare()", "HelperShare()", "VerifyState()", "VerifierShare()", "VerifierMessage()")
    ]


def test_a_sum_with_noise_may_lie_below_zero() -> None:
    with_noise = SMALL.merge([[5, 0, 0, 0, 20], [MODULUS - 8, 1, 0, MODULUS - 1, 2]])
    assert centred(with_noise) == [-3, 1, 0, -1, 22]


def test_a_false_aggregate_share_shows_when_the_sum_is_impossible() -> None:
    leader, helper = accept(SMALL, make_report(SMALL, [1, 2, 3, 4, 5], random.Random(4)))
    leader[2] = (leader[2] + MODULUS // 3) % MODULUS
    with pytest.raises(ShareError, match="sums of at most 20 from 1 measurements"):
        SMALL.unshard([leader, helper], 1)


def test_what_is_refused_has_a_code_of_its_own() -> None:
    report = make_report(SMALL, [1, 2, 3, 4, 5], random.Random(5))
    with pytest.raises(ShareError) as refused:
        accept(SMALL, report.at_both(ctx=b"batch 2"))
    assert refused.value.code is ProblemCode.BAD_SHARE


def shares_of_a_report() -> tuple[PublicShare, LeaderShare, HelperShare]:
    public_share, (leader, helper) = SMALL.shard(CTX, [1, 2, 3, 4, 5], bytes(16), bytes(SMALL.rand_size))
    assert isinstance(leader, LeaderShare)
    assert isinstance(helper, HelperShare)
    return public_share, leader, helper


@pytest.mark.parametrize("agg_id", [-1, 2, 255])
def test_an_unknown_aggregator_is_refused(agg_id: int) -> None:
    public_share, _, helper = shares_of_a_report()
    with pytest.raises(SchemaError, match=f"expected an aggregator from 0 to 1, got {agg_id}"):
        SMALL.verify_init(bytes(32), CTX, agg_id, bytes(16), public_share, helper)


def test_a_share_for_the_other_aggregator_is_refused() -> None:
    public_share, leader, helper = shares_of_a_report()
    for agg_id, share in ((0, helper), (1, leader)):
        with pytest.raises(SchemaError, match=f"expected the input share of aggregator {agg_id}"):
            SMALL.verify_init(bytes(32), CTX, agg_id, bytes(16), public_share, share)


def test_every_part_of_a_wrong_length_is_named() -> None:
    public_share, leader, helper = shares_of_a_report()
    right = bytes(32), CTX, 0, bytes(16), public_share
    for message, arguments in (
        ("32 bytes of a verification key, got 31", (bytes(31), *right[1:], leader)),
        ("16 bytes of a nonce, got 17", (*right[:3], bytes(17), public_share, leader)),
        ("2 elements of a public share, got 1", (*right[:4], PublicShare((bytes(32),)), leader)),
        ("32 bytes of a blind, got 0", (*right, replace(leader, blind=b""))),
        ("25 elements of a measurement share, got 1", (*right, replace(leader, meas_share=[1]))),
        ("elements of a proof share, got 0", (*right, replace(leader, proof_share=[]))),
        ("32 bytes of a helper's seed, got 33", (*right[:2], 1, *right[3:], replace(helper, share=bytes(33)))),
    ):
        with pytest.raises(SchemaError, match=message):
            SMALL.verify_init(*arguments)


def test_sharding_names_what_does_not_fit() -> None:
    rand = bytes(SMALL.rand_size)
    for message, counts, nonce, randomness in (
        ("5 counts, got 4", [1] * 4, bytes(16), rand),
        ("a count from 0 to 20 in cell 4", [1, 1, 1, 1, -1], bytes(16), rand),
        ("16 bytes of a nonce, got 15", [1] * 5, bytes(15), rand),
        ("128 bytes of randomness, got 127", [1] * 5, bytes(16), rand[1:]),
    ):
        with pytest.raises(SchemaError, match=message):
            SMALL.shard(CTX, counts, nonce, randomness)


@pytest.mark.parametrize("shares", [-1, 0, 1, 256])
def test_fewer_than_two_aggregators_are_refused(shares: int) -> None:
    with pytest.raises(SchemaError, match=f"expected 2 to 255 aggregators, got {shares}"):
        Prio3SumVec(shares, SMALL.circuit)


def test_a_missing_share_is_refused_before_anything_is_added_up() -> None:
    public_share, leader, _ = shares_of_a_report()
    state, verifier_share = SMALL.verify_init(bytes(32), CTX, 0, bytes(16), public_share, leader)
    with pytest.raises(SchemaError, match="expected 2 verifier shares, got 1"):
        SMALL.verifier_shares_to_message(CTX, [verifier_share])
    with pytest.raises(SchemaError, match="elements of a verifier share, got 0"):
        SMALL.verifier_shares_to_message(CTX, [verifier_share, replace(verifier_share, verifier_share=[])])
    with pytest.raises(SchemaError, match="32 bytes of a part of the joint randomness, got 1"):
        SMALL.verifier_shares_to_message(CTX, [verifier_share, replace(verifier_share, joint_rand_part=b"x")])
    with pytest.raises(SchemaError, match="expected 2 aggregate shares, got 1"):
        SMALL.unshard([state.out_share], 1)
    with pytest.raises(SchemaError, match="5 elements of an aggregate share, got 4"):
        SMALL.merge([state.out_share[1:]])


@pytest.mark.parametrize("number", [-1, 0, MAX_MEASUREMENTS + 1])
def test_a_number_of_measurements_that_cannot_be_is_refused(number: int) -> None:
    with pytest.raises(SchemaError, match="expected 1 to 4294967296 measurements"):
        SMALL.unshard([SMALL.agg_init(), SMALL.agg_init()], number)


def test_a_byte_more_or_less_is_refused_in_every_message() -> None:
    circuit = SMALL.circuit
    report = make_report(SMALL, [1, 2, 3, 4, 5], random.Random(6))
    whole = bytes(circuit.verifier_len * ENCODED_SIZE + 32), bytes(32), bytes(circuit.length * ENCODED_SIZE)
    for parse, encoded in (
        (lambda encoded: parse_public_share(encoded, 2), report.leader.public_share),
        (lambda encoded: parse_input_share(encoded, 0, circuit), report.leader.input_share),
        (lambda encoded: parse_input_share(encoded, 1, circuit), report.helper.input_share),
        (lambda encoded: parse_verifier_share(encoded, circuit), whole[0]),
        (parse_verifier_message, whole[1]),
        (lambda encoded: parse_agg_share(encoded, circuit), whole[2]),
    ):
        parse(encoded)
        for other in (b"", encoded[:-1], encoded + b"\x00", encoded * 2):
            with pytest.raises(SchemaError, match=f"expected {len(encoded)} bytes of .*, got {len(other)}"):
                parse(other)


def test_random_bytes_are_refused_and_never_break_the_program() -> None:
    chance = random.Random(7)
    honest = make_report(SMALL, [1, 2, 3, 4, 5], chance)
    for _ in range(200):
        size = chance.choice([0, 1, 64, len(honest.leader.input_share)])
        strange = replace(honest, leader=replace(honest.leader, input_share=chance.randbytes(size)))
        with pytest.raises(ContractError):
            accept(SMALL, strange)


def test_one_hub_alone_cannot_tell_a_good_half_from_a_bad_one() -> None:
    """Why both have to look: `verify_init` on a half says nothing yet."""
    honest = make_report(SMALL, [1, 2, 3, 4, 5], random.Random(8))
    other = make_report(SMALL, [5, 4, 3, 2, 1], random.Random(9))
    mixed = replace(honest.leader, input_share=other.leader.input_share)
    public_share = parse_public_share(mixed.public_share, 2)
    SMALL.verify_init(
        mixed.verify_key,
        mixed.ctx,
        0,
        mixed.nonce,
        public_share,
        parse_input_share(mixed.input_share, 0, SMALL.circuit),
    )
    with pytest.raises(ShareError):
        accept(SMALL, replace(honest, leader=mixed))
