"""Keys with a history: codes for a new key of a member, the keys that sign this log, pins that have moved on."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns; what an older program wrote means what it meant."""
    for table in ("enrolment_codes", "enrolments"):
        op.add_column(table, sa.Column("replaces", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("log_head", sa.Column("signers", sa.String(length=200)))
    op.add_column("sources", sa.Column("former", sa.Text(), nullable=False, server_default="[]"))
