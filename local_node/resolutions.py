"""What becomes of findings: a mask or coarser words, by the second person; and looked for again when rules change.

resolve(session, "r1", "bert", {0: Resolution.MASK, 1: Resolution.COARSEN}, lists, now)
recheck(session, read_lists, now)       released texts in which the rules of today find more
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import audit, request_store, review
from local_node.coarser import mask_for, put_in_place
from local_node.errors import ReviewError
from local_node.narrative import DETECTOR, Finding, LocalLists, free_texts, screen
from local_node.orm import AuditRow
from local_node.people import get_person
from local_node.review import ReleaseRequest, RequestState, Resolution
from shared_schema import canonical
from shared_schema.errors import SchemaError
from shared_schema.statement import STATEMENT_BODIES

RECHECKED: Final = "release.rechecked"
PROGRAM: Final = "local-node"


@dataclass(frozen=True, slots=True)
class Recheck:
    """A released text, and what is found in it now."""

    request: ReleaseRequest
    digest: str
    findings: tuple[Finding, ...]


def resolve(
    session: Session,
    request_id: str,
    person: str,
    chosen: Mapping[int, Resolution],
    lists: LocalLists,
    now: datetime,
    seen: str | None = None,
) -> None:
    """Mask or coarsen the passages of some findings; the text that comes of it is what will be shown and approved.

    Everything is looked through again, so a wording that makes a new finding does not slip by. The note about the
    review keeps the number of findings in the text as it was written.

    Raises ReviewError (no second person, wrong state, no such finding, no coarser wording, a text that has grown too
    long) and changes nothing.
    """
    request = request_store.get_request(session, request_id).request
    review.check_may_resolve(request, get_person(session, person), chosen)  # 1. by somebody who did not write it,
    review.check_was_seen(request, seen, person, request_store.find_last_change(session, request_id))  # and has seen it
    body = canonical.parse_strict(request.body)
    for number in sorted(chosen, key=lambda number: request.findings[number].start, reverse=True):  # 2. from the end,
        finding = request.findings[number]  # so that the other places stay where they are
        _replace(body, finding, _wording(finding, chosen[number]))
    try:
        new = STATEMENT_BODIES[request.kind].from_object(body).to_bytes()  # 3. still a body of its kind
    except SchemaError as error:
        raise ReviewError(f"expected a text that is still complete: {error.message}", code="resolution") from None
    findings = screen(free_texts(body), language=str(body.get("language", "und")), lists=lists).findings  # 4. again
    resolved = [f"{number}/{chosen[number].value}" for number in sorted(chosen)]
    request_store.replace_body(session, request, new, findings, person=person, resolved=resolved, now=now)


def recheck(
    session: Session, read_lists: Callable[[], LocalLists], now: datetime, *, again: bool = True
) -> tuple[Recheck, ...]:
    """Look through every released text again that older rules have looked at.

    The audit log says what was looked at with which version; without `again` each text has its turn once for every one.
    `read_lists` is asked only when there is a text to look through.
    """
    found = []
    for stored in request_store.list_requests(session, RequestState.SIGNED):
        body = canonical.parse_strict(stored.request.body)
        texts = free_texts(body)
        if not texts or stored.statement_digest is None or body["review"]["detector"] == DETECTOR:
            continue
        is_new = not _is_rechecked(session, stored.request.id)
        if not (is_new or again):
            continue
        findings = screen(texts, language=str(body.get("language", "und")), lists=read_lists()).findings
        if is_new:
            subject = f"{stored.request.id}/{DETECTOR}/{len(findings)}"
            audit.append(session, PROGRAM, RECHECKED, subject, now)
        found.append(Recheck(stored.request, stored.statement_digest, findings))
    return tuple(found)


def _is_rechecked(session: Session, request_id: str) -> bool:
    """Whether this version of the rules has looked at a request's text before."""
    beginning = f"{request_id}/{DETECTOR}/"
    query = select(AuditRow.seq).where(
        AuditRow.action == RECHECKED, AuditRow.subject.startswith(beginning, autoescape=True)
    )
    return session.execute(query.limit(1)).first() is not None


def _wording(finding: Finding, resolution: Resolution) -> str:
    if resolution is Resolution.COARSEN and finding.coarser is not None:
        return finding.coarser
    return mask_for(finding.kind)


def _replace(body: dict[str, Any], finding: Finding, wording: str) -> None:
    """Put a wording in the place of a passage; the dotted name of its field leads to the text."""
    *path, last = finding.field.split(".")
    holder: Any = body
    for part in path:
        holder = holder[int(part) if isinstance(holder, list) else part]
    place = int(last) if isinstance(holder, list) else last
    holder[place] = put_in_place(holder[place], finding.start, finding.end, wording)
