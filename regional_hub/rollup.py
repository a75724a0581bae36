"""What one direct member has for a period: its own release, or the shorter ones that make it up.

All of it is post-processing of what was released, so it costs no privacy. A city's corrections are added to the release
that they correct. A quarter or a year without a release of its own is the sum of the shorter periods in it, when all
of them are there. A city that has both (a tree, where months and the year share the epsilon) gets the mean of the two,
weighted with the inverse of their variances (Hay, Rastogi, Miklau, Suciu 2010, "Boosting the accuracy of
differentially private histograms through consistency", section 4).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from shared_schema.laplace import Noise, rounding_variance_milli, variance_milli
from shared_schema.period import Period, parse_period
from shared_schema.trend import (
    MAX_ABSOLUTE_VALUE,
    MAX_VARIANCE_MILLI,
    AggregateBody,
    AggregateCell,
    CellStatus,
    Coverage,
    LaplaceMechanism,
    Mechanism,
    NoiseShare,
    ReleasedCell,
    ShownPart,
    TrendBody,
)
from shared_schema.vocabulary import SourceKind

ROUNDED_MEAN_MILLI = 84
"""A weighted mean is rounded to a whole number. What that takes away is spread evenly over -1/2 .. 1/2: 1/12, rounded
up, is added to the variance."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One direct member's figures for a table and period, and the digest of the statement that holds them."""

    member: str
    digest: str
    body: TrendBody | AggregateBody


class Token(NamedTuple):
    """What can be told apart in a sum: a statement of a city by its digest, or a part of a hub's sum by its number.

    A figure that is made of several statements in another way than by adding has all their digests, with `+` between.
    """

    member: str
    name: str
    cities: int

    @property
    def is_of_hub(self) -> bool:
        return self.name.startswith("#")


@dataclass(frozen=True, slots=True)
class Part:
    """A token with its noisy value and the variance of that; a `change` (a correction) can be below 0."""

    token: Token
    value: int
    variance_milli: int
    change: bool = False


class Sealed(NamedTuple):
    """What of a term comes out of sealed totals, which anybody can add up from the log."""

    cities: int
    estimate: int
    variance_milli: int
    noise: tuple[Noise, ...] | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """What one member puts into one cell. `cities` is 0 when it has nothing; `noise` None when it is not known."""

    status: CellStatus
    cities: int = 0
    estimate: int = 0
    variance_milli: int = 0
    noise: tuple[Noise, ...] | None = ()
    parts: tuple[Part, ...] = ()
    suppressed: int = 0
    suppressed_high: int = 0
    tells: bool = False
    """Whether `suppressed_high` may be made of released figures."""
    shown: ShownPart | None = None
    sealed: Sealed | None = None

    def at_most(self, cities: int) -> "Term":
        """The same figure, of no more cities than these. What claims more of them in a sealed total is none."""
        sealed = None if self.sealed is None or self.sealed.cities > cities else self.sealed
        return replace(self, cities=min(self.cities, cities), sealed=sealed)

    def without_sealed(self) -> "Term":
        """What is left of it beside the sealed totals."""
        part = self.sealed
        if part is None:
            return self
        if part.cities >= self.cities:
            return Term("L", suppressed=self.suppressed, suppressed_high=self.suppressed_high, tells=self.tells)
        shown = None
        if self.shown is not None and self.shown.contributors > part.cities:
            cities, estimate = self.shown.contributors - part.cities, self.shown.estimate - part.estimate
            shown = ShownPart(contributors=cities, estimate=estimate)
        return replace(
            self,
            cities=self.cities - part.cities,
            estimate=self.estimate - part.estimate,
            variance_milli=self.variance_milli - part.variance_milli,
            noise=None,
            shown=shown,
            sealed=None,
        )


