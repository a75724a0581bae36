"""The city's own figures of a table as they were released: what a second person approved and the node signed.

The values of the ledger, corrections added, each with the interval that every reader may work out. What waits for a
second person is not here, nor what was taken back.

    read_released(session, table, "month", "2024-01-01", "2026-12-31")
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import ledger
from local_node.disclosure import StoredDraw
from local_node.ledger_formats import SHARE_FORMAT
from local_node.orm import LedgerRow, ReleaseRequestRow
from local_node.resumed import resumed_entries
from local_node.review import RequestState
from shared_schema.laplace import Noise, interval_of, variance_milli
from shared_schema.period import Granularity, parse_period
from shared_schema.statement import Kind
from shared_schema.trend import Coverage, ReleasedCell, TableDefinition

ROUNDED_TO: Final = 5


@dataclass(frozen=True, slots=True)
class ReleasedFigure:
    """One cell as it was released: a value with its interval, or an interval alone (suppressed), or not collected."""

    status: str
    value: int | None = None
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """One period as it was released, its cells by their code."""

    period: str
    cells: Mapping[str, ReleasedFigure]
    total: ReleasedFigure
    coverage: Coverage
    corrections: int


def read_released(
    session: Session,
    table: TableDefinition,
    granularity: Granularity,
    first_day: str,
    last_day: str,
    *,
    add_up: bool = False,
) -> dict[str, Released]:
    """What was signed of this version of a table, by period. What waits for a second person is not there.

    With `add_up` a period that was not released itself is the sum of the months in it, when all of them were: that
    costs no privacy (docs/disclosure_control.md). What is in stock is never added up.
    """
    signed, taken = _signed(session, table), resumed_entries(session)
    by_period: defaultdict[str, list[StoredDraw]] = defaultdict(list)
    for draw in ledger.draws_of(session, table.id, table.version):
        if draw.cells and ((draw.period.label, draw.correction) in signed or draw.seq in taken):
            by_period[draw.period.label].append(draw)
    whole = {label: draws for label, draws in by_period.items() if any(not draw.correction for draw in draws)}
    released = {label: draws for label, draws in whole.items() if draws[0].period.granularity == granularity}
    for label, draws in _added_up(whole, granularity).items() if add_up else ():
        released.setdefault(label, draws)
    return {
        label: _released(label, draws, table)
        for label, draws in sorted(released.items())
        if first_day <= parse_period(label).start <= last_day
    }


def released_tables(session: Session) -> frozenset[str]:
    """The ids of all tables of which anything was ever drawn."""
    return frozenset(session.scalars(select(LedgerRow.table_id).where(LedgerRow.format != SHARE_FORMAT).distinct()))


def _added_up(whole: Mapping[str, Sequence[StoredDraw]], granularity: Granularity) -> dict[str, list[StoredDraw]]:
    """The months of every period of this length of which all months were released."""
    months: defaultdict[str, list[StoredDraw]] = defaultdict(list)
    for draws in whole.values():
        period = draws[0].period
        if period.granularity == "month" and granularity != "month":
            quarter = f"{period.start[:4]}-Q{(period.first_day.month + 2) // 3}"
            months[period.start[:4] if granularity == "year" else quarter] += draws
    needed = 12 if granularity == "year" else 3
    return {label: draws for label, draws in months.items() if sum(not draw.correction for draw in draws) == needed}


def _signed(session: Session, table: TableDefinition) -> Collection[tuple[str, int]]:
    """(period, number of the correction) of every release of a table that was signed and not taken back."""
    prefix = f"{table.id}/{table.version}/"
    subjects = session.scalars(
        select(ReleaseRequestRow.subject).where(
            ReleaseRequestRow.kind == Kind.TREND.value,
            ReleaseRequestRow.state == RequestState.SIGNED.value,
            ReleaseRequestRow.subject.startswith(prefix, autoescape=True),
        )
    )
    found = set()
    for subject in subjects:
        period, _, number = (subject or "").removeprefix(prefix).partition("/c")
        found.add((period, int(number or 0)))
    return found


def _released(period: str, draws: Sequence[StoredDraw], table: TableDefinition) -> Released:
    """One period from its release, or from those of all months in it; a cell that one of them lacks is a gap."""
    firsts = [draw for draw in draws if not draw.correction]
    cells = {}
    for code in table.cells:
        found = [(draw, cell) for draw in draws for cell in draw.cells if cell.dims.get(table.dimension) == code]
        own = [cell for draw, cell in found if not draw.correction]
        if own:
            cells[code] = _sum([cell for _, cell in found], own, [draw for draw, _ in found])
    coverage = Coverage(
        reporting=min(draw.coverage.reporting for draw in firsts),
        expected=max(draw.coverage.expected for draw in firsts),
    )
    return Released(period, cells, _total(cells, draws), coverage, len(draws) - len(firsts))


def _sum(cells: Sequence[ReleasedCell], own: Sequence[ReleasedCell], draws: Sequence[StoredDraw]) -> ReleasedFigure:
    statuses = {cell.status for cell in own}
    if "L" in statuses:
        return ReleasedFigure("L")
    if "Q" in statuses:
        low = sum((cell.value if cell.low is None else cell.low) or 0 for cell in cells)
        high = sum((cell.value if cell.high is None else cell.high) or 0 for cell in cells)
        return ReleasedFigure("Q", None, low, high)
    return _with_interval(max(statuses), sum(cell.value or 0 for cell in cells), draws)


def _total(cells: Mapping[str, ReleasedFigure], draws: Sequence[StoredDraw]) -> ReleasedFigure:
    """The sum of all cells: a gap in one is a gap, a suppressed one leaves an interval alone."""
    statuses = {cell.status for cell in cells.values()}
    if not cells or "L" in statuses:
        return ReleasedFigure("L")
    if "Q" in statuses:
        low, high = (
            sum(end or 0 for end in ends) for ends in zip(*((c.low, c.high) for c in cells.values()), strict=True)
        )
        return ReleasedFigure("Q", None, low, high)
    value = sum(cell.value or 0 for cell in cells.values())
    return _with_interval(max(statuses), value, [draw for draw in draws for _ in cells])


def _with_interval(status: str, value: int, draws: Sequence[StoredDraw]) -> ReleasedFigure:
    """95 %, of all the noise and all the rounding that are in a figure (`laplace.interval_of`)."""
    scales = Counter(ROUNDED_TO if draw.threshold is not None else draw.scale for draw in draws)
    noise = [Noise(source, count) for source, count in scales.items()]
    spread = sum(
        count * (2000 if isinstance(source, int) else variance_milli(source)) for source, count in scales.items()
    )
    ends = interval_of(value, noise, variance_milli=spread)
    return ReleasedFigure(status, value, ends.low, ends.high)
