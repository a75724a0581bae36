"""The floor that node and hub both apply to a release: `check_releasable`.

The node checks before it signs, so that a coordinator is never refused for something the node could have known; the
hub checks again, because it trusts nobody.
"""

from datetime import datetime
from fractions import Fraction
from typing import Final

from shared_schema.content import AnswerBody, ExperienceBody, PracticeBody
from shared_schema.errors import ReleaseRuleError
from shared_schema.governance import PolicyBody
from shared_schema.laplace import variance_milli
from shared_schema.period import Period
from shared_schema.problem import ProblemCode
from shared_schema.sealed.bodies import ShareBody
from shared_schema.statement import SEALED_BY_HUBS, Audience, Statement
from shared_schema.sum_rules import ROUNDED_TO, VARIANCE_TOLERANCE_MILLI, check_noise_of_sum, check_sum
from shared_schema.trend import (
    MAX_AGENCIES,
    AggregateBody,
    LaplaceMechanism,
    ReleasedCell,
    TableDefinition,
    TableReference,
    ThresholdMechanism,
    TrendBody,
    grid_of,
    pad_for,
)

MOST_NOISE = 4
"""Times the scale that the stated epsilon asks for. A city that is stricter states less epsilon; far more noise than is
stated would only serve to be large and never to stand out."""
LEAST_ALIKE = 3
WINDOWS: Final = {"record": "period", "person": "rolling-12-months"}
"""What a unit is counted once in: a record stands in one period, a person counts once in twelve months."""
MOVED_RECORD = 2
"""A correction can take a record out of one cell and put it into another: it moves two counts by 1."""


def check_releasable(statement: Statement, policy: PolicyBody) -> None:
    """Check a node's or hub's statement against the policy in force.

    Raises ReleaseRuleError: `unknown-table`, `grid-mismatch`, `privacy-floor` or `release-rule`.
    """
    body = statement.body
    if isinstance(body, TrendBody):
        check_trend(body, policy)
        if statement.audience is not Audience.HUB:
            raise ReleaseRuleError("expected the audience hub for a city's trend: cities are added up, never compared")
    elif isinstance(body, AggregateBody):
        table = get_table(body.table, policy)
        _check_grid(tuple(grid_of(body.cells)), table)
        check_sum(body)
        if body.complete:  # it will be added up, so its noise must be what its cities can have drawn
            check_noise_of_sum(body, table)
        if body.complete != (statement.audience is Audience.HUB):
            raise ReleaseRuleError("expected a complete sum for the hub above alone, and only such a one")
    elif isinstance(body, ShareBody):
        get_table(body.table, policy)
        if statement.audience is not Audience.HUB:
            raise ReleaseRuleError("expected the audience hub for a sealed share: it is for two hubs and nobody else")
    elif statement.kind in SEALED_BY_HUBS:
        if statement.audience.reach < Audience.NATION.reach:
            raise ReleaseRuleError("expected the audience nation or europe for what two hubs say about a sealed total")
    elif isinstance(body, (PracticeBody, ExperienceBody, AnswerBody)):
        if isinstance(body, PracticeBody) and statement.audience is Audience.HUB:
            raise ReleaseRuleError("expected a practice to be for the region, the nation or Europe")
        if body.attribution not in ("city", None):  # only what a hub relays can leave the city's name out
            raise ReleaseRuleError(
                "expected the attribution city: a statement names its city, a relay request does not"
            )


def check_trend(body: TrendBody, policy: PolicyBody) -> None:
    """The rules for a city's figures: a table of the policy, its whole grid, protected as the policy asks for.

    Raises ReleaseRuleError. What a city has spent before is another rule (`spending.check_charge`).
    """
    table = get_table(body.table, policy)
    if body.correction is None and policy.find_sealed(table.id, table.version) is not None:
        raise ReleaseRuleError("expected a sealed share: the policy collects this table as a sealed total alone")
    _check_grid(tuple(grid_of(body.cells)), table)
    if body.period.granularity not in table.granularities:
        raise ReleaseRuleError("expected a period of a length that the table allows")
    if body.source_kind not in table.source_kinds:
        raise ReleaseRuleError("expected a source kind that the table allows")
    if body.coverage.expected > MAX_AGENCIES:
        raise ReleaseRuleError(f"expected at most {MAX_AGENCIES} agencies")
    if body.pad is not None and body.pad != pad_for(body.cells):
        raise ReleaseRuleError("expected a pad that makes up for the length of the cells")
    if isinstance(body.mechanism, LaplaceMechanism):
        _check_noise(body, body.mechanism, table)
    else:
        _check_threshold(body, body.mechanism, policy)


def check_ended(period: Period, now: datetime) -> None:
    """Raise ReleaseRuleError for figures of a period in which records can still come in.

    `now` may be as much later than the hub's clock as a city's clock may be ahead of it.
    """
    if period.last_day >= now.date():
        raise ReleaseRuleError("expected a period that has ended")


