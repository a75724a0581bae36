"""Two-person review: nobody releases alone. Plain rules; `release` stores what they decide.

Whoever asked for a release cannot approve it, only a reviewer or a coordinator can, and every finding of `narrative`
is masked, put in coarser words, or needs a reason. Where a city has one person only, that one approves again a day
later, and the statement says so. Every change of a request's state is a row of TRANSITIONS, and the diagram in the
documents is made from it: `python -m local_node.review`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from local_node.errors import ReviewError
from local_node.narrative import Finding
from shared_schema.statement import Audience, Kind

MAX_REASON_CHARACTERS: Final = 500
SHORTEST_SEEN: Final = 8
SINGLE_PERSON_WAIT: Final = timedelta(hours=24)
"""A night's sleep in place of a second person."""


class Role(StrEnum):
    """What a person does at this node."""

    COORDINATOR = "coordinator"
    REVIEWER = "reviewer"
    PARTNER = "partner"
    READER = "reader"
    ADMINISTRATOR = "administrator"


class ReviewedAs(StrEnum):
    """Who looks at a request besides its author, as the statement will say."""

    REVIEWER = "reviewer"
    COORDINATOR = "coordinator"
    SINGLE_PERSON = "single_person"


class Resolution(StrEnum):
    """What becomes of the passage of a finding that is not accepted: a mask, or the wording that was offered."""

    MASK = "mask"
    COARSEN = "coarsen"


MAY_REVIEW: Final = frozenset({Role.REVIEWER, Role.COORDINATOR})


