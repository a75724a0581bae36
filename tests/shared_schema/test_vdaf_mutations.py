"""Nothing that an honest city did not make is added up: changed bits, mixed halves, counts out of range.

The draft publishes no negative vectors for SumVec; these stand in for them. A change is refused by the hubs together,
and no change may be accepted, however small.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple

import pytest

from shared_schema.errors import SchemaError, ShareError
from shared_schema.vdaf.field128 import ENCODED_SIZE, MODULUS, Vector, decode_vec, encode_vec, vec_add
from shared_schema.vdaf.messages import parse_input_share, parse_public_share
from shared_schema.vdaf.prio3 import Prio3SumVec
from tests.shared_schema.sealed import SMALL, TABLE, Half, Report, accept, make_encoded_report, make_report


class Scene(NamedTuple):
    """A report that was accepted, another city's in the same batch, and chance."""

    vdaf: Prio3SumVec
    report: Report
    other: Report
    chance: random.Random

    def counts(self) -> list[int]:
        return [self.chance.randint(0, self.vdaf.circuit.max_measurement) for _ in range(self.vdaf.circuit.length)]


def flip(value: bytes, chance: random.Random) -> bytes:
    """One bit changed."""
    place = chance.randrange(8 * len(value))
    changed = bytearray(value)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def at_leader(report: Report, **changes: Any) -> Report:
    return replace(report, leader=replace(report.leader, **changes))


def at_helper(report: Report, **changes: Any) -> Report:
    return replace(report, helper=replace(report.helper, **changes))


def at_one(scene: Scene, **changes: Any) -> Report:
    return scene.chance.choice([at_leader, at_helper])(scene.report, **changes)


# What happens on the way


def a_bit_of_the_leaders_share(scene: Scene) -> Report:
    return at_leader(scene.report, input_share=flip(scene.report.leader.input_share, scene.chance))


def a_bit_of_the_helpers_seeds(scene: Scene) -> Report:
    return at_helper(scene.report, input_share=flip(scene.report.helper.input_share, scene.chance))


def a_bit_of_the_public_share(scene: Scene) -> Report:
    return scene.report.at_both(public_share=flip(scene.report.leader.public_share, scene.chance))


def a_bit_of_the_nonce(scene: Scene) -> Report:
    return scene.report.at_both(nonce=flip(scene.report.leader.nonce, scene.chance))


def a_bit_of_the_nonce_at_one_hub(scene: Scene) -> Report:
    return at_one(scene, nonce=flip(scene.report.leader.nonce, scene.chance))


def a_bit_of_the_verification_key_at_one_hub(scene: Scene) -> Report:
    return at_one(scene, verify_key=flip(scene.report.leader.verify_key, scene.chance))


def another_batch(scene: Scene) -> Report:
    return scene.report.at_both(ctx=b"batch %d" % scene.chance.randint(2, 9999))


def another_batch_at_one_hub(scene: Scene) -> Report:
    return at_one(scene, ctx=b"batch %d" % scene.chance.randint(2, 9999))


def another_citys_nonce(scene: Scene) -> Report:
    return scene.report.at_both(nonce=scene.other.leader.nonce)


def another_citys_public_share(scene: Scene) -> Report:
    return scene.report.at_both(public_share=scene.other.leader.public_share)


def another_citys_helper_half(scene: Scene) -> Report:
    return at_helper(scene.report, input_share=scene.other.helper.input_share)


def another_citys_whole_helper_half(scene: Scene) -> Report:
    return replace(scene.report, helper=scene.other.helper)


def another_citys_leader_half(scene: Scene) -> Report:
    return at_leader(scene.report, input_share=scene.other.leader.input_share)


def another_citys_proof(scene: Scene) -> Report:
    size = scene.vdaf.circuit.meas_len * ENCODED_SIZE
    mine, other = scene.report.leader.input_share, scene.other.leader.input_share
    return at_leader(scene.report, input_share=mine[:size] + other[size:-32] + mine[-32:])


def swapped_parts_of_the_public_share(scene: Scene) -> Report:
    public_share = scene.report.leader.public_share
    return scene.report.at_both(public_share=public_share[32:] + public_share[:32])


def swapped_halves(scene: Scene) -> Report:
    leader, helper = scene.report.leader, scene.report.helper
    return Report(replace(leader, input_share=helper.input_share), replace(helper, input_share=leader.input_share))


def one_count_more(scene: Scene) -> Report:
    """The leader's share of one bit of one count, raised by one: what a change on the way would like to do."""
    place = scene.chance.randrange(scene.vdaf.circuit.meas_len)
    return with_leaders_element(scene.report, place, 1)