def get_table(reference: TableReference, policy: PolicyBody) -> TableDefinition:
    """The policy's table with exactly this wording. Raises ReleaseRuleError (`unknown-table`)."""
    table = policy.find_table(reference.id, reference.version)
    if table is None or table.fingerprint != reference.fingerprint:
        raise ReleaseRuleError("expected a table of the hub's policy, in its wording", code=ProblemCode.UNKNOWN_TABLE)
    return table


def _check_grid(cells: tuple[tuple[str, str], ...], table: TableDefinition) -> None:
    if cells != tuple((table.dimension, code) for code in table.cells):
        raise ReleaseRuleError(
            f"expected the {len(table.cells)} cells of the table's grid in their order", code=ProblemCode.GRID_MISMATCH
        )


def _check_noise(body: TrendBody, mechanism: LaplaceMechanism, table: TableDefinition) -> None:
    if body.privacy is None or body.privacy.unit != table.unit:
        raise ReleaseRuleError("expected the unit of privacy that the table names", code=ProblemCode.PRIVACY_FLOOR)
    if body.privacy.window != WINDOWS[table.unit]:
        raise ReleaseRuleError("expected the window that belongs to the unit of privacy")
    if any(cell.status == "Q" for cell in body.cells):
        raise ReleaseRuleError("expected noise on every cell and none suppressed")
    if body.correction is not None and any(cell.value is None for cell in body.cells):
        raise ReleaseRuleError("expected a correction to have a value in every cell: what is missing tells something")
    epsilon, scale = body.privacy.epsilon_milli, mechanism.scale.to_fraction()
    most = table.epsilon_milli_for(body.period.granularity)
    if epsilon > most:
        raise ReleaseRuleError(f"expected an epsilon of at most {most} thousandths", code=ProblemCode.PRIVACY_FLOOR)
    sensitivity = 1 if body.correction is None else MOVED_RECORD
    if scale < Fraction(1000 * sensitivity, epsilon):
        raise ReleaseRuleError(f"expected a scale of at least {sensitivity}/epsilon", code=ProblemCode.PRIVACY_FLOOR)
    if abs(mechanism.variance_milli - variance_milli(scale)) > VARIANCE_TOLERANCE_MILLI:
        raise ReleaseRuleError("expected the variance that belongs to the scale", code=ProblemCode.PRIVACY_FLOOR)
    if scale > MOST_NOISE * Fraction(1000 * sensitivity, epsilon):
        raise ReleaseRuleError(
            f"expected a scale of at most {MOST_NOISE * sensitivity}/epsilon: with more noise, state less epsilon"
        )


def _check_threshold(body: TrendBody, mechanism: ThresholdMechanism, policy: PolicyBody) -> None:
    threshold = mechanism.threshold
    if threshold < policy.least_threshold:
        raise ReleaseRuleError(
            f"expected a threshold of at least {policy.least_threshold}", code=ProblemCode.PRIVACY_FLOOR
        )
    if body.period.granularity == "month":
        raise ReleaseRuleError("expected a quarter or a year, as there is no noise", code=ProblemCode.PRIVACY_FLOOR)
    if not all(_is_rounded(cell, mechanism) for cell in body.cells):
        raise ReleaseRuleError(
            f"expected multiples of {mechanism.base} from {threshold} on, and wide intervals for what is suppressed",
            code=ProblemCode.PRIVACY_FLOOR,
        )


def _is_rounded(cell: ReleasedCell, mechanism: ThresholdMechanism) -> bool:
    if cell.low is not None and cell.high is not None:
        return _is_suppressed(cell.low, cell.high, mechanism)
    least = round_to_base(least_count(mechanism.threshold))
    return cell.value is None or (cell.value % mechanism.base == 0 and cell.value >= least)


def round_to_base(count: int) -> int:
    """The nearest multiple of 5."""
    return (count + ROUNDED_TO // 2) // ROUNDED_TO * ROUNDED_TO


def least_count(threshold: int) -> int:
    """The least count that may be shown: every shown value is what at least three counts are rounded to.

    With a threshold of 7, 7 alone would be shown as 5, and 12 alone as 10 with one of 12.
    """
    return next(
        count
        for count in range(threshold, threshold + ROUNDED_TO)
        if round_to_base(count) + ROUNDED_TO // 2 - count >= LEAST_ALIKE - 1
    )


def _is_suppressed(low: int, high: int, mechanism: ThresholdMechanism) -> bool:
    """Below the threshold, or beside such a cell: on a ladder [t, 2t - 1], [2t, 4t - 1], … from the threshold on.

    A node may start a little above its threshold, where the least figure would give its count away.
    """
    if low == 0:
        return mechanism.threshold <= high + 1 < mechanism.threshold + mechanism.base
    return low >= mechanism.threshold and high == 2 * low - 1
