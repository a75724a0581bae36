"""What the sealed shares of this city are made from."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to what is there; nothing that was there changes."""
    op.create_table(
        "sealed_shares",
        sa.Column("batch", sa.Text, primary_key=True),
        sa.Column("table_id", sa.Text, nullable=False),
        sa.Column("table_version", sa.Integer, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("ledger_seq", sa.Integer, nullable=False),
        sa.Column("randomness", sa.LargeBinary),
        sa.Column("outcome", sa.Text),
        sa.Column("made_at", sa.String(20), nullable=False),
    )
    op.create_index("sealed_shares_by_slot", "sealed_shares", ["table_id", "table_version", "period"])
