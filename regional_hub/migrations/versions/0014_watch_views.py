"""Saved views of the trend watch, and e-mails of them.

Only tables and columns are added that may be empty. What an alert says was said last when it was raised, or withdrawn.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "watch_views",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("feed_token", sa.Text(), nullable=False),
        sa.Column("off_token", sa.Text(), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("mailed_up_to", moment),
        sa.Column("next_mail_at", moment),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["owner"], ["accounts.person_id"]),
    )
    op.create_index("watch_views_by_owner", "watch_views", ["owner", "name"], unique=True)
    op.create_index("watch_views_by_feed", "watch_views", ["feed_token"], unique=True)
    op.create_index("watch_views_by_off", "watch_views", ["off_token"], unique=True)
    op.create_table(
        "mail_addresses",
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.Text()),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("first_asked_at", moment, nullable=False),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("confirmed_at", moment),
        sa.PrimaryKeyConstraint("person_id"),
        sa.ForeignKeyConstraint(["person_id"], ["accounts.person_id"]),
    )
    op.add_column("deliveries", sa.Column("person_id", sa.String(length=40)))
    op.add_column("deliveries", sa.Column("view_id", sa.BigInteger()))
    op.add_column("deliveries", sa.Column("after", moment))
    op.add_column("deliveries", sa.Column("up_to", moment))
    op.create_index("deliveries_by_view", "deliveries", ["view_id"])
    op.add_column("trend_alerts", sa.Column("said_at", moment))
    op.execute("UPDATE trend_alerts SET said_at = COALESCE(withdrawn_at, raised_at)")
    op.create_index("trend_alerts_by_word", "trend_alerts", ["said_at"])
