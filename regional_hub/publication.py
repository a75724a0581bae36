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
    head = log.get_head(session, for_append=True)
    last = session.scalar(select(func.max(EntryRow.seq)).where(EntryRow.origin == name)) or 0
    # After a recovery some of this hub's own statements may be known by their digest alone: their numbers are taken.
    last += session.scalar(select(func.count()).where(EntryRow.origin == "")) or 0
    statement = make_statement(
        body,
        kind=kind,
        origin=name,
        seq=last + 1,
        issued_at=now,
        nonce=secrets.token_urlsafe(NONCE_BYTES),
        audience=audience,
    )
    arrival = log.Arrival(VerifiedStatement(statement, sign_statement(statement, key)))
    return log.append(session, [arrival], name=name, key=key, head=head, now=now).entries[0]
