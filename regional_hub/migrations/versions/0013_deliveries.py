"""Messages to people and programs outside, of alarms first.

Only a table is added. Alarms that are open when it comes are told as soon as there is a channel for them.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("message_id", sa.String(length=40), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("topic", sa.String(length=10), nullable=False),
        sa.Column("alarm_id", sa.BigInteger()),
        sa.Column("change", sa.String(length=10)),
        sa.Column("part_of", sa.BigInteger()),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("next_at", moment, nullable=False),
        sa.Column("claimed_at", moment),
        sa.Column("finished_at", moment),
        sa.Column("code", sa.String(length=40)),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["alarm_id"], ["alarms.id"]),
        sa.UniqueConstraint("message_id", name="deliveries_message"),
        sa.UniqueConstraint("alarm_id", "change", "channel", name="deliveries_alarm"),
    )
    op.create_index("deliveries_by_state", "deliveries", ["state", "channel", "next_at"])
    op.create_index("deliveries_by_part", "deliveries", ["part_of"])
    op.create_index("deliveries_by_time", "deliveries", ["claimed_at"])
