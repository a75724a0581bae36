"""Figures to share: which are ready, what a release would tell and cost, and the request for it."""

from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from local_node import hub_client, inbox, release_grid, whole_periods
from local_node.preview import odds_factor
from local_node.release_grid import GridState
from local_node.web.access import Right
from local_node.web.failures import status_of
from local_node.web.figure_lines import Promise, lines_of_preview
from local_node.web.site import Site, visitor_of, words_of
from shared_schema.errors import SchemaError
from shared_schema.governance import PolicyBody
from shared_schema.period import Granularity, Period, parse_period
from shared_schema.service.control import VerbError
from shared_schema.service.pages.forms import Form
from shared_schema.service.pages.statuses import describe
from shared_schema.service.translations import N_
from shared_schema.trend import TableDefinition

MOST_PAGES_BACK: Final = 60
STATES: Final = {
    GridState.RUNNING: ("plain", N_("still running")),
    GridState.MISSING: ("plain", N_("nothing reported")),
    GridState.READY: ("wait", N_("ready")),
    GridState.LATE: ("bad", N_("late")),
    GridState.REQUESTED: ("wait", N_("in review")),
    GridState.APPROVED: ("wait", N_("approved")),
    GridState.HELD: ("bad", N_("held back")),
    GridState.RELEASED: ("good", N_("released")),
    GridState.CORRECTION: ("wait", N_("correction waits")),
    GridState.TAKEN_BACK: ("plain", N_("taken back")),
    GridState.SEALED: ("plain", N_("goes sealed")),
}
"""State -> the kind of sign, and what it is called."""
ASKABLE: Final = (GridState.READY, GridState.LATE, GridState.CORRECTION)
LISTED: Final = 6
"""What waits for somebody, above the grid."""


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = Releases(site)
    site.notices["figures-asked"] = N_("A second person will look at these figures now. Nothing leaves before that.")
    site.get("/releases", pages.show_all, Right.DECIDE_RELEASE)
    site.get("/releases/{table_id}/{label}", pages.preview, Right.DECIDE_RELEASE)
    site.post("/releases/{table_id}/{label}", pages.ask, Right.ASK_RELEASE)


class Releases:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show_all(self, request: Request, back: int = 0) -> Response:
        """The grid of tables and periods, and above it what waits for somebody."""
        if not 0 <= back <= MOST_PAGES_BACK:
            return self._site.missing(request)
        with self._site.database.read() as session:
            policy = find_policy(session)
            now, sealed = self._site.clock(), sealed_tables(policy)
            grids = (
                () if policy is None else release_grid.read_grid(session, policy.tables, now, back=back, sealed=sealed)
            )
        waiting = release_grid.needing_somebody(grids)
        return self._site.page(
            request,
            "releases.html",
            has_rules=policy is not None,
            grids=grids,
            waiting=waiting[:LISTED],
            more=max(len(waiting) - LISTED, 0),
            titles={} if policy is None else {table.id: table.title for table in policy.tables},
            states=STATES,
            address_of=address_of,
            back=back,
            most_back=MOST_PAGES_BACK,
        )

    def preview(self, request: Request, table_id: str, label: str, correction: bool = False) -> Response:
        """What a release would tell and cost, and every rule that holds it back. Draws and changes nothing."""
        return self._preview(request, table_id, label, correction=correction)

    def ask(self, request: Request, table_id: str, label: str, form: Form) -> Response:
        """Ask for it: the noise is drawn now and never again."""
        correction = form.get("correction") is not None
        given = {"table": table_id, "period": label, "by": visitor_of(request).person_id, "correction": correction}
        try:
            asked = self._site.run("release.numbers", given)
        except VerbError as error:
            return self._preview(request, table_id, label, correction=correction, error=error)
        return self._site.go(f"/reviews/{asked['request']}", done="figures-asked")

    def _preview(
        self, request: Request, table_id: str, label: str, *, correction: bool, error: VerbError | None = None
    ) -> Response:
        with self._site.database.read() as session:
            found = _find_table(session, table_id, label)
            left_out = [] if found is None else whole_periods.left_out(session, found[1], found[2], found[0])
            place = None if found is None else _find_cell(session, found[1], found[2], self._site)
        if found is None:
            return self._site.missing(request)
        policy, table, period = found
        told = self._site.run("release.preview", {"table": table_id, "period": label, "correction": correction})
        cost = told["cost"]
        return self._site.page(
            request,
            "release.html",
            status=200 if error is None else status_of(error),
            error=None if error is None else describe(error),
            table=table,
            period=period,
            told=told,
            lines=lines_of_preview(told["cells"], table.dimension, words_of(request, self._site)),
            cost=cost,
            promise=_promise(table, cost),
            limits=policy,
            left_out=left_out,
            correction=correction,
            place=place,
            goes_sealed=any(each["code"].startswith("sealed") for each in told["held_back"]),
        )


def find_policy(session: Session) -> PolicyBody | None:
    """The rules of the nearest hub that has any."""
    for hub in hub_client.nearest_first(hub_client.list_hubs(session)):
        policy = inbox.current_policy(session, hub.name)
        if policy is not None:
            return policy
    return None


def address_of(cell: release_grid.GridCell) -> str | None:
    """Where a cell of the grid leads: to its request, or to what a release would be; nowhere while there is nothing."""
    if cell.state in ASKABLE:
        query = "?correction=1" if cell.state is GridState.CORRECTION else ""
        return f"/releases/{cell.table}/{cell.period}{query}"
    if cell.state is GridState.SEALED:
        return "/sealed"
    return None if cell.request is None else f"/reviews/{cell.request}"


def sealed_tables(policy: PolicyBody | None) -> dict[str, Granularity]:
    """The tables that two hubs collect by the policy in force, with the length of their periods."""
    newest = {} if policy is None else {table.id: policy.find_table(table.id) for table in policy.tables}
    found = {}
    for name, table in newest.items():
        sealed = None if policy is None or table is None else policy.find_sealed(name, table.version)
        if sealed is not None:
            found[name] = sealed.granularity
    return found


def _find_table(session: Session, table_id: str, label: str) -> tuple[PolicyBody, TableDefinition, Period] | None:
    policy = find_policy(session)
    table = None if policy is None else policy.find_table(table_id)
    if policy is None or table is None:
        return None
    try:
        return policy, table, parse_period(label)
    except SchemaError:
        return None


def _find_cell(session: Session, table: TableDefinition, period: Period, site: Site) -> release_grid.GridCell | None:
    """How many agencies have reported for a period that the grid shows on its first page."""
    for grid in release_grid.read_grid(session, [table], site.clock()):
        for row in grid.rows:
            for cell in row.cells:
                if cell.period == period.label:
                    return cell
    return None


def _promise(table: TableDefinition, cost: dict[str, Any] | None) -> Promise | None:
    if cost is None or not cost["epsilon_milli"]:
        return None
    return Promise(table.unit, odds_factor(cost["epsilon_milli"]), cost["epsilon_milli"])
