"""What the cities have spent: one row for each accepted release, in the transaction that accepts it.

The hub applies the rule that the city's own ledger applies (`shared_schema.spending`), from what was signed alone. A
charge stays when its release is withdrawn: what is out is out. Two releases that claim one place in a city's ledger
show that the ledger was rewritten, or restored from an old copy.

    charges = Charges.load(connection, statements)
    charge = charges.check(statement.origin, body, policy)       raises ReleaseRuleError, LedgerConflictError
    charges.add(statement.origin, body, charge, digest)
    store(connection, [(entry, body, charge)])
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, func, insert, or_, select
from sqlalchemy.orm import Session

from regional_hub import log
from regional_hub.orm import ChargeRow, ContentRow, EntryRow, table_of
from shared_schema.canonical import parse_strict
from shared_schema.envelope import envelope_from_object
from shared_schema.errors import ContractError, ReleaseRuleError
from shared_schema.governance import PolicyBody
from shared_schema.period import parse_period
from shared_schema.sealed.bodies import ShareBody
from shared_schema.spending import FIRST_PREV, WINDOW_MONTHS, Charge, Charged, check_charge, entry_hash, months_of
from shared_schema.statement import Kind, Statement
from shared_schema.trend import TableDefinition, TableReference, TrendBody

UNKNOWN_HEAD = "0" * 64
"""With ledger_seq 0: a release that was withdrawn before the hub kept charges."""
FILLED_AT_ONCE = 500

_CHARGES = table_of(ChargeRow)
COMPARED = tuple(column.name for column in _CHARGES.columns)
"""All columns: each of them follows from what was signed."""
_SELECT_LAST = (
    select(ChargeRow.ledger_seq, ChargeRow.ledger_head)
    .where(ChargeRow.origin == bindparam("origin"), ChargeRow.ledger_seq > 0)
    .order_by(ChargeRow.ledger_seq.desc(), ChargeRow.entry_index.desc())
    .limit(1)
)
_SELECT_CHAINED = (
    select(ChargeRow.origin, func.min(ChargeRow.ledger_seq))
    .where(ChargeRow.origin.in_(bindparam("origins", expanding=True)), ChargeRow.ledger_prev.is_not(None))
    .group_by(ChargeRow.origin)
)


class LedgerConflictError(Exception):
    """A release contradicts what its origin has released before; `known` names that (a digest or an entry's index)."""

    def __init__(self, message: str, known: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.known = known


@dataclass(frozen=True, slots=True)
class _Place:
    """What stands in one place of a city's ledger, and in which statement (its digest, or its index in the log)."""

    head: str
    prev: str | None
    said_by: str | int


class Charges:
    """What the origins of a group of submissions have spent; grows as the group is gone through."""

    def __init__(self) -> None:
        self._charges: defaultdict[str, list[Charge]] = defaultdict(list)
        self._places: dict[tuple[str, int], _Place] = {}
        self._chained_from: dict[str, int] = {}
        """Origin → its first ledger entry that names the one before it."""

    @classmethod
    def load(cls, connection: Connection, releases: Sequence[Statement]) -> "Charges":
        """Read what concerns these releases: charges near their months, and the places around theirs; one query."""
        charges = cls()
        near = _near(releases)
        rows = () if near is None else connection.execute(select(*_CHARGES.columns).where(near)).all()
        for index, origin, *charge, prev, seq, head in rows:  # by place: there are a few dozen rows for every release
            charges._charges[origin].append(Charge(*charge))
            if seq:
                charges._places[origin, seq] = _Place(head, prev, index)
        origins = {item.origin for item in releases}
        charges._chained_from = dict(connection.execute(_SELECT_CHAINED, {"origins": list(origins)}).all())
        return charges

    def check(self, origin: str, body: Charged, policy: PolicyBody) -> Charge:
        """The charge of a release or a sealed share that may be made.

        Raises LedgerConflictError, or ReleaseRuleError (`privacy-budget`, `unknown-table`).
        """
        self._check_place(origin, body)
        charge = Charge.of(body, policy)
        check_charge(charge, self._charges[origin], policy)
        return charge

    def has_paid(self, origin: str, body: ShareBody) -> bool:
        """Whether the same entry of the city's ledger has paid for an earlier share, which is in no sum."""
        known = self._places.get((origin, body.ledger.seq))
        return known is not None and (known.head, known.prev) == (body.ledger.head, body.ledger.prev)

    def _check_place(self, origin: str, body: Charged) -> None:
        """One entry in one place of a ledger, and each follows the one before it: also those that were there sooner."""
        seq, head, prev = body.ledger.seq, body.ledger.head, body.ledger.prev
        if prev is None and seq >= self._chained_from.get(origin, seq + 1):
            raise ReleaseRuleError("expected prev, which this city's ledger has said before")
        known = self._places.get((origin, seq))
        if known is not None and known.head != head:
            raise LedgerConflictError(f"expected one entry in place {seq} of the city's ledger", known.said_by)
        before, after = self._places.get((origin, seq - 1)), self._places.get((origin, seq + 1))
        if before is not None and prev is not None and before.head != prev:
            raise LedgerConflictError(
                f"expected entry {seq} of the city's ledger to follow entry {seq - 1}", before.said_by
            )
        if after is not None and after.prev is not None and after.prev != head:
            raise LedgerConflictError(
                f"expected entry {seq} of the city's ledger to be the one that entry {seq + 1} follows", after.said_by
            )

    def add(self, origin: str, body: Charged, charge: Charge, digest: str) -> None:
        """Count a release of the same group for those behind it."""
        self._charges[origin].append(charge)
        ledger = body.ledger
        self._places[origin, ledger.seq] = _Place(ledger.head, ledger.prev, digest)
        if ledger.prev is not None:
            self._chained_from[origin] = min(ledger.seq, self._chained_from.get(origin, ledger.seq))


def _near(releases: Sequence[Statement]) -> ColumnElement[bool] | None:
    """The charges of these origins within twelve months of any of the releases, or around their ledger places."""
    bodies = [item.body for item in releases if isinstance(item.body, TrendBody | ShareBody)]
    if not bodies:
        return None
    months = [month for body in bodies for month in months_of(body.period)]
    places = {seq for body in bodies for seq in range(body.ledger.seq - 1, body.ledger.seq + 2)}
    return and_(
        ChargeRow.origin.in_({item.origin for item in releases}),
        or_(
            and_(
                ChargeRow.first_month < max(months) + WINDOW_MONTHS, ChargeRow.last_month > min(months) - WINDOW_MONTHS
            ),
            ChargeRow.ledger_seq.in_(places),
        ),
    )


def check_head(body: Charged) -> None:
    """Raise ReleaseRuleError unless the ledger's hash is that of what the release says.

    Older nodes cannot show it of a release; of a share, which one entry may pay for twice, everybody can.
    """
    if body.ledger.prev is None and isinstance(body, ShareBody):
        raise ReleaseRuleError("expected prev, the entry before the one that pays for a share")
    if body.ledger.prev is not None and (body.ledger.prev == FIRST_PREV) != (body.ledger.seq == 1):
        raise ReleaseRuleError("expected 64 zeros before the first entry of a ledger, and before no other")
    if body.ledger.prev is not None and entry_hash(body) != body.ledger.head:
        raise ReleaseRuleError("expected the ledger's head to be the hash of what the release says")


def store(connection: Connection, accepted: Iterable[tuple[log.Entry, Charged, Charge]]) -> None:
    """Write the charges of accepted releases."""
    rows = [to_row(entry.index, entry.origin, body, charge) for entry, body, charge in accepted]
    if rows:
        connection.execute(insert(_CHARGES), rows)


def find_last(session: Session, origin: str) -> tuple[int, str] | None:
    """Number and hash of the highest ledger entry among an origin's accepted releases."""
    row = session.connection().execute(_SELECT_LAST, {"origin": origin}).one_or_none()
    return None if row is None else (row.ledger_seq, row.ledger_head)


# --- rows ----------------------------------------------------------------------------------------------------------


def to_charge(row: Any) -> Charge:
    return Charge(row.measure, row.table_id, row.first_month, row.last_month, row.epsilon_milli, row.correction)


def to_row(index: int, origin: str, body: Charged, charge: Charge) -> dict[str, Any]:
    """The columns of a charge, by name."""
    return _columns(index, origin, charge) | {
        "ledger_prev": body.ledger.prev,
        "ledger_seq": body.ledger.seq,
        "ledger_head": body.ledger.head,
    }


def _columns(index: int, origin: str, charge: Charge) -> dict[str, Any]:
    return {
        "entry_index": index,
        "origin": origin,
        "measure": charge.measure,
        "table_id": charge.table_id,
        "first_month": charge.first_month,
        "last_month": charge.last_month,
        "epsilon_milli": charge.epsilon_milli,
        "correction": charge.correction,
    }


# --- tables of former policies -------------------------------------------------------------------------------------


class KnownTables:
    """Every table of every policy that a hub has had: a release keeps its measure when the policy changes."""

    def __init__(self) -> None:
        self._by_reference: dict[tuple[str, int, str], TableDefinition] = {}

    @classmethod
    def load(cls, session: Session, name: str) -> "KnownTables":
        known = cls()
        stored = session.scalars(
            select(ContentRow.envelope)
            .join(EntryRow, EntryRow.digest == ContentRow.digest)
            .where(EntryRow.kind == Kind.POLICY.value, EntryRow.origin == name)
        )
        for envelope in stored:
            known.learn(PolicyBody.from_object(body_of(envelope)))
        return known

    def learn(self, policy: PolicyBody) -> None:
        for table in policy.tables:
            self._by_reference[table.id, table.version, table.fingerprint] = table

    def charge_of(self, body: TrendBody) -> Charge | None:
        """The charge of a release; None when no policy ever had its table."""
        table = self._find(body.table)
        if table is None:
            return None
        first, last = months_of(body.period)
        epsilon = 0 if body.privacy is None else body.privacy.epsilon_milli
        return Charge(table.measure, table.id, first, last, epsilon, body.correction or 0)

    def _find(self, reference: TableReference) -> TableDefinition | None:
        return self._by_reference.get((reference.id, reference.version, reference.fingerprint))

    def most_for(self, subject: str) -> Charge | None:
        """What a release whose content was erased can have cost at most; its subject says of what it was."""
        name, _, rest = subject.partition("/")
        label, _, correction = rest.partition("/c")
        tables = [table for table in self._by_reference.values() if f"{table.id}@{table.version}" == name]
        if not tables:
            return None
        table = max(tables, key=lambda each: each.epsilon_milli)
        first, last = months_of(parse_period(label))
        return Charge(table.measure, table.id, first, last, table.epsilon_milli, int(correction or 0))


def body_of(stored: bytes) -> Any:
    # What is stored was verified when it came in; `verify` checks it again.
    return parse_strict(envelope_from_object(parse_strict(stored)).payload)["body"]


# --- logs from before version 0.2 ----------------------------------------------------------------------------------


def fill_missing(session: Session, name: str) -> int:
    """Write the charges of releases that were accepted before there were charges, and return how many.

    Runs at every start, under the lock of the log's head: of several processes one fills, the others find it done.
    What was withdrawn before counts with the most that it can have cost.
    """
    missing = _select_missing(session)
    if not missing:
        return 0
    log.lock_head(session)
    tables, filled = KnownTables.load(session, name), 0
    while missing := _select_missing(session):
        rows = [row for entry, stored in missing if (row := _row_of(entry, stored, tables)) is not None]
        if rows:
            session.connection().execute(insert(_CHARGES), rows)
        filled += len(rows)
        if len(rows) < len(missing):
            break  # of a table that no policy names, or unreadable: `verify` says so
    return filled


def _select_missing(session: Session) -> Sequence[Any]:
    return session.execute(
        select(EntryRow, ContentRow.envelope)
        .outerjoin(ContentRow, ContentRow.digest == EntryRow.digest)
        .where(
            EntryRow.kind == Kind.TREND.value,
            EntryRow.via.is_(None),
            ~exists().where(ChargeRow.entry_index == EntryRow.index),
        )
        .order_by(EntryRow.index)
        .limit(FILLED_AT_ONCE)
    ).all()


def _row_of(entry: EntryRow, stored: bytes | None, tables: KnownTables) -> dict[str, Any] | None:
    try:
        if stored is None:
            charge = tables.most_for(entry.subject or "")
            unknown = {"ledger_prev": None, "ledger_seq": 0, "ledger_head": UNKNOWN_HEAD}
            return None if charge is None else _columns(entry.index, entry.origin, charge) | unknown
        body = TrendBody.from_object(body_of(stored))
        charge = tables.charge_of(body)
        return None if charge is None else to_row(entry.index, entry.origin, body, charge)
    except (ContractError, KeyError):
        return None
