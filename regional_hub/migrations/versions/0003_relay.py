"""What members ask to relay without naming them, and the questions that are handed on to them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "relay_items",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("attribution", sa.String(length=10)),
        sa.Column("audience", sa.String(length=10), nullable=False),
        sa.Column("about", sa.String(length=64)),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("envelope", sa.LargeBinary()),
        sa.Column("relayed", sa.String(length=64)),
        sa.Column("up", sa.String(length=64)),
        sa.Column("up_envelope", sa.LargeBinary()),
        sa.Column("reason", sa.String(length=40)),
        sa.PrimaryKeyConstraint("digest"),
        sa.UniqueConstraint("relayed"),
        sa.UniqueConstraint("up"),
    )
    op.create_index("relay_items_by_state", "relay_items", ["state", "received_at"])
    op.create_index("relay_items_by_origin", "relay_items", ["origin"])
    op.create_table(
        "relay_questions",
        sa.Column("question", sa.String(length=64), nullable=False),
        sa.Column("item", sa.String(length=64), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("question", "item"),
    )
