"""The index of the sums, the words of the quarterly report, and an index with which 36 months are added up quickly."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to what is there; nothing that was there changes."""
    op.create_table(
        "sums",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("table_id", sa.Text(), nullable=False),
        sa.Column("table_version", sa.Integer(), nullable=False),
        sa.Column("granularity", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("sums_by_table", "sums", ["table_id", "granularity", "first_day"])
    op.create_table(
        "quarter_notes",
        sa.Column("quarter", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("quarter"),
        sa.ForeignKeyConstraint(["saved_by"], ["people.id"]),
    )
    columns = ["table_id", "period", "cell", "agency", "value", "status", "counted_in"]
    op.create_index("return_records_figures", "return_records", columns)