@dataclass(frozen=True, slots=True)
class Share:
    """One member's terms for a table and period, in the order of the grid, and whom they come from."""

    member: str
    is_hub: bool
    source_kind: SourceKind
    terms: tuple[Term, ...]
    cities: Coverage
    agencies: Coverage
    rolled_up: int = 0
    mixed: bool = False
    """Whether its periods have several source kinds; `source_kind` is then that of the first."""
    batches: tuple[str, ...] = ()
    """The batches that this hub has opened, where the share is their total and no member's."""

    @property
    def is_of_city(self) -> bool:
        return not self.is_hub and not self.batches

    @property
    def is_sealed(self) -> bool:
        """Whether there is nothing in it but sealed totals."""
        return all(term.sealed is not None and term.sealed.cities == term.cities for term in self.terms)

    def at_most(self, cities: int) -> "Share":
        """The same figures, of no more cities than these."""
        return replace(self, terms=tuple(term.at_most(cities) for term in self.terms))

    def without_sealed(self) -> "Share | None":
        """What is left of it beside the sealed totals; None when that is nothing."""
        if self.is_sealed:
            return None
        return replace(self, terms=tuple(term.without_sealed() for term in self.terms))


def parts_of(label: str) -> tuple[str, ...]:
    """The labels of the next shorter periods: a year's quarters, a quarter's months, nothing for a month."""
    if "Q" in label:
        year, quarter = label.split("-Q")
        return tuple(f"{year}-{month:02d}" for month in range(3 * int(quarter) - 2, 3 * int(quarter) + 1))
    return () if "-" in label else tuple(f"{label}-Q{quarter}" for quarter in range(1, 5))


def labels_of_year(year: str) -> tuple[str, ...]:
    """Its months, its quarters, and the year itself."""
    quarters = parts_of(year)
    return (*(month for quarter in quarters for month in parts_of(quarter)), *quarters, year)


def longer_than(label: str) -> tuple[str, ...]:
    """The labels of the longer periods that a period is in, the shorter of them first."""
    period = parse_period(label)
    year, quarter = label[:4], f"{label[:4]}-Q{(period.first_day.month + 2) // 3}"
    return {"month": (quarter, year), "quarter": (year,), "year": ()}[period.granularity]


def shares_of(contributions: Sequence[Contribution], period: Period, *, stock: bool = False) -> list[Share]:
    """A share of every member that has a release of the period, or of all the periods in it.

    A `stock` (how many there are) is never added up over time.
    """
    by_member: defaultdict[str, defaultdict[str, list[Contribution]]] = defaultdict(lambda: defaultdict(list))
    for item in contributions:
        by_member[item.member][item.body.period.label].append(item)
    shares = (_find_share(periods, period.label, stock) for periods in by_member.values())
    return [share for share in shares if share is not None]


def _find_share(periods: Mapping[str, Sequence[Contribution]], label: str, stock: bool) -> Share | None:
    own = _find_own(periods.get(label, ()))
    if stock or (own is not None and own.is_hub):
        return own
    labels = parts_of(label)
    parts = [part for each in labels if (part := _find_share(periods, each, stock)) is not None and not part.is_hub]
    if not labels or len(parts) < len(labels):
        return own
    rolled = _chain(parts)
    return rolled if own is None else _weigh(own, rolled)


def _find_own(contributions: Sequence[Contribution]) -> Share | None:
    """The release of the very period with its corrections; None when there are corrections alone."""
    for item in contributions:
        if isinstance(item.body, AggregateBody):
            return _share_of_hub(item, item.body)
    releases = [item for item in contributions if isinstance(item.body, TrendBody)]
    release = next((item for item in releases if _correction(item) is None), None)
    if release is None or not isinstance(release.body, TrendBody):
        return None
    bodies = [(item.digest, item.body) for item in releases if isinstance(item.body, TrendBody)]
    ordered = sorted(bodies, key=lambda pair: pair[1].correction or 0)
    terms = tuple(_add_corrections(release.member, ordered, place) for place in range(len(release.body.cells)))
    one_city = Coverage(reporting=1, expected=1)
    return Share(release.member, False, release.body.source_kind, terms, one_city, release.body.coverage)


def _correction(item: Contribution) -> int | None:
    return item.body.correction if isinstance(item.body, TrendBody) else None


