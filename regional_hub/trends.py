"""From released figures to published sums: collects contributions, adds up, publishes what has changed.

A hub adds up its direct members only, so nothing is counted twice: a city's release counts at its home hub, and the
hub above counts that hub's complete sum. A sealed total counts at the hub that has opened it. A late city makes a new
revision; the earlier one stays in the log. What is shown of a sum can wait (`showing`); the complete sum for the hub
above never does.

    library = Library(trust)
    find_changed(session, trust, library)          in a transaction that reads: most often there is nothing to do
    publish_aggregates(session, trust, hub, now, library)
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub import log
from regional_hub.aggregate import add_up, inputs_of, nothing_left
from regional_hub.alarms import raise_alarm, resolve_alarms
from regional_hub.atoms import Atoms
from regional_hub.dominance import Rule
from regional_hub.holdings import Library, Subject, direct_members, find_subjects, find_table, read_body, shares_in
from regional_hub.members import Trust
from regional_hub.orm import RECOVERED, AggregateRow, ContentRow, EntryRow
from regional_hub.publication import publish
from regional_hub.rollup import Share, labels_of_year, longer_than, parts_of
from regional_hub.sealed_showing import has_sealed, show_all, with_all_shown, without_sealed
from regional_hub.showing import Relation, Showing, Surroundings, show
from shared_schema.errors import ContractError
from shared_schema.governance import Level
from shared_schema.keys import Member, MemberRole, SigningKey
from shared_schema.period import Area, parse_period
from shared_schema.problem import ProblemCode
from shared_schema.service.logging import get_logger
from shared_schema.statement import Audience, Kind
from shared_schema.trend import AggregateBody, TableDefinition

_CANNOT_BE_MADE: Final = (ContractError, ValueError, ArithmeticError)
"""What figures can do to the arithmetic, and to a statement that has no place for them; not what a database does."""
NOTHING_PUBLISHED: Final = ""
"""In place of the digest, with revision 0: what is there has made no sum yet."""
MAX_LEVELS = 4
"""A city, its region, its nation, Europe."""


@dataclass(frozen=True, slots=True)
class Publishing:
    """Who publishes: the hub's name, key, level and area."""

    name: str
    key: SigningKey
    level: Level
    area: Area


# --- publishing ----------------------------------------------------------------------------------------------------


def find_changed(session: Session, trust: Trust, library: Library) -> int:
    """How many sums must be looked at again. Reads their contents, so that the publishing itself need not."""
    work = _Work(session, trust, library)
    changed = list(work.changed())
    for subject, _ in changed:
        library.load(session, subject.digests)
    return len(changed)


def list_changed(session: Session, trust: Trust) -> list[str]:
    """The names of the sums whose inputs or rules have changed since they were published. Reads no contents."""
    return [subject.name for subject, _ in _Work(session, trust, Library(trust)).changed()]


def publish_aggregates(
    session: Session, trust: Trust, hub: Publishing, now: datetime, library: Library | None = None
) -> int:
    """Publish a new revision of every sum whose inputs have changed; return the number of statements."""
    log.get_head(session, for_append=True)  # two processes of one hub must not publish the same revision
    work = _Work(session, trust, library or Library(trust))
    return sum(_try_subject(work, subject, inputs, hub, now) for subject, inputs in list(work.changed()))


def kept_families(session: Session) -> frozenset[str] | None:
    """`table@version/year` of which shown sums were lost with an old copy and came back; None: it may be any.

    What can be taken apart from a sum that was shown is known only to whoever has made it. So no other one is shown
    that could be subtracted from it: the shown sums of that table and year stay as they are.
    """
    lost = select(EntryRow.index).where(EntryRow.origin == "", EntryRow.kind == Kind.AGGREGATE.value).limit(1)
    if session.scalar(lost) is not None:
        return None
    rows = session.scalars(
        select(AggregateRow.subject).where(AggregateRow.inputs == RECOVERED, AggregateRow.complete.is_(False))
    )
    return frozenset(_family_of(subject) for subject in rows)


def _family_of(subject: str) -> str:
    table, label = subject.split("/")[:2]
    return f"{table}/{label[:4]}"


