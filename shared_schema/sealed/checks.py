"""What whoever takes part in a batch asks of its plan, city and second hub alike: nobody trusts the leader to ask it.

Facts come as values: what the own directory says about hubs and cities, the own limits, the time of now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared_schema.directory import Directory
from shared_schema.errors import ReleaseRuleError
from shared_schema.governance import LEAST_BATCH, MAX_OPEN_DAYS
from shared_schema.keys import MemberRole, MemberStatus
from shared_schema.names import is_same_operator, parse_time
from shared_schema.problem import ProblemCode
from shared_schema.release_rules import check_ended
from shared_schema.sealed.terms import BatchPlan, BatchProposal, HubPart
from shared_schema.trend import TableDefinition


@dataclass(frozen=True, slots=True)
class Facts:
    """What a city or a second hub knows by itself.

    `municipalities` are the active cities of the leader that its directory knows, by name, with their code; `operators`
    the hubs of its directory, with who runs each, as far as somebody has said so.
    """

    now: datetime
    table: TableDefinition | None
    """Of the own policy, with the id and version that the plan names."""
    municipalities: Mapping[str, str]
    operators: Mapping[str, str | None]
    most_epsilon_milli: int
    least_cities: int = LEAST_BATCH


def cities_of(directory: Directory, leader: str) -> dict[str, str]:
    """The active cities that `leader` vouches for, by name, with the code of their municipality."""
    return {
        member.name: member.area
        for member in directory.members()
        if member.role is MemberRole.NODE
        and member.status is MemberStatus.ACTIVE
        and member.vouched_by == leader
        and member.area is not None
    }


def operators_of(directory: Directory) -> dict[str, str | None]:
    """The hubs of a directory, with who runs each, as far as somebody has said so."""
    return {member.name: member.operator for member in directory.members() if member.role is not MemberRole.NODE}


def check_plan(plan: BatchPlan, facts: Facts) -> None:
    """Raise ReleaseRuleError unless this may be collected: `unknown-table`, `grid-mismatch`, `privacy-floor`,
    `release-rule` or `batch-terms`."""
    _check_table(plan, facts)
    most = min(facts.most_epsilon_milli, facts.table.epsilon_milli_for(plan.period.granularity) if facts.table else 0)
    if plan.epsilon_milli > most:
        raise ReleaseRuleError(f"expected an epsilon of at most {most} thousandths", code=ProblemCode.PRIVACY_FLOOR)
    if plan.min_batch < facts.least_cities:
        raise _refused(f"expected a batch of at least {facts.least_cities} cities, got {plan.min_batch}")
    _check_members(plan, facts.municipalities)
    opens, closes = parse_time(plan.opens), parse_time(plan.closes)
    check_ended(plan.period, opens)
    if (closes - opens).days > MAX_OPEN_DAYS:
        raise _refused(f"expected a batch that is open for at most {MAX_OPEN_DAYS} days")
    if facts.now > closes:
        raise _refused("expected a batch that is not closed")


def check_hubs(parts: tuple[HubPart, ...], facts: Facts) -> None:
    """Raise ReleaseRuleError unless the directory has these hubs, and nobody says that others run them.

    Codes: `batch-terms`. That both operators differ is another rule (`terms.check_operators`).
    """
    for part in parts:
        if part.name not in facts.operators:
            raise _refused("expected hubs of the directory")
        known = facts.operators[part.name]
        if known is not None and not is_same_operator(known, part.operator):
            raise _refused("expected the operator that the directory names")


def check_proposal(proposal: BatchProposal, *, leader: str, facts: Facts) -> None:
    """What the second hub asks before it agrees to a proposal of `leader`, who has signed the request.

    Here somebody must have said who runs the leader: the second hub is who has admitted it, or knows who did. Raises
    ReleaseRuleError as `check_plan` and `check_hubs`.
    """
    if proposal.leader.name != leader:
        raise _refused("expected a proposal of the hub that sends it")
    check_hubs((proposal.leader,), facts)
    if facts.operators[leader] is None:
        raise _refused("expected a leader whose operator the directory names")
    check_plan(proposal.plan, facts)


def _check_table(plan: BatchPlan, facts: Facts) -> None:
    table = facts.table
    if table is None or table.reference != plan.table:
        raise ReleaseRuleError("expected a table of the policy, in its wording", code=ProblemCode.UNKNOWN_TABLE)
    if (plan.dimension, plan.cells) != (table.dimension, table.cells):
        raise ReleaseRuleError("expected the grid of the table", code=ProblemCode.GRID_MISMATCH)
    if plan.period.granularity not in table.granularities:
        raise ReleaseRuleError("expected a period of a length that the table allows")
    if plan.source_kind is not None and plan.source_kind not in table.source_kinds:
        raise ReleaseRuleError("expected a source kind that the table allows")


def _check_members(plan: BatchPlan, municipalities: Mapping[str, str]) -> None:
    """Every member is a city that is known here, and no two are one: invented ones would stand around a real one."""
    unknown = sum(name not in municipalities for name in plan.members)
    if unknown:
        raise _refused(f"expected members of the directory, got {unknown} that it does not have")
    if len({municipalities[name] for name in plan.members}) < len(plan.members):
        raise _refused("expected members of different municipalities")


def _refused(message: str) -> ReleaseRuleError:
    return ReleaseRuleError(message, code=ProblemCode.BATCH_TERMS)
