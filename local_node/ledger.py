"""The ledger: what every release has cost, and what was drawn for it. Append-only, chained by hashes.

Charge and draw are one row, so no crash can come between them: either the row is committed with the value that was
drawn, or neither exists and nothing was shown to anybody. Whoever asks again for the same table and period gets the
stored draw. The database refuses to change or remove an entry (migrations 0001 and 0002).

What may be spent is the rule that the hub applies as well (`spending.check_charge`). An entry's hash covers what the
statement will say of it (`spending.hash_entry`), so the chain can be checked from signed messages alone.

    with database.write() as session:
        stored = charge_and_draw(session, frequency_table, epsilon_milli=1000, policy=policy, draw=noise.draw, now=now)
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from importlib.metadata import version
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from local_node import noise
from local_node.audit import FIRST_PREV_HASH
from local_node.disclosure import StoredDraw, add_noise, charged_fields, noisy_cells
from local_node.errors import LedgerError
from local_node.ledger_formats import FIRST_FORMAT, RELEASE_FORMAT, SEALED, SHARE_FORMAT, TAKEN_OVER
from local_node.orm import LedgerRow
from local_node.protection import Protection
from local_node.resumed import resumed_entries
from local_node.tabulation import FrequencyTable
from shared_schema import canonical
from shared_schema.errors import ContractError
from shared_schema.governance import PolicyBody
from shared_schema.period import Period, parse_period
from shared_schema.release_rules import get_table
from shared_schema.spending import WINDOW_MONTHS, Charge, Spend, check_charge, hash_entry, months_of, spend_with
from shared_schema.statement import format_time
from shared_schema.trend import Coverage, ReleasedCell, TableDefinition, TableReference
from shared_schema.vocabulary import SourceKind

ROUNDING: Final = Fraction(1, 2**40)
"""OpenDP answers in binary floating point, rounded up: 0.1 comes back as a hair more than 1/10."""
NOISE: Final = Protection()


def charge_and_draw(
    session: Session,
    table: FrequencyTable,
    *,
    epsilon_milli: int,
    policy: PolicyBody,
    draw: noise.Draw,
    now: datetime,
    protection: Protection = NOISE,
) -> StoredDraw:
    """Charge a release and draw its noise, in the caller's write transaction; or return the draw that is stored.

    Raises LedgerError or ReleaseRuleError and draws nothing when the charge is not allowed.
    """
    if stored := find_draw(session, table.table, table.period, table.correction):  # 1. never drawn twice
        return stored
    charge = charge_of(table.table, table.period, epsilon_milli, table.correction)
    check_budget(
        session, table.table, table.period, charge, policy, protection
    )  # 2. what may not be spent is not drawn
    scale = noise.scale_for(epsilon_milli, sensitivity_of(table.correction))
    cells = add_noise(table, draw(scale, noisy_cells(table)))  # 3. the one draw
    return _append(  # 4. charge and draw in one row
        session, table, cells, now, epsilon_milli=epsilon_milli, scale=scale, library=noise.LIBRARY
    )


def suppress_once(
    session: Session, table: FrequencyTable, *, policy: PolicyBody, protection: Protection, now: datetime
) -> StoredDraw:
    """Protect a release without noise and keep the result for ever; or return what is stored.

    Raises LedgerError, ReleaseRuleError or DisclosureError (`not-protectable`) and stores nothing.
    """
    if stored := find_draw(session, table.table, table.period):  # 1. never made twice
        return stored
    cells = preview_suppressed(session, table, policy=policy, protection=protection)  # 2. with all that is out
    return _append(
        session,
        table,
        cells,
        now,
        epsilon_milli=0,
        scale=Fraction(0),
        library=f"scipy {version('scipy')}",
        threshold=protection.threshold,
    )


def charge_share(
    session: Session, table: FrequencyTable, *, epsilon_milli: int, policy: PolicyBody, protection: Protection,
    now: datetime,
) -> StoredDraw:  # fmt: skip
    """Charge for a sealed share, in the caller's write transaction; or return the entry that pays for it already.

    One entry pays for the share of a table and period however often it has to be sent (`spending.hash_entry`). Raises
    LedgerError or ReleaseRuleError and charges nothing: figures that were drawn with this city's own noise, another
    source or epsilon than the entry has, or more than may be spent.
    """
    if stored := find_share(session, table.table, table.period):  # 1. charged once
        if (stored.source_kind, stored.epsilon_milli) != (table.source_kind, epsilon_milli):
            raise LedgerError(
                f"expected the source and the epsilon that entry {stored.seq} of the ledger was charged for",
                code="share-differs",
            )
        return stored
    check_share(  # 2. what may be spent
        session, table.table, table.period, epsilon_milli, policy=policy, protection=protection
    )
    return _append(
        session, table, (), now, epsilon_milli=epsilon_milli, scale=Fraction(0), library=SEALED, format=SHARE_FORMAT
    )


def check_share(
    session: Session,
    table: TableDefinition,
    period: Period,
    epsilon_milli: int,
    *,
    policy: PolicyBody,
    protection: Protection,
) -> None:
    """Raise LedgerError or ReleaseRuleError unless a first charge for a sealed share is allowed."""
    get_table(table.reference, policy)
    most = protection.most_for(table, period, policy)
    if not 1 <= epsilon_milli <= most:
        raise LedgerError(f"expected an epsilon from 1 to {most} thousandths, got {epsilon_milli}", code="epsilon")
    check_charge(charge_of(table, period, epsilon_milli), charges_near(session, period), protection.limits(policy))


def preview_suppressed(
    session: Session, table: FrequencyTable, *, policy: PolicyBody, protection: Protection
) -> tuple[ReleasedCell, ...]:
    """The very cells that `suppress_once` would store. Raises as it does, and changes nothing."""
    protection.check_possible(table.period, policy, correction=bool(table.correction))
    get_table(table.table.reference, policy)
    charge = charge_of(table.table, table.period, 0)
    check_charge(charge, charges_near(session, table.period), protection.limits(policy))
    from local_node.suppression import suppress  # scipy is heavy, and most cities never need it

    return suppress(table, list_suppressed(session, table.table.measure), threshold=protection.threshold)


# --- the budget ----------------------------------------------------------------------------------------------------


def charge_of(table: TableDefinition, period: Period, epsilon_milli: int, correction: int = 0) -> Charge:
    """What a release would cost."""
    first, last = months_of(period)
    return Charge(table.measure, table.id, first, last, epsilon_milli, correction)


def sensitivity_of(correction: int) -> int:
    return noise.CORRECTION_SENSITIVITY if correction else noise.SENSITIVITY


def check_budget(
    session: Session, table: TableDefinition, period: Period, charge: Charge, policy: PolicyBody, protection: Protection
) -> None:
    """Raise unless the policy, and this city's own profile, allow a charge for noise.

    LedgerError: an epsilon outside what the table may spend. ReleaseRuleError: a table that the policy does not know
    in this wording, or more than its measure, or all measures, may spend.
    """
    get_table(table.reference, policy)
    epsilon_milli, most = charge.epsilon_milli, protection.most_for(table, period, policy)
    if not 1 <= epsilon_milli <= most:
        raise LedgerError(f"expected an epsilon from 1 to {most} thousandths, got {epsilon_milli}", code="epsilon")
    sensitivity = sensitivity_of(charge.correction)
    spent = noise.epsilon_spent(noise.scale_for(epsilon_milli, sensitivity), sensitivity)
    if spent > Fraction(epsilon_milli, 1000) + ROUNDING:
        raise LedgerError("expected a scale that costs no more than what is charged", code="scale")
    check_charge(charge, charges_near(session, period), protection.limits(policy))


def left_for(session: Session, charge: Charge, period: Period, policy: PolicyBody) -> int:
    """How much of a charge fits into what its measure, and all measures, have left; 0 when nothing does."""
    spend = spend_with(charge, charges_near(session, period))
    over = max(spend.of_measure - policy.epsilon_milli_per_measure, spend.of_all - policy.epsilon_milli_total, 0)
    return max(charge.epsilon_milli - over, 0)


def spend_after(session: Session, charge: Charge, period: Period) -> Spend:
    """What will have been spent around a period once the charge is made."""
    return spend_with(charge, charges_near(session, period))


def charges_near(session: Session, period: Period) -> list[Charge]:
    """The charges of all entries that can matter for a charge of `period`: those within twelve months of it.

    Only they are read, so a ledger of many years costs no more than one of three.
    """
    rows = session.execute(
        select(
            LedgerRow.measure, LedgerRow.table_id, LedgerRow.period, LedgerRow.epsilon_milli, LedgerRow.correction
        ).where(LedgerRow.period.in_(_labels_near(period)))
    )
    return [
        Charge(measure, table_id, *months_of(parse_period(label)), epsilon_milli, correction)
        for measure, table_id, label, epsilon_milli, correction in rows
    ]


def _labels_near(period: Period) -> set[str]:
    """The labels of all months, quarters and years that share a month with the window around `period`."""
    first, last = months_of(period)
    labels: set[str] = set()
    for number in range(first - WINDOW_MONTHS + 1, last + WINDOW_MONTHS):
        year, month = divmod(number, 12)
        labels |= {f"{year:04d}-{month + 1:02d}", f"{year:04d}-Q{month // 3 + 1}", f"{year:04d}"}
    return labels


# --- what is stored ------------------------------------------------------------------------------------------------


def find_draw(session: Session, table: TableDefinition, period: Period, correction: int = 0) -> StoredDraw | None:
    """The stored draw of this table, version and period, or of its correction with this number.

    Raises LedgerError when the table had another wording then: a version's wording stays for ever; and when the figures
    were charged for as a sealed share (`sealed`): then there is no draw, and there will be none.
    """
    row = _find_row(session, table, period, correction)
    if row is not None and row.format == SHARE_FORMAT:
        raise LedgerError(
            f"expected figures that were not charged for as a sealed share: {table.id} {period.label} goes to two hubs "
            "in halves, or not at all",
            code="sealed",
        )
    return None if row is None else _stored(row)


def find_share(session: Session, table: TableDefinition, period: Period) -> StoredDraw | None:
    """The entry that pays for the sealed share of this table, version and period.

    Raises LedgerError when the table had another wording then, or the figures were drawn with this city's own noise.
    """
    row = _find_row(session, table, period, 0)
    if row is not None and row.format != SHARE_FORMAT:
        raise LedgerError("expected figures that were never drawn with this city's own noise", code="drawn-before")
    return None if row is None else _stored(row)


def _find_row(session: Session, table: TableDefinition, period: Period, correction: int) -> LedgerRow | None:
    row = session.scalars(
        select(LedgerRow).where(
            LedgerRow.table_id == table.id,
            LedgerRow.table_version == table.version,
            LedgerRow.period == period.label,
            LedgerRow.correction == correction,
        )
    ).first()
    if row is None:
        return None
    if row.fingerprint != table.fingerprint:
        raise LedgerError(
            f"expected {table.id} version {table.version} in the wording that was released before", code="wording"
        )
    return row


def count_corrections(session: Session, table: TableDefinition, period: Period) -> int:
    """How many corrections of a release there are; the last one has this number."""
    last = session.scalar(
        select(func.max(LedgerRow.correction)).where(
            LedgerRow.table_id == table.id, LedgerRow.table_version == table.version, LedgerRow.period == period.label
        )
    )
    return last or 0


def list_suppressed(session: Session, measure: str) -> list[StoredDraw]:
    """All releases of a measure without noise, oldest first."""
    rows = session.scalars(
        select(LedgerRow).where(LedgerRow.measure == measure, LedgerRow.threshold.is_not(None)).order_by(LedgerRow.seq)
    )
    return [_stored(row) for row in rows]


def draws_of(session: Session, table_id: str, version: int) -> Iterator[StoredDraw]:
    """All entries of one version of a table, corrections too, oldest first."""
    query = select(LedgerRow).where(LedgerRow.table_id == table_id, LedgerRow.table_version == version)
    for row in session.scalars(query.order_by(LedgerRow.seq)):
        yield _stored(row)


def list_draws(session: Session) -> Iterator[StoredDraw]:
    """All entries, oldest first."""
    for row in session.scalars(select(LedgerRow).order_by(LedgerRow.seq)):
        yield _stored(row)


def verify_chain(session: Session) -> int:
    """Walk the whole ledger and return the number of its entries.

    Raises LedgerError naming the first entry that does not follow from the one before it.
    """
    count, prev_hash, resumed = 0, FIRST_PREV_HASH, resumed_entries(session)
    for row in session.scalars(select(LedgerRow).order_by(LedgerRow.seq).execution_options(yield_per=500)):
        may_be_taken_over = row.format != TAKEN_OVER or row.seq in resumed  # the audit log says so, not the row
        follows = (row.seq, row.prev_hash) == (count + 1, prev_hash)
        if not (follows and may_be_taken_over and _has_its_hash(row)):
            raise LedgerError(f"expected an unbroken ledger, got a break at entry {count + 1}", code="ledger-broken")
        count, prev_hash = row.seq, row.entry_hash
    return count


# --- rows ----------------------------------------------------------------------------------------------------------


def _append(
    session: Session,
    table: FrequencyTable,
    cells: tuple[ReleasedCell, ...],
    now: datetime,
    *,
    epsilon_milli: int,
    scale: Fraction,
    library: str,
    threshold: int | None = None,
    format: int = RELEASE_FORMAT,
) -> StoredDraw:
    last = session.execute(select(LedgerRow.seq, LedgerRow.entry_hash).order_by(LedgerRow.seq.desc()).limit(1)).first()
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
        library=library,
        coverage_reporting=table.coverage.reporting,
        coverage_expected=table.coverage.expected,
        cells=canonical.encode({"items": [cell.to_object() for cell in cells]}).decode(),
        charged_at=now,
        prev_hash=FIRST_PREV_HASH if last is None else last.entry_hash,
        entry_hash="",
        format=format,
        correction=table.correction,
        threshold=threshold,
    )
    row.entry_hash = _hash(row)
    session.add(row)
    session.flush()
    return _stored(row)


def _has_its_hash(row: LedgerRow) -> bool:
    try:
        return row.entry_hash == _hash(row)
    except (ContractError, ValueError, KeyError, ZeroDivisionError):  # a row that somebody changed into nonsense
        return False


def _hash(row: LedgerRow) -> str:
    if row.format == TAKEN_OVER:
        return row.entry_hash
    if row.format == FIRST_FORMAT:
        return _first_hash(row)
    return hash_entry(row.seq, row.prev_hash, charged_fields(_stored(row)))


def _first_hash(row: LedgerRow) -> str:
    """The rule of version 0.1: all columns that there were."""
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
        correction=row.correction,
        threshold=row.threshold,
        prev_hash=row.prev_hash,
        format=row.format,
    )
