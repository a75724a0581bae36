"""What releases have spent, and what is known of a sum from the revisions that were shown."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("aggregates", sa.Column("atoms", sa.Text()))
    op.create_table(
        "charges",
        sa.Column(
            "entry_index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("origin", sa.String(length=100), nullable=False),
        sa.Column("measure", sa.String(length=80), nullable=False),
        sa.Column("table_id", sa.String(length=80), nullable=False),
        sa.Column("first_month", sa.Integer(), nullable=False),
        sa.Column("last_month", sa.Integer(), nullable=False),
        sa.Column("epsilon_milli", sa.Integer(), nullable=False),
        sa.Column("correction", sa.Integer(), nullable=False),
        sa.Column("ledger_seq", sa.BigInteger(), nullable=False),
        sa.Column("ledger_head", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("entry_index"),
    )
    op.create_index("charges_by_origin", "charges", ["origin", "first_month"])
