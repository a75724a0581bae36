"""What a request for figures is about, and every rule that it has to keep before anything is drawn.

`release` asks and takes the first rule that is broken as its answer; the preview runs the same functions and lists all
of them. Nothing here changes the database.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy.orm import Session

from local_node import corrections, ledger, noise, preview, record_store, request_store, share_outcomes, whole_periods
from local_node.disclosure import StoredDraw
from local_node.errors import LedgerError, NodeError, ReleaseError
from local_node.preview import Preview, Reason
from local_node.protection import Protection
from local_node.records import ReturnRecord
from local_node.review import RequestState
from local_node.tabulation import FrequencyTable, only_whole, tabulate, tabulate_correction
from shared_schema.errors import ContractError
from shared_schema.governance import PolicyBody
from shared_schema.period import Period, parse_period
from shared_schema.problem import ProblemCode
from shared_schema.spending import WINDOW_MONTHS, Charge, months_of
from shared_schema.trend import MAX_CORRECTIONS, TableDefinition

Found = TypeVar("Found")
BREAK_INSTEAD: Final = "mark a break in the series (B) instead"


@dataclass(frozen=True, slots=True)
class Ask:
    """Figures that somebody asks for: of a table and period, or the correction of what was released of them."""

    table_id: str
    period: Period
    policy: PolicyBody
    expected_agencies: int
    now: datetime
    protection: Protection
    correction: bool = False
    epsilon_milli: int | None = None


def get_table(ask: Ask) -> TableDefinition:
    """Raises ReleaseError (`unknown-table`)."""
    table = ask.policy.find_table(ask.table_id)
    if table is None:
        known = ", ".join(sorted({table.id for table in ask.policy.tables}))
        raise ReleaseError(f"expected a table of the hub's policy: {known}", code="unknown-table")
    return table


def check_length(ask: Ask, table: TableDefinition) -> None:
    """Raises ReleaseError (`period`) for a period of a length that the table does not have."""
    if ask.period.granularity not in table.granularities:
        raise ReleaseError(f"expected a period of the length {' or '.join(table.granularities)}", code="period")


def check_ended(ask: Ask) -> None:
    """Raises ReleaseError (`period`) while records can still come in."""
    if ask.period.last_day >= ask.now.date():
        raise ReleaseError("expected a period that has ended", code="period")


def check_not_sealed(session: Session, ask: Ask, table: TableDefinition) -> None:
    """Raises ReleaseError (`sealed`, `sealed-correction`) for figures that leave as sealed halves or not at all."""
    if share_outcomes.is_sealed(session, table.id, ask.period.label):
        if ask.correction:
            raise ReleaseError(
                "expected figures that somebody knows: what went into a sealed total is unknown to all; "
                f"{BREAK_INSTEAD}",
                code="sealed-correction",
            )
        raise _goes_sealed(table)
    if not ask.correction and ask.policy.find_sealed(table.id, table.version) is not None:
        raise _goes_sealed(table)


def _goes_sealed(table: TableDefinition) -> ReleaseError:
    return ReleaseError(
        f"expected a table that cities release themselves: {table.id} goes to two hubs in sealed halves; see: "
        "local-node sealed",
        code="sealed",
    )


def check_protection(ask: Ask) -> None:
    """Raises DisclosureError for what this city's way of protection cannot do."""
    ask.protection.check_possible(ask.period, ask.policy, correction=ask.correction)


def subject_of(table: TableDefinition, period: Period, number: int) -> str:
    """What a request is about: `table/version/period`, and `/c1` for the first correction."""
    release = f"{table.id}/{table.version}/{period.label}"
    return f"{release}/c{number}" if number else release


def check_not_asked(session: Session, subject: str) -> None:
    """Raises ReleaseError (`asked-before`) when these figures are on their way or out."""
    if other := request_store.find_open(session, subject):
        raise ReleaseError(
            f"expected figures that nobody has asked to release; {other.id} is {other.state.value}", code="asked-before"
        )


def check_rules(session: Session, ask: Ask) -> tuple[TableDefinition, int]:
    """Every rule that needs no record, the budget among them: the table, and 0 or the number of the correction.

    Raises NodeError or ContractError with the first rule that is broken.
    """
    table = get_table(ask)
    check_length(ask, table)
    check_ended(ask)
    check_not_sealed(session, ask, table)
    check_protection(ask)
    if ask.correction:
        get_corrected(session, ask, table)
    number = correction_number(session, table, ask.period) if ask.correction else 0
    check_not_asked(session, subject_of(table, ask.period, number))
    is_new = ledger.find_draw(session, table, ask.period, number) is None
    if is_new and ask.protection.engine == "noise":
        charge = charge_for(session, ask, table, number)
        ledger.check_budget(session, table, ask.period, charge, ask.policy, ask.protection)
    return table, number


