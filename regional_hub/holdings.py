"""What the direct members have handed in for every table and period, and the contents of those statements.

A city's release counts with its corrections, a hub's newest complete sum in place of earlier ones. A quarter or a year
that a city has not released is there when all the shorter periods in it are.

    for subject in find_subjects(session, trust): ...                  months first
    library.load(session, subject.digests)                             each content is read once
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub.members import Trust
from regional_hub.opened_batches import OpenedBatch, batches_for, share_of
from regional_hub.orm import ContentRow, EntryRow
from regional_hub.rollup import Contribution, Share, longer_than, parts_of, shares_of
from regional_hub.sealed_totals import read_batches
from shared_schema.canonical import parse_strict
from shared_schema.envelope import envelope_from_object
from shared_schema.errors import SchemaError
from shared_schema.keys import Member, MemberRole, MemberStatus
from shared_schema.period import parse_period
from shared_schema.statement import Audience, Kind
from shared_schema.trend import AggregateBody, TableDefinition, TableReference, TrendBody

MAX_DIGESTS_A_QUERY = 5_000
"""SQLite takes 32,766 parameters, PostgreSQL 65,535."""
LENGTHS = ("month", "quarter", "year")
"""In this order sums are decided, so that a longer one knows which shorter ones are shown."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A table and a period (`table@version/period`), and the statements and opened batches that its sum is made of."""

    name: str
    digests: tuple[str, ...]
    batches: tuple[OpenedBatch, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """What names all of it."""
        return (*self.digests, *(batch.digest for batch in self.batches))

    @property
    def table(self) -> str:
        return self.name.split("/")[0]

    @property
    def label(self) -> str:
        return self.name.split("/")[1]


@dataclass(slots=True)
class Library:
    """The contents of statements, each read once. What is signed never changes, so it can be read beforehand."""

    trust: Trust
    read: dict[str, Contribution | None] = field(default_factory=dict)

    def load(self, session: Session, digests: Sequence[str]) -> list[Contribution]:
        """The contents; one in a wording of the table that is not in force any more is left out."""
        missing = [digest for digest in digests if digest not in self.read]
        for first in range(0, len(missing), MAX_DIGESTS_A_QUERY):
            for item in _load_contributions(session, missing[first : first + MAX_DIGESTS_A_QUERY]):
                self.read[item.digest] = item if find_table(item.body.table, self.trust) is not None else None
        return [found for digest in digests if (found := self.read.get(digest)) is not None]


@dataclass(slots=True)
class _Held:
    """What one member has handed in for a table and period: a city's release and corrections, or a hub's newest sum."""

    release: str | None = None
    corrections: list[str] = field(default_factory=list)
    is_sum: bool = False


_Periods = dict[str, dict[str, _Held]]
"""label → member → what it has handed in, for one table."""


def find_subjects(session: Session, trust: Trust) -> Iterator[Subject]:
    """Yield every table and period that has a sum, months first: what was released, and what that makes up."""
    tables, sealed = _held_statements(session, trust), _opened_batches(session, trust)
    for length in LENGTHS:
        for table in sorted({*tables, *sealed}):
            periods, batches = tables.get(table, {}), sealed.get(table, {})
            stock = is_stock(table, trust)
            labels = {*periods, *batches}
            if not stock:
                labels |= {longer for label in labels for longer in longer_than(label)}
            for label in sorted(each for each in labels if parse_period(each).granularity == length):
                members = {member for held in periods.values() for member in held}
                found = [_digests_of(member, label, periods, stock) for member in sorted(members)]
                digests = [digest for part in found if part is not None for digest in part]
                opened = batches_for(label, batches, stock=stock)
                if digests or opened:
                    yield Subject(f"{table}/{label}", tuple(digests), opened)


def shares_in(session: Session, library: Library, subject: Subject, trust: Trust) -> list[Share]:
    """The shares of a sum: of every member that has one, and of the batches that this hub has opened.

    A city that is in one of these batches has no other share beside it: it would be counted twice.
    """
    stock = is_stock(subject.table, trust)
    shares = shares_of(library.load(session, subject.digests), parse_period(subject.label), stock=stock)
    table = find_table(subject.batches[0].table, trust) if subject.batches else None
    total = None if table is None else share_of(trust.name, subject.batches, subject.label, table)
    if total is None:
        return shares
    sealed = frozenset[str]().union(*(batch.cities for batch in subject.batches))
    return [*(share for share in shares if share.member not in sealed), total]


def _opened_batches(session: Session, trust: Trust) -> dict[str, dict[str, list[OpenedBatch]]]:
    """Table → label → the batches that this hub has led and opened, in a wording of the table that is in force."""
    found: defaultdict[str, dict[str, list[OpenedBatch]]] = defaultdict(dict)
    for batch in read_batches(session, trust).led_by(trust.name).opened:
        if find_table(batch.table, trust) is not None:
            found[batch.series].setdefault(batch.label, []).append(batch)
    return found


def _held_statements(session: Session, trust: Trust) -> dict[str, _Periods]:
    rows = session.execute(
        select(EntryRow.subject, EntryRow.origin, EntryRow.digest, EntryRow.kind)
        .where(
            EntryRow.subject.is_not(None),
            EntryRow.kind.in_((Kind.TREND.value, Kind.AGGREGATE.value)),
            EntryRow.audience == Audience.HUB.value,
            EntryRow.origin != trust.name,
            EntryRow.withdrawn_by.is_(None),
        )
        .order_by(EntryRow.subject, EntryRow.index)
    )
    tables: defaultdict[str, _Periods] = defaultdict(dict)
    adds = {member.name for member in direct_members(trust) if _is_added_up(member)}
    for row in rows:
        if row.origin not in adds or row.subject is None:
            continue
        table, label, *correction = row.subject.split("/")
        if not _is_period(label):
            continue
        held = tables[table].setdefault(label, {}).setdefault(row.origin, _Held())
        if correction:
            held.corrections.append(row.digest)
        else:
            held.release, held.is_sum = row.digest, row.kind == Kind.AGGREGATE.value
    return tables


def _is_added_up(member: Member) -> bool:
    """Not the hub above; nor a hub that was revoked, because nobody knows which of its sums were its own."""
    return member.role is MemberRole.NODE or (
        member.role is MemberRole.HUB and member.status is not MemberStatus.REVOKED
    )


@lru_cache(maxsize=4096)
def _is_period(label: str) -> bool:
    """Hubs before version 0.2 took years before 1900: one such release must not stop every sum."""
    try:
        parse_period(label)
    except SchemaError:
        return False
    return True


def _digests_of(member: str, label: str, periods: _Periods, stock: bool) -> list[str] | None:
    """The statements behind one member's share, as `rollup.shares_of` will find them; None when it has none."""
    held = periods.get(label, {}).get(member)
    own = None if held is None or held.release is None else [held.release, *held.corrections]
    if stock or (held is not None and held.is_sum):
        return own
    labels = parts_of(label)
    if any((part := periods.get(each, {}).get(member)) is not None and part.is_sum for each in labels):
        return own  # a hub adds up its own longer periods
    parts = [_digests_of(member, part, periods, stock) for part in labels]
    whole = [digest for part in parts for digest in part or ()] if parts and all(parts) else None
    if own is None or whole is None:
        return own if whole is None else whole
    return own + whole


def is_stock(table: str, trust: Trust) -> bool:
    name, version = table.split("@")
    found = trust.policy.find_table(name, int(version))
    measure = None if found is None else trust.policy.find_measure(found.measure)
    return measure is not None and measure.stock


def _load_contributions(session: Session, digests: Sequence[str]) -> Iterator[Contribution]:
    rows = session.execute(
        select(EntryRow.origin, EntryRow.digest, EntryRow.kind, ContentRow.envelope)
        .join(ContentRow, ContentRow.digest == EntryRow.digest)
        .where(EntryRow.digest.in_(digests))
        .order_by(EntryRow.index)
    )
    for row in rows:
        yield Contribution(row.origin, row.digest, read_body(row.kind, row.envelope))


def read_body(kind: str, stored: bytes) -> TrendBody | AggregateBody:
    payload = parse_strict(envelope_from_object(parse_strict(stored)).payload)
    model = TrendBody if kind == Kind.TREND.value else AggregateBody
    return model.from_object(payload["body"])


def find_table(reference: TableReference, trust: Trust) -> TableDefinition | None:
    """The policy's table with exactly this wording."""
    table = trust.policy.find_table(reference.id, reference.version)
    return table if table is not None and table.fingerprint == reference.fingerprint else None


def direct_members(trust: Trust) -> list[Member]:
    return [member for member in trust.directory.members() if member.name in trust.direct]
