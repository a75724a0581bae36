"""From records to a frequency table: a fixed public grid of cells, each with a true count or with "not collected".

Records are counted where they were recorded, so a late one falls into a later period. An agency that reports by month
also fills a quarter, when all three months are there. True counts live in a FrequencyTable and nowhere else: the next
step (`ledger`, `disclosure`) turns it into what may leave.

    tabulate(reports, table, period, expected_agencies=4)
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from local_node.errors import TabulationError
from local_node.records import ReturnRecord, Status
from shared_schema.period import Period, parse_period
from shared_schema.trend import MAX_ABSOLUTE_VALUE, Coverage, TableDefinition
from shared_schema.vocabulary import SourceKind

REPORTED: Final = "A"
NOT_COLLECTED: Final = "L"
GRAVITY: Final = ("A", "B", "D")
MAX_CELL: Final = MAX_ABSOLUTE_VALUE // 2  # with its noise it still has a place in a statement


@dataclass(frozen=True, slots=True)
class FrequencyCell:
    """One cell of the grid: its true count (0 is a true zero) with `A`, `B` or `D`, or `L` with None."""

    code: str
    status: Literal["A", "B", "D", "L"]
    count: int | None


@dataclass(frozen=True, slots=True)
class FrequencyTable:
    """True counts of one table and period. Never shown, never stored, never sent.

    With a `correction` (1, 2, …) they are what has changed since the release, and may be negative.
    """

    table: TableDefinition
    period: Period
    source_kind: SourceKind
    cells: tuple[FrequencyCell, ...]
    coverage: Coverage
    correction: int = 0


@dataclass(frozen=True, slots=True)
class EventCount:
    """So many events of an agency in one cell, counted in one month (`2026-01`); `late` when recorded in another."""

    agency: str
    month: str
    code: str
    count: int
    source_kind: SourceKind
    late: bool = False


@dataclass(frozen=True, slots=True)
class Collected:
    """An agency's word that its events of a period (by its label) are all here."""

    agency: str
    period: str
    source_kind: SourceKind
    status: Status = "A"


def count_events(
    counts: Iterable[EventCount], collected: Collection[Collected], table: TableDefinition
) -> tuple[ReturnRecord, ...]:
    """Turn counted events into returns: for everything `collected` the whole grid with its zeros, for late ones too.

    Raises TabulationError when events stand in no cell of the grid or in no collected period.
    """
    labels = {(each.agency, month): each.period for each in collected for month in months_of(parse_period(each.period))}
    sums: Counter[tuple[str, str, str]] = Counter()
    late: defaultdict[tuple[str, str, SourceKind], Counter[str]] = defaultdict(Counter)
    for each in counts:
        if each.code not in table.cells:
            raise TabulationError(f"expected events in the cells of {table.id}, got another code", code="grid")
        if each.late:
            late[each.agency, each.month, each.source_kind][each.code] += each.count
        elif (each.agency, each.month) in labels:
            sums[each.agency, labels[each.agency, each.month], each.code] += each.count
        else:
            raise TabulationError("expected every event in a period that its agency has collected", code="periods")
    own = tuple(
        ReturnRecord(
            table.id,
            each.agency,
            each.period,
            cell,
            sums[each.agency, each.period, cell],
            each.source_kind,
            each.status,
        )
        for each in sorted(collected, key=lambda each: (each.agency, each.period))
        for cell in table.cells
    )
    return own + tuple(
        ReturnRecord(table.id, agency, month, cell, by_code[cell], source_kind, counted_in=month)
        for (agency, month, source_kind), by_code in sorted(late.items())
        for cell in table.cells
    )


def tabulate(
    returns: Iterable[ReturnRecord], table: TableDefinition, period: Period, expected_agencies: int
) -> FrequencyTable:
    """Count returns on the table's grid for one period.

    A cell that nobody reported is `L`. An agency counts as reporting when it reported every other cell, so a blank of
    one agency among several lowers the coverage. `expected_agencies` says how many should report; where more did, all
    of them are expected. What came late for an earlier period is added and says nothing about coverage. Of the statuses
    of several agencies in a cell D comes before B, and B before A.

    A return for a table of persons is an agency's own word that it has counted each person once in twelve months;
    events are counted so by the node (`counted_units`).

    Raises TabulationError: a code outside the grid, the same cell reported twice, several source kinds or one that the
    table does not allow, nothing collected at all, more in a cell than a statement has a place for.
    """
    within = [
        each for each in returns if each.table == table.id and lies_within(each.counted_in or each.period, period)
    ]
    own = [record for record in within if record.counted_in is None]
    values = _values_of(own, table, period)
    sums: Counter[str] = Counter()
    for (_, cell), value in values.items():
        sums[cell] += value
    if not sums:
        raise TabulationError(f"expected at least one cell of {table.id} to be collected in the period", code="empty")
    agencies = {record.agency for record in own}
    reporting = [agency for agency in agencies if all((agency, code) in values for code in sums)]
    coverage = Coverage(reporting=len(reporting), expected=max(len(agencies), expected_agencies))
    sums.update(_late_sums(within, table))
    if max(sums.values()) > MAX_CELL:
        raise TabulationError(f"expected at most {MAX_CELL} in a cell of {table.id}", code="too-large")
    statuses = _statuses_of(within)
    cells = tuple(
        FrequencyCell(code, statuses[code], sums[code]) if code in sums else FrequencyCell(code, NOT_COLLECTED, None)
        for code in table.cells
    )
    return FrequencyTable(table, period, _source_kind_of(within, table), cells, coverage)


