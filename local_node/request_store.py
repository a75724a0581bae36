"""Release requests in the node's database. A state changes by compare-and-swap, with its audit event beside it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from local_node import audit, draft_store
from local_node.errors import ReleaseError
from local_node.narrative import WHY, Finding
from local_node.orm import AuditRow, ReleaseRequestRow
from local_node.patterns import FindingKind
from local_node.review import ApprovedRelease, ReleaseRequest, RequestState, ReviewedAs, check_transition
from shared_schema import canonical
from shared_schema.service.database import forget
from shared_schema.statement import Audience, Kind

RESOLVED: Final = "release.resolved"
SHORTEST_BEGINNING: Final = 8
OPEN_OR_DONE: Final = (
    RequestState.REQUESTED,
    RequestState.APPROVED,
    RequestState.HELD,
    RequestState.SIGNED,
    RequestState.WITHDRAWN,
)
"""While a request stands in one of these, nobody can ask for the same figures again: a hub takes them once."""
TAKEN_OUT: Final = "taken out before it was sent"


@dataclass(frozen=True)
class StoredRequest:
    """A request with what was decided about it. `accepted` gives the reason for every finding that may stay."""

    request: ReleaseRequest
    subject: str | None
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    accepted: Mapping[int, str]
    approved_digest: str | None
    statement_digest: str | None


def add_request(
    session: Session,
    *,
    kind: Kind,
    audience: Audience,
    body: bytes,
    findings: Sequence[Finding],
    subject: str | None,
    person: str,
    now: datetime,
    writers: Sequence[str] = (),
) -> ReleaseRequest:
    """Store a new request and tell the audit log. `body` is canonical JSON; `writers` had a hand in it besides."""
    others = sorted(set(writers) - {person})
    number = (session.scalar(select(func.max(ReleaseRequestRow.number))) or 0) + 1
    row = ReleaseRequestRow(
        id=f"r{number}",
        number=number,
        kind=kind.value,
        state=RequestState.REQUESTED.value,
        body=body.decode(),
        audience=audience.value,
        subject=subject,
        requested_by=person,
        requested_at=now,
        findings=_findings_text(findings, {}),
        writers=canonical.encode({"ids": others}).decode() if others else None,
    )
    session.add(row)
    session.flush()
    request = _stored(row).request
    audit.append(session, person, "release.requested", f"{row.id}/{request.body_digest}", now)
    return request


def find_open(session: Session, subject: str) -> ReleaseRequest | None:
    """The request about the same figures that stands in the way of a new one."""
    row = session.scalars(
        select(ReleaseRequestRow).where(
            ReleaseRequestRow.subject == subject, ReleaseRequestRow.state.in_([state.value for state in OPEN_OR_DONE])
        )
    ).first()
    return None if row is None else _stored(row).request


def get_request(session: Session, request_id: str) -> StoredRequest:
    """Raises ReleaseError when there is no such request."""
    row = session.get(ReleaseRequestRow, request_id, populate_existing=True)
    if row is None:
        raise ReleaseError("expected the id of a release request, such as r1", code="request-unknown")
    return _stored(row)


def list_requests(session: Session, state: RequestState | None = None) -> tuple[StoredRequest, ...]:
    """All requests, or those in one state, oldest first."""
    query = select(ReleaseRequestRow).order_by(ReleaseRequestRow.number)
    if state is not None:
        query = query.where(ReleaseRequestRow.state == state.value)
    return tuple(_stored(row) for row in session.scalars(query.execution_options(populate_existing=True)))


def list_waiting(session: Session) -> tuple[tuple[str, datetime, ReviewedAs], ...]:
    """(who has asked, when, who reviews it) of every request that waits for a decision, without what is in it."""
    row = ReleaseRequestRow
    role = func.json_extract(row.body, "$.review.role")
    waiting = select(row.requested_by, row.requested_at, role).where(row.state == RequestState.REQUESTED.value)
    return tuple((by, at, ReviewedAs(reviewed)) for by, at, reviewed in session.execute(waiting))


def list_decided(session: Session, *, limit: int) -> tuple[StoredRequest, ...]:
    """What was decided last, by whomever, the newest request first."""
    open_states = (RequestState.REQUESTED.value, RequestState.HELD.value)
    query = select(ReleaseRequestRow).where(ReleaseRequestRow.state.not_in(open_states))
    return tuple(_stored(row) for row in session.scalars(query.order_by(ReleaseRequestRow.number.desc()).limit(limit)))


def find_signed(session: Session, beginning: str) -> StoredRequest | None:
    """The one signed request whose statement's digest begins so (eight digits at least); None when there is not one."""
    if len(beginning) < SHORTEST_BEGINNING or not beginning.isalnum():
        return None
    query = select(ReleaseRequestRow).where(
        ReleaseRequestRow.state == RequestState.SIGNED.value, ReleaseRequestRow.digest.startswith(beginning.lower())
    )
    rows = session.scalars(query.limit(2)).all()
    return _stored(rows[0]) if len(rows) == 1 else None


