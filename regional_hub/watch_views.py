"""Saved views of the trend watch: a choice of alerts with a name, of one account.

A view has a feed, whose address carries a secret, because feed readers cannot sign in (ADR 22 says why the secret is
kept as it is). Whoever has the address reads the feed as far as the view's owner may; a new secret ends the old one.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from regional_hub import audit
from regional_hub.deliveries import PERSON, new_row
from regional_hub.delivery_rules import DeliveryState
from regional_hub.orm import AccountRow, DeliveryRow, WatchViewRow
from regional_hub.watch_filter import WatchFilter, parse_filter
from shared_schema.errors import ProgramError
from shared_schema.text_marks import check_line

MAX_VIEWS: Final = 20
"""Of one account; a list that is longer is not looked through any more."""
MAX_NAME_LETTERS: Final = 60
TOKEN_BYTES: Final = 24
"""192 bits: nobody guesses an address."""
VIEW: Final = "view"
"""The topic of an e-mail with the alerts of a view."""
LAST_ID: Final = 2**63 - 1
"""Neither database can be asked for a number beyond."""
MAIL_EVERY: Final = timedelta(days=1)
"""Of one view at most."""


class ViewError(ProgramError):
    """This view cannot be saved, changed or found."""

    code = "view"


@dataclass(frozen=True, slots=True)
class WatchView:
    """A view of `owner`. `mailed_up_to`: what was said until then needs no e-mail; None where none is wanted."""

    id: int
    owner: str
    name: str
    query: str
    feed_token: str
    off_token: str
    mailed_up_to: datetime | None
    made_at: datetime

    @property
    def mark(self) -> str:
        """What no other view has ever: SQLite gives the number of a removed one again."""
        return f"{self.id}-{int(self.made_at.timestamp())}"

    @property
    def wanted(self) -> WatchFilter:
        """What the view asks for. Raises HubError where a release before knew a choice that this one does not."""
        return parse_filter(parse_qsl(self.query))


def query_of(wanted: WatchFilter) -> str:
    """The one spelling of a choice in an address."""
    return urlencode(wanted.pairs())


def save(session: Session, owner: str, name: str, wanted: WatchFilter, now: datetime) -> WatchView:
    """Save a view. Raises ViewError: no name, one that is taken, too many views."""
    name = check_line(name, MAX_NAME_LETTERS, ViewError("expected a name of 1 to 60 letters", code="view-name"))
    # Whoever saves a view holds the own account: of two forms at once the second one counts what the first has saved.
    session.execute(select(AccountRow.person_id).where(AccountRow.person_id == owner).with_for_update())
    names = session.scalars(select(WatchViewRow.name).where(WatchViewRow.owner == owner)).all()
    if len(names) >= MAX_VIEWS:
        raise ViewError(f"expected at most {MAX_VIEWS} views of one account", code="view-many")
    if name in names:
        raise ViewError("expected a name that none of your views has", code="view-taken")
    row = WatchViewRow(
        owner=owner,
        name=name,
        query=query_of(wanted),
        feed_token=secrets.token_urlsafe(TOKEN_BYTES),
        off_token=secrets.token_urlsafe(TOKEN_BYTES),
        made_at=now,
    )
    session.add(row)
    session.flush()
    audit.record(session, owner, "view-saved", f"view/{row.id}", now)
    return _view(row)


def list_views(session: Session, owner: str) -> tuple[WatchView, ...]:
    """Somebody's views, by name."""
    own = select(WatchViewRow).where(WatchViewRow.owner == owner)
    return tuple(map(_view, session.scalars(own.order_by(func.lower(WatchViewRow.name), WatchViewRow.id))))


def find_view(session: Session, view: int) -> WatchView | None:
    """A view by its number."""
    row = session.get(WatchViewRow, view)
    return None if row is None else _view(row)


def find_by_feed_token(session: Session, token: str) -> WatchView | None:
    """The view whose feed has this secret."""
    row = session.scalars(select(WatchViewRow).where(WatchViewRow.feed_token == token)).first()
    return None if row is None else _view(row)


def find_by_off_token(session: Session, token: str) -> WatchView | None:
    """The view whose e-mails the link in one of them ends."""
    row = session.scalars(select(WatchViewRow).where(WatchViewRow.off_token == token)).first()
    return None if row is None else _view(row)


def renew_feed(session: Session, owner: str, view: int, now: datetime) -> None:
    """Give the feed another secret; the old address is dead from now on. Raises ViewError."""
    _own(session, owner, view).feed_token = secrets.token_urlsafe(TOKEN_BYTES)
    audit.record(session, owner, "view-feed-renewed", f"view/{view}", now)


def remove(session: Session, owner: str, view: int, now: datetime) -> None:
    """Remove one's own view, its feed and its e-mails. Raises ViewError."""
    row = _own(session, owner, view)
    _drop_waiting(session, view, now)
    session.delete(row)
    audit.record(session, owner, "view-removed", f"view/{view}", now)


def choose_mail(session: Session, owner: str, view: int, now: datetime, *, wanted: bool) -> None:
    """Have an e-mail of what is said from now on, or none. Raises ViewError."""
    row = _own(session, owner, view)
    if (row.mailed_up_to is not None) == wanted:
        return
    row.mailed_up_to, row.next_mail_at = (now, now) if wanted else (None, None)
    if not wanted:
        _drop_waiting(session, view, now)
    audit.record(session, owner, "view-mail-on" if wanted else "view-mail-off", f"view/{view}", now)


def end_by_token(session: Session, token: str, now: datetime) -> bool:
    """End the e-mails that a link belongs to; False for a link that belongs to none any more. Twice is once."""
    found = find_by_off_token(session, token)
    if found is None:
        return False
    choose_mail(session, found.owner, found.id, now, wanted=False)
    return True


# --- whose e-mail is due ---------------------------------------------------------------------------------------------


def list_due(session: Session, now: datetime) -> tuple[WatchView, ...]:
    """The views whose owners want e-mails, and whose last one is a day ago."""
    due = select(WatchViewRow).where(WatchViewRow.mailed_up_to.is_not(None), WatchViewRow.next_mail_at <= now)
    return tuple(map(_view, session.scalars(due.order_by(WatchViewRow.id))))


def queue_mail(session: Session, view: WatchView, up_to: datetime, now: datetime) -> bool:
    """Queue an e-mail of what was said after the last one, up to a moment; False when another run did it already."""
    moved = session.execute(
        update(WatchViewRow)
        .where(WatchViewRow.id == view.id, WatchViewRow.mailed_up_to == view.mailed_up_to)
        .values(mailed_up_to=up_to, next_mail_at=now + MAIL_EVERY)
        .execution_options(synchronize_session=False)
    )
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        return False
    about = {"view_id": view.id, "person_id": view.owner, "after": view.mailed_up_to, "up_to": up_to}
    session.add(new_row(PERSON, VIEW, now, **about))
    return True


def _drop_waiting(session: Session, view: int, now: datetime) -> None:
    session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.view_id == view, DeliveryRow.state == DeliveryState.WAITING)
        .values(state=DeliveryState.DROPPED.value, finished_at=now)
        .execution_options(synchronize_session=False)
    )


def _own(session: Session, owner: str, view: int) -> WatchViewRow:
    row = session.get(WatchViewRow, view) if 0 < view <= LAST_ID else None
    if row is None or row.owner != owner:
        raise ViewError("expected a view of yours", code="not-found")
    return row


def _view(row: WatchViewRow) -> WatchView:
    tokens = (row.feed_token, row.off_token)
    return WatchView(row.id, row.owner, row.name, row.query, *tokens, row.mailed_up_to, row.made_at)
