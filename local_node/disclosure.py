"""Disclosure control: from true counts to what may leave.

Discrete Laplace noise on every cell of the grid, unclamped, nothing suppressed: the sum of many cities stays unbiased,
and a hidden cell of one city tears no hole into the nation's total (DESIGN section 4). The noise comes from outside and
exactly once: `ledger` draws it, keeps what came out as a `StoredDraw`, and replays that for ever.

A city that refuses noise has its cells from `suppression`; they are stored and replayed in the same way.

    protect(frequency_table, stored_draw)      -> ProtectedTable, the only kind of table that may be released
    to_trend_body(protected, area, review)     -> the body that will be signed
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from local_node.errors import DisclosureError
from local_node.ledger_formats import COMPOSITION, FIRST_FORMAT, SHARE_FORMAT
from local_node.tabulation import FrequencyTable
from shared_schema.laplace import variance_milli
from shared_schema.period import Area, Period
from shared_schema.trend import Coverage, ReleasedCell, ReviewNote, TableReference, TrendBody, pad_for
from shared_schema.vocabulary import SourceKind

ROUNDED_TO: Final = 5
WINDOWS: Final = {"record": "period", "person": "rolling-12-months"}


@dataclass(frozen=True)
class StoredDraw:
    """One entry of the ledger: what was drawn for a table and period, and what it cost. Only `ledger` makes one.

    With a `threshold` nothing was drawn: `scale` and `epsilon_milli` are 0. `correction` is 0 for a release itself.
    """

    seq: int
    entry_hash: str
    table: TableReference
    measure: str
    unit: str
    period: Period
    source_kind: SourceKind
    epsilon_milli: int
    scale: Fraction
    library: str
    coverage: Coverage
    cells: tuple[ReleasedCell, ...]
    correction: int = 0
    threshold: int | None = None
    prev_hash: str = 64 * "0"
    format: int = 2


@dataclass(frozen=True)
class ProtectedTable:
    """A table after disclosure control. Only `protect` makes one; it holds no true count."""

    draw: StoredDraw


def add_noise(table: FrequencyTable, noise: Sequence[int]) -> tuple[ReleasedCell, ...]:
    """The cells as they are released: count plus noise where there is a count, `L` where nothing was collected.

    `noise` has one draw for every cell with a count, in their order. Raises DisclosureError otherwise.
    """
    if len(noise) != noisy_cells(table):
        raise DisclosureError(f"expected {noisy_cells(table)} draws of noise, got {len(noise)}", code="noise")
    draws = iter(noise)
    return tuple(
        ReleasedCell(
            dims={table.table.dimension: cell.code},
            status=cell.status,
            value=None if cell.count is None else cell.count + next(draws),
        )
        for cell in table.cells
    )


def noisy_cells(table: FrequencyTable) -> int:
    """How many draws `add_noise` needs."""
    return sum(cell.count is not None for cell in table.cells)


def protect(table: FrequencyTable, draw: StoredDraw) -> ProtectedTable:
    """Let the stored draw take the place of the true counts.

    Raises DisclosureError unless the draw was made for exactly this table, period and grid.
    """
    if (draw.table, draw.period, draw.correction) != (table.table.reference, table.period, table.correction):
        raise DisclosureError("expected the draw of this table, in this wording, and this period", code="draw")
    if [cell.dims for cell in draw.cells] != [{table.table.dimension: cell.code} for cell in table.cells]:
        raise DisclosureError(f"expected a draw on the {len(table.cells)} cells of the grid", code="draw")
    return ProtectedTable(draw)


def to_trend_body(protected: ProtectedTable, *, area: Area, review: ReviewNote) -> TrendBody:
    """The body of the trend statement: everything a reader needs to judge the figures, and nothing about records."""
    draw = protected.draw
    # Entries of format 1 hash what no statement says, so the one before them would be of no use to anybody.
    prev = {"prev": draw.prev_hash} if draw.format > FIRST_FORMAT else {}
    return TrendBody.from_object(
        charged_fields(draw)
        | {
            "area": area.to_object(),
            "ledger": {"seq": draw.seq, "head": draw.entry_hash} | prev,
            "review": review.to_object(),
            "pad": pad_for(draw.cells),
        }
    )


def charged_fields(draw: StoredDraw) -> dict[str, object]:
    """What the statement says of an entry, word by word: also what the entry's hash covers (`spending.hash_entry`)."""
    if draw.format == SHARE_FORMAT:
        return {
            "table": draw.table.to_object(),
            "period": draw.period.to_object(),
            "source_kind": draw.source_kind.value,
            "privacy": _privacy_of(draw),
        }
    fields: dict[str, object] = {
        "table": draw.table.to_object(),
        "period": draw.period.to_object(),
        "source_kind": draw.source_kind.value,
        "mechanism": _mechanism_of(draw),
        "coverage": draw.coverage.to_object(),
        "cells": [cell.to_object() for cell in draw.cells],
    }
    if draw.threshold is None:
        fields["privacy"] = _privacy_of(draw)
    if draw.correction:
        fields["correction"] = draw.correction
    return fields


def _privacy_of(draw: StoredDraw) -> dict[str, object]:
    return {
        "unit": draw.unit,
        "window": WINDOWS[draw.unit],
        "epsilon_milli": draw.epsilon_milli,
        "composition": COMPOSITION,
    }


def _mechanism_of(draw: StoredDraw) -> dict[str, object]:
    if draw.threshold is not None:
        return {
            "name": "threshold-rounding",
            "threshold": draw.threshold,
            "base": ROUNDED_TO,
            "library": draw.library,
        }
    return {
        "name": "discrete-laplace",
        "scale": {"numerator": draw.scale.numerator, "denominator": draw.scale.denominator},
        "variance_milli": variance_milli(draw.scale),
        "library": draw.library,
    }
