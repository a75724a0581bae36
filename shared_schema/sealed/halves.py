"""A city's share as it travels: sealed to two hubs, and what each hub gets out of its half.

Each half is sealed for one batch, one city, one hub, one nonce and one public share (HPKE's `info`). So a half that is
moved to another statement, another city's name or the other hub does not open.
"""

import base64
import hashlib
from dataclasses import dataclass
from typing import Final

from shared_schema import canonical
from shared_schema.errors import ContractError, ReleaseRuleError, SchemaError
from shared_schema.problem import ProblemCode
from shared_schema.sealed.agreed import AgreedBatch
from shared_schema.sealed.bodies import ShareBody
from shared_schema.sealed.hpke import PrivateKey, SealError, open_sealed
from shared_schema.sealed.terms import ROLES, SHARES, Refusal, Role
from shared_schema.statement import VerifiedStatement
from shared_schema.vdaf.messages import PublicShare, VerifierShare, VerifyState, parse_input_share, parse_public_share

_PURPOSE: Final = "prevention-exchange sealed half v1"


@dataclass(frozen=True, slots=True)
class ReceivedShare:
    """A share whose city's signature was verified. Only `receive_share` makes one."""

    origin: str
    digest: str
    body: ShareBody


@dataclass(frozen=True, slots=True)
class VerifiedHalf:
    """What a hub has of a share that it could open: what it keeps, and what it tells the other hub."""

    state: VerifyState
    verifier_share: VerifierShare
    public_share: PublicShare


def receive_share(verified: VerifiedStatement) -> ReceivedShare:
    """The share in a verified statement. Raises SchemaError when it is none."""
    body = verified.statement.body
    if not isinstance(body, ShareBody):
        raise SchemaError("expected a sealed share")
    return ReceivedShare(verified.statement.origin, verified.digest, body)


def check_share(share: ReceivedShare, batch: AgreedBatch) -> None:
    """Raise ReleaseRuleError (`batch-terms`) unless a share is of a member of this batch, and of these very terms.

    What is sealed in it nobody can see here.
    """
    plan, body = batch.plan, share.body
    if share.origin not in batch.member_names:
        raise _other_terms("expected a share of a member of the batch")
    if body.batch != batch.digest:
        raise _other_terms("expected a share for this batch")
    if (body.table, body.period, body.privacy.epsilon_milli) != (plan.table, plan.period, plan.epsilon_milli):
        raise _other_terms("expected the table, the period and the epsilon of the batch")
    if plan.source_kind not in (None, body.source_kind):
        raise _other_terms("expected figures of the source kind of the batch")


def _other_terms(message: str) -> ReleaseRuleError:
    return ReleaseRuleError(message, code=ProblemCode.BATCH_TERMS)


def half_info(batch: str, origin: str, role: Role, nonce: bytes, public_share: bytes) -> bytes:
    """What a half is sealed for."""
    return canonical.encode(
        {
            "batch": batch,
            "nonce": base64.b64encode(nonce).decode(),
            "origin": origin,
            "public_share": hashlib.sha256(public_share).hexdigest(),
            "purpose": _PURPOSE,
            "role": role,
        }
    )


def verify_half(
    role: Role, key: PrivateKey, verify_key: bytes, batch: AgreedBatch, share: ReceivedShare
) -> VerifiedHalf | Refusal:
    """Open one's own half and look at it alone, or the reason why this share is not taken."""
    body = share.body
    try:
        check_share(share, batch)
    except ReleaseRuleError:
        return Refusal.WRONG_BATCH
    nonce, public_share = base64.b64decode(body.nonce), base64.b64decode(body.public_share)
    sealed = base64.b64decode(body.leader_half if role == "leader" else body.helper_half)
    aggregator = ROLES.index(role)
    try:
        half = open_sealed(key, half_info(batch.digest, share.origin, role, nonce, public_share), sealed)
        parsed = parse_public_share(public_share, SHARES)
        own = parse_input_share(half, aggregator, batch.vdaf.circuit)
        state, told = batch.vdaf.verify_init(verify_key, batch.context, aggregator, nonce, parsed, own)
    except SealError:
        return Refusal.BAD_SEAL
    except ContractError:
        return Refusal.FORM
    return VerifiedHalf(state, told, parsed)
