"""Keys with a history: where memberships stand in each hub's log, pins that have moved on, and new keys of this node."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two tables and a column; the places of the memberships that were read before are filled in."""
    op.add_column("hubs", sa.Column("former", sa.Text(), nullable=False, server_default="[]"))
    op.create_table(
        "memberships",
        sa.Column("hub", sa.Text(), sa.ForeignKey("hubs.name"), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hub", "log_index"),
    )
    op.create_table(
        "key_changes",
        sa.Column("keyid", sa.Text(), primary_key=True),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("request", sa.LargeBinary()),
        sa.Column("made_at", sa.String(20), nullable=False),
        sa.Column("done_at", sa.String(20)),
    )
    op.execute(
        "INSERT INTO memberships (hub, log_index, digest) "
        "SELECT hub, log_index, digest FROM inbox WHERE kind = 'membership'"
    )
