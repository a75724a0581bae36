"""The helper of a batch: the second hub. It answers each question once, and signs one of two ends.

    batch, answer = agree_to(proposal, ...)             # stored before it is sent; the same proposal, the same answer
    batch = opened(batch, read_batch(...))              # the first batch statement with these terms
    batch, answer = answer_once(batch, shares, request) # the shares that were relayed
    batch, signature = sign_roster_once(batch, terms, key)   or   sign_void_once(batch, terms, key)
    batch = committed(batch, read_roster(...))
    batch, body = publish(batch)                        # sign and log `aggregate-share`
    batch = destroyed(batch)

What protects a city from a leader that lies is here: the helper adds up only what it has verified itself, of at least
`min_batch` cities, for one set of cities and no other, and shows its sum only when that set is signed.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import ClassVar, Final

from shared_schema.errors import BatchError, SchemaError, ShareError
from shared_schema.keys import SigningKey
from shared_schema.sealed import hpke
from shared_schema.sealed.agreed import check_of_batch, check_roster, check_void, is_enough
from shared_schema.sealed.countersign import (
    BATCH_TERMS,
    ROSTER_TERMS,
    VOID_TERMS,
    countersign,
)
from shared_schema.sealed.halves import ReceivedShare, VerifiedHalf
from shared_schema.sealed.hub import (
    HubBatch,
    agreed_of,
    attendance_of,
    by_city,
    check_may,
    decode,
    look_at,
    secrets_of,
    voided,
)
from shared_schema.sealed.messages import (
    Answered,
    AnsweredShare,
    PrepareAnswer,
    PreparedShare,
    PrepareRequest,
    ProposalAnswer,
    check_question_size,
    find_answer,
)
from shared_schema.sealed.states import FIRST, BatchEvent
from shared_schema.sealed.sums import SECRETS_SIZE, HubSecrets, noisy_sum, verify_key_info
from shared_schema.sealed.terms import (
    VDAF,
    Attendance,
    BatchProposal,
    BatchTerms,
    Refusal,
    Role,
    RosterTerms,
    VoidTerms,
    check_operators,
    sum_digest,
)
from shared_schema.vdaf.field128 import Vector
from shared_schema.vdaf.messages import parse_verifier_share
from shared_schema.vdaf.prio3 import VERIFY_KEY_SIZE

RANDOMNESS_SIZE: Final = SECRETS_SIZE + VERIFY_KEY_SIZE + hpke.SEED_SIZE


@dataclass(frozen=True, kw_only=True)
class HelperBatch(HubBatch):
    """What the helper keeps of a batch: beside its sum, each question that it was asked and its answer."""

    role: ClassVar[Role] = "helper"
    proposal: Answered
    attendance: Attendance | None = None
    prepare: Answered | None = None
    end: Answered | None = None
    """The terms that it has signed as the end of this batch: a roster or a void, never both."""


def agree_to(
    question: bytes, *, name: str, operator: str, randomness: bytes, key: SigningKey
) -> tuple[HelperBatch, bytes]:
    """Agree to a proposal. Whether its terms are good for this hub, the caller has checked.

    Raises SchemaError for what is no proposal to this hub, ReleaseRuleError (`same-operator`).
    """
    if len(randomness) != RANDOMNESS_SIZE:
        raise SchemaError(f"expected {RANDOMNESS_SIZE} random bytes, got {len(randomness)}")
    check_question_size(question)
    proposal = BatchProposal.from_bytes(question)
    if proposal.helper != name:
        raise SchemaError("expected a proposal to this hub")
    secrets = HubSecrets.from_randomness(randomness[:SECRETS_SIZE])
    verify_key, ephemeral_seed = randomness[SECRETS_SIZE : -hpke.SEED_SIZE], randomness[-hpke.SEED_SIZE :]
    terms = BatchTerms.from_object(
        {
            "v": 1,
            "vdaf": VDAF,
            "plan": proposal.plan.to_object(),
            "leader": proposal.leader.to_object(),
            "helper": secrets.part_of(name, operator).to_object(),
            "verify_key": sha256(verify_key).hexdigest(),
        }
    )
    check_operators(terms)
    sealed = hpke.seal(terms.leader.public_key, verify_key_info(terms), verify_key, ephemeral_seed=ephemeral_seed)
    answer = ProposalAnswer(
        terms=terms,
        signature=countersign(BATCH_TERMS, terms, key),
        verify_key=base64.b64encode(sealed).decode(),
    ).to_bytes()
    batch = HelperBatch(
        state=FIRST["helper"],
        secrets=secrets,
        verify_key=verify_key,
        terms=terms,
        proposal=Answered.to(question, answer),
    )
    return batch, answer


def answer_once(batch: HelperBatch, shares: Sequence[ReceivedShare], question: bytes) -> tuple[HelperBatch, bytes]:
    """Look at the shares that were relayed, decide, add up, and say so: once.

    Raises BatchError (`already-answered`) for another request than the one before, (`batch-state`) when a share in it
    has not been relayed yet, and SchemaError for what is no request about this batch. Then nothing has changed.
    """
    known = find_answer(batch.prepare, question)
    if known is not None:
        return batch, known
    state = check_may(batch, BatchEvent.ANSWER)
    check_question_size(question)
    agreed = agreed_of(batch)
    request = PrepareRequest.from_bytes(question)
    check_of_batch(request.batch, agreed)
    own = by_city(shares, agreed)
    _check_all_here(request, own, agreed.member_names)
    decided = {line.origin: _decide(batch, line, own.get(line.origin, [])) for line in request.shares}
    refused = {origin: made if isinstance(made, Refusal) else None for origin, made in decided.items()}
    attendance = attendance_of(agreed, request.shares, refused)
    out_shares = [made.out_share for made in decided.values() if not isinstance(made, Refusal)]
    noisy = noisy_sum(agreed, secrets_of(batch)[0].noise_seed, out_shares) if is_enough(attendance, agreed) else None
    answer = PrepareAnswer(
        batch=agreed.digest,
        shares=tuple(
            AnsweredShare(origin=origin, refused=made)
            if isinstance(made, Refusal)
            else AnsweredShare(origin=origin, message=made.message)
            for origin, made in decided.items()
        ),
        helper_sum=None if noisy is None else sum_digest(agreed.digest, batch.role, noisy),
    ).to_bytes()
    stored = Answered.to(question, answer)
    return replace(batch, state=state, attendance=attendance, sum=noisy, prepare=stored), answer


def sign_roster_once(batch: HelperBatch, question: bytes, key: SigningKey) -> tuple[HelperBatch, bytes]:
    """Sign the roster that this hub's own answer leads to, and no other, once.

    From here on the batch cannot be void. Raises BatchError (`already-answered`, `batch-state`) or SchemaError.
    """
    known = find_answer(batch.end, question)
    if known is not None:
        return batch, known
    state = check_may(batch, BatchEvent.SIGN)
    agreed, terms = agreed_of(batch), RosterTerms.from_bytes(question)
    check_roster(terms, agreed)
    if batch.sum is None or terms.helper_sum != sum_digest(agreed.digest, batch.role, batch.sum):
        raise SchemaError("expected the hash of this hub's own sum")
    if terms.attendance != batch.attendance:
        raise SchemaError("expected the very shares that this hub has accepted and refused")
    signature = countersign(ROSTER_TERMS, terms, key).to_bytes()
    return replace(batch, state=state, roster_terms=terms, end=Answered.to(question, signature)), signature


def sign_void_once(batch: HelperBatch, question: bytes, key: SigningKey) -> tuple[HelperBatch, bytes]:
    """Sign that nothing of this batch is opened, unless a roster is signed; with that, what could open it is gone.

    Raises BatchError (`already-answered`, `batch-state`) or SchemaError.
    """
    known = find_answer(batch.end, question)
    if known is not None:
        return batch, known
    check_may(batch, BatchEvent.VOID)
    terms = VoidTerms.from_bytes(question)
    check_void(terms, agreed_of(batch))
    if terms.attendance is not None and terms.attendance != batch.attendance:
        raise SchemaError("expected the very shares that this hub has accepted and refused")
    signature = countersign(VOID_TERMS, terms, key).to_bytes()
    stored = Answered.to(question, signature)
    return replace(voided(batch), end=stored), signature


@dataclass(frozen=True, slots=True)
class _Accepted:
    message: str
    out_share: Vector


def _check_all_here(request: PrepareRequest, own: dict[str, list[ReceivedShare]], members: frozenset[str]) -> None:
    """Both hubs speak about the same shares, before anything is decided for ever."""
    named = {line.origin: line for line in request.shares}
    if not set(named) <= members:
        raise SchemaError("expected shares of members of the batch")
    missing = [name for name, line in named.items() if line.refused is None and name not in own]
    if missing:
        raise BatchError(f"expected {len(missing)} more shares to be relayed first")
    if not set(own) <= set(named):
        raise SchemaError("expected a line about every share that was relayed")


def _decide(batch: HelperBatch, line: PreparedShare, own: Sequence[ReceivedShare]) -> _Accepted | Refusal:
    """What both hubs make of one city's share: whoever refuses it, it is refused."""
    if line.verifier_share is None:
        return line.refused or Refusal.FORM
    made = look_at(batch, own)
    if isinstance(made, Refusal):
        return made
    if own[0].digest != line.digest:
        return Refusal.TWICE
    return _combine(batch, line.verifier_share, made)


def _combine(batch: HelperBatch, leader_share: str, half: VerifiedHalf) -> _Accepted | Refusal:
    agreed = agreed_of(batch)
    vdaf = agreed.vdaf
    leader = parse_verifier_share(decode(leader_share), vdaf.circuit)
    verifier_shares = [leader, half.verifier_share]
    if half.public_share.joint_rand_parts != tuple(each.joint_rand_part for each in verifier_shares):
        # The leader would find it only after this hub has fixed its sum. As both parts are here, decide for both.
        return Refusal.HALVES
    try:
        message = vdaf.verifier_shares_to_message(agreed.context, verifier_shares)
        out_share = vdaf.verify_next(half.state, message)
    except ShareError:
        return Refusal.RANGE
    return _Accepted(base64.b64encode(message.encode()).decode(), out_share)
