"""Adding up: sums of released figures with their uncertainty. Plain functions of their arguments.

A hub adds up what its direct members handed in: releases of cities, complete sums of hubs below it. Estimates and
variances add (the noise of cities is independent). A cell that a city did not collect lowers the number of cities in
that cell; one that a city suppresses is counted apart with its upper bound. Neither is ever a zero.

    shares = shares_of(contributions, period)
    body = add_up(shares, table, area, period, expected=60, revision=1)        the complete sum
    shown = showing.show(body, shares, history, rule, ...)                     what everybody may see of it
"""

import hashlib
from collections import Counter
from collections.abc import Sequence

from regional_hub.rollup import Sealed, Share, Term, add_noise, are_mixed, worst_status
from shared_schema.laplace import Noise, interval_of
from shared_schema.period import Area, Period
from shared_schema.trend import (
    MAX_NOISE_SHARES,
    AggregateBody,
    AggregateCell,
    CellStatus,
    Coverage,
    NoiseShare,
    Scale,
    SealedPart,
    TableDefinition,
)
from shared_schema.vocabulary import SourceKind


def inputs_of(digests: Sequence[str], expected: int, *rules: int) -> str:
    """Names what a sum is made of, and the rules for showing it: equal for equal ones, whatever their order."""
    head = " ".join(str(number) for number in (expected, *rules))
    return hashlib.sha256("\n".join([head, *sorted(digests)]).encode()).hexdigest()


def add_up(
    shares: Sequence[Share], table: TableDefinition, area: Area, period: Period, *, expected: int, revision: int
) -> AggregateBody:
    """The complete sum of at least one share of one table and period.

    `expected` is the number of cities that could have contributed. All shares have the table's grid
    (`check_releasable`). Where their source kinds differ, the sum has the kind of most cities, and every figure the
    status D: counts of the police and of a counselling office are not the same thing.
    """
    mixed = are_mixed(shares)
    cells = tuple(
        _add_cell([share.terms[place] for share in shares], {table.dimension: code}, mixed=mixed)
        for place, code in enumerate(table.cells)
    )
    reporting = sum(share.cities.reporting for share in shares)
    is_sealed = all(share.is_sealed for share in shares)
    has_sealed = any(term.sealed is not None for share in shares for term in share.terms)
    return AggregateBody(
        table=table.reference,
        area=area,
        period=period,
        source_kind=_most_common_kind(shares),
        complete=True,
        revision=revision,
        scale=None if has_sealed else _common_scale(shares),  # readers take it for that of one draw of each city
        coverage=Coverage(reporting=reporting, expected=max(expected, reporting)),
        agencies=Coverage(
            reporting=sum(share.agencies.reporting for share in shares),
            expected=sum(share.agencies.expected for share in shares),
        ),
        rolled_up=sum(share.rolled_up for share in shares) or None,
        mechanism="two-hub" if is_sealed else None,
        batches=tuple(sorted({digest for share in shares for digest in share.batches})) or None,
        cells=tuple(cell.model_copy(update={"sealed": None}) for cell in cells) if is_sealed else cells,
    )


def nothing_left(body: AggregateBody, *, expected: int) -> AggregateBody:
    """The complete sum that takes the place of `body` when everything in it has been withdrawn: no figures at all."""
    cells = tuple(AggregateCell(dims=cell.dims, status="L", contributors=0) for cell in body.cells)
    return AggregateBody(
        table=body.table,
        area=body.area,
        period=body.period,
        source_kind=body.source_kind,
        complete=True,
        revision=1,
        coverage=Coverage(reporting=0, expected=expected),
        agencies=Coverage(reporting=0, expected=0),
        cells=cells,
    )


def _most_common_kind(shares: Sequence[Share]) -> SourceKind:
    """Of several that are as common, the first by name, so that the same shares always make the same sum."""
    cities: Counter[SourceKind] = Counter()
    for share in shares:
        cities[share.source_kind] += share.cities.reporting
    return min(cities, key=lambda kind: (-cities[kind], kind.value))


def _add_cell(terms: Sequence[Term], dims: dict[str, str], *, mixed: bool) -> AggregateCell:
    having = [term for term in terms if term.cities]
    suppressed = sum(term.suppressed for term in terms)
    bound = sum(term.suppressed_high for term in terms) if suppressed else None
    if not having:
        status: CellStatus = "Q" if any(term.status == "Q" for term in terms) else "L"
        return AggregateCell(
            dims=dims, status=status, contributors=0, suppressed=suppressed or None, suppressed_high=bound
        )
    estimate = sum(term.estimate for term in having)
    variance = sum(term.variance_milli for term in having)
    noise = add_noise([term.noise for term in having])
    bounds = interval_of(estimate, noise, variance_milli=variance)
    return AggregateCell(
        dims=dims,
        status="D" if mixed else worst_status(term.status for term in having),
        contributors=sum(term.cities for term in having),
        estimate=estimate,
        variance_milli=variance,
        low=bounds.low,
        high=bounds.high,
        suppressed=suppressed or None,
        suppressed_high=bound,
        noise=_write_noise(noise),
        sealed=write_sealed(add_sealed(having)),
    )


def add_sealed(terms: Sequence[Term]) -> Sealed | None:
    """What of one cell comes out of sealed totals; None when nothing does."""
    parts = [term.sealed for term in terms if term.sealed is not None]
    if not parts:
        return None
    return Sealed(
        sum(part.cities for part in parts),
        sum(part.estimate for part in parts),
        sum(part.variance_milli for part in parts),
        add_noise([part.noise for part in parts]),
    )


def write_sealed(part: Sealed | None) -> SealedPart | None:
    """The same as a statement says it."""
    if part is None:
        return None
    return SealedPart(contributors=part.cities, estimate=part.estimate, variance_milli=part.variance_milli)


def _write_noise(noise: Sequence[Noise] | None) -> tuple[NoiseShare, ...] | None:
    """For the hub above; None where it is not known, or made of more kinds than a statement can say."""
    if not noise or len(noise) > MAX_NOISE_SHARES:
        return None
    return tuple(
        NoiseShare(draws=draws, base=5)
        if isinstance(source, int)
        else NoiseShare(draws=draws, scale=Scale(numerator=source.numerator, denominator=source.denominator))
        for source, draws in noise
    )


def _common_scale(shares: Sequence[Share]) -> Scale | None:
    kinds = [term.noise for share in shares for term in share.terms if term.cities]
    noise = add_noise(kinds)
    if noise is None or len(noise) != 1 or isinstance(noise[0].source, int):
        return None
    return Scale(numerator=noise[0].source.numerator, denominator=noise[0].source.denominator)
