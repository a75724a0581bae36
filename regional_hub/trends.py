"""From released figures to published sums: collects contributions, adds up, publishes what has changed.

A hub adds up its direct members only, so nothing is counted twice: a city's release counts at its home hub, and the
hub above counts that hub's complete sum. A late city makes a new revision; the earlier one stays in the log.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

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
    expected = expected_cities(trust)
    published = 0
    for subject, digests in newest_digests(session, trust):
        inputs = inputs_of(digests, expected)
        rows = {complete: session.get(AggregateRow, (subject, complete)) for complete in (True, False)}
        changed = [complete for complete, row in rows.items() if row is None or row.inputs != inputs]
        if not changed or (changed == [True] and not has_parent):
            continue  # most sums never change again, so their contents are not even read
        contributions = load_contributions(session, digests, trust)
        table = _find_table(contributions[0].body.table, trust) if contributions else None
        if table is None:
            continue
        for complete in changed:
            if complete and not has_parent:
                continue
            row = rows[complete]
            revision = 1 if row is None else row.revision + 1
            body = add_up(contributions, table, hub.area, expected=expected, revision=revision)
            if not complete:
                body = for_display(body, min_contributors=trust.policy.min_contributors)
            audience = Audience.HUB if complete else Audience(hub.level)
            entry = publish(session, Kind.AGGREGATE, body, audience, name=hub.name, key=hub.key, now=now)
            session.merge(
                AggregateRow(subject=subject, complete=complete, revision=revision, inputs=inputs, digest=entry.digest)
            )
            session.flush()
            published += 1
    return published


def complete_sums(session: Session, trust: Trust, area: Area) -> list[AggregateBody]:
    """Every complete sum as it is now, for the operator and for checks; nothing is published."""
    expected, sums = expected_cities(trust), []
    for _, digests in newest_digests(session, trust):
        contributions = load_contributions(session, digests, trust)
        table = _find_table(contributions[0].body.table, trust) if contributions else None
        if table is not None:
            sums.append(add_up(contributions, table, area, expected=expected, revision=1))
    return sums


def newest_digests(session: Session, trust: Trust) -> Iterator[tuple[str, list[str]]]:
    """Yield (subject, digests) for every table and period: the newest statement of each direct member that is held."""
    rows = session.execute(
        select(EntryRow.subject, EntryRow.origin, EntryRow.digest)
        .where(
            EntryRow.subject.is_not(None),
            EntryRow.kind.in_((Kind.TREND.value, Kind.AGGREGATE.value)),
            EntryRow.audience == Audience.HUB.value,
            EntryRow.origin != trust.name,
            EntryRow.withdrawn_by.is_(None),
        )
        .order_by(EntryRow.subject, EntryRow.index)
    )
    for subject, group in groupby(rows, key=attrgetter("subject")):
        newest = {row.origin: row.digest for row in group if _adds(row.origin, trust)}
        if newest:
            yield subject, list(newest.values())


def _adds(origin: str, trust: Trust) -> bool:
    member = trust.find_direct(origin)
    return member is not None and member.role is not MemberRole.PARENT


def load_contributions(session: Session, digests: Sequence[str], trust: Trust) -> list[Contribution]:
    """The contents of statements; one in a wording of the table that is not in force any more is left out."""
    rows = session.execute(
        select(EntryRow.origin, EntryRow.digest, EntryRow.kind, ContentRow.envelope)
        .join(ContentRow, ContentRow.digest == EntryRow.digest)
        .where(EntryRow.digest.in_(digests))
        .order_by(EntryRow.index)
    )
    contributions = [_contribution(row.origin, row.digest, row.kind, row.envelope) for row in rows]
    return [item for item in contributions if _find_table(item.body.table, trust) is not None]


def _contribution(origin: str, digest: str, kind: str, stored: bytes) -> Contribution:
    payload = parse_strict(envelope_from_object(parse_strict(stored)).payload)
    body: TrendBody | AggregateBody
    if kind == Kind.TREND.value:
        body = TrendBody.from_object(payload["body"])
    else:
        body = AggregateBody.from_object(payload["body"])
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
