"""Which account at the sign-on service belongs to whom here. An administrator says so; no account is made by itself.

A link may name the subject (the service's own lasting id), or an e-mail address. An address can be given to somebody
else later, so it counts until the first sign-in only: from then on the subject does.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from local_node import audit
from local_node.errors import NodeError
from local_node.orm import SignOnLinkRow

_SUBJECT: Final = re.compile(r"[!-~]{1,255}", re.ASCII)
_EMAIL: Final = re.compile(r"[!-?A-~]{1,64}@[!-?A-~]{3,190}", re.ASCII)


class LinkError(NodeError):
    """This link cannot be made."""

    code = "sign-on-link"


@dataclass(frozen=True, slots=True)
class Link:
    """How somebody is known at the sign-on service. With an e-mail address and no subject: not used yet."""

    person_id: str
    issuer: str
    subject: str | None
    email: str | None

    @property
    def text(self) -> str:
        return self.subject or self.email or ""


def link(session: Session, person_id: str, issuer: str, known_as: str, *, by: str, now: datetime) -> Link:
    """Say how somebody is known there, in place of what was said before; an `@` means an e-mail address.

    Raises LinkError: no e-mail address or subject, or one that somebody else here has.
    """
    known_as = known_as.strip()
    is_email = "@" in known_as
    if not (_EMAIL if is_email else _SUBJECT).fullmatch(known_as):
        raise LinkError("expected an e-mail address, or the subject that the sign-on service shows")
    email = known_as.lower() if is_email else None
    subject = None if is_email else known_as
    column, value = (SignOnLinkRow.email, email) if is_email else (SignOnLinkRow.subject, subject)
    taken = session.scalars(
        select(SignOnLinkRow.person_id).where(
            SignOnLinkRow.issuer == issuer, column == value, SignOnLinkRow.person_id != person_id
        )
    ).first()
    if taken is not None:
        raise LinkError("expected somebody whom no other account here is linked with", code="sign-on-link-taken")
    row = session.merge(SignOnLinkRow(person_id=person_id, issuer=issuer, subject=subject, email=email, linked_at=now))
    session.flush()
    audit.append(session, by, "account.sign-on-linked", person_id, now)
    return _link(row)


def unlink(session: Session, person_id: str, *, by: str, now: datetime) -> None:
    """Take the link away; nothing happens where there is none."""
    gone = session.execute(delete(SignOnLinkRow).where(SignOnLinkRow.person_id == person_id))
    if gone.rowcount:  # type: ignore[attr-defined]
        audit.append(session, by, "account.sign-on-unlinked", person_id, now)


def find_link(session: Session, person_id: str) -> Link | None:
    """How this person is known at the sign-on service."""
    row = session.get(SignOnLinkRow, person_id)
    return None if row is None else _link(row)


def find_linked(session: Session, issuer: str, subject: str, email: str | None, now: datetime) -> str | None:
    """Whose account this is; with the first sign-in by e-mail, the subject takes its place. None: nobody's."""
    by_subject = select(SignOnLinkRow.person_id).where(SignOnLinkRow.issuer == issuer, SignOnLinkRow.subject == subject)
    person_id = session.scalars(by_subject).one_or_none()
    if person_id is not None or email is None:
        return person_id
    waiting = (SignOnLinkRow.issuer == issuer, SignOnLinkRow.email == email, SignOnLinkRow.subject.is_(None))
    person_id = session.scalars(select(SignOnLinkRow.person_id).where(*waiting)).one_or_none()
    if person_id is not None:
        session.execute(update(SignOnLinkRow).where(*waiting).values(subject=subject))
        audit.append(session, person_id, "account.sign-on-bound", person_id, now)
    return person_id


def _link(row: SignOnLinkRow) -> Link:
    return Link(row.person_id, row.issuer, row.subject, row.email)
