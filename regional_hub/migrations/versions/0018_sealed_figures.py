"""Which of the sums that may be shown come out of sealed totals.

A column is added; in a database of the release before it is NULL, which is what every sum there is.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("shown_sums", sa.Column("mechanism", sa.String(length=10)))
