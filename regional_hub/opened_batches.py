"""Opened batches as one share of a sum. Plain functions of their arguments.

A sealed total (docs/sealed_totals.md) has no member that put it in: it is one contribution for its table and period,
with the noise of two hubs. Batches of one period, a late one for example, add up. A longer period without a batch of
its own is there when every shorter one in it is, as for cities; it then has the cities that are in all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from regional_hub.rollup import Sealed, Share, Term, add_noise, parts_of
from shared_schema.governance import LEAST_BATCH
from shared_schema.laplace import Noise, variance_milli
from shared_schema.sum_rules import DRAWS_OF_A_BATCH
from shared_schema.trend import Coverage, TableDefinition, TableReference
from shared_schema.vocabulary import SourceKind


@dataclass(frozen=True, slots=True)
class OpenedBatch:
    """A batch whose sums are both in the log, with the total that they make.

    `values` is None where a sum is not there yet and no total follows: then only who takes part is known.
    """

    digest: str
    leader: str
    table: TableReference
    label: str
    cities: frozenset[str]
    """Whose shares are in both sums."""
    members: frozenset[str]
    """Who could have sent."""
    epsilon_milli: int
    values: tuple[int, ...] | None
    source_kind: SourceKind | None = None

    @property
    def series(self) -> str:
        return f"{self.table.id}@{self.table.version}"

    @property
    def scale(self) -> Fraction:
        return Fraction(1000, self.epsilon_milli)

    @property
    def noise(self) -> Noise:
        return Noise(self.scale, DRAWS_OF_A_BATCH)

    @property
    def variance_milli(self) -> int:
        return DRAWS_OF_A_BATCH * variance_milli(self.scale)


ByLabel = Mapping[str, Sequence[OpenedBatch]]


def batches_for(label: str, batches: ByLabel, *, stock: bool) -> tuple[OpenedBatch, ...]:
    """The batches that make the total of a period: its own, or those of all the shorter periods in it; or none."""
    if own := tuple(batches.get(label, ())):
        return own
    if stock:
        return ()
    parts = [batches_for(part, batches, stock=stock) for part in parts_of(label)]
    return tuple(batch for part in parts for batch in part) if parts and all(parts) else ()


def cities_of(batches: Sequence[OpenedBatch]) -> frozenset[str]:
    """The cities that are in the total of every period among these batches."""
    by_label: dict[str, frozenset[str]] = {}
    for batch in batches:
        by_label[batch.label] = by_label.get(batch.label, frozenset()) | batch.cities
    return frozenset.intersection(*by_label.values()) if by_label else frozenset()


def share_of(name: str, batches: Sequence[OpenedBatch], label: str, table: TableDefinition) -> Share | None:
    """The total of these batches (`batches_for`) as a share of the hub that has opened them.

    None when fewer than `LEAST_BATCH` cities are in all periods of it: it would be a total of nobody in particular.
    Where the batches do not name one source kind, and the table allows several, the total is one of mixed kinds, like
    any sum of several.
    """
    cities = cities_of(batches)
    if len(cities) < LEAST_BATCH:
        return None
    count = len(cities)
    columns = zip(*(batch.values for batch in batches if batch.values is not None), strict=True)
    spread = sum(batch.variance_milli for batch in batches)
    noise = add_noise([(batch.noise,) for batch in batches])
    terms = tuple(_term_of(sum(column), count, spread, noise) for column in columns)
    expected = len(frozenset[str]().union(*(batch.members for batch in batches)))
    kinds = {batch.source_kind for batch in batches} if len(table.source_kinds) > 1 else set(table.source_kinds)
    kind = next(iter(kinds))
    return Share(
        member=name,
        is_hub=False,
        source_kind=kind or table.source_kinds[0],
        terms=terms,
        cities=Coverage(reporting=count, expected=expected),
        agencies=Coverage(reporting=0, expected=0),
        rolled_up=0 if all(batch.label == label for batch in batches) else count,
        mixed=len(kinds) > 1 or kind is None,
        batches=tuple(batch.digest for batch in batches),
    )


def _term_of(estimate: int, cities: int, spread: int, noise: tuple[Noise, ...] | None) -> Term:
    return Term("A", cities, estimate, spread, noise, sealed=Sealed(cities, estimate, spread, noise))
