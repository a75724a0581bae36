"""What an analyst asks for, and what comes back: one figure for each area, cell and period. Plain functions.

A question has one address, whatever order its parts were typed in; with `as_of` (a size of the hub's log) it is asked
of the log as it was then, and has the same answer for ever. A suppressed or missing figure has no estimate; it is never
a zero. A total over all cells is there only where every cell is.

    offer = figure_store.read_offer(session, choose_state(parameters, newest), …)
    query = parse_query(parameters, offer)            raises FigureQueryError
    query.parameters                                  table=…&area=…&by=month&from=2024-01&to=2025-12&as_of=812
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from regional_hub.errors import HubError
from shared_schema.errors import SchemaError
from shared_schema.governance import Level
from shared_schema.laplace import interval_of
from shared_schema.period import FIRST_YEAR, Granularity, parse_period
from shared_schema.trend import WITH_VALUE, CellStatus, TableDefinition
from shared_schema.vocabulary import SourceKind

TOTAL: Final = "_T"
"""The code of the total in SDMX code lists; no table has a cell of this name."""
SEALED: Final = "two-hub"
MIXED: Final = "mixed"
"""How the noise of a figure was drawn: by two hubs for a sealed total, or partly so. Else by each city."""
MONTHS: Final[Mapping[Granularity, int]] = {"month": 1, "quarter": 3, "year": 12}
DEFAULT_PERIODS: Final[Mapping[Granularity, int]] = {"month": 24, "quarter": 12, "year": 10}
MOST_PERIODS: Final = 1_200
"""A century of months: nobody asks for more, and a page of nine thousand years would take the memory of the hub."""
MOST_VALUES: Final = 500
"""Of one filter: more than there are areas, or cells in a grid."""
PARAMETERS: Final = ("table", "area", "level", "cell", "by", "from", "to", "source", "as_of")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,14}", re.ASCII)


class FigureQueryError(HubError):
    """A question that cannot be asked; the message says which part of it, and what was expected."""

    def __init__(self, message: str, parameter: str) -> None:
        super().__init__(message)
        self.parameter = parameter


@dataclass(frozen=True, slots=True)
class AreaOffer:
    """An area that there are figures of: whose hub publishes them, on which level, and how it stands to this hub."""

    code: str
    origin: str
    level: Level
    relation: str
    """`own`, `below` or `above`."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be asked for: tables of the policy, areas with figures, and the log up to which they are ready."""

    tables: Mapping[str, TableDefinition]
    areas: Mapping[str, AreaOffer]
    own_area: str
    newest: int
    """The size of the log up to which figures are ready."""
    as_of: int
    """The size of the log that is asked about: tables and areas are those of then."""
    last_month: int
    """The month (year * 12 + month - 1) with which the newest period of any figure begins."""


