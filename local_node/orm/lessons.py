"""What people write in the node before anybody is asked to release it."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from local_node.orm.columns import Base


class DraftRow(Base):
    """A text that somebody writes. `state` is one of drafting.DraftState.

    `fields` is canonical JSON: what was typed so far, complete or not. `version` counts every change and is what a form
    must name to change it. `agency_id` is the partner agency it was begun in, whose accounts share it; NULL is the
    city's own. `writers` is canonical JSON: {"ids": [...]}, everybody who has changed it. `form_key` is the number that
    an empty form was given, so that a form which is sent twice begins one draft. `request_id` names the release request
    that was made of it.
    """

    __tablename__ = "drafts"
    __table_args__ = (
        Index("drafts_by_author", "author", "saved_at"),
        Index("drafts_by_agency", "agency_id", "saved_at"),
        Index("drafts_by_state", "state", "saved_at"),
        Index("drafts_by_request", "request_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    form_key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    state: Mapped[str]
    fields: Mapped[str]
    audience: Mapped[str]
    version: Mapped[int]
    author: Mapped[str] = mapped_column(ForeignKey("people.id"))
    agency_id: Mapped[str | None] = mapped_column(ForeignKey("agencies.id"))
    writers: Mapped[str]
    begun_at: Mapped[datetime]
    saved_at: Mapped[datetime]
    saved_by: Mapped[str] = mapped_column(ForeignKey("people.id"))
    request_id: Mapped[str | None] = mapped_column(ForeignKey("release_requests.id"))
