"""The inbox as people and programs read it: what was stored of a hub's feed, item by item. Nothing here writes.

An item was verified with its origin's own key before it was stored as accepted (`item_store`). One that could not be
verified is quarantined and has no body here; one that was taken back has none either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from local_node import search_index
from local_node.errors import NodeError
from local_node.lesson import LESSON_KINDS, Lesson, read_lesson
from local_node.orm import InboxRow
from shared_schema.canonical import parse_strict
from shared_schema.envelope import parse_envelope
from shared_schema.errors import ContractError
from shared_schema.governance import PolicyBody
from shared_schema.names import format_time
from shared_schema.problem import ProblemCode
from shared_schema.statement import STATEMENT_BODIES, Audience, Kind, StatementBody

SHORT_DIGEST = 8
NOT_YET_EXPLAINED = "withdrawal-not-seen"
"""The reason of a gap: said to be withdrawn, but no withdrawal was read."""
LOST = "content-lost"
"""The reason of a gap that is nobody's fault: the hub was restored from an old copy and waits for the content."""
HEALED_BY_MEMBERSHIPS = (
    ProblemCode.UNKNOWN_KEY.value,
    ProblemCode.BAD_SIGNATURE.value,
    ProblemCode.MEMBER_NOT_ACTIVE.value,
)
"""What a later membership may heal. A key that was revoked or suspended at that place in the log stays so."""


class InboxState(StrEnum):
    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"
    WITHDRAWN = "withdrawn"


