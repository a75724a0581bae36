"""TurboSHAKE128: an extendable output function from the permutation Keccak-p[1600, 12].

RFC 9861 section 2.2; the permutation is that of FIPS 202 sections 3.2 to 3.4 with its last twelve rounds. Python's
hashlib has the twenty-four rounds of SHAKE alone, so the rounds are written out here, each lane in a variable of its
own: most of the time of Prio3 is spent here.
"""

import struct
from collections.abc import Iterable

RATE = 168  # bytes; the other 32 of the 200 are the capacity
_LANES = RATE // 8
_BLOCK = struct.Struct(f"<{_LANES}Q")
ROUND_CONSTANTS = (
    0x000000008000808B,
    0x800000000000008B,
    0x8000000000008089,
    0x8000000000008003,
    0x8000000000008002,
    0x8000000000000080,
    0x000000000000800A,
    0x800000008000000A,
    0x8000000080008081,
    0x8000000000008080,
    0x0000000080000001,
    0x8000000080008008,
)
_State = tuple[int, ...]


def turboshake128(message: bytes, domain: int, length: int) -> bytes:
    """The first `length` bytes, one at least, that come out of `message` (RFC 9861 section 2.2).

    `domain` is 1 to 127 and keeps apart what the function is used for.
    """
    padded = bytearray(message)
    padded.append(domain)
    padded.extend(bytes(-len(padded) % RATE))
    padded[-1] ^= 0x80
    state: _State = (0,) * 25
    for block in _BLOCK.iter_unpack(padded):
        state = keccak_p(tuple([a ^ b for a, b in zip(state, block, strict=False)]) + state[_LANES:])
    output = _BLOCK.pack(*state[:_LANES])
    blocks = [output]
    for _ in range((length - 1) // RATE):
        state = keccak_p(state)
        blocks.append(_BLOCK.pack(*state[:_LANES]))
    return b"".join(blocks)[:length]


def keccak_p(state: _State, constants: Iterable[int] = ROUND_CONSTANTS) -> _State:
    """One round for each constant (FIPS 202 section 3.3), over 25 lanes: that of column x and row y is at x + 5y.

    A lane times 2^64 + 1 stands there twice, so that shifting it right by 64 - r turns it left by r.
    """
    lane, twice = 0xFFFFFFFFFFFFFFFF, 0x10000000000000001
    # fmt: off
    (a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12,
     a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24) = state
    # fmt: on
    for constant in constants:
        # theta: the parity of each column, into the columns beside it
        c0 = a0 ^ a5 ^ a10 ^ a15 ^ a20
        c1 = a1 ^ a6 ^ a11 ^ a16 ^ a21
        c2 = a2 ^ a7 ^ a12 ^ a17 ^ a22
        c3 = a3 ^ a8 ^ a13 ^ a18 ^ a23
        c4 = a4 ^ a9 ^ a14 ^ a19 ^ a24
        d0 = c4 ^ (c1 * twice >> 63 & lane)
        d1 = c0 ^ (c2 * twice >> 63 & lane)
        d2 = c1 ^ (c3 * twice >> 63 & lane)
        d3 = c2 ^ (c4 * twice >> 63 & lane)
        d4 = c3 ^ (c0 * twice >> 63 & lane)
        # rho and pi: each lane is turned, and moves to its new place
        b0 = a0 ^ d0
        b10 = (a1 ^ d1) * twice >> 63 & lane
        b20 = (a2 ^ d2) * twice >> 2 & lane
        b5 = (a3 ^ d3) * twice >> 36 & lane
        b15 = (a4 ^ d4) * twice >> 37 & lane
        b16 = (a5 ^ d0) * twice >> 28 & lane
        b1 = (a6 ^ d1) * twice >> 20 & lane
        b11 = (a7 ^ d2) * twice >> 58 & lane
        b21 = (a8 ^ d3) * twice >> 9 & lane
        b6 = (a9 ^ d4) * twice >> 44 & lane
        b7 = (a10 ^ d0) * twice >> 61 & lane
        b17 = (a11 ^ d1) * twice >> 54 & lane
        b2 = (a12 ^ d2) * twice >> 21 & lane
        b12 = (a13 ^ d3) * twice >> 39 & lane
        b22 = (a14 ^ d4) * twice >> 25 & lane
        b23 = (a15 ^ d0) * twice >> 23 & lane
        b8 = (a16 ^ d1) * twice >> 19 & lane
        b18 = (a17 ^ d2) * twice >> 49 & lane
        b3 = (a18 ^ d3) * twice >> 43 & lane
        b13 = (a19 ^ d4) * twice >> 56 & lane
        b14 = (a20 ^ d0) * twice >> 46 & lane
        b24 = (a21 ^ d1) * twice >> 62 & lane
        b9 = (a22 ^ d2) * twice >> 3 & lane
        b19 = (a23 ^ d3) * twice >> 8 & lane
        b4 = (a24 ^ d4) * twice >> 50 & lane
        # chi, and iota in the first lane: a ^ (c and not b) is a ^ c ^ (b and c)
        a0 = b0 ^ b2 ^ b1 & b2 ^ constant
        a1 = b1 ^ b3 ^ b2 & b3
        a2 = b2 ^ b4 ^ b3 & b4
        a3 = b3 ^ b0 ^ b4 & b0
        a4 = b4 ^ b1 ^ b0 & b1
        a5 = b5 ^ b7 ^ b6 & b7
        a6 = b6 ^ b8 ^ b7 & b8
        a7 = b7 ^ b9 ^ b8 & b9
        a8 = b8 ^ b5 ^ b9 & b5
        a9 = b9 ^ b6 ^ b5 & b6
        a10 = b10 ^ b12 ^ b11 & b12
        a11 = b11 ^ b13 ^ b12 & b13
        a12 = b12 ^ b14 ^ b13 & b14
        a13 = b13 ^ b10 ^ b14 & b10
        a14 = b14 ^ b11 ^ b10 & b11
        a15 = b15 ^ b17 ^ b16 & b17
        a16 = b16 ^ b18 ^ b17 & b18
        a17 = b17 ^ b19 ^ b18 & b19
        a18 = b18 ^ b15 ^ b19 & b15
        a19 = b19 ^ b16 ^ b15 & b16
        a20 = b20 ^ b22 ^ b21 & b22
        a21 = b21 ^ b23 ^ b22 & b23
        a22 = b22 ^ b24 ^ b23 & b24
        a23 = b23 ^ b20 ^ b24 & b20
        a24 = b24 ^ b21 ^ b20 & b21
    # fmt: off
    return (a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12,
            a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24)
    # fmt: on
