"""With what people sign in to the hub's pages. Passwords and tokens are kept as hashes only."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from regional_hub.orm.columns import Base
from shared_schema.service.accounts.rows import (
    AccountColumns,
    InvitationColumns,
    PendingSignInColumns,
    RecoveryCodeColumns,
    ScriptTokenColumns,
    SecondFactorColumns,
    SessionColumns,
    SignInAttemptColumns,
)


class AccountRow(AccountColumns, Base):
    """Somebody who works with this hub; `role` is one of `door.Role`."""

    __tablename__ = "accounts"

    role: Mapped[str]


class SessionRow(SessionColumns, Base):
    """Somebody who is signed in."""

    __tablename__ = "sessions"

    person_id: Mapped[str] = mapped_column(ForeignKey("accounts.person_id"))


class SignInAttemptRow(SignInAttemptColumns, Base):
    """A sign-in that failed."""

    __tablename__ = "sign_in_attempts"


class PendingSignInRow(PendingSignInColumns, Base):
    """Somebody gave the right password and owes the code."""

    __tablename__ = "pending_sign_ins"

    person_id: Mapped[str] = mapped_column(ForeignKey("accounts.person_id"))


class SecondFactorRow(SecondFactorColumns, Base):
    """A time-based one-time password."""

    __tablename__ = "second_factors"

    person_id: Mapped[str] = mapped_column(ForeignKey("accounts.person_id"), primary_key=True)


class RecoveryCodeRow(RecoveryCodeColumns, Base):
    """One of ten codes for the day on which the telephone is lost."""

    __tablename__ = "recovery_codes"

    person_id: Mapped[str] = mapped_column(ForeignKey("accounts.person_id"))


class InvitationRow(InvitationColumns, Base):
    """A link that works once."""

    __tablename__ = "invitations"

    person_id: Mapped[str] = mapped_column(ForeignKey("accounts.person_id"))


class ScriptTokenRow(ScriptTokenColumns, Base):
    """What a script shows in place of a password."""

    __tablename__ = "script_tokens"

    person_id: Mapped[str] = mapped_column(ForeignKey("accounts.person_id"))
