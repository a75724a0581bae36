"""For a data protection officer: the privacy budget, how long what is kept, and erasing what is old."""

from dataclasses import asdict

from sqlalchemy.orm import Session

from local_node import closed_months, draft_store, hub_client, inbox, outside_messages, raw_retention, retention_rules
from local_node.app import Node
from local_node.raw_retention import ErasurePlan
from local_node.retention_rules import Kind
from local_node.verbs.exchange import home_policy
from local_node.verbs.parameters import Params, Result, choose
from shared_schema.governance import PolicyBody
from shared_schema.policy_order import NodeLimits, retention_of
from shared_schema.service.control import VerbError
from shared_schema.trend import TableDefinition


def show_budget(node: Node, _params: Params) -> Result:
    """What twelve months have spent of every measure's budget, and what the next releases would cost."""
    from local_node.budget import odds_factor, read_budget
    from local_node.protection import Protection

    settings = node.settings
    protection = Protection(settings.protection, settings.threshold, settings.privacy_profile)
    with node.database.read() as session:
        hub, policy = home_policy(session)
        budget = read_budget(session, policy, protection, node.clock())
    measures = []
    for measure in budget.measures:
        entries = [asdict(entry) | {"charged_at": entry.charged_at.isoformat()} for entry in measure.entries]
        measures.append(
            asdict(measure)
            | {
                "left_milli": measure.left_milli,
                "entries": entries,
                "following": [asdict(each) | {"odds": odds_factor(each.epsilon_milli)} for each in measure.following],
                "odds": odds_factor(measure.spent_milli),
                "most_odds": odds_factor(measure.most_milli),
            }
        )
    return {
        "hub": hub,
        "since": budget.since,
        "until": budget.until,
        "spent_milli": budget.spent_milli,
        "most_milli": budget.most_milli,
        "measures": measures,
    }


def show_retention(node: Node, _params: Params) -> Result:
    """Every kind of thing that is kept: how much there is, for how long, and what an erasure would take."""
    with node.database.read() as session:
        policy = _find_policy(session)
        rules = retention_rules.list_rules(session)
        counts = raw_retention.count_records(session)
        records = []
        for measure in sorted({*counts, *raw_retention.list_measures(session)}):
            rule = rules.get((Kind.RECORDS, measure))
            months = None if rule is None else rule.months
            plan = None if months is None else _plan(node, session, measure, months, policy)
            count, first = counts.get(measure, (0, ""))
            records.append(
                {
                    "measure": measure,
                    "records": count,
                    "first_month": first,
                    "months": months,
                    "closed_before": closed_months.closed_before(session, measure),
                    "due": None if plan is None else _shown(plan),
                }
            )
        return {
            "seen": retention_rules.seen(session),
            "records": records,
            "messages_months": retention_rules.months_for(session, Kind.MESSAGES),
            "drafts_months": retention_rules.months_for(session, Kind.DRAFTS),
            "drafts": draft_store.count_unsent(session),
            "messages": len(outside_messages.list_messages(session)),
            "contents_months": retention_of(NodeLimits(retention_months=node.settings.retention_months), policy),
        }


def count_due(node: Node, _params: Params) -> Result:
    """How many raw records are older than their rule and may go: for the first look, without what stays."""
    with node.database.read() as session:
        policy = _find_policy(session)
        total = sum(
            _plan(node, session, rule.subject, rule.months, policy).total
            for rule in retention_rules.list_rules(session).values()
            if rule.kind is Kind.RECORDS and rule.months is not None
        )
    return {"records": total}


def set_retention(node: Node, params: Params) -> Result:
    """Set after how many months things are erased, all rules or none; without months a thing is kept, or its default
    counts again. With `seen`, the rules that a person has looked at: when others are in force since, nothing changes.
    """
    by, now = str(params["by"]), node.clock()
    with node.database.write() as session:
        if params.get("seen", rules_seen := retention_rules.seen(session)) != rules_seen:
            raise VerbError("changed", "expected the rules as they are now; look at them again")
        known = raw_retention.list_measures(session)
        for rule in params["rules"]:
            kind, measure, months = choose(Kind, str(rule["kind"])), str(rule.get("measure") or ""), rule.get("months")
            if months is not None and type(months) is not int:
                raise VerbError("bad-parameter", "expected months as a whole number")
            if (kind is Kind.RECORDS) is not bool(measure):
                raise VerbError("bad-parameter", "expected a measure for records, and none for anything else")
            if measure and measure not in known:
                raise VerbError("unknown-measure", "expected a measure of which anything was read in")
            retention_rules.set_rule(session, kind, measure, months, by=by, now=now)
    return {"rules": params["rules"]}


def purge(node: Node, params: Params) -> Result:
    """Erase the raw records of a measure that are old and were released. It cannot be undone.

    With `before` and `total`, what a person has seen: when it has changed since, nothing is erased.
    """
    measure = str(params["measure"])
    with node.database.write() as session:
        months = retention_rules.months_for(session, Kind.RECORDS, measure)
        if months is None:
            raise VerbError("no-rule", f"expected a rule for {measure} first: after how many months its records go")
        plan = _plan(node, session, measure, months, _find_policy(session))
        seen = (params.get("before", plan.before), params.get("total", plan.total))
        if seen != (plan.before, plan.total):
            raise VerbError("changed", "expected what was shown before; look again at what would be erased")
        if params.get("dry_run"):
            return {"measure": measure, "erased": 0, **_shown(plan)}
        erased = raw_retention.erase(session, plan, by=str(params["by"]), now=node.clock())
    return {"measure": measure, "erased": erased, **_shown(plan)}


def _plan(node: Node, session: Session, measure: str, months: int, policy: PolicyBody | None) -> ErasurePlan:
    tables: tuple[TableDefinition, ...] = () if policy is None else policy.tables
    return raw_retention.plan_erasure(session, measure, months, tables, node.clock())


def _shown(plan: ErasurePlan) -> Result:
    return {"before": plan.before, "total": plan.total, "goes": dict(plan.goes), "stays": dict(plan.stays)}


def _find_policy(session: Session) -> PolicyBody | None:
    for hub in hub_client.nearest_first(hub_client.list_hubs(session)):
        policy = inbox.current_policy(session, hub.name)
        if policy is not None:
            return policy
    return None
