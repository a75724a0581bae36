"""`regional-hub verify`: hash everything again. One flipped bit anywhere in entries or contents is found.

Every row is compared with something it cannot change on its own: entries with the tree, the tree with tiles, head and
signed checkpoints; contents with the digest in their entry; the columns of an entry with the signed content, its
checksum and the checkpoint of its receipt; withdrawn entries with their withdrawal; charges with what was released. The
keys come from the memberships in the log itself, in their order, and the tables from its policies.
"""

import contextlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from regional_hub import audit, log, members
from regional_hub.charges import COMPARED, KnownTables, to_charge, to_row
from regional_hub.errors import LogError
from regional_hub.orm import ChargeRow, CheckpointRow, ContentRow, EntryRow, SealedShareRow, SourceRow, TileRow
from shared_schema.canonical import parse_strict
from shared_schema.checkpoint import NoteVerifier, keep_signatures, verify_checkpoint
from shared_schema.directory import Directory, KnownKey
from shared_schema.entry import digest_of
from shared_schema.envelope import parse_envelope, verify_envelope
from shared_schema.errors import ContractError, VerificationError
from shared_schema.governance import MembershipBody, PolicyBody, WithdrawalBody
from shared_schema.keys import Member, MemberRole, PublicKey
from shared_schema.merkle import TILE_HEIGHT, TILE_WIDTH, Frontier, completed_nodes
from shared_schema.problem import ProblemCode
from shared_schema.service.database import is_busy
from shared_schema.statement import Kind, Statement, VerifiedStatement, read_statement
from shared_schema.trend import TrendBody

BATCH = 500
"""Entries read at once, with contents of a few kilobytes each."""
MAX_FINDINGS = 100


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """How much was read, and what does not hold (nothing, when all is well)."""

    entries: int
    contents: int
    checkpoints: int
    tiles: int
    findings: tuple[str, ...]


def verify_everything(
    session: Session, verifier: NoteVerifier, is_over: Callable[[], bool] = lambda: False
) -> VerifyReport:
    """Read the whole log and compare it with itself; the report names places, never contents.

    `is_over` is asked again and again: a program that ends cannot wait for minutes. Then LogError (code `busy`).
    """
    check = _Verification(session, verifier, is_over)
    try:
        check.run()
    except DBAPIError as error:
        if error.connection_invalidated or (isinstance(error, OperationalError) and is_busy(error)):
            raise
        check.findings.append("database: expected rows that can be read")  # a text that is no text any more
    return check.report()


class _Verification:
    """One walk through the log from its first entry to its last."""

    def __init__(self, session: Session, verifier: NoteVerifier, is_over: Callable[[], bool]) -> None:
        self.findings: list[str] = []
        self._is_over = is_over
        self._session = session
        self._verifier = verifier
        self._notes: dict[int, str] = {}
        self._frontier, self._tree = Frontier(), _Tree()
        self._time = ""
        self._contents = 0
        self._tiles = 0

    def run(self) -> None:
        session = self._session
        self._notes = dict(session.execute(select(CheckpointRow.size, CheckpointRow.note)).all())
        contents = _ContentCheck(session, self._verifier, sorted(self._notes))
        self._check_note(0, contents)
        for row, stored, charge in _entries(session):
            if self._is_over():
                raise LogError("expected time to verify the whole log", code=ProblemCode.BUSY)
            if row.index != self._frontier.size or len(self.findings) > MAX_FINDINGS or not self._add(row):
                self.findings.append(f"entry {self._frontier.size}: expected it here, with every entry after it")
                break
            findings = contents.check(row, stored, charge)
            self._check_note(self._frontier.size, contents, missing_is_fine=True)
            self.findings += findings
        self._contents = contents.count
        if contents.verifier != self._verifier:
            self.findings.append("key: expected the one to which this log's announcements lead")
        self._check_head(contents)
        self._check_tiles()
        self.findings += contents.orphans()
        try:
            audit.verify(session)
        except ContractError as error:
            self.findings.append(f"audit log: {error.message}")

    def report(self) -> VerifyReport:
        findings = tuple(self.findings[:MAX_FINDINGS])
        return VerifyReport(self._frontier.size, self._contents, len(self._notes), self._tiles, findings)

    def _add(self, row: EntryRow) -> bool:
        try:
            leaf = log.to_log_entry(row).leaf
        except (ValueError, ContractError):
            return False
        self._tree.add(self._frontier.size, leaf)
        self._frontier = self._frontier.append(leaf)
        self._time = row.time
        return True

    def _check_note(self, size: int, contents: "_ContentCheck", *, missing_is_fine: bool = False) -> None:
        if size not in self._notes:
            if not missing_is_fine:
                self.findings.append(f"checkpoint {size}: missing")
            return
        try:
            # From its announcement on the next key signs too, so each one is signed by the newest of its time.
            checkpoint = verify_checkpoint(self._notes[size], contents.verifier)
            kept = keep_signatures(self._notes[size], contents.verifiers)
        except ContractError as error:
            self.findings.append(f"checkpoint {size}: {error.message}")
            return
        if kept != self._notes[size]:  # readers pass over a signature that they cannot check; its hub has made each one
            self.findings.append(f"checkpoint {size}: expected signatures of this hub's keys alone")
        if (checkpoint.size, checkpoint.root) != (size, self._frontier.root()):
            self.findings.append(f"checkpoint {size}: expected the root of the first {size} entries")

    def _check_head(self, contents: "_ContentCheck") -> None:
        size = self._frontier.size
        try:
            head = log.get_head(self._session)
            if (head.frontier, head.time) != (self._frontier, self._time):
                self.findings.append(f"head: expected the frontier of {size} entries and the time of the last one")
            if not contents.may_sign(head.signers):
                self.findings.append("head: expected the keys that the log announces as those that sign it")
        except ContractError as error:
            self.findings.append(f"head: {error.message}")
        if size not in self._notes or max(self._notes) != size:
            self.findings.append(f"checkpoint {size}: expected it to be the last one")

    def _check_tiles(self) -> None:
        for row in self._session.scalars(select(TileRow)):
            self._tiles += 1
            if row.hashes != self._tree.tile(row.level, row.number):
                self.findings.append(f"tile {row.level}/{row.number}: expected the hashes of the entries")
        if self._tiles != self._tree.count():
            self.findings.append(f"tiles: expected {self._tree.count()}, got {self._tiles}")


