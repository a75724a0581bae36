"""With what people sign in. Passwords and tokens are kept as hashes only."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from local_node.orm.columns import Base
from shared_schema.service.accounts.rows import AccountColumns, SessionColumns, SignInAttemptColumns


class AccountRow(AccountColumns, Base):
    """The account of somebody in `people`, whose role it has."""

    __tablename__ = "accounts"

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
    agency_id: Mapped[str | None] = mapped_column(ForeignKey("agencies.id"))


class SessionRow(SessionColumns, Base):
    """Somebody who is signed in."""

    __tablename__ = "sessions"

    person_id: Mapped[str] = mapped_column(ForeignKey("accounts.person_id"))


class SignInAttemptRow(SignInAttemptColumns, Base):
    """A sign-in that failed."""

    __tablename__ = "sign_in_attempts"
