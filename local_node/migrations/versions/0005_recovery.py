"""What a node keeps of a hub's log, so that the hub can be healed after it was restored from an old copy."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is kept from now on; leaves that were read before are not known any more."""
    op.add_column("hubs", sa.Column("seen_note", sa.Text))
    op.add_column("hubs", sa.Column("read_note", sa.Text))
    op.create_table(
        "mirror_leaves",
        sa.Column("hub", sa.Text, sa.ForeignKey("hubs.name"), nullable=False),
        sa.Column("log_index", sa.Integer, nullable=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("hub", "log_index"),
    )
