"""Persons that count once, corrections, statuses of returns, and a ledger whose chain others can check.

The ledger is copied into a table with more columns, entry by entry and unchanged: an old entry keeps its hash, and
`format` says by which rule it was made.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OLD_COLUMNS = (
    "seq, table_id, table_version, fingerprint, measure, unit, period, source_kind, epsilon_milli, scale_numerator, "
    "scale_denominator, library, coverage_reporting, coverage_expected, cells, charged_at, prev_hash, entry_hash"
)
WINDOW_MONTHS = 12


def upgrade() -> None:
    """Widen the tables of records, then make the ledger anew."""
    records()
    counted_units()
    corrections()
    ledger()


def records() -> None:
    op.add_column("event_records", sa.Column("counted_in", sa.String(7)))
    op.add_column("event_records", sa.Column("counts", sa.Boolean, nullable=False, server_default=sa.true()))
    op.create_index("event_records_counted", "event_records", ["measure", "counted_in"])
    op.add_column("return_records", sa.Column("status", sa.Text, nullable=False, server_default="A"))
    op.add_column("return_records", sa.Column("counted_in", sa.Text))
    op.add_column("collected_periods", sa.Column("status", sa.Text, nullable=False, server_default="A"))
    op.add_column("collected_periods", sa.Column("late", sa.Boolean, nullable=False, server_default=sa.false()))


def counted_units() -> None:
    """The database itself refuses to count a person twice within twelve months."""
    op.create_table(
        "counted_units",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("measure", sa.Text, nullable=False),
        sa.Column("unit_hash", sa.Text, nullable=False),
        sa.Column("month", sa.Integer, nullable=False),
    )
    op.create_index("counted_units_by_unit", "counted_units", ["measure", "unit_hash", "month"], unique=True)
    for verb in ("INSERT", "UPDATE"):
        op.execute(
            f"CREATE TRIGGER counted_once_on_{verb.lower()} BEFORE {verb} ON counted_units WHEN EXISTS (SELECT 1 FROM "  # noqa: S608
            "counted_units WHERE measure = NEW.measure AND unit_hash = NEW.unit_hash AND id IS NOT NEW.id "
            f"AND month BETWEEN NEW.month - {WINDOW_MONTHS - 1} AND NEW.month + {WINDOW_MONTHS - 1}) "
            "BEGIN SELECT RAISE(ABORT, 'counted_units: a person counts once in twelve months'); END"
        )


def corrections() -> None:
    op.create_table(
        "correction_records",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("batch_id", sa.Integer, sa.ForeignKey("import_batches.id"), nullable=False),
        sa.Column("table_id", sa.Text, nullable=False),
        sa.Column("agency", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("cell", sa.Text, nullable=False),
        sa.Column("delta", sa.Integer, nullable=False),
        sa.Column("ledger_seq", sa.Integer),
    )
    op.create_index("correction_records_by_table", "correction_records", ["table_id", "period"])


def ledger() -> None:
    for trigger in ("ledger_no_update", "ledger_no_delete", "ledger_continues", "ledger_once"):
        op.execute(f"DROP TRIGGER {trigger}")
    op.rename_table("ledger", "ledger_before")
    op.create_table(
        "ledger",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("table_id", sa.Text, nullable=False),
        sa.Column("table_version", sa.Integer, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("measure", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("source_kind", sa.Text, nullable=False),
        sa.Column("epsilon_milli", sa.Integer, nullable=False),
        sa.Column("scale_numerator", sa.Integer, nullable=False),
        sa.Column("scale_denominator", sa.Integer, nullable=False),
        sa.Column("library", sa.Text, nullable=False),
        sa.Column("coverage_reporting", sa.Integer, nullable=False),
        sa.Column("coverage_expected", sa.Integer, nullable=False),
        sa.Column("cells", sa.Text, nullable=False),
        sa.Column("charged_at", sa.String(20), nullable=False),
        sa.Column("prev_hash", sa.Text, nullable=False),
        sa.Column("entry_hash", sa.Text, nullable=False),
        sa.Column("format", sa.Integer, nullable=False, server_default="1"),
        sa.Column("correction", sa.Integer, nullable=False, server_default="0"),
        sa.Column("threshold", sa.Integer),
        sa.UniqueConstraint("table_id", "table_version", "period", "correction"),
    )
    op.execute(f"INSERT INTO ledger ({OLD_COLUMNS}) SELECT {OLD_COLUMNS} FROM ledger_before ORDER BY seq")  # noqa: S608
    op.drop_table("ledger_before")
    op.create_index("ledger_by_measure", "ledger", ["measure"])
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER ledger_no_{verb.lower()} BEFORE {verb} ON ledger "
            "BEGIN SELECT RAISE(ABORT, 'ledger is append-only'); END"
        )
    op.execute(
        "CREATE TRIGGER ledger_continues BEFORE INSERT ON ledger "  # noqa: S608 - one constant
        "WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM ledger) "
        f"OR NEW.prev_hash IS NOT coalesce((SELECT entry_hash FROM ledger ORDER BY seq DESC LIMIT 1), '{64 * '0'}') "
        "BEGIN SELECT RAISE(ABORT, 'ledger is append-only: expected the next entry of the chain'); END"
    )
    op.execute(
        "CREATE TRIGGER ledger_once BEFORE INSERT ON ledger WHEN EXISTS (SELECT 1 FROM ledger WHERE table_id = "
        "NEW.table_id AND table_version = NEW.table_version AND period = NEW.period AND correction = NEW.correction) "
        "BEGIN SELECT RAISE(ABORT, 'ledger holds a draw of this table and period'); END"
    )
