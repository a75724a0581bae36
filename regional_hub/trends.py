"""From released figures to published sums: collects contributions, adds up, publishes what has changed.

A hub adds up its direct members only, so nothing is counted twice: a city's release counts at its home hub, and the
hub above counts that hub's complete sum. A late city makes a new revision; the earlier one stays in the log.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub import log
from regional_hub.aggregate import Contribution, add_up, for_display, inputs_of
from regional_hub.members import Trust
from regional_hub.orm import AggregateRow, ContentRow, EntryRow
from regional_hub.publication import publish
from shared_schema.canonical import parse_strict
from shared_schema.envelope import envelope_from_object
from shared_schema.governance import Level
from shared_schema.keys import Member, MemberRole, SigningKey
from shared_schema.period import Area
from shared_schema.statement import Audience, Kind
from shared_schema.trend import AggregateBody, TableDefinition, TableReference, TrendBody

MAX_LEVELS = 4
"""A city, its region, its nation, Europe."""


@dataclass(frozen=True, slots=True)
class Publishing:
    """Who publishes: the hub's name, key, level and area."""

    name: str
    key: SigningKey
    level: Level
    area: Area


def publish_aggregates(session: Session, trust: Trust, hub: Publishing, now: datetime) -> int:
    """Publish a new revision of every sum whose inputs have changed; return the number of statements."""
    log.get_head(session, for_append=True)  # two processes of one hub must not publish the same revision
    has_parent = any(member.role is MemberRole.PARENT for member in _direct(trust))
    published = 0
    for subject, contributions in collect(session, trust):
        table = _find_table(contributions[0].body.table, trust)
        if table is None:
            continue
        expected = expected_cities(trust)
        inputs = inputs_of(contributions, expected)
        for complete in (True, False) if has_parent else (False,):
            row = session.get(AggregateRow, (subject, complete))
            if row is not None and row.inputs == inputs:
                continue
            revision = 1 if row is None else row.revision + 1
            body = add_up(contributions, table, hub.area, expected=expected, revision=revision)
            if not complete:
                body = for_display(body, min_contributors=trust.policy.min_contributors)
            entry = publish(
                session,
                Kind.AGGREGATE,
                body,
                Audience.HUB if complete else Audience(hub.level),
                name=hub.name,
                key=hub.key,
                now=now,
            )
            session.merge(
                AggregateRow(subject=subject, complete=complete, revision=revision, inputs=inputs, digest=entry.digest)
            )
            session.flush()
            published += 1
    return published


def complete_sums(session: Session, trust: Trust, area: Area) -> list[AggregateBody]:
    """Every complete sum as it is now, for the operator and for checks; nothing is published."""
    sums = []
    for _, contributions in collect(session, trust):
        table = _find_table(contributions[0].body.table, trust)
        if table is not None:
            sums.append(add_up(contributions, table, area, expected=expected_cities(trust), revision=1))
    return sums


def collect(session: Session, trust: Trust) -> Iterable[tuple[str, list[Contribution]]]:
    """Yield (subject, contributions) for every table and period: the newest statement of each direct member."""
    rows = session.execute(
        select(EntryRow.subject, EntryRow.origin, EntryRow.digest, EntryRow.kind, ContentRow.envelope)
        .join(ContentRow, ContentRow.digest == EntryRow.digest)
        .where(
            EntryRow.subject.is_not(None),
            EntryRow.kind.in_((Kind.TREND.value, Kind.AGGREGATE.value)),
            EntryRow.audience == Audience.HUB.value,
            EntryRow.origin != trust.name,
        )
        .order_by(EntryRow.subject, EntryRow.index)
    )
    subject: str | None = None
    newest: dict[str, Contribution] = {}
    for row in rows:
        if row.subject != subject:
            if subject is not None and newest:
                yield subject, list(newest.values())
            subject, newest = row.subject, {}
        contribution = _contribution(row.origin, row.digest, row.kind, row.envelope, trust)
        if contribution is not None:
            newest[row.origin] = contribution
    if subject is not None and newest:
        yield subject, list(newest.values())


def _contribution(origin: str, digest: str, kind: str, stored: bytes, trust: Trust) -> Contribution | None:
    member = trust.find_direct(origin)
    if member is None or member.role is MemberRole.PARENT:
        return None
    payload = parse_strict(envelope_from_object(parse_strict(stored)).payload)
    body: TrendBody | AggregateBody
    if kind == Kind.TREND.value:
        body = TrendBody.from_object(payload["body"])
    else:
        body = AggregateBody.from_object(payload["body"])
    if _find_table(body.table, trust) is None:  # a wording that an earlier policy had
        return None
    return Contribution(origin, digest, body)


def _find_table(reference: TableReference, trust: Trust) -> TableDefinition | None:
    """The policy's table with exactly this wording."""
    table = trust.policy.find_table(reference.id, reference.version)
    return table if table is not None and table.fingerprint == reference.fingerprint else None


def expected_cities(trust: Trust) -> int:
    """The number of active cities under this hub: its own, and those of the hubs below it."""
    return sum(
        1
        for member in trust.directory.members()
        if member.role is MemberRole.NODE and member.status == "active" and _is_under(member, trust)
    )


def _is_under(member: Member, trust: Trust) -> bool:
    """A direct member, or vouched for by a hub that is under this one."""
    below: Member | None = member
    for _ in range(MAX_LEVELS):
        if below is None or below.role is MemberRole.PARENT:
            return False
        if below.name in trust.direct:
            return True
        below = trust.directory.find(below.vouched_by)
    return False


def _direct(trust: Trust) -> list[Member]:
    return [member for member in trust.directory.members() if member.name in trust.direct]
