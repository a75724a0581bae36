"""With what people sign in. Passwords and tokens are kept as hashes only."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, false
from sqlalchemy.orm import Mapped, mapped_column

from local_node.orm.columns import Base


class AccountRow(Base):
    """The account of somebody in `people`, whose role it has; `administrates` adds the administrator's.

    `password_hash` (Argon2id) is NULL until a password is set; `language` is one of the pages' languages or NULL.
    """

    __tablename__ = "accounts"

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
    name: Mapped[str]
    email: Mapped[str | None]
    password_hash: Mapped[str | None]
    agency_id: Mapped[str | None] = mapped_column(ForeignKey("agencies.id"))
    administrates: Mapped[bool] = mapped_column(default=False, server_default=false())
    language: Mapped[str | None]
    added_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class SessionRow(Base):
    """Somebody who is signed in; `token_hash` is the SHA-256 of the cookie. `client` is the kind of browser."""

    __tablename__ = "sessions"
    __table_args__ = (Index("sessions_by_person", "person_id"),)

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("accounts.person_id"))
    began_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    client: Mapped[str]


class SignInAttemptRow(Base):
    """A sign-in that failed. Whose account was meant is kept as a hash: it may be a password in the wrong field."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (Index("sign_in_attempts_by_name", "name_hash", "at"), Index("sign_in_attempts_by_time", "at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    name_hash: Mapped[str]
    at: Mapped[datetime]
