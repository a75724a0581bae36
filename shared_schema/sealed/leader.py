"""The leader of a batch: the cities' own hub. Plain transitions; whoever calls them stores what comes back.

Each step takes a batch and returns the next one. What a step makes is made again from the same inputs, so a hub that
was stopped between two steps repeats the step and gets the same bytes:

    batch = propose(plan, ...)                          # the helper is asked: batch.proposal
    batch, body = agree(batch, answer)                  # 1. sign and log `batch`
    batch = opened(batch, read_batch(...))
    take(batch, share, at=now)                          # 2. each share; it is relayed to the helper
    batch = closed(batch)
    prepared = prepare(batch, shares)                   # the helper is asked: prepared.request
    batch, terms = take_answer(batch, prepared, answer) # the helper is asked to sign the terms
    batch = committed(batch, read_roster(...))          # 3. sign and log `roster`
    batch, body = publish(batch)                        # 4. sign and log `aggregate-share`
    batch = destroyed(batch)
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import ClassVar

from shared_schema.errors import BatchError, ReleaseRuleError, SchemaError, ShareError
from shared_schema.names import parse_time
from shared_schema.problem import ProblemCode
from shared_schema.sealed.agreed import AgreedBatch, check_of_batch
from shared_schema.sealed.bodies import BatchBody
from shared_schema.sealed.halves import ReceivedShare, VerifiedHalf, check_share
from shared_schema.sealed.hpke import open_sealed
from shared_schema.sealed.hub import (
    HubBatch,
    agreed_of,
    attendance_of,
    by_city,
    check_may,
    decode,
    look_at,
    secrets_of,
)
from shared_schema.sealed.messages import PrepareAnswer, PreparedShare, PrepareRequest, ProposalAnswer
from shared_schema.sealed.states import FIRST, BatchEvent
from shared_schema.sealed.sums import HubSecrets, noisy_sum, verify_key_info
from shared_schema.sealed.terms import (
    BatchPlan,
    BatchProposal,
    Refusal,
    Role,
    RosterTerms,
    VoidTerms,
    check_operators,
    sum_digest,
)
from shared_schema.vdaf.field128 import Vector
from shared_schema.vdaf.messages import parse_verifier_message


@dataclass(frozen=True, kw_only=True)
class LeaderBatch(HubBatch):
    """What the leader keeps of a batch."""

    role: ClassVar[Role] = "leader"
    proposal: BatchProposal


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the leader asks the helper, and what it made of each share itself. It can be made again at any time."""

    request: PrepareRequest
    halves: Mapping[str, VerifiedHalf] = field(repr=False)


def propose(plan: BatchPlan, *, name: str, operator: str, helper: str, secrets: HubSecrets) -> LeaderBatch:
    """Ask `helper` to collect this together."""
    proposal = BatchProposal(plan=plan, leader=secrets.part_of(name, operator), helper=helper)
    return LeaderBatch(state=FIRST["leader"], proposal=proposal, secrets=secrets)


def agree(batch: LeaderBatch, answer: ProposalAnswer) -> tuple[LeaderBatch, BatchBody]:
    """What to sign and log, when the helper has agreed to just this.

    The helper's signature is verified where the statement is read (`read_batch`), as by every other reader. Raises
    ReleaseRuleError (`batch-terms`, `same-operator`) for other terms, ShareError for a key that is not in them.
    """
    check_may(batch, BatchEvent.OPEN)
    asked, terms = batch.proposal, answer.terms
    if (terms.plan, terms.leader, terms.helper.name) != (asked.plan, asked.leader, asked.helper):
        raise ReleaseRuleError("expected the terms that were proposed", code=ProblemCode.BATCH_TERMS)
    check_operators(terms)
    if batch.secrets is None:
        raise BatchError("expected a batch whose keys are here")
    verify_key = open_sealed(batch.secrets.key, verify_key_info(terms), decode(answer.verify_key))
    if sha256(verify_key).hexdigest() != terms.verify_key:
        raise ShareError("expected the verification key whose hash the terms have")
    return replace(batch, verify_key=verify_key, terms=terms), BatchBody(terms=terms, helper=answer.signature)