def a_share_beyond_the_modulus(scene: Scene) -> Report:
    share = bytearray(scene.report.leader.input_share)
    place = scene.chance.randrange((len(share) - 32) // ENCODED_SIZE) * ENCODED_SIZE
    share[place : place + ENCODED_SIZE] = scene.chance.randint(MODULUS, 2**128 - 1).to_bytes(ENCODED_SIZE, "little")
    return at_leader(scene.report, input_share=bytes(share))


# What a city could send that runs the program on an encoding of its own choice


def encoded(scene: Scene, cell: int, value: int) -> Vector:
    """Honest bits, but in one cell a first bit that is `value`, and the others 0."""
    circuit = scene.vdaf.circuit
    meas = circuit.encode(scene.counts())
    meas[cell * circuit.bits : (cell + 1) * circuit.bits] = [value % MODULUS, *[0] * (circuit.bits - 1)]
    return meas


def some_cell(scene: Scene) -> int:
    return scene.chance.randrange(scene.vdaf.circuit.length)


def a_count_above_the_maximum(scene: Scene) -> Report:
    most = scene.vdaf.circuit.max_measurement
    count = scene.chance.choice([most + 1, 2 * most, scene.chance.randint(most + 1, 10**6)])
    return make_encoded_report(scene.vdaf, encoded(scene, some_cell(scene), count), scene.chance)


def a_count_below_zero(scene: Scene) -> Report:
    count = scene.chance.choice([-1, -scene.chance.randint(1, 10**6)])
    return make_encoded_report(scene.vdaf, encoded(scene, some_cell(scene), count), scene.chance)


def a_bit_of_two(scene: Scene) -> Report:
    """A count that is in range, written with a bit that is none."""
    return make_encoded_report(scene.vdaf, encoded(scene, some_cell(scene), 2), scene.chance)


def random_digits(scene: Scene) -> Report:
    value = scene.chance.randrange(2, MODULUS)
    return make_encoded_report(scene.vdaf, encoded(scene, some_cell(scene), value), scene.chance)


def two_wrong_counts_that_cancel(scene: Scene) -> Report:
    """Too much in one cell and below zero in the next, so that the sum over all cells is honest."""
    circuit = scene.vdaf.circuit
    meas = circuit.encode(scene.counts())
    for cell, count in ((0, 10**5), (1, -(10**5))):
        meas[cell * circuit.bits] = (meas[cell * circuit.bits] + count) % MODULUS
    return make_encoded_report(scene.vdaf, meas, scene.chance)


def a_forged_proof(scene: Scene) -> Report:
    """A count out of range, and a gadget polynomial bent until the circuit's output is zero.

    The city can work that out: it knows both halves, and the output does not depend on the verification key. What it
    cannot know is the point at which the bent polynomial is held against its wires.
    """
    circuit = scene.vdaf.circuit
    report = make_encoded_report(scene.vdaf, encoded(scene, some_cell(scene), 10**5), scene.chance)
    bent = with_leaders_element(report, circuit.meas_len + circuit.arity + 2, -output_of(scene.vdaf, report))
    assert output_of(scene.vdaf, bent) == 0
    return bent


def with_leaders_element(report: Report, place: int, change: int) -> Report:
    share = report.leader.input_share
    elements = decode_vec(share[:-32], (len(share) - 32) // ENCODED_SIZE)
    elements[place] = (elements[place] + change) % MODULUS
    return at_leader(report, input_share=encode_vec(elements) + share[-32:])


def output_of(vdaf: Prio3SumVec, report: Report) -> int:
    """What the circuit puts out; zero is what convinces."""

    def verifier_share(half: Half) -> Vector:
        public_share = parse_public_share(half.public_share, vdaf.shares)
        share = parse_input_share(half.input_share, half.agg_id, vdaf.circuit)
        known = half.verify_key, half.ctx, half.agg_id, half.nonce
        return vdaf.verify_init(*known, public_share, share)[1].verifier_share

    return vec_add(verifier_share(report.leader), verifier_share(report.helper))[0]


MUTATIONS: Final[tuple[Callable[[Scene], Report], ...]] = (
    a_bit_of_the_leaders_share,
    a_bit_of_the_helpers_seeds,
    a_bit_of_the_public_share,
    a_bit_of_the_nonce,
    a_bit_of_the_nonce_at_one_hub,
    a_bit_of_the_verification_key_at_one_hub,
    another_batch,
    another_batch_at_one_hub,
    another_citys_nonce,
    another_citys_public_share,
    another_citys_helper_half,
    another_citys_whole_helper_half,
    another_citys_leader_half,
    another_citys_proof,
    swapped_parts_of_the_public_share,
    swapped_halves,
    one_count_more,
    a_share_beyond_the_modulus,
    a_count_above_the_maximum,
    a_count_below_zero,
    a_bit_of_two,
    random_digits,
    two_wrong_counts_that_cancel,
    a_forged_proof,
)
REFUSED_BY_FORM: Final = frozenset({swapped_halves, a_share_beyond_the_modulus})
"""These cannot even be read; all others have the right form and are refused by the proof."""


def outcomes(vdaf: Prio3SumVec, rounds: int) -> Counter[tuple[str, str]]:
    """How often each mutation was accepted, or refused and why; every report is accepted before it is changed."""
    chance = random.Random(20)
    reports = [make_report(vdaf, [chance.randint(0, 20) for _ in range(vdaf.circuit.length)], chance) for _ in range(8)]
    for report in reports:
        accept(vdaf, report)
    counted: Counter[tuple[str, str]] = Counter()
    for number in range(rounds):
        mutate = MUTATIONS[number % len(MUTATIONS)]
        report, other = chance.sample(reports, 2)
        changed = mutate(Scene(vdaf, report, other, chance))
        assert changed != report
        try:
            accept(vdaf, changed)
        except (SchemaError, ShareError) as error:
            counted[mutate.__name__, type(error).__name__] += 1
        else:
            counted[mutate.__name__, "accepted"] += 1
    return counted


def check_all_refused(counted: Counter[tuple[str, str]]) -> None:
    assert [entry for entry in counted if entry[1] == "accepted"] == []
    assert {name for name, _ in counted} == {mutate.__name__ for mutate in MUTATIONS}
    of_form = {name for name, why in counted if why == "SchemaError"}
    # a flipped bit can also carry an element beyond the modulus
    assert of_form - {a_bit_of_the_leaders_share.__name__} == {mutate.__name__ for mutate in REFUSED_BY_FORM}


def test_no_mutated_share_is_accepted() -> None:
    counted = outcomes(SMALL, 20 * len(MUTATIONS))
    assert counted.total() == 480
    check_all_refused(counted)


@pytest.mark.long
def test_none_of_ten_thousand_mutated_shares_is_accepted() -> None:
    counted = outcomes(TABLE, 10_000)
    assert counted.total() == 10_000
    check_all_refused(counted)
