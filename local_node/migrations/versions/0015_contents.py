"""An index of the contents that are here, so that they are counted without reading them."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to what is there; nothing that was there changes."""
    op.create_index("inbox_with_content", "inbox", ["digest"], sqlite_where=sa.text("envelope IS NOT NULL"))
