"""The demo checks itself against the true counts it knows, and says what it found, also when it is bad."""

from dataclasses import dataclass, field
from typing import Any

from deploy.demo.federation import NATION, Federation, together
from deploy.demo.recall import TakenBack
from deploy.demo.sealed_story import Sealed
from deploy.demo.story import TABLES, demo_months, read_figures

COVERAGE_BOUNDS = (0.92, 0.98)
LEAST_CELLS = 400
PRACTICES = 12


@dataclass
class Findings:
    """What the demo found; `problems` is empty when all is well."""

    processes: int
    statements: int
    log_sizes: dict[str, int]
    practices_read_in_every_city: bool
    """All of them before one was taken back, and the others still."""
    withdrawn_by: str
    withdrawn_everywhere: bool
    recall: str
    origin_signatures_verified: int
    aggregate_cells: int
    coverage_95: float
    aggregates_in_every_city: bool
    logs_verified: bool
    sealed: Sealed
    same_operator_refused: bool = False
    """Whether a city refuses a sealed total of two hubs of one operator; known when the demo has played such two."""
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def to_object(self) -> dict[str, Any]:
        found = {name: value for name, value in vars(self).items() if name not in ("problems", "sealed")}
        return found | {f"sealed_{name}": value for name, value in sealed_figures(self.sealed).items()}


def sealed_figures(sealed: Sealed) -> dict[str, Any]:
    """What is told of the sealed total in the line for programs."""
    region = sealed.region
    return {
        "operators": sealed.operators,
        "cities": sealed.cities,
        "readable_shares": sealed.readable,
        "keys_left": sealed.keys_left,
        "in_nation": region is not None and sealed.nation is not None and region.cells == sealed.nation.cells,
        "total": {} if region is None else {cell.code: cell.total for cell in region.cells},
        "true": {} if region is None else {cell.code: cell.true for cell in region.cells},
        "standard_deviation": None if region is None else round(region.deviation, 2),
        "mean_off": None if region is None else round(region.mean_off, 2),
        "most_off": None if region is None else region.most_off,
    }


def check_federation(federation: Federation, taken: TakenBack, sealed: Sealed) -> Findings:
    """Ask every process for what it holds and compare it with what must be there."""
    statuses = {name: hub.ask("status") for name, hub in federation.hubs.items()}
    inboxes = together(lambda node: node.ask("inbox.list")["items"], federation.nodes.values())
    verified = [[item for item in inbox if item["state"] == "accepted"] for inbox in inboxes]
    practices = [{item["digest"] for item in items if item["kind"] == "practice"} for items in verified]
    cells, covered = _coverage(federation)
    reports = [hub.ask("verify") for hub in federation.hubs.values()]
    findings = Findings(
        processes=len(federation.programs),
        statements=sum(_from_cities(status) for status in statuses.values() if status["name"] != NATION),
        log_sizes={name: status["log_size"] for name, status in statuses.items()},
        practices_read_in_every_city=taken.was_read_everywhere
        and all(len(found) == PRACTICES - 1 for found in practices),
        withdrawn_by=taken.author,
        withdrawn_everywhere=taken.withdrawn_everywhere,
        recall=taken.recall,
        origin_signatures_verified=sum(len(items) for items in verified),
        aggregate_cells=cells,
        coverage_95=round(covered / cells, 4) if cells else 0.0,
        aggregates_in_every_city=all(_has_both_levels(items, federation) for items in verified),
        logs_verified=all(report["ok"] for report in reports),
        sealed=sealed,
    )
    findings.problems = _problems(findings, statuses, inboxes)
    return findings


def _from_cities(status: dict[str, Any]) -> int:
    """Statements that cities handed in at a hub (a region also holds practices that came from elsewhere)."""
    return int(status["direct"])


def _has_both_levels(items: list[dict[str, Any]], federation: Federation) -> bool:
    """Whether a city holds a sum of the nation and of one region for every month and table."""
    months = tuple(demo_months(federation.cities[0]))
    wanted = len(months) * len(TABLES)
    # of the subjects, "table, 2015-07": quarters and years, which hubs make of months, are beside the point here
    sums = [item for item in items if item["kind"] == "aggregate" and item["subject"].endswith(months)]
    by_origin: dict[str, set[str]] = {}
    for item in sums:
        by_origin.setdefault(item["origin"], set()).add(item["subject"])
    return len(by_origin.get(NATION, ())) == wanted and sum(len(found) == wanted for found in by_origin.values()) >= 2


def _coverage(federation: Federation) -> tuple[int, int]:
    """(cells, cells whose 95 % interval holds the true count) over what three hubs added up of the two years."""
    told = demo_months(federation.cities[0])
    cells = covered = 0
    for name, hub in federation.hubs.items():
        cities = [city for city in federation.cities if name in (NATION, city.hub)]
        truth = {table: [read_figures(city, suffix) for city in cities] for table, suffix in TABLES.items()}
        for body in hub.ask("sums")["sums"]:
            months = _months_in(body["period"])
            if not set(months) <= set(told):  # the sealed total, which is looked at by itself
                continue
            for cell in body["cells"]:
                (code,) = cell["dims"].values()
                true = sum(figures[month][code] for figures in truth[body["table"]["id"]] for month in months)
                cells += 1
                covered += cell["status"] == "A" and cell["low"] <= true <= cell["high"]
    return cells, covered


def _months_in(period: dict[str, str]) -> list[str]:
    """The months of a period of one year, as `2015-07`; hubs make quarters and years of months."""
    year, first, last = period["start"][:4], int(period["start"][5:7]), int(period["end"][5:7])
    return [f"{year}-{month:02d}" for month in range(first, last + 1)]


def _problems(
    findings: Findings, statuses: dict[str, dict[str, Any]], inboxes: list[list[dict[str, Any]]]
) -> list[str]:
    problems = list(findings.sealed.problems)
    if not findings.practices_read_in_every_city:
        problems.append(f"not every city reads all {PRACTICES} practices")
    if not findings.withdrawn_everywhere:
        problems.append(f"a practice was taken back, and somebody still has it: {findings.recall} have confirmed")
    if not findings.aggregates_in_every_city:
        problems.append("not every city holds the sums of its region and of the nation")
    if findings.aggregate_cells < LEAST_CELLS:
        problems.append(f"expected at least {LEAST_CELLS} cells, got {findings.aggregate_cells}")
    low, high = COVERAGE_BOUNDS
    if not low <= findings.coverage_95 <= high:
        problems.append(f"expected {low} to {high} of the intervals to hold the truth, got {findings.coverage_95}")
    if not findings.logs_verified:
        problems.append("a hub's log does not verify")
    problems += [f"{name}: alarm" for name, status in statuses.items() if status["alarms"]]
    quarantined = sum(item["state"] == "quarantined" for inbox in inboxes for item in inbox)
    if quarantined:
        problems.append(f"{quarantined} items are in quarantine")
    return problems
