"""SumVec: which vectors are valid, how they are written as bits, and how long everything is.

draft-irtf-cfrg-vdaf-20 section 7.4.3. Each count is written as `bits` elements that have to be 0 or 1. Their weights
are 1, 2, 4 and so on; the last weighs as much as makes all of them together `max_measurement`. So no choice of bits
is above the maximum or below zero, and the check that each is 0 or 1 is the check of the range.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from shared_schema.errors import SchemaError, ShareError
from shared_schema.vdaf.field128 import MODULUS, Vector, dot
from shared_schema.vdaf.lagrange import next_power_of_2

MAX_MEASUREMENT = 2**53 - 1  # the largest whole number that a statement may carry
MAX_MEASUREMENTS = 2**32  # so that no sum comes near half the modulus
MAX_GADGET_CALLS = 255  # more chunks, which are smaller, make a proof longer and the work grow with their square
MAX_MEAS_LEN = 8192  # 128 KiB for the leader: its share fits an envelope of 256 KiB in base64


@dataclass(frozen=True, slots=True)
class SumVec:
    """The validity circuit for `length` counts from 0 to `max_measurement`, checked in chunks of `chunk_length` bits.

    Raises SchemaError when a parameter is out of range.
    """

    length: int
    max_measurement: int
    chunk_length: int

    def __post_init__(self) -> None:
        if not 1 <= self.max_measurement <= MAX_MEASUREMENT:
            raise SchemaError(f"expected a maximum from 1 to {MAX_MEASUREMENT} per cell, got {self.max_measurement}")
        if not 1 <= self.length <= MAX_MEAS_LEN // self.bits:
            most = MAX_MEAS_LEN // self.bits
            raise SchemaError(f"expected 1 to {most} cells of {self.bits} bits, got {self.length}")
        least = -(-self.meas_len // MAX_GADGET_CALLS)
        if not least <= self.chunk_length <= self.meas_len:
            raise SchemaError(f"expected chunks of {least} to {self.meas_len} bits, got {self.chunk_length}")

    @property
    def bits(self) -> int:
        """How many elements a count is written as."""
        return self.max_measurement.bit_length()

    @property
    def meas_len(self) -> int:
        """Section 7.3.2, MEAS_LEN: the length of the encoded measurement."""
        return self.length * self.bits

    @property
    def gadget_calls(self) -> int:
        """Section 7.3.2, GADGET_CALLS: the number of chunks, and of elements of joint randomness."""
        return -(-self.meas_len // self.chunk_length)

    @property
    def arity(self) -> int:
        """Section 7.3.2, ARITY: the wires of the gadget, two for each multiplication of a chunk."""
        return 2 * self.chunk_length

    @property
    def wire_points(self) -> int:
        """Section 7.3.3, p: the points that fix a wire's polynomial, one for its seed and one for each chunk."""
        return next_power_of_2(1 + self.gadget_calls)

    @property
    def proof_len(self) -> int:
        """Section 7.3.2, PROOF_LEN: the seeds of the wires, and the points that fix the gadget's polynomial."""
        return self.arity + 2 * self.wire_points - 1

    @property
    def verifier_len(self) -> int:
        """Section 7.3.2, VERIFIER_LEN: the output, and for the gadget its wires and its value at one point."""
        return self.arity + 2

    def encode(self, measurement: Sequence[int]) -> Vector:
        """The counts as bits, the lowest first (section 7.4.3).

        Raises SchemaError, which names the cell and not the count, when there are more or fewer counts or one is out
        of range.
        """
        if len(measurement) != self.length:
            raise SchemaError(f"expected {self.length} counts, got {len(measurement)}")
        encoded: Vector = []
        last_weight = _weights(self.max_measurement)[-1]
        for cell, count in enumerate(measurement):
            if not 0 <= count <= self.max_measurement:
                raise SchemaError(f"expected a count from 0 to {self.max_measurement} in cell {cell}")
            above = int(count >> (self.bits - 1) > 0)  # more than the first bits can say
            rest = count - above * last_weight
            encoded.extend([rest >> bit & 1 for bit in range(self.bits - 1)])
            encoded.append(above)
        return encoded

    def truncate(self, meas: Sequence[int]) -> Vector:
        """The counts that are written there; for a share of the bits, a share of the counts (section 7.4.3)."""
        weights = _weights(self.max_measurement)
        return [dot(weights, meas[at : at + self.bits]) % MODULUS for at in range(0, self.meas_len, self.bits)]

    def decode(self, output: Sequence[int], num_measurements: int) -> list[int]:
        """The sums of so many measurements (section 7.4.3).

        Raises SchemaError when the number is out of range. The draft takes whatever comes out; here
        ShareError says that a sum is more than so many counts can make: then a share of it is false.
        """
        if not 1 <= num_measurements <= MAX_MEASUREMENTS:
            raise SchemaError(f"expected 1 to {MAX_MEASUREMENTS} measurements, got {num_measurements}")
        if max(output) > num_measurements * self.max_measurement:
            most = num_measurements * self.max_measurement
            raise ShareError(f"expected sums of at most {most} from {num_measurements} measurements")
        return list(output)


def best_chunk_length(length: int, max_measurement: int) -> int:
    """The chunk length with the shortest proof, and of several the smallest.

    The draft recommends one near the square root of all bits (section 7.4.3). Points come in powers of two, so one
    chunk less than such a power wastes none. Raises SchemaError as SumVec does.
    """
    meas_len = length * max_measurement.bit_length()
    full = [(1 << power) - 1 for power in range(1, MAX_GADGET_CALLS.bit_length() + 1)]
    chunk_lengths = sorted({-(-meas_len // calls) for calls in full})
    return min(chunk_lengths, key=lambda chunk_length: SumVec(length, max_measurement, chunk_length).proof_len)


@lru_cache(maxsize=64)
def _weights(max_measurement: int) -> tuple[int, ...]:
    doubling = [1 << bit for bit in range(max_measurement.bit_length() - 1)]
    return (*doubling, max_measurement - sum(doubling))
