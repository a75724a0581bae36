"""What both hubs of a batch keep and do alike: how far it is, its secrets, its sum, and how all of that ends."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, TypeVar

from shared_schema.errors import BatchError, MalformedError, SchemaError
from shared_schema.governance import MAX_MEMBERS
from shared_schema.problem import ProblemCode
from shared_schema.sealed.agreed import AgreedBatch, AgreedRoster
from shared_schema.sealed.bodies import AggregateShareBody
from shared_schema.sealed.halves import ReceivedShare, VerifiedHalf, verify_half
from shared_schema.sealed.messages import PreparedShare
from shared_schema.sealed.states import BatchEvent, BatchState, next_state
from shared_schema.sealed.sums import HubSecrets
from shared_schema.sealed.terms import Attendance, BatchTerms, Refusal, RefusedShare, Role, RosterTerms


@dataclass(frozen=True, kw_only=True)
class HubBatch:
    """What a hub keeps of a batch. `secrets` and `verify_key` are None once they are destroyed.

    `sum` has its noise in it already: it is what will be published. A sum without noise is never kept. `noise_seed` is
    there when the batch was opened and its keys are gone: with it an auditor draws the noise again.
    """

    role: ClassVar[Role]
    state: BatchState
    secrets: HubSecrets | None = field(repr=False)
    verify_key: bytes | None = field(default=None, repr=False)
    terms: BatchTerms | None = None
    agreed: AgreedBatch | None = None
    roster_terms: RosterTerms | None = None
    """What this hub stands by, before and after both have signed it."""
    roster: AgreedRoster | None = None
    sum: bytes | None = field(default=None, repr=False)
    noise_seed: bytes | None = field(default=None, repr=False)


Batch = TypeVar("Batch", bound=HubBatch)


def check_may(batch: HubBatch, event: BatchEvent) -> BatchState:
    """The state after an event. Raises BatchError (`batch-state`) when it may not happen now."""
    return next_state(batch.role, batch.state, event)


def agreed_of(batch: HubBatch) -> AgreedBatch:
    """Raises BatchError before the batch statement is in the log."""
    if batch.agreed is None:
        raise BatchError("expected a batch that is in the log")
    return batch.agreed


def secrets_of(batch: HubBatch) -> tuple[HubSecrets, bytes]:
    """The secrets and the verification key. Raises BatchError when they are not there yet, or destroyed."""
    if batch.secrets is None or batch.verify_key is None:
        raise BatchError("expected a batch whose keys are here")
    return batch.secrets, batch.verify_key


def opened(batch: Batch, agreed: AgreedBatch) -> Batch:
    """The batch statement stands in the leader's log. The first one counts: its digest is what shares are made for.

    Raises BatchError for other terms than those that were agreed, or a second statement of the same.
    """
    if batch.agreed == agreed:
        return batch
    state = check_may(batch, BatchEvent.OPEN)
    if agreed.terms != batch.terms:
        raise BatchError("expected the terms that both hubs have agreed to", code=ProblemCode.BATCH_TERMS)
    return replace(batch, state=state, agreed=agreed)


def by_city(shares: Iterable[ReceivedShare], batch: AgreedBatch) -> dict[str, list[ReceivedShare]]:
    """The different shares of each member, in the order of their digests.

    Raises SchemaError for one of somebody else, who is refused at the door, and for more than can be.
    """
    found: dict[str, dict[str, ReceivedShare]] = {}
    for share in shares:
        if share.origin not in batch.member_names:
            raise SchemaError("expected shares of members of the batch")
        found.setdefault(share.origin, {})[share.digest] = share
    if sum(map(len, found.values())) > MAX_MEMBERS:
        raise SchemaError(f"expected at most {MAX_MEMBERS} shares")
    return {origin: [own[digest] for digest in sorted(own)] for origin, own in found.items()}


def look_at(batch: HubBatch, shares: Sequence[ReceivedShare]) -> VerifiedHalf | Refusal:
    """One city's shares: its half when there is one, or why none is taken."""
    if len(shares) > 1:
        return Refusal.TWICE
    secrets, verify_key = secrets_of(batch)
    return verify_half(batch.role, secrets.key, verify_key, agreed_of(batch), shares[0])


def attendance_of(
    batch: AgreedBatch, shares: Sequence[PreparedShare], refused: Mapping[str, Refusal | None]
) -> Attendance:
    """Who is in it, when this came of the shares that the leader had: a reason, or None for an accepted one."""
    names = {each.origin for each in shares}
    return Attendance(
        accepted=tuple(sorted(each.digest for each in shares if refused[each.origin] is None)),
        refused=tuple(
            RefusedShare(origin=name, reason=reason) for name in sorted(names) if (reason := refused[name]) is not None
        ),
        absent=tuple(name for name in batch.plan.members if name not in names),
    )


def committed(batch: Batch, roster: AgreedRoster) -> Batch:
    """The roster stands in the leader's log. There is one for a batch, for ever.

    Raises BatchError (`already-answered`) for another one than this hub stands by.
    """
    if batch.roster == roster:
        return batch
    if roster.terms != batch.roster_terms:
        raise BatchError("expected the one roster of this batch", code=ProblemCode.ALREADY_ANSWERED)
    return replace(batch, state=check_may(batch, BatchEvent.COMMIT), roster=roster)


def publish(batch: Batch) -> tuple[Batch, AggregateShareBody]:
    """What to sign and log: this hub's sum, whose hash stands in the roster. The same again when it is asked again."""
    if batch.state is not BatchState.PUBLISHED:
        batch = replace(batch, state=check_may(batch, BatchEvent.PUBLISH))
    if batch.roster is None or batch.sum is None:
        raise BatchError("expected the roster of this batch in the log")
    vector = base64.b64encode(batch.sum).decode()
    batch_digest = agreed_of(batch).digest
    return batch, AggregateShareBody(batch=batch_digest, roster=batch.roster.digest, role=batch.role, vector=vector)


def dropped(batch: Batch) -> Batch:
    """The helper did not agree, or its leader has never announced the batch: nobody can have sent anything."""
    return replace(batch, state=check_may(batch, BatchEvent.DROP), secrets=None, verify_key=None)


def voided(batch: Batch) -> Batch:
    """Both have signed that nothing is opened: what could open it is gone with the same step."""
    state = check_may(batch, BatchEvent.VOID)
    return replace(batch, state=state, secrets=None, verify_key=None, sum=None)


def destroyed(batch: Batch) -> Batch:
    """Both sums are in the logs: nothing that opens a share is left here, and the seed of the noise stays."""
    state, (secrets, _) = check_may(batch, BatchEvent.DESTROY), secrets_of(batch)
    return replace(batch, state=state, secrets=None, verify_key=None, noise_seed=secrets.noise_seed)


def decode(text: str) -> bytes:
    """Bytes that the other hub has sent. Raises MalformedError."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise MalformedError("expected base64") from None
