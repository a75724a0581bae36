"""What travels in Prio3SumVec, and its bytes (draft-irtf-cfrg-vdaf-20 section 7.2.7).

Lengths follow from the parameters, so nothing here carries one: each `parse_` raises SchemaError when there is a byte
more or less, or a field element that is not below the modulus. Shares are secret, so none shows itself in a log.
"""

from dataclasses import dataclass, field

from shared_schema.errors import SchemaError
from shared_schema.vdaf.field128 import ENCODED_SIZE, Vector, decode_vec, encode_vec
from shared_schema.vdaf.sum_vec import SumVec
from shared_schema.vdaf.xof import SEED_SIZE


@dataclass(frozen=True, slots=True)
class PublicShare:
    """What every aggregator receives from the client: each one's part of the joint randomness."""

    joint_rand_parts: tuple[bytes, ...] = field(repr=False)

    def encode(self) -> bytes:
        return b"".join(self.joint_rand_parts)


@dataclass(frozen=True, slots=True)
class LeaderShare:
    """What aggregator 0 receives: its shares of measurement and proof, and what blinds its part of the randomness."""

    meas_share: Vector = field(repr=False)
    proof_share: Vector = field(repr=False)
    blind: bytes = field(repr=False)

    def encode(self) -> bytes:
        return encode_vec(self.meas_share) + encode_vec(self.proof_share) + self.blind


@dataclass(frozen=True, slots=True)
class HelperShare:
    """What every other aggregator receives: a seed that its shares come out of, and a blind."""

    share: bytes = field(repr=False)
    blind: bytes = field(repr=False)

    def encode(self) -> bytes:
        return self.share + self.blind


InputShare = LeaderShare | HelperShare


@dataclass(frozen=True, slots=True)
class VerifyState:
    """What an aggregator keeps until the verifier message comes."""

    out_share: Vector = field(repr=False)
    joint_rand_seed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class VerifierShare:
    """What an aggregator tells the others about its share: nothing about the counts but whether they are valid."""

    verifier_share: Vector = field(repr=False)
    joint_rand_part: bytes = field(repr=False)

    def encode(self) -> bytes:
        return encode_vec(self.verifier_share) + self.joint_rand_part


@dataclass(frozen=True, slots=True)
class VerifierMessage:
    """What the aggregators agree on when the counts are valid: the seed of the joint randomness."""

    joint_rand_seed: bytes = field(repr=False)

    def encode(self) -> bytes:
        return self.joint_rand_seed


def parse_public_share(encoded: bytes, shares: int) -> PublicShare:
    """Section 7.2.7, public share."""
    _check_size(encoded, shares * SEED_SIZE, "a public share")
    return PublicShare(tuple(encoded[at : at + SEED_SIZE] for at in range(0, len(encoded), SEED_SIZE)))


def parse_input_share(encoded: bytes, agg_id: int, circuit: SumVec) -> InputShare:
    """Section 7.2.7, input share: of the leader, who is aggregator 0, or of a helper."""
    if agg_id > 0:
        _check_size(encoded, 2 * SEED_SIZE, "a helper's input share")
        return HelperShare(encoded[:SEED_SIZE], encoded[SEED_SIZE:])
    meas_size, proof_size = circuit.meas_len * ENCODED_SIZE, circuit.proof_len * ENCODED_SIZE
    _check_size(encoded, meas_size + proof_size + SEED_SIZE, "the leader's input share")
    return LeaderShare(
        decode_vec(encoded[:meas_size], circuit.meas_len),
        decode_vec(encoded[meas_size:-SEED_SIZE], circuit.proof_len),
        encoded[-SEED_SIZE:],
    )


def parse_verifier_share(encoded: bytes, circuit: SumVec) -> VerifierShare:
    """Section 7.2.7, verifier share."""
    _check_size(encoded, circuit.verifier_len * ENCODED_SIZE + SEED_SIZE, "a verifier share")
    return VerifierShare(decode_vec(encoded[:-SEED_SIZE], circuit.verifier_len), encoded[-SEED_SIZE:])


def parse_verifier_message(encoded: bytes) -> VerifierMessage:
    """Section 7.2.7, verifier message."""
    _check_size(encoded, SEED_SIZE, "a verifier message")
    return VerifierMessage(encoded)


def encode_agg_share(agg_share: Vector) -> bytes:
    """Section 7.2.7, aggregate share; an output share, which never travels, is written in the same way."""
    return encode_vec(agg_share)


def parse_agg_share(encoded: bytes, circuit: SumVec) -> Vector:
    """Section 7.2.7, aggregate share."""
    _check_size(encoded, circuit.length * ENCODED_SIZE, "an aggregate share")
    return decode_vec(encoded, circuit.length)


def _check_size(encoded: bytes, size: int, what: str) -> None:
    if len(encoded) != size:
        raise SchemaError(f"expected {size} bytes of {what}, got {len(encoded)}")
