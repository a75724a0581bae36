"""What Prio3SumVec is made of, each part against another way to the same result."""

import hashlib
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_schema.errors import SchemaError, ShareError
from shared_schema.vdaf import flp, xof
from shared_schema.vdaf.field128 import (
    MODULUS,
    centred,
    decode_vec,
    dot,
    encode_vec,
    inverse,
    nth_root_powers,
    vec_add,
    vec_sub,
)
from shared_schema.vdaf.lagrange import last_evaluation, odd_evaluations, weights_at
from shared_schema.vdaf.sum_vec import MAX_MEAS_LEN, MAX_MEASUREMENT, SumVec, best_chunk_length
from shared_schema.vdaf.turboshake import RATE, ROUND_CONSTANTS, keccak_p, turboshake128

elements = st.integers(min_value=0, max_value=MODULUS - 1)


def value_at(coefficients: list[int], point: int) -> int:
    return sum(c * pow(point, power, MODULUS) for power, c in enumerate(coefficients)) % MODULUS


def values_of(coefficients: list[int], n: int) -> list[int]:
    return [value_at(coefficients, root) for root in nth_root_powers(n)]


def round_constants() -> list[int]:
    """All twenty-four of Keccak-f[1600], from the feedback register of FIPS 202 algorithm 5."""
    register, bits = 1, []
    for _ in range(255):
        bits.append(register & 1)
        register = register << 1 ^ (0x171 if register & 0x80 else 0)
    return [sum(bits[(7 * number + j) % 255] << 2**j - 1 for j in range(7)) for number in range(24)]


# TurboSHAKE128


def test_the_rounds_are_the_last_twelve_of_keccak() -> None:
    assert list(ROUND_CONSTANTS) == round_constants()[12:]


@pytest.mark.parametrize("message", [b"", b"counts", b"x" * 167])
def test_with_all_rounds_the_permutation_is_that_of_shake128(message: bytes) -> None:
    block = bytearray(200)
    block[: len(message)] = message
    block[len(message)] ^= 0x1F
    block[RATE - 1] ^= 0x80
    state = keccak_p(struct.unpack("<25Q", block), round_constants())
    assert struct.pack("<25Q", *state)[:RATE] == hashlib.shake_128(message).digest(RATE)


def test_turboshake_has_the_value_of_the_rfc_for_an_empty_message() -> None:
    expected = "1e415f1c5983aff2169217277d17bb538cd945a397ddec541f1ce41af2c1b74c"  # RFC 9861 section 5
    assert turboshake128(b"", 0x1F, 32).hex() == expected


@pytest.mark.parametrize("length", [1, RATE - 1, RATE, RATE + 1, 3 * RATE])
def test_a_shorter_output_is_the_beginning_of_a_longer_one(length: int) -> None:
    assert turboshake128(b"m" * length, 1, length) == turboshake128(b"m" * length, 1, 1000)[:length]


@pytest.mark.parametrize("size", [RATE - 2, RATE - 1, RATE, 2 * RATE - 1])
def test_messages_that_differ_in_a_trailing_zero_have_different_outputs(size: int) -> None:
    assert turboshake128(bytes(size), 1, 32) != turboshake128(bytes(size + 1), 1, 32)


# XofTurboShake128


def test_numbers_above_the_modulus_are_no_elements() -> None:
    stream = b"".join(number.to_bytes(16, "little") for number in (5, MODULUS, MODULUS - 1, 2**128 - 1, 0))
    assert xof.only_elements(stream) == [5, MODULUS - 1, 0]


def test_what_is_left_out_of_a_stream_is_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """One number in 2^59 is left out, so that the stream has to be a made one."""
    numbers = [1, MODULUS, 2, 2**128 - 1, 3, 4, 5]
    stream = b"".join(number.to_bytes(16, "little") for number in numbers)
    monkeypatch.setattr(xof, "turboshake128", lambda message, domain, length: stream[:length])
    assert xof.expand_into_vec(bytes(32), b"", b"", 4) == [1, 2, 3, 4]


def test_a_context_whose_length_cannot_be_written_is_refused() -> None:
    assert len(xof.domain_separation_tag(3, 1, bytes(65527))) == 65535
    with pytest.raises(SchemaError, match="at most 65527 bytes, got 65528"):
        xof.domain_separation_tag(3, 1, bytes(65528))


# Field128


@given(st.lists(elements, min_size=1, max_size=5))
def test_a_vector_survives_its_bytes(vector: list[int]) -> None:
    assert decode_vec(encode_vec(vector), len(vector)) == vector
    assert vec_sub(vec_add(vector, vector), vector) == vector
    assert [number % MODULUS for number in centred(vector)] == vector


@pytest.mark.parametrize("number", [MODULUS, MODULUS + 1, 2**128 - 1])
def test_a_number_that_is_no_element_is_refused(number: int) -> None:
    with pytest.raises(SchemaError, match="below the modulus"):
        decode_vec(bytes(16) + number.to_bytes(16, "little"), 2)