def _entries(session: Session) -> Iterator[tuple[EntryRow, bytes | None, ChargeRow | None]]:
    """Every entry in order, with its content and its charge if there is one."""
    first = 0
    while True:
        rows = session.execute(
            select(EntryRow, ContentRow.envelope, ChargeRow)
            .outerjoin(ContentRow, ContentRow.digest == EntryRow.digest)
            .outerjoin(ChargeRow, ChargeRow.entry_index == EntryRow.index)
            .where(EntryRow.index >= first)
            .order_by(EntryRow.index)
            .limit(BATCH)
        ).all()
        if not rows:
            return
        yield from ((entry, envelope, charge) for entry, envelope, charge in rows)
        first = rows[-1][0].index + 1
        session.expunge_all()


class _Signers:
    """Who may sign: the directory as the log tells it, up to the entry that is looked at.

    A former key has signed what stands before its end all the same; and what was set aside at first stands behind it.
    """

    def __init__(self, name: str, first_key: PublicKey) -> None:
        self._directory = Directory(name, first_key)

    @property
    def own_keys(self) -> tuple[KnownKey, ...]:
        """Every key of this hub, oldest first."""
        return self._directory.keys_of(self._directory.root)

    def find(self, keyid: str) -> tuple[Member, PublicKey] | None:
        known = self._directory.find_key(keyid)
        member = None if known is None else self._directory.find(known.name)
        return None if known is None or member is None else (member, known.key)

    def learn(self, statement: Statement, position: int) -> None:
        body = statement.body
        if isinstance(body, MembershipBody):
            with contextlib.suppress(VerificationError):  # it has no authority over that name, here as everywhere
                self._directory.learn(body, signer=statement.origin, seq=statement.seq, position=position)


