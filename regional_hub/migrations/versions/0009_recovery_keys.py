"""Keys that a hub has announced after the copy from which it was restored.

Only a column is added, so a database of the release before goes on as it is.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recovery", sa.Column("rotations", sa.Text(), nullable=True))