class _Work:
    """One run over all sums, in one transaction."""

    def __init__(self, session: Session, trust: Trust, library: Library) -> None:
        self.session, self.trust, self.library = session, trust, library
        self.rule = Rule(trust.policy.least_contributors, trust.policy.p_rule_percent)
        self.policy_fingerprint = trust.policy.fingerprint
        self.expected = expected_cities(trust)
        self.cities_below = cities_below(trust)
        self.has_parent = any(member.role is MemberRole.PARENT for member in direct_members(trust))
        self.subjects = {subject.name: subject for subject in find_subjects(session, trust)}
        self._read_atoms: dict[tuple[str, str], tuple[str | None, Atoms]] = {}
        self.kept = kept_families(session)

    def is_kept(self, subject: str) -> bool:
        """Whether the shown sums of this table and year stay as they are: see `kept_families`."""
        return self.kept is None or _family_of(subject) in self.kept

    def changed(self) -> Iterator[tuple[Subject, str]]:
        """Every sum that was made of something else, or by other rules, than what its row says; most never change."""
        known = self.session.execute(select(AggregateRow.subject, AggregateRow.complete, AggregateRow.inputs))
        rows = {(row.subject, row.complete): row.inputs for row in known}
        emptied = [Subject(name, ()) for name, _ in rows if name not in self.subjects]
        for subject in (*dict.fromkeys(emptied), *self.subjects.values()):
            inputs = inputs_of(subject.inputs, self.expected_of(subject), *self.rule, *self.rule)
            wanted = [False] * (not self.is_kept(subject.name)) + [True] * self.has_parent
            done = {inputs, self._without_a_sum(inputs)}
            if any(rows.get((subject.name, complete)) not in done for complete in wanted):
                yield subject, inputs

    def _without_a_sum(self, inputs: str) -> str:
        """Names inputs that make no sum under this policy; under another one they may."""
        return hashlib.sha256(f"{inputs} {self.policy_fingerprint}".encode()).hexdigest()

    def expected_of(self, subject: Subject) -> int:
        """How many cities could have contributed: to batches alone, those that were in them."""
        if subject.digests or not subject.batches:
            return self.expected
        return len(frozenset[str]().union(*(batch.members for batch in subject.batches)))

    def shares(self, subject: Subject) -> list[Share]:
        return shares_in(self.session, self.library, subject, self.trust)

    def counted(self, shares: Sequence[Share]) -> list[Share]:
        """As the rules for showing count them: a hub below has no more cities than the directory names under it."""
        return [share.at_most(self.cities_below.get(share.member, 0)) if share.is_hub else share for share in shares]

    def table(self, subject: Subject) -> TableDefinition | None:
        name, version = subject.table.split("@")
        return self.trust.policy.find_table(name, int(version))

    def row(self, name: str, *, complete: bool) -> AggregateRow | None:
        return self.session.get(AggregateRow, (name, complete))

    def leave_as_it_is(self, subject: Subject, inputs: str) -> int:
        """Remember that these inputs make no sum, so that they are not looked at again; 0 statements are published."""
        for complete in [False] * (not self.is_kept(subject.name)) + [True] * self.has_parent:
            row = self.row(subject.name, complete=complete)
            if row is None:
                row = AggregateRow(subject=subject.name, complete=complete, revision=0, digest=NOTHING_PUBLISHED)
                self.session.add(row)
            row.inputs = self._without_a_sum(inputs)
        self.session.flush()
        return 0

    def newest(self, row: AggregateRow | None) -> AggregateBody | None:
        """What this hub has published last."""
        if row is None:
            return None
        stored = self.session.scalar(select(ContentRow.envelope).where(ContentRow.digest == row.digest))
        body = None if stored is None else read_body(Kind.AGGREGATE.value, stored)
        return body if isinstance(body, AggregateBody) else None

    def surroundings(self, subject: Subject) -> Surroundings:
        """The rule, and the shown sums of longer and shorter periods that this one could be subtracted from."""
        relations = []
        for longer, shorter in _families(subject.label):
            labels = (longer, *shorter)
            atoms = {label: None if label == subject.label else self._atoms(subject.table, label) for label in labels}
            relations.append(Relation(atoms[longer], tuple(atoms[label] for label in shorter)))
        labels = tuple(label for label in labels_of_year(subject.label[:4]) if label != subject.label)
        family = {label: found for label in labels if (found := self._atoms(subject.table, label)).cells}
        names = [f"{subject.table}/{label}" for label in family]
        return Surroundings(self.rule, tuple(relations), cache(lambda: self._more(names)), tuple(family.values()))

    def _atoms(self, table: str, label: str) -> Atoms:
        row = self.row(f"{table}/{label}", complete=False)
        text = None if row is None else row.atoms
        known = self._read_atoms.get((table, label))
        if known is None or known[0] != text:
            known = self._read_atoms[table, label] = (text, Atoms.from_text(text))
        return known[1]

    def _more(self, names: Sequence[str]) -> list[Share]:
        found = [share for name in names if name in self.subjects for share in self.shares(self.subjects[name])]
        return without_sealed(self.counted(found))


