"""Which tables a policy collects as sealed totals, and why no batch of one could be opened now.

Plain functions of their arguments: the policy, the directory, and whom this hub follows.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared_schema.directory import Directory
from shared_schema.governance import PolicyBody, SealedTable
from shared_schema.keys import MemberStatus
from shared_schema.names import is_same_operator
from shared_schema.sealed.checks import cities_of


class Obstacle(StrEnum):
    """Why no batch can be opened, or should not. The order is that in which an operator would go about them."""

    OLD_VERSION = "old-version"
    """The policy has a newer version of the table, and that one is in force."""
    TOO_FEW_CITIES = "too-few-cities"
    """Fewer than `min_batch` active cities of different municipalities."""
    HELPER_UNKNOWN = "helper-unknown"
    HELPER_NOT_ACTIVE = "helper-not-active"
    HELPER_NOT_FOLLOWED = "helper-not-followed"
    OWN_OPERATOR_UNSAID = "own-operator-unsaid"
    HELPER_OPERATOR_UNSAID = "helper-operator-unsaid"
    SAME_OPERATOR = "same-operator"


HINTS: Final = frozenset({Obstacle.OLD_VERSION, Obstacle.HELPER_OPERATOR_UNSAID})
"""A batch is opened all the same, and somebody should look: the terms name the second hub's operator as well."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """One table that is collected as a sealed total. `cities` are those of different municipalities."""

    rule: SealedTable
    cities: int
    obstacles: tuple[Obstacle, ...]

    @property
    def is_blocked(self) -> bool:
        """Whether no batch can be opened now."""
        return not HINTS.issuperset(self.obstacles)


def look_at_tables(
    policy: PolicyBody, directory: Directory, followed: Collection[str], operator: str | None
) -> list[Readiness]:
    """Every sealed table of a policy, in its order. `operator` is who runs this hub, as its settings say."""
    cities = len(set(cities_of(directory, directory.root).values()))
    return [
        Readiness(rule, cities, tuple(_obstacles(rule, policy, directory, followed, cities, operator)))
        for rule in policy.sealed or ()
    ]


def _obstacles(
    rule: SealedTable,
    policy: PolicyBody,
    directory: Directory,
    followed: Collection[str],
    cities: int,
    operator: str | None,
) -> list[Obstacle]:
    newest = policy.find_table(rule.table)
    found = [Obstacle.OLD_VERSION] if newest is not None and newest.version > rule.version else []
    if cities < rule.min_batch:
        found.append(Obstacle.TOO_FEW_CITIES)
    helper = directory.find(rule.helper)
    if helper is None:
        found.append(Obstacle.HELPER_UNKNOWN)
    elif helper.status is not MemberStatus.ACTIVE:
        found.append(Obstacle.HELPER_NOT_ACTIVE)
    elif rule.helper not in followed:
        found.append(Obstacle.HELPER_NOT_FOLLOWED)
    helper_operator = None if helper is None else helper.operator
    if operator is None:
        found.append(Obstacle.OWN_OPERATOR_UNSAID)
    if helper is not None and helper_operator is None:
        found.append(Obstacle.HELPER_OPERATOR_UNSAID)
    if operator is not None and helper_operator is not None and is_same_operator(operator, helper_operator):
        found.append(Obstacle.SAME_OPERATOR)
    return found
