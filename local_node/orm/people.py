"""What an account has besides its password: a second factor, invitations, tokens for scripts, single sign-on."""

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from local_node.orm.columns import Base
from shared_schema.service.accounts.rows import (
    InvitationColumns,
    PendingSignInColumns,
    RecoveryCodeColumns,
    ScriptTokenColumns,
    SecondFactorColumns,
)


class SecondFactorRow(SecondFactorColumns, Base):
    """A time-based one-time password."""

    __tablename__ = "second_factors"

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)


class RecoveryCodeRow(RecoveryCodeColumns, Base):
    """One of ten codes for the day on which the telephone is lost."""

    __tablename__ = "recovery_codes"

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))


class PendingSignInRow(PendingSignInColumns, Base):
    """Somebody gave the right password and owes the code."""

    __tablename__ = "pending_sign_ins"

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))


class SignInRulesRow(Base):
    """The one row that says who needs a second factor: `nobody`, `deciders` or `everybody`."""

    __tablename__ = "sign_in_rules"

    id: Mapped[int] = mapped_column(primary_key=True)
    second_factor_for: Mapped[str]


class InvitationRow(InvitationColumns, Base):
    """A link that works once."""

    __tablename__ = "invitations"

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))


class ScriptTokenRow(ScriptTokenColumns, Base):
    """What a script shows in place of a password."""

    __tablename__ = "script_tokens"

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))


class SignOnLinkRow(Base):
    """The account of a person at the city's own sign-on service: by its subject, until the first time by e-mail."""

    __tablename__ = "sign_on_links"
    __table_args__ = (UniqueConstraint("issuer", "subject"), UniqueConstraint("issuer", "email"))

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
    issuer: Mapped[str]
    subject: Mapped[str | None]
    email: Mapped[str | None]
    linked_at: Mapped[datetime]