def test_sums_below_zero_are_found_again() -> None:
    assert centred([0, 1, MODULUS - 1, MODULUS - 7, MODULUS // 2, MODULUS // 2 + 1]) == [
        *(0, 1, -1, -7, MODULUS // 2, -(MODULUS // 2))
    ]


@pytest.mark.parametrize("n", [2, 4, 64])
def test_roots_of_unity_are_all_different_and_come_round(n: int) -> None:
    roots = nth_root_powers(n)
    assert len(set(roots)) == n
    assert all(pow(root, n, MODULUS) == 1 for root in roots)
    assert n * inverse(n) % MODULUS == 1


# Polynomials by their values


@given(st.sampled_from([2, 4, 8, 16]), st.data())
def test_polynomials_by_their_values_are_those_by_their_coefficients(n: int, data: st.DataObject) -> None:
    coefficients = data.draw(st.lists(elements, min_size=n, max_size=n))
    point = data.draw(elements)
    values = values_of(coefficients, n)
    assert dot(weights_at(n, point), values) % MODULUS == value_at(coefficients, point)
    assert [value % MODULUS for value in odd_evaluations(values)] == values_of(coefficients, 2 * n)[1::2]
    shorter = values_of(coefficients[:-1], n)
    assert last_evaluation(shorter[:-1]) == shorter[-1]


def test_a_polynomial_is_its_own_value_at_a_root_of_unity() -> None:
    for place, root in enumerate(nth_root_powers(8)):
        assert weights_at(8, root) == [int(other == place) for other in range(8)]


# SumVec


@given(st.integers(1, 3000), st.data())
def test_every_count_in_range_is_bits_that_weigh_as_much(maximum: int, data: st.DataObject) -> None:
    circuit = SumVec(2, maximum, 1)
    counts = data.draw(st.lists(st.integers(0, maximum), min_size=2, max_size=2))
    encoded = circuit.encode(counts)
    assert len(encoded) == circuit.meas_len
    assert set(encoded) <= {0, 1}
    assert circuit.truncate(encoded) == counts


@pytest.mark.parametrize("maximum", [1, 2, 3, 10, 20, 100])
def test_no_choice_of_bits_is_out_of_range(maximum: int) -> None:
    circuit = SumVec(1, maximum, 1)
    every = [[number >> bit & 1 for bit in range(circuit.bits)] for number in range(2**circuit.bits)]
    assert {circuit.truncate(bits)[0] for bits in every} == set(range(maximum + 1))


@pytest.mark.parametrize("count", [-1, 21, 2**200])
def test_a_count_out_of_range_is_refused_by_its_cell_and_not_told(count: int) -> None:
    with pytest.raises(SchemaError, match=r"^expected a count from 0 to 20 in cell 1$"):
        SumVec(3, 20, 1).encode([3, count, 3])


@pytest.mark.parametrize(
    ("length", "maximum", "chunk", "message"),
    [
        (1, 0, 1, "expected a maximum from 1 to"),
        (1, MAX_MEASUREMENT + 1, 1, "expected a maximum from 1 to"),
        (0, 1, 1, "expected 1 to 8192 cells of 1 bits, got 0"),
        (MAX_MEAS_LEN // 10 + 1, 1000, 100, "expected 1 to 819 cells of 10 bits, got 820"),
        (4, 3, 0, "expected chunks of 1 to 8 bits, got 0"),
        (4, 3, 9, "expected chunks of 1 to 8 bits, got 9"),
        (100, 1000, 3, "expected chunks of 4 to 1000 bits, got 3"),
    ],
)
def test_parameters_out_of_range_are_refused(length: int, maximum: int, chunk: int, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        SumVec(length, maximum, chunk)


def test_parameters_out_of_range_have_no_best_chunk() -> None:
    for length, maximum in ((0, 5), (5, 0), (-1, 5), (5, -1), (10**6, 5), (5, 2**60)):
        with pytest.raises(SchemaError):
            best_chunk_length(length, maximum)


@pytest.mark.parametrize(("length", "maximum"), [(1, 1), (5, 20), (10, 255), (40, 1000), (100, 1000), (800, 1000)])
def test_no_other_chunk_has_a_shorter_proof(length: int, maximum: int) -> None:
    best = SumVec(length, maximum, best_chunk_length(length, maximum)).proof_len
    chunks = range(-(-length * maximum.bit_length() // 255), min(length * maximum.bit_length(), 400) + 1)
    assert best == min(SumVec(length, maximum, chunk).proof_len for chunk in chunks)


# The proof


def test_the_verifier_of_shares_is_a_share_of_the_verifier() -> None:
    chance = random.Random(1)
    circuit = SumVec(3, 9, 5)
    meas = circuit.encode([0, 5, 9])
    draw = [chance.randrange(MODULUS) for _ in range(circuit.arity)]
    joint_rand = [chance.randrange(MODULUS) for _ in range(circuit.gadget_calls)]
    proof = flp.prove(circuit, meas, draw, joint_rand)
    whole = flp.query(circuit, meas, proof, 77, joint_rand, 1)
    others = [[chance.randrange(MODULUS) for _ in vector] for vector in (meas, proof)]
    shares = [
        flp.query(circuit, *pair, 77, joint_rand, 2)
        for pair in ((vec_sub(meas, others[0]), vec_sub(proof, others[1])), (others[0], others[1]))
    ]
    assert vec_add(*shares) == whole
    assert flp.decide(circuit, whole)
    assert whole[0] == 0


def test_a_random_point_that_gives_bits_away_is_refused() -> None:
    circuit = SumVec(3, 9, 5)
    for point in nth_root_powers(circuit.wire_points):
        with pytest.raises(ShareError, match="not a root of unity"):
            flp.query(circuit, [0] * 12, [0] * circuit.proof_len, point, [1] * circuit.gadget_calls, 1)


@pytest.mark.parametrize("place", range(6))
def test_a_verifier_that_is_off_in_one_place_does_not_convince(place: int) -> None:
    circuit = SumVec(2, 1, 2)
    proof = flp.prove(circuit, [1, 0], [3, 4, 5, 6], [7])
    verifier = flp.query(circuit, [1, 0], proof, 99, [7], 1)
    assert flp.decide(circuit, verifier)
    verifier[place] = (verifier[place] + 1) % MODULUS
    assert not flp.decide(circuit, verifier)