class _ContentCheck:
    """Contents against the entries that name them, and the columns of entries against both."""

    def __init__(self, session: Session, verifier: NoteVerifier, sizes: Sequence[int]) -> None:
        self._session = session
        self._name = verifier.name
        first_key = verifier.key
        with contextlib.suppress(ContractError):  # a membership that cannot be read is found at its place
            first_key = members.find_first_key(session, verifier.name, verifier.key)
        self._signers = _Signers(verifier.name, first_key)
        self._sources = {verifier.name, *session.scalars(select(SourceRow.name))}
        self._sizes = sizes
        self._tables = KnownTables()
        self.count = 0

    def may_sign(self, signers: str | None) -> bool:
        """Whether the head names the keys of this hub: the newest one alone, or with the one before it."""
        *former, newest = (known.key.keyid for known in self._signers.own_keys)
        if signers is None:
            return not former
        allowed = {newest, f"{newest} {former[-1]}", f"{former[-1]} {newest}"} if former else {newest}
        return signers in allowed

    @property
    def verifier(self) -> NoteVerifier:
        """The newest key of this hub, as far as the log has been read."""
        return self.verifiers[-1]

    @property
    def verifiers(self) -> list[NoteVerifier]:
        """Every key of this hub, as far as the log has been read, oldest first."""
        return [NoteVerifier(self._name, known.key) for known in self._signers.own_keys]

    def check(self, row: EntryRow, stored: bytes | None, charge: ChargeRow | None) -> list[str]:
        place = f"entry {row.index}"
        findings = self._check_row(row)
        if row.kind == Kind.SHARE.value and row.via is None:
            return findings + self._check_share(row, stored, charge)
        if row.withdrawn_by is not None:
            return findings + self._check_withdrawn(row, stored) + self._check_erased_charge(row, charge)
        if stored is None:
            return [*findings, f"{place}: content missing"]
        self.count += 1
        if digest_of(stored) != row.digest:
            return [*findings, f"{place}: content does not have the digest that the entry names"]
        return findings + self._check_columns(row, stored, charge)

    def _check_share(self, row: EntryRow, stored: bytes | None, charge: ChargeRow | None) -> list[str]:
        """A sealed share stands outside the contents of the log, and there until it is destroyed; its charge stays."""
        place = f"entry {row.index}"
        if not row.origin:  # lost with an old copy, and never brought back
            return []
        share = self._session.scalars(select(SealedShareRow).where(SealedShareRow.digest == row.digest)).first()
        if stored is not None or share is None or share.city != row.origin:
            return [f"{place}: expected a share of its origin among those of a batch, and in no other place"]
        findings = []
        if share.envelope is not None:
            self.count += 1
            if digest_of(share.envelope) != row.digest:
                findings.append(f"{place}: content does not have the digest that the entry names")
        if charge is None and self._is_paid(row):
            return findings
        return findings + self._check_erased_charge(row, charge)

    def _is_paid(self, row: EntryRow) -> bool:
        """By the same entry of its city's ledger as an earlier share, which was in no sum."""
        earlier = (
            EntryRow.origin == row.origin, EntryRow.subject == row.subject, EntryRow.kind == Kind.SHARE.value,
            EntryRow.index < row.index,
        )  # fmt: skip
        charged = select(ChargeRow.entry_index).join(EntryRow, EntryRow.index == ChargeRow.entry_index).where(*earlier)
        return self._session.scalar(charged.limit(1)) is not None

    def _check_row(self, row: EntryRow) -> list[str]:
        place, findings = f"entry {row.index}", []
        if row.row_check != log.check_of(row.index, row.origin, row.seq, row.via, row.subject, row.receipt_size):
            findings.append(f"{place}: expected columns that fit their checksum")
        following = bisect_right(self._sizes, row.index)
        if following == len(self._sizes) or self._sizes[following] != row.receipt_size:
            findings.append(f"{place}: expected the checkpoint that came with it for its receipt")
        if row.via is not None and row.via not in self._sources:
            findings.append(f"{place}: expected a hub that is followed")
        if (row.narrowed_by, row.narrowed_to) != (None, None) and not self._is_narrowed(row):
            findings.append(f"{place}: expected a withdrawal by its origin from those beyond its audience")
        return findings

    def _is_narrowed(self, row: EntryRow) -> bool:
        by = None if row.narrowed_by is None else self._session.get(EntryRow, row.narrowed_by)
        body = None if by is None or by.origin != row.origin else _withdrawal(self._session, by)
        return body is not None and (body.digest, body.to) == (row.digest, row.narrowed_to)

    def _check_withdrawn(self, row: EntryRow, stored: bytes | None) -> list[str]:
        by = self._session.get(EntryRow, row.withdrawn_by)
        body = None if by is None or by.origin != row.origin else _withdrawal(self._session, by)
        if stored is not None or body is None or body.digest != row.digest:
            return [f"entry {row.index}: expected a withdrawal by its origin and no content"]
        return []

    def _check_columns(self, row: EntryRow, stored: bytes, charge: ChargeRow | None) -> list[str]:
        place = f"entry {row.index}"
        try:
            envelope = parse_envelope(stored)
            found = self._signers.find(envelope.keyid)
            if found is None:
                return [f"{place}: expected a key of the directory"]
            member, key = found
            verified = read_statement(verify_envelope(envelope, key))
        except ContractError as error:
            return [f"{place}: {error.message}"]
        statement = verified.statement
        self._signers.learn(statement, row.index)
        if isinstance(statement.body, PolicyBody):
            self._tables.learn(statement.body)
        said = (statement.origin, statement.seq, statement.kind.value, statement.audience.value)
        if said != (row.origin, row.seq, row.kind, row.audience) or statement.origin != member.name:
            return [f"{place}: expected origin, seq, kind and audience of its content"]
        if log.subject_of(verified) != row.subject:
            return [f"{place}: expected the subject of its content"]
        findings = self._check_way(row, verified, member.role) + self._check_charge(row, statement, charge)
        return findings + self._check_effect(row, statement)

    def _check_effect(self, row: EntryRow, statement: Statement) -> list[str]:
        """What a withdrawal takes back is taken back; of what was only kept as evidence there is no entry."""
        body = statement.body
        if not isinstance(body, WithdrawalBody):
            return []
        item = log.find_entry(self._session, body.digest)
        if item is None or item.withdrawn_by is not None or (body.to is not None and item.narrowed_by is not None):
            return []
        return [f"entry {row.index}: expected its effect on what it takes back"]

    def _check_way(self, row: EntryRow, verified: VerifiedStatement, role: MemberRole) -> list[str]:
        if row.via is None and verified.statement.origin not in self._sources and role is not MemberRole.NODE:
            return [f"entry {row.index}: expected to be told which hub it came from"]
        return []

    def _check_charge(self, row: EntryRow, statement: Statement, charge: ChargeRow | None) -> list[str]:
        """A release has the charge that it names, and nothing else has one."""
        body = statement.body
        if not isinstance(body, TrendBody) or row.via is not None:
            return [] if charge is None else [f"entry {row.index}: expected no charge"]
        expected = self._tables.charge_of(body)
        if expected is None:
            return []  # no policy ever had this table; intake would have refused it
        said = to_row(row.index, row.origin, body, expected)
        if charge is not None and charge.ledger_prev is None:
            said["ledger_prev"] = None  # taken before there was this column
        if charge is None or said != {name: getattr(charge, name) for name in COMPARED}:
            return [f"entry {row.index}: expected the charge that its content names"]
        return []

    def _check_erased_charge(self, row: EntryRow, charge: ChargeRow | None) -> list[str]:
        """What is left to compare once the content is erased: of whom and of what the charge is."""
        if row.kind not in (Kind.TREND.value, Kind.SHARE.value) or row.via is not None:
            return [] if charge is None else [f"entry {row.index}: expected no charge"]
        most = self._tables.most_for(row.subject or "")
        if most is None:
            return []
        if charge is None or charge.origin != row.origin or not 0 <= charge.epsilon_milli <= most.epsilon_milli:
            return [f"entry {row.index}: expected the charge of a release that was withdrawn"]
        if replace(to_charge(charge), epsilon_milli=most.epsilon_milli) != most:
            return [f"entry {row.index}: expected a charge for the subject that was withdrawn"]
        return []

    def orphans(self) -> list[str]:
        """Contents that no entry names, and charges."""
        return self._orphaned_contents() + self._orphaned_charges()

    def _orphaned_charges(self) -> list[str]:
        named = select(EntryRow.index).where(EntryRow.index == ChargeRow.entry_index)
        count = self._session.scalar(select(func.count()).select_from(ChargeRow).where(~named.exists())) or 0
        return [f"charges: {count} that no entry names"] if count else []

    def _orphaned_contents(self) -> list[str]:
        named = select(EntryRow.digest).where(EntryRow.digest == ContentRow.digest)
        count = self._session.scalar(select(func.count()).select_from(ContentRow).where(~named.exists())) or 0
        return [f"contents: {count} that no entry names"] if count else []


