"""What somebody wants to see of the inbox, as the address of a page says it, and back.

    wanted = parse_wanted([("q", "school"), ("outcome", "harm"), ("page", "2")])
    wanted.pairs()                   [("q", "school"), ("outcome", "harm"), ("page", "2")]

`pairs` is canonical: the same wish always has the same address, whatever order and case it came in. A field that is
empty asks for nothing, because a form sends all its fields.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import TypeVar, get_args

from local_node.search_query import Filters, SearchError, Term, parse_words
from shared_schema.content import CitySize, Urbanisation
from shared_schema.statement import Kind
from shared_schema.vocabulary import AgencyType, EvidenceLevel, Outcome, Phenomenon, PreventionLevel, Setting

MAX_PAGE = 1_000_000
"""Beyond it lies nothing, and at some point a number that no database takes."""
MAX_CODE_LETTERS = 40
MAX_CHOSEN = 40
"""Values of one filter; no list of the vocabulary that can be chosen from is longer."""
WORD_KINDS = (Kind.PRACTICE, Kind.EXPERIENCE, Kind.BULLETIN, Kind.QUESTION, Kind.ANSWER)
SWITCHES = ("near", "similar", "unread", "useful")
Choice = TypeVar("Choice", bound=StrEnum)


class Order(StrEnum):
    BEST = "best"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Words and filters, who it is for, the order and the page.

    `near` (what members of our own hub say), `similar` (cities like ours), `unread` and `useful` need to know who asks.
    """

    words: str = ""
    terms: tuple[Term, ...] = ()
    filters: Filters = field(default_factory=Filters)
    near: bool = False
    similar: bool = False
    unread: bool = False
    useful: bool = False
    order: Order = Order.BEST
    page: int = 1

    @property
    def asks_for_something(self) -> bool:
        """Whether there is anything to loosen."""
        return replace(self, order=Order.BEST, page=1) != Wanted()

    def pairs(self) -> list[tuple[str, str]]:
        """The fields of the address, in one order, without what is as if nobody had asked."""
        filters = self.filters
        lists: Sequence[tuple[str, Sequence[str]]] = (
            ("q", [self.words] if self.words else []),
            ("kind", sorted(filters.kinds)),
            ("phenomenon", sorted(filters.phenomena)),
            ("outcome", sorted(filters.outcomes)),
            ("level", sorted(filters.levels)),
            ("setting", sorted(filters.settings)),
            ("agency", sorted(filters.agencies)),
            ("evidence", [] if filters.least_evidence is None else [str(filters.least_evidence)]),
            ("language", [filters.language] if filters.language else []),
            ("area", [filters.area] if filters.area else []),
            ("size", sorted(filters.sizes)),
            ("urbanisation", sorted(filters.urbanisations)),
            ("from", [filters.since] if filters.since else []),
            ("to", [filters.until] if filters.until else []),
            *((name, ["1"] if getattr(self, name) else []) for name in SWITCHES),
            ("sort", [self.order.value] if self.order is not Order.BEST else []),
            ("page", [str(self.page)] if self.page > 1 else []),
        )
        return [(name, value) for name, values in lists for value in values]

    def without(self, name: str, value: str | None = None) -> "Wanted":
        """The same without one field, or one value of it, from the first page on."""
        left = [
            (field, each)
            for field, each in self.pairs()
            if field != "page" and not (field == name and value in (None, each))
        ]
        return parse_wanted(left)


def parse_wanted(pairs: Iterable[tuple[str, str]]) -> Wanted:
    """Read the fields of an address; unknown fields are left to others.

    Raises SearchError that says what was expected.
    """
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        if value := value.strip():
            given.setdefault(name, []).append(value)
    if any(len(values) > MAX_CHOSEN for values in given.values()):
        raise SearchError(f"expected at most {MAX_CHOSEN} values of one filter")
    words = _last(given, "q") or ""
    since, until = _day(given, "from"), _day(given, "to")
    if since and until and since > until:
        raise SearchError("expected the first day before the last one")
    least = _last(given, "evidence")
    filters = Filters(
        kinds=_word_kinds(given),
        phenomena=_choices(given, "phenomenon", Phenomenon),
        outcomes=_choices(given, "outcome", Outcome),
        levels=_choices(given, "level", PreventionLevel),
        settings=_choices(given, "setting", Setting),
        agencies=_choices(given, "agency", AgencyType),
        least_evidence=None if least is None else int(_choose("evidence", least, list(EvidenceLevel))),
        language=_code(given, "language").lower() or None,
        area=_code(given, "area").upper() or None,
        sizes=_terms(given, "size", get_args(CitySize)),
        urbanisations=_terms(given, "urbanisation", get_args(Urbanisation)),
        since=since,
        until=until,
    )
    return Wanted(
        words=" ".join(words.split()),
        terms=parse_words(words),
        filters=filters,
        near="near" in given,
        similar="similar" in given,
        unread="unread" in given,
        useful="useful" in given,
        order=Order(_choose("sort", _last(given, "sort") or Order.BEST.value, list(Order))),
        page=_page(given),
    )


def _last(given: dict[str, list[str]], name: str) -> str | None:
    return given[name][-1] if name in given else None


def _choose(name: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise SearchError(f"expected {name} as one of {', '.join(known)}")
    return value


def _choices(given: dict[str, list[str]], name: str, kinds: type[Choice]) -> tuple[Choice, ...]:
    chosen = {kinds(_choose(name, value, list(kinds))) for value in given.get(name, ())}
    return tuple(sorted(chosen))


def _word_kinds(given: dict[str, list[str]]) -> tuple[Kind, ...]:
    chosen = {Kind(_choose("kind", value, WORD_KINDS)) for value in given.get("kind", ())}
    return tuple(sorted(chosen))


def _terms(given: dict[str, list[str]], name: str, known: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({_choose(name, value, known) for value in given.get(name, ())}))


def _code(given: dict[str, list[str]], name: str) -> str:
    value = _last(given, name) or ""
    if value and not (len(value) <= MAX_CODE_LETTERS and value.isascii() and value.replace("-", "").isalnum()):
        raise SearchError(f"expected {name} as a code of letters and digits")
    return value


def _day(given: dict[str, list[str]], name: str) -> str | None:
    value = _last(given, name)
    if value is None:
        return None
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise SearchError(f"expected {name} as a day, for example 2026-11-22") from None


def _page(given: dict[str, list[str]]) -> int:
    value = _last(given, "page") or "1"
    if not (value.isascii() and value.isdigit() and len(value) <= 7 and 1 <= int(value) <= MAX_PAGE):
        raise SearchError(f"expected a page from 1 to {MAX_PAGE}", code="not-found")
    return int(value)
