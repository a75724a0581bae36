"""The first schema of the node."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = ("ledger", "audit")


def upgrade() -> None:
    """Make all tables, then the triggers that keep two of them append-only."""
    people_and_records()
    ledger_and_audit()
    releases()
    exchange()
    for table in APPEND_ONLY:
        make_append_only(table)


def people_and_records() -> None:
    op.create_table("people", sa.Column("id", sa.Text, primary_key=True), sa.Column("role", sa.Text, nullable=False))
    op.create_table(
        "import_batches",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("file_digest", sa.Text, nullable=False),
        sa.Column("measure", sa.Text, nullable=False),
        sa.Column("agency", sa.Text, nullable=False),
        sa.Column("source_kind", sa.Text, nullable=False),
        sa.Column("imported_at", sa.String(20), nullable=False),
        sa.Column("imported_by", sa.Text, sa.ForeignKey("people.id"), nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
    )
    op.create_table(
        "event_records",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("batch_id", sa.Integer, sa.ForeignKey("import_batches.id"), nullable=False),
        sa.Column("measure", sa.Text, nullable=False),
        sa.Column("agency", sa.Text, nullable=False),
        sa.Column("recorded_on", sa.Date, nullable=False),
        sa.Column("dims", sa.Text, nullable=False),
        sa.Column("unit_hash", sa.Text),
    )
    op.create_index("event_records_by_measure", "event_records", ["measure", "recorded_on"])
    op.create_table(
        "return_records",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("batch_id", sa.Integer, sa.ForeignKey("import_batches.id"), nullable=False),
        sa.Column("table_id", sa.Text, nullable=False),
        sa.Column("agency", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("cell", sa.Text, nullable=False),
        sa.Column("value", sa.Integer),
        sa.UniqueConstraint("table_id", "agency", "period", "cell"),
    )
    op.create_table(
        "collected_periods",
        sa.Column("measure", sa.Text, nullable=False),
        sa.Column("agency", sa.Text, nullable=False),
        sa.Column("dimension", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("batch_id", sa.Integer, sa.ForeignKey("import_batches.id"), nullable=False),
        sa.PrimaryKeyConstraint("measure", "agency", "dimension", "period"),
    )


def ledger_and_audit() -> None:
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
        sa.UniqueConstraint("table_id", "table_version", "period"),
    )
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(20), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("prev_hash", sa.Text, nullable=False),
        sa.Column("entry_hash", sa.Text, nullable=False),
    )


def releases() -> None:
    op.create_table(
        "release_requests",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("audience", sa.Text, nullable=False),
        sa.Column("subject", sa.Text),
        sa.Column("requested_by", sa.Text, sa.ForeignKey("people.id"), nullable=False),
        sa.Column("requested_at", sa.String(20), nullable=False),
        sa.Column("decided_by", sa.Text, sa.ForeignKey("people.id")),
        sa.Column("decided_at", sa.String(20)),
        sa.Column("reason", sa.Text),
        sa.Column("findings", sa.Text, nullable=False),
        sa.Column("approved_digest", sa.Text),
        sa.Column("digest", sa.Text),
    )
    op.create_index("release_requests_by_state", "release_requests", ["state"])
    op.create_table(
        "statement_seq",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("last_seq", sa.Integer, nullable=False),
    )


def exchange() -> None:
    op.create_table(
        "hubs",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("vkey", sa.Text, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("added_at", sa.String(20), nullable=False),
        sa.Column("enrolled", sa.Boolean, nullable=False),
        sa.Column("seen_size", sa.Integer, nullable=False),
        sa.Column("seen_root", sa.Text),
        sa.Column("frontier_size", sa.Integer, nullable=False),
        sa.Column("frontier", sa.LargeBinary, nullable=False),
        sa.Column("last_success_at", sa.String(20)),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
        sa.Column("hub", sa.Text, sa.ForeignKey("hubs.name"), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_try_at", sa.String(20)),
        sa.Column("reason", sa.Text),
        sa.Column("receipt", sa.LargeBinary),
        sa.Column("created_at", sa.String(20), nullable=False),
        sa.UniqueConstraint("digest", "hub"),
    )
    op.create_index("outbox_by_hub", "outbox", ["hub", "state", "seq"])
    op.create_table(
        "inbox",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("hub", sa.Text, sa.ForeignKey("hubs.name"), nullable=False),
        sa.Column("log_index", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("origin", sa.Text),
        sa.Column("seq", sa.Integer),
        sa.Column("audience", sa.Text, nullable=False),
        sa.Column("issued_at", sa.Text),
        sa.Column("received_at", sa.String(20), nullable=False),
        sa.Column("envelope", sa.LargeBinary),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
    )
    op.create_index("inbox_by_hub", "inbox", ["hub", "log_index"])
    op.create_index("inbox_by_kind", "inbox", ["kind", "state"])
    op.create_table(
        "alarms",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("hub", sa.Text, sa.ForeignKey("hubs.name"), nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("raised_at", sa.String(20), nullable=False),
        sa.Column("resolved_at", sa.String(20)),
    )


def make_append_only(table: str) -> None:
    """Refuse UPDATE and DELETE, and every INSERT that does not continue the chain.

    The check of INSERT also stops INSERT OR REPLACE, which deletes without asking the trigger on DELETE.
    """
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
    op.execute(
        f"CREATE TRIGGER {table}_continues BEFORE INSERT ON {table} "  # noqa: S608 - the two names above
        f"WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM {table}) "
        f"OR NEW.prev_hash IS NOT coalesce((SELECT entry_hash FROM {table} ORDER BY seq DESC LIMIT 1), '{64 * '0'}') "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: expected the next entry of the chain'); END"
    )
    if table == "ledger":
        op.execute(
            "CREATE TRIGGER ledger_once BEFORE INSERT ON ledger WHEN EXISTS (SELECT 1 FROM ledger WHERE "
            "table_id = NEW.table_id AND table_version = NEW.table_version AND period = NEW.period) "
            "BEGIN SELECT RAISE(ABORT, 'ledger holds a draw of this table and period'); END"
        )
