"""The total: what anybody makes of both sums, and what an auditor of one hub can redo.

    total = read_total(batch, roster, {"leader": leader_body, "helper": helper_body})
    total.values[0], total.variance_milli, total.contributors

What nobody can redo from the outside is one hub's sum: a hub that falsifies it changes the total, and only an auditor
who sees that hub's halves finds it (`redo_sum`). The noise alone can be drawn again from the seed for ever.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from shared_schema.errors import SchemaError, ShareError
from shared_schema.laplace import variance_milli
from shared_schema.sealed.agreed import AgreedBatch, AgreedRoster, check_of_batch
from shared_schema.sealed.bodies import AggregateShareBody
from shared_schema.sealed.halves import ReceivedShare, verify_half
from shared_schema.sealed.noise import scale_of
from shared_schema.sealed.sums import HubSecrets, noise_of, noisy_sum
from shared_schema.sealed.terms import ROLES, Refusal, Role, sum_digest
from shared_schema.vdaf.field128 import centred
from shared_schema.vdaf.messages import parse_agg_share

FAR_OUT = 400
"""Scales of the noise. Two draws are further out once in 10^170: then one of the sums is false."""


@dataclass(frozen=True, slots=True)
class SealedTotal:
    """One number for each cell of the plan: the sum of the true counts and of both hubs' noise; it may lie below 0."""

    values: tuple[int, ...]
    variance_milli: int
    """Of each value, in thousandths: that of two draws, however many cities there are."""
    contributors: int
    members: int


def check_aggregate_share(body: AggregateShareBody, batch: AgreedBatch, roster: AgreedRoster, role: Role) -> None:
    """Raise SchemaError or ShareError unless this is the sum to which that hub has committed itself in the roster."""
    check_of_batch(body.batch, batch)
    if body.roster != roster.digest or body.role != role:
        raise SchemaError("expected a sum for the one roster of this batch, in the role of its hub")
    vector = base64.b64decode(body.vector)
    parse_agg_share(vector, batch.vdaf.circuit)
    if sum_digest(batch.digest, role, vector) != roster.terms.sum_of(role):
        raise ShareError("expected the sum whose hash the roster has")


def read_total(batch: AgreedBatch, roster: AgreedRoster, sums: Mapping[Role, AggregateShareBody]) -> SealedTotal:
    """Add up both sums.

    That each statement is its hub's own, the caller has verified. Raises SchemaError when one is missing or of
    something else, ShareError when it is not the one that was committed to, or the total cannot be.
    """
    check_of_batch(roster.terms.batch, batch)
    vectors = []
    for role in ROLES:
        body = sums.get(role)
        if body is None:
            raise SchemaError("expected the sums of both hubs")
        check_aggregate_share(body, batch, roster, role)
        vectors.append(parse_agg_share(base64.b64decode(body.vector), batch.vdaf.circuit))
    values = tuple(centred(batch.vdaf.merge(vectors)))
    contributors = len(roster.terms.attendance.accepted)
    scale = scale_of(batch.plan.epsilon_milli)
    out = FAR_OUT * (scale.numerator // scale.denominator + 1)
    if min(values) < -out or max(values) > contributors * batch.plan.maximum + out:
        raise ShareError("expected a total that so many cities can have: one of the sums is false")
    return SealedTotal(values, 2 * variance_milli(scale), contributors, len(batch.plan.members))


def redo_noise(batch: AgreedBatch, role: Role, seed: bytes) -> list[int]:
    """The noise that a hub has added. Raises ShareError unless it is the seed whose hash stands in the terms."""
    if sha256(seed).hexdigest() != batch.terms.part_of(role).noise_seed:
        raise ShareError("expected the seed whose hash the terms have")
    return noise_of(batch, seed)


def redo_sum(
    batch: AgreedBatch, roster: AgreedRoster, role: Role, secrets: HubSecrets, verify_key: bytes,
    shares: Sequence[ReceivedShare],
) -> bytes:  # fmt: skip
    """Make a hub's sum again from the halves that it could open, before they are destroyed.

    Raises ShareError when an accepted share is missing or does not open, or when what comes out is not the sum that
    the roster has.
    """
    by_digest = {share.digest: share for share in shares}
    out_shares = []
    for digest in roster.terms.attendance.accepted:
        share = by_digest.get(digest)
        made = Refusal.FORM if share is None else verify_half(role, secrets.key, verify_key, batch, share)
        if isinstance(made, Refusal):
            raise ShareError("expected every accepted share, and that it opens")
        out_shares.append(made.state.out_share)
    redo_noise(batch, role, secrets.noise_seed)
    noisy = noisy_sum(batch, secrets.noise_seed, out_shares)
    if sum_digest(batch.digest, role, noisy) != roster.terms.sum_of(role):
        raise ShareError("expected the sum whose hash the roster has")
    return noisy
