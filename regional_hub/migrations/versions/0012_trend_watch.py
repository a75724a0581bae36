"""What the trend watch has found.

Only tables are added; they are filled when the hub does its work for the first time.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trend_alerts",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("table_id", sa.String(length=80), nullable=False),
        sa.Column("table_version", sa.Integer(), nullable=False),
        sa.Column("cell", sa.String(length=80), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("stated", sa.BigInteger()),
        sa.Column("judged", sa.BigInteger()),
        sa.Column("chance", sa.Float(), nullable=False),
        sa.Column("years", sa.Integer(), nullable=False),
        sa.Column("entry_index", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True)),
        sa.Column("changed_by", sa.String(length=100)),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("trend_alerts_by_period", "trend_alerts", ["start"])
    op.create_index("trend_alerts_by_table", "trend_alerts", ["table_id", "table_version", "period"])
    op.create_table(
        "trend_looks",
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("inputs", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("subject"),
    )
