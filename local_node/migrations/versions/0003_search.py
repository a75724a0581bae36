"""Search over what was received: one row per accepted item in words, and its texts in an FTS5 table.

The tables begin empty; the program fills them when it opens the node (`library.catch_up`), because reading a statement
is the program's business and not a migration's. An item that stops being accepted leaves them by trigger, in the very
transaction, also when an older program writes. A version that is withdrawn hands its own predecessor on to its
successor, so that an old text does not come back to the top.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index; nothing that was there changes."""
    items()
    op.execute(
        "CREATE VIRTUAL TABLE search_texts USING fts5(title, gist, details, "
        "tokenize = 'unicode61 remove_diacritics 2', prefix = '3')"
    )
    op.execute("INSERT INTO search_texts(search_texts, rank) VALUES ('rank', 'bm25(10.0, 2.0, 1.0)')")
    op.execute(
        "CREATE TRIGGER search_forgets AFTER UPDATE OF state ON inbox WHEN NEW.state <> 'accepted' "
        "BEGIN DELETE FROM search_items WHERE digest = NEW.digest; END"
    )
    op.execute(
        "CREATE TRIGGER search_forgets_deleted AFTER DELETE ON inbox "
        "BEGIN DELETE FROM search_items WHERE digest = OLD.digest; END"
    )
    op.execute(
        "CREATE TRIGGER search_texts_follow AFTER DELETE ON search_items BEGIN "
        "UPDATE search_items SET replaces = OLD.replaces WHERE replaces = OLD.digest AND origin = OLD.origin; "
        "DELETE FROM search_texts WHERE rowid = OLD.id; END"
    )


def items() -> None:
    op.create_table(
        "search_items",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("issued_at", sa.Text, nullable=False),
        sa.Column("relayed", sa.Boolean, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("headline", sa.Text, nullable=False),
        sa.Column("phenomena", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("agencies", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("evidence", sa.Integer),
        sa.Column("level", sa.Text),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("area", sa.Text),
        sa.Column("size", sa.Text),
        sa.Column("urbanisation", sa.Text),
        sa.Column("review_by", sa.Text),
        sa.Column("archived", sa.Boolean, nullable=False),
        sa.Column("replaces", sa.Text),
        sa.Column("about", sa.Text),
        sa.Column("adapted_from", sa.Text),
        sa.Column("title_key", sa.Text, nullable=False),
        sa.Column("sketch", sa.LargeBinary, nullable=False),
    )
    op.create_index("search_items_by_replaces", "search_items", ["replaces", "origin", "kind", "relayed", "seq"])
    op.create_index("search_items_by_about", "search_items", ["about"])
    op.create_index("search_items_by_adapted_from", "search_items", ["adapted_from"])
    op.create_index("search_items_by_time", "search_items", ["issued_at"])
