"""The way without noise, for cities that refuse it: threshold, complementary suppression, rounding.

Counts below the threshold are suppressed, zeros as well: everybody may know that they lie in [0, threshold - 1], and
nobody may work out more. The others are rounded to fives. Where a suppressed count could be worked out, jointly with
what was released before, further cells of this release are suppressed: those that cost least, found as an integer
programme (Kelly, Golden, Assad 1992, "Cell suppression: disclosure protection for sensitive tabular data"; Fischetti
and Salazar-González 2001), to which the attackers that succeed are added until none does. Earlier releases stay.

What is suppressed beside a small count is at least the threshold and gets one of a ladder of intervals, each twice as
wide as the one before: an interval that leaned on the count would give it away.

This is no differential privacy. It protects against these calculations, and not against somebody who knows the other
records. Figures without noise are never mixed with noisy ones of the same measure (`spending`).

    suppress(frequency_table, stored_releases, threshold=10) -> the cells as they are released
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import lil_array

from local_node.attack import (
    Place,
    PublishedTable,
    System,
    bounds_of,
    build_system,
    check_consistent,
    find_counts,
    find_exposed,
    is_primary,
)
from local_node.disclosure import StoredDraw
from local_node.errors import DisclosureError
from local_node.tabulation import FrequencyCell, FrequencyTable
from shared_schema.release_rules import least_count, round_to_base
from shared_schema.trend import ReleasedCell

LEAST_THRESHOLD: Final = 5
MAX_ROUNDS: Final = 50
FINEST: Final = ("quarter", "year")


def effective_threshold(threshold: int) -> int:
    """The least count that may be shown (`release_rules.least_count`). Raises DisclosureError below LEAST_THRESHOLD."""
    if threshold < LEAST_THRESHOLD:
        raise DisclosureError(f"expected a threshold of at least {LEAST_THRESHOLD}, got {threshold}", code="threshold")
    return least_count(threshold)


def suppress(table: FrequencyTable, earlier: Sequence[StoredDraw], *, threshold: int) -> tuple[ReleasedCell, ...]:
    """The cells of a quarter or year as they are released, safe together with the `earlier` releases of the measure.

    Raises DisclosureError: `period` (a month), `threshold`, `earlier` (noisy, or of another measure), `not-protectable`
    (no choice of cells protects this release and those before it).
    """
    _check_earlier(table, earlier)
    if table.period.granularity not in FINEST:
        raise DisclosureError("expected a quarter or a year, as there is no noise", code="period")
    least = effective_threshold(threshold)
    before = [as_published(each) for each in earlier if each.period.start[:4] == table.period.start[:4]]
    chosen: frozenset[int] = frozenset()
    attackers: list[tuple[Place, int]] = []
    for _ in range(MAX_ROUNDS):
        release = _release(table, chosen, least)
        system = build_system([*before, release])  # 1. what would be known
        check_consistent(system)
        exposed = _find_exposed(system, [*before, release])  # 2. who could be found out
        if not exposed:
            _check_none_exact(system, [*before, release])  # 3. nor may any other suppressed cell be known
            return release.cells
        fresh = [attacker for attacker in exposed if attacker not in attackers]
        if not fresh:
            break
        attackers += fresh
        chosen = _choose(table, before, attackers, least)  # 4. the cheapest cells that stop all attackers so far
    raise DisclosureError(NOT_PROTECTABLE, code="not-protectable")


NOT_PROTECTABLE: Final = (
    "expected figures whose small counts stay hidden: with what was released before, these would give one away; "
    "release a longer period, or leave this table out"
)


def _check_earlier(table: FrequencyTable, earlier: Sequence[StoredDraw]) -> None:
    if any(each.threshold is None or each.measure != table.table.measure for each in earlier):
        raise DisclosureError("expected earlier releases of the measure without noise", code="earlier")
    if any((each.table, each.period) == (table.table.reference, table.period) for each in earlier):
        raise DisclosureError("expected a table and period that are not released before", code="earlier")


def as_published(draw: StoredDraw) -> PublishedTable:
    """A stored release as an attacker sees it."""
    least = effective_threshold(draw.threshold or LEAST_THRESHOLD)
    return PublishedTable(_grid_name(draw.table.id, draw.cells), draw.period, least, draw.cells)


def _grid_name(table_id: str, cells: Sequence[ReleasedCell]) -> str:
    return "/".join((table_id, *(code for cell in cells for code in cell.dims.values())))


def _release(table: FrequencyTable, chosen: frozenset[int], least: int) -> PublishedTable:
    """The table as it would be released with these cells suppressed beside the small ones."""
    cells = tuple(
        _cell(table.table.dimension, cell, least, hidden=number in chosen) for number, cell in enumerate(table.cells)
    )
    return PublishedTable(_grid_name(table.table.id, cells), table.period, least, cells)


def _cell(dimension: str, cell: FrequencyCell, least: int, *, hidden: bool) -> ReleasedCell:
    dims = {dimension: cell.code}
    if cell.count is None:
        return ReleasedCell(dims=dims, status="L")
    if cell.count < least:
        return ReleasedCell(dims=dims, status="Q", low=0, high=least - 1)
    if hidden:
        low, high = rung_of(cell.count, least)
        return ReleasedCell(dims=dims, status="Q", low=low, high=high)
    return ReleasedCell(dims=dims, status=cell.status, value=round_to_base(cell.count))


def rung_of(count: int, least: int) -> tuple[int, int]:
    """The interval on the ladder [t, 2t - 1], [2t, 4t - 1], … that holds a count of at least the threshold t."""
    low = least
    while count >= 2 * low:
        low *= 2
    return low, 2 * low - 1


def _find_exposed(system: System, releases: Sequence[PublishedTable]) -> list[tuple[Place, int]]:
    primary = _primary_places(releases)
    wanted = [column for column in system.suppressed if system.places[column] in primary]
    return [(system.places[column], end) for column, end in find_exposed(system, wanted)]


def _primary_places(releases: Sequence[PublishedTable]) -> set[Place]:
    return {
        Place(each.table, each.period.label, number)
        for each in releases
        for number, cell in enumerate(each.cells)
        if is_primary(cell)
    }


def _check_none_exact(system: System, releases: Sequence[PublishedTable]) -> None:
    """Raise DisclosureError when a cell that is suppressed beside the small ones has one possible count only."""
    primary = _primary_places(releases)
    for column in system.suppressed:
        if system.places[column] in primary:
            continue
        goal = [0.0] * system.columns
        goal[column] = 1.0
        least = find_counts(system, goal)
        goal[column] = -1.0
        most = find_counts(system, goal)
        if least is None or most is None or least[column] == most[column]:
            raise DisclosureError(NOT_PROTECTABLE, code="not-protectable")


# --- which cells to suppress beside the small ones -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A cell that could be suppressed: its column, its bounds when shown and when suppressed, and what that loses."""

    number: int
    column: int
    shown: tuple[int, int]
    hidden: tuple[int, int]
    loss: int


