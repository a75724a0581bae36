"""Cosignatures, witnesses, and what a follower remembers of a head."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sources", sa.Column("last_time", sa.String(length=20)))
    for name in ("announcement", "head_times"):
        op.add_column("sources", sa.Column(name, sa.Text()))
    op.create_table(
        "cosignatures",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("key_hash", sa.String(length=8), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", "name", "key_hash"),
    )
    op.create_table(
        "witnessed",
        sa.Column("origin", sa.String(length=300), nullable=False),
        sa.Column("vkey", sa.String(length=400), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("cosigned_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("origin"),
    )
    op.create_table(
        "witnesses",
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("url", sa.String(length=300), nullable=False),
        sa.Column("vkey", sa.String(length=400), nullable=False),
        sa.Column("known_size", sa.BigInteger(), nullable=False),
        sa.Column("cosigned_at", sa.BigInteger()),
        sa.Column("problem", sa.String(length=40)),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "head_evidence",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=300), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("proven", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("ix_head_evidence_origin", "head_evidence", ["origin"])