def _withdrawal(session: Session, by: EntryRow) -> WithdrawalBody | None:
    """What a withdrawal says; None when it cannot be read (its own place in the log says why)."""
    stored = session.scalar(select(ContentRow.envelope).where(ContentRow.digest == by.digest))
    if by.kind != Kind.WITHDRAWAL.value or stored is None:
        return None
    try:
        return WithdrawalBody.from_object(parse_strict(parse_envelope(stored).payload).get("body"))
    except ContractError:
        return None


class _Tree:
    """The tiles that the entries make, kept level by level."""

    def __init__(self) -> None:
        self.levels: list[bytearray] = []
        self._nodes: dict[tuple[int, int], bytes] = {}

    def add(self, index: int, leaf: bytes) -> None:
        fresh = list(completed_nodes(index, [leaf], lambda level, place: self._nodes[level, place]))
        for level, place, value in fresh:
            self._nodes[level, place] = value
            if place % 2 == 1:  # both halves are in the node above now
                del self._nodes[level, place], self._nodes[level, place - 1]
            if level % TILE_HEIGHT == 0:
                while len(self.levels) <= level // TILE_HEIGHT:
                    self.levels.append(bytearray())
                self.levels[level // TILE_HEIGHT] += value

    def tile(self, level: int, number: int) -> bytes:
        if not (0 <= level < len(self.levels) and number >= 0):
            return b""
        width = TILE_WIDTH * 32
        return bytes(self.levels[level][number * width : (number + 1) * width])

    def count(self) -> int:
        return sum(-(-len(row) // (TILE_WIDTH * 32)) for row in self.levels)