def mark_approved(session: Session, release: ApprovedRelease, now: datetime) -> None:
    """Store an approval: who, when, the reasons, and the digest of what was shown."""
    request = release.request
    _move(
        session,
        request.id,
        RequestState.REQUESTED,
        RequestState.APPROVED,
        decided_by=release.reviewer.id,
        decided_at=now,
        findings=_findings_text(request.findings, release.accepted),
        approved_digest=request.body_digest,
    )
    audit.append(session, release.reviewer.id, "release.approved", f"{request.id}/{request.body_digest}", now)


def find_last_change(session: Session, request_id: str) -> str | None:
    """Who was the last to mask or coarsen something in a request; None when nobody has."""
    query = select(AuditRow.actor).where(
        AuditRow.action == RESOLVED, AuditRow.subject.startswith(f"{request_id}/", autoescape=True)
    )
    return session.scalars(query.order_by(AuditRow.seq.desc()).limit(1)).first()


def replace_body(
    session: Session,
    request: ReleaseRequest,
    body: bytes,
    findings: Sequence[Finding],
    *,
    person: str,
    resolved: Sequence[str],
    now: datetime,
) -> None:
    """Put a text with masked or coarser passages in the place of what was asked for; `resolved` says `3/mask`, ….

    Raises ReleaseError when somebody else changed the request meanwhile.
    """
    check_transition(request.state, RequestState.REQUESTED)
    moved = session.execute(
        update(ReleaseRequestRow)
        .where(
            ReleaseRequestRow.id == request.id,
            ReleaseRequestRow.state == RequestState.REQUESTED.value,
            ReleaseRequestRow.body == request.body.decode(),
        )
        .values(body=body.decode(), findings=_findings_text(findings, {}))
        .execution_options(synchronize_session=False)
    )
    if not isinstance(moved, CursorResult) or moved.rowcount != 1:
        raise ReleaseError(f"expected request {request.id} as it was shown", code="state")
    for what in resolved:
        audit.append(session, person, RESOLVED, f"{request.id}/{what}", now)


def mark_refused(session: Session, request: ReleaseRequest, person: str, reason: str, now: datetime) -> None:
    """Store a refusal with its reason."""
    _move(
        session,
        request.id,
        request.state,
        RequestState.REFUSED,
        decided_by=person,
        decided_at=now,
        reason=reason,
    )
    audit.append(session, person, "release.refused", request.id, now)


def mark_signed(session: Session, request_id: str, digest: str, actor: str, now: datetime) -> None:
    """Store that the statement with this digest has been signed; what was its draft is erased."""
    draft_store.end_with_request(session, request_id)
    _move(session, request_id, RequestState.APPROVED, RequestState.SIGNED, digest=digest, reason=None)
    audit.append(session, actor, "release.signed", f"{request_id}/{digest}", now)


def find_by_digest(session: Session, digest: str) -> StoredRequest | None:
    """The request whose statement has this digest."""
    row = session.scalars(select(ReleaseRequestRow).where(ReleaseRequestRow.digest == digest)).first()
    return None if row is None else _stored(row)


def mark_withdrawn(session: Session, digest: str, actor: str, now: datetime) -> None:
    """Erase the text of what was signed and is taken back; does nothing when there is no request for it."""
    stored = find_by_digest(session, digest)
    if stored is not None and stored.request.state is RequestState.SIGNED:
        _move(session, stored.request.id, RequestState.SIGNED, RequestState.WITHDRAWN, **_erased(stored.request))
        audit.append(session, actor, "release.withdrawn", f"{stored.request.id}/{digest}", now)


