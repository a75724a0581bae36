"""The lists of what came from other cities: what a search finds, and the digest of the newest. Only `catch_up` writes.

Both successes and failures are in every list, unless somebody asks for one side. Items that say the same are one entry,
which names the others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from local_node import balance, inbox, search_index
from local_node.freshness import Freshness, freshness_of
from local_node.likeness import group
from local_node.search_index import Hit
from local_node.search_query import Filters, Term, match_all, match_any
from shared_schema.errors import ContractError
from shared_schema.names import format_time
from shared_schema.statement import Kind
from shared_schema.vocabulary import Outcome

MAX_LISTED = 50
CANDIDATES = 60
"""The best so many are grouped and balanced; what ranks below them is not seen without better words."""
DIGEST_KINDS = (Kind.PRACTICE, Kind.EXPERIENCE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list: the best of a group, how it stands now, and the others that say the same."""

    hit: Hit
    freshness: Freshness
    alike: tuple[Hit, ...]

    @property
    def outcomes(self) -> frozenset[Outcome]:
        """Of the whole group, so that grouping hides no failure."""
        return self.hit.outcomes.union(*(other.outcomes for other in self.alike))


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found. `every_word` is false when no item has all words, so these have at least one."""

    entries: tuple[Entry, ...]
    every_word: bool = True


@dataclass(frozen=True, slots=True)
class Digest:
    """The newest lessons. `older` are those that had to be taken from before the period, so that no side is missing."""

    entries: tuple[Entry, ...]
    older: frozenset[str] = field(default_factory=frozenset)


def catch_up(session: Session) -> int:
    """Bring the index in line with the inbox, for a node from an older release; returns how many items came in.

    What the contract of this release cannot read is left out.
    """
    search_index.drop_strangers(session)
    count = 0
    for digest in search_index.list_missing(session):
        try:
            lesson = inbox.find_lesson(session, digest)
        except ContractError:
            continue
        if lesson is not None:
            search_index.add(session, [lesson])
            count += 1
    return count


# --- lists ---------------------------------------------------------------------------------------------------------


def search(session: Session, terms: tuple[Term, ...], filters: Filters, *, limit: int, now: datetime) -> Found:
    """The best items with every word; with at least one word when there are none. Without words the newest."""
    hits = search_index.find(session, match_all(terms) if terms else None, filters, CANDIDATES)
    every_word = bool(hits) or len(terms) < 2
    if not every_word:
        hits = search_index.find(session, match_any(terms), filters, CANDIDATES)
    entries = group_entries(hits, now)
    return Found(entries[:limit] if filters.outcomes else balance.choose(entries, limit), every_word)


def digest(session: Session, *, days: int, limit: int, now: datetime) -> Digest:
    """The newest practices and experiences of `days` days, and some of either side from before where it lacks."""
    wide = Filters(kinds=DIGEST_KINDS)
    sides = [replace(wide, outcomes=tuple(sorted(side))) for side in (balance.SUCCESSES, balance.FAILURES)]
    hits = {
        hit.digest: hit for filters in (wide, *sides) for hit in search_index.find(session, None, filters, CANDIDATES)
    }
    ranked = sorted(hits.values(), key=lambda hit: (hit.issued_at, hit.digest), reverse=True)
    first_day = format_time(now - timedelta(days=days))
    recent = [hit for hit in ranked if hit.issued_at >= first_day]
    chosen = balance.choose(group_entries(_fill(recent, ranked), now), limit)
    return Digest(chosen, frozenset(entry.hit.digest for entry in chosen if entry.hit.issued_at < first_day))


def _fill(recent: Sequence[Hit], ranked: Sequence[Hit]) -> list[Hit]:
    """The recent ones, and the newest older success or failure where they have none."""
    missing = [
        next((hit for hit in ranked if hit.outcomes & side), None)
        for side in (balance.SUCCESSES, balance.FAILURES)
        if not any(hit.outcomes & side for hit in recent)
    ]
    return [*recent, *(hit for hit in missing if hit is not None)]


def list_entries(hits: Sequence[Hit], now: datetime) -> tuple[Entry, ...]:
    """The hits as entries, each on its own."""
    return tuple(Entry(hit, freshness_of(hit.review_by, archived=hit.archived, now=now), ()) for hit in hits)


def group_entries(hits: Sequence[Hit], now: datetime) -> tuple[Entry, ...]:
    """The hits as entries, those that say the same as one."""
    groups = group([hit.likeness for hit in hits])
    return tuple(
        Entry(
            hits[places[0]],
            freshness_of(hits[places[0]].review_by, archived=hits[places[0]].archived, now=now),
            tuple(hits[place] for place in places[1:]),
        )
        for places in groups
    )


def vouched_by(session: Session, hubs: Iterable[str]) -> tuple[str, ...]:
    """The authors of our own region: for whom these hubs vouch, and the hubs themselves, who relay."""
    return tuple(sorted({*hubs, *(member for hub in hubs for member in inbox.members_of(session, hub))}))
