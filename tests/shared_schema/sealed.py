"""Sealed reports for tests: what a city makes, what arrives at two hubs, and what they make of it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from shared_schema.vdaf.field128 import Vector
from shared_schema.vdaf.messages import parse_input_share, parse_public_share
from shared_schema.vdaf.prio3 import NONCE_SIZE, VERIFY_KEY_SIZE, Prio3SumVec

SMALL = Prio3SumVec.with_best_chunks(shares=2, length=5, max_measurement=20)
TABLE = Prio3SumVec.with_best_chunks(shares=2, length=12, max_measurement=255)


@dataclass(frozen=True)
class Half:
    """All that one hub has of a report. The two hubs need not have the same."""

    agg_id: int
    verify_key: bytes
    ctx: bytes
    nonce: bytes
    public_share: bytes
    input_share: bytes


@dataclass(frozen=True)
class Report:
    leader: Half
    helper: Half

    def at_both(self, **changes: Any) -> "Report":
        return Report(replace(self.leader, **changes), replace(self.helper, **changes))


def make_report(vdaf: Prio3SumVec, counts: Sequence[int], chance: random.Random, batch: bytes = b"batch 1") -> Report:
    """What an honest city sends."""
    return make_encoded_report(vdaf, vdaf.circuit.encode(counts), chance, batch)


def make_encoded_report(vdaf: Prio3SumVec, meas: Vector, chance: random.Random, batch: bytes = b"batch 1") -> Report:
    """What a city sends that runs the program on an encoding of its own choice."""
    nonce = chance.randbytes(NONCE_SIZE)
    public_share, (leader, helper) = vdaf.shard_encoded(batch, meas, nonce, chance.randbytes(vdaf.rand_size))
    known = b"k" * VERIFY_KEY_SIZE, batch, nonce, public_share.encode()
    return Report(Half(0, *known, leader.encode()), Half(1, *known, helper.encode()))


def accept(vdaf: Prio3SumVec, report: Report) -> tuple[Vector, Vector]:
    """Both hubs verify a report that came as bytes, and each gets its share of the counts. Raises ContractError."""
    verified = [
        vdaf.verify_init(
            half.verify_key,
            half.ctx,
            half.agg_id,
            half.nonce,
            parse_public_share(half.public_share, vdaf.shares),
            parse_input_share(half.input_share, half.agg_id, vdaf.circuit),
        )
        for half in (report.leader, report.helper)
    ]
    message = vdaf.verifier_shares_to_message(report.leader.ctx, [share for _, share in verified])
    leader, helper = (vdaf.verify_next(state, message) for state, _ in verified)
    return leader, helper
