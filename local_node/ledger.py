"""The ledger: what every release has cost, and what was drawn for it. Append-only, chained by hashes.

Charge and draw are one row, so no crash can come between them: either the row is committed with the value that was
drawn, or neither exists and nothing was shown to anybody. Whoever asks again for the same table and period gets the
stored draw. The database refuses to change or remove an entry (migration 0001).

    with database.write() as session:
        stored = charge_and_draw(session, frequency_table, epsilon_milli=1000, policy=policy, draw=noise.draw, now=now)
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import noise
from local_node.audit import FIRST_PREV_HASH
from local_node.disclosure import StoredDraw, add_noise, noisy_cells
from local_node.errors import LedgerError
from local_node.orm import LedgerRow
from local_node.tabulation import FrequencyTable
from shared_schema import canonical
from shared_schema.governance import PolicyBody
from shared_schema.period import Period, parse_period
from shared_schema.release_rules import get_table
from shared_schema.statement import format_time
from shared_schema.trend import Coverage, ReleasedCell, TableDefinition, TableReference
from shared_schema.vocabulary import SourceKind

WINDOW_MONTHS: Final = 12
"""A person's privacy is counted over a rolling year (DESIGN section 4)."""
ROUNDING: Final = Fraction(1, 2**40)
"""OpenDP answers in binary floating point, rounded up: 0.1 comes back as a hair more than 1/10."""


def charge_and_draw(
    session: Session,
    table: FrequencyTable,
    *,
    epsilon_milli: int,
    policy: PolicyBody,
    draw: noise.Draw,
    now: datetime,
) -> StoredDraw:
    """Charge a release and draw its noise, in the caller's write transaction; or return the draw that is stored.

    Raises LedgerError and draws nothing when the charge is not allowed.
    """
    if stored := find_draw(session, table.table, table.period):  # 1. never drawn twice
        return stored
    check_budget(session, table, epsilon_milli, policy)  # 2. nothing is drawn that may not be spent
    scale = noise.scale_for(epsilon_milli)
    cells = add_noise(table, draw(scale, noisy_cells(table)))  # 3. the one draw
    return _append(session, table, epsilon_milli, scale, cells, now)  # 4. charge and draw in one row


def find_draw(session: Session, table: TableDefinition, period: Period) -> StoredDraw | None:
    """The stored draw of this table, version and period.

    Raises LedgerError when the table had another wording then: a version's wording stays for ever.
    """
    row = session.scalars(
        select(LedgerRow).where(
            LedgerRow.table_id == table.id, LedgerRow.table_version == table.version, LedgerRow.period == period.label
        )
    ).first()
    if row is None:
        return None
    if row.fingerprint != table.fingerprint:
        raise LedgerError(
            f"expected {table.id} version {table.version} in the wording that was released before", code="wording"
        )
    return _stored(row)


def check_budget(session: Session, table: FrequencyTable, epsilon_milli: int, policy: PolicyBody) -> None:
    """Raise LedgerError unless the policy allows this charge: for the table, for the measure, for all measures.

    Raises ReleaseRuleError when the policy does not know the table in this wording.
    """
    definition = get_table(table.table.reference, policy)
    if not 1 <= epsilon_milli <= definition.epsilon_milli:
        raise LedgerError(
            f"expected an epsilon from 1 to {definition.epsilon_milli} thousandths, got {epsilon_milli}", code="epsilon"
        )
    if noise.epsilon_spent(noise.scale_for(epsilon_milli)) > Fraction(epsilon_milli, 1000) + ROUNDING:
        raise LedgerError("expected a scale that costs no more than what is charged", code="scale")
    spent = spent_by_month(session)
    for month in _months(table.period):
        spent.setdefault(definition.measure, Counter())[month] += epsilon_milli
    for_measure = max(spent[definition.measure][month] for month in _months(table.period))
    if for_measure > policy.epsilon_milli_per_measure:
        raise LedgerError(
            f"expected at most {policy.epsilon_milli_per_measure} thousandths of epsilon for {definition.measure} in "
            f"{table.period.label}; this release would make it {for_measure}",
            code="budget-measure",
        )
    total = sum(max(of_measure[month] for month in _year_around(table.period)) for of_measure in spent.values())
    if total > policy.epsilon_milli_total:
        raise LedgerError(
            f"expected at most {policy.epsilon_milli_total} thousandths of epsilon over all measures in twelve months; "
            f"this release would make it {total}",
            code="budget-total",
        )


