"""What a node remembers of a hub's heads, whether receipts were found in the log, and evidence."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to what is there; nothing that was there changes."""
    for name in ("last_time", "announcement", "head_times", "elsewhere"):
        op.add_column("hubs", sa.Column(name, sa.Text()))
    for name in ("confirmed_at", "missed_since"):
        op.add_column("outbox", sa.Column(name, sa.String(length=20)))
    op.create_table(
        "head_evidence",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("proven", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("since", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sa.ForeignKeyConstraint(["hub"], ["hubs.name"]),
    )
