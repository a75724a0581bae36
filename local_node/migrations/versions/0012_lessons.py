"""Drafts that people write in the node, and who wrote what is to be released besides whoever asks for it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to what is there; nothing that was there changes."""
    op.create_table(
        "drafts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("form_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("agency_id", sa.Text()),
        sa.Column("writers", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.String(length=20), nullable=False),
        sa.Column("saved_at", sa.String(length=20), nullable=False),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text()),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
        sa.UniqueConstraint("form_key"),
        sa.ForeignKeyConstraint(["author"], ["people.id"]),
        sa.ForeignKeyConstraint(["agency_id"], ["agencies.id"]),
        sa.ForeignKeyConstraint(["saved_by"], ["people.id"]),
        sa.ForeignKeyConstraint(["request_id"], ["release_requests.id"]),
    )
    op.create_index("drafts_by_author", "drafts", ["author", "saved_at"])
    op.create_index("drafts_by_agency", "drafts", ["agency_id", "saved_at"])
    op.create_index("drafts_by_state", "drafts", ["state", "saved_at"])
    op.create_index("drafts_by_request", "drafts", ["request_id"])
    op.add_column("release_requests", sa.Column("writers", sa.Text()))
    op.create_index("release_requests_by_subject", "release_requests", ["subject"])
    op.create_index("release_requests_by_digest", "release_requests", ["digest"])
    op.create_index("return_records_counted", "return_records", ["table_id", "counted_in"])
