"""What two hubs have said about a sealed total, found in this hub's own log and verified once more.

What this hub follows stands there as well, so leader and helper act on the same statements, each on its own log.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub.orm import ContentRow, EntryRow
from shared_schema.directory import Directory, KnownKey
from shared_schema.envelope import parse_envelope, verify_envelope
from shared_schema.errors import ContractError, VerificationError
from shared_schema.governance import Level
from shared_schema.names import parse_time
from shared_schema.problem import ProblemCode
from shared_schema.sealed.agreed import AgreedBatch, AgreedRoster, read_batch, read_roster
from shared_schema.sealed.bodies import AggregateShareBody
from shared_schema.sealed.terms import BatchTerms, Role
from shared_schema.sealed.total import check_aggregate_share
from shared_schema.statement import Audience, Kind, VerifiedStatement, read_statement


def audience_for(directory: Directory, level: Level, other: str) -> Audience:
    """How far what two hubs say travels: through the nation, with a hub of Europe among them through Europe."""
    member = directory.find(other)
    levels = {level, None if member is None else member.level}
    return Audience.EUROPE if "europe" in levels else Audience.NATION


@dataclass(frozen=True, slots=True)
class Said:
    """A verified statement, and where and when it stands in this hub's log."""

    verified: VerifiedStatement
    index: int
    at: datetime


def list_said(session: Session, directory: Directory, kind: Kind, subject: str, origin: str) -> Iterator[Said]:
    """What `origin` has said of this kind about this subject, oldest first.

    What cannot be read is passed over: `verify` finds it.
    """
    rows = session.execute(
        select(EntryRow, ContentRow.envelope)
        .join(ContentRow, ContentRow.digest == EntryRow.digest)
        .where(EntryRow.subject == subject, EntryRow.kind == kind.value, EntryRow.origin == origin)
        .order_by(EntryRow.index)
    )
    for row, stored in rows:
        try:
            envelope = parse_envelope(stored)
            known = directory.find_key(envelope.keyid)
            if known is None or known.name != origin:
                continue
            verified = read_statement(verify_envelope(envelope, known.key))
        except ContractError:
            continue
        yield Said(verified, row.index, parse_time(row.time))


def find_batch(session: Session, directory: Directory, terms: BatchTerms, subject: str) -> AgreedBatch | None:
    """The first batch statement with these terms; None while it is not in the log."""
    for said in list_said(session, directory, Kind.BATCH, subject, terms.leader.name):
        try:
            agreed = read_batch(said.verified, directory, at=said.at, position=said.index)
        except ContractError:
            continue
        if agreed.terms == terms:
            return agreed
    return None


def find_roster(session: Session, directory: Directory, batch: AgreedBatch) -> AgreedRoster | None:
    """The roster of a batch, signed by both; None while it is not in the log."""
    for said in list_said(session, directory, Kind.ROSTER, batch.digest, batch.terms.leader.name):
        try:
            return read_roster(said.verified, batch, directory, at=said.at, position=said.index)
        except ContractError:
            continue
    return None


def find_sum(
    session: Session, directory: Directory, batch: AgreedBatch, roster: AgreedRoster, role: Role
) -> AggregateShareBody | None:
    """The sum that the hub in this role has committed itself to; None while it has not said it."""
    for said in list_said(session, directory, Kind.AGGREGATE_SHARE, batch.digest, batch.terms.part_of(role).name):
        body = said.verified.statement.body
        try:
            if isinstance(body, AggregateShareBody):
                check_aggregate_share(body, batch, roster, role)
                return body
        except ContractError:
            continue
    return None


def has_said_roster(session: Session, batch: str, leader: str) -> bool:
    """Whether the log has any roster of this batch: then it can never be void."""
    return (
        session.scalar(
            select(EntryRow.index)
            .where(EntryRow.subject == batch, EntryRow.kind == Kind.ROSTER.value, EntryRow.origin == leader)
            .limit(1)
        )
        is not None
    )


def check_counted_in(session: Session, batch: str, known: KnownKey) -> None:
    """Raise VerificationError (`key-not-valid`) for a key that had ended when the batch came into this log."""
    announced = session.scalar(select(EntryRow.index).where(EntryRow.digest == batch))
    if known.ended_at is not None and (announced is None or known.ended_at <= announced):
        raise VerificationError("expected a key that counted in this batch", code=ProblemCode.KEY_NOT_VALID)
