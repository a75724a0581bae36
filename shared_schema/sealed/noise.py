"""The noise of one hub: discrete Laplace, drawn exactly, and the same again for whoever has the seed.

Canonne, Kamath, Steinke 2020, "The Discrete Gaussian for Differential Privacy", algorithms 1 and 2. Whole numbers
alone: no rounding error that could give a count away. Chance comes out of a 32-byte seed through TurboSHAKE128. The
hash of the seed stands in the terms of the batch before any share is sent, so that a hub cannot choose its noise, and
an auditor can draw it again.

P(N = k) = (1 - p) / (1 + p) * p^|k| with p = exp(-epsilon); its variance is 2p / (1 - p)^2 (`laplace.variance`).
"""

from fractions import Fraction
from math import gcd
from typing import Final

from shared_schema.errors import SchemaError
from shared_schema.vdaf.turboshake import RATE, turboshake128

SEED_SIZE: Final = 32
MAX_CELLS: Final = 400
MAX_CONTEXT: Final = 64
"""With seed and counter it fits one block."""
_DOMAIN: Final = 0x4E
"""Keeps this apart from what `vdaf.xof` derives, which has 1."""


def scale_of(epsilon_milli: int) -> Fraction:
    """The scale of the noise, 1 / epsilon: a person or a record moves one cell of a one-way table by 1."""
    return Fraction(1000, epsilon_milli)


def draw_noise(seed: bytes, context: bytes, *, cells: int, epsilon_milli: int) -> list[int]:
    """One draw for each cell; the same arguments give the same noise for ever.

    `context` is what the seed is for: the batch. Raises SchemaError when an argument is out of range.
    """
    if len(seed) != SEED_SIZE:
        raise SchemaError(f"expected a seed of {SEED_SIZE} bytes, got {len(seed)}")
    if len(context) > MAX_CONTEXT:
        raise SchemaError(f"expected a context of at most {MAX_CONTEXT} bytes, got {len(context)}")
    if not 1 <= cells <= MAX_CELLS:
        raise SchemaError(f"expected 1 to {MAX_CELLS} cells, got {cells}")
    if not 1 <= epsilon_milli <= 10_000:
        raise SchemaError(f"expected an epsilon of 1 to 10,000 thousandths, got {epsilon_milli}")
    coins = Coins(seed, context)
    return [draw_one(coins, epsilon_milli) for _ in range(cells)]


class Coins:
    """Fair chance out of a seed."""

    def __init__(self, seed: bytes, context: bytes) -> None:
        self._seed, self._context = seed, context
        self._blocks = 0
        self._buffer = memoryview(b"")

    def below(self, bound: int) -> int:
        """A whole number from 0 to `bound` - 1, each as likely as any other: what is too large is drawn again."""
        bits = (bound - 1).bit_length()
        size = -(-bits // 8)
        while True:
            number = int.from_bytes(self._take(size), "big") >> (8 * size - bits)
            if number < bound:
                return number

    def _take(self, size: int) -> bytes:
        taken = bytearray()
        while len(taken) < size:
            if not self._buffer:
                self._buffer = memoryview(self._next_block())
            part = self._buffer[: size - len(taken)]
            self._buffer = self._buffer[len(part) :]
            taken += part
        return bytes(taken)

    def _next_block(self) -> bytes:
        """Seed and counter have a fixed length, so that no two messages are one."""
        message = self._seed + self._blocks.to_bytes(8, "big") + self._context
        self._blocks += 1
        return turboshake128(message, _DOMAIN, RATE)


def draw_one(coins: Coins, epsilon_milli: int) -> int:
    """Algorithm 2, of scale t / s."""
    common = gcd(1000, epsilon_milli)
    t, s = 1000 // common, epsilon_milli // common
    while True:
        low = coins.below(t)
        if not _bernoulli_exp(coins, low, t):
            continue
        high = 0
        while _bernoulli_exp(coins, 1, 1):
            high += 1
        size = (low + t * high) // s
        is_negative = coins.below(2) == 1
        if is_negative and size == 0:  # or 0 would come out twice as often
            continue
        return -size if is_negative else size


def _bernoulli_exp(coins: Coins, numerator: int, denominator: int) -> bool:
    """True with probability exp(-numerator / denominator), for a fraction from 0 to 1 (algorithm 1)."""
    k = 1
    while coins.below(denominator * k) < numerator:  # true with probability gamma / k
        k += 1
    return k % 2 == 1
