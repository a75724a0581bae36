"""Narrowed audiences, since when a member is here, and what other hubs say of withdrawals and of what they set aside."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("entries", sa.Column("narrowed_by", sa.BigInteger()))
    op.add_column("entries", sa.Column("narrowed_to", sa.String(length=10)))
    op.add_column("members", sa.Column("admitted_by", sa.BigInteger()))
    op.create_table(
        "recall_reports",
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("withdrawal", sa.String(length=64), nullable=False),
        sa.Column("withdrawal_index", sa.BigInteger(), nullable=False),
        sa.Column("holders", sa.Integer(), nullable=False),
        sa.Column("confirmed", sa.Integer(), nullable=False),
        sa.Column("unreachable", sa.Integer(), nullable=False),
        sa.Column("unheard", sa.Integer(), nullable=False),
        sa.Column("late", sa.Text(), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source", "withdrawal"),
    )
    op.create_index("recall_reports_by_withdrawal", "recall_reports", ["withdrawal"])
    op.create_table(
        "quarantine_reports",
        sa.Column("reporter", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("reporter", "digest"),
    )