class RequestState(StrEnum):
    """Where a release request stands."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REFUSED = "refused"
    HELD = "held"
    SIGNED = "signed"
    WITHDRAWN = "withdrawn"


STOPPABLE: Final = frozenset({RequestState.REQUESTED, RequestState.APPROVED, RequestState.HELD})
"""States in which a person can still say no."""
TRANSITIONS: Final[Mapping[tuple[RequestState, RequestState], str]] = MappingProxyType(
    {
        (RequestState.REQUESTED, RequestState.REQUESTED): "a passage that was found is masked or put in coarser words",
        (RequestState.REQUESTED, RequestState.APPROVED): "a second person approves",
        (RequestState.REQUESTED, RequestState.REFUSED): "a person refuses, with a reason",
        (RequestState.APPROVED, RequestState.REFUSED): "a person stops it before it is signed",
        (RequestState.APPROVED, RequestState.SIGNED): "the node signs and puts it into the outbox",
        (RequestState.APPROVED, RequestState.HELD): "a rule of the hub forbids it, the reason is kept",
        (RequestState.SIGNED, RequestState.REFUSED): "a person takes it out before it was sent, its text is erased",
        (RequestState.SIGNED, RequestState.WITHDRAWN): "a person takes it back, its text is erased here",
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
    reviewer_role: ReviewedAs
    findings: tuple[Finding, ...] = ()
    writers: tuple[str, ...] = ()
    """Who wrote the text besides whoever asks for its release."""

    @property
    def authors(self) -> frozenset[str]:
        """Everybody who had a hand in it: none of them is its second person."""
        return frozenset((self.requested_by, *self.writers))

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


def check_may_decide(request: ReleaseRequest, person: Person, now: datetime) -> None:
    """Raise ReviewError unless this person may approve this request.

    The body says in which role it was reviewed, and what was shown is what will be signed; so only a person in that
    role can approve.
    """
    is_alone = request.reviewer_role is ReviewedAs.SINGLE_PERSON
    if person.id in request.authors and not is_alone:
        raise ReviewError(
            "expected a second person: whoever wrote a text or asks for its release cannot approve it",
            code="same-person",
        )
    if person.role not in MAY_REVIEW:
        raise ReviewError(f"expected a reviewer or a coordinator, got a {person.role.value}", code="role")
    if is_alone:
        if now < request.requested_at + SINGLE_PERSON_WAIT:
            raise ReviewError(
                f"expected {SINGLE_PERSON_WAIT // timedelta(hours=1)} hours between asking and approving where one "
                "person decides alone; or add a reviewer, for example the data protection officer, and ask again",
                code="wait",
            )
        return
    if person.role.value != request.reviewer_role.value:
        raise ReviewError(
            f"expected a {request.reviewer_role.value}, as the release says, got a {person.role.value}", code="role"
        )


def approve(request: ReleaseRequest, reviewer: Person, accepted: Mapping[int, str], now: datetime) -> ApprovedRelease:
    """Approve a request; `accepted` gives, for the number of every finding, the reason why it may stay.

    Raises ReviewError: wrong state, wrong person, too early for one person alone, a finding without a reason.
    """
    check_transition(request.state, RequestState.APPROVED)  # 1. it waits for a decision
    check_may_decide(request, reviewer, now)  # 2. by this person
    check_findings_resolved(request, accepted)  # 3. who has looked at every finding
    return ApprovedRelease(replace(request, state=RequestState.APPROVED), reviewer, MappingProxyType(dict(accepted)))


def check_was_seen(request: ReleaseRequest, seen: str | None, person: str, changed_by: str | None) -> None:
    """Raise ReviewError unless this person decides about the text as it stands.

    `seen` is the beginning of the digest that was shown (eight digits at least); needed when somebody else has masked
    or coarsened a passage since the request was made, because numbers of findings and their passages are others then.
    """
    if seen is None and changed_by in (None, person):
        return
    if seen is None or len(seen) < SHORTEST_SEEN or not request.body_digest.startswith(seen.lower()):
        raise ReviewError(
            "expected the text as it stands now: look at it with release show, and give the digest that stands there "
            "as --seen",
            code="changed",
        )


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


def check_may_resolve(request: ReleaseRequest, person: Person, chosen: Mapping[int, Resolution]) -> None:
    """Raise ReviewError unless this person may change these findings' passages: as the second person, word for word.

    What comes in place of a passage is the program's, so nobody writes a text and approves it as well.
    """
    check_transition(request.state, RequestState.REQUESTED)
    if person.id in request.authors and request.reviewer_role is not ReviewedAs.SINGLE_PERSON:
        raise ReviewError(
            "expected a second person: whoever wrote a text does not resolve what was found in it; take it back with "
            "release refuse, and ask again with another text",
            code="same-person",
        )
    if person.role not in MAY_REVIEW:
        raise ReviewError(f"expected a reviewer or a coordinator, got a {person.role.value}", code="role")
    if not chosen or set(chosen) - set(range(len(request.findings))):
        raise ReviewError("expected numbers of findings", code="findings")
    for number, resolution in chosen.items():
        if resolution is Resolution.COARSEN and request.findings[number].coarser is None:
            raise ReviewError(f"expected mask for finding {number}: there is no coarser wording", code="findings")


def check_may_refuse(request: ReleaseRequest, person: Person) -> None:
    """Raise ReviewError unless this person may end this request: who may review, or whoever wrote or asked for it.

    What is signed is taken out or taken back (`withdrawals`), never refused: a hub may have it.
    """
    if request.state not in STOPPABLE:
        raise ReviewError(f"expected a request that is not signed yet, this one is {request.state.value}", code="state")
    if person.id not in request.authors and person.role not in MAY_REVIEW:
        raise ReviewError(f"expected a reviewer or a coordinator, got a {person.role.value}", code="role")


def reviewer_role_for(requester: str, people: Mapping[str, Role], writers: Iterable[str] = ()) -> ReviewedAs:
    """The role in which a request of `requester` will be reviewed: by a reviewer where there is one.

    `writers` had a hand in the text and do not count as a second person. A coordinator without anybody else decides
    alone. Raises ReviewError for others when there is no second person.
    """
    authors = {requester, *writers}
    roles = {role for person, role in people.items() if person not in authors}
    for role in (Role.REVIEWER, Role.COORDINATOR):
        if role in roles:
            return ReviewedAs(role.value)
    if people.get(requester) is Role.COORDINATOR:
        return ReviewedAs.SINGLE_PERSON
    raise ReviewError("expected a second person: add a reviewer or another coordinator first", code="no-reviewer")


def transition_diagram() -> str:
    """The table of transitions as a Mermaid state diagram, for the documents."""
    lines = ["stateDiagram-v2", f"    [*] --> {RequestState.REQUESTED.value}: a person asks for a release"]
    lines += [f"    {old.value} --> {new.value}: {what}" for (old, new), what in TRANSITIONS.items()]
    ends = [state for state in RequestState if not any(old is state for old, _ in TRANSITIONS)]
    return "\n".join([*lines, *(f"    {state.value} --> [*]" for state in ends)]) + "\n"


if __name__ == "__main__":
    print(transition_diagram(), end="")
