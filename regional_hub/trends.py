"""From released figures to published sums: collects contributions, adds up, publishes what has changed.

A hub adds up its direct members only, so nothing is counted twice: a city's release counts at its home hub, and the
hub above counts that hub's complete sum. A late city makes a new revision; the earlier one stays in the log. What is
shown of a sum can wait (`showing`); the complete sum for the hub above never does.

    library = Library(trust)
    find_changed(session, trust, library)          in a transaction that reads: most often there is nothing to do
    publish_aggregates(session, trust, hub, now, library)
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub import log
from regional_hub.aggregate import add_up, inputs_of, nothing_left
from regional_hub.atoms import Atoms
from regional_hub.members import Trust
from regional_hub.orm import AggregateRow, ContentRow, EntryRow
from regional_hub.publication import publish
from regional_hub.rollup import Contribution, Share, longer_than, parts_of, shares_of
from regional_hub.showing import Relation, Rule, Surroundings, show, with_shown_parts
from shared_schema.canonical import parse_strict
from shared_schema.envelope import envelope_from_object
from shared_schema.governance import Level
from shared_schema.keys import Member, MemberRole, SigningKey
from shared_schema.period import Area, parse_period
from shared_schema.statement import Audience, Kind
from shared_schema.trend import AggregateBody, TableDefinition, TableReference, TrendBody

MAX_LEVELS = 4
"""A city, its region, its nation, Europe."""
MAX_DIGESTS_A_QUERY = 5_000
"""SQLite takes 32,766 parameters, PostgreSQL 65,535."""
LENGTHS = ("month", "quarter", "year")
"""In this order sums are decided, so that a longer one knows which shorter ones are shown."""


@dataclass(frozen=True, slots=True)
class Publishing:
    """Who publishes: the hub's name, key, level and area."""

    name: str
    key: SigningKey
    level: Level
    area: Area


@dataclass(frozen=True, slots=True)
class Subject:
    """A table and a period (`table@version/period`), and the statements that its sum is made of."""

    name: str
    digests: tuple[str, ...]

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
                self.read[item.digest] = item if _find_table(item.body.table, self.trust) is not None else None
        return [found for digest in digests if (found := self.read.get(digest)) is not None]


# --- which statements a sum is made of -----------------------------------------------------------------------------


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
    tables = _held_statements(session, trust)
    for length in LENGTHS:
        for table, periods in sorted(tables.items()):
            stock = _is_stock(table, trust)
            labels = set(periods)
            if not stock:
                labels |= {longer for label in periods for longer in longer_than(label)}
            for label in sorted(each for each in labels if parse_period(each).granularity == length):
                members = {member for held in periods.values() for member in held}
                found = [_digests_of(member, label, periods, stock) for member in sorted(members)]
                digests = [digest for part in found if part is not None for digest in part]
                if digests:
                    yield Subject(f"{table}/{label}", tuple(digests))


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
    adds = {member.name for member in _direct(trust) if member.role is not MemberRole.PARENT}
    for row in rows:
        if row.origin not in adds or row.subject is None:
            continue
        table, label, *correction = row.subject.split("/")
        held = tables[table].setdefault(label, {}).setdefault(row.origin, _Held())
        if correction:
            held.corrections.append(row.digest)
        else:
            held.release, held.is_sum = row.digest, row.kind == Kind.AGGREGATE.value
    return tables


def _digests_of(member: str, label: str, periods: _Periods, stock: bool) -> list[str] | None:
    """The statements behind one member's share, as `rollup.shares_of` will find them; None when it has none."""
    held = periods.get(label, {}).get(member)
    own = None if held is None or held.release is None else [held.release, *held.corrections]
    if stock or (held is not None and held.is_sum):
        return own
    parts = [_digests_of(member, part, periods, stock) for part in parts_of(label)]
    whole = [digest for part in parts for digest in part or ()] if parts and all(parts) else None
    if own is None or whole is None:
        return own if whole is None else whole
    return own + whole


