"""What an attacker can work out from rounded and suppressed tables: linear programmes over everything that is out.

The attacker knows every published value and interval, and that

- a shown value was rounded: the count lies within 2 of it, and is at least the threshold;
- counts are whole and not negative;
- the tables of one measure over one period divide the same records, so their totals are equal (where every cell of
  both was collected, without a break);
- the quarters of a year add up to it, cell by cell.

All of that is linear (Fischetti and Salazar-González 2001; Hundepool et al. 2012, section 4.4). Only releases of one
measure and one calendar year hang together. This module sees what was published and no true count.

    audit(releases) -> the tightest interval that can be deduced for every suppressed cell
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from local_node.errors import DisclosureError
from shared_schema.period import Period
from shared_schema.trend import ReleasedCell

BASE: Final = 5
SLACK: Final = BASE // 2
"""A count lies within 2 of the multiple of 5 that it was rounded to."""
QUARTERS: Final = 4


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """One release as everybody sees it, with the threshold of that release.

    `table` is equal for releases on the same grid: a new version with the same cells is the same to an attacker.
    """

    table: str
    period: Period
    threshold: int
    cells: tuple[ReleasedCell, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A cell of a release: the table, the label of the period, the number of the cell in the grid."""

    table: str
    period: str
    cell: int


@dataclass(frozen=True, slots=True)
class Deduced:
    """What can be deduced about a suppressed cell: the count lies in [low, high], both included and both possible."""

    place: Place
    low: int
    high: int
    is_primary: bool

    @property
    def width(self) -> int:
        return self.high - self.low


@dataclass(frozen=True, slots=True)
class Relation:
    """`lower <= sum(coefficient * count) <= upper` over cells and totals, which are columns of a System."""

    terms: tuple[tuple[int, int], ...]
    lower: float
    upper: float


