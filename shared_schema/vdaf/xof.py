"""XofTurboShake128: seeds and field elements out of a seed (draft-irtf-cfrg-vdaf-20 section 6.2)."""

from shared_schema.errors import SchemaError
from shared_schema.vdaf.field128 import ENCODED_SIZE, MODULUS, Vector, little_endian
from shared_schema.vdaf.turboshake import turboshake128

VERSION = 18
"""The version of the wire format, which is in every derivation (section 2). It has stayed 18 since draft 18."""
SEED_SIZE = 32
MAX_DST_BYTES = 0xFFFF  # its length is written in two bytes
_VDAF_CLASS = 0
_DOMAIN = 1


def domain_separation_tag(algorithm: int, usage: int, ctx: bytes) -> bytes:
    """What keeps apart versions, algorithms, purposes and applications: `format_dst` and the context (section 6.2.3).

    Raises SchemaError when the context is too long for its length to be written.
    """
    tag = bytes((VERSION, _VDAF_CLASS)) + algorithm.to_bytes(4, "big") + usage.to_bytes(2, "big") + ctx
    if len(tag) > MAX_DST_BYTES:
        raise SchemaError(f"expected a context of at most {MAX_DST_BYTES - len(tag) + len(ctx)} bytes, got {len(ctx)}")
    return tag


def derive_seed(seed: bytes, dst: bytes, binder: bytes) -> bytes:
    """Another seed out of `seed` (section 6.2, `derive_seed`)."""
    return turboshake128(_message(seed, dst, binder), _DOMAIN, SEED_SIZE)


def expand_into_vec(seed: bytes, dst: bytes, binder: bytes, length: int) -> Vector:
    """`length` elements out of `seed`, each as likely as any other (section 6.2, `expand_into_vec`).

    What is not below the modulus is left out, one in 2^59. Then the stream is made again, with more of it.
    """
    message, drawn = _message(seed, dst, binder), length
    while True:
        vector = only_elements(turboshake128(message, _DOMAIN, drawn * ENCODED_SIZE))
        if len(vector) >= length:
            return vector
        drawn += length - len(vector)


def only_elements(stream: bytes) -> Vector:
    """The elements in a stream, without what is none (section 6.2, `next_vec`)."""
    return [number for number in little_endian(stream) if number < MODULUS]


def _message(seed: bytes, dst: bytes, binder: bytes) -> bytes:
    """Section 6.2.1: the tag and the seed with their lengths before them, then the binder."""
    return len(dst).to_bytes(2, "little") + dst + bytes((len(seed),)) + seed + binder