def take(batch: LeaderBatch, share: ReceivedShare, *, at: datetime) -> None:
    """Check that a share may enter the log: of a member, for this batch, while it is open.

    That a city sends once, the log knows. Raises ReleaseRuleError (`batch-terms`) or BatchError (`batch-state`).
    """
    check_may(batch, BatchEvent.TAKE)
    agreed = agreed_of(batch)
    check_share(share, agreed)
    if not parse_time(agreed.plan.opens) <= at <= parse_time(agreed.plan.closes):
        raise BatchError(f"expected a share from {agreed.plan.opens} to {agreed.plan.closes}")


def closed(batch: LeaderBatch) -> LeaderBatch:
    """No share is taken any more."""
    return replace(batch, state=check_may(batch, BatchEvent.CLOSE))


def prepare(batch: LeaderBatch, shares: Sequence[ReceivedShare], *, late: Mapping[str, str] | None = None) -> Prepared:
    """Look at every share that is in the log. `late` are cities whose share came too late, with its digest.

    Raises BatchError unless the batch is closed, SchemaError for shares that cannot be.
    """
    check_may(batch, BatchEvent.ANSWER)
    agreed = agreed_of(batch)
    if not set(late or ()) <= agreed.member_names:
        raise SchemaError("expected members of the batch among the late ones")
    lines = {
        origin: PreparedShare(origin=origin, digest=digest, refused=Refusal.LATE)
        for origin, digest in (late or {}).items()
    }
    halves: dict[str, VerifiedHalf] = {}
    for origin, own in by_city(shares, agreed).items():
        made = look_at(batch, own)
        if isinstance(made, Refusal):
            lines[origin] = PreparedShare(origin=origin, digest=own[0].digest, refused=made)
        else:
            told = base64.b64encode(made.verifier_share.encode()).decode()
            lines[origin] = PreparedShare(origin=origin, digest=own[0].digest, verifier_share=told)
            halves[origin] = made
    request = PrepareRequest(batch=agreed.digest, shares=tuple(lines[origin] for origin in sorted(lines)))
    return Prepared(request, halves)


def take_answer(
    batch: LeaderBatch, prepared: Prepared, answer: PrepareAnswer
) -> tuple[LeaderBatch, RosterTerms | VoidTerms]:
    """Check what the helper has answered, add up, and say what both should sign: the roster, or that too few came.

    Raises SchemaError or ShareError when the answer is none to this request, or does not hold: a helper that does that
    is broken or lies, and only giving up is left (`give_up`).
    """
    state = check_may(batch, BatchEvent.ANSWER)
    agreed = agreed_of(batch)
    check_of_batch(answer.batch, agreed)
    out_shares = _check_answer(agreed, prepared, answer)
    refused = {each.origin: each.refused for each in answer.shares}
    attendance = attendance_of(agreed, prepared.request.shares, refused)
    if len(out_shares) < agreed.plan.min_batch:
        return replace(batch, state=state), VoidTerms(batch=agreed.digest, reason="too-few", attendance=attendance)
    if answer.helper_sum is None:
        raise SchemaError("expected the hash of the helper's sum")
    noisy = noisy_sum(agreed, secrets_of(batch)[0].noise_seed, out_shares)
    terms = RosterTerms(
        batch=agreed.digest,
        attendance=attendance,
        leader_sum=sum_digest(agreed.digest, batch.role, noisy),
        helper_sum=answer.helper_sum,
    )
    return replace(batch, state=state, roster_terms=terms, sum=noisy), terms


def _check_answer(agreed: AgreedBatch, prepared: Prepared, answer: PrepareAnswer) -> list[Vector]:
    """The shares of the counts that may be added up: those that both have accepted, verified here once more."""
    asked = prepared.request.shares
    if [each.origin for each in answer.shares] != [each.origin for each in asked]:
        raise SchemaError("expected an answer for each share that was asked about")
    out_shares = []
    for line, said in zip(asked, answer.shares, strict=True):
        if line.refused is not None and said.refused is not line.refused:
            raise SchemaError("expected the reason that the leader gave")
        if said.message is not None:
            half = prepared.halves[said.origin]
            out_shares.append(agreed.vdaf.verify_next(half.state, parse_verifier_message(decode(said.message))))
    return out_shares


def give_up(batch: LeaderBatch) -> VoidTerms:
    """What both should sign when this batch cannot go on. Raises BatchError once a roster is signed."""
    check_may(batch, BatchEvent.VOID)
    return VoidTerms(batch=agreed_of(batch).digest, reason="given-up")