class InboxError(NodeError):
    """The inbox is not where this step starts from."""

    code = "inbox"


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One item, for people. `body` is there when the item is accepted and its content was not erased."""

    digest: str
    hub: str
    log_index: int
    kind: Kind
    origin: str | None
    audience: Audience
    issued_at: str | None
    received_at: datetime
    state: InboxState
    reason: str | None
    body: StatementBody | None


_KNOWN_KINDS = InboxRow.kind.in_([kind.value for kind in Kind])
"""A kind of a later release is set aside (`verbs.explaining.quarantine_list`), and no page knows how to show it."""


def list_items(
    session: Session,
    *,
    kinds: Sequence[Kind] = (),
    state: InboxState | None = None,
    newest_versions: bool = False,
    not_by: str = "",
    limit: int = 500,
    offset: int = 0,
) -> tuple[InboxItem, ...]:
    """Items, the newest of the log first; with `newest_versions` without those whose place a newer one takes, and
    without what `not_by` has signed."""
    newest_first = (InboxRow.received_at.desc(), InboxRow.log_index.desc())
    query = select(InboxRow).order_by(*newest_first).limit(limit)
    is_crowd = not kinds or Kind.PRACTICE in kinds
    # a crowd is read in the order of its arrival: to sort all that an index of kinds finds would take longer
    kind = InboxRow.kind + "" if is_crowd else InboxRow.kind
    query = query.where(kind.in_([each.value for each in kinds or Kind]))
    if state is not None:
        query = query.where(InboxRow.state == state.value)
    if not_by:
        query = query.where(InboxRow.origin != not_by)
    if newest_versions:
        query = query.where(InboxRow.digest.not_in(search_index.replaced_digests()))
    return tuple(_item(row) for row in session.scalars(query.offset(offset)))


def find_item(session: Session, digest: str) -> InboxItem | None:
    """One item by its digest."""
    row = session.get(InboxRow, digest)
    return None if row is None or row.kind not in list(Kind) else _item(row)


def find_by_beginning(session: Session, beginning: str) -> tuple[InboxItem, ...]:
    """The items whose digest begins so; nothing for fewer than eight digits."""
    if len(beginning) < SHORT_DIGEST or not beginning.isalnum():
        return ()
    rows = session.scalars(select(InboxRow).where(InboxRow.digest.startswith(beginning.lower()), _KNOWN_KINDS).limit(2))
    return tuple(map(_item, rows))


def find_lesson(session: Session, digest: str) -> Lesson | None:
    """The accepted item in words with this digest.

    Raises ContractError when the stored bytes do not fit the contract any more.
    """
    row = session.get(InboxRow, digest)
    body = None if row is None else body_of(row)
    return None if row is None or body is None else lesson_of(row, body)


def find_lessons(session: Session, digests: Sequence[str]) -> dict[str, Lesson]:
    """The accepted items in words with these digests; one that this release cannot read is left out."""
    found = {}
    for row in session.scalars(select(InboxRow).where(InboxRow.digest.in_(digests))):
        try:
            body = body_of(row)
        except ContractError:
            continue
        if body is not None and (lesson := lesson_of(row, body)) is not None:
            found[row.digest] = lesson
    return found


def current_policy(session: Session, hub: str) -> PolicyBody | None:
    """The newest policy that `hub` itself has signed, or None when none was read yet."""
    row = session.scalars(
        select(InboxRow)
        .where(InboxRow.kind == Kind.POLICY.value, InboxRow.state == InboxState.ACCEPTED.value, InboxRow.origin == hub)
        .order_by(InboxRow.seq.desc())
        .limit(1)
    ).first()
    body = None if row is None else body_of(row)
    return body if isinstance(body, PolicyBody) else None


def members_of(session: Session, hub: str) -> tuple[str, ...]:
    """Everybody whom a hub has ever vouched for, from its accepted memberships."""
    rows = session.scalars(
        select(InboxRow.envelope).where(
            InboxRow.kind == Kind.MEMBERSHIP.value,
            InboxRow.state == InboxState.ACCEPTED.value,
            InboxRow.origin == hub,
            InboxRow.envelope.is_not(None),
        )
    )
    bodies = (parse_strict(parse_envelope(envelope).payload)["body"] for envelope in rows if envelope)
    return tuple(sorted({str(body["member"]) for body in bodies}))


def count_items(session: Session) -> dict[tuple[Kind, InboxState], int]:
    """How many items there are of every kind and state."""
    grouped = select(InboxRow.kind, InboxRow.state, func.count()).where(_KNOWN_KINDS)
    rows = session.execute(grouped.group_by(InboxRow.kind, InboxRow.state))
    return {(Kind(kind), InboxState(state)): count for kind, state, count in rows}


def count_replaced(session: Session) -> int:
    """How many accepted items have a newer version."""
    replaced = search_index.replaced_digests().subquery()
    return session.scalar(select(func.count()).select_from(replaced)) or 0


def latest_bodies(session: Session, kind: Kind, limit: int) -> tuple[tuple[str, StatementBody], ...]:
    """(origin, body) of the newest accepted items of a kind, newest first."""
    rows = session.scalars(
        select(InboxRow)
        .where(InboxRow.kind == kind.value, InboxRow.state == InboxState.ACCEPTED.value)
        .order_by(InboxRow.received_at.desc(), InboxRow.log_index.desc())
        .limit(limit)
    )
    return tuple((row.origin or "", body) for row in rows if (body := body_of(row)) is not None)


def lesson_of(row: InboxRow, body: StatementBody) -> Lesson | None:
    """What an accepted row says in words; it is no newer than its arrival, whatever its author's clock said."""
    if Kind(row.kind) not in LESSON_KINDS or row.origin is None or row.seq is None or row.issued_at is None:
        return None
    issued_at = min(row.issued_at, format_time(row.received_at))
    return read_lesson(row.digest, row.origin, row.seq, issued_at, body)


def find_bodies(session: Session, digests: Sequence[str]) -> tuple[tuple[str, StatementBody], ...]:
    """(origin, body) of those of these items that are accepted."""
    rows = session.scalars(select(InboxRow).where(InboxRow.digest.in_(digests)))
    return tuple((row.origin or "", body) for row in rows if (body := body_of(row)) is not None)


def _item(row: InboxRow) -> InboxItem:
    return InboxItem(
        digest=row.digest,
        hub=row.hub,
        log_index=row.log_index,
        kind=Kind(row.kind),
        origin=row.origin,
        audience=Audience(row.audience),
        issued_at=row.issued_at,
        received_at=row.received_at,
        state=InboxState(row.state),
        reason=row.reason,
        body=body_of(row),
    )


def body_of(row: InboxRow) -> StatementBody | None:
    """The body of an accepted item. It was verified before it was stored as accepted."""
    if row.state != InboxState.ACCEPTED.value or row.envelope is None:
        return None
    payload = parse_strict(parse_envelope(row.envelope).payload)
    body: StatementBody = STATEMENT_BODIES[Kind(row.kind)].from_object(payload["body"])  # type: ignore[assignment]
    return body
