"""Sealed totals out of the log: what two hubs have said about each batch, verified again, and the total that it makes.

Everything stands in this hub's own log: `batch` and `roster` of the leader, `aggregate-share` of both hubs, those of
others by following. Each signature is verified with the directory as it was at that place of the log, so what was
opened once stays, whatever becomes of a key later. A batch whose sum is false or does not come makes no total, and
`tend_alarms` says which hub it is.

    found = read_batches(session, trust)           every batch in this log
    found.opened                                   those with a total
    found.problems                                 why others have none, and whose word it is
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from regional_hub.alarms import raise_alarm, resolve_alarms
from regional_hub.log import subject_of
from regional_hub.members import Trust, Word, find_first_key, list_words
from regional_hub.opened_batches import OpenedBatch
from regional_hub.orm import AlarmRow, ContentRow, EntryRow
from shared_schema.directory import Directory
from shared_schema.envelope import parse_envelope, verify_envelope
from shared_schema.errors import ContractError, VerificationError
from shared_schema.names import parse_time
from shared_schema.problem import ProblemCode
from shared_schema.sealed.agreed import AgreedBatch, AgreedRoster, read_batch, read_roster
from shared_schema.sealed.bodies import AggregateShareBody
from shared_schema.sealed.terms import ROLES, Role
from shared_schema.sealed.total import check_aggregate_share, read_total
from shared_schema.statement import Kind, VerifiedStatement, read_statement

PATIENCE: Final = timedelta(days=1)
"""After the roster: both hubs have their sums ready before they sign it, and following takes minutes."""
ABOUT: Final = "total of batch "
"""What an alarm about a batch is about, before its digest. Another word than that of `sealed_verbs`, whose alarms are
ended by the steps of a batch and not by what the log says."""
COMING: Final = 10**15
"""From here on are the places of what is not in the log yet: behind everything that is."""
_KINDS: Final = (Kind.BATCH.value, Kind.ROSTER.value, Kind.AGGREGATE_SHARE.value)
_MOST_REMEMBERED: Final = 100_000


class Said(NamedTuple):
    """A statement about a batch, and where it stands. `verified` is there for one that is on its way into the log."""

    position: int
    digest: str
    kind: str
    origin: str
    time: str
    verified: VerifiedStatement | None = None


@dataclass(slots=True)
class Told:
    """All that the log says about one batch, in its order."""

    batch: Said
    rosters: list[Said] = field(default_factory=list)
    sums: list[Said] = field(default_factory=list)

    @property
    def every(self) -> tuple[Said, ...]:
        return (self.batch, *self.rosters, *self.sums)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a batch makes no total, and whose word is missing or false. What may still come has `since`."""

    batch: str
    leader: str
    hub: str
    code: ProblemCode
    message: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Batches:
    """Every batch in the log that has come to a roster. `attended` have no total yet, or none at all."""

    opened: tuple[OpenedBatch, ...] = ()
    attended: tuple[OpenedBatch, ...] = ()
    problems: tuple[Problem, ...] = ()

    def led_by(self, leader: str) -> "Batches":
        """Those of one leader, each city once for a table and period."""
        mine = [batch for batch in self.opened if batch.leader == leader]
        once, twice = each_city_once(mine)
        attended = tuple(batch for batch in self.attended if batch.leader == leader)
        problems = tuple(problem for problem in self.problems if problem.leader == leader)
        return Batches(once, attended, problems + twice)


def each_city_once(batches: Sequence[OpenedBatch]) -> tuple[tuple[OpenedBatch, ...], tuple[Problem, ...]]:
    """A batch with a city that an earlier one of the same table and period has as well would count it twice."""
    taken: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    once: list[OpenedBatch] = []
    twice: list[Problem] = []
    for batch in batches:
        known = taken[batch.series, batch.label]
        if known & batch.cities:
            message = f"expected each city once in the totals of a period; the second batch of {batch.leader} has none"
            twice.append(Problem(batch.digest, batch.leader, batch.leader, ProblemCode.RELEASE_RULE, message))
        else:
            known |= batch.cities
            once.append(batch)
    return tuple(once), tuple(twice)


def read_batches(session: Session, trust: Trust) -> Batches:
    """Every batch in this log that has come to a roster."""
    told = find_told(session)
    reader = Reader(session, trust, told.values())
    found = [reader.read(each) for each in told.values() if each.rosters]
    opened = (batch for batch, _ in found if batch is not None and batch.values is not None)
    attended = (batch for batch, _ in found if batch is not None and batch.values is None)
    return Batches(tuple(opened), tuple(attended), tuple(problem for _, problem in found if problem is not None))