def _is_stock(table: str, trust: Trust) -> bool:
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
        yield Contribution(row.origin, row.digest, _read_body(row.kind, row.envelope))


def _read_body(kind: str, stored: bytes) -> TrendBody | AggregateBody:
    payload = parse_strict(envelope_from_object(parse_strict(stored)).payload)
    model = TrendBody if kind == Kind.TREND.value else AggregateBody
    return model.from_object(payload["body"])


# --- publishing ----------------------------------------------------------------------------------------------------


def find_changed(session: Session, trust: Trust, library: Library) -> int:
    """How many sums must be looked at again. Reads their contents, so that the publishing itself need not."""
    work = _Work(session, trust, library)
    changed = list(work.changed())
    for subject, _ in changed:
        library.load(session, subject.digests)
    return len(changed)


def publish_aggregates(
    session: Session, trust: Trust, hub: Publishing, now: datetime, library: Library | None = None
) -> int:
    """Publish a new revision of every sum whose inputs have changed; return the number of statements."""
    log.get_head(session, for_append=True)  # two processes of one hub must not publish the same revision
    work = _Work(session, trust, library or Library(trust))
    return sum(_publish_subject(work, subject, inputs, hub, now) for subject, inputs in list(work.changed()))


class _Work:
    """One run over all sums, in one transaction."""

    def __init__(self, session: Session, trust: Trust, library: Library) -> None:
        self.session, self.trust, self.library = session, trust, library
        self.rule = Rule(trust.policy.min_contributors, trust.policy.p_rule_percent)
        self.expected = expected_cities(trust)
        self.has_parent = any(member.role is MemberRole.PARENT for member in _direct(trust))
        self.subjects = {subject.name: subject for subject in find_subjects(session, trust)}

    def changed(self) -> Iterator[tuple[Subject, str]]:
        """Every sum that was made of something else, or by other rules, than what its row says; most never change."""
        known = self.session.execute(select(AggregateRow.subject, AggregateRow.complete, AggregateRow.inputs))
        rows = {(row.subject, row.complete): row.inputs for row in known}
        emptied = [Subject(name, ()) for name, _ in rows if name not in self.subjects]
        for subject in (*dict.fromkeys(emptied), *self.subjects.values()):
            inputs = inputs_of(subject.digests, self.expected, *self.rule)
            wanted = [False, True] if self.has_parent else [False]
            if any(rows.get((subject.name, complete)) != inputs for complete in wanted):
                yield subject, inputs

    def shares(self, subject: Subject) -> list[Share]:
        contributions = self.library.load(self.session, subject.digests)
        return shares_of(contributions, parse_period(subject.label), stock=_is_stock(subject.table, self.trust))

    def table(self, subject: Subject) -> TableDefinition | None:
        name, version = subject.table.split("@")
        return self.trust.policy.find_table(name, int(version))

    def row(self, name: str, *, complete: bool) -> AggregateRow | None:
        return self.session.get(AggregateRow, (name, complete))

    def newest(self, row: AggregateRow | None) -> AggregateBody | None:
        """What this hub has published last."""
        if row is None:
            return None
        stored = self.session.scalar(select(ContentRow.envelope).where(ContentRow.digest == row.digest))
        body = None if stored is None else _read_body(Kind.AGGREGATE.value, stored)
        return body if isinstance(body, AggregateBody) else None

    def surroundings(self, subject: Subject) -> Surroundings:
        """The rule, and the shown sums of longer and shorter periods that this one could be subtracted from."""
        names: list[str] = []
        relations = []
        for longer, shorter in _families(subject.label):
            labels = (longer, *shorter)
            atoms = {label: None if label == subject.label else self._atoms(subject.table, label) for label in labels}
            names += [f"{subject.table}/{label}" for label, found in atoms.items() if found is not None and found.cells]
            relations.append(Relation(atoms[longer], tuple(atoms[label] for label in shorter)))
        return Surroundings(self.rule, tuple(relations), lambda: self._more(names))

    def _atoms(self, table: str, label: str) -> Atoms:
        row = self.row(f"{table}/{label}", complete=False)
        return Atoms.from_text(None if row is None else row.atoms)

    def _more(self, names: Sequence[str]) -> list[Share]:
        return [share for name in names if name in self.subjects for share in self.shares(self.subjects[name])]


