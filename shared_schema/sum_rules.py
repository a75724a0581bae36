"""What a hub's sum may say: no more than the cities in it can have released, under the noise that they can have drawn.

A complete sum is added up by the hub above, so a hub that lies about its noise would spoil everybody's intervals. In a
sealed total (docs/sealed_totals.md) nobody has drawn but two hubs, twice for each batch however many cities are in it.
So the rule that every city has drawn cannot hold there, and others take its place: there are at least `LEAST_BATCH`
cities, they are the same in every cell, and there are two draws at least for each batch that is named. Whether the
batches say the same is another question (`regional_hub.sealed_claims`), for hubs that have them in their own log.
"""

from fractions import Fraction

from shared_schema.errors import ReleaseRuleError
from shared_schema.governance import LEAST_BATCH
from shared_schema.laplace import rounding_variance_milli, variance_milli
from shared_schema.trend import (
    MAX_ABSOLUTE_VALUE,
    MAX_AGENCIES,
    MAX_CITIES,
    MAX_VARIANCE_MILLI,
    AggregateBody,
    AggregateCell,
    NoiseShare,
    TableDefinition,
)

VARIANCE_TOLERANCE_MILLI = 1
ROUNDED_TO = 5
DRAWS_OF_A_BATCH = 2
"""One of each hub."""


def check_sum(body: AggregateBody) -> None:
    """Raise ReleaseRuleError for more than the cities in it can have released, and for a sealed total of too few."""
    cities = body.coverage.reporting
    if cities > MAX_CITIES or body.agencies.expected > cities * MAX_AGENCIES:
        raise ReleaseRuleError(f"expected at most {MAX_CITIES} cities with {MAX_AGENCIES} agencies each")
    for cell in body.cells:
        most = min(cell.contributors, cities)
        if (
            cell.contributors > cities
            or abs(cell.estimate or 0) > most * MAX_ABSOLUTE_VALUE
            or (cell.variance_milli or 0) > most * MAX_VARIANCE_MILLI
        ):
            raise ReleaseRuleError("expected a sum that the cities in it can have")
        part = body.sealed_part_of(cell)
        if part is not None and part.contributors < LEAST_BATCH:
            raise ReleaseRuleError(f"expected at least {LEAST_BATCH} cities in a sealed total")
    if body.mechanism is not None:
        _check_alike(body)


def _check_alike(body: AggregateBody) -> None:
    """A batch has the whole grid of each of its cities, and as much noise in every cell."""
    first = body.cells[0]
    for cell in body.cells:
        if cell.estimate is None or cell.suppressed is not None:
            raise ReleaseRuleError("expected a figure in every cell of a sealed total")
        if (cell.contributors, cell.variance_milli) != (body.coverage.reporting, first.variance_milli):
            raise ReleaseRuleError("expected the same cities and the same noise in every cell of a sealed total")


def check_noise_of_sum(body: AggregateBody, table: TableDefinition) -> None:
    """The variance is that of the noise, everybody has drawn, and nobody less than the table's epsilon asks for.

    Otherwise one member could give the hub above an interval of any width, or one that nobody can write down. Raises
    ReleaseRuleError.
    """
    for cell in body.cells:
        _check_noise_of_cell(cell, body, table)


def _check_noise_of_cell(cell: AggregateCell, body: AggregateBody, table: TableDefinition) -> None:
    if cell.estimate is None or cell.variance_milli is None or cell.low is None or cell.high is None:
        if cell.noise is not None:
            raise ReleaseRuleError("expected noise only where there is an estimate")
        return
    if not cell.low <= cell.estimate <= cell.high:
        raise ReleaseRuleError("expected an interval that holds its estimate")
    least = Fraction(1000, table.epsilon_milli)
    plain, of_batches = _draws_asked_for(cell, body)
    noise = cell.noise
    if noise is None and body.scale is not None:  # a hub from before version 0.2
        noise = (NoiseShare(draws=cell.contributors, scale=body.scale),) if cell.contributors else None
    if noise is None:
        # A mean of a year and its months is worth more than either, and never more than both together.
        best = min(variance_milli(least), rounding_variance_milli(ROUNDED_TO)) // 2
        if cell.variance_milli < plain * best + of_batches * variance_milli(least):
            raise ReleaseRuleError("expected at least the variance that the cities' noise has")
        return
    scales = [share.scale.to_fraction() for share in noise if share.scale is not None]
    if any(scale < least or variance_milli(scale) > MAX_VARIANCE_MILLI for scale in scales):
        raise ReleaseRuleError("expected scales that the cities of the sum can have drawn with")
    draws = sum(share.draws for share in noise)
    if draws < plain + of_batches:
        raise ReleaseRuleError("expected a draw of every city in the sum, or two for each batch")
    if body.mechanism is not None and (draws % DRAWS_OF_A_BATCH or len(scales) != len(noise)):
        raise ReleaseRuleError("expected in a sealed total the draws of two hubs and nothing else")
    if abs(cell.variance_milli - sum(map(_variance_of_share, noise))) > draws * VARIANCE_TOLERANCE_MILLI:
        raise ReleaseRuleError("expected the variance that belongs to the noise")


def _draws_asked_for(cell: AggregateCell, body: AggregateBody) -> tuple[int, int]:
    """(one of each city that has released figures of its own, those of the batches)"""
    part = body.sealed_part_of(cell)
    if part is None:
        return cell.contributors, 0
    return cell.contributors - part.contributors, DRAWS_OF_A_BATCH * max(1, len(body.batches or ()))


def _variance_of_share(share: NoiseShare) -> int:
    one = rounding_variance_milli(ROUNDED_TO) if share.scale is None else variance_milli(share.scale.to_fraction())
    return share.draws * one