def spent_by_month(session: Session) -> dict[str, Counter[int]]:
    """Measure → month (year * 12 + month - 1) → the thousandths of epsilon that entries over this month add up to.

    A record lies in one month, so this is what it has been charged, also where a quarter follows its months.
    """
    spent: dict[str, Counter[int]] = {}
    for measure, label, epsilon_milli in session.execute(
        select(LedgerRow.measure, LedgerRow.period, LedgerRow.epsilon_milli)
    ):
        for month in _months(parse_period(label)):
            spent.setdefault(measure, Counter())[month] += epsilon_milli
    return spent


def _months(period: Period) -> range:
    first, last = period.first_day, period.last_day
    return range(first.year * 12 + first.month - 1, last.year * 12 + last.month)


def _year_around(period: Period) -> range:
    """Every month that lies within twelve months together with some month of `period`."""
    months = _months(period)
    return range(months.start - WINDOW_MONTHS + 1, months.stop + WINDOW_MONTHS - 1)


def verify_chain(session: Session) -> int:
    """Walk the whole ledger and return the number of its entries.

    Raises LedgerError naming the first entry that does not follow from the one before it.
    """
    count, prev_hash = 0, FIRST_PREV_HASH
    for row in session.scalars(select(LedgerRow).order_by(LedgerRow.seq)):
        if (row.seq, row.prev_hash, row.entry_hash) != (count + 1, prev_hash, _hash(row)):
            raise LedgerError(f"expected an unbroken ledger, got a break at entry {count + 1}", code="ledger-broken")
        count, prev_hash = row.seq, row.entry_hash
    return count


def list_draws(session: Session) -> Iterator[StoredDraw]:
    """All entries, oldest first."""
    for row in session.scalars(select(LedgerRow).order_by(LedgerRow.seq)):
        yield _stored(row)


# --- rows ----------------------------------------------------------------------------------------------------------


def _append(
    session: Session,
    table: FrequencyTable,
    epsilon_milli: int,
    scale: Fraction,
    cells: tuple[ReleasedCell, ...],
    now: datetime,
) -> StoredDraw:
    last = session.scalars(select(LedgerRow).order_by(LedgerRow.seq.desc()).limit(1)).first()
    row = LedgerRow(
        seq=1 if last is None else last.seq + 1,
        table_id=table.table.id,
        table_version=table.table.version,
        fingerprint=table.table.fingerprint,
        measure=table.table.measure,
        unit=table.table.unit,
        period=table.period.label,
        source_kind=table.source_kind.value,
        epsilon_milli=epsilon_milli,
        scale_numerator=scale.numerator,
        scale_denominator=scale.denominator,
        library=noise.LIBRARY,
        coverage_reporting=table.coverage.reporting,
        coverage_expected=table.coverage.expected,
        cells=canonical.encode({"items": [cell.to_object() for cell in cells]}).decode(),
        charged_at=now,
        prev_hash=FIRST_PREV_HASH if last is None else last.entry_hash,
    )
    row.entry_hash = _hash(row)
    session.add(row)
    session.flush()
    return _stored(row)


def _hash(row: LedgerRow) -> str:
    fields: dict[str, Any] = {
        column.key: getattr(row, column.key)
        for column in LedgerRow.__table__.columns
        if column.key not in ("entry_hash", "format", "correction", "threshold")
    }
    return hashlib.sha256(canonical.encode({**fields, "charged_at": format_time(row.charged_at)})).hexdigest()


def _stored(row: LedgerRow) -> StoredDraw:
    return StoredDraw(
        seq=row.seq,
        entry_hash=row.entry_hash,
        table=TableReference(id=row.table_id, version=row.table_version, fingerprint=row.fingerprint),
        measure=row.measure,
        unit=row.unit,
        period=parse_period(row.period),
        source_kind=SourceKind(row.source_kind),
        epsilon_milli=row.epsilon_milli,
        scale=Fraction(row.scale_numerator, row.scale_denominator),
        library=row.library,
        coverage=Coverage(reporting=row.coverage_reporting, expected=row.coverage_expected),
        cells=tuple(ReleasedCell.from_object(cell) for cell in canonical.parse_strict(row.cells.encode())["items"]),
    )
