"""Trends: a city's protected figures (`TrendBody`) and a hub's sums of them (`AggregateBody`).

A city's cell carries the noisy value as it was drawn, unclamped, so that sums stay unbiased. A hub's cell carries the
estimate, its variance, the number of cities in it and the 95 % interval. Status letters are SDMX OBS_STATUS. A
suppressed cell (`Q`) and one that was not collected (`L`) have no value; they are never 0.
"""

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shared_schema.names import CellCode, Digest, TermId
from shared_schema.period import Area, Granularity, Period
from shared_schema.vocabulary import SourceKind
from shared_schema.wire import WireModel

MAX_CELLS = 400
MAX_ABSOLUTE_VALUE = 10**9
MAX_VARIANCE_MILLI = 10**10
MAX_AGENCIES = 10_000
MAX_CITIES = 100_000
"""Bounds of one city's cell, its variance and its agencies, and of the cities that one hub adds up (Europe has 98,000
municipalities): with them no release, however wild, makes a sum that cannot be written down."""
_MAX_SUM = 4 * 10**15
CellStatus = Literal["A", "L", "Q", "B", "D"]
"""A reported (0 is a true zero before noise), L not collected, Q suppressed, B break, D definition differs."""
WITH_VALUE = frozenset({"A", "B", "D"})
Value = Annotated[int, Field(ge=-MAX_ABSOLUTE_VALUE, le=MAX_ABSOLUTE_VALUE)]
SumValue = Annotated[int, Field(ge=-_MAX_SUM, le=_MAX_SUM)]


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


class Mechanism(WireModel):
    """How a city's cells were protected; the variance is that of one cell, in thousandths."""

    name: Literal["discrete-laplace"]
    scale: Scale
    variance_milli: Annotated[int, Field(ge=0, le=MAX_VARIANCE_MILLI)]
    library: Annotated[str, Field(min_length=1, max_length=40)]


class Privacy(WireModel):
    """What the release costs: epsilon in thousandths per unit and window."""

    unit: Literal["record", "person"]
    window: Literal["period", "rolling-12-months"]
    epsilon_milli: Annotated[int, Field(ge=1, le=10_000)]
    composition: Literal["parallel over periods, sum over tables"]


class LedgerReference(WireModel):
    """Where in the city's ledger the charge stands, and the hash that chains everything before it."""

    seq: Annotated[int, Field(ge=1)]
    head: Digest


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
    dims: Annotated[dict[TermId, CellCode], Field(min_length=1, max_length=1)]
    status: CellStatus
    value: Value | None = None

    @model_validator(mode="after")
    def _value_fits_status(self) -> Self:
        if (self.value is not None) != (self.status in WITH_VALUE):
            raise ValueError("expected a value exactly when the status is A, B or D")
        return self


class AggregateCell(WireModel):
    """One cell of a sum. `estimate`, `variance_milli`, `low` and `high` are absent where it may not be shown."""

    dims: Annotated[dict[TermId, CellCode], Field(min_length=1, max_length=1)]
    status: CellStatus
    contributors: Annotated[int, Field(ge=0, le=_MAX_SUM)]
    estimate: SumValue | None = None
    variance_milli: Annotated[int, Field(ge=0, le=_MAX_SUM)] | None = None
    low: SumValue | None = None
    high: SumValue | None = None

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
    """A city's release of one table for one period. Never in it: true counts, seeds, numbers of raw records."""

    table: TableReference
    area: Area
    period: Period
    source_kind: SourceKind
    mechanism: Mechanism
    privacy: Privacy
    ledger: LedgerReference
    coverage: Coverage
    review: ReviewNote
    cells: Annotated[tuple[ReleasedCell, ...], Field(min_length=1, max_length=MAX_CELLS)]


class AggregateBody(WireModel):
    """A hub's sum of its direct members' releases of one table and period.

    `complete` sums go to the parent hub alone, to be added up; shown ones have `Q` where fewer than three cities
    contribute. A later `revision` of the same table and period takes the place of an earlier one. `scale` is the one
    scale of all terms, absent when they differ.
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
    cells: Annotated[tuple[AggregateCell, ...], Field(min_length=1, max_length=MAX_CELLS)]


def grid_of(cells: tuple[ReleasedCell, ...] | tuple[AggregateCell, ...]) -> Iterator[tuple[str, str]]:
    """(dimension, code) of every cell, in order."""
    for cell in cells:
        yield from cell.dims.items()