@dataclass(frozen=True, slots=True)
class FigureQuery:
    """One question. `cells` is empty for all of them; `first` and `last` are months as numbers, both included."""

    table: TableDefinition
    areas: tuple[str, ...]
    cells: tuple[str, ...]
    by: Granularity
    first: int
    last: int
    as_of: int
    source: SourceKind | None = None
    publishers: Mapping[str, str] = field(default_factory=dict)
    """Area → the one hub whose figures of it are shown; an area that is not in it may be anybody's."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The periods from the first to the last, as `2014-01`, `2014-Q1` or `2014`."""
        return tuple(label_of(start, self.by) for start in range(self.first, self.last + 1, MONTHS[self.by]))

    def is_by(self, area: str, origin: str) -> bool:
        """Whether the figures of a hub are those that are shown of an area."""
        return self.publishers.get(area, origin) == origin

    @property
    def codes(self) -> tuple[str, ...]:
        """The cells that are asked for, in the order of the grid."""
        return tuple(code for code in self.table.cells if not self.cells or code in self.cells)

    @property
    def wants_total(self) -> bool:
        return not self.cells or TOTAL in self.cells

    @property
    def filters(self) -> list[tuple[str, str]]:
        """Parameter and value of everything that is asked for, in one order, without `as_of`."""
        found = [("table", self.table.id), *(("area", area) for area in self.areas)]
        found += [("cell", code) for code in (*self.codes, TOTAL) if code in self.cells]
        found += [("by", self.by), ("from", self.labels[0]), ("to", self.labels[-1])]
        return found + ([("source", self.source.value)] if self.source else [])

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """Those of the permanent address of the answer."""
        return [*self.filters, ("as_of", str(self.as_of))]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: whose, of what, when. `estimate`, `variance_milli`, `low` and `high` are there with it or not at all.

    Counts of cities: `contributors` are in this figure, `reporting` of `expected` in the sum that it is a cell of.
    `entry` is the log entry that published it. `mechanism` is SEALED or MIXED, or None where each city drew its noise.
    """

    area: str
    origin: str
    cell: str
    period: str
    status: CellStatus
    contributors: int
    reporting: int
    expected: int
    source: str
    table_version: int
    revision: int
    entry: int
    estimate: int | None = None
    variance_milli: int | None = None
    low: int | None = None
    high: int | None = None
    suppressed: int | None = None
    suppressed_high: int | None = None
    withheld: str | None = None
    mechanism: str | None = None


# --- asking ----------------------------------------------------------------------------------------------------------


def parse_query(parameters: Mapping[str, Sequence[str]], offer: Offer) -> FigureQuery:
    """Read the parameters of an address. Raises FigureQueryError that names the parameter and what was expected."""
    for name, values in parameters.items():
        if name not in PARAMETERS:
            raise FigureQueryError(f"expected only the parameters {', '.join(PARAMETERS)}", name[:40])
        if len(values) > MOST_VALUES:
            raise FigureQueryError(f"expected at most {MOST_VALUES} values of {name}", name)
    table = _choose_table(parameters, offer)
    by = _choose_length(parameters, table)
    first, last = _choose_span(parameters, by, offer)
    return FigureQuery(
        table,
        _choose_areas(parameters, offer),
        _choose_cells(parameters, table),
        by,
        first,
        last,
        offer.as_of,
        _choose_source(parameters),
        {code: area.origin for code, area in offer.areas.items()},
    )


def _one(parameters: Mapping[str, Sequence[str]], name: str) -> str:
    values = [value for value in parameters.get(name, ()) if value]
    if len(values) > 1:
        raise FigureQueryError(f"expected {name} once", name)
    return values[0] if values else ""


def _choose_table(parameters: Mapping[str, Sequence[str]], offer: Offer) -> TableDefinition:
    name = _one(parameters, "table")
    if not offer.tables:
        raise FigureQueryError("expected a policy with tables; this hub has none yet", "table")
    if not name:
        return next(iter(offer.tables.values()))
    if name not in offer.tables:
        raise FigureQueryError(f"expected table to be one of {', '.join(offer.tables)}", "table")
    return offer.tables[name]


def _choose_length(parameters: Mapping[str, Sequence[str]], table: TableDefinition) -> Granularity:
    """Quarters and years are also there where months are released: the hub adds these up."""
    shortest = min((MONTHS[each] for each in table.granularities), default=1)
    known = [length for length, months in MONTHS.items() if months >= shortest]
    name = _one(parameters, "by") or known[0]
    if name not in known:
        raise FigureQueryError(f"expected by to be {' or '.join(known)}", "by")
    return name


def _choose_span(parameters: Mapping[str, Sequence[str]], by: Granularity, offer: Offer) -> tuple[int, int]:
    months = MONTHS[by]
    last = _month(parameters, "to", by)
    if last is None:
        last = offer.last_month - offer.last_month % months
    first = _month(parameters, "from", by)
    if first is None:
        first = max(last - months * (DEFAULT_PERIODS[by] - 1), FIRST_YEAR * 12)
    if first > last:
        raise FigureQueryError("expected from not to be after to", "from")
    if (last - first) // months >= MOST_PERIODS:
        raise FigureQueryError(f"expected at most {MOST_PERIODS} periods from from to to", "from")
    return first, last


def _month(parameters: Mapping[str, Sequence[str]], name: str, by: Granularity) -> int | None:
    """The first month of the period in which the named one lies: `from=2024-05&by=quarter` begins with April."""
    text = _one(parameters, name)
    if not text:
        return None
    try:
        period = parse_period(text)
    except SchemaError:
        raise FigureQueryError(f"expected {name} to be a period such as 2014-01, 2014-Q1 or 2014", name) from None
    # A whole year as an end means its last month: `to=2025` by months ends with December.
    day = period.last_day if name == "to" else period.first_day
    month = day.year * 12 + day.month - 1
    return month - month % MONTHS[by]


def _choose_areas(parameters: Mapping[str, Sequence[str]], offer: Offer) -> tuple[str, ...]:
    level = _one(parameters, "level")
    if level and level not in ("region", "nation", "europe"):
        raise FigureQueryError("expected level to be region, nation or europe", "level")
    names = tuple(dict.fromkeys(value for value in parameters.get("area", ()) if value))
    if any(name not in offer.areas for name in names):
        raise FigureQueryError("expected area to be the code of an area with figures, also at that time", "area")
    if level:
        names = tuple(
            code for code, area in offer.areas.items() if area.level == level and (not names or code in names)
        )
        if not names:
            raise FigureQueryError("expected areas of this level that have figures", "level")
    return tuple(sorted(names, key=list(offer.areas).index)) or (offer.own_area,)


def _choose_cells(parameters: Mapping[str, Sequence[str]], table: TableDefinition) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(value for value in parameters.get("cell", ()) if value))
    known = (*table.cells, TOTAL)
    if any(name not in known for name in names):
        raise FigureQueryError(f"expected cell to be some of {', '.join(known)}", "cell")
    return () if set(names) == set(known) else names


def _choose_source(parameters: Mapping[str, Sequence[str]]) -> SourceKind | None:
    name = _one(parameters, "source")
    if not name:
        return None
    if name not in list(SourceKind):
        raise FigureQueryError(f"expected source to be one of {', '.join(SourceKind)}", "source")
    return SourceKind(name)


def choose_state(parameters: Mapping[str, Sequence[str]], newest: int) -> int:
    """The size of the log that is asked about, the newest where the address says none. Raises FigureQueryError."""
    text = _one(parameters, "as_of")
    if not text:
        return newest
    if not _NUMBER.fullmatch(text) or int(text) > newest:
        raise FigureQueryError(f"expected as_of to be a size of the log from 1 to {newest}", "as_of")
    return int(text)


# --- answering -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def label_of(start: int, by: Granularity) -> str:
    """The label of the period of this length that begins with a month."""
    year, month = divmod(start, 12)
    return {"month": f"{year:04d}-{month + 1:02d}", "quarter": f"{year:04d}-Q{month // 3 + 1}", "year": f"{year:04d}"}[
        by
    ]


def month_of(label: str) -> int:
    """The month (year * 12 + month - 1) with which a period begins."""
    first = parse_period(label).first_day
    return first.year * 12 + first.month - 1


def total_of(cells: Iterable[Figure]) -> Figure:
    """The total of all cells of one sum. There is none as soon as one cell has none.

    The noise of cells is independent, so variances add; the interval is that of the normal distribution.
    """
    figures = list(cells)
    status = _status_of_total([figure.status for figure in figures])
    bare = replace(
        figures[0],
        cell=TOTAL,
        status=status,
        contributors=min(figure.contributors for figure in figures),
        estimate=None,
        variance_milli=None,
        low=None,
        high=None,
        suppressed=None,
        suppressed_high=None,
        withheld=None,
    )
    if status not in WITH_VALUE:
        return bare
    estimate = sum(figure.estimate or 0 for figure in figures)
    variance = sum(figure.variance_milli or 0 for figure in figures)
    bounds = interval_of(estimate, None, variance_milli=variance)
    return replace(bare, estimate=estimate, variance_milli=variance, low=bounds.low, high=bounds.high)


def _status_of_total(statuses: Sequence[CellStatus]) -> CellStatus:
    order: tuple[CellStatus, ...] = ("Q", "L", "D", "B")
    return next((status for status in order if status in statuses), "A")