def only_whole(returns: Iterable[ReturnRecord], period: Period) -> tuple[ReturnRecord, ...]:
    """Of what is in stock: the returns of just this period, in time.

    How many there are is counted at one time. Three months of ten make no quarter of thirty, and what came late for
    another period says nothing about this one.
    """
    return tuple(each for each in returns if each.counted_in is None and each.period == period.label)


def tabulate_correction(
    deltas: Mapping[str, int],
    table: TableDefinition,
    period: Period,
    source_kind: SourceKind,
    coverage: Coverage,
    number: int,
) -> FrequencyTable:
    """Put the differences (cell code → delta) on the grid: every cell is there, 0 where nothing has changed.

    `source_kind` and `coverage` are those of the release that is corrected; `number` is 1 for its first correction.
    Raises TabulationError: a code outside the grid, more in a cell than a statement has a place for.
    """
    if set(deltas) - set(table.cells):
        raise TabulationError(f"expected corrections in the cells of {table.id}, got another code", code="grid")
    if any(abs(delta) > MAX_CELL for delta in deltas.values()):
        raise TabulationError(f"expected a correction of at most {MAX_CELL} in a cell of {table.id}", code="too-large")
    cells = tuple(FrequencyCell(code, REPORTED, deltas.get(code, 0)) for code in table.cells)
    return FrequencyTable(table, period, source_kind, cells, coverage, number)


def months_of(period: Period) -> frozenset[str]:
    """The labels of the months in a period."""
    first, last = period.first_day.month, period.last_day.month
    return frozenset(f"{period.start[:4]}-{month:02d}" for month in range(first, last + 1))


def lies_within(label: str, period: Period) -> bool:
    """Whether the period with this label is part of `period`, or all of it."""
    part = parse_period(label)
    return period.first_day <= part.first_day and part.last_day <= period.last_day


def _values_of(within: Iterable[ReturnRecord], table: TableDefinition, period: Period) -> dict[tuple[str, str], int]:
    """(agency, cell) → its count in the whole period; absent unless every month of the period was collected."""
    collected: dict[tuple[str, str], int] = {}
    months: dict[tuple[str, str], set[str]] = {}
    for record in within:
        if record.cell not in table.cells:
            raise TabulationError(f"expected the cells of {table.id}, got another code", code="grid")
        place, own = (record.agency, record.cell), months_of(parse_period(record.period))
        if record.value is None:
            continue
        if own & months.setdefault(place, set()):
            raise TabulationError("expected every agency to report a cell once for a month", code="reported-twice")
        months[place] |= own
        collected[place] = collected.get(place, 0) + record.value
    return {place: value for place, value in collected.items() if months[place] == months_of(period)}


def _late_sums(within: Iterable[ReturnRecord], table: TableDefinition) -> Counter[str]:
    """Cell → what came late. A 0 counts as collected like any other figure, so no status tells a count."""
    sums: Counter[str] = Counter()
    for record in within:
        if record.cell not in table.cells:
            raise TabulationError(f"expected the cells of {table.id}, got another code", code="grid")
        if record.counted_in is not None and record.value is not None:
            sums[record.cell] += record.value
    return sums


def _statuses_of(within: Iterable[ReturnRecord]) -> dict[str, Status]:
    """Cell → the gravest status of what was collected in it: D, B, A in this order."""
    statuses: dict[str, Status] = {}
    for record in within:
        if record.value is not None:
            statuses[record.cell] = max(statuses.get(record.cell, REPORTED), record.status, key=GRAVITY.index)
    return statuses


def _source_kind_of(within: Iterable[ReturnRecord], table: TableDefinition) -> SourceKind:
    kinds = {record.source_kind for record in within}
    if len(kinds) != 1 or not kinds <= set(table.source_kinds):
        allowed = " or ".join(kind.value for kind in table.source_kinds)
        raise TabulationError(f"expected one source kind for {table.id}: {allowed}", code="source-kind")
    return kinds.pop()
