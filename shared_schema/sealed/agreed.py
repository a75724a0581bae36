"""What two hubs have said together, read by a third: each gate gives a type that only it makes.

    batch = read_batch(verified, directory, at=now, position=index)
    roster = read_roster(verified, batch, directory, at=now, position=index)
    read_void(verified, batch, directory, at=now, position=index)

That the statement is the leader's own and stands in the log, the caller has verified before (`VerifiedStatement`).
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from shared_schema.directory import Directory
from shared_schema.errors import SchemaError, VerificationError
from shared_schema.problem import ProblemCode
from shared_schema.sealed.bodies import BatchBody, RosterBody, VoidBody
from shared_schema.sealed.countersign import (
    BATCH_TERMS,
    ROSTER_TERMS,
    VOID_TERMS,
    Countersignature,
    verify_countersignature,
)
from shared_schema.sealed.terms import (
    Attendance,
    BatchPlan,
    BatchTerms,
    RosterTerms,
    VoidTerms,
    check_attendance,
    check_operators,
)
from shared_schema.statement import VerifiedStatement
from shared_schema.vdaf.prio3 import Prio3SumVec
from shared_schema.wire import WireModel


@dataclass(frozen=True)
class AgreedBatch:
    """Terms that both hubs have signed, and the digest of the statement in the leader's log. `read_batch` makes it."""

    terms: BatchTerms
    digest: str

    @property
    def plan(self) -> BatchPlan:
        return self.terms.plan

    @property
    def context(self) -> bytes:
        """What the VDAF and the noise are bound to, so that nobody can be led into other parameters."""
        return bytes.fromhex(self.digest)

    @cached_property
    def member_names(self) -> frozenset[str]:
        return frozenset(self.plan.members)

    @cached_property
    def vdaf(self) -> Prio3SumVec:
        return self.plan.vdaf


@dataclass(frozen=True, slots=True)
class AgreedRoster:
    """A roster that both hubs have signed, and the digest of its statement. Only `read_roster` makes one."""

    terms: RosterTerms
    digest: str


def read_batch(
    verified: VerifiedStatement, directory: Directory, *, at: datetime, position: int | None = None
) -> AgreedBatch:
    """The batch that a statement announces.

    Raises SchemaError when it is none, VerificationError when one of the two hubs did not say it, ReleaseRuleError
    (`same-operator`) when both are one.
    """
    body = verified.statement.body
    if not isinstance(body, BatchBody):
        raise SchemaError("expected a batch")
    _check_both(verified, body.terms, BATCH_TERMS, body.terms, body.helper, directory, at, position)
    check_operators(body.terms)
    return AgreedBatch(body.terms, verified.digest)


def read_roster(
    verified: VerifiedStatement, batch: AgreedBatch, directory: Directory, *, at: datetime, position: int | None = None
) -> AgreedRoster:
    """The roster of this batch. Raises SchemaError or VerificationError."""
    body = verified.statement.body
    if not isinstance(body, RosterBody):
        raise SchemaError("expected a roster")
    _check_both(verified, batch.terms, ROSTER_TERMS, body.terms, body.helper, directory, at, position)
    check_roster(body.terms, batch)
    return AgreedRoster(body.terms, verified.digest)


def read_void(
    verified: VerifiedStatement, batch: AgreedBatch, directory: Directory, *, at: datetime, position: int | None = None
) -> VoidTerms:
    """Both hubs' word that this batch is never opened. Raises SchemaError or VerificationError."""
    body = verified.statement.body
    if not isinstance(body, VoidBody):
        raise SchemaError("expected the word that a batch is void")
    _check_both(verified, batch.terms, VOID_TERMS, body.terms, body.helper, directory, at, position)
    check_void(body.terms, batch)
    return body.terms


def check_roster(terms: RosterTerms, batch: AgreedBatch) -> None:
    """Raise SchemaError unless this is a roster of this batch, of all its members, and of enough of them."""
    check_of_batch(terms.batch, batch)
    check_attendance(terms.attendance, batch.plan)
    if not is_enough(terms.attendance, batch):
        raise SchemaError(f"expected at least {batch.plan.min_batch} accepted shares")


def check_void(terms: VoidTerms, batch: AgreedBatch) -> None:
    """Raise SchemaError unless this batch may end so: with too few accepted, or given up."""
    check_of_batch(terms.batch, batch)
    if terms.attendance is not None:
        check_attendance(terms.attendance, batch.plan)
        if is_enough(terms.attendance, batch):
            raise SchemaError(f"expected fewer than {batch.plan.min_batch} accepted shares in a batch that is void")


def is_enough(attendance: Attendance, batch: AgreedBatch) -> bool:
    return len(attendance.accepted) >= batch.plan.min_batch


def check_of_batch(digest: str, batch: AgreedBatch) -> None:
    """Raise SchemaError unless `digest` names this batch."""
    if digest != batch.digest:
        raise SchemaError("expected what was said about this batch, got another one's")


def _check_both(
    verified: VerifiedStatement, hubs: BatchTerms, kind: str, terms: WireModel, helper: Countersignature,
    directory: Directory, at: datetime, position: int | None,
) -> None:  # fmt: skip
    """The leader has signed the statement, the helper the terms in it."""
    if verified.statement.origin != hubs.leader.name:
        raise VerificationError("expected the leader's own statement", code=ProblemCode.WRONG_ORIGIN)
    verify_countersignature(kind, terms, helper, helper=hubs.helper.name, directory=directory, at=at, position=position)
