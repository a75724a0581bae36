"""Adding up: sums of released figures with their uncertainty. Plain functions of their arguments.

A hub adds up what its direct members handed in: releases of cities, complete sums of hubs below it. Estimates and
variances add (the noise of cities is independent). A cell that a city did not collect lowers the number of cities in
that cell; it is never a zero.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from shared_schema.laplace import interval, variance_milli
from shared_schema.period import Area
from shared_schema.trend import (
    WITH_VALUE,
    AggregateBody,
    AggregateCell,
    CellStatus,
    Coverage,
    LaplaceMechanism,
    Scale,
    TableDefinition,
    TrendBody,
)


@dataclass(frozen=True, slots=True)
class Contribution:
    """One direct member's figures for a table and period, and the digest of the statement that holds them."""

    member: str
    digest: str
    body: TrendBody | AggregateBody


@dataclass(frozen=True, slots=True)
class _Term:
    """What one contribution puts into one cell; `cities` is 0 when it has nothing."""

    status: CellStatus
    cities: int
    estimate: int = 0
    variance_milli: int = 0
    scale: Fraction | None = None


def inputs_of(digests: Sequence[str], expected: int) -> str:
    """Names what a sum is made of: equal for equal inputs, whatever their order."""
    return hashlib.sha256("\n".join([str(expected), *sorted(digests)]).encode()).hexdigest()


def add_up(
    contributions: Sequence[Contribution], table: TableDefinition, area: Area, *, expected: int, revision: int
) -> AggregateBody:
    """The complete sum of at least one contribution to one table and period.

    `expected` is the number of cities that could have contributed. All contributions have the table's grid
    (`check_releasable`).
    """
    bodies = [contribution.body for contribution in contributions]
    cells = tuple(_add_cell([_term(body, place) for body in bodies], table, place) for place in range(len(table.cells)))
    reporting = sum(body.coverage.reporting if isinstance(body, AggregateBody) else 1 for body in bodies)
    agencies = [body.agencies if isinstance(body, AggregateBody) else body.coverage for body in bodies]
    scale = _common_scale([_scale(body) for body in bodies])
    return AggregateBody(
        table=table.reference,
        area=area,
        period=bodies[0].period,
        source_kind=bodies[0].source_kind,
        complete=True,
        revision=revision,
        scale=None if scale is None else Scale(numerator=scale.numerator, denominator=scale.denominator),
        coverage=Coverage(reporting=reporting, expected=max(expected, reporting)),
        agencies=Coverage(
            reporting=sum(part.reporting for part in agencies), expected=sum(part.expected for part in agencies)
        ),
        cells=cells,
    )


def for_display(body: AggregateBody, *, min_contributors: int) -> AggregateBody:
    """The sum as everybody may see it: a cell with fewer than `min_contributors` cities is suppressed (`Q`)."""
    cells = tuple(
        cell
        if cell.status not in WITH_VALUE or cell.contributors >= min_contributors
        else AggregateCell(dims=cell.dims, status="Q", contributors=cell.contributors)
        for cell in body.cells
    )
    return body.model_copy(update={"complete": False, "cells": cells})


def _term(body: TrendBody | AggregateBody, place: int) -> _Term:
    cell = body.cells[place]
    if isinstance(cell, AggregateCell):
        if cell.estimate is None or cell.variance_milli is None:
            return _Term(cell.status, 0)
        return _Term(cell.status, cell.contributors, cell.estimate, cell.variance_milli, _scale(body))
    scale = _scale(body)
    if cell.value is None or scale is None:
        return _Term(cell.status, 0)
    return _Term(cell.status, 1, cell.value, variance_milli(scale), scale)


def _scale(body: TrendBody | AggregateBody) -> Fraction | None:
    if isinstance(body, TrendBody):
        return body.mechanism.scale.to_fraction() if isinstance(body.mechanism, LaplaceMechanism) else None
    return None if body.scale is None else body.scale.to_fraction()


def _common_scale(scales: Sequence[Fraction | None]) -> Fraction | None:
    return scales[0] if len(set(scales)) == 1 else None


def _add_cell(terms: Sequence[_Term], table: TableDefinition, place: int) -> AggregateCell:
    dims = {table.dimension: table.cells[place]}
    having = [term for term in terms if term.cities]
    if not having:
        status: CellStatus = "Q" if any(term.status == "Q" for term in terms) else "L"
        return AggregateCell(dims=dims, status=status, contributors=0)
    estimate = sum(term.estimate for term in having)
    variance = sum(term.variance_milli for term in having)
    cities = sum(term.cities for term in having)
    bounds = interval(
        estimate, variance_milli=variance, scale=_common_scale([term.scale for term in having]), terms=cities
    )
    return AggregateCell(
        dims=dims,
        status=_status([term.status for term in having]),
        contributors=cities,
        estimate=estimate,
        variance_milli=variance,
        low=bounds.low,
        high=bounds.high,
    )


def _status(statuses: Sequence[CellStatus]) -> CellStatus:
    """A break or another definition in one city is one in the sum."""
    for status in ("D", "B"):
        if status in statuses:
            return status
    return "A"
