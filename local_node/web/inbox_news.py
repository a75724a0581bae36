"""What is new in each saved view, for the badges: counted anew only when something has changed."""

from typing import Final

from sqlalchemy.orm import Session

from local_node import finding, saved_views, search_index
from local_node.finding import Reader
from local_node.saved_views import SavedView
from local_node.search_query import SearchError

MAX_NEWS: Final = 100
MAX_PEOPLE: Final = 200
"""Whose badges are remembered; more people than work with any node at a time."""
WithNews = list[tuple[SavedView, int]]
_State = tuple[tuple[int, str], tuple[SavedView, ...], tuple[tuple[int, int], ...]]


class News:
    """Remembers a person's badges for as long as the index, the views and what was seen of them stay the same."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[_State, WithNews]] = {}

    def of(self, session: Session, who: Reader) -> WithNews:
        """The views that somebody can see, each with how many items are new in it, as far as MAX_NEWS."""
        views = saved_views.list_views(session, who.person)
        seen = saved_views.seen_up_to(session, who.person, views)
        state: _State = search_index.read_state(session), views, tuple(seen.items())
        known = self._known.get(who.person)
        if known is not None and known[0] == state:
            return known[1]
        found = [(view, _count(session, view, who, seen[view.id])) for view in views]
        if len(self._known) >= MAX_PEOPLE:
            self._known.clear()
        self._known[who.person] = state, found
        return found


def _count(session: Session, view: SavedView, who: Reader, after: int) -> int:
    try:
        return finding.count_new(session, view.wanted, who, after, MAX_NEWS)
    except SearchError:
        return 0  # a filter of an older release, or a setting that was taken away