def _choose(
    table: FrequencyTable, before: Sequence[PublishedTable], attackers: Sequence[tuple[Place, int]], least: int
) -> frozenset[int]:
    """The cells whose suppression stops all attackers and loses the fewest counts.

    For every attacker the programme holds counts that agree with everything published and put its cell at the end of
    its interval. Raises DisclosureError when there is no such choice.
    """
    shown = _release(table, frozenset(), least)
    system = build_system([*before, shown])
    candidates = _candidates(table, shown, system, least)
    width, worlds = system.columns, len(attackers)
    matrix, lower, upper = _stack(system, candidates, worlds)
    low = np.concatenate([_widest_low(system, candidates)] * worlds + [np.zeros(len(candidates))])
    high = np.concatenate([_widest_high(system, candidates)] * worlds + [np.ones(len(candidates))])
    for world, (place, end) in enumerate(attackers):
        column = system.places.index(place)
        value = system.low[column] if end < 0 else system.high[column]
        low[world * width + column] = high[world * width + column] = value
    goal = np.concatenate([np.zeros(worlds * width), [candidate.loss for candidate in candidates]])
    found = milp(
        goal,
        integrality=np.ones(len(goal)),
        bounds=Bounds(low, high),
        constraints=LinearConstraint(matrix.tocsr(), lower, upper),
    )
    if found.x is None:
        raise DisclosureError(NOT_PROTECTABLE, code="not-protectable")
    taken = found.x[worlds * width :]
    return frozenset(candidate.number for candidate, value in zip(candidates, taken, strict=True) if value > 0.5)


def _candidates(table: FrequencyTable, shown: PublishedTable, system: System, least: int) -> list[_Candidate]:
    candidates = []
    for number, (cell, released) in enumerate(zip(table.cells, shown.cells, strict=True)):
        bounds = bounds_of(released, least)
        if released.value is None or bounds is None or cell.count is None:
            continue
        column = system.places.index(Place(shown.table, shown.period.label, number))
        rung = rung_of(cell.count, least)
        # The loss is that of the rung, which is published: a choice by the count itself would tell something about it.
        candidates.append(_Candidate(number, column, bounds, rung, loss=rung[0]))
    return candidates


def _widest_low(system: System, candidates: Sequence[_Candidate]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    low = np.array(system.low, dtype=float)
    for candidate in candidates:
        low[candidate.column] = min(candidate.shown[0], candidate.hidden[0])
    return low


def _widest_high(system: System, candidates: Sequence[_Candidate]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    high = np.array(system.high, dtype=float)
    for candidate in candidates:
        high[candidate.column] = max(candidate.shown[1], candidate.hidden[1])
    return high


def _stack(
    system: System, candidates: Sequence[_Candidate], worlds: int
) -> "tuple[lil_array, list[float], list[float]]":
    """The relations once for every attacker's world, and a candidate's bounds as its choice makes them."""
    width = system.columns
    rows = worlds * (len(system.relations) + 2 * len(candidates))
    matrix = lil_array((rows, worlds * width + len(candidates)))
    lower: list[float] = []
    upper: list[float] = []
    for world in range(worlds):
        for relation in system.relations:
            for column, value in relation.terms:
                matrix[len(lower), world * width + column] = value
            lower.append(relation.lower)
            upper.append(relation.upper)
        for place, candidate in enumerate(candidates):
            choice, column = worlds * width + place, world * width + candidate.column
            # count + choice * (shown - hidden) lies within the shown bounds: choice 1 turns these into the hidden ones
            matrix[len(lower), column] = 1
            matrix[len(lower), choice] = candidate.shown[0] - candidate.hidden[0]
            lower.append(candidate.shown[0])
            upper.append(np.inf)
            matrix[len(lower), column] = 1
            matrix[len(lower), choice] = candidate.shown[1] - candidate.hidden[1]
            lower.append(-np.inf)
            upper.append(candidate.shown[1])
    return matrix, lower, upper