# --- corrections ---------------------------------------------------------------------------------------------------


def get_corrected(session: Session, ask: Ask, table: TableDefinition) -> StoredDraw:
    """The release that is to be corrected. Raises ReleaseError (`no-release`), LedgerError (`wording`)."""
    released = ledger.find_draw(session, table, ask.period)
    if released is None:
        raise ReleaseError(
            f"expected an earlier release of {table.id} for {ask.period.label}; without one there is nothing to "
            "correct: import the right figures and release them",
            code="no-release",
        )
    return released


def correction_number(session: Session, table: TableDefinition, period: Period) -> int:
    """Which correction this is: one more than there were, or the last one when its request was refused.

    What was drawn for a refused request is replayed, as with any release.
    """
    last = ledger.count_corrections(session, table, period)
    if not last:
        return 1
    request = request_store.find_open(session, subject_of(table, period, last))
    if request is None or request.state is not RequestState.SIGNED:
        return last
    if last >= MAX_CORRECTIONS:
        raise ReleaseError(f"expected at most {MAX_CORRECTIONS} corrections; {BREAK_INSTEAD}", code="corrections")
    return last + 1


def count(session: Session, ask: Ask, table: TableDefinition, number: int) -> FrequencyTable:
    """The true counts that are to be protected. Raises TabulationError, ReleaseError (nothing to correct)."""
    if not number:
        reports = record_store.reports_for(session, table, ask.period)
        if ask.policy.counts_stock(table.measure):
            reports = only_whole(reports, ask.period)
        return tabulate(reports, table, ask.period, ask.expected_agencies)
    released = get_corrected(session, ask, table)
    deltas = corrections.pending_corrections(session, table, ask.period)
    if not deltas and ledger.find_draw(session, table, ask.period, number) is None:
        raise ReleaseError(
            "expected figures that have changed since the release; import them with --correction first",
            code="nothing-to-correct",
        )
    return tabulate_correction(deltas, table, ask.period, released.source_kind, released.coverage, number)


# --- what it costs -------------------------------------------------------------------------------------------------


def charge_for(session: Session, ask: Ask, table: TableDefinition, number: int) -> Charge:
    """The charge that this release would be: what was asked for, else the table's epsilon.

    A correction takes at most what the measure has left around its period. Raises LedgerError when that is nothing.
    """
    most = ask.protection.most_for(table, ask.period, ask.policy)
    wanted = most if ask.epsilon_milli is None else ask.epsilon_milli
    charge = ledger.charge_of(table, ask.period, wanted, number)
    if not number or ask.epsilon_milli is not None:
        return charge
    left = ledger.left_for(session, charge, ask.period, ask.protection.limits(ask.policy))
    if not left:
        raise LedgerError(
            f"expected something left of the budget of {table.measure} around {ask.period.label} for a correction, got "
            f"nothing; {BREAK_INSTEAD}, or release less of this measure at a smaller epsilon next year",
            code=ProblemCode.PRIVACY_BUDGET.value,
        )
    return ledger.charge_of(table, ask.period, left, number)


