"""What followers keep of each other's logs, and what a hub gathers when it was restored from an old copy."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.add_column("log_head", sa.Column("held", sa.String(length=10)))
    op.add_column("log_head", sa.Column("place", sa.String(length=100)))
    op.add_column("members", sa.Column("software", sa.String(length=40)))
    op.add_column("sources", sa.Column("seen_note", sa.Text))
    op.add_column("sources", sa.Column("read_note", sa.Text))
    op.add_column("sources", sa.Column("policy", sa.LargeBinary))
    op.create_table(
        "mirror_leaves",
        sa.Column("source", sa.String(length=100), primary_key=True),
        sa.Column("index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "recovery",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wanted_size", sa.BigInteger, nullable=False),
        sa.Column("ordered", sa.Boolean, nullable=False),
        sa.Column("alone", sa.Boolean, nullable=False),
    )
    op.create_table(
        "recovery_leaves",
        sa.Column("index", BIG_ID, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_recovery_leaves_digest", "recovery_leaves", ["digest"])
    op.create_table(
        "recovery_notes",
        sa.Column("size", BIG_ID, primary_key=True, autoincrement=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_table(
        "recovery_contents",
        sa.Column("digest", sa.String(length=64), primary_key=True),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "recovery_heard",
        sa.Column("member", sa.String(length=100), primary_key=True),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
