"""What the hub says itself: memberships, its policy, its sums. Signed and appended like everything else."""

import secrets
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from regional_hub import log
from regional_hub.orm import EntryRow
from shared_schema.keys import SigningKey
from shared_schema.statement import (
    Audience,
    Kind,
    StatementBody,
    VerifiedStatement,
    make_statement,
    sign_statement,
)

NONCE_BYTES = 18


def publish(
    session: Session, kind: Kind, body: StatementBody, audience: Audience, *, name: str, key: SigningKey, now: datetime
) -> log.Entry:
    """Sign a statement of the hub with its next seq and append it to the hub's log, in the caller's transaction."""
    return publish_statement(session, kind, body, audience, name=name, key=key, now=now)[0]


def publish_statement(
    session: Session, kind: Kind, body: StatementBody, audience: Audience, *, name: str, key: SigningKey, now: datetime
) -> tuple[log.Entry, VerifiedStatement]:
    """As `publish`, for whoever goes on with what was signed."""
    head = log.get_head(session, for_append=True)
    verified = sign_own(kind, body, audience, name=name, key=key, seq=next_seq(session, name), now=now)
    appended = log.append(session, [log.Arrival(verified)], name=name, key=key, head=head, now=now)
    return appended.entries[0], verified


def next_seq(session: Session, name: str) -> int:
    """The hub's own next number; whoever asks holds the head of the log."""
    last = session.scalar(select(func.max(EntryRow.seq)).where(EntryRow.origin == name)) or 0
    # After a recovery some of this hub's own statements may be known by their digest alone: their numbers are taken.
    last += session.scalar(select(func.count()).where(EntryRow.origin == "")) or 0
    return last + 1


def sign_own(
    kind: Kind, body: StatementBody, audience: Audience, *, name: str, key: SigningKey, seq: int, now: datetime
) -> VerifiedStatement:
    """A statement of the hub, signed, for whoever appends it to the log among others."""
    statement = make_statement(
        body,
        kind=kind,
        origin=name,
        seq=seq,
        issued_at=now,
        nonce=secrets.token_urlsafe(NONCE_BYTES),
        audience=audience,
    )
    return VerifiedStatement(statement, sign_statement(statement, key))