def find_told(
    session: Session, digests: Collection[str] | None = None, coming: Iterable[VerifiedStatement] = ()
) -> dict[str, Told]:
    """Digest of the batch → all that this log says about it, and what is on its way into it; in the order of the log.

    All batches, or those that are named.
    """
    row = EntryRow
    query = select(row.index, row.digest, row.kind, row.origin, row.time, row.subject).where(row.kind.in_(_KINDS))
    if digests is not None:
        query = query.where(or_(row.digest.in_(digests), row.subject.in_(digests)))
    rows = session.execute(query.order_by(row.index)).all()
    said = [(Said(index, digest, kind, origin, time), subject) for index, digest, kind, origin, time, subject in rows]
    said += [(_coming(place, each), subject_of(each)) for place, each in enumerate(coming) if _is_about(each, digests)]
    found = {each.digest: Told(each) for each, _ in said if each.kind == Kind.BATCH.value}
    for each, subject in said:  # a sum may have come by another way than the batch, and before it
        told = None if each.kind == Kind.BATCH.value or subject is None else found.get(subject)
        if told is not None:
            (told.rosters if each.kind == Kind.ROSTER.value else told.sums).append(each)
    return found


def _coming(place: int, verified: VerifiedStatement) -> Said:
    statement = verified.statement
    return Said(COMING + place, verified.digest, statement.kind.value, statement.origin, statement.issued_at, verified)


def _is_about(verified: VerifiedStatement, digests: Collection[str] | None) -> bool:
    return verified.statement.kind.value in _KINDS and (digests is None or _batch_of(verified) in digests)


def _batch_of(verified: VerifiedStatement) -> str | None:
    return verified.digest if verified.statement.kind is Kind.BATCH else subject_of(verified)


# --- verifying --------------------------------------------------------------------------------------------------------

_Key = tuple[str, tuple[tuple[int, str], ...]]
_OPENED: Final[dict[_Key, OpenedBatch]] = {}
"""What was verified once: hub, and the places and digests of every statement about the batch. A log only grows, so the
directory at those places stays what it was."""


class Reader:
    """Reads batches of one log, each statement with the directory as it was at its place."""

    def __init__(self, session: Session, trust: Trust, told: Iterable[Told]) -> None:
        self._session, self._trust = session, trust
        self._told = tuple(told)
        self._directories: dict[int, Directory] | None = None
        self._words: list[Word] = []

    def read(self, told: Told) -> tuple[OpenedBatch | None, Problem | None]:
        """The batch, with its total where both sums are right; and what is wrong or missing."""
        key = self._trust.name, tuple((each.position, each.digest) for each in told.every)
        if (known := _OPENED.get(key)) is not None:
            return known, None
        opened, problem = self._read(told)
        if opened is not None and problem is None and all(each.verified is None for each in told.every):
            if len(_OPENED) > _MOST_REMEMBERED:
                _OPENED.clear()
            _OPENED[key] = opened
        return opened, problem

    def _read(self, told: Told) -> tuple[OpenedBatch | None, Problem | None]:
        leader, batch_digest = told.batch.origin, told.batch.digest

        def problem(hub: str, error: ContractError, since: datetime | None = None) -> Problem:
            return Problem(batch_digest, leader, hub, error.code, f"{error.message} ({hub})", since)

        try:
            batch = self.batch(told)
            roster = self.roster(told, batch)
        except ContractError as error:
            return None, problem(leader, error)
        attended = _attended(batch, roster)
        sums: dict[Role, AggregateShareBody] = {}
        for role in ROLES:
            hub = batch.terms.part_of(role).name
            try:
                body = self.sum_of(told, batch, roster, role)
            except ContractError as error:
                return attended, problem(hub, error)
            if body is None:
                missing = VerificationError("expected the sum of this hub", code=ProblemCode.BATCH_STATE)
                return attended, problem(hub, missing, parse_time(told.rosters[0].time))
            sums[role] = body
        try:
            total = read_total(batch, roster, sums)
        except ContractError as error:
            return attended, problem(f"{batch.terms.leader.name} or {batch.terms.helper.name}", error)
        return replace(attended, values=total.values), None

    def batch(self, told: Told) -> AgreedBatch:
        """The terms, signed by both hubs. Raises ContractError."""
        said = told.batch
        verified, directory = self.verify(said)
        return read_batch(verified, directory, at=parse_time(said.time), position=said.position)

    def roster(self, told: Told, batch: AgreedBatch) -> AgreedRoster:
        """The first roster that both have signed: there is no second one. Raises ContractError."""
        failure: ContractError = VerificationError("expected a roster", code=ProblemCode.BATCH_STATE)
        for said in told.rosters:
            try:
                verified, directory = self.verify(said)
                return read_roster(verified, batch, directory, at=parse_time(said.time), position=said.position)
            except ContractError as error:
                failure = error
        raise failure

    def sum_of(self, told: Told, batch: AgreedBatch, roster: AgreedRoster, role: Role) -> AggregateShareBody | None:
        """The sum to which a hub has committed itself; None while it has said none. Raises ContractError."""
        failure: ContractError | None = None
        for said in told.sums:
            if said.origin != batch.terms.part_of(role).name:
                continue
            try:
                body = self.verify(said)[0].statement.body
                if not isinstance(body, AggregateShareBody):
                    continue
                check_aggregate_share(body, batch, roster, role)
            except ContractError as error:
                failure = error
            else:
                return body
        if failure is not None:
            raise failure
        return None

    def verify(self, said: Said) -> tuple[VerifiedStatement, Directory]:
        """A statement whose origin has signed it with a key in force at its place, and the directory there."""
        directory = self.directory_at(said.position)
        if said.verified is not None:
            return said.verified, directory
        stored = self._session.scalar(select(ContentRow.envelope).where(ContentRow.digest == said.digest))
        if stored is None:
            raise VerificationError("expected a statement that is here", code=ProblemCode.NOT_FOUND)
        envelope = parse_envelope(stored)
        known = directory.find_key(envelope.keyid)
        if known is None:
            raise VerificationError("expected a key of the directory", code=ProblemCode.UNKNOWN_KEY)
        verified = read_statement(verify_envelope(envelope, known.key))
        if known.name != verified.statement.origin or verified.digest != said.digest:
            raise VerificationError("expected a statement of its origin", code=ProblemCode.WRONG_ORIGIN)
        directory.check_may_sign(known, parse_time(said.time), position=said.position)
        return verified, directory

    def directory_at(self, position: int) -> Directory:
        """The fold of the memberships before this place of the log; every one that will be asked for, in one walk."""
        if position >= COMING:
            return self._trust.directory
        if self._directories is None:
            self._words = list_words(self._session)
            places = {self._count(said.position) for told in self._told for said in told.every}
            self._directories = self._fold(places)
        count = self._count(position)
        if count not in self._directories:  # of a statement that is no part of what was told
            self._directories |= self._fold({count})
        return self._directories[count]

    def _count(self, position: int) -> int:
        return bisect_left(self._words, position, key=lambda word: word.index)

    def _fold(self, places: set[int]) -> dict[int, Directory]:
        name, found = self._trust.name, {}
        own_key = self._trust.directory.keys_of(name)[0].key
        directory = Directory(name, find_first_key(self._session, name, own_key))
        for count in range(len(self._words) + 1):
            if count in places:
                found[count] = directory.copy()
            if count < len(self._words):
                _learn(directory, self._words[count])
        return found


