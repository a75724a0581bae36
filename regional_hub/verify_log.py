"""`regional-hub verify`: hash everything again. One flipped bit anywhere in entries or contents is found.

Every row is compared with something it cannot change on its own: entries with the tree, the tree with tiles, head and
signed checkpoints; contents with the digest in their entry; origin, seq and subject of an entry with the signed
content; the hub's own signatures with its key.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from regional_hub import audit, log
from regional_hub.errors import LogError
from regional_hub.orm import CheckpointRow, ContentRow, EntryRow, SourceRow, TileRow
from shared_schema.checkpoint import NoteVerifier, verify_checkpoint
from shared_schema.entry import digest_of
from shared_schema.envelope import parse_envelope, verify_envelope
from shared_schema.errors import ContractError
from shared_schema.keys import Directory, MemberRole
from shared_schema.merkle import TILE_HEIGHT, TILE_WIDTH, Frontier, completed_nodes
from shared_schema.statement import VerifiedStatement, read_statement

BATCH = 2_000
MAX_FINDINGS = 100


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """How much was read, and what does not hold (nothing, when all is well)."""

    entries: int
    contents: int
    checkpoints: int
    tiles: int
    findings: tuple[str, ...]


def verify_everything(session: Session, verifier: NoteVerifier, directory: Directory) -> VerifyReport:
    """Read the whole log and compare it with itself; the report names places, never contents."""
    findings: list[str] = []
    notes = dict(session.execute(select(CheckpointRow.size, CheckpointRow.note)).all())
    contents = _ContentCheck(session, directory, verifier.name)
    frontier, tree = Frontier(), _Tree()
    if 0 in notes:
        findings += _check_note(0, notes[0], frontier, verifier)
    else:
        findings.append("checkpoint 0: missing")
    for row in _entries(session):
        if row.index != frontier.size:
            findings.append(f"entry {frontier.size}: missing")
            break
        try:
            leaf = log.to_log_entry(row).leaf
        except (ValueError, ContractError):
            findings.append(f"entry {row.index}: not an entry")
            break
        tree.add(frontier.size, leaf)
        frontier = frontier.append(leaf)
        if frontier.size in notes:
            findings += _check_note(frontier.size, notes[frontier.size], frontier, verifier)
        findings += contents.check(row, notes)
        if len(findings) > MAX_FINDINGS:
            break
    findings += _check_head(session, frontier, notes)
    findings += _check_tiles(session, tree)
    findings += contents.orphans(session)
    try:
        audit.verify(session)
    except LogError as error:
        findings.append(error.message)
    tiles = session.scalar(select(func.count()).select_from(TileRow)) or 0
    return VerifyReport(frontier.size, contents.count, len(notes), tiles, tuple(findings[:MAX_FINDINGS]))


def _entries(session: Session) -> Iterator[EntryRow]:
    first = 0
    while True:
        rows = session.scalars(
            select(EntryRow).where(EntryRow.index >= first).order_by(EntryRow.index).limit(BATCH)
        ).all()
        if not rows:
            return
        yield from rows
        first = rows[-1].index + 1
        session.expunge_all()


def _check_note(size: int, note: str, frontier: Frontier, verifier: NoteVerifier) -> list[str]:
    try:
        checkpoint = verify_checkpoint(note, verifier)
    except ContractError as error:
        return [f"checkpoint {size}: {error.message}"]
    if (checkpoint.size, checkpoint.root) != (size, frontier.root()):
        return [f"checkpoint {size}: expected the root of the first {size} entries"]
    return []


def _check_head(session: Session, frontier: Frontier, notes: dict[int, str]) -> list[str]:
    findings = []
    try:
        if log.get_head(session).frontier != frontier:
            findings.append(f"head: expected the frontier of {frontier.size} entries")
    except ContractError as error:
        findings.append(f"head: {error.message}")
    if frontier.size not in notes or max(notes) != frontier.size:
        findings.append(f"checkpoint {frontier.size}: expected it to be the last one")
    return findings


class _ContentCheck:
    """Contents against the entries that name them."""

    def __init__(self, session: Session, directory: Directory, name: str) -> None:
        self._session = session
        self._directory = directory
        self._sources = {name, *session.scalars(select(SourceRow.name))}
        self.count = 0

    def check(self, row: EntryRow, notes: dict[int, str]) -> list[str]:
        place = f"entry {row.index}"
        if row.receipt_size not in notes or row.receipt_size <= row.index:
            return [f"{place}: expected a checkpoint for its receipt"]
        if row.via is not None and row.via not in self._sources:
            return [f"{place}: expected a hub that is followed"]
        stored = self._session.scalar(select(ContentRow.envelope).where(ContentRow.digest == row.digest))
        if row.withdrawn_by is not None:
            return self._check_withdrawn(row, stored)
        if stored is None:
            return [f"{place}: content missing"]
        self.count += 1
        if digest_of(stored) != row.digest:
            return [f"{place}: content does not have the digest that the entry names"]
        return self._check_columns(row, stored)

    def _check_withdrawn(self, row: EntryRow, stored: bytes | None) -> list[str]:
        by = self._session.get(EntryRow, row.withdrawn_by)
        if by is None or by.kind != "withdrawal" or by.origin != row.origin or stored is not None:
            return [f"entry {row.index}: expected a withdrawal by its origin and no content"]
        return []

    def _check_columns(self, row: EntryRow, stored: bytes) -> list[str]:
        place = f"entry {row.index}"
        try:
            envelope = parse_envelope(stored)
            member = self._directory.find_by_keyid(envelope.keyid)
            if member is None:
                return [f"{place}: expected a key of the directory"]
            verified = read_statement(verify_envelope(envelope, member.key))
        except ContractError as error:
            return [f"{place}: {error.message}"]
        statement = verified.statement
        said = (statement.origin, statement.seq, statement.kind.value, statement.audience.value)
        if said != (row.origin, row.seq, row.kind, row.audience) or statement.origin != member.name:
            return [f"{place}: expected origin, seq, kind and audience of its content"]
        if log.subject_of(verified) != row.subject:
            return [f"{place}: expected the subject of its content"]
        return self._check_way(row, verified, member.role)

    def _check_way(self, row: EntryRow, verified: VerifiedStatement, role: MemberRole) -> list[str]:
        if row.via is None and verified.statement.origin not in self._sources and role is not MemberRole.NODE:
            return [f"entry {row.index}: expected to be told which hub it came from"]
        return []

    def orphans(self, session: Session) -> list[str]:
        """Contents that no entry names."""
        named = select(EntryRow.digest).where(EntryRow.digest == ContentRow.digest)
        count = session.scalar(select(func.count()).select_from(ContentRow).where(~named.exists())) or 0
        return [f"contents: {count} that no entry names"] if count else []


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
        if level >= len(self.levels):
            return b""
        width = TILE_WIDTH * 32
        return bytes(self.levels[level][number * width : (number + 1) * width])

    def count(self) -> int:
        return sum(-(-len(row) // (TILE_WIDTH * 32)) for row in self.levels)


def _check_tiles(session: Session, tree: _Tree) -> list[str]:
    findings, count = [], 0
    for row in session.scalars(select(TileRow)):
        count += 1
        if row.hashes != tree.tile(row.level, row.number):
            findings.append(f"tile {row.level}/{row.number}: expected the hashes of the entries")
    if count != tree.count():
        findings.append(f"tiles: expected {tree.count()}, got {count}")
    return findings
