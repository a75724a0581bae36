"""Two-person review: nobody releases alone. Plain rules; `release` stores what they decide.

Whoever asked for a release cannot approve it, only a reviewer or a coordinator can, and every finding of `narrative`
needs a reason. Every change of a request's state is a row of TRANSITIONS, and the diagram in the documents is made from
it: `python -m local_node.review`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from local_node.errors import ReviewError
from local_node.narrative import Finding
from shared_schema.statement import Audience, Kind

MAX_REASON_CHARACTERS: Final = 500


class Role(StrEnum):
    """What a person does at this node."""

    COORDINATOR = "coordinator"
    REVIEWER = "reviewer"
    PARTNER = "partner"


MAY_REVIEW: Final = frozenset({Role.REVIEWER, Role.COORDINATOR})


class RequestState(StrEnum):
    """Where a release request stands."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REFUSED = "refused"
    HELD = "held"
    SIGNED = "signed"


TRANSITIONS: Final[Mapping[tuple[RequestState, RequestState], str]] = MappingProxyType(
    {
        (RequestState.REQUESTED, RequestState.APPROVED): "a second person approves",
        (RequestState.REQUESTED, RequestState.REFUSED): "a person refuses, with a reason",
        (RequestState.APPROVED, RequestState.SIGNED): "the node signs and puts it into the outbox",
        (RequestState.APPROVED, RequestState.HELD): "a rule of the hub forbids it, the reason is kept",
        (RequestState.HELD, RequestState.REQUESTED): "a person asks again",
        (RequestState.HELD, RequestState.REFUSED): "a person gives it up",
    }
)
"""(from, to) → what happens. Every other change of state is refused."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who works with this node."""

    id: str
    role: Role


@dataclass(frozen=True)
class ReleaseRequest:
    """What is shown to the second person. `body` is the canonical JSON of exactly the body that will be signed."""

    id: str
    kind: Kind
    audience: Audience
    body: bytes
    state: RequestState
    requested_by: str
    requested_at: datetime
    reviewer_role: Role
    findings: tuple[Finding, ...] = ()

    @property
    def body_digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True)
class ApprovedRelease:
    """A request that a second person has approved. Only `approve` makes one, and only one of these can be signed."""

    request: ReleaseRequest
    reviewer: Person
    accepted: Mapping[int, str]


def check_transition(old: RequestState, new: RequestState) -> None:
    """Raise ReviewError unless TRANSITIONS knows this change of state."""
    if (old, new) not in TRANSITIONS:
        raise ReviewError(f"expected a request that can become {new.value}, this one is {old.value}", code="state")


def check_may_decide(request: ReleaseRequest, person: Person) -> None:
    """Raise ReviewError unless this person may approve this request.

    The body says in which role it was reviewed, and what was shown is what will be signed; so only a person in that
    role can approve.
    """
    if person.id == request.requested_by:
        raise ReviewError("expected a second person: whoever asks for a release cannot approve it", code="same-person")
    if person.role not in MAY_REVIEW:
        raise ReviewError(f"expected a reviewer or a coordinator, got a {person.role.value}", code="role")
    if person.role is not request.reviewer_role:
        raise ReviewError(
            f"expected a {request.reviewer_role.value}, as the release says, got a {person.role.value}", code="role"
        )


def approve(request: ReleaseRequest, reviewer: Person, accepted: Mapping[int, str]) -> ApprovedRelease:
    """Approve a request; `accepted` gives, for the number of every finding, the reason why it may stay.

    Raises ReviewError: wrong state, wrong person, a finding without a reason.
    """
    check_transition(request.state, RequestState.APPROVED)  # 1. it waits for a decision
    check_may_decide(request, reviewer)  # 2. by this person
    check_findings_resolved(request, accepted)  # 3. who has looked at every finding
    return ApprovedRelease(replace(request, state=RequestState.APPROVED), reviewer, MappingProxyType(dict(accepted)))


def check_findings_resolved(request: ReleaseRequest, accepted: Mapping[int, str]) -> None:
    """Raise ReviewError unless `accepted` has a reason for every finding and for nothing else."""
    if unknown := sorted(set(accepted) - set(range(len(request.findings)))):
        raise ReviewError(f"expected numbers of findings, got {unknown[0]}", code="findings")
    for number, finding in enumerate(request.findings):
        check_reason(accepted.get(number, ""), f"to accept finding {number} ({finding.kind.value} in {finding.field})")


def check_reason(reason: str, purpose: str) -> None:
    """Raise ReviewError unless a reason was given."""
    if not reason.strip() or len(reason) > MAX_REASON_CHARACTERS or not reason.isprintable():
        raise ReviewError(
            f"expected a reason of 1 to {MAX_REASON_CHARACTERS} printable characters {purpose}", code="reason"
        )


def check_may_refuse(request: ReleaseRequest, person: Person) -> None:
    """Raise ReviewError unless this person may end this request: who may review, or whoever asked for it."""
    if person.id != request.requested_by and person.role not in MAY_REVIEW:
        raise ReviewError(f"expected a reviewer or a coordinator, got a {person.role.value}", code="role")


def reviewer_role_for(requester: str, people: Mapping[str, Role]) -> Role:
    """The role in which a request of `requester` will be reviewed: by a reviewer where there is one.

    Raises ReviewError when there is no second person.
    """
    roles = {role for person, role in people.items() if person != requester}
    for role in (Role.REVIEWER, Role.COORDINATOR):
        if role in roles:
            return role
    raise ReviewError("expected a second person: add a reviewer or another coordinator first", code="no-reviewer")


def transition_diagram() -> str:
    """The table of transitions as a Mermaid state diagram, for the documents."""
    lines = ["stateDiagram-v2", f"    [*] --> {RequestState.REQUESTED.value}: a person asks for a release"]
    lines += [f"    {old.value} --> {new.value}: {what}" for (old, new), what in TRANSITIONS.items()]
    ends = [state for state in RequestState if not any(old is state for old, _ in TRANSITIONS)]
    return "\n".join([*lines, *(f"    {state.value} --> [*]" for state in ends)]) + "\n"


if __name__ == "__main__":
    print(transition_diagram(), end="")
