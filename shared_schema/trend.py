"""Trends: a city's protected figures (`TrendBody`) and a hub's sums of them (`AggregateBody`).

A city's cell carries the noisy value as it was drawn, unclamped, so that sums stay unbiased. A hub's cell carries the
estimate, its variance, the number of cities in it and the 95 % interval. Status letters are SDMX OBS_STATUS. A
suppressed cell (`Q`) and one that was not collected (`L`) have no value; they are never 0.

A city that refuses noise releases rounded figures of at least a threshold instead (`ThresholdMechanism`); a figure
below it is suppressed, with the interval that everybody may know.
"""

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shared_schema import canonical
from shared_schema.names import CellCode, Digest, TermId
from shared_schema.period import Area, Granularity, Period
from shared_schema.vocabulary import SourceKind
from shared_schema.wire import WireModel

MAX_CELLS = 400
MAX_ABSOLUTE_VALUE = 10**9
MAX_VARIANCE_MILLI = 10**10
MAX_AGENCIES = 10_000
MAX_CITIES = 100_000
MAX_NOISE_SHARES = 16
MAX_CORRECTIONS = 100
MAX_BATCHES = 200
"""Of one sum: a year of months, each with its late batches."""
PADDED_CELL = 60
"""Characters of the longest cell that `pad` makes up for: an interval, or a value with its sign."""
"""Bounds of one city's cell, its variance and its agencies, and of the cities that one hub adds up (Europe has 98,000
municipalities): with them no release, however wild, makes a sum that cannot be written down."""
_MAX_SUM = 4 * 10**15
CellStatus = Literal["A", "L", "Q", "B", "D"]
"""A reported (0 is a true zero before noise), L not collected, Q suppressed, B break, D definition differs."""
WITH_VALUE = frozenset({"A", "B", "D"})
Value = Annotated[int, Field(ge=-MAX_ABSOLUTE_VALUE, le=MAX_ABSOLUTE_VALUE)]
SumValue = Annotated[int, Field(ge=-_MAX_SUM, le=_MAX_SUM)]


class MeasureDefinition(WireModel):
    """What is counted; part of a hub's policy. A `stock` (how many there are) is never added up over time.

    `unit` is what the promise of privacy is about: the record, or the person where agencies give file references.
    """

    id: TermId
    title: Annotated[str, Field(min_length=1, max_length=120)]
    unit: Literal["record", "person"]
    source_kinds: Annotated[tuple[SourceKind, ...], Field(min_length=1)]
    stock: bool = False


class TableDefinition(WireModel):
    """A one-way table on a fixed public grid; part of a hub's policy. Its fingerprint names exactly this wording."""

    id: TermId
    version: Annotated[int, Field(ge=1, le=10_000)]
    measure: TermId
    title: Annotated[str, Field(min_length=1, max_length=120)]
    unit: Literal["record", "person"]
    dimension: TermId
    cells: Annotated[tuple[CellCode, ...], Field(min_length=1, max_length=MAX_CELLS)]
    source_kinds: Annotated[tuple[SourceKind, ...], Field(min_length=1)]
    granularities: Annotated[tuple[Granularity, ...], Field(min_length=1)]
    epsilon_milli: Annotated[int, Field(ge=1, le=10_000)]
    year_epsilon_milli: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """With it the table is a tree: a release of a year may spend this much beside its months, and these the rest."""

    @model_validator(mode="after")
    def _year_leaves_a_rest(self) -> Self:
        if self.year_epsilon_milli is not None and self.year_epsilon_milli >= self.epsilon_milli:
            raise ValueError("expected a year to leave some of the table's epsilon for its months")
        return self

    def epsilon_milli_for(self, granularity: Granularity) -> int:
        """The most that one release of this length may spend, in thousandths."""
        if self.year_epsilon_milli is None:
            return self.epsilon_milli
        return self.year_epsilon_milli if granularity == "year" else self.epsilon_milli - self.year_epsilon_milli

    @model_validator(mode="after")
    def _cells_differ(self) -> Self:
        if len(set(self.cells)) != len(self.cells):
            raise ValueError("expected every cell of the grid once")
        return self

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical definition."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @property
    def reference(self) -> "TableReference":
        return TableReference(id=self.id, version=self.version, fingerprint=self.fingerprint)


