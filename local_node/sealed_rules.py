"""What this city asks of a sealed total before it takes part: the policy in force, and its own settings on top.

The hubs' word is read by `shared_schema.sealed.agreed`, and what every city asks is in `shared_schema.sealed.city`.
Here is what only this city knows: the table as its home hub's policy would have it, and where it is stricter.
"""

from dataclasses import dataclass
from typing import Final

from local_node.protection import Protection
from shared_schema.errors import ReleaseRuleError
from shared_schema.governance import LEAST_BATCH, PolicyBody, SealedTable
from shared_schema.problem import ProblemCode
from shared_schema.sealed.agreed import AgreedBatch
from shared_schema.trend import TableDefinition

NOISE: Final = Protection()
NO_CEILING: Final = 10_000
"""Thousandths of epsilon: no batch has more."""


@dataclass(frozen=True, slots=True)
class SealedRules:
    """The city's own limits, from its settings. A policy cannot loosen them.

    `declined` are the ids of tables that this city does not send sealed.
    """

    name: str
    protection: Protection = NOISE
    least_cities: int = LEAST_BATCH
    most_epsilon_milli: int = NO_CEILING
    declined: frozenset[str] = frozenset()

    def most_for(self, table: TableDefinition, batch: AgreedBatch, policy: PolicyBody) -> int:
        """The most epsilon, in thousandths, that this city spends on a share of a table."""
        return min(self.most_epsilon_milli, self.protection.most_for(table, batch.plan.period, policy))


def check_wanted(batch: AgreedBatch, policy: PolicyBody, rules: SealedRules, home: str) -> SealedTable:
    """How the policy in force has this table collected.

    Raises ReleaseRuleError: led by another hub than the home hub, not sealed by the policy or with another second hub,
    fewer cities or another length than it says, or a table that this city does not send sealed.
    """
    terms, plan = batch.terms, batch.plan
    if terms.leader.name != home:
        raise _refused("expected a collection that this city's own hub leads")
    sealed = policy.find_sealed(plan.table.id, plan.table.version)
    if sealed is None:
        raise _refused("expected a table that the policy in force collects as a sealed total")
    if sealed.helper != terms.helper.name:
        raise _refused(f"expected {sealed.helper} as the second hub, as the policy says, got {terms.helper.name}")
    if sealed.granularity != plan.period.granularity or plan.min_batch < sealed.min_batch:
        raise _refused(f"expected a {sealed.granularity} of at least {sealed.min_batch} cities, as the policy says")
    if sealed.source_kind not in (None, plan.source_kind):
        raise _refused("expected a collection of the source kind that the policy says")
    if plan.table.id in rules.declined:
        raise ReleaseRuleError("expected a table that this city sends sealed: its own settings leave this one out")
    return sealed


def _refused(message: str) -> ReleaseRuleError:
    return ReleaseRuleError(message, code=ProblemCode.BATCH_TERMS)
