"""Saved views: filters with a name, for oneself or for everybody who works with this node.

A view has a feed, whose address carries a secret. Whoever has the address reads the feed without signing in, as far as
the view's owner may read; a new secret ends the old address. ADR 0022 says why the secret is kept as it is.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from local_node import audit, reader, search_index
from local_node.errors import NodeError
from local_node.inbox_query import Wanted, parse_wanted
from local_node.orm import SavedViewRow, ViewMarkRow
from shared_schema.text_marks import check_line

MAX_VIEWS = 50
"""Of one person; a list that is longer is not looked through any more."""
MAX_NAME_LETTERS = 60
TOKEN_BYTES = 24
"""192 bits: nobody guesses an address."""


class ViewError(NodeError):
    """This view cannot be saved, changed or found."""

    code = "view"


@dataclass(frozen=True, slots=True)
class SavedView:
    id: int
    owner: str
    name: str
    query: str
    shared: bool
    feed_token: str

    @property
    def wanted(self) -> Wanted:
        """What the view asks for. Raises SearchError where a filter of an older release is not known any more."""
        return parse_wanted(parse_qsl(self.query))


def query_of(wanted: Wanted) -> str:
    """The canonical query of an address, without the page."""
    return urlencode([(name, value) for name, value in wanted.pairs() if name != "page"])


def save(session: Session, person: str, name: str, wanted: Wanted, *, shared: bool, now: datetime) -> SavedView:
    """Save a view; it begins without anything new. Raises ViewError: no name, one that is taken, too many views."""
    name = check_line(name, MAX_NAME_LETTERS, ViewError("expected a name of 1 to 60 letters", code="view-name"))
    own = session.scalar(select(func.count()).where(SavedViewRow.owner == person)) or 0
    if own >= MAX_VIEWS:
        raise ViewError(f"expected at most {MAX_VIEWS} views of one person", code="view-many")
    row = {
        "owner": person,
        "name": name,
        "query": query_of(wanted),
        "shared": shared,
        "feed_token": secrets.token_urlsafe(TOKEN_BYTES),
        "made_at": now,
    }
    made = session.scalar(insert(SavedViewRow).values(**row).on_conflict_do_nothing().returning(SavedViewRow.id))
    if made is None:
        raise ViewError("expected a name that none of your views has", code="view-taken")
    audit.append(session, person, "view.saved", f"view/{made}", now)
    mark_seen(session, person, made, search_index.last_number(session))
    return get(session, person, made)


def list_views(session: Session, person: str) -> tuple[SavedView, ...]:
    """One's own and the shared ones, by name."""
    visible = or_(SavedViewRow.owner == person, SavedViewRow.shared.is_(True))
    rows = session.scalars(select(SavedViewRow).where(visible).order_by(func.lower(SavedViewRow.name), SavedViewRow.id))
    return tuple(map(_view, rows))


def get(session: Session, person: str, view_id: int) -> SavedView:
    """A view that somebody may see. Raises ViewError alike for one of others and for one that does not exist."""
    row = session.get(SavedViewRow, view_id)
    if row is None or (row.owner != person and not row.shared):
        raise ViewError("expected a view of yours, or a shared one", code="not-found")
    return _view(row)


def find_by_token(session: Session, token: str) -> SavedView | None:
    """The view whose feed has this secret."""
    row = session.scalars(select(SavedViewRow).where(SavedViewRow.feed_token == token)).first()
    return None if row is None else _view(row)


def rename(session: Session, person: str, view_id: int, name: str, *, shared: bool, now: datetime) -> None:
    """Give one's own view another name, or share it. Raises ViewError."""
    name = check_line(name, MAX_NAME_LETTERS, ViewError("expected a name of 1 to 60 letters", code="view-name"))
    taken = select(SavedViewRow.id).where(
        SavedViewRow.owner == person, SavedViewRow.name == name, SavedViewRow.id != view_id
    )
    if session.scalar(taken) is not None:
        raise ViewError("expected a name that none of your views has", code="view-taken")
    _change(session, person, view_id, {"name": name, "shared": shared}, "view.changed", now)


def renew_token(session: Session, person: str, view_id: int, now: datetime) -> None:
    """Give the feed another secret; the old address is dead from now on. Raises ViewError."""
    _change(session, person, view_id, {"feed_token": secrets.token_urlsafe(TOKEN_BYTES)}, "view.token-renewed", now)


def remove(session: Session, person: str, view_id: int, now: datetime) -> None:
    """Remove one's own view and its feed. Raises ViewError."""
    _check_own(session, person, view_id)
    session.execute(delete(ViewMarkRow).where(ViewMarkRow.view_id == view_id))
    session.execute(delete(SavedViewRow).where(SavedViewRow.id == view_id))
    audit.append(session, person, "view.removed", f"view/{view_id}", now)


def _change(session: Session, person: str, view_id: int, values: dict[str, object], action: str, now: datetime) -> None:
    _check_own(session, person, view_id)
    session.execute(update(SavedViewRow).where(SavedViewRow.id == view_id).values(**values))
    audit.append(session, person, action, f"view/{view_id}", now)


def _check_own(session: Session, person: str, view_id: int) -> None:
    row = session.get(SavedViewRow, view_id)
    if row is None or row.owner != person:
        raise ViewError("expected a view of yours", code="not-found")


def _view(row: SavedViewRow) -> SavedView:
    return SavedView(row.id, row.owner, row.name, row.query, row.shared, row.feed_token)


# --- what is new in a view -----------------------------------------------------------------------------------------


def mark_seen(session: Session, person: str, view_id: int, up_to: int) -> None:
    """Somebody has seen the view, with all items up to the number `up_to`."""
    statement = insert(ViewMarkRow).values(view_id=view_id, person_id=person, seen_up_to=up_to)
    higher = {"seen_up_to": func.max(ViewMarkRow.seen_up_to, up_to)}
    session.execute(statement.on_conflict_do_update(index_elements=["view_id", "person_id"], set_=higher))


def seen_up_to(session: Session, person: str, views: Sequence[SavedView]) -> dict[int, int]:
    """How far somebody has seen each of these views; one they never opened as far as they have read everything."""
    query = select(ViewMarkRow.view_id, ViewMarkRow.seen_up_to).where(
        ViewMarkRow.person_id == person, ViewMarkRow.view_id.in_([view.id for view in views])
    )
    marks = dict(session.execute(query).all())
    begin = reader.read_up_to(session, person)
    return {view.id: max(marks.get(view.id, 0), begin) for view in views}
