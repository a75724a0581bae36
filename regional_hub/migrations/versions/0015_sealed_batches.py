"""Batches of sealed totals, as leader and as helper.

Only tables are added.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "sealed_batches",
        sa.Column("id", number, nullable=False),
        sa.Column("role", sa.String(length=6), nullable=False),
        sa.Column("other", sa.String(length=100), nullable=False),
        sa.Column("slot", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("proposal", sa.String(length=64), nullable=False),
        sa.Column("terms", sa.LargeBinary()),
        sa.Column("batch", sa.String(length=64)),
        sa.Column("roster", sa.String(length=64)),
        sa.Column("hpke_key", sa.LargeBinary()),
        sa.Column("verify_key", sa.LargeBinary()),
        sa.Column("noise_seed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("role", "proposal", name="sealed_batches_proposal"),
        sa.UniqueConstraint("role", "batch", name="sealed_batches_batch"),
        sa.UniqueConstraint("role", "roster", name="sealed_batches_roster"),
    )
    living = sa.text("state NOT IN ('void', 'dropped')")
    op.create_index(
        "sealed_batches_slot",
        "sealed_batches",
        ["role", "slot"],
        unique=True,
        sqlite_where=living,
        postgresql_where=living,
    )
    op.create_table(
        "sealed_words",
        sa.Column("batch_id", number, nullable=False),
        sa.Column("step", sa.String(length=12), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("batch_id", "step"),
        sa.ForeignKeyConstraint(["batch_id"], ["sealed_batches.id"]),
    )
    op.create_table(
        "sealed_shares",
        sa.Column("batch_id", number, nullable=False),
        sa.Column("city", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("city_key", sa.LargeBinary(), nullable=False),
        sa.Column("envelope", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("batch_id", "city"),
        sa.ForeignKeyConstraint(["batch_id"], ["sealed_batches.id"]),
        sa.UniqueConstraint("batch_id", "digest", name="sealed_shares_digest"),
    )