class TableReference(WireModel):
    """Which table, in which wording."""

    id: TermId
    version: Annotated[int, Field(ge=1, le=10_000)]
    fingerprint: Digest


class Scale(WireModel):
    """The scale of discrete Laplace noise as a fraction, so that nobody has to agree about floating point."""

    numerator: Annotated[int, Field(ge=1, le=10**9)]
    denominator: Annotated[int, Field(ge=1, le=10**9)]

    def to_fraction(self) -> Fraction:
        return Fraction(self.numerator, self.denominator)


class LaplaceMechanism(WireModel):
    """Noise on every cell; the variance is that of one cell, in thousandths."""

    name: Literal["discrete-laplace"]
    scale: Scale
    variance_milli: Annotated[int, Field(ge=0, le=MAX_VARIANCE_MILLI)]
    library: Annotated[str, Field(min_length=1, max_length=40)]


class ThresholdMechanism(WireModel):
    """No noise: counts below `threshold` are suppressed, and what would give one away; the rest is rounded."""

    name: Literal["threshold-rounding"]
    threshold: Annotated[int, Field(ge=5, le=1_000)]
    base: Literal[5]
    library: Annotated[str, Field(min_length=1, max_length=40)]


Mechanism = Annotated[LaplaceMechanism | ThresholdMechanism, Field(discriminator="name")]
"""How a city's cells were protected."""


class Privacy(WireModel):
    """What the release costs: epsilon in thousandths per unit and window."""

    unit: Literal["record", "person"]
    window: Literal["period", "rolling-12-months"]
    epsilon_milli: Annotated[int, Field(ge=1, le=10_000)]
    composition: Literal["parallel over periods, sum over tables"]


class LedgerReference(WireModel):
    """Where in the city's ledger the charge stands: its hash, and the hash of the entry before it (`prev`).

    With `prev` the hash covers exactly what the statement says (`spending.entry_hash`), so that everybody can check
    the chain from signed messages alone. Nodes before version 0.2 did not send it.
    """

    seq: Annotated[int, Field(ge=1)]
    head: Digest
    prev: Digest | None = None


class Coverage(WireModel):
    """Of how many that were expected to report, how many did: agencies for a city, cities for a hub."""

    reporting: Annotated[int, Field(ge=0, le=_MAX_SUM)]
    expected: Annotated[int, Field(ge=0, le=_MAX_SUM)]

    @model_validator(mode="after")
    def _not_more_than_expected(self) -> Self:
        if self.reporting > self.expected:
            raise ValueError("expected at most as many reporting as expected")
        return self


class ReleasedCell(WireModel):
    """One cell of a city's release. A suppressed one has the interval that everybody may know, both ends included."""

    dims: Annotated[dict[TermId, CellCode], Field(min_length=1, max_length=1)]
    status: CellStatus
    value: Value | None = None
    low: Value | None = None
    high: Value | None = None

    @model_validator(mode="after")
    def _value_fits_status(self) -> Self:
        if (self.value is not None) != (self.status in WITH_VALUE):
            raise ValueError("expected a value exactly when the status is A, B or D")
        if (self.low is not None, self.high is not None) != (self.status == "Q", self.status == "Q"):
            raise ValueError("expected low and high exactly when the status is Q")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("expected low to be at most high")
        return self


class NoiseShare(WireModel):
    """So many draws of one scale, or so many figures rounded to one base, lie in a sum."""

    draws: Annotated[int, Field(ge=1, le=_MAX_SUM)]
    scale: Scale | None = None
    base: Literal[5] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.scale is None) == (self.base is None):
            raise ValueError("expected either a scale or a base")
        return self