def units_of_the_year(session: Session, table: TableDefinition, period: Period) -> int:
    """How many units this table has counted in the twelve months up to the end of `period`, over all agencies."""
    last = months_of(period)[1]
    window = range(last - WINDOW_MONTHS + 1, last + 1)
    years = sorted({month // 12 for month in window})
    reports = [report for year in years for report in _reports_of_year(session, table, year)]
    return sum(
        report.value for report in reports if report.value is not None and set(_months_of(report.period)) <= set(window)
    )


def _reports_of_year(session: Session, table: TableDefinition, year: int) -> Iterable[ReturnRecord]:
    return record_store.reports_for(session, table, parse_period(f"{year:04d}"))


def _months_of(label: str) -> range:
    first, last = months_of(parse_period(label))
    return range(first, last + 1)


# --- looking ahead -------------------------------------------------------------------------------------------------


class Obstacles(list[Reason]):
    """The rules that a preview has found broken, in the order of the request."""

    def attempt(self, step: Callable[[], Found]) -> Found | None:
        """What a step gives; or None, with its reason noted."""
        try:
            return step()
        except NodeError as error:
            self._note(error.code, error.message)
        except ContractError as error:
            self._note(error.code.value, error.message)
        return None

    def _note(self, code: str, message: str) -> None:
        if Reason(code, message) not in self:
            self.append(Reason(code, message))


def look_ahead(session: Session, ask: Ask, *, is_asked: bool = False) -> Preview:
    """What a release would tell and cost, and every rule that holds it back. Draws, charges and changes nothing.

    `is_asked` is for the request itself, which does not stand in its own way.
    """
    found = Obstacles()
    shown = Preview(ask.table_id, "", ask.period.label, 0, ask.protection.engine)
    table = found.attempt(lambda: get_table(ask))  # 1. the rules that need no record
    if table is None:
        return replace(shown, held_back=tuple(found))
    found.attempt(lambda: check_not_sealed(session, ask, table))
    if found:  # neither cells nor a cost: this way is closed
        return replace(shown, title=table.title, held_back=tuple(found))
    found.attempt(lambda: check_length(ask, table))
    found.attempt(lambda: check_ended(ask))
    found.attempt(lambda: check_protection(ask))
    is_possible = not found
    number = (found.attempt(lambda: correction_number(session, table, ask.period)) or 1) if ask.correction else 0
    if not is_asked:
        found.attempt(lambda: check_not_asked(session, subject_of(table, ask.period, number)))
    counted = found.attempt(lambda: count(session, ask, table, number))  # 2. what would be counted
    stored = found.attempt(lambda: ledger.find_draw(session, table, ask.period, number))
    shown = replace(shown, title=table.title, correction=number, advice=_advice(session, ask, table))
    if not number and stored is None:
        shown = replace(shown, left_out=_left_out(session, ask, table))
    if stored is not None:  # 3. what leaves, and what it costs
        shown = _with_stored(session, shown, ask, table, stored, is_asked=is_asked)
    elif ask.protection.engine == "noise":
        shown = _with_noise(session, shown, ask, table, counted, found)
    elif counted is not None and is_possible:
        shown = _without_noise(session, shown, ask, counted, found)
    return replace(shown, held_back=tuple(found))


def _with_stored(
    session: Session, shown: Preview, ask: Ask, table: TableDefinition, stored: StoredDraw, *, is_asked: bool
) -> Preview:
    scale = stored.scale if stored.threshold is None else None
    spend = ledger.spend_after(session, ledger.charge_of(table, ask.period, 0, stored.correction), ask.period)
    limits = ask.protection.limits(ask.policy)
    charged = stored.epsilon_milli if is_asked else 0
    return replace(
        shown,
        protection="noise" if stored.threshold is None else "threshold",
        cells=preview.preview_stored(stored.cells, scale),
        cost=preview.cost_of(stored.epsilon_milli, charged, table.unit, spend, limits),
    )


def _with_noise(
    session: Session,
    shown: Preview,
    ask: Ask,
    table: TableDefinition,
    counted: FrequencyTable | None,
    found: Obstacles,
) -> Preview:
    charge = found.attempt(lambda: charge_for(session, ask, table, shown.correction))
    if charge is None:
        return shown
    found.attempt(lambda: ledger.check_budget(session, table, ask.period, charge, ask.policy, ask.protection))
    if charge.epsilon_milli < 1:
        return shown
    scale = noise.scale_for(charge.epsilon_milli, ledger.sensitivity_of(shown.correction))
    statuses = [] if counted is None else [(cell.code, cell.status) for cell in counted.cells]
    spend = ledger.spend_after(session, charge, ask.period)
    epsilon, limits = charge.epsilon_milli, ask.protection.limits(ask.policy)
    return replace(
        shown,
        cells=preview.preview_drawn(statuses, scale),
        cost=preview.cost_of(epsilon, epsilon, table.unit, spend, limits),
    )


def _without_noise(session: Session, shown: Preview, ask: Ask, counted: FrequencyTable, found: Obstacles) -> Preview:
    cells = found.attempt(
        lambda: ledger.preview_suppressed(session, counted, policy=ask.policy, protection=ask.protection)
    )
    spend = ledger.spend_after(session, ledger.charge_of(counted.table, ask.period, 0), ask.period)
    return replace(
        shown,
        cells=preview.preview_stored(cells or (), None),
        cost=preview.cost_of(0, 0, counted.table.unit, spend, ask.protection.limits(ask.policy)),
    )


def _left_out(session: Session, ask: Ask, table: TableDefinition) -> tuple[str, ...]:
    stock = ask.policy.counts_stock(table.measure)
    return tuple(
        preview.left_out_in_words(agency, label, ask.period, stock=stock)
        for agency, label in whole_periods.left_out(session, table, ask.period, ask.policy)
    )


def _advice(session: Session, ask: Ask, table: TableDefinition) -> str | None:
    """The policy's advice, from what this city has counted itself. The number stays here: only the advice is shown."""
    if not ask.policy.advice:
        return None
    try:
        units = units_of_the_year(session, table, ask.period)
    except NodeError:  # records that cannot be counted are a reason of their own
        return None
    return preview.find_advice(units, ask.period, table.granularities, ask.policy.advice)
