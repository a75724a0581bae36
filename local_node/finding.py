"""A page of the inbox: what fits words and filters, with what a card shows of it, for one reader. Nothing here writes.

With words the best come first. They are grouped and balanced as a search is (`library`), on every page anew, so that
neither successes nor failures hide behind the other; beyond CANDIDATES one needs better words. Otherwise the newest
come first, each on its own, as many as there are.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from local_node import balance, hub_client, inbox, library, reader, reading, search_index
from local_node.inbox_query import Order, Wanted
from local_node.lesson import Lesson
from local_node.library import Entry
from local_node.search_query import Filters, SearchError, match_all, match_any
from shared_schema.content import Surroundings
from shared_schema.evidence import Evidence
from shared_schema.statement import Kind

CARDS_A_PAGE = 20
CANDIDATES = 100
MAX_COUNTED = 1_000
"""A page says "more than 1,000" instead of counting them all."""
EACH_TIME = 2_000
"""Items that are read at once where all are wanted."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks, what their city is like, and its name where its own items are to be left out: they are no news."""

    person: str
    surroundings: Surroundings | None = None
    city: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """One entry of the page; `evidence` is for practices, `useful` how many people here find it so."""

    entry: Entry
    lesson: Lesson
    evidence: Evidence | None
    is_new: bool
    is_useful: bool
    useful: int