def _families(label: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(longer, the shorter ones in it) for every way in which this period and others make up a longer one."""
    for longer in (label, *longer_than(label)):
        ways = [parts_of(longer)]
        ways += [tuple(month for quarter in parts_of(longer) for month in parts_of(quarter))]
        for shorter in ways:
            if shorter and (label == longer or label in shorter):
                yield longer, shorter


def _publish_subject(work: _Work, subject: Subject, inputs: str, hub: Publishing, now: datetime) -> int:
    shares, table = work.shares(subject), work.table(subject)
    shown_row, complete_row = (work.row(subject.name, complete=complete) for complete in (False, True))
    if subject.digests:
        if not shares or table is None:
            return 0  # in a wording of the table that is not in force any more
        period = parse_period(subject.label)
        complete = add_up(shares, table, hub.area, period, expected=work.expected, revision=1)
    else:
        last = work.newest(shown_row or complete_row)
        if last is None or _find_table(last.table, work.trust) is None:
            return 0
        complete = nothing_left(last, expected=work.expected)
    publisher = _Publisher(work, subject.name, inputs, hub, now)
    published, atoms = 0, Atoms.from_text(shown_row.atoms if shown_row is not None else None)
    if shown_row is None or shown_row.inputs != inputs:
        before = work.newest(shown_row)
        showing = show(complete, shares, atoms, before, work.surroundings(subject))
        atoms = showing.atoms
        published += publisher.store(showing.body, shown_row, atoms, before if showing.waits else None)
    if work.has_parent and (complete_row is None or complete_row.inputs != inputs):
        published += publisher.store(with_shown_parts(complete, atoms), complete_row, None, None)
    return published


@dataclass(frozen=True, slots=True)
class _Publisher:
    """Publishes the revisions of one sum, and remembers them."""

    work: _Work
    subject: str
    inputs: str
    hub: Publishing
    now: datetime

    def store(
        self, body: AggregateBody, row: AggregateRow | None, atoms: Atoms | None, before: AggregateBody | None
    ) -> int:
        """Publish `body` as the next revision, unless nothing that is in `before` has changed."""
        revision = 1 if row is None else row.revision + 1
        digest = None if row is None else row.digest
        if before is None or (before.cells, before.coverage.expected) != (body.cells, body.coverage.expected):
            audience = Audience.HUB if body.complete else Audience(self.hub.level)
            digest = publish(
                self.work.session,
                Kind.AGGREGATE,
                body.model_copy(update={"revision": revision}),
                audience,
                name=self.hub.name,
                key=self.hub.key,
                now=self.now,
            ).digest
        elif row is not None:
            revision = row.revision
        new = row is None or digest != row.digest
        self.work.session.merge(
            AggregateRow(
                subject=self.subject,
                complete=body.complete,
                revision=revision,
                inputs=self.inputs,
                digest=digest,
                atoms=None if atoms is None else atoms.to_text(),
            )
        )
        self.work.session.flush()
        return int(new)


def complete_sums(session: Session, trust: Trust, area: Area) -> list[AggregateBody]:
    """Every complete sum as it is now, for the operator and for checks; nothing is published."""
    work, sums = _Work(session, trust, Library(trust)), []
    for subject in work.subjects.values():
        shares, table = work.shares(subject), work.table(subject)
        if shares and table is not None:
            period = parse_period(subject.label)
            sums.append(add_up(shares, table, area, period, expected=work.expected, revision=1))
    return sums


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
