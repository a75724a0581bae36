"""The proof that a vector is valid, which aggregators check on shares of it (draft-irtf-cfrg-vdaf-20 section 7.3).

A fully linear proof (FLP) of SumVec. The circuit adds up, over all bits m of chunk i, r_i^j * m * (m - 1), j the place
in the chunk and r the joint randomness: zero for bits alone, and hardly ever otherwise. A chunk is one call of one
gadget, the sum of so many products. The values that a wire of it takes from call to call are a polynomial, and so is
what the gadget makes of them. The prover hands over the latter; the verifier takes the outputs from it, and looks at
one random point whether the gadget really makes that of the wires.

The draft states this for any circuit by recording what passes the gadgets. Here the circuit is fixed, so that a whole
wire, a column of the chunks laid below each other, is one sum of products.
"""

from collections.abc import Iterator, Sequence
from operator import mul

from shared_schema.errors import ShareError
from shared_schema.vdaf.field128 import MODULUS, Vector, dot, inverse
from shared_schema.vdaf.lagrange import last_evaluation, odd_evaluations, weights_at
from shared_schema.vdaf.sum_vec import SumVec

QUERY_RAND_LEN = 1  # one gadget, one point


def prove(circuit: SumVec, meas: Sequence[int], prove_rand: Sequence[int], joint_rand: Sequence[int]) -> Vector:
    """The proof for an encoded measurement (section 7.3.3): the seeds of the wires, then the gadget's polynomial.

    It says nothing about whether `meas` is valid: for one that is not, the proof does not convince.
    """
    unused = [0] * (circuit.wire_points - 1 - circuit.gadget_calls)
    even, odd = [0] * circuit.wire_points, [0] * circuit.wire_points
    for place, (column, powers) in enumerate(_columns(circuit, meas, joint_rand)):
        seeds = prove_rand[2 * place : 2 * place + 2]
        left = [seeds[0], *[power * bit % MODULUS for power, bit in zip(powers, column, strict=True)], *unused]
        right = [seeds[1], *[bit - 1 for bit in column], *unused]
        even = _add_products(even, left, right)
        odd = _add_products(odd, odd_evaluations(left), odd_evaluations(right))
    gadget_poly = [value % MODULUS for pair in zip(even, odd, strict=True) for value in pair]
    return [*prove_rand, *gadget_poly[:-1]]  # its degree is 2 (points - 1): the last value follows from the others


def query(
    circuit: SumVec, meas: Sequence[int], proof: Sequence[int], query_rand: int, joint_rand: Sequence[int], shares: int
) -> Vector:
    """The verifier for a measurement and its proof, or a share of it for shares of both (section 7.3.4).

    Raises ShareError when the random point is one of those that fix the wires, which would give bits away; no
    client has a hand in it, and it happens once in 2^120.
    """
    points, calls = circuit.wire_points, circuit.gadget_calls
    if pow(query_rand, points, MODULUS) == 1:
        raise ShareError("expected a random point that is not a root of unity")
    seeds, gadget_poly = proof[: circuit.arity], list(proof[circuit.arity :])
    gadget_poly.append(last_evaluation(gadget_poly))
    output = sum(gadget_poly[2 : 2 * calls + 2 : 2]) % MODULUS
    seed_weight, *weights = weights_at(points, query_rand)[: calls + 1]
    one = inverse(shares) * sum(weights)  # the share of the 1 that is taken from each bit
    wires: Vector = []
    for place, (column, powers) in enumerate(_columns(circuit, meas, joint_rand)):
        left = seed_weight * seeds[2 * place] + dot(map(mul, weights, column), powers)
        right = seed_weight * seeds[2 * place + 1] + dot(weights, column) - one
        wires += (left % MODULUS, right % MODULUS)
    gadget_check = dot(weights_at(2 * points, query_rand), gadget_poly) % MODULUS
    return [output, *wires, gadget_check]


def decide(circuit: SumVec, verifier: Sequence[int]) -> bool:
    """Whether a verifier, the sum of all its shares, says that the measurement is valid (section 7.3.5)."""
    output, *wires, gadget_check = verifier
    gadget = dot(wires[::2], wires[1::2])
    return output == 0 and (gadget - gadget_check) % MODULUS == 0 and len(wires) == circuit.arity


def _columns(circuit: SumVec, meas: Sequence[int], joint_rand: Sequence[int]) -> Iterator[tuple[Vector, Vector]]:
    """For each place in a chunk, its bits in all chunks, and r_i^j. The last chunk is filled up with zeros."""
    filled = [*meas, *[0] * (circuit.gadget_calls * circuit.chunk_length - circuit.meas_len)]
    powers = list(joint_rand)
    for place in range(circuit.chunk_length):
        yield filled[place :: circuit.chunk_length], powers
        powers = [power * r % MODULUS for power, r in zip(powers, joint_rand, strict=True)]


def _add_products(total: Vector, left: Vector, right: Vector) -> Vector:
    return [held + a * b for held, a, b in zip(total, left, right, strict=True)]