def _families(label: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(longer, the shorter ones in it) for every way in which this period and others make up a longer one."""
    for longer in (label, *longer_than(label)):
        ways = [parts_of(longer)]
        ways += [tuple(month for quarter in parts_of(longer) for month in parts_of(quarter))]
        for shorter in ways:
            if shorter and (label == longer or label in shorter):
                yield longer, shorter


def _try_subject(work: _Work, subject: Subject, inputs: str, hub: Publishing, now: datetime) -> int:
    """One sum that cannot be made stays as it is, with an alarm; it never stops the others. It is tried every time."""
    try:
        with work.session.begin_nested():
            published = _publish_subject(work, subject, inputs, hub, now)
    except _CANNOT_BE_MADE as error:
        get_logger().error("sum-failed", subject=subject.name, error_type=type(error).__name__)
        message = "expected figures that can be added up; this sum stays as it is, the others go on"
        raise_alarm(work.session, subject.name, ProblemCode.INTERNAL, message, now)
        return 0
    resolve_alarms(work.session, subject.name, now)
    return published


def _publish_subject(work: _Work, subject: Subject, inputs: str, hub: Publishing, now: datetime) -> int:
    shares, table = work.shares(subject), work.table(subject)
    shown_row, complete_row = (work.row(subject.name, complete=complete) for complete in (False, True))
    if subject.inputs:
        if not shares or table is None:  # in a wording of the table that is not in force any more
            return work.leave_as_it_is(subject, inputs)
        complete = _add_up(work, subject, shares, table, hub)
    else:
        last = work.newest(shown_row or complete_row)
        if last is None or find_table(last.table, work.trust) is None:
            return work.leave_as_it_is(subject, inputs)
        complete = nothing_left(last, expected=work.expected)
    publisher = _Publisher(work, subject.name, inputs, hub, now)
    published, atoms = 0, Atoms.from_text(shown_row.atoms if shown_row is not None else None)
    if not work.is_kept(subject.name) and (shown_row is None or shown_row.inputs != inputs):
        before = work.newest(shown_row)
        showing = _show(work, subject, complete, shares, atoms, before, hub)
        atoms = showing.atoms
        published += publisher.store(showing.body, shown_row, atoms, before if showing.waits else None)
    if work.has_parent and (complete_row is None or complete_row.inputs != inputs):
        published += publisher.store(with_all_shown(complete, atoms), complete_row, None, None)
    return published


def _add_up(
    work: _Work, subject: Subject, shares: Sequence[Share], table: TableDefinition, hub: Publishing
) -> AggregateBody:
    period, expected = parse_period(subject.label), work.expected_of(subject)
    return add_up(shares, table, hub.area, period, expected=expected, revision=1)


def _show(
    work: _Work, subject: Subject, complete: AggregateBody, shares: Sequence[Share], atoms: Atoms,
    before: AggregateBody | None, hub: Publishing,
) -> Showing:  # fmt: skip
    """What everybody may see of the complete sum; sealed totals are looked at apart."""
    counted, around = work.counted(shares), work.surroundings(subject)
    if not has_sealed(complete) and not has_sealed(before):
        return show(complete, counted, atoms, before, around)
    rest, table = without_sealed(counted), work.table(subject)
    if rest and table is not None:
        plain = _add_up(work, subject, rest, table, hub)
    else:
        plain = nothing_left(complete, expected=work.expected)
    return show_all(complete, counted, plain, atoms, before, around)


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
            period, expected = parse_period(subject.label), work.expected_of(subject)
            with suppress(*_CANNOT_BE_MADE):  # `publish_aggregates` raises the alarm
                sums.append(add_up(shares, table, area, period, expected=expected, revision=1))
    return sums


def expected_cities(trust: Trust) -> int:
    """The number of active cities under this hub: its own, and those of the hubs below it."""
    return sum(
        1
        for member in trust.directory.members()
        if member.role is MemberRole.NODE and member.status == "active" and _is_under(member, trust)
    )


def cities_below(trust: Trust) -> Counter[str]:
    """Direct hub → the cities that hubs of its branch have vouched for, whatever has become of them since."""
    nodes = (member for member in trust.directory.members() if member.role is MemberRole.NODE)
    return Counter(name for member in nodes if (name := _branch_of(member, trust)) is not None)


def _is_under(member: Member, trust: Trust) -> bool:
    return _branch_of(member, trust) is not None


def _branch_of(member: Member, trust: Trust) -> str | None:
    """The direct member that it is, or that it has been vouched for through; None when it is not under this hub."""
    below: Member | None = member
    for _ in range(MAX_LEVELS):
        if below is None or below.role is MemberRole.PARENT:
            return None
        if below.name in trust.direct:
            return below.name
        below = trust.directory.find(below.vouched_by)
    return None
