"""The floor that node and hub both apply to a release: `check_releasable`.

The node checks before it signs, so that a coordinator is never refused for something the node could have known; the
hub checks again, because it trusts nobody.
"""

from fractions import Fraction

from shared_schema.content import PracticeBody
from shared_schema.errors import ReleaseRuleError
from shared_schema.governance import PolicyBody
from shared_schema.laplace import variance_milli
from shared_schema.problem import ProblemCode
from shared_schema.statement import Audience, Statement
from shared_schema.trend import (
    MAX_ABSOLUTE_VALUE,
    MAX_AGENCIES,
    MAX_CITIES,
    MAX_VARIANCE_MILLI,
    AggregateBody,
    TableDefinition,
    TableReference,
    TrendBody,
    grid_of,
)

VARIANCE_TOLERANCE_MILLI = 1


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
        _check_grid(tuple(grid_of(body.cells)), get_table(body.table, policy))
        _check_sum(body)
        if body.complete != (statement.audience is Audience.HUB):
            raise ReleaseRuleError("expected a complete sum for the hub above alone, and only such a one")
    elif isinstance(body, PracticeBody):
        if statement.audience is Audience.HUB:
            raise ReleaseRuleError("expected a practice to be for the region, the nation or Europe")
        if body.attribution != "city":  # only what a hub relays can leave the city's name out
            raise ReleaseRuleError("expected the attribution city: the statement names the city that signs it")


def check_trend(body: TrendBody, policy: PolicyBody) -> None:
    """The rules for a city's figures: a table of the policy, its whole grid, no more epsilon than allowed."""
    table = get_table(body.table, policy)
    _check_grid(tuple(grid_of(body.cells)), table)
    if body.period.granularity not in table.granularities:
        raise ReleaseRuleError("expected a period of a length that the table allows")
    if body.source_kind not in table.source_kinds:
        raise ReleaseRuleError("expected a source kind that the table allows")
    if body.privacy.unit != table.unit:
        raise ReleaseRuleError("expected the unit of privacy that the table names", code=ProblemCode.PRIVACY_FLOOR)
    if body.coverage.expected > MAX_AGENCIES:
        raise ReleaseRuleError(f"expected at most {MAX_AGENCIES} agencies")
    if any(cell.status == "Q" for cell in body.cells):
        raise ReleaseRuleError("expected noise on every cell and none suppressed")
    _check_noise(body, table)


def get_table(reference: TableReference, policy: PolicyBody) -> TableDefinition:
    """The policy's table with exactly this wording. Raises ReleaseRuleError (`unknown-table`)."""
    table = policy.find_table(reference.id, reference.version)
    if table is None or table.fingerprint != reference.fingerprint:
        raise ReleaseRuleError("expected a table of the hub's policy, in its wording", code=ProblemCode.UNKNOWN_TABLE)
    return table


def _check_sum(body: AggregateBody) -> None:
    """No more than the cities in it can have released."""
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


def _check_grid(cells: tuple[tuple[str, str], ...], table: TableDefinition) -> None:
    if cells != tuple((table.dimension, code) for code in table.cells):
        raise ReleaseRuleError(
            f"expected the {len(table.cells)} cells of the table's grid in their order", code=ProblemCode.GRID_MISMATCH
        )


def _check_noise(body: TrendBody, table: TableDefinition) -> None:
    epsilon, scale = body.privacy.epsilon_milli, body.mechanism.scale.to_fraction()
    if epsilon > table.epsilon_milli:
        raise ReleaseRuleError(
            f"expected an epsilon of at most {table.epsilon_milli} thousandths", code=ProblemCode.PRIVACY_FLOOR
        )
    if scale < Fraction(1000, epsilon):
        raise ReleaseRuleError("expected a scale of at least 1/epsilon", code=ProblemCode.PRIVACY_FLOOR)
    if abs(body.mechanism.variance_milli - variance_milli(scale)) > VARIANCE_TOLERANCE_MILLI:
        raise ReleaseRuleError("expected the variance that belongs to the scale", code=ProblemCode.PRIVACY_FLOOR)
