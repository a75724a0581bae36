"""Drafts in the node's database. A draft changes by compare-and-swap on its version, so two windows lose nothing.

The audit log is told when somebody begins a draft, first writes in one, hands it over, gives it back or throws it away;
not of every save, for a text that is saved by itself is saved a hundred times. What is thrown away, and what became a
signed release, is erased: the text of a release is in its request alone, so taking it back leaves no copy here.
"""

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from local_node import audit
from local_node.drafting import (
    Draft,
    DraftStaleError,
    DraftState,
    DraftStateError,
    DraftUnknownError,
    Writer,
    can_see,
    check_may_change,
    check_may_discard,
    check_may_give_back,
    check_may_hand_over,
    state_after_refusal,
)
from local_node.orm import DraftRow, ReleaseRequestRow
from local_node.review import RequestState, Role
from local_node.writing import Fields, load_fields, store_fields
from shared_schema import canonical
from shared_schema.service.database import forget
from shared_schema.statement import Audience, Kind

LISTED: Final = 200
"""Drafts in one list."""
_FORM_KEY: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")


def begin(
    session: Session,
    *,
    form_key: str,
    kind: Kind,
    fields: Fields,
    audience: Audience,
    writer: Writer,
    now: datetime,
    others: Collection[str] = (),
) -> Draft:
    """Keep a new draft; the same form once more gives the draft that it began.

    `others` have written the text that it begins with, so they are no second person for it either.
    Raises DraftStateError for somebody who does not write, DraftUnknownError for a form of somebody else.
    """
    if writer.role not in (Role.COORDINATOR, Role.PARTNER) or not _FORM_KEY.fullmatch(form_key):
        raise DraftStateError("expected a coordinator or a partner, and the form as it was shown")
    known = session.scalars(select(DraftRow).where(DraftRow.form_key == form_key)).first()
    if known is not None:
        return get(session, known.id, writer)
    number = (session.scalar(select(func.max(DraftRow.number))) or 0) + 1
    row = DraftRow(
        id=f"d{number}",
        number=number,
        form_key=form_key,
        kind=kind.value,
        state=DraftState.WRITING.value,
        fields=store_fields(fields),
        audience=audience.value,
        version=1,
        author=writer.id,
        agency_id=writer.agency if writer.role is Role.PARTNER else None,
        writers=_names((writer.id, *sorted(set(others) - {writer.id}))),
        begun_at=now,
        saved_at=now,
        saved_by=writer.id,
    )
    session.add(row)
    session.flush()
    audit.append(session, writer.id, "draft.begun", row.id, now)
    return _draft(row, None)


def get(session: Session, draft_id: str, reader: Writer) -> Draft:
    """Raises DraftUnknownError when there is none, or none for this person."""
    found = find(session, draft_id)
    if found is None or not can_see(found, reader):
        raise DraftUnknownError("expected the id of a draft of your own")
    return found


def find(session: Session, draft_id: str) -> Draft | None:
    """A draft whoever asks; pages use `get`."""
    row = session.get(DraftRow, draft_id, populate_existing=True)
    return None if row is None else _draft(row, _request_of(session, row))


def find_of_request(session: Session, request_id: str) -> Draft | None:
    """The draft of which a request was made, while the request is not signed."""
    row = session.scalars(select(DraftRow).where(DraftRow.request_id == request_id)).first()
    return None if row is None else _draft(row, _request_of(session, row))


def list_for(session: Session, reader: Writer, *, limit: int = LISTED, offset: int = 0) -> tuple[Draft, ...]:
    """The drafts that exist for this person, the last saved first."""
    whose: list[ColumnElement[bool]] = [(DraftRow.author == reader.id) & DraftRow.agency_id.is_(None)]
    if reader.agency is not None:
        whose.append(DraftRow.agency_id == reader.agency)
    if reader.role is Role.COORDINATOR:
        whose.append(DraftRow.agency_id.is_not(None) & (DraftRow.state != DraftState.WRITING.value))
    return tuple(draft for draft in _list(session, or_(*whose), limit, offset) if can_see(draft, reader))


def list_all(session: Session, *, limit: int = LISTED) -> tuple[Draft, ...]:
    """Every draft, for whoever runs the node; the last saved first."""
    return _list(session, None, limit, 0)


def save(
    session: Session, draft: Draft, version: int, fields: Fields, audience: Audience, writer: Writer, now: datetime
) -> Draft:
    """Keep what somebody has typed. The same text once more is no change, whatever version the form knew.

    Raises DraftStaleError when the draft has been changed since, DraftStateError where it cannot be changed.
    """
    check_may_change(draft, writer)
    if store_fields(fields) == store_fields(draft.fields) and audience is draft.audience:
        return draft
    writers = draft.writers if writer.id in draft.writers else (*draft.writers, writer.id)
    saved = _swap(
        session, draft, version, draft.state, fields=store_fields(fields), audience=audience.value,
        writers=_names(writers), saved_at=now, saved_by=writer.id,
    )  # fmt: skip
    if writers != draft.writers:
        audit.append(session, writer.id, "draft.written", draft.id, now)
    return saved


