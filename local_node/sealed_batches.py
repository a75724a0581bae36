"""Collections of sealed totals as they stand in the hub's log: announced, answered by both hubs, opened or void.

Everything is read through the contract's own gates with the directory of the hub whose log shows it, at its place in
that log. What fails a gate is shown with its reason and never dropped. Nothing here writes.

    for reading in read_batches(session, "leipzig.sn.de"): ...
    facts = facts_for(batches, batch, policy, rules, home, now)
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import hub_place, share_outcomes, share_store
from local_node.inbox import InboxState
from local_node.ledger_resume import ShareCharge, Tables
from local_node.orm import InboxRow
from local_node.sealed_rules import SealedRules
from local_node.sealed_standing import Reading
from local_node.trust import Trust
from shared_schema.canonical import JsonObject, parse_strict
from shared_schema.directory import Directory
from shared_schema.envelope import parse_envelope
from shared_schema.errors import ContractError, ReleaseRuleError
from shared_schema.governance import MAX_OPEN_DAYS, PolicyBody
from shared_schema.names import parse_time
from shared_schema.period import Period
from shared_schema.problem import ProblemCode
from shared_schema.sealed.agreed import AgreedBatch, AgreedRoster, read_batch, read_roster, read_void
from shared_schema.sealed.bodies import AggregateShareBody
from shared_schema.sealed.checks import Facts, cities_of, operators_of
from shared_schema.sealed.terms import ROLES, Role, VoidTerms
from shared_schema.sealed.total import check_aggregate_share, read_total
from shared_schema.statement import Kind, VerifiedStatement

Read = TypeVar("Read")
RECENT = timedelta(days=MAX_OPEN_DAYS + 30)
"""No collection is open for longer than that after it was read."""
Step = Callable[[VerifiedStatement, Directory, datetime, int], Read]


class Batches:
    """Reads the collections of one session; each hub's directory is folded once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._trusts: dict[str, Trust] = {}
        self._later: dict[str, list[InboxRow]] | None = None

    def trust_of(self, hub: str) -> Trust:
        if hub not in self._trusts:
            self._trusts[hub] = hub_place.load_trust(self._session, hub_place.get_pin(self._session, hub))
        return self._trusts[hub]

    def list_of(self, name: str, *, since: datetime | None = None) -> tuple[Reading, ...]:
        """The collections that have `name` among their members, and those that nobody can read; the newest first."""
        query = select(InboxRow).where(InboxRow.kind == Kind.BATCH.value, InboxRow.envelope.is_not(None))
        if since is not None:
            query = query.where(InboxRow.received_at >= since)
        rows = self._session.scalars(query.order_by(InboxRow.received_at.desc(), InboxRow.log_index.desc()))
        readings = (self._read(row) for row in rows if _concerns(row, name))
        return tuple(each for each in readings if each.batch is None or name in each.batch.member_names)

    def find(self, beginning: str) -> tuple[Reading, ...]:
        """The collections whose digest begins so, two at most."""
        if not beginning.isalnum():
            return ()
        wanted = (InboxRow.kind == Kind.BATCH.value, InboxRow.digest.startswith(beginning.lower()))
        rows = self._session.scalars(select(InboxRow).where(*wanted, InboxRow.envelope.is_not(None)).limit(2))
        return tuple(map(self._read, rows))

    # --- one collection ---------------------------------------------------------------------------------------------

    def _read(self, row: InboxRow) -> Reading:
        shown = Reading(row.digest, row.hub, row.log_index, row.issued_at or "", None)
        if row.state != InboxState.ACCEPTED.value:
            return replace(shown, fault=row.reason or row.state)
        batch, error = self._attempt(
            row, lambda said, directory, at, place: read_batch(said, directory, at=at, position=place)
        )
        if batch is None:
            return replace(shown, fault=_words_of(error), broken_rule=_rule_of(error))
        return self._with_later(replace(shown, batch=batch), batch)

    def _with_later(self, reading: Reading, batch: AgreedBatch) -> Reading:
        """With the roster or the void, and with both sums. The first word that holds counts, as for both hubs."""
        later = self._said_about(batch.digest)
        faults: list[str] = []
        roster = self._first(later, Kind.ROSTER, _roster_of(batch), faults)
        void = None if roster is not None else self._first(later, Kind.VOID, _void_of(batch), faults)
        bodies: dict[Role, AggregateShareBody] = {}
        for role in ROLES if roster is not None else ():
            body = self._first(later, Kind.AGGREGATE_SHARE, _sum_of(batch, roster, role), [])
            if body is not None:
                bodies[role] = body
        total = None
        if roster is not None and len(bodies) == len(ROLES):
            try:
                total = read_total(batch, roster, bodies)
            except ContractError as error:
                faults.append(error.message)
        return replace(reading, roster=roster, void=void, sums=frozenset(bodies), total=total, faults=tuple(faults))

    def _first(self, rows: Iterable[InboxRow], kind: Kind, step: Step[Read], faults: list[str]) -> Read | None:
        for row in rows:
            if row.kind == kind.value:
                read, error = self._attempt(row, step)
                if read is not None:
                    return read
                faults.append(_words_of(error))
        return None

    def _attempt(self, row: InboxRow, step: Step[Read]) -> tuple[Read | None, ContractError | None]:
        """Verify a stored statement once more and read it. A word of another hub's log is judged by that log."""
        trust, at = self.trust_of(row.hub), parse_time(row.issued_at) if row.issued_at else row.received_at
        try:
            said = hub_place.verify_row(row, trust, row.log_index)
            return step(said, trust.directory, at, row.log_index), None
        except ContractError as error:
            return None, error

    def _said_about(self, digest: str) -> list[InboxRow]:
        if self._later is None:
            self._later = {}
            kinds = [kind.value for kind in (Kind.ROSTER, Kind.VOID, Kind.AGGREGATE_SHARE)]
            accepted = (InboxRow.state == InboxState.ACCEPTED.value, InboxRow.envelope.is_not(None))
            query = select(InboxRow).where(InboxRow.kind.in_(kinds), *accepted)
            for row in self._session.scalars(query.order_by(InboxRow.received_at, InboxRow.log_index)):
                self._later.setdefault(_batch_named_in(_body_of(row)), []).append(row)
        return self._later.get(digest, [])


