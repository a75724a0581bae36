"""The shares that a hub has received in a batch: one for each city, whole and signed until they are destroyed.

A leader takes them from its members, a helper from the leader; each has verified the city's own signature before.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from regional_hub.orm import SealedShareRow
from shared_schema.envelope import VerifiedEnvelope, parse_envelope, verify_envelope
from shared_schema.errors import BatchError
from shared_schema.keys import PublicKey
from shared_schema.problem import ProblemCode
from shared_schema.sealed.halves import ReceivedShare, receive_share
from shared_schema.statement import read_statement


def find_share(session: Session, batch_id: int, share: ReceivedShare) -> bool:
    """Whether this very share is here. Raises BatchError (`already-answered`) when the city has sent another one."""
    row = session.get(SealedShareRow, (batch_id, share.origin))
    if row is not None and row.digest != share.digest:
        raise BatchError("expected the city's first share for this batch", code=ProblemCode.ALREADY_ANSWERED)
    return row is not None


class Arrived(NamedTuple):
    """That a city's share has come."""

    digest: str
    late: bool


def find_city(session: Session, batch_id: int, city: str) -> Arrived | None:
    """What a city has sent for a batch, if anything."""
    row = session.get(SealedShareRow, (batch_id, city))
    return None if row is None else Arrived(row.digest, row.late)


def find_batch_of(session: Session, city: str, digest: str) -> int | None:
    """The batch that this share came for."""
    mine = (SealedShareRow.city == city, SealedShareRow.digest == digest)
    return session.scalar(select(SealedShareRow.batch_id).where(*mine))


def add_share(
    session: Session, batch_id: int, share: ReceivedShare, verified: VerifiedEnvelope, *, late: bool, at: datetime
) -> None:
    """Keep a share; of a late one only that it came."""
    session.add(
        SealedShareRow(
            batch_id=batch_id,
            city=share.origin,
            digest=share.digest,
            late=late,
            received_at=at,
            city_key=verified.key.raw,
            envelope=None if late else verified.envelope.stored_bytes,
        )
    )
    session.flush()


def read_shares(session: Session, batch_id: int) -> list[ReceivedShare]:
    """Every share that came in time, by city; none when they are destroyed."""
    rows = session.execute(
        select(SealedShareRow.envelope, SealedShareRow.city_key)
        .where(SealedShareRow.batch_id == batch_id)
        .order_by(SealedShareRow.city)
    )
    return [
        receive_share(read_statement(verify_envelope(parse_envelope(envelope), PublicKey(key))))
        for envelope, key in rows
        if envelope is not None
    ]


def read_envelopes(session: Session, batch_id: int) -> list[bytes]:
    """The same as they were signed, for whoever hands them on."""
    rows = session.scalars(
        select(SealedShareRow.envelope).where(SealedShareRow.batch_id == batch_id).order_by(SealedShareRow.city)
    )
    return [envelope for envelope in rows if envelope is not None]


def read_late(session: Session, batch_id: int) -> dict[str, str]:
    """The cities whose share came too late, with its digest."""
    late = (SealedShareRow.batch_id == batch_id, SealedShareRow.late)
    rows = session.execute(select(SealedShareRow.city, SealedShareRow.digest).where(*late))
    return {row.city: row.digest for row in rows}


def read_digests(session: Session, batch_id: int) -> frozenset[str]:
    """What names each share that has come, destroyed or not."""
    return frozenset(session.scalars(select(SealedShareRow.digest).where(SealedShareRow.batch_id == batch_id)))


def erase_shares(session: Session, batch_id: int | None = None) -> None:
    """Erase what cities have sent, in one batch or in all; digests stay. The caller says `forget`."""
    change = update(SealedShareRow).values(envelope=None).where(SealedShareRow.envelope.is_not(None))
    if batch_id is not None:
        change = change.where(SealedShareRow.batch_id == batch_id)
    session.execute(change.execution_options(synchronize_session="fetch"))
