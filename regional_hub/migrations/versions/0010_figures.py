"""The sums that may be shown, cell by cell, for whoever asks for figures.

Only tables are added; they are filled from the log when the hub does its work for the first time.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "series",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("origin", sa.String(length=100), nullable=False),
        sa.Column("relation", sa.String(length=10), nullable=False),
        sa.Column("level", sa.String(length=10), nullable=False),
        sa.Column("area", sa.String(length=16), nullable=False),
        sa.Column("area_scheme", sa.String(length=10), nullable=False),
        sa.Column("area_version", sa.String(length=4), nullable=False),
        sa.Column("table_id", sa.String(length=80), nullable=False),
        sa.Column("table_version", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("granularity", sa.String(length=10), nullable=False),
        sa.Column("dimension", sa.String(length=80), nullable=False),
        sa.Column("first_entry", sa.BigInteger(), nullable=False),
        sa.Column("cells", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("series_by_table", "series", ["table_id", "granularity", "area"])
    op.create_index(
        "series_once",
        "series",
        ["origin", "area", "table_id", "table_version", "fingerprint", "granularity"],
        unique=True,
    )
    op.create_table(
        "shown_sums",
        sa.Column("entry_index", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("series_id", sa.BigInteger(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("until", sa.BigInteger()),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("source_kind", sa.String(length=40), nullable=False),
        sa.Column("reporting", sa.BigInteger(), nullable=False),
        sa.Column("expected", sa.BigInteger(), nullable=False),
        sa.Column("rolled_up", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entry_index"),
    )
    op.create_index("shown_sums_by_series", "shown_sums", ["series_id", "start", "entry_index"])
    op.create_index("shown_sums_by_start", "shown_sums", ["start", "entry_index"])
    numbers = ("estimate", "variance_milli", "low", "high", "suppressed", "suppressed_high")
    op.create_table(
        "shown_cells",
        sa.Column("series_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entry_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("until", sa.BigInteger()),
        sa.Column("status", sa.String(length=1), nullable=False),
        sa.Column("contributors", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.BigInteger()) for name in numbers),
        sa.Column("withheld", sa.String(length=20)),
        sa.PrimaryKeyConstraint("series_id", "place", "start", "entry_index"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "figures_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
