"""How this city protects its figures: what its settings say, within what the hub's policy allows.

`noise` is the rule, `threshold` is for cities that refuse noise. The `strict` profile spends half of what the policy
allows, for every table and for every measure.
"""

from dataclasses import dataclass
from typing import Final, Literal

from local_node.errors import DisclosureError
from shared_schema.governance import PolicyBody
from shared_schema.period import Period
from shared_schema.trend import TableDefinition

DEFAULT_THRESHOLD: Final = 10
"""Below this a city without noise suppresses (DESIGN section 4)."""


@dataclass(frozen=True, slots=True)
class Protection:
    """The settings `protection`, `threshold` and `privacy_profile`."""

    engine: Literal["noise", "threshold"] = "noise"
    threshold: int = DEFAULT_THRESHOLD
    profile: Literal["default", "strict"] = "default"

    def limits(self, policy: PolicyBody) -> PolicyBody:
        """What this city allows itself: the policy, or with the strict profile half of it. The total stays."""
        if self.profile == "default":
            return policy
        tables = tuple(
            table.model_copy(
                update={
                    "epsilon_milli": table.epsilon_milli // 2,
                    "year_epsilon_milli": None if table.year_epsilon_milli is None else table.year_epsilon_milli // 2,
                }
            )
            for table in policy.tables
        )
        return policy.model_copy(
            update={"tables": tables, "epsilon_milli_per_measure": policy.epsilon_milli_per_measure // 2}
        )

    def most_for(self, table: TableDefinition, period: Period, policy: PolicyBody) -> int:
        """The most that one release of a table may spend here, in thousandths of epsilon; also what it spends."""
        own = self.limits(policy).find_table(table.id, table.version)
        return 0 if own is None else own.epsilon_milli_for(period.granularity)

    def check_possible(self, period: Period, policy: PolicyBody, *, correction: bool) -> None:
        """Raise DisclosureError unless such figures can be protected here: without noise no months, no corrections."""
        if self.engine == "noise":
            return
        if period.granularity == "month":
            raise DisclosureError("expected a quarter or a year, as there is no noise", code="threshold-month")
        if correction:
            raise DisclosureError(
                "expected noise for a correction; without noise, mark a break in the series (B) instead",
                code="threshold-correction",
            )
        if self.threshold < policy.least_threshold:
            raise DisclosureError(
                f"expected a threshold of at least {policy.least_threshold}, as the policy says, got {self.threshold}",
                code="threshold-floor",
            )
