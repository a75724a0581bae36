"""Who runs a hub, as this hub has said last.

Only a column is added that may be empty.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("members", sa.Column("operator", sa.String(length=120)))
