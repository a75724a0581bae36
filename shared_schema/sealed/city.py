"""The city: what a node checks before its counts leave in halves, and the halves.

    checked = check_batch(batch, name="leipzig.sn.de", facts=facts, is_sent=False)
    warnings = find_warnings(counts, history, last_total)
    body = make_share(checked, counts, frame, randomness=randomness)

The same arguments give the same bytes, so a node writes down `randomness` or the bytes in the transaction that charges
its ledger, and sends them for ever. Randomness that was used for other counts, cities or batches gives nothing away:
all of that goes into what is drawn from it.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from shared_schema import canonical
from shared_schema.errors import ReleaseRuleError, SchemaError
from shared_schema.names import parse_time
from shared_schema.problem import ProblemCode
from shared_schema.release_rules import WINDOWS
from shared_schema.sealed import hpke
from shared_schema.sealed.agreed import AgreedBatch
from shared_schema.sealed.bodies import ShareBody
from shared_schema.sealed.checks import Facts, check_hubs, check_plan
from shared_schema.sealed.halves import half_info
from shared_schema.sealed.terms import ROLES, check_operators
from shared_schema.trend import Coverage, LedgerReference, Privacy, ReviewNote
from shared_schema.vdaf.prio3 import NONCE_SIZE
from shared_schema.vdaf.turboshake import turboshake128
from shared_schema.vocabulary import SourceKind

RANDOMNESS_SIZE: Final = 32
_DOMAIN: Final = 0x53
"""Keeps this apart from `vdaf.xof` (1) and the noise (0x4E)."""
FAR_ABOVE: Final = 3
"""Times the largest earlier count of a cell; nothing below `ALWAYS_PLAUSIBLE` is far."""
ALWAYS_PLAUSIBLE: Final = 10


@dataclass(frozen=True, slots=True)
class CheckedBatch:
    """A batch that this city may send to. Only `check_batch` makes one."""

    name: str
    batch: AgreedBatch
    privacy: Privacy


@dataclass(frozen=True, slots=True)
class ShareFrame:
    """What a share says in the clear, as a release does."""

    source_kind: SourceKind
    coverage: Coverage
    review: ReviewNote
    ledger: LedgerReference


class CityWarning(StrEnum):
    """What a person should look at before it goes: nobody can correct it afterwards."""

    FAR_ABOVE = "far-above"
    """A count is far above all earlier ones."""
    LARGE_PART = "large-part"
    """The city makes up more than half of the last total: whoever knows the others well can estimate it."""


class Warned(NamedTuple):
    warning: CityWarning
    cell: int | None


def check_batch(batch: AgreedBatch, *, name: str, facts: Facts, is_sent: bool) -> CheckedBatch:
    """Whether the city `name` may send to this batch now; `is_sent` says whether these figures have left in any way.

    Raises ReleaseRuleError: `same-operator`, `batch-terms`, `release-rule`, and as `checks.check_plan`.
    """
    terms, plan = batch.terms, batch.plan
    check_operators(terms)  # 1. two hubs that are two
    check_hubs((terms.leader, terms.helper), facts)  # 2. as the directory knows them
    check_plan(plan, facts)  # 3. the own table, enough noise, enough cities that are cities
    if name not in batch.member_names:
        raise ReleaseRuleError("expected this city among the members", code=ProblemCode.BATCH_TERMS)
    if facts.now < parse_time(plan.opens):
        raise ReleaseRuleError("expected a batch that is open", code=ProblemCode.BATCH_TERMS)
    if is_sent:  # 4. once, in whatever mode
        raise ReleaseRuleError("expected figures that were never sent, neither so nor with noise of this city")
    unit = facts.table.unit if facts.table else "record"
    privacy = Privacy(
        unit=unit,
        window=WINDOWS[unit],  # type: ignore[arg-type]
        epsilon_milli=plan.epsilon_milli,
        composition="parallel over periods, sum over tables",
    )
    return CheckedBatch(name, batch, privacy)


def find_warnings(
    counts: Sequence[int], history: Sequence[Sequence[int]], last_total: Sequence[int] | None
) -> tuple[Warned, ...]:
    """What looks wrong beside the own earlier counts of the same table, and beside the last total."""
    largest = [max(column) for column in zip(*history, strict=True)] if history else []
    warnings = [
        Warned(CityWarning.FAR_ABOVE, cell)
        for cell, (count, most) in enumerate(zip(counts, largest, strict=bool(largest)))
        if count > max(ALWAYS_PLAUSIBLE, FAR_ABOVE * most)
    ]
    if last_total is not None and 2 * sum(counts) > max(sum(last_total), ALWAYS_PLAUSIBLE):
        warnings.append(Warned(CityWarning.LARGE_PART, None))
    return tuple(warnings)


def make_share(checked: CheckedBatch, counts: Sequence[int], frame: ShareFrame, *, randomness: bytes) -> ShareBody:
    """The counts in two halves, each sealed to its hub.

    Raises SchemaError, which names a cell and no count, when a count is out of range or one is missing, and for figures
    of another source kind than the batch's.
    """
    batch = checked.batch
    if batch.plan.source_kind not in (None, frame.source_kind):
        raise SchemaError("expected figures of the source kind that is collected")
    drawn = _draw(checked, counts, randomness)
    public, halves = batch.vdaf.shard(batch.context, counts, drawn.nonce, drawn.rand)
    public_share = public.encode()
    sealed = [
        hpke.seal(
            batch.terms.part_of(role).public_key,
            half_info(batch.digest, checked.name, role, drawn.nonce, public_share),
            half.encode(),
            ephemeral_seed=seed,
        )
        for role, half, seed in zip(ROLES, halves, drawn.ephemeral_seeds, strict=True)
    ]
    nonce, public_text, leader, helper = (
        base64.b64encode(each).decode() for each in (drawn.nonce, public_share, *sealed)
    )
    return ShareBody(
        batch=batch.digest,
        table=batch.plan.table,
        period=batch.plan.period,
        source_kind=frame.source_kind,
        coverage=frame.coverage,
        review=frame.review,
        privacy=checked.privacy,
        ledger=frame.ledger,
        nonce=nonce,
        public_share=public_text,
        leader_half=leader,
        helper_half=helper,
    )


@dataclass(frozen=True, slots=True)
class _Drawn:
    nonce: bytes
    rand: bytes = field(repr=False)
    ephemeral_seeds: tuple[bytes, bytes] = field(repr=False)


def _draw(checked: CheckedBatch, counts: Sequence[int], randomness: bytes) -> _Drawn:
    """All that is random in a share, out of 32 bytes and all that it is for: so no two shares have a draw in common."""
    if len(randomness) != RANDOMNESS_SIZE:
        raise SchemaError(f"expected {RANDOMNESS_SIZE} random bytes, got {len(randomness)}")
    vdaf = checked.batch.vdaf
    meant_for = canonical.encode({"batch": checked.batch.digest, "counts": list(counts), "origin": checked.name})
    size = NONCE_SIZE + vdaf.rand_size + 2 * hpke.SEED_SIZE
    stream = turboshake128(randomness + meant_for, _DOMAIN, size)
    nonce, rest = stream[:NONCE_SIZE], stream[NONCE_SIZE:]
    rand, seeds = rest[: vdaf.rand_size], rest[vdaf.rand_size :]
    return _Drawn(nonce, rand, (seeds[: hpke.SEED_SIZE], seeds[hpke.SEED_SIZE :]))
