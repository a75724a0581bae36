"""Rules of retention and what they closed, messages from outside, and indexes for what people look up."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to what is there; nothing that was there changes."""
    op.create_table(
        "retention_rules",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), server_default="", nullable=False),
        sa.Column("months", sa.Integer(), nullable=False),
        sa.Column("set_at", sa.String(length=20), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject"),
        sa.ForeignKeyConstraint(["set_by"], ["people.id"]),
    )
    op.create_table(
        "closed_measures",
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("before", sa.String(length=7), nullable=False),
        sa.Column("closed_at", sa.String(length=20), nullable=False),
        sa.Column("closed_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("measure"),
        sa.ForeignKeyConstraint(["closed_by"], ["people.id"]),
    )
    op.create_table(
        "outside_messages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.String(length=20), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), server_default="", nullable=False),
        sa.Column("done_at", sa.String(length=20)),
        sa.Column("done_by", sa.Text()),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["done_by"], ["people.id"]),
    )
    op.create_index("outside_messages_by_time", "outside_messages", ["received_at"])
    op.create_index("audit_by_actor", "audit", ["actor", "seq", "at"])
    op.create_index("audit_by_both", "audit", ["actor", "action", "seq", "at"])
    op.create_index("audit_by_action", "audit", ["action", "seq", "at"])
    op.create_index("audit_by_subject", "audit", ["subject", "seq"])
    op.create_index("audit_by_time", "audit", ["at", "seq"])
    op.create_index("outbox_by_seq", "outbox", ["seq", "state", "digest"])
