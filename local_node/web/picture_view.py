"""The picture of one table: the city's own figures, and beside them the sums of its region and nation, by period.

One shape for all of them, so that chart, table, CSV and XLSX say the very same. Own figures stand on their own scale:
nobody here knows how many people live anywhere, so a city is never divided, compared or ranked. What nobody counted is
`missing`, what nobody shared `absent`, what chance drowns `few`, what a hub may not show `hidden`; none is ever 0.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy.orm import Session

from local_node import audit, sum_index
from local_node.closed_months import closed_before
from local_node.hub_client import PinnedHub
from local_node.own_figures import OwnCell, OwnFigures, count_own, has_figures
from local_node.released_figures import Released, ReleasedFigure, read_released, released_tables
from local_node.sums import read_sums
from local_node.web.picture_query import Query
from local_node.web.trends import Figure, TrendTable, is_too_few, make_tables
from shared_schema.governance import DEFAULT_LEAST_SHOWN, PolicyBody
from shared_schema.period import Granularity, parse_period
from shared_schema.service.charts import Look, Mark
from shared_schema.service.pages.remembered import Remembered
from shared_schema.trend import AggregateBody, Coverage, TableDefinition

SourceKind = Literal["own", "released", "sum"]
FigureKind = Literal["figure", "zero", "few", "hidden", "missing", "absent", "erased"]
ALL = ""
"""The column of all cells together."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One figure as it is shown. `few` may have an interval, never a value; an exact figure has no interval.

    `left_out` is how many cells nobody collected, in a total of own figures.
    """

    kind: FigureKind
    value: int | None = None
    low: int | None = None
    high: int | None = None
    notes: tuple[str, ...] = ()
    direction: str | None = None
    peak: bool = False
    kept: tuple[int, int] | None = None
    obstacle: str | None = None
    left_out: int = 0

    @property
    def marks(self) -> tuple[Mark, ...]:
        """What a chart shows beside the point, or below the axis in place of one."""
        found = {
            Mark.MISSING: self.kind == "missing",
            Mark.ABSENT: self.kind in ("absent", "erased"),
            Mark.FEW: self.kind == "few",
            Mark.HIDDEN: self.kind == "hidden",
            Mark.PARTIAL: "partial" in self.notes and self.value is not None,
            Mark.BREAK: "break" in self.notes,
            Mark.DIFFERS: "definition" in self.notes and self.value is not None,
            Mark.UP: self.direction == "up",
            Mark.DOWN: self.direction == "down",
            Mark.PEAK: self.peak,
        }
        return tuple(mark for mark, is_there in found.items() if is_there)


MISSING, ABSENT, ERASED = Shown("missing"), Shown("absent"), Shown("erased")


@dataclass(frozen=True, slots=True)
class Source:
    """Who says it. `figures` by (period, cell code; ALL for the total); `level` is that of a hub, where it is known."""

    kind: SourceKind
    name: str
    look: Look
    figures: Mapping[tuple[str, str], Shown]
    coverage: Mapping[str, Coverage]
    agencies: Mapping[str, Coverage] = field(default_factory=dict)
    level: str = ""
    older_versions: tuple[int, ...] = ()
    rolled_up: Mapping[str, int] = field(default_factory=dict)
    corrections: Mapping[str, int] = field(default_factory=dict)
    erased_before: str | None = None

    def at(self, period: str, code: str) -> Shown:
        """A period of which this source says nothing at all is absent; only of our own we know that nobody counted."""
        if self.kind != "own" and period not in self.coverage:
            return ABSENT
        shown = self.figures.get((period, code), MISSING)
        return ERASED if shown.value is None and self._is_erased(period) else shown

    def _is_erased(self, period: str) -> bool:
        """Whether raw records of a period are kept no longer; that nobody counted would be untrue."""
        return self.erased_before is not None and parse_period(period).start[:7] < self.erased_before

    @property
    def has_figures(self) -> bool:
        return bool(self.figures)


@dataclass(frozen=True, slots=True)
class Picture:
    """All sources for one query."""

    query: Query
    sources: tuple[Source, ...]
    stock: bool
    person: bool
    least: int

    @property
    def columns(self) -> tuple[str, ...]:
        """The codes of what is shown: the chosen cell, or every one and the total."""
        return (*self.query.codes, ALL) if len(self.query.codes) != 1 else self.query.codes

    @property
    def changes(self) -> list[tuple[Source, str, str, Shown]]:
        """(source, period, cell, figure) where the newest figure of a sum has changed, or stands out, beyond chance."""
        found = []
        for source in self.sources:
            for code in self.columns:
                known = [label for label in self.query.labels if (label, code) in source.figures]
                if known and ((shown := source.at(known[-1], code)).direction or shown.peak):
                    found.append((source, known[-1], code, shown))
        return found


class Memory:
    """What was read before: true counts as long as nobody changed anything, sums for ever."""

    def __init__(self) -> None:
        self.own: Remembered[OwnFigures] = Remembered(64)
        self.sums: Remembered[list[Source]] = Remembered(64)


def read_picture(
    session: Session,
    query: Query,
    policies: "PolicyOf",
    hubs: Sequence[PinnedHub],
    memory: Memory,
    *,
    with_counts: bool,
) -> Picture:
    """Read everything that the query asks for. Only with `with_counts` are true counts read at all."""
    home = policies(hubs[0].name) if hubs else None
    least = home.least_number_shown if home else DEFAULT_LEAST_SHOWN
    measure = home.find_measure(query.table.measure) if home else None
    stock = measure is not None and measure.stock
    erased = closed_before(session, query.table.measure)
    sources = [own_source(_count_own(session, query, memory, stock), query, erased)] if with_counts else []
    shared = read_released(session, query.table, query.by, *query.days, add_up=not stock)
    released = released_source(shared, query, least)
    if released.has_figures or not with_counts:
        sources.append(released)
    sources += read_sum_sources(session, query, policies, hubs, memory)
    return Picture(query, tuple(sources), stock, query.table.unit == "person", least)


PolicyOf = Callable[[str], PolicyBody | None]


def _count_own(session: Session, query: Query, memory: Memory, stock: bool) -> OwnFigures:
    key = (query.table.fingerprint, query.by, query.days, stock, audit.last_seq(session))
    return memory.own.get(key, lambda: count_own(session, query.table, query.by, *query.days, add_up=not stock))


# --- the city's own ------------------------------------------------------------------------------------------------


def own_source(counted: OwnFigures, query: Query, erased_before: str | None) -> Source:
    """True counts: exact, so without an interval."""
    figures = {
        (period, code): _exact(cell)
        for (period, code), cell in counted.cells.items()
        if cell.value is not None or cell.partial
    }
    for period in {period for period, _ in counted.cells}:
        figures[period, ALL] = _own_total([counted.cells.get((period, code)) for code in query.table.cells])
    coverage = {label: counted.coverage(label) for label in query.labels}
    return Source("own", "", "solid", figures, coverage, erased_before=erased_before)


def _exact(cell: OwnCell) -> Shown:
    if cell.value is None:
        return Shown("missing", notes=("partial",))
    return Shown("zero" if cell.value == 0 else "figure", cell.value, notes=_own_notes([cell]))


def _own_total(cells: Sequence[OwnCell | None]) -> Shown:
    known = [cell for cell in cells if cell is not None and cell.value is not None]
    notes = _own_notes([cell for cell in cells if cell is not None])
    if not known:
        return Shown("missing", notes=notes)
    value = sum(cell.value or 0 for cell in known)
    return Shown("zero" if value == 0 else "figure", value, notes=notes, left_out=len(cells) - len(known))


def _own_notes(cells: Sequence[OwnCell]) -> tuple[str, ...]:
    statuses = {cell.status for cell in cells if cell.value is not None}
    found = {
        "break": "B" in statuses,
        "definition": "D" in statuses,
        "partial": any(cell.partial for cell in cells),
        "late": any(cell.late for cell in cells),
    }
    return tuple(name for name, is_so in found.items() if is_so)


def released_source(released: Mapping[str, Released], query: Query, least: int) -> Source:
    """What was shared: with the interval of its noise, and in words where that says too little."""
    figures = {
        (period, code): _released(cell, least)
        for period, found in released.items()
        for code, cell in (
            *((code, found.cells[code]) for code in query.codes if code in found.cells),
            (ALL, found.total),
        )
    }
    return Source(
        "released",
        "",
        "dashed",
        figures,
        {period: found.coverage for period, found in released.items()},
        corrections={period: found.corrections for period, found in released.items() if found.corrections},
    )


def _released(cell: ReleasedFigure, least: int) -> Shown:
    notes = tuple(name for status, name in (("B", "break"), ("D", "definition")) if cell.status == status)
    if cell.status == "L" or cell.low is None or cell.high is None:
        return MISSING
    low, high = max(cell.low, 0), max(cell.high, 0)  # nothing was counted less than no times
    if cell.value is None or is_too_few(cell.value, (cell.high - cell.low + 1) // 2, least):
        return Shown("few", None, low, high, notes)
    return Shown("figure", cell.value, low, high, notes)


# --- sums ----------------------------------------------------------------------------------------------------------


def read_sum_sources(
    session: Session, query: Query, policies: PolicyOf, hubs: Sequence[PinnedHub], memory: Memory
) -> list[Source]:
    """What hubs publish of a table, the nearest hub first; months are added up where a hub has no longer period."""
    first = f"{int(query.days[0][:4]) - 1}{query.days[0][4:]}"  # the year before, for arrows and peaks
    lengths: tuple[Granularity, ...] = ("month",) if query.by == "month" else ("month", query.by)
    digests = sum_index.newest(session, query.table.id, lengths, first, f"{query.days[1][:4]}-12-31")
    levels = {hub.name: hub.level for hub in hubs}
    rules = tuple(policy.version if (policy := policies(name)) else 0 for name in levels)
    key = (tuple(digests), query.by, query.labels, query.codes, tuple(levels.items()), rules)
    return memory.sums.get(key, lambda: _make_sum_sources(read_sums(session, digests), query, policies, levels))


def _make_sum_sources(
    sums: Sequence[tuple[str, AggregateBody]], query: Query, policies: PolicyOf, levels: Mapping[str, str]
) -> list[Source]:
    found = {origin: policies(origin) for origin, _ in sums}
    tables = make_tables(
        sums,
        {origin: policy for origin, policy in found.items() if policy is not None},
        shown={query.by: MOST_PERIODS},
        chosen=query.codes,
    )
    sources = [_sum_source(table, query, levels, _newest_row(table, sums, query, found)) for table in tables]
    return sorted(sources, key=lambda source: list(levels).index(source.name) if source.name in levels else 99)


MOST_PERIODS = 1_000
"""More than can be asked for."""


def _newest_row(
    table: TrendTable,
    sums: Iterable[tuple[str, AggregateBody]],
    query: Query,
    policies: Mapping[str, PolicyBody | None],
) -> Mapping[tuple[str, str], Shown]:
    """All cells of the newest period, for the bars: without arrows, which would need every cell of every period."""
    rows = [row for row in table.rows.get(query.by, ()) if row.period in query.labels]
    if not rows:
        return {}
    period = parse_period(rows[0].period)
    within = [(origin, body) for origin, body in sums if origin == table.hub and period.overlaps(body.period)]
    policy = policies.get(table.hub)
    (found,) = make_tables(within, {table.hub: policy} if policy else None, shown={query.by: 1})
    row = found.rows[query.by][0]
    return {(row.period, code): _of_sum(each) for code, each in zip(found.codes, row.figures, strict=True)}


def _sum_source(
    table: TrendTable, query: Query, levels: Mapping[str, str], newest: Mapping[tuple[str, str], Shown]
) -> Source:
    wanted = set(query.labels)
    rows = [row for row in table.rows.get(query.by, ()) if row.period in wanted]
    figures = dict(newest) | {
        (row.period, code): _of_sum(figure)
        for row in rows
        for code, figure in (*zip(table.codes, row.figures, strict=True), (ALL, row.total))
    }
    is_nation = table.area.scheme == "ISO3166" and len(table.area.code) == 2
    return Source(
        kind="sum",
        name=table.hub,
        look="dotted",
        figures=figures,
        coverage={row.period: row.cities for row in rows},
        agencies={row.period: row.agencies for row in rows},
        level=levels.get(table.hub, "nation" if is_nation else ""),
        older_versions=table.older_versions,
        rolled_up={row.period: row.rolled_up for row in rows if row.rolled_up},
    )


def _of_sum(figure: Figure) -> Shown:
    low = high = None
    if figure.value is not None and figure.half_width is not None and figure.kind == "figure":
        low, high = figure.value - figure.half_width, figure.value + figure.half_width
    return Shown(
        kind=figure.kind,  # type: ignore[arg-type]
        value=figure.value,
        low=low,
        high=high,
        notes=figure.notes,
        direction=figure.direction,
        peak=figure.peak,
        kept=figure.kept,
        obstacle=figure.obstacle,
    )


def tables_with_figures(session: Session, tables: Iterable[TableDefinition], *, with_counts: bool) -> set[str]:
    """The tables of which there is anything to see."""
    told = sum_index.list_tables(session) | released_tables(session)
    return {table.id for table in tables if table.id in told or (with_counts and has_figures(session, table))}
