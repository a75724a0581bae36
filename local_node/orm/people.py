"""What an account has besides its password: a second factor, invitations, tokens for scripts, single sign-on.

Of whatever a person or a script shows to get in, only a hash is kept. The one exception is the secret of a second
factor: to compute the code of the moment, the node needs it as it is.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from local_node.orm.columns import Base


class SecondFactorRow(Base):
    """A time-based one-time password (RFC 6238). It counts from `confirmed_at` on; `last_step` is never used again."""

    __tablename__ = "second_factors"

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
    secret: Mapped[str]
    began_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int]


class RecoveryCodeRow(Base):
    """One of ten codes for the day on which the telephone is lost; each works once."""

    __tablename__ = "recovery_codes"
    __table_args__ = (Index("recovery_codes_by_person", "person_id"),)

    code_hash: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    used_at: Mapped[datetime | None]


class PendingSignInRow(Base):
    """Somebody gave the right password and owes the code. Not a session: it opens one page."""

    __tablename__ = "pending_sign_ins"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    ends_at: Mapped[datetime]


class SignInRulesRow(Base):
    """The one row that says who needs a second factor: `nobody`, `deciders` or `everybody`."""

    __tablename__ = "sign_in_rules"

    id: Mapped[int] = mapped_column(primary_key=True)
    second_factor_for: Mapped[str]


class InvitationRow(Base):
    """A link that works once, with which somebody sets their password. `ended_at`: used, or replaced by a newer one."""

    __tablename__ = "invitations"
    __table_args__ = (Index("invitations_by_person", "person_id"),)

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ScriptTokenRow(Base):
    """What a script shows in place of a password. `scopes` is canonical JSON: {"codes": [...]}."""

    __tablename__ = "script_tokens"
    __table_args__ = (Index("script_tokens_by_person", "person_id"), UniqueConstraint("token_hash"))

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str]
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    label: Mapped[str]
    scopes: Mapped[str]
    made_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class SignOnLinkRow(Base):
    """The account of a person at the city's own sign-on service: by its subject, until the first time by e-mail."""

    __tablename__ = "sign_on_links"
    __table_args__ = (UniqueConstraint("issuer", "subject"), UniqueConstraint("issuer", "email"))

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
    issuer: Mapped[str]
    subject: Mapped[str | None]
    email: Mapped[str | None]
    linked_at: Mapped[datetime]
