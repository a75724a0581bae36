"""The tables behind the door, as columns that a program mixes into rows of its own.

A program adds the table, and for `person_id` the table of its people. Of whatever somebody shows to get in only a hash
is kept. The one exception is the secret of a second factor: the code of the moment is computed with it.

    class SessionRow(SessionColumns, Base):
        __tablename__ = "sessions"
        person_id: Mapped[str] = mapped_column(ForeignKey("accounts.person_id"))
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Index, UniqueConstraint, false
from sqlalchemy.orm import Mapped, declared_attr, mapped_column


class Columns:
    """What a row is made with: its columns by name."""

    if TYPE_CHECKING:

        def __init__(self, **columns: Any) -> None: ...


class AccountColumns(Columns):
    """With what somebody signs in; `administrates` adds the administrator's role to the one that the person has.

    `password_hash` (Argon2id) is NULL until a password is set; `language` is one of the pages' languages or NULL.
    """

    person_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str | None]
    password_hash: Mapped[str | None]
    administrates: Mapped[bool] = mapped_column(default=False, server_default=false())
    language: Mapped[str | None]
    added_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class SessionColumns(Columns):
    """Somebody who is signed in; `token_hash` is the SHA-256 of the cookie. `client` is the kind of browser."""

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (Index("sessions_by_person", "person_id"),)

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str]
    began_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    client: Mapped[str]


class SignInAttemptColumns(Columns):
    """A sign-in that failed. Whose account was meant is kept as a hash: it may be a password in the wrong field."""

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (Index("sign_in_attempts_by_name", "name_hash", "at"), Index("sign_in_attempts_by_time", "at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    name_hash: Mapped[str]
    at: Mapped[datetime]


class PendingSignInColumns(Columns):
    """Somebody gave the right password and owes the code. Not a session: it opens one page."""

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str]
    ends_at: Mapped[datetime]


class SecondFactorColumns(Columns):
    """A time-based one-time password (RFC 6238). It counts from `confirmed_at` on; `last_step` is never used again."""

    person_id: Mapped[str] = mapped_column(primary_key=True)
    secret: Mapped[str]
    began_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int]


class RecoveryCodeColumns(Columns):
    """One of ten codes for the day on which the telephone is lost; each works once."""

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (Index("recovery_codes_by_person", "person_id"),)

    code_hash: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str]
    used_at: Mapped[datetime | None]


class InvitationColumns(Columns):
    """A link that works once, with which somebody sets their password. `ended_at`: used, or replaced by a newer one."""

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (Index("invitations_by_person", "person_id"),)

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ScriptTokenColumns(Columns):
    """What a script shows in place of a password. `scopes` is canonical JSON: {"codes": [...]}."""

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (Index("script_tokens_by_person", "person_id"), UniqueConstraint("token_hash"))

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str]
    person_id: Mapped[str]
    label: Mapped[str]
    scopes: Mapped[str]
    made_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


@dataclass(frozen=True)
class Rows:
    """The rows of one program."""

    account: type[AccountColumns]
    session: type[SessionColumns]
    attempt: type[SignInAttemptColumns]
    pending: type[PendingSignInColumns]
    factor: type[SecondFactorColumns]
    recovery_code: type[RecoveryCodeColumns]
    invitation: type[InvitationColumns]
    token: type[ScriptTokenColumns]