Withheld = Literal["few-cities", "dominance", "differencing"]
"""Why a hub does not show a cell: fewer cities than the policy asks for; one city could be estimated from it; or from
the difference to a figure that is shown already."""


class ShownPart(WireModel):
    """What a hub shows of a cell to its own members: so many cities, with this estimate."""

    contributors: Annotated[int, Field(ge=1, le=_MAX_SUM)]
    estimate: SumValue


class SealedPart(WireModel):
    """What of a cell comes out of sealed totals: so many cities, under two draws of noise for each batch."""

    contributors: Annotated[int, Field(ge=1, le=_MAX_SUM)]
    estimate: SumValue
    variance_milli: Annotated[int, Field(ge=0, le=_MAX_SUM)]


class AggregateCell(WireModel):
    """One cell of a sum. `estimate`, `variance_milli`, `low` and `high` are absent where it may not be shown.

    `suppressed` cities have a figure that they keep to themselves, together at most `suppressed_high`; they are in
    neither `estimate` nor `contributors`. A sum for everybody says it only of enough cities. For the hub above alone:
    `noise` says what the variance is made of, and `shown` how much of the cell this hub shows to its own members.
    `sealed` is there where some of the cities are in a sealed total and others are not, or might not be.
    """

    dims: Annotated[dict[TermId, CellCode], Field(min_length=1, max_length=1)]
    status: CellStatus
    contributors: Annotated[int, Field(ge=0, le=_MAX_SUM)]
    estimate: SumValue | None = None
    variance_milli: Annotated[int, Field(ge=0, le=_MAX_SUM)] | None = None
    low: SumValue | None = None
    high: SumValue | None = None
    suppressed: Annotated[int, Field(ge=1, le=_MAX_SUM)] | None = None
    suppressed_high: Annotated[int, Field(ge=0, le=_MAX_SUM)] | None = None
    withheld: Withheld | None = None
    noise: Annotated[tuple[NoiseShare, ...], Field(min_length=1, max_length=MAX_NOISE_SHARES)] | None = None
    shown: ShownPart | None = None
    sealed: SealedPart | None = None

    @model_validator(mode="after")
    def _sealed_is_a_part(self) -> Self:
        part = self.sealed
        if part is None:
            return self
        if self.variance_milli is None or part.contributors > self.contributors:
            raise ValueError("expected sealed only as a part of a figure")
        if part.variance_milli > self.variance_milli:
            raise ValueError("expected sealed to have no more variance than the whole")
        return self

    @model_validator(mode="after")
    def _suppressed_has_a_bound(self) -> Self:
        if (self.suppressed is None) != (self.suppressed_high is None):
            raise ValueError("expected suppressed and suppressed_high together")
        if self.withheld is not None and self.status != "Q":
            raise ValueError("expected withheld only where the status is Q")
        return self

    @model_validator(mode="after")
    def _value_fits_status(self) -> Self:
        figures = (self.estimate, self.variance_milli, self.low, self.high)
        if any((figure is not None) != (self.status in WITH_VALUE) for figure in figures):
            raise ValueError("expected estimate, variance_milli, low and high exactly when the status is A, B or D")
        return self


class ReviewNote(WireModel):
    """That a second person looked, and with what: no name, only the role."""

    role: Literal["reviewer", "coordinator", "single_person"]
    detector: Annotated[str, Field(min_length=1, max_length=40)]
    findings: Annotated[int, Field(ge=0, le=10_000)]


