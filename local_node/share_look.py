"""What a second person sees of a share before deciding: the city's own counts that are in it, and what is odd there.

The counts are shown to this city's people alone. They are those of the records of now, and it is proved that the two
halves were made from them. Nothing here changes the database.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from local_node import ledger, own_figures, request_store, share_outcomes, shares, sum_index, sums
from local_node.errors import NodeError
from local_node.preview import Cost, cost_of
from local_node.sealed_batches import Batches
from local_node.sealed_standing import Reading
from local_node.shares import Desk
from local_node.tabulation import FrequencyTable
from shared_schema.errors import ContractError
from shared_schema.period import Period
from shared_schema.sealed.agreed import AgreedBatch
from shared_schema.sealed.city import Warned, find_warnings
from shared_schema.trend import TableDefinition

YEARS_BACK: Final = 5
"""Older counts are of another time: nobody calls a figure odd because of them."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a share cannot be asked for or approved now."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class ShareLook:
    """`counts` are (cell, count), empty when an obstacle stands before them; with `proved` they are in the halves."""

    counts: tuple[tuple[str, int], ...]
    proved: bool
    obstacle: Obstacle | None
    warnings: tuple[Warned, ...]


def look_at(session: Session, request_id: str, desk: Desk, now: datetime) -> ShareLook:
    """The counts in a request that waits, or why they cannot be shown to be in it."""
    request = request_store.get_request(session, request_id).request
    batches = Batches(session)
    reading = shares.get_reading(batches, shares.batch_of(request))
    try:
        checked = shares.check_may_send(session, batches, reading, desk, now, request=request_id)
        counted = shares.prove(session, request, checked, desk)
    except (NodeError, ContractError) as error:
        return ShareLook((), False, obstacle_of(error), ())
    cells = tuple((cell.code, cell.count or 0) for cell in counted.cells)
    return ShareLook(cells, True, None, find_odd(session, checked.batch, desk, counted))


def find_obstacle(
    session: Session, batches: Batches, reading: Reading, desk: Desk, expected_agencies: int, now: datetime
) -> Obstacle | None:
    """The first rule that keeps this city from asking for its share of a collection; None when there is none."""
    try:
        checked = shares.check_may_send(session, batches, reading, desk, now)
        counted = shares.count(session, checked.batch, desk.policy, expected_agencies)
        if ledger.find_share(session, counted.table, checked.batch.plan.period) is None:
            ledger.check_share(session, counted.table, checked.batch.plan.period, checked.batch.plan.epsilon_milli,
                               policy=desk.policy, protection=desk.rules.protection)  # fmt: skip
    except (NodeError, ContractError) as error:
        return obstacle_of(error)
    return None


def obstacle_of(error: NodeError | ContractError) -> Obstacle:
    return Obstacle(error.code.value if isinstance(error, ContractError) else error.code, error.message)


def cost_for(session: Session, batch: AgreedBatch, desk: Desk) -> Cost | None:
    """What a share costs, and what it leaves; nothing more once an entry of the ledger has paid for it."""
    plan = batch.plan
    table = desk.policy.find_table(plan.table.id, plan.table.version)
    if table is None:
        return None
    is_paid = share_outcomes.is_sealed(session, table.id, plan.period.label)
    charge = 0 if is_paid else plan.epsilon_milli
    spend = ledger.spend_after(session, ledger.charge_of(table, plan.period, charge), plan.period)
    return cost_of(plan.epsilon_milli, charge, table.unit, spend, desk.rules.protection.limits(desk.policy))


# --- what is odd ---------------------------------------------------------------------------------------------------


def find_odd(session: Session, batch: AgreedBatch, desk: Desk, counted: FrequencyTable) -> tuple[Warned, ...]:
    """What looks wrong beside this city's earlier counts, and beside the last total of its hub."""
    history = _earlier(session, counted.table, counted.period)
    last = _last_total(session, counted.table, counted.period, desk.home)
    return find_warnings(shares.counts_of(counted), history, last)


def _earlier(session: Session, table: TableDefinition, period: Period) -> list[Sequence[int]]:
    """The own counts of earlier periods of the same length in which every cell was collected."""
    first, last = f"{period.first_day.year - YEARS_BACK}-01-01", period.start
    own = own_figures.count_own(session, table, period.granularity, first, last)
    labels = sorted({label for label, _ in own.cells} - {period.label})
    rows = [[own.cells.get((label, code)) for code in table.cells] for label in labels]
    return [
        [cell.value for cell in row if cell is not None and cell.value is not None]
        for row in rows
        if all(cell is not None and cell.value is not None and not cell.partial for cell in row)
    ]


def _last_total(session: Session, table: TableDefinition, period: Period, home: str) -> list[int] | None:
    """The newest sum of an earlier period that the home hub has published; a cell that it does not show counts 0."""
    first = f"{period.first_day.year - YEARS_BACK}-01-01"
    found = sum_index.newest(session, table.id, [period.granularity], first, period.start)
    earlier = [
        body
        for origin, body in sums.read_sums(session, found)
        if origin == home and body.table == table.reference and body.period.start < period.start
    ]
    if not earlier:
        return None
    newest = max(earlier, key=lambda body: body.period.start)
    estimates = {code: cell.estimate for cell in newest.cells for code in cell.dims.values()}
    return [estimates.get(code) or 0 for code in table.cells]