def hand_over(session: Session, draft: Draft, version: int, writer: Writer, now: datetime) -> Draft:
    """Put an agency's draft into the coordinators' hands."""
    check_may_hand_over(draft, writer)
    handed = _swap(session, draft, version, DraftState.HANDED, saved_at=now)
    audit.append(session, writer.id, "draft.handed-over", draft.id, now)
    return handed


def give_back(session: Session, draft: Draft, version: int, writer: Writer, now: datetime) -> Draft:
    """Put a draft into its agency's hands again, by a coordinator or by the agency."""
    check_may_give_back(draft, writer)
    given = _swap(session, draft, version, DraftState.WRITING, saved_at=now)
    audit.append(session, writer.id, "draft.given-back", draft.id, now)
    return given


def discard(session: Session, draft: Draft, version: int, writer: Writer, now: datetime) -> None:
    """Throw a draft away: its text is erased."""
    check_may_discard(draft, writer)
    done = session.execute(delete(DraftRow).where(DraftRow.id == draft.id, DraftRow.version == version))
    _check_swapped(done)
    forget(session, "drafts")
    audit.append(session, writer.id, "draft.discarded", draft.id, now)


def mark_asked(session: Session, draft: Draft, version: int, request_id: str, now: datetime) -> None:
    """Say that a request was made of this very text."""
    _swap(session, draft, version, DraftState.ASKED, request_id=request_id, saved_at=now)


def end_with_request(session: Session, request_id: str) -> None:
    """Erase the draft of a request that is signed: from now on the text is the release's."""
    done = session.execute(delete(DraftRow).where(DraftRow.request_id == request_id))
    if isinstance(done, CursorResult) and done.rowcount:
        forget(session, "drafts")


def erase_before(session: Session, before: datetime, *, by: str, now: datetime) -> int:
    """Erase the drafts to which nothing has happened since; how many. One whose release waits stays with its request.

    A refusal is something that happens: its writers have had the time since then to go on.
    """
    untouched = or_(DraftRow.state != DraftState.ASKED.value, ReleaseRequestRow.decided_at < before)
    query = _unsent(select(DraftRow.id)).where(DraftRow.saved_at < before, untouched)
    old = session.scalars(query).all()
    if old:
        session.execute(delete(DraftRow).where(DraftRow.id.in_(old)).execution_options(synchronize_session=False))
        forget(session, "drafts")
    for draft_id in old:
        audit.append(session, by, "draft.expired", draft_id, now)
    return len(old)


def count_unsent(session: Session) -> int:
    """How many drafts wait for no decision: nobody has asked for their release, or it was refused."""
    return session.scalar(_unsent(select(func.count(DraftRow.id)))) or 0


def _unsent(query: Select[Any]) -> Select[Any]:
    unsent = or_(DraftRow.state != DraftState.ASKED.value, ReleaseRequestRow.state == RequestState.REFUSED.value)
    return query.outerjoin(ReleaseRequestRow, ReleaseRequestRow.id == DraftRow.request_id).where(unsent)


# --- rows ----------------------------------------------------------------------------------------------------------


def _list(session: Session, where: Any, limit: int, offset: int) -> tuple[Draft, ...]:
    query = select(DraftRow, ReleaseRequestRow).join(
        ReleaseRequestRow, ReleaseRequestRow.id == DraftRow.request_id, isouter=True
    )
    if where is not None:
        query = query.where(where)
    newest_first = query.order_by(DraftRow.saved_at.desc(), DraftRow.number.desc())
    rows = session.execute(newest_first.limit(limit).offset(offset))
    return tuple(_draft(row, request) for row, request in rows)


def _swap(session: Session, draft: Draft, version: int, state: DraftState, **values: Any) -> Draft:
    done = session.execute(
        update(DraftRow)
        .where(DraftRow.id == draft.id, DraftRow.version == version)
        .values(state=state.value, version=version + 1, **values)
        .execution_options(synchronize_session=False)
    )
    _check_swapped(done)
    row = session.get_one(DraftRow, draft.id, populate_existing=True)
    return _draft(row, _request_of(session, row))


def _check_swapped(done: object) -> None:
    if not isinstance(done, CursorResult) or done.rowcount != 1:
        raise DraftStaleError("expected the draft as it was shown; it has been changed since")


def _request_of(session: Session, row: DraftRow) -> ReleaseRequestRow | None:
    return None if row.request_id is None else session.get(ReleaseRequestRow, row.request_id, populate_existing=True)


def _draft(row: DraftRow, request: ReleaseRequestRow | None) -> Draft:
    state = DraftState(row.state)
    is_refused = request is not None and request.state == RequestState.REFUSED.value
    if state is DraftState.ASKED and is_refused:
        state = state_after_refusal(row.agency_id)
    return Draft(
        id=row.id,
        kind=Kind(row.kind),
        state=state,
        fields=load_fields(row.fields),
        audience=Audience(row.audience),
        version=row.version,
        author=row.author,
        agency=row.agency_id,
        writers=tuple(canonical.parse_strict(row.writers.encode())["ids"]),
        saved_at=row.saved_at,
        saved_by=row.saved_by,
        request_id=row.request_id,
        refused_because=request.reason if request is not None and is_refused else None,
    )


def _names(ids: Sequence[str]) -> str:
    return canonical.encode({"ids": list(ids)}).decode()