@dataclass(frozen=True)
class System:
    """The attacker's knowledge: a column for every collected cell and every total, its bounds, and the relations."""

    places: tuple[Place, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    suppressed: tuple[int, ...]
    """Columns of suppressed cells."""
    relations: tuple[Relation, ...]

    @property
    def columns(self) -> int:
        return len(self.low)

    def constraint(self) -> LinearConstraint | None:
        """The relations as one sparse matrix; None when nothing is related."""
        if not self.relations:
            return None
        entries = [(row, column, value) for row, each in enumerate(self.relations) for column, value in each.terms]
        rows, columns, values = (np.array(part) for part in zip(*entries, strict=True))
        shape = (len(self.relations), self.columns)
        matrix = csr_array((values.astype(float), (rows, columns)), shape=shape)
        return LinearConstraint(
            matrix,
            np.array([each.lower for each in self.relations]),
            np.array([each.upper for each in self.relations]),
        )


def bounds_of(cell: ReleasedCell, threshold: int) -> tuple[int, int] | None:
    """What one cell alone says about its count; None where nothing was collected."""
    if cell.low is not None and cell.high is not None:
        return cell.low, cell.high
    if cell.value is None:
        return None
    return max(cell.value - SLACK, threshold), cell.value + SLACK


def is_primary(cell: ReleasedCell) -> bool:
    """Suppressed because the count itself is below the threshold; what is suppressed beside it starts there."""
    return cell.low == 0


def build_system(releases: Sequence[PublishedTable]) -> System:
    """The attacker's knowledge from releases of one measure and one calendar year."""
    places: list[Place] = []
    low: list[float] = []
    high: list[float] = []
    suppressed: list[int] = []
    column_of: dict[Place, int] = {}
    for release in releases:
        for number, cell in enumerate(release.cells):
            bounds = bounds_of(cell, release.threshold)
            if bounds is None:
                continue
            place = Place(release.table, release.period.label, number)
            column_of[place] = len(places)
            if cell.status == "Q":
                suppressed.append(len(places))
            places.append(place)
            low.append(bounds[0])
            high.append(bounds[1])
    totals = _Totals(first=len(places))
    relations = [
        *_table_relations(releases, column_of, totals),
        *_year_relations(releases, column_of),
        *_year_total_relations(releases, totals),
    ]
    low += [0.0] * len(totals.column_of)
    high += [np.inf] * len(totals.column_of)
    return System(tuple(places), tuple(low), tuple(high), tuple(suppressed), tuple(relations))


@dataclass(frozen=True)
class _Totals:
    """A further column for the total of each period in which some table is whole."""

    first: int
    column_of: dict[str, int] = field(default_factory=dict)

    def of(self, label: str) -> int:
        return self.column_of.setdefault(label, self.first + len(self.column_of))


def _table_relations(
    releases: Sequence[PublishedTable], column_of: Mapping[Place, int], totals: _Totals
) -> list[Relation]:
    """Every whole table of a period adds up to the one total of this period."""
    relations: list[Relation] = []
    for release in releases:
        if not all(cell.status in ("A", "Q") for cell in release.cells):
            continue
        label = release.period.label
        cells = [(column_of[Place(release.table, label, number)], 1) for number in range(len(release.cells))]
        relations.append(Relation((*cells, (totals.of(label), -1)), 0, 0))
    return relations


def _year_relations(releases: Sequence[PublishedTable], column_of: Mapping[Place, int]) -> list[Relation]:
    """A cell's quarters are together at most its year, and exactly the year when all four are there."""
    relations: list[Relation] = []
    for year in releases:
        if year.period.granularity != "year":
            continue
        quarters = [each for each in releases if each.table == year.table and each.period.granularity == "quarter"]
        for number in range(len(year.cells)):
            own = column_of.get(Place(year.table, year.period.label, number))
            parts = [
                column
                for quarter in quarters
                if (column := column_of.get(Place(quarter.table, quarter.period.label, number))) is not None
            ]
            if own is not None and parts:
                relations.append(_parts_of(own, parts))
    return relations


def _year_total_relations(releases: Sequence[PublishedTable], totals: _Totals) -> list[Relation]:
    """The same for totals, whichever tables they come from: quarters of one table, the year of another."""
    labels = {release.period.granularity: release.period.label for release in releases}
    year = totals.column_of.get(labels.get("year", ""))
    quarters = sorted({each.period.label for each in releases if each.period.granularity == "quarter"})
    parts = [totals.column_of[label] for label in quarters if label in totals.column_of]
    return [] if year is None or not parts else [_parts_of(year, parts)]


def _parts_of(whole: int, parts: Sequence[int]) -> Relation:
    terms = (*((column, 1) for column in parts), (whole, -1))
    return Relation(terms, 0 if len(parts) == QUARTERS else -np.inf, 0)


# --- attacking -----------------------------------------------------------------------------------------------------


def find_counts(system: System, goal: Sequence[float], fixed: Mapping[int, float] | None = None) -> list[int] | None:
    """Whole counts that agree with everything published and make sum(goal * count) least; None when there are none.

    `fixed` gives columns the counts that they must have.
    """
    low, high = np.array(system.low), np.array(system.high)
    for column, value in (fixed or {}).items():
        if not system.low[column] <= value <= system.high[column]:
            return None
        low[column] = high[column] = value
    constraint = system.constraint()
    found = milp(
        np.array(goal, dtype=float),
        integrality=np.ones(system.columns),
        bounds=Bounds(low, high),
        constraints=() if constraint is None else constraint,
    )
    return None if found.x is None else [round(value) for value in found.x]


def find_exposed(system: System, wanted: Iterable[int]) -> list[tuple[int, int]]:
    """(column, end) of every wanted cell whose published interval the attacker can narrow: -1 below, +1 above.

    Many cells reach the ends of their intervals at once, so each programme tries for all that are left.
    """
    exposed: list[tuple[int, int]] = []
    related = {column for relation in system.relations for column, _ in relation.terms}
    for end in (-1, 1):
        ends = system.low if end < 0 else system.high
        left = [column for column in wanted if column in related]
        while left:
            goal = [0.0] * system.columns
            for column in left:
                goal[column] = -float(end)
            together = find_counts(system, goal)
            reached = [] if together is None else [column for column in left if together[column] == ends[column]]
            if not reached:
                column = left[0]
                if find_counts(system, [0.0] * system.columns, {column: ends[column]}) is None:
                    exposed.append((column, end))
                reached = [column]
            left = [column for column in left if column not in set(reached)]
    return exposed


def check_consistent(system: System) -> None:
    """Raise DisclosureError (`not-protectable`) when no counts agree with what is published.

    Then what an attacker may know cannot be said, so nothing may be added to it.
    """
    if find_counts(system, [0.0] * system.columns) is None:
        raise DisclosureError(
            "expected figures of one year that agree: tables with equal totals, quarters that add up to the year",
            code="not-protectable",
        )


def audit(releases: Sequence[PublishedTable]) -> list[Deduced]:
    """The tightest interval that can be deduced for every suppressed cell of releases of one measure.

    Raises DisclosureError when releases contradict each other.
    """
    years: defaultdict[str, list[PublishedTable]] = defaultdict(list)
    for release in releases:
        years[release.period.start[:4]].append(release)
    deduced: list[Deduced] = []
    for of_year in years.values():
        system = build_system(of_year)
        check_consistent(system)
        cells = {
            Place(each.table, each.period.label, number): cell
            for each in of_year
            for number, cell in enumerate(each.cells)
        }
        for column in system.suppressed:
            place = system.places[column]
            low, high = (_extreme(system, column, end) for end in (-1, 1))
            deduced.append(Deduced(place, low, high, is_primary(cells[place])))
    return deduced


def _extreme(system: System, column: int, end: int) -> int:
    goal = [0.0] * system.columns
    goal[column] = -float(end)
    counts = find_counts(system, goal)
    if counts is None:
        raise DisclosureError("expected figures of one year that agree with each other", code="not-protectable")
    return counts[column]