class TrendBody(WireModel):
    """A city's release of one table for one period. Never in it: true counts, seeds, numbers of raw records.

    `privacy` is there exactly when there is noise. A `correction` (1, 2, …) is what has changed since: its noisy cells
    are added to those of the release that it corrects. `pad` makes every release of a table equally long, so that its
    length says nothing about its figures.
    """

    table: TableReference
    area: Area
    period: Period
    source_kind: SourceKind
    mechanism: Mechanism
    privacy: Privacy | None = None
    ledger: LedgerReference
    coverage: Coverage
    review: ReviewNote
    cells: Annotated[tuple[ReleasedCell, ...], Field(min_length=1, max_length=MAX_CELLS)]
    correction: Annotated[int, Field(ge=1, le=MAX_CORRECTIONS)] | None = None
    pad: Annotated[str, Field(pattern=r"^0*$", max_length=MAX_CELLS * PADDED_CELL)] | None = None

    @model_validator(mode="after")
    def _privacy_fits_mechanism(self) -> Self:
        if (self.privacy is not None) != isinstance(self.mechanism, LaplaceMechanism):
            raise ValueError("expected privacy exactly when the mechanism draws noise")
        if self.correction is not None and not isinstance(self.mechanism, LaplaceMechanism):
            raise ValueError("expected noise on a correction")
        return self


class AggregateBody(WireModel):
    """A hub's sum of its direct members' releases of one table and period.

    `complete` sums go to the parent hub alone, to be added up; shown ones have `Q` where fewer than three cities
    contribute. A later `revision` of the same table and period takes the place of an earlier one. `scale` is the one
    scale of all terms, absent when they differ. `rolled_up` cities did not release this very period: their figures
    are sums of the shorter periods in it.

    `mechanism` is there when every figure comes out of sealed totals (docs/sealed_totals.md): the noise is that of two
    hubs for each batch, and no city added any. `batches` are those that this very hub has opened, by the digests of
    their statements.
    """

    table: TableReference
    area: Area
    period: Period
    source_kind: SourceKind
    complete: bool
    revision: Annotated[int, Field(ge=1, le=10**6)]
    scale: Scale | None = None
    coverage: Coverage
    agencies: Coverage
    rolled_up: Annotated[int, Field(ge=1, le=_MAX_SUM)] | None = None
    mechanism: Literal["two-hub"] | None = None
    batches: Annotated[tuple[Digest, ...], Field(min_length=1, max_length=MAX_BATCHES)] | None = None
    cells: Annotated[tuple[AggregateCell, ...], Field(min_length=1, max_length=MAX_CELLS)]

    @model_validator(mode="after")
    def _batches_are_listed_once(self) -> Self:
        listed = self.batches or ()
        if any(one >= other for one, other in pairwise(listed)):
            raise ValueError("expected the batches sorted, each once")
        return self

    @model_validator(mode="after")
    def _sealed_is_said_once(self) -> Self:
        parts = any(cell.sealed is not None for cell in self.cells)
        if parts and self.mechanism is not None:
            raise ValueError("expected sealed in cells only where not every figure is a sealed total")
        if self.batches is not None and not parts and self.mechanism is None:
            raise ValueError("expected batches only where there is a sealed total")
        return self

    def sealed_part_of(self, cell: AggregateCell) -> SealedPart | None:
        """What of one of its cells comes out of sealed totals: all of it, a part, or nothing."""
        if self.mechanism is None or cell.estimate is None or cell.variance_milli is None:
            return cell.sealed
        return SealedPart(contributors=cell.contributors, estimate=cell.estimate, variance_milli=cell.variance_milli)


def grid_of(cells: tuple[ReleasedCell, ...] | tuple[AggregateCell, ...]) -> Iterator[tuple[str, str]]:
    """(dimension, code) of every cell, in order."""
    for cell in cells:
        yield from cell.dims.items()


def pad_for(cells: tuple[ReleasedCell, ...]) -> str:
    """What makes a release as long as if every cell were as long as it can be.

    So the length of a message, which anybody on the wire can see, is the same whatever the figures are.
    """
    lengths = (
        len(canonical.encode(cell.model_dump(mode="json", exclude={"dims"}, exclude_none=True))) for cell in cells
    )
    return "0" * sum(PADDED_CELL - length for length in lengths)
