"""Which true counts follow with certainty from what was published? Exact linear algebra, no rounding.

What is published is a linear combination of true counts and of independent draws. Somebody who combines published
figures cancels every draw or keeps noise; so a true count is deducible exactly when its unit vector is in the row space
of the published figures with all coefficients of draws 0. That needs a figure without a draw, or two that share one.

    deducible_counts([Figure({"january": 1}, {7: 1}), Figure({"february": 1}, {7: 1})])      -> frozenset()
    deducible_counts([Figure({"january": 1}, {})])                                           -> {"january"}

Source: Denning and Schloerer 1983, "Inference Controls for Statistical Databases" (linear system attacks); Adam and
Wortmann 1989, section 4.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

Row = dict[tuple[int, str], Fraction]
"""(0, draw) or (1, count) → coefficient; the order of the keys puts draws first, so that they are eliminated first."""


@dataclass(frozen=True)
class Combination:
    """A published figure, or a sum that everybody knows: coefficients of true counts and of draws."""

    counts: Mapping[str, int]
    draws: Mapping[int, int]


def deducible_counts(published: Iterable[Combination]) -> frozenset[str]:
    """The true counts that follow from these figures with certainty."""
    basis = _reduce([_row(each) for each in _entangled(list(published))])
    return frozenset(name for row in basis if len(row) == 1 for kind, name in row if kind == 1)


def _entangled(figures: list[Combination]) -> list[Combination]:
    """Without the figures that have a draw of their own: nothing can cancel it, so nothing exact uses them."""
    while True:
        uses = Counter(draw for figure in figures for draw in figure.draws)
        left = [figure for figure in figures if all(uses[draw] > 1 for draw in figure.draws)]
        if len(left) == len(figures):
            return left
        figures = left


def _row(figure: Combination) -> Row:
    draws = {(0, str(draw)): Fraction(factor) for draw, factor in figure.draws.items() if factor}
    counts = {(1, name): Fraction(factor) for name, factor in figure.counts.items() if factor}
    return draws | counts


def _reduce(rows: Iterable[Row]) -> list[Row]:
    """The reduced row echelon form. A unit vector is in the row space exactly when it is one of its rows."""
    basis: dict[tuple[int, str], Row] = {}
    for row in rows:
        for pivot in sorted(set(row) & set(basis)):
            row = _minus(row, basis[pivot], row.get(pivot, Fraction(0)))
        if not row:
            continue
        pivot = min(row)
        row = {key: value / row[pivot] for key, value in row.items()}
        basis = {key: _minus(other, row, other.get(pivot, Fraction(0))) for key, other in basis.items()}
        basis[pivot] = row
    return list(basis.values())


def _minus(row: Row, other: Row, factor: Fraction) -> Row:
    """`row - factor * other`, without zeros."""
    if not factor:
        return row
    keys = row.keys() | other.keys()
    values = {key: row.get(key, Fraction(0)) - factor * other.get(key, Fraction(0)) for key in keys}
    return {key: value for key, value in values.items() if value}
