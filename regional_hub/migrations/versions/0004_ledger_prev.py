"""The ledger entry before that of a charge, so that a chain is checked from both sides."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("charges", sa.Column("ledger_prev", sa.String(length=64)))
