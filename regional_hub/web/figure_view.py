"""Figures arranged for a page: one chart or one line of a table for each area and cell, in the order of the question.

A number stands where it says something: from the policy's least number on, and when half its interval is less than
half of it. Everything else is `too few`, with its interval; suppressed and not collected are words and never 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from regional_hub.figures import Figure, FigureQuery
from shared_schema.service.charts import Mark
from shared_schema.trend import WITH_VALUE

Kind = Literal["figure", "zero", "few", "hidden", "missing", "absent"]
MOST_CHARTS: Final = 60
"""Beyond it a page is no picture any more; the table and the files have all."""
_MARK_OF: Final[Mapping[Kind, Mark]] = {
    "few": Mark.FEW,
    "hidden": Mark.HIDDEN,
    "missing": Mark.MISSING,
    "absent": Mark.ABSENT,
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One figure as a page shows it."""

    kind: Kind
    figure: Figure | None = None

    @property
    def value(self) -> int | None:
        return self.figure.estimate if self.figure is not None and self.kind in ("figure", "zero") else None

    @property
    def low(self) -> int | None:
        """Nothing was counted less than no times."""
        return None if self.figure is None or self.figure.low is None else max(self.figure.low, 0)

    @property
    def high(self) -> int | None:
        return None if self.figure is None or self.figure.high is None else max(self.figure.high, 0)

    @property
    def marks(self) -> tuple[Mark, ...]:
        found = [_MARK_OF[self.kind]] if self.kind in _MARK_OF else []
        if self.figure is not None and self.figure.status in ("B", "D"):
            found.append(Mark.BREAK if self.figure.status == "B" else Mark.DIFFERS)
        return tuple(found)


ABSENT: Final = Shown("absent")


@dataclass(frozen=True, slots=True)
class Line:
    """One area and cell over time."""

    area: str
    cell: str
    shown: tuple[Shown, ...]
    """One for each period of the question."""

    @property
    def newest(self) -> Figure | None:
        """The last one that there is anything of."""
        return next((each.figure for each in reversed(self.shown) if each.figure is not None), None)

    @property
    def has_any(self) -> bool:
        return self.newest is not None


def arrange(query: FigureQuery, figures: Iterable[Figure], least: int) -> list[Line]:
    """A line for each area and cell of which there is anything; `least` is the policy's least number shown."""
    found: dict[tuple[str, str], dict[str, Figure]] = {}
    for figure in figures:
        found.setdefault((figure.area, figure.cell), {})[figure.period] = figure
    labels = query.labels
    return [
        Line(area, cell, tuple(show(by_period.get(label), least) for label in labels))
        for (area, cell), by_period in found.items()
    ]


def show(figure: Figure | None, least: int) -> Shown:
    """The display rule (DESIGN 4)."""
    if figure is None:
        return ABSENT
    if figure.status not in WITH_VALUE or figure.estimate is None or figure.low is None or figure.high is None:
        return Shown("missing" if figure.status == "L" else "hidden", figure)
    half = (figure.high - figure.low + 1) // 2
    if figure.estimate == 0 and half == 0:
        return Shown("zero", figure)
    return Shown("few" if figure.estimate < least or 2 * half >= figure.estimate else "figure", figure)


def coverage_of(lines: Sequence[Line]) -> tuple[int, int] | None:
    """(reporting, expected) cities of the newest period of the first area; None where there is nothing."""
    newest = next((line.newest for line in lines if line.has_any), None)
    return None if newest is None else (newest.reporting, newest.expected)
