"""What the console shows of sealed totals: the batches, one of them with its cities, and the tables that are sealed."""

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub import sealed_readiness, sealed_standing
from regional_hub.app import Hub
from regional_hub.orm import SourceRow
from regional_hub.sealed_readiness import Readiness
from regional_hub.sealed_standing import Standing
from regional_hub.verb_parameters import Params, Result
from shared_schema.governance import PolicyBody, SealedTable
from shared_schema.names import format_time
from shared_schema.service.control import VerbError

MOST_UNDER_WAY: Final = 200
PAGE: Final = 20


def list_batches(hub: Hub, params: Params) -> Result:
    """All that have not ended, and those that have, newest first, a page at a time."""
    page = params.get("page", 1)
    if not isinstance(page, int) or page < 1:
        raise VerbError("bad-parameter", "expected page from 1 on")
    now = hub.clock()
    with hub.database.read() as session:
        under_way = sealed_standing.list_under_way(session, now, MOST_UNDER_WAY)
        ended = sealed_standing.list_ended(session, now, PAGE + 1, (page - 1) * PAGE)
    return {
        "under_way": [describe(each, hub) for each in under_way],
        "ended": [describe(each, hub) for each in ended[:PAGE]],
        "has_more": len(ended) > PAGE,
    }


def show_batch(hub: Hub, params: Params) -> Result:
    """One batch with its cities by name: who has sent and who is missing, never what."""
    batch = params["batch"]
    if not isinstance(batch, int):
        raise VerbError("bad-parameter", "expected the number of a batch")
    with hub.database.read() as session:
        found = sealed_standing.find_standing(session, batch, hub.clock())
    if found is None:
        raise VerbError("not-found", "expected a batch of this hub")
    return describe(found.standing, hub) | {
        "cities": {
            "sent": [{"name": name, "at": format_time(at)} for name, at in found.sent.items()],
            "late": list(found.late),
            "missing": list(found.missing),
            "accepted": None if found.accepted is None else list(found.accepted),
            "refused": [{"name": name, "reason": reason} for name, reason in found.refused],
        },
        "void_reason": found.void_reason,
    }


def list_tables(hub: Hub, params: Params) -> Result:
    """The tables that are collected as sealed totals, and what keeps each from being opened now.

    Of `policy`, when one is given: what would be if it were in force.
    """
    trust = hub.refresh_trust()
    policy = PolicyBody.from_object(params["policy"]) if "policy" in params else trust.policy
    with hub.database.read() as session:
        tables = look_at_tables(session, hub, policy)
    return {
        "tables": [
            {
                "table": each.rule.table,
                "version": each.rule.version,
                "title": title_of(policy, each.rule.table, each.rule.version),
                "granularity": each.rule.granularity,
                "helper": each.rule.helper,
                "maximum": each.rule.maximum,
                "min_batch": each.rule.min_batch,
                "open_days": each.rule.open_days,
                "epsilon_milli": _epsilon_of(policy, each.rule),
                "cities": each.cities,
                "obstacles": [obstacle.value for obstacle in each.obstacles],
                "is_blocked": each.is_blocked,
            }
            for each in tables
        ]
    }


def look_at_batches(session: Session, hub: Hub) -> Sequence[Standing]:
    """Those that have not ended: for the first page, and for `doctor`."""
    return sealed_standing.list_under_way(session, hub.clock(), MOST_UNDER_WAY)


def look_at_tables(session: Session, hub: Hub, policy: PolicyBody | None = None) -> list[Readiness]:
    """The sealed tables of the policy in force, or of another one, and what keeps each from being opened."""
    trust, followed = hub.trust, session.scalars(select(SourceRow.name)).all()
    return sealed_readiness.look_at_tables(policy or trust.policy, trust.directory, followed, hub.settings.operator)


def title_of(policy: PolicyBody, table_id: str, version: int) -> str:
    """What a table is called; its id in a policy that does not know it any more."""
    table = policy.find_table(table_id, version)
    return table_id if table is None else table.title


def _epsilon_of(policy: PolicyBody, rule: SealedTable) -> int:
    table = policy.find_table(rule.table, rule.version)
    return 0 if table is None else table.epsilon_milli_for(rule.granularity)


def describe(standing: Standing, hub: Hub) -> Result:
    """A batch as the pages and the command line show it."""
    now = hub.clock()
    return {
        "batch": standing.id,
        "digest": standing.digest,
        "role": standing.role,
        "other": standing.other,
        "state": standing.state.value,
        "table": standing.table,
        "version": standing.version,
        "title": title_of(hub.trust.policy, standing.table, standing.version),
        "period": standing.period,
        "opens": format_time(standing.opens),
        "closes": format_time(standing.closes),
        "members": len(standing.members),
        "min_batch": standing.min_batch,
        "sent": standing.sent,
        "late": standing.late,
        "late_of": standing.late_of,
        "has_keys": standing.has_keys,
        "waits_for": standing.waits_for,
        "since": format_time(standing.since),
        "is_past_deadline": standing.is_past_deadline(now),
        "has_waited_long": standing.has_waited_long(now),
        "is_lost": standing.is_lost,
    }


VERBS: Final[dict[str, Callable[[Hub, Params], Result]]] = {
    "sealed.batches": list_batches,
    "sealed.batch": show_batch,
    "sealed.tables": list_tables,
}
