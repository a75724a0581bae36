"""Partner agencies, and whom to call there. Contacts are staff; nobody whom the work concerns is ever here."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from local_node.orm.columns import Base


class AgencyRow(Base):
    """A partner agency. `id` is the name under which its records are kept.

    `kinds` and `roles` are canonical JSON: {"codes": [...]} of AgencyType and AgencyRole.
    """

    __tablename__ = "agencies"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    kinds: Mapped[str]
    roles: Mapped[str]
    added_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class AgencyContactRow(Base):
    """Somebody of an agency whom one can call about work."""

    __tablename__ = "agency_contacts"
    __table_args__ = (Index("agency_contacts_by_agency", "agency_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    agency_id: Mapped[str] = mapped_column(ForeignKey("agencies.id"))
    name: Mapped[str]
    email: Mapped[str] = mapped_column(default="", server_default="")
    phone: Mapped[str] = mapped_column(default="", server_default="")