def _words_of(error: ContractError | None) -> str:
    return "" if error is None else error.message


def _rule_of(error: ContractError | None) -> ProblemCode | None:
    """The rule that is broken by what both hubs have signed; None where the signatures or the form do not hold."""
    return error.code if isinstance(error, ReleaseRuleError) else None


def _roster_of(batch: AgreedBatch) -> Step[AgreedRoster]:
    return lambda said, directory, at, place: read_roster(said, batch, directory, at=at, position=place)


def _void_of(batch: AgreedBatch) -> Step[VoidTerms]:
    return lambda said, directory, at, place: read_void(said, batch, directory, at=at, position=place)


def _sum_of(batch: AgreedBatch, roster: AgreedRoster | None, role: Role) -> Step[AggregateShareBody | None]:
    """The sum of one role, said by the hub that has it; None for anything else."""

    def read(said: VerifiedStatement, _directory: Directory, _at: datetime, _place: int) -> AggregateShareBody | None:
        body = said.statement.body
        if not isinstance(body, AggregateShareBody) or roster is None:
            return None
        if body.role != role or said.statement.origin != batch.terms.part_of(role).name:
            return None
        check_aggregate_share(body, batch, roster, role)
        return body

    return read


def _body_of(row: InboxRow) -> JsonObject:
    body = parse_strict(parse_envelope(row.envelope or b"").payload)["body"]
    return body if isinstance(body, dict) else {}


def _batch_named_in(body: JsonObject) -> str:
    """Of an aggregate share its `batch`, of a roster or a void that of its terms."""
    terms = body.get("terms")
    return str(terms.get("batch") if isinstance(terms, dict) else body.get("batch"))


def _concerns(row: InboxRow, name: str) -> bool:
    """Whether it is worth reading: it names this city, or it cannot be read at all."""
    return row.state != InboxState.ACCEPTED.value or name.encode() in parse_envelope(row.envelope or b"").payload


# --- what this city knows by itself ----------------------------------------------------------------------------------


def facts_for(batches: Batches, batch: AgreedBatch, policy: PolicyBody, rules: SealedRules,
              home: str, now: datetime) -> Facts:  # fmt: skip
    """What this city knows about the cities and hubs of its directory, and its own limits."""
    directory = batches.trust_of(home).directory
    table = policy.find_table(batch.plan.table.id, batch.plan.table.version)
    return Facts(
        now=now,
        table=table,
        municipalities=cities_of(directory, home),
        operators=operators_of(directory),
        most_epsilon_milli=0 if table is None else rules.most_for(table, batch, policy),
        least_cities=rules.least_cities,
    )


@dataclass(frozen=True, slots=True)
class Waiting:
    """A collection that is open and that this city has not answered."""

    batch: str
    table: str
    period: str
    closes: datetime


def list_waiting(session: Session, name: str, now: datetime) -> list[Waiting]:
    """The collections that wait for this city, the first to close first.

    For a hint alone: it counts what the inbox has accepted, and asks neither for the second hub's signature nor for
    what this city refuses itself.
    """
    kinds = [kind.value for kind in (Kind.BATCH, Kind.ROSTER, Kind.VOID)]
    rows = session.scalars(
        select(InboxRow).where(
            InboxRow.kind.in_(kinds),
            InboxRow.state == InboxState.ACCEPTED.value,
            InboxRow.received_at >= now - RECENT,
            InboxRow.envelope.is_not(None),
        )
    ).all()
    ended = {_batch_named_in(_body_of(row)) for row in rows if row.kind != Kind.BATCH.value}
    asked = share_store.own_shares(session, [row.digest for row in rows])
    found = []
    for row in rows:
        if row.kind != Kind.BATCH.value or row.digest in ended | set(asked) or not _concerns(row, name):
            continue
        plan = _body_of(row)["terms"]["plan"]
        opens, closes = parse_time(plan["opens"]), parse_time(plan["closes"])
        table, period = plan["table"]["id"], Period.from_object(plan["period"]).label
        is_counted = period in share_outcomes.list_counted(session, table)
        if name in plan["members"] and opens <= now <= closes and not is_counted:
            found.append(Waiting(row.digest, table, period, closes))
    return sorted(found, key=lambda each: (each.closes, each.batch))


def list_charges(batches: Batches, name: str, tables: Tables) -> list[ShareCharge]:
    """What this city may have paid for: its share of every collection that it is a member of, from any source."""
    return [
        ShareCharge(table, reading.batch.plan.period, source_kind, reading.batch.plan.epsilon_milli)
        for reading in batches.list_of(name)
        if reading.batch is not None
        and (table := tables.get((reading.batch.plan.table.id, reading.batch.plan.table.version))) is not None
        for source_kind in table.source_kinds
    ]
