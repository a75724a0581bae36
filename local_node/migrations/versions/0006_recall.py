"""What this city takes back, what hubs say of that, which files were exported, and evidence of two contents."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("inbox_by_place", "inbox", ["origin", "seq"])
    op.create_table(
        "withdrawals",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("item", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("audience", sa.Text, nullable=False),
        sa.Column("in_confidence", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("narrow_to", sa.Text),
        sa.Column("asked_by", sa.Text, sa.ForeignKey("people.id"), nullable=False),
        sa.Column("asked_at", sa.String(20), nullable=False),
        sa.Column("digest", sa.Text),
        sa.Column("is_open", sa.Boolean, nullable=False),
    )
    op.create_index("withdrawals_by_item", "withdrawals", ["item"])
    op.create_table(
        "recalls",
        sa.Column("hub", sa.Text, sa.ForeignKey("hubs.name"), nullable=False),
        sa.Column("withdrawal", sa.Text, nullable=False),
        sa.Column("item", sa.Text, nullable=False),
        sa.Column("holders", sa.Integer, nullable=False),
        sa.Column("confirmed", sa.Integer, nullable=False),
        sa.Column("unreachable", sa.Integer, nullable=False),
        sa.Column("unheard", sa.Integer, nullable=False),
        sa.Column("late", sa.Text, nullable=False),
        sa.Column("asked_at", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("hub", "withdrawal"),
    )
    op.create_table(
        "exports",
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("file_digest", sa.Text, nullable=False),
        sa.Column("items", sa.Text, nullable=False),
        sa.Column("written_at", sa.String(20), nullable=False),
    )
    op.create_table(
        "evidence",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("hub", sa.Text, sa.ForeignKey("hubs.name"), nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("known_digest", sa.Text, nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
        sa.Column("since", sa.String(20), nullable=False),
    )