def _add_corrections(member: str, bodies: Sequence[tuple[str, TrendBody]], place: int) -> Term:
    """A cell that the release itself does not have cannot be corrected."""
    release, *corrections = (_term_of_city(member, digest, body, place) for digest, body in bodies)
    known = [term for term in corrections if term.cities]
    return _join([release, *known]) if release.cities and (known or _is_too_large(release)) else release


def _term_of_city(member: str, digest: str, body: TrendBody, place: int) -> Term:
    cell: ReleasedCell = body.cells[place]
    if cell.value is None:
        hidden = cell.status == "Q"
        return Term(cell.status, suppressed=int(hidden), suppressed_high=(cell.high or 0) if hidden else 0)
    noise, spread = _noise_of(body.mechanism)
    value = cell.value + _lift(cell.value, body.mechanism)
    part = Part(Token(member, digest, 1), value, spread, change=body.correction is not None)
    return Term(cell.status, 1, value, spread, (noise,), (part,))


def _lift(value: int, mechanism: Mechanism) -> int:
    """What the least rounded figure is too low by: 10 stands for 10, 11 and 12, as 8 and 9 would be suppressed."""
    if isinstance(mechanism, LaplaceMechanism):
        return 0
    reach = mechanism.base // 2
    lowest = max(value - reach, mechanism.threshold)
    return max(0, (lowest + value + reach + 1) // 2 - value)


def _noise_of(mechanism: Mechanism) -> tuple[Noise, int]:
    if isinstance(mechanism, LaplaceMechanism):
        return _draw_of(mechanism.scale.numerator, mechanism.scale.denominator)
    return Noise(mechanism.base, 1), rounding_variance_milli(mechanism.base)


@lru_cache(maxsize=256)
def _draw_of(numerator: int, denominator: int) -> tuple[Noise, int]:
    """One draw of a scale, the same object for the same scale: most cities have the policy's."""
    scale = Fraction(numerator, denominator)
    return Noise(scale, 1), variance_milli(scale)


def _share_of_hub(item: Contribution, body: AggregateBody) -> Share:
    terms = tuple(_term_of_hub(cell, body) for cell in body.cells)
    return Share(item.member, True, body.source_kind, terms, body.coverage, body.agencies, body.rolled_up or 0)


def _term_of_hub(cell: AggregateCell, body: AggregateBody) -> Term:
    bare = Term(
        cell.status,
        suppressed=cell.suppressed or 0,
        suppressed_high=cell.suppressed_high or 0,
        tells=cell.suppressed is not None,
        shown=cell.shown,
    )
    if cell.estimate is None or cell.variance_milli is None or not cell.contributors:
        return bare
    if cell.noise is not None:
        noise: tuple[Noise, ...] | None = tuple(_read_noise(each) for each in cell.noise)
    else:  # a hub from before version 0.2 says only the one scale of all
        noise = None if body.scale is None else (Noise(body.scale.to_fraction(), cell.contributors),)
    return replace(
        bare,
        cities=cell.contributors,
        estimate=cell.estimate,
        variance_milli=cell.variance_milli,
        noise=noise,
        sealed=_sealed_of_hub(cell, body, noise),
    )


def _sealed_of_hub(cell: AggregateCell, body: AggregateBody, noise: tuple[Noise, ...] | None) -> Sealed | None:
    part = body.sealed_part_of(cell)
    if part is None:
        return None
    whole = part.contributors == cell.contributors
    return Sealed(part.contributors, part.estimate, part.variance_milli, noise if whole else None)


def _read_noise(share: NoiseShare) -> Noise:
    return Noise(share.base or 5 if share.scale is None else share.scale.to_fraction(), share.draws)


def add_noise(kinds: Iterable[tuple[Noise, ...] | None]) -> tuple[Noise, ...] | None:
    """All of it, each source once; None as soon as one part is not known."""
    kinds = list(kinds)
    if (source := _only_source(kinds)) is not None:
        return (Noise(source, sum(kind[0].draws for kind in kinds if kind)),)
    total: Counter[tuple[bool, Fraction | int]] = Counter()  # a base of 5 equals a scale of 5, and is none
    for kind in kinds:
        if kind is None:
            return None
        for noise in kind:
            total[isinstance(noise.source, int), noise.source] += noise.draws
    return tuple(Noise(source, draws) for (_, source), draws in sorted(total.items()))


def _only_source(kinds: Sequence[tuple[Noise, ...] | None]) -> Fraction | int | None:
    """The one source of all of them where it is the very same object: nothing is compared or hashed for it."""
    source = kinds[0][0].source if kinds and kinds[0] else None
    alike = source is not None and all(kind and len(kind) == 1 and kind[0].source is source for kind in kinds)
    return source if alike else None


def worst_status(statuses: Iterable[CellStatus]) -> CellStatus:
    """A break or another definition in one part is one in the sum."""
    found = set(statuses)
    return "D" if "D" in found else "B" if "B" in found else "A"


def _join(terms: Sequence[Term]) -> Term:
    """The sum of one city's terms, all of which have a value.

    What is larger than any city's figure can be is none: the hub above would refuse the sum of all cities with it.
    """
    joined = Term(
        worst_status(term.status for term in terms),
        1,
        sum(term.estimate for term in terms),
        sum(term.variance_milli for term in terms),
        add_noise([term.noise for term in terms]),
        tuple(part for term in terms for part in term.parts),
    )
    return Term("L") if _is_too_large(joined) else joined


def _is_too_large(term: Term) -> bool:
    return abs(term.estimate) > MAX_ABSOLUTE_VALUE or term.variance_milli > MAX_VARIANCE_MILLI


def _chain(parts: Sequence[Share]) -> Share:
    """One city's shorter periods, all there, as the longer one."""
    terms = tuple(_chain_cell(cell) for cell in zip(*(part.terms for part in parts), strict=True))
    agencies = Coverage(
        reporting=min(part.agencies.reporting for part in parts), expected=max(part.agencies.expected for part in parts)
    )
    return replace(parts[0], terms=terms, agencies=agencies, rolled_up=1, mixed=are_mixed(parts))


def are_mixed(shares: Sequence[Share]) -> bool:
    return any(share.mixed for share in shares) or len({share.source_kind for share in shares}) > 1


def _chain_cell(terms: Sequence[Term]) -> Term:
    """A cell that is missing in one of the periods is missing in the longer one; a suppressed one has bounds."""
    if all(term.cities for term in terms):
        return _join(terms)
    if any(term.suppressed for term in terms) and all(term.suppressed or term.cities for term in terms):
        high = sum(term.suppressed_high if term.suppressed else _most(term) for term in terms)
        return Term("Q", suppressed=1, suppressed_high=high, tells=any(term.cities or term.tells for term in terms))
    return Term("L")


def _most(term: Term) -> int:
    """What a figure can be at most as far as rounding goes; noise has no bound, and stays what it is."""
    hidden = sum(noise.draws * (noise.source // 2) for noise in term.noise or () if isinstance(noise.source, int))
    return max(0, term.estimate) + hidden


def _weigh(own: Share, rolled: Share) -> Share:
    terms = tuple(_weigh_cell(*pair) for pair in zip(own.terms, rolled.terms, strict=True))
    return replace(own, terms=terms, mixed=are_mixed([own, rolled]))


def _weigh_cell(own: Term, rolled: Term) -> Term:
    if not (own.cities and rolled.cities and own.variance_milli and rolled.variance_milli):
        return own if own.cities or not rolled.cities else rolled
    both = own.variance_milli + rolled.variance_milli
    weighted = own.estimate * rolled.variance_milli + rolled.estimate * own.variance_milli
    value = round(Fraction(weighted, both))  # halves go to the even neighbour, so the rounding has no bias
    spread = own.variance_milli * rolled.variance_milli // both + ROUNDED_MEAN_MILLI
    first = own.parts[0].token
    names = sorted({part.token.name for part in (*own.parts, *rolled.parts)})
    part = Part(Token(first.member, "+".join(names), 1), value, spread)
    return Term(worst_status([own.status, rolled.status]), 1, value, spread, None, (part,))