@dataclass(frozen=True, slots=True)
class Page:
    """`total` is exact unless `is_capped`. `every_word` is false when no item has all words, so these have some.

    `up_to` is the number of the item that arrived last before the page was made.
    """

    cards: tuple[Card, ...]
    total: int
    is_capped: bool
    has_more: bool
    every_word: bool
    up_to: int


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the index is asked."""

    match: str | None
    filters: Filters
    also: tuple[ColumnElement[bool], ...]


def find_page(session: Session, wanted: Wanted, who: Reader, now: datetime) -> Page:
    """One page of cards. Raises SearchError where `near` or `similar` asks what this node does not know."""
    asked, every_word = _ask(session, wanted, who)
    up_to = search_index.last_number(session)
    if wanted.terms and wanted.order is Order.BEST:
        entries, has_more, total = _best(session, asked, wanted, now)
    else:
        entries, has_more, total = _newest(session, asked, wanted, now)
    if total is None:
        total = search_index.count(session, asked.match, asked.filters, MAX_COUNTED + 1, also=asked.also)
    return Page(
        cards=_cards(session, entries, who),
        total=min(total, MAX_COUNTED),
        is_capped=total > MAX_COUNTED,
        has_more=has_more,
        every_word=every_word,
        up_to=up_to,
    )


def tally(session: Session, wanted: Wanted, who: Reader) -> Mapping[str, Counter[str]]:
    """How many of the items that fit have each code: `search_index.TALLIED`. Raises SearchError as `find_page` does.

    Cheap for as many as a page counts; for the whole index it takes its time (`Tallies`).
    """
    asked, _ = _ask(session, wanted, who)
    return search_index.tally(session, asked.match, asked.filters, also=asked.also)


class Tallies:
    """Remembers the counts over everything, which are on the page that is opened most, until the index has changed."""

    def __init__(self) -> None:
        self._known: tuple[tuple[int, str], Mapping[str, Counter[str]]] | None = None

    def of(self, session: Session, wanted: Wanted, who: Reader, page: Page) -> Mapping[str, Counter[str]]:
        """The counts beside the filters; none where counting would take long. Raises SearchError."""
        if wanted.asks_for_something:
            return {} if page.is_capped else tally(session, wanted, who)
        state = search_index.read_state(session)
        if self._known is None or self._known[0] != state:
            self._known = state, tally(session, wanted, who)
        return self._known[1]


def list_lessons(
    session: Session, wanted: Wanted, who: Reader, limit: int, *, after: int | None = None, up_to: int | None = None
) -> tuple[Lesson, ...]:
    """The newest that fit, for a feed, a file or an e-mail: those numbered above `after`, up to `up_to`.

    Raises SearchError as `find_page` does.
    """
    asked, _ = _ask(session, wanted, who)
    also = [*asked.also, *_arrived(after, up_to)]
    hits = search_index.find(session, asked.match, asked.filters, limit, also=also, newest=True)
    lessons = inbox.find_lessons(session, [hit.digest for hit in hits])
    return tuple(lessons[hit.digest] for hit in hits if hit.digest in lessons)


def each_lesson(session: Session, wanted: Wanted, who: Reader) -> Iterator[Lesson]:
    """All that fit, the newest first, EACH_TIME of them in memory. Raises SearchError as `find_page` does."""
    asked, _ = _ask(session, wanted, who)
    return _pages(session, asked)


def _pages(session: Session, asked: _Asked) -> Iterator[Lesson]:
    """From one page to the next by the last of the one before, so that the last page costs no more than the first."""
    hits = search_index.find(session, asked.match, asked.filters, EACH_TIME, also=asked.also, newest=True)
    while hits:
        lessons = inbox.find_lessons(session, [hit.digest for hit in hits])
        yield from (lessons[hit.digest] for hit in hits if hit.digest in lessons)
        also = (*asked.also, search_index.older_than(hits[-1]))
        hits = search_index.find(session, asked.match, asked.filters, EACH_TIME, also=also, newest=True)


def count_new(session: Session, wanted: Wanted, who: Reader, after: int, most: int) -> int:
    """How many items that fit have arrived after number `after`, as far as `most`. Raises as `find_page` does."""
    asked, _ = _ask(session, wanted, who, after=after)
    return search_index.count(session, asked.match, asked.filters, most, also=asked.also, after=after)


def _arrived(after: int | None, up_to: int | None) -> list[ColumnElement[bool]]:
    number = search_index.NUMBER
    return [
        *([number > after] if after is not None else []),
        *([number <= up_to] if up_to is not None else []),
    ]


# --- what the index is asked ---------------------------------------------------------------------------------------


def _ask(session: Session, wanted: Wanted, who: Reader, *, after: int = 0) -> tuple[_Asked, bool]:
    """With every word; with at least one where no item has them all."""
    asked = _Asked(
        match_all(wanted.terms) if wanted.terms else None, _filters(session, wanted, who), _also(wanted, who)
    )
    if len(wanted.terms) < 2 or search_index.count(
        session, asked.match, asked.filters, 1, also=asked.also, after=after
    ):
        return asked, True
    return replace(asked, match=match_any(wanted.terms)), False


def _also(wanted: Wanted, who: Reader) -> tuple[ColumnElement[bool], ...]:
    conditions: list[ColumnElement[bool]] = [] if who.city is None else [search_index.ORIGIN.is_not(who.city)]
    if wanted.unread:
        conditions.append(reader.is_unread(who.person))
    if wanted.useful:
        conditions.append(reader.is_useful(who.person))
    return tuple(conditions)


def _filters(session: Session, wanted: Wanted, who: Reader) -> Filters:
    filters = wanted.filters
    if wanted.similar:
        if who.surroundings is None:
            raise SearchError("expected city_size or urbanisation in the settings: similar to what?", code="similar")
        own = who.surroundings
        filters = replace(
            filters,
            sizes=filters.sizes or ((own.size,) if own.size else ()),
            urbanisations=filters.urbanisations or ((own.urbanisation,) if own.urbanisation else ()),
        )
    if wanted.near:
        hubs = hub_client.nearest_first(hub_client.list_hubs(session))
        if not hubs:
            raise SearchError("expected a hub, which says who is near", code="near")
        filters = replace(filters, authors=library.vouched_by(session, [hubs[0].name]))
    return filters


# --- a page --------------------------------------------------------------------------------------------------------


_Listed = tuple[tuple[Entry, ...], bool, int | None]
"""The entries of a page, whether there are more, and how many items there are in all where that is plain by now."""


def _best(session: Session, asked: _Asked, wanted: Wanted, now: datetime) -> _Listed:
    hits = search_index.find(session, asked.match, asked.filters, CANDIDATES, also=asked.also)
    entries = library.group_entries(hits, now)
    total = len(hits) if len(hits) < CANDIDATES else None
    first = (wanted.page - 1) * CARDS_A_PAGE
    has_more = len(entries) > first + CARDS_A_PAGE
    if asked.filters.outcomes:
        return entries[first : first + CARDS_A_PAGE], has_more, total
    pages = islice(balance.in_pages(entries, CARDS_A_PAGE), wanted.page - 1, wanted.page)
    return next(pages, ()), has_more, total


def _newest(session: Session, asked: _Asked, wanted: Wanted, now: datetime) -> _Listed:
    first, limit = (wanted.page - 1) * CARDS_A_PAGE, CARDS_A_PAGE + 1
    hits = search_index.find(session, asked.match, asked.filters, limit, also=asked.also, newest=True, offset=first)
    has_more = len(hits) > CARDS_A_PAGE
    total = None if has_more or (first and not hits) else first + len(hits)
    return library.list_entries(hits[:CARDS_A_PAGE], now), has_more, total


def _cards(session: Session, entries: Sequence[Entry], who: Reader) -> tuple[Card, ...]:
    digests = [entry.hit.digest for entry in entries]
    lessons = inbox.find_lessons(session, digests)
    practices = [lesson for lesson in lessons.values() if lesson.kind is Kind.PRACTICE]
    evidence = reading.evidence_of(session, practices)
    new = reader.unread_among(session, who.person, digests)
    mine = reader.useful_among(session, who.person, digests)
    useful = reader.count_useful(session, digests)
    return tuple(
        Card(
            entry=entry,
            lesson=lessons[entry.hit.digest],
            evidence=evidence.get(entry.hit.digest),
            is_new=entry.hit.digest in new,
            is_useful=entry.hit.digest in mine,
            useful=useful.get(entry.hit.digest, 0),
        )
        for entry in entries
        if entry.hit.digest in lessons
    )
