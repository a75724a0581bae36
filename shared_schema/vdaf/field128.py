"""The prime field of Prio3SumVec: Field128, its bytes and its roots of unity.

draft-irtf-cfrg-vdaf-20 section 6.1. Elements are whole numbers from 0 to MODULUS - 1, vectors are lists of them: a
class for an element would make every sum here ten times slower.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, repeat
from operator import mul

from shared_schema.errors import SchemaError

MODULUS = 2**66 * 4611686018427387897 + 1
ENCODED_SIZE = 16
_GENERATOR = pow(7, 4611686018427387897, MODULUS)
_GEN_ORDER = 2**66

Vector = list[int]


def encode_vec(vector: Iterable[int]) -> bytes:
    """The vector as bytes, 16 for each element, lowest first (section 6.1.1)."""
    return b"".join([element.to_bytes(ENCODED_SIZE, "little") for element in vector])


def decode_vec(encoded: bytes, length: int) -> Vector:
    """The `length` elements in `encoded` (section 6.1.1).

    Raises SchemaError when there are more or fewer bytes, or an element that is not below the modulus.
    """
    if len(encoded) != length * ENCODED_SIZE:
        raise SchemaError(f"expected {length * ENCODED_SIZE} bytes for {length} field elements, got {len(encoded)}")
    vector = little_endian(encoded)
    if max(vector, default=0) >= MODULUS:
        raise SchemaError("expected every field element to be below the modulus of Field128")
    return vector


def little_endian(encoded: bytes) -> Vector:
    """Each 16 bytes as a whole number, which need not be an element yet."""
    from_bytes = int.from_bytes
    return [from_bytes(encoded[at : at + ENCODED_SIZE], "little") for at in range(0, len(encoded), ENCODED_SIZE)]


def vec_add(left: Sequence[int], right: Sequence[int]) -> Vector:
    """Element by element, the sum of two vectors of one length (section 2)."""
    return [(a + b) % MODULUS for a, b in zip(left, right, strict=True)]


def vec_sub(left: Sequence[int], right: Sequence[int]) -> Vector:
    """Element by element, the difference of two vectors of one length (section 2)."""
    return [(a - b) % MODULUS for a, b in zip(left, right, strict=True)]


def dot(left: Iterable[int], right: Iterable[int]) -> int:
    """The sum of the products, not yet reduced; it ends with the shorter vector, as if zeros followed."""
    return sum(map(mul, left, right))


def centred(vector: Iterable[int]) -> list[int]:
    """The elements as numbers from -(MODULUS - 1) / 2 to (MODULUS - 1) / 2: a sum with noise may lie below zero."""
    return [element - MODULUS if element > MODULUS // 2 else element for element in vector]


@lru_cache(maxsize=64)
def nth_root_powers(n: int) -> tuple[int, ...]:
    """The powers 0 to n - 1 of the n-th root of unity, for n a power of two (section 6.1.2)."""
    root = pow(_GENERATOR, _GEN_ORDER // n, MODULUS)
    return tuple(accumulate(repeat(root, n - 1), lambda power, by: power * by % MODULUS, initial=1))


@lru_cache(maxsize=64)
def inverse(n: int) -> int:
    """1 / n in the field, for an n that is asked for again and again (section 6.1)."""
    return pow(n, MODULUS - 2, MODULUS)
