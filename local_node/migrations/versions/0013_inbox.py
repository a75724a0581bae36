"""What people do with what others wrote: read marks, useful marks, notes, saved views, and e-mails of what is new.

Triggers keep the promises that no program may forget. What is taken back takes marks and notes along, also when an
older program writes. A number up to which somebody has read falls with the newest items, whose numbers SQLite gives
away again. Whoever gets an account begins with everything read that is here by then, because a newcomer would otherwise
find years of items marked as new.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ABOUT_ITEMS = ("read_items", "useful_marks", "notes")
UP_TO = (
    ("readers", "read_up_to"),
    ("view_marks", "seen_up_to"),
    ("subscriptions", "covered_up_to"),
    ("mailings", "after_item"),
    ("mailings", "up_to"),
)
FILTERED = [
    *("issued_at", "id", "digest", "kind", "outcome", "level", "phenomena", "settings", "agencies", "evidence"),
    *("language", "area", "size", "urbanisation", "origin"),
]


def upgrade() -> None:
    """Add to what is there; nothing that was there changes."""
    marks()
    views()
    mails()
    op.create_index("inbox_by_arrival", "inbox", ["received_at", "log_index"])
    op.drop_index("search_items_by_time", "search_items")
    op.create_index("search_items_filters", "search_items", FILTERED)
    forgetting = " ".join(f"DELETE FROM {table} WHERE digest = {{row}}.digest;" for table in ABOUT_ITEMS)  # noqa: S608 - our own names
    op.execute(
        "CREATE TRIGGER reading_forgets AFTER UPDATE OF state ON inbox WHEN NEW.state = 'withdrawn' "
        f"BEGIN {forgetting.format(row='NEW')} END"
    )
    op.execute(f"CREATE TRIGGER reading_forgets_deleted AFTER DELETE ON inbox BEGIN {forgetting.format(row='OLD')} END")
    last = "(SELECT coalesce(max(id), 0) FROM search_items)"
    lowering = " ".join(f"UPDATE {table} SET {name} = {last} WHERE {name} > {last};" for table, name in UP_TO)  # noqa: S608 - our own names
    op.execute(f"CREATE TRIGGER reading_follows AFTER DELETE ON search_items WHEN OLD.id > {last} BEGIN {lowering} END")
    op.execute(f"INSERT INTO readers SELECT person_id, {last} FROM accounts")  # noqa: S608 - our own names
    begin = f"INSERT OR IGNORE INTO readers VALUES (NEW.person_id, {last});"  # noqa: S608 - our own names
    op.execute(f"CREATE TRIGGER reading_begins AFTER INSERT ON accounts BEGIN {begin} END")


def marks() -> None:
    op.create_table(
        "readers",
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("read_up_to", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("person_id"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"]),
    )
    op.create_table(
        "read_items",
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "digest"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"]),
    )
    op.create_index("read_items_by_digest", "read_items", ["digest"])
    op.create_table(
        "useful_marks",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("marked_at", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("digest", "person_id"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"]),
    )
    op.create_index("useful_marks_by_person", "useful_marks", ["person_id"])
    op.create_table(
        "notes",
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "digest"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"]),
    )
    op.create_index("notes_by_digest", "notes", ["digest"])


def views() -> None:
    op.create_table(
        "saved_views",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("feed_token", sa.Text(), nullable=False),
        sa.Column("made_at", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["owner"], ["people.id"]),
    )
    op.create_index("saved_views_by_owner", "saved_views", ["owner", "name"], unique=True)
    op.create_index("saved_views_by_token", "saved_views", ["feed_token"], unique=True)
    op.create_table(
        "view_marks",
        sa.Column("view_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("seen_up_to", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("view_id", "person_id"),
        sa.ForeignKeyConstraint(["view_id"], ["saved_views.id"]),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"]),
    )


def mails() -> None:
    op.create_table(
        "subscriptions",
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("rhythm", sa.Text(), nullable=False),
        sa.Column("off_token", sa.Text(), nullable=False),
        sa.Column("covered_up_to", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.String(length=20), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("person_id"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"]),
    )
    op.create_index("subscriptions_by_time", "subscriptions", ["next_at"])
    op.create_index("subscriptions_by_token", "subscriptions", ["off_token"], unique=True)
    op.create_table(
        "mailings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("after_item", sa.Integer(), nullable=False),
        sa.Column("up_to", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("claimed_at", sa.String(length=20), nullable=False),
        sa.Column("next_at", sa.String(length=20), nullable=False),
        sa.Column("code", sa.Text()),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"]),
    )
    op.create_index("mailings_by_person", "mailings", ["person_id", "id"])
    op.create_index("mailings_by_state", "mailings", ["state"])
