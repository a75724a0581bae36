"""What the search knows of the items."""

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from local_node.orm.columns import Base

FILTERED = (
    *("issued_at", "id", "digest", "kind", "outcome", "level", "phenomena", "settings", "agencies", "evidence"),
    *("language", "area", "size", "urbanisation", "origin"),
)
"""The newest are found by walking along these from the end; filters look at nothing else."""


class SearchItemRow(Base):
    """What the search knows of an accepted item in words; its texts are in the FTS5 table `search_texts`, by `id`.

    Lists of codes have a blank around each code. `relayed` is true where a hub signed for a city that is not named.
    `evidence` is 0 to 5. Likeness is judged by `title_key` and `sketch` (likeness.pack).
    Triggers delete a row, and its texts, with the step in which its item in the inbox stops being accepted.
    """

    __tablename__ = "search_items"
    __table_args__ = (
        Index("search_items_by_replaces", "replaces", "origin", "kind", "relayed", "seq"),
        Index("search_items_by_about", "about"),
        Index("search_items_by_adapted_from", "adapted_from"),
        Index("search_items_filters", *FILTERED),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    origin: Mapped[str]
    seq: Mapped[int]
    issued_at: Mapped[str]
    relayed: Mapped[bool]
    author: Mapped[str]
    headline: Mapped[str]
    phenomena: Mapped[str]
    settings: Mapped[str]
    agencies: Mapped[str]
    outcome: Mapped[str | None]
    evidence: Mapped[int | None]
    level: Mapped[str | None]
    language: Mapped[str]
    area: Mapped[str | None]
    size: Mapped[str | None]
    urbanisation: Mapped[str | None]
    review_by: Mapped[str | None]
    archived: Mapped[bool]
    replaces: Mapped[str | None]
    about: Mapped[str | None]
    adapted_from: Mapped[str | None]
    title_key: Mapped[str]
    sketch: Mapped[bytes]
