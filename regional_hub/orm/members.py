"""Who takes part, and who asks to."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, LargeBinary, String, Text
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from regional_hub.orm.columns import Base, UtcTime


class MemberRow(Base):
    """A direct member, or the parent, and how far it is.

    Who may sign with which key, the fold of the log says (`members.load_trust`); here stands what it says at its end.
    """

    __tablename__ = "members"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    role: Mapped[str] = mapped_column(String(10))
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    keyid: Mapped[str] = mapped_column(String(64), unique=True)
    status: Mapped[str] = mapped_column(String(10))
    area: Mapped[str] = mapped_column(Text)
    level: Mapped[str | None] = mapped_column(String(10))
    url: Mapped[str | None] = mapped_column(String(300))
    not_before: Mapped[datetime | None] = mapped_column(UtcTime)
    not_after: Mapped[datetime | None] = mapped_column(UtcTime)
    highest_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    read_up_to: Mapped[int] = mapped_column(BigInteger, default=0)
    last_read_at: Mapped[datetime | None] = mapped_column(UtcTime)
    software: Mapped[str | None] = mapped_column(String(40))
    """The version that its program has named last; it says so itself."""
    operator: Mapped[str | None] = mapped_column(String(120))
    """Who runs a hub, as this hub has said last; NULL for a city, and where nobody has said."""
    admitted_by: Mapped[int | None] = mapped_column(BigInteger)
    """The entry that admitted it: nothing that was taken back before it had ever come to it. NULL: not known."""


class EnrolmentCodeRow(Base):
    """A one-time code, as its hash."""

    __tablename__ = "enrolment_codes"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcTime)
    replaces: Mapped[bool] = mapped_column(Boolean, default=False, server_default=sql("false"))
    """For a new key of a member."""


class EnrolmentRow(Base):
    """Somebody who used a code and waits for the operator."""

    __tablename__ = "enrolments"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    request: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[datetime] = mapped_column(UtcTime)
    state: Mapped[str] = mapped_column(String(10))
    replaces: Mapped[bool] = mapped_column(Boolean, default=False, server_default=sql("false"))
