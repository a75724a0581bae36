"""Second factors, invitations, tokens for scripts, and the links to the city's own sign-on service."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to what is there; nothing that was there changes."""
    op.create_table(
        "second_factors",
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("began_at", sa.String(length=20), nullable=False),
        sa.Column("confirmed_at", sa.String(length=20)),
        sa.Column("last_step", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("person_id"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"]),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("used_at", sa.String(length=20)),
        sa.PrimaryKeyConstraint("code_hash"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"]),
    )
    op.create_index("recovery_codes_by_person", "recovery_codes", ["person_id"])
    op.create_table(
        "pending_sign_ins",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("ends_at", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("token_hash"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"]),
    )
    op.create_table(
        "sign_in_rules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("second_factor_for", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "invitations",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.String(length=20), nullable=False),
        sa.Column("ends_at", sa.String(length=20), nullable=False),
        sa.Column("ended_at", sa.String(length=20)),
        sa.PrimaryKeyConstraint("token_hash"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"]),
    )
    op.create_index("invitations_by_person", "invitations", ["person_id"])
    op.create_table(
        "script_tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("made_at", sa.String(length=20), nullable=False),
        sa.Column("ends_at", sa.String(length=20), nullable=False),
        sa.Column("last_used_at", sa.String(length=20)),
        sa.Column("revoked_at", sa.String(length=20)),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_hash"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"]),
    )
    op.create_index("script_tokens_by_person", "script_tokens", ["person_id"])
    op.create_table(
        "sign_on_links",
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text()),
        sa.Column("email", sa.Text()),
        sa.Column("linked_at", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("person_id"),
        sa.UniqueConstraint("issuer", "subject"),
        sa.UniqueConstraint("issuer", "email"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"]),
    )
