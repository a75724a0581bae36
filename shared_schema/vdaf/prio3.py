"""Prio3SumVec: from counts to shares, from shares to sums (draft-irtf-cfrg-vdaf-20 sections 7.2 and 7.4.3).

The joint randomness that the proof needs comes out of all shares of the measurement: a client that changes a share to
suit the randomness gets another one. Each aggregator works it out with its own part in place of what the client says,
and `verify_next` refuses where they did not all come to the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

from shared_schema.errors import SchemaError, ShareError
from shared_schema.vdaf import flp, xof
from shared_schema.vdaf.field128 import Vector, encode_vec, vec_add, vec_sub
from shared_schema.vdaf.messages import (
    HelperShare,
    InputShare,
    LeaderShare,
    PublicShare,
    VerifierMessage,
    VerifierShare,
    VerifyState,
)
from shared_schema.vdaf.sum_vec import SumVec, best_chunk_length
from shared_schema.vdaf.xof import SEED_SIZE

ALGORITHM_ID = 0x00000003
NONCE_SIZE = 16
VERIFY_KEY_SIZE = SEED_SIZE
PROOFS = 1
_PROOFS = bytes((PROOFS,))
_MAX_SHARES = 255

_MEAS_SHARE, _PROOF_SHARE, _JOINT_RANDOMNESS, _PROVE_RANDOMNESS = 1, 2, 3, 4
_QUERY_RANDOMNESS, _JOINT_RAND_SEED, _JOINT_RAND_PART = 5, 6, 7


@dataclass(frozen=True, slots=True)
class Prio3SumVec:
    """One instance for `shares` aggregators; all parties must have the same parameters (section 7.4.3).

    Its methods raise SchemaError for what has a wrong form, ShareError for what is refused. `ctx` names the
    application, here one batch: a report made for another context is refused.
    """

    shares: int
    circuit: SumVec

    def __post_init__(self) -> None:
        if not 2 <= self.shares <= _MAX_SHARES:
            raise SchemaError(f"expected 2 to {_MAX_SHARES} aggregators, got {self.shares}")

    @classmethod
    def with_best_chunks(cls, *, shares: int, length: int, max_measurement: int) -> "Prio3SumVec":
        """The instance with the shortest proof for so many cells of this maximum (`best_chunk_length`)."""
        return cls(shares, SumVec(length, max_measurement, best_chunk_length(length, max_measurement)))

    @property
    def rand_size(self) -> int:
        """Section 7.2, RAND_SIZE: two seeds for each aggregator."""
        return 2 * SEED_SIZE * self.shares

    def shard(
        self, ctx: bytes, measurement: Sequence[int], nonce: bytes, rand: bytes
    ) -> tuple[PublicShare, list[InputShare]]:
        """Split a measurement into a public share and a share for each aggregator (section 7.2.1).

        `rand` decides about every byte; who knows it and one share knows the counts. Raises SchemaError when counts,
        nonce or rand are not of the right length, or a count is out of range.
        """
        return self.shard_encoded(ctx, self.circuit.encode(measurement), nonce, rand)

    def shard_encoded(
        self, ctx: bytes, meas: Sequence[int], nonce: bytes, rand: bytes
    ) -> tuple[PublicShare, list[InputShare]]:
        """As `shard`, for a measurement that is encoded already (section 7.2.1.2).

        It shards whatever it is given: what a dishonest client could send, and what verification is there to refuse.
        """
        _check_length("a nonce", nonce, NONCE_SIZE)
        _check_length("randomness", rand, self.rand_size)
        seeds = [rand[at : at + SEED_SIZE] for at in range(0, self.rand_size, SEED_SIZE)]
        leader_blind, prove_seed = seeds[-2:]
        helpers = [HelperShare(*seeds[at : at + 2]) for at in range(0, len(seeds) - 2, 2)]
        meas_shares = [self._helper_meas_share(ctx, 1 + at, helper) for at, helper in enumerate(helpers)]
        leader_meas_share = reduce(vec_sub, meas_shares, list(meas))
        blinds = [leader_blind, *[helper.blind for helper in helpers]]
        parts = tuple(
            self._joint_rand_part(ctx, agg_id, blind, meas_share, nonce)
            for agg_id, (blind, meas_share) in enumerate(zip(blinds, [leader_meas_share, *meas_shares], strict=True))
        )
        joint_rand = self._joint_rand(ctx, self._joint_rand_seed(ctx, parts))
        proof = flp.prove(self.circuit, meas, self._prove_rand(ctx, prove_seed), joint_rand)
        proof_shares = [self._helper_proof_share(ctx, 1 + at, helper) for at, helper in enumerate(helpers)]
        leader = LeaderShare(leader_meas_share, reduce(vec_sub, proof_shares, proof), leader_blind)
        return PublicShare(parts), [leader, *helpers]

    def verify_init(
        self,
        verify_key: bytes,
        ctx: bytes,
        agg_id: int,
        nonce: bytes,
        public_share: PublicShare,
        input_share: InputShare,
    ) -> tuple[VerifyState, VerifierShare]:
        """Look at one's own share: what to keep, and what to tell the other aggregators (section 7.2.2).

        Nothing is accepted yet. Raises SchemaError when an argument does not fit the parameters, `agg_id` included.
        """
        self._check_report(verify_key, agg_id, nonce, public_share, input_share)
        meas_share, proof_share = self._expand_input_share(ctx, agg_id, input_share)
        part = self._joint_rand_part(ctx, agg_id, input_share.blind, meas_share, nonce)
        parts = (*public_share.joint_rand_parts[:agg_id], part, *public_share.joint_rand_parts[agg_id + 1 :])
        joint_rand_seed = self._joint_rand_seed(ctx, parts)
        joint_rand = self._joint_rand(ctx, joint_rand_seed)
        (query_rand,) = self._query_rand(verify_key, ctx, nonce)
        verifier_share = flp.query(self.circuit, meas_share, proof_share, query_rand, joint_rand, self.shares)
        state = VerifyState(self.circuit.truncate(meas_share), joint_rand_seed)
        return state, VerifierShare(verifier_share, part)

    def verifier_shares_to_message(self, ctx: bytes, verifier_shares: Sequence[VerifierShare]) -> VerifierMessage:
        """Put together what all aggregators say, in the order of their ids (section 7.2.2).

        Raises ShareError when the counts are out of range, or a share is not what the client made; SchemaError
        when there are more or fewer shares than aggregators.
        """
        if len(verifier_shares) != self.shares:
            raise SchemaError(f"expected {self.shares} verifier shares, got {len(verifier_shares)}")
        for share in verifier_shares:
            _check_length("a verifier share", share.verifier_share, self.circuit.verifier_len)
            _check_length("a part of the joint randomness", share.joint_rand_part, SEED_SIZE)
        verifier = reduce(vec_add, [share.verifier_share for share in verifier_shares])
        if not flp.decide(self.circuit, verifier):
            raise ShareError("expected a proof that every count is in its range")
        return VerifierMessage(self._joint_rand_seed(ctx, [share.joint_rand_part for share in verifier_shares]))

    def verify_next(self, state: VerifyState, message: VerifierMessage) -> Vector:
        """The share that may be added up now (section 7.2.2).

        Raises ShareError when the client's public share was not the one that its shares lead to.
        """
        if message.joint_rand_seed != state.joint_rand_seed:
            raise ShareError("expected the joint randomness that the shares lead to")
        return state.out_share

    def agg_init(self) -> Vector:
        """The aggregate share of no report (section 7.2.4)."""
        return [0] * self.circuit.length

    def agg_update(self, agg_share: Vector, out_share: Vector) -> Vector:
        """An aggregate share with one more output share (section 7.2.4)."""
        return self.merge([agg_share, out_share])

    def merge(self, agg_shares: Iterable[Vector]) -> Vector:
        """The sum of aggregate shares, of one aggregator over several reports, or of all (section 7.2.4)."""
        total = self.agg_init()
        for agg_share in agg_shares:
            _check_length("an aggregate share", agg_share, self.circuit.length)
            total = vec_add(total, agg_share)
        return total

    def unshard(self, agg_shares: Sequence[Vector], num_measurements: int) -> list[int]:
        """The sums, from the aggregate shares of all aggregators over the same reports (section 7.2.5).

        Raises SchemaError when a share is missing, ShareError when so many measurements cannot have such a
        sum. Shares with noise in them have sums below zero too: take `merge` and `field128.centred` for these.
        """
        if len(agg_shares) != self.shares:
            raise SchemaError(f"expected {self.shares} aggregate shares, got {len(agg_shares)}")
        return self.circuit.decode(self.merge(agg_shares), num_measurements)

    def _check_report(
        self, verify_key: bytes, agg_id: int, nonce: bytes, public_share: PublicShare, input_share: InputShare
    ) -> None:
        if not 0 <= agg_id < self.shares:
            raise SchemaError(f"expected an aggregator from 0 to {self.shares - 1}, got {agg_id}")
        _check_length("a verification key", verify_key, VERIFY_KEY_SIZE)
        _check_length("a nonce", nonce, NONCE_SIZE)
        _check_length("a public share", public_share.joint_rand_parts, self.shares)
        if isinstance(input_share, LeaderShare) != (agg_id == 0):
            raise SchemaError(f"expected the input share of aggregator {agg_id}, got one of another form")
        _check_length("a blind", input_share.blind, SEED_SIZE)
        if isinstance(input_share, LeaderShare):
            _check_length("a measurement share", input_share.meas_share, self.circuit.meas_len)
            _check_length("a proof share", input_share.proof_share, self.circuit.proof_len)
        else:
            _check_length("a helper's seed", input_share.share, SEED_SIZE)

    # Section 7.2.6, auxiliary functions.

    def _expand_input_share(self, ctx: bytes, agg_id: int, input_share: InputShare) -> tuple[Vector, Vector]:
        if isinstance(input_share, LeaderShare):
            return input_share.meas_share, input_share.proof_share
        meas_share = self._helper_meas_share(ctx, agg_id, input_share)
        return meas_share, self._helper_proof_share(ctx, agg_id, input_share)

    def _helper_meas_share(self, ctx: bytes, agg_id: int, helper: HelperShare) -> Vector:
        return xof.expand_into_vec(helper.share, _tag(_MEAS_SHARE, ctx), bytes((agg_id,)), self.circuit.meas_len)

    def _helper_proof_share(self, ctx: bytes, agg_id: int, helper: HelperShare) -> Vector:
        binder = _PROOFS + bytes((agg_id,))
        return xof.expand_into_vec(helper.share, _tag(_PROOF_SHARE, ctx), binder, self.circuit.proof_len)

    def _prove_rand(self, ctx: bytes, prove_seed: bytes) -> Vector:
        return xof.expand_into_vec(prove_seed, _tag(_PROVE_RANDOMNESS, ctx), _PROOFS, self.circuit.arity)

    def _query_rand(self, verify_key: bytes, ctx: bytes, nonce: bytes) -> Vector:
        return xof.expand_into_vec(verify_key, _tag(_QUERY_RANDOMNESS, ctx), _PROOFS + nonce, flp.QUERY_RAND_LEN)

    def _joint_rand_part(self, ctx: bytes, agg_id: int, blind: bytes, meas_share: Vector, nonce: bytes) -> bytes:
        return xof.derive_seed(blind, _tag(_JOINT_RAND_PART, ctx), bytes((agg_id,)) + nonce + encode_vec(meas_share))

    def _joint_rand_seed(self, ctx: bytes, parts: Iterable[bytes]) -> bytes:
        return xof.derive_seed(bytes(SEED_SIZE), _tag(_JOINT_RAND_SEED, ctx), b"".join(parts))

    def _joint_rand(self, ctx: bytes, joint_rand_seed: bytes) -> Vector:
        return xof.expand_into_vec(joint_rand_seed, _tag(_JOINT_RANDOMNESS, ctx), _PROOFS, self.circuit.gadget_calls)


def _tag(usage: int, ctx: bytes) -> bytes:
    return xof.domain_separation_tag(ALGORITHM_ID, usage, ctx)


def _check_length(what: str, value: Sequence[object], length: int) -> None:
    if len(value) != length:
        unit = "bytes" if isinstance(value, bytes) else "elements"
        raise SchemaError(f"expected {length} {unit} of {what}, got {len(value)}")