def _learn(directory: Directory, word: Word) -> None:
    try:
        directory.learn(word.body, signer=word.origin, seq=word.seq, position=word.index)
    except VerificationError:  # it has no authority over that name, here as everywhere
        return


def _attended(batch: AgreedBatch, roster: AgreedRoster) -> OpenedBatch:
    attendance, plan = roster.terms.attendance, batch.plan
    missing = {*attendance.absent, *(each.origin for each in attendance.refused)}
    return OpenedBatch(
        digest=batch.digest,
        leader=batch.terms.leader.name,
        table=plan.table,
        label=plan.period.label,
        cities=frozenset(plan.members) - missing,
        members=frozenset(plan.members),
        epsilon_milli=plan.epsilon_milli,
        values=None,
        source_kind=plan.source_kind,
    )


# --- telling ----------------------------------------------------------------------------------------------------------


def find_overdue(session: Session, trust: Trust, now: datetime) -> dict[str, Problem]:
    """What keeps a batch that this hub leads from a total, by batch; what may still come has its time."""
    problems = read_batches(session, trust).led_by(trust.name).problems
    return {each.batch: each for each in problems if each.since is None or now - each.since > PATIENCE}


def alarms_differ(session: Session, overdue: Mapping[str, Problem]) -> bool:
    """Whether there is an alarm to raise or to end."""
    return {(ABOUT + batch, each.code.value) for batch, each in overdue.items()} != set(_open_alarms(session))


def tend_alarms(session: Session, overdue: Mapping[str, Problem], now: datetime) -> None:
    """Raise an alarm about every batch without a total, with the name of the hub; end those that are settled."""
    for about, code in _open_alarms(session):
        problem = overdue.get(about.removeprefix(ABOUT))
        if problem is None or problem.code.value != code:
            resolve_alarms(session, about, now)
    for batch, problem in overdue.items():
        raise_alarm(session, ABOUT + batch, problem.code, f"a sealed total is not there: {problem.message}", now)


def _open_alarms(session: Session) -> Iterator[tuple[str, str]]:
    rows = session.execute(
        select(AlarmRow.about, AlarmRow.code).where(AlarmRow.resolved_at.is_(None), AlarmRow.about.startswith(ABOUT))
    )
    yield from ((row.about, row.code) for row in rows)
