"""The relay's intake: bytes in, a signed receipt out, or a clear no and nothing changed.

Beside `intake`, and not a part of it: what is said in confidence has no `seq` and no place in the log, because a number
that is missing and an entry at a certain time would both tell who has said it. Read `check_request`, then `accept`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from regional_hub import audit, log
from regional_hub.errors import IntakeError
from regional_hub.intake import verify_sender
from regional_hub.members import Trust, load_trust
from regional_hub.orm import MemberRow, RelayItemRow, RelayQuestionRow
from regional_hub.relay import Desk, RelayState, close_withdrawal, find_parent, read_content
from shared_schema.content import AnswerBody, ExperienceBody
from shared_schema.envelope import Envelope, parse_envelope
from shared_schema.governance import WithdrawalBody
from shared_schema.keys import Member, MemberRole, MemberStatus
from shared_schema.problem import ProblemCode
from shared_schema.relay import RelayRequest, check_relayable, generalise, read_request, sign_receipt
from shared_schema.statement import Audience, Kind

MAX_WAITING: Final = 50
"""Requests of one member that wait at a time: more than a city writes in a year, and few enough to hold for many."""
SOMEBODY: Final = "member"
"""Who acts in the audit log when a request comes in: its chain is shown to more people than the link may be."""


class Sealed(NamedTuple):
    """A request that has passed every check that needs no database. Only `check_request` makes one."""

    request: RelayRequest
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Taken:
    """The signed receipt, and whether the request is new (201) or was here before (200)."""

    receipt: bytes
    new: bool


def check_request(body: bytes, *, trust: Trust, desk: Desk, now: datetime) -> Sealed:
    """Steps 1 to 4, which need no database. Raises ContractError."""
    verified, member = verify_sender(parse_envelope(body), trust)  # 1. signed by a member
    request = read_request(verified)  # 2. a request, of the right length
    trust.check_may_submit(verified.envelope.keyid, now)  # 3. for itself, to this hub, and it may
    _check_sender(request, member, desk)
    _check_content(request, member, trust, desk)  # 4. that can be relayed without naming it
    return Sealed(request, verified.envelope)


def accept(session: Session, sealed: Sealed, *, desk: Desk, now: datetime) -> Taken:
    """Steps 5 to 8: keep one request in confidence, in the caller's transaction.

    Raises ContractError and changes nothing unless every step passes.
    """
    log.get_head(session, for_append=True)  # 5. one at a time, also between processes
    _check_member(session, sealed, desk, now)
    row = session.get(RelayItemRow, sealed.envelope.digest)
    if row is not None:  # 6. a retry gets its old receipt
        return Taken(_receipt(row, desk), new=False)
    _check_references(session, sealed.request)  # 7. it points to nothing that would name the author
    row = _add(session, sealed, now)  # 8. one row, and one event without a name
    return Taken(_receipt(row, desk), new=True)


def _check_sender(request: RelayRequest, member: Member, desk: Desk) -> None:
    if request.origin != member.name or member.role is MemberRole.PARENT:
        raise IntakeError("expected a request of the member that signed it", code=ProblemCode.WRONG_ORIGIN)
    if request.hub != desk.name:
        raise IntakeError("expected a request to this hub", code=ProblemCode.WRONG_ORIGIN)


def _check_member(session: Session, sealed: Sealed, desk: Desk, now: datetime) -> None:
    row = session.get(MemberRow, sealed.request.origin)  # another process may have revoked the member meanwhile
    if row is None or (row.keyid, row.status) != (sealed.envelope.keyid, MemberStatus.ACTIVE.value):
        load_trust(session, desk.name, desk.key.public).check_may_submit(sealed.envelope.keyid, now)


def _check_content(request: RelayRequest, member: Member, trust: Trust, desk: Desk) -> None:
    check_relayable(request)
    content = request.content
    if isinstance(content, WithdrawalBody):
        return
    generalise(content, desk.area)  # what could not be published is refused now, and not in a week
    if not desk.publishes(request.attribution) and find_parent(trust) is None:
        raise _refusal("expected the attribution region: there is no national hub above this one")
    if member.role is MemberRole.HUB and request.attribution != "country":
        raise _refusal("expected from a hub what names the country alone")


def _check_references(session: Session, request: RelayRequest) -> None:
    """Raise IntakeError for a digest that would name the author, or that the author has no right to point to."""
    content, origin = request.content, request.origin
    if isinstance(content, WithdrawalBody):
        _check_target(session, content.digest, origin)
        return
    if isinstance(content, AnswerBody):
        _check_answer(session, content, request.audience, origin)
    pointed = [getattr(content, name, None) for name in ("adapted_from", "practice")]
    if any(digest is not None and _is_own_statement(session, digest, origin) for digest in pointed):
        raise _refusal("expected nothing that points to a statement in the author's own name")
    if isinstance(content, ExperienceBody) and _find_relayed(session, content.practice, origin) is not None:
        raise _refusal("expected an experience with another city's practice")
    if content.replaces is not None and _find_relayed(session, content.replaces, origin) is None:
        raise _refusal("expected to replace an item that this hub has relayed for the same author")
    if isinstance(content, ExperienceBody):
        _check_one_experience(session, content, origin)
    if _asked_before(session, request):
        raise _refusal("expected something that this member has not asked for already")
    waiting = select(func.count()).where(RelayItemRow.origin == origin, RelayItemRow.state == RelayState.WAITING.value)
    if (session.scalar(waiting) or 0) >= MAX_WAITING:
        raise _refusal(f"expected at most {MAX_WAITING} requests that wait")


def _check_one_experience(session: Session, content: ExperienceBody, origin: str) -> None:
    """One member tells of a practice once, or anew in place of that: readers count unnamed reports as cities."""
    rows = session.scalars(
        select(RelayItemRow).where(
            RelayItemRow.origin == origin,
            RelayItemRow.kind == Kind.EXPERIENCE.value,
            RelayItemRow.state != RelayState.WITHDRAWN.value,
            RelayItemRow.envelope.is_not(None),
        )
    )
    told = [(row.relayed, found) for row in rows if isinstance(found := read_content(row), ExperienceBody)]
    replaced = {content.replaces, *(each.replaces for _, each in told)} - {None}
    if any(each.practice == content.practice and relayed not in replaced for relayed, each in told):
        raise _refusal("expected one experience of a member with a practice, or one that replaces it")


def _asked_before(session: Session, request: RelayRequest) -> bool:
    """Whether the same content of the same member is here: a node that was restored from an old copy asks again."""
    rows = session.scalars(
        select(RelayItemRow).where(
            RelayItemRow.origin == request.origin,
            RelayItemRow.kind == request.kind.value,
            RelayItemRow.envelope.is_not(None),
        )
    )
    return any(read_content(row) == request.content for row in rows)


def _refusal(message: str) -> IntakeError:
    return IntakeError(message, code=ProblemCode.RELEASE_RULE)


def _is_own_statement(session: Session, digest: str, origin: str) -> bool:
    entry = log.find_entry(session, digest)
    return entry is not None and entry.origin == origin


def _find_relayed(session: Session, relayed: str, origin: str) -> RelayItemRow | None:
    query = select(RelayItemRow).where(RelayItemRow.relayed == relayed, RelayItemRow.origin == origin)
    return session.scalars(query).one_or_none()


def _check_target(session: Session, digest: str, origin: str) -> None:
    target = session.get(RelayItemRow, digest)
    if target is None or target.origin != origin or target.kind == Kind.WITHDRAWAL.value:
        raise IntakeError("expected the digest of a request of the same member", code=ProblemCode.NOT_FOUND)


def _check_answer(session: Session, answer: AnswerBody, audience: Audience, origin: str) -> None:
    query = (
        select(RelayItemRow)
        .join(RelayQuestionRow, RelayQuestionRow.item == RelayItemRow.digest)
        .where(RelayQuestionRow.question == answer.question, RelayItemRow.origin == origin)
    )
    item = session.scalars(query).first()
    question = log.find_entry(session, answer.question)
    if item is None or question is None:
        raise IntakeError("expected a question that was handed on to this member", code=ProblemCode.NOT_FOUND)
    if answer.attribution != item.attribution:
        raise _refusal("expected the attribution of the item that the question is about")
    if audience.reach < Audience(question.audience).reach:
        raise _refusal("expected an answer that travels as far as its question")


def _add(session: Session, sealed: Sealed, now: datetime) -> RelayItemRow:
    request, envelope = sealed
    content = request.content
    row = RelayItemRow(
        digest=envelope.digest,
        origin=request.origin,
        kind=request.kind.value,
        attribution=request.attribution,
        audience=request.audience.value,
        about=_about(request),
        state=RelayState.WAITING.value,
        received_at=now.replace(microsecond=0),
        envelope=envelope.stored_bytes,
    )
    session.add(row)
    session.flush()
    audit.record(session, SOMEBODY, "relay-taken", row.digest, now)
    if isinstance(content, WithdrawalBody):
        target = session.get_one(RelayItemRow, content.digest)
        if target.state in (RelayState.WAITING.value, RelayState.WITHDRAWN.value):  # nobody has seen it, or can now
            close_withdrawal(session, row, target)
    return row


def _about(request: RelayRequest) -> str | None:
    content = request.content
    if isinstance(content, WithdrawalBody):
        return content.digest
    return content.question if isinstance(content, AnswerBody) else None


def _receipt(row: RelayItemRow, desk: Desk) -> bytes:
    return sign_receipt(desk.name, row.digest, row.received_at, desk.key).stored_bytes
