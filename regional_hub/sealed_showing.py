"""What is shown of a sum with sealed totals in it. Plain functions of their arguments.

The total of an opened batch has at least five cities and is differentially private as a whole: both sums stand in the
log, and anybody adds them up. So it is always shown, and it protects nobody: whoever sees a sum takes the total away
from it. What is left, the figures of cities that released them one by one, keeps the rules of `showing`, as if there
were no sealed total beside them: its atoms, its history and its surroundings are those of this rest alone. Both
together are what is shown. Where the rest may not be, the sealed total stands there without it.

    showing = show_all(complete, shares, plain, atoms, before, around)
    for_the_hub_above = with_all_shown(complete, showing.atoms)
"""

from collections.abc import Sequence

from regional_hub.aggregate import add_sealed, write_sealed
from regional_hub.atoms import Atoms
from regional_hub.rollup import Sealed, Share
from regional_hub.showing import Showing, Surroundings, show, with_shown_parts
from shared_schema.laplace import interval_of
from shared_schema.trend import WITH_VALUE, AggregateBody, AggregateCell, SealedPart, ShownPart


def has_sealed(body: AggregateBody | None) -> bool:
    """Whether any figure of it comes out of sealed totals, in whole or in part."""
    return body is not None and any(body.sealed_part_of(cell) is not None for cell in body.cells)


def without_sealed(shares: Sequence[Share]) -> list[Share]:
    """What is left of these shares beside sealed totals."""
    return [rest for share in shares if (rest := share.without_sealed()) is not None]


def show_all(
    complete: AggregateBody,
    shares: Sequence[Share],
    plain: AggregateBody,
    atoms: Atoms,
    before: AggregateBody | None,
    around: Surroundings,
) -> Showing:
    """Decide on every cell of a complete sum.

    `plain` is the complete sum of what is left of the shares beside sealed totals; `atoms` and `around` are about that
    rest alone, `before` is the newest revision that was shown.
    """
    rest = without_sealed(shares)
    showing = show(plain, rest, atoms, None if before is None else _without_sealed(before), around)
    cells = []
    for place, shown in enumerate(showing.body.cells):
        sealed = add_sealed([share.terms[place] for share in shares])
        is_new = _is_same(shown, plain.cells[place])
        cells.append(_together(complete.cells[place], shown, sealed, is_new=is_new, parts=complete.mechanism is None))
    body = complete.model_copy(update={"complete": False, "cells": tuple(cells)})
    return Showing(body, showing.atoms, showing.waits)


def with_all_shown(complete: AggregateBody, atoms: Atoms) -> AggregateBody:
    """The complete sum for the hub above, which learns what everybody sees of it: also the sealed totals."""
    bare = with_shown_parts(complete, atoms)
    cells = tuple(_with_sealed_shown(cell, complete.sealed_part_of(cell)) for cell in bare.cells)
    return bare.model_copy(update={"cells": cells})


def _with_sealed_shown(cell: AggregateCell, part: SealedPart | None) -> AggregateCell:
    if part is None:
        return cell
    cities, estimate = (cell.shown.contributors, cell.shown.estimate) if cell.shown is not None else (0, 0)
    shown = ShownPart(contributors=cities + part.contributors, estimate=estimate + part.estimate)
    return cell.model_copy(update={"shown": shown})


def _is_same(shown: AggregateCell, now: AggregateCell) -> bool:
    return shown.status in WITH_VALUE and (shown.contributors, shown.estimate, shown.variance_milli) == (
        now.contributors,
        now.estimate,
        now.variance_milli,
    )


def _together(
    complete: AggregateCell, rest: AggregateCell, sealed: Sealed | None, *, is_new: bool, parts: bool
) -> AggregateCell:
    """One cell of what is shown: the rest as far as it may be, and the sealed totals."""
    if sealed is None:
        return rest
    hidden = {"suppressed": rest.suppressed, "suppressed_high": rest.suppressed_high}
    if is_new or complete.contributors == sealed.cities:
        return complete.model_copy(update={"noise": None, "shown": None, **hidden})
    alone = rest.estimate is None or rest.variance_milli is None
    estimate = sealed.estimate + (rest.estimate or 0)
    spread = sealed.variance_milli + (rest.variance_milli or 0)
    bounds = interval_of(estimate, sealed.noise if alone else None, variance_milli=spread)
    return AggregateCell(
        dims=complete.dims,
        status=complete.status,
        contributors=sealed.cities + (0 if alone else rest.contributors),
        estimate=estimate,
        variance_milli=spread,
        low=bounds.low,
        high=bounds.high,
        suppressed=rest.suppressed,
        suppressed_high=rest.suppressed_high,
        sealed=write_sealed(sealed) if parts else None,
    )


def _without_sealed(body: AggregateBody) -> AggregateBody:
    """What was shown of the rest."""
    cells = tuple(_rest_of(cell, body.sealed_part_of(cell)) for cell in body.cells)
    return body.model_copy(update={"cells": cells, "mechanism": None, "batches": None})


def _rest_of(cell: AggregateCell, part: SealedPart | None) -> AggregateCell:
    if part is None or cell.estimate is None or cell.variance_milli is None:
        return cell
    if part.contributors == cell.contributors:
        return AggregateCell(
            dims=cell.dims,
            status="L",
            contributors=0,
            suppressed=cell.suppressed,
            suppressed_high=cell.suppressed_high,
        )
    estimate, spread = cell.estimate - part.estimate, cell.variance_milli - part.variance_milli
    bounds = interval_of(estimate, None, variance_milli=spread)
    figures = {"estimate": estimate, "variance_milli": spread, "low": bounds.low, "high": bounds.high}
    return cell.model_copy(update={**figures, "contributors": cell.contributors - part.contributors, "sealed": None})
