"""Of what each batch of a sealed total is, so that it is found by its table and period.

Only a column that may be empty and its index are added.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sealed_batches", sa.Column("subject", sa.String(length=200)))
    op.create_index("sealed_batches_subject", "sealed_batches", ["role", "subject"])
