"""Who reports what and every version of a figure; what agencies plan, and where two plans touch."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TIME = sa.String(length=20)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null)


def _time(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, TIME, nullable=null)


def _person(*names: str) -> list[sa.ForeignKeyConstraint]:
    return [sa.ForeignKeyConstraint([name], ["people.id"]) for name in names]


def upgrade() -> None:
    """Add to what is there; nothing that was there changes."""
    _make_returns()
    _make_calendar()
    _write_first_versions()
    _keep_versions()


def _make_returns() -> None:
    # The overview of sixty agencies asks for the last periods of all of them, and reads nothing but this index.
    op.create_index("return_records_by_period", "return_records", ["period", "agency", "table_id", "value"])
    op.create_table(
        "return_duties",
        sa.Column("id", sa.Integer(), nullable=False),
        *map(_text, ("agency", "table_id", "granularity", "first_period")),
        _text("last_period", null=True),
        sa.Column("due_days", sa.Integer(), nullable=False),
        _text("set_by"),
        _time("set_at"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("agency", "table_id", "granularity"),
        *_person("set_by"),
    )
    op.create_table(
        "return_entries",
        sa.Column("batch_id", sa.Integer(), nullable=False),
        *map(_text, ("agency", "how", "state")),
        _text("answered_by", null=True),
        _time("answered_at", null=True),
        _text("reason", null=True),
        sa.PrimaryKeyConstraint("batch_id"),
        sa.ForeignKeyConstraint(["batch_id"], ["import_batches.id"]),
        *_person("answered_by"),
    )
    op.create_index("return_entries_by_state", "return_entries", ["state"])
    op.create_table(
        "return_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.Integer(), nullable=False),
        *map(_text, ("table_id", "agency", "period", "cell")),
        sa.Column("value", sa.Integer()),
        _text("status"),
        _text("counted_in", null=True),
        _time("at"),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["batch_id"], ["import_batches.id"]),
    )
    op.create_index("return_versions_by_return", "return_versions", ["agency", "table_id", "period"])
    op.create_index("return_versions_first", "return_versions", ["period", "agency", "table_id", "at"])
    op.create_index("return_versions_by_batch", "return_versions", ["batch_id"])
    op.create_table(
        "return_sheets",
        *map(_text, ("id", "agency", "table_id", "how", "digest")),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        _text("made_by"),
        _time("made_at"),
        sa.PrimaryKeyConstraint("id"),
        *_person("made_by"),
    )
    op.create_index("return_sheets_by_time", "return_sheets", ["made_at"])
    op.create_table(
        "column_layouts",
        *map(_text, ("agency", "table_id", "layout", "columns", "set_by")),
        _time("set_at"),
        sa.PrimaryKeyConstraint("agency", "table_id", "layout"),
        *_person("set_by"),
    )


def _make_calendar() -> None:
    op.create_table(
        "districts", _text("id"), _text("name"), _time("ended_at", null=True), sa.PrimaryKeyConstraint("id")
    )
    op.create_table(
        "calendar_rule",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("gap_days", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "activities",
        *map(_text, ("id", "agency", "title", "kind")),
        _text("area", null=True),
        _text("audience"),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        _text("from_time", null=True),
        _text("to_time", null=True),
        _text("state"),
        sa.Column("quiet", sa.Boolean(), server_default=sa.false(), nullable=False),
        *map(_text, ("contact_role", "note")),
        sa.Column("version", sa.Integer(), nullable=False),
        _text("made_by"),
        _time("made_at"),
        _text("changed_by"),
        _time("changed_at"),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["area"], ["districts.id"]),
        *_person("made_by", "changed_by"),
    )
    op.create_index("activities_by_day", "activities", ["starts_on"])
    op.create_index("activities_by_agency", "activities", ["agency", "starts_on"])
    op.create_table(
        "clashes",
        sa.Column("id", sa.Integer(), nullable=False),
        *map(_text, ("first", "second", "state")),
        _time("found_at"),
        _text("changed_by", null=True),
        _time("changed_at", null=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("first", "second"),
        sa.ForeignKeyConstraint(["first"], ["activities.id"]),
        sa.ForeignKeyConstraint(["second"], ["activities.id"]),
        *_person("changed_by"),
    )
    op.create_index("clashes_by_second", "clashes", ["second"])
    op.create_index("clashes_by_state", "clashes", ["state"])


def _write_first_versions() -> None:
    """What an older release has stored is the first version that anybody knows of."""
    op.execute(
        "INSERT INTO return_versions (batch_id, table_id, agency, period, cell, value, status, counted_in, at) "
        "SELECT r.batch_id, r.table_id, r.agency, r.period, r.cell, r.value, r.status, r.counted_in, b.imported_at "
        "FROM return_records r JOIN import_batches b ON b.id = r.batch_id ORDER BY r.id"
    )


def _keep_versions() -> None:
    """A version is never changed, and goes with its figure at the earliest: a purge takes the figure first."""
    op.execute(
        "CREATE TRIGGER return_versions_no_update BEFORE UPDATE ON return_versions "
        "BEGIN SELECT RAISE(ABORT, 'return_versions is append-only'); END"
    )
    op.execute(
        "CREATE TRIGGER return_versions_no_delete BEFORE DELETE ON return_versions WHEN EXISTS (SELECT 1 FROM "
        "return_records WHERE table_id = OLD.table_id AND agency = OLD.agency AND period = OLD.period "
        "AND cell = OLD.cell) BEGIN SELECT RAISE(ABORT, 'return_versions is append-only while its figure is there'); END"
    )