def mark_removed(session: Session, digest: str, actor: str, now: datetime) -> None:
    """The same for what was never sent: the request ends as if it had been refused, and can be made anew."""
    stored = find_by_digest(session, digest)
    if stored is not None and stored.request.state is RequestState.SIGNED:
        values = _erased(stored.request) | {"reason": TAKEN_OUT}
        _move(session, stored.request.id, RequestState.SIGNED, RequestState.REFUSED, **values)
        audit.append(session, actor, "release.taken-out", f"{stored.request.id}/{digest}", now)


def _erased(request: ReleaseRequest) -> dict[str, Any]:
    """What is left of a request: how it was reviewed, and whether it carried the city's name."""
    body = canonical.parse_strict(request.body)
    left: dict[str, Any] = {name: body[name] for name in ("review", "attribution") if name in body}
    return {"body": canonical.encode(left).decode(), "findings": _findings_text((), {})}


def erase_refused(session: Session, kinds: Collection[Kind], before: datetime, actor: str, now: datetime) -> int:
    """Erase the texts of these kinds that were refused before; how many. That they were refused, and by whom, stays."""
    refused = (ReleaseRequestRow.state == RequestState.REFUSED.value, ReleaseRequestRow.decided_at < before)
    rows = session.scalars(select(ReleaseRequestRow).where(*refused, ReleaseRequestRow.kind.in_(kinds))).all()
    erased = 0
    for row in rows:
        left = _erased(_stored(row).request)
        if left["body"] != row.body:
            row.body, row.findings = left["body"], left["findings"]
            audit.append(session, actor, "release.text-erased", row.id, now)
            erased += 1
    if erased:
        forget(session, "release_requests")
    return erased


def mark_held(session: Session, request_id: str, reason: str, actor: str, now: datetime) -> None:
    """Store why an approved request cannot be signed."""
    _move(session, request_id, RequestState.APPROVED, RequestState.HELD, reason=reason)
    audit.append(session, actor, "release.held", request_id, now)


def mark_requested_again(session: Session, request_id: str, person: str, now: datetime) -> None:
    """Put a held request back to the beginning: it needs a new approval."""
    _move(
        session,
        request_id,
        RequestState.HELD,
        RequestState.REQUESTED,
        decided_by=None,
        decided_at=None,
        reason=None,
        approved_digest=None,
    )
    audit.append(session, person, "release.requested-again", request_id, now)


def _move(session: Session, request_id: str, old: RequestState, new: RequestState, **values: Any) -> None:
    """Compare and swap. Raises ReviewError (a change that the table does not know), ReleaseError (it came too late)."""
    check_transition(old, new)
    moved = session.execute(
        update(ReleaseRequestRow)
        .where(ReleaseRequestRow.id == request_id, ReleaseRequestRow.state == old.value)
        .values(state=new.value, **values)
        .execution_options(synchronize_session=False)
    )
    if not isinstance(moved, CursorResult) or moved.rowcount != 1:
        raise ReleaseError(f"expected request {request_id} to be {old.value} still", code="state")
    if "body" in values:
        forget(session, "release_requests")


# --- rows ----------------------------------------------------------------------------------------------------------


def _stored(row: ReleaseRequestRow) -> StoredRequest:
    body = row.body.encode()
    findings = canonical.parse_strict(row.findings.encode())["items"]
    request = ReleaseRequest(
        id=row.id,
        kind=Kind(row.kind),
        audience=Audience(row.audience),
        body=body,
        state=RequestState(row.state),
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        reviewer_role=ReviewedAs(canonical.parse_strict(body)["review"]["role"]),
        findings=tuple(_finding(item) for item in findings),
        writers=() if row.writers is None else tuple(canonical.parse_strict(row.writers.encode())["ids"]),
    )
    return StoredRequest(
        request=request,
        subject=row.subject,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        reason=row.reason,
        accepted={number: item["accepted"] for number, item in enumerate(findings) if "accepted" in item},
        approved_digest=row.approved_digest,
        statement_digest=row.digest,
    )


def _finding(item: dict[str, Any]) -> Finding:
    kind = FindingKind(item["kind"])
    return Finding(item["field"], item["start"], item["end"], kind, WHY[kind], item.get("coarser"))


def _findings_text(findings: Sequence[Finding], accepted: Mapping[int, str]) -> str:
    items = [
        {"field": finding.field, "start": finding.start, "end": finding.end, "kind": finding.kind.value}
        | ({} if finding.coarser is None else {"coarser": finding.coarser})
        | ({"accepted": accepted[number]} if number in accepted else {})
        for number, finding in enumerate(findings)
    ]
    return canonical.encode({"items": items}).decode()
