"""The log's public files in a folder, so that any web server can serve them: the same bytes as the hub's own.

The order of things, and what a crash in between leaves:

1. Entries, tiles, head and checkpoint are committed to the database in one transaction. A crash leaves the folder as
   it was: an older, complete log.
2. `publish` compares the checkpoint in the folder with the one in the database and writes the tiles and bundles that
   are new: each beside its place, fsync, rename, then fsync of the folders. A crash leaves files that no checkpoint
   names yet.
3. The checkpoint is written last, in the same way. So it never needs a file that is not there.
4. Partial files that a full one has replaced are removed, but not the newest of them: somebody may have fetched the
   last checkpoint a moment ago.

Nothing is remembered besides the folder and the database. So what a crash left undone is done by the next `publish`,
which is the same code whether it is called after a commit or at the start.

A checkpoint in the folder that is larger than the log, or whose beginning is another one, means that the database is
an old copy. Then nothing is written, and nothing may be signed: it would be a fork.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from regional_hub import log
from regional_hub.errors import HubError
from regional_hub.log_files import fetch_from, find_file
from regional_hub.tiles import TileReader
from shared_schema.checkpoint import Checkpoint, NoteVerifier, claimed_checkpoint, verify_checkpoint
from shared_schema.errors import ContractError
from shared_schema.merkle import EMPTY_ROOT, TILE_HEIGHT, range_hash
from shared_schema.problem import ProblemCode
from shared_schema.service.database import Database
from shared_schema.tiles import CHECKPOINT_PATH, MAX_LEVEL, FileMissingError, LogFile, files_of

LOCK_FILE = ".lock"
NEW_ENDING = ".new"
"""Of a file that is being written; hidden by a dot before its name."""
KEPT_TILES = 4
"""So many full tiles of each level keep their partial ones: at least 1,024 entries of delay for a slow reader."""
FAULT_POINTS = (
    "locked", "write", "fsync", "rename", "renamed", "folder-fsync", "files-written", "checkpoint-written", "remove",
    "removed",
)  # fmt: skip
"""Where a test can stop `publish` as a crash would; with the path that is at stake."""
Fault = Callable[[str, str], None]


class StaticFilesError(HubError):
    """The folder does not belong to this log as it is now; nothing was written."""

    code = ProblemCode.LOG_DAMAGED


class FsyncError(HubError):
    """The disk did not confirm a write. What it holds is unknown from here on (CHECKS 65), so nothing goes on."""

    code = ProblemCode.LOG_DAMAGED


@dataclass(frozen=True, slots=True)
class Published:
    """The size that the folder shows now, and what was done for it."""

    size: int
    written: int
    removed: int


def no_fault(_point: str, _path: str) -> None:
    """What a hub runs with: nothing goes wrong on purpose."""


class StaticFiles:
    """The folder of one log. Several processes may publish into it; one does at a time."""

    def __init__(self, database: Database, name: str, folder: Path, fault: Fault = no_fault) -> None:
        self.folder = folder
        self.fault = fault
        self._database = database
        self._name = name
        self._durable: set[Path] = set()
        """Folders whose own names are on the disk for certain, since this process began."""

    def publish(self, *, clean: bool = False, thorough: bool = False) -> Published:
        """Bring the folder to the head of the log.

        `clean`, at the start of a process, also removes what a crash left behind. `thorough` does that and compares
        every file that should be there already, which takes seconds in a log of a million entries.

        Raises StaticFilesError, FsyncError, or OSError when a file cannot be written; then the checkpoint that stands
        there is the old one, and every file it needs is there.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder), self._database.read() as session:
            self.fault("locked", "")
            note = log.latest_checkpoint(session)
            head, shown = claimed_checkpoint(note), self._read_shown()
            _check_continues(session, shown, head)
            since = 0 if thorough else shown.size
            written = self._write_files(session, files_of(head.size, since))
            self.fault("files-written", "")
            written += self._write_checkpoint(note)
            self.fault("checkpoint-written", CHECKPOINT_PATH)
            removed = self._remove_partials(0 if clean else since, head.size)
            if clean or thorough:
                self._remove_leftovers()
            return Published(head.size, written, removed)

    def read_note(self) -> str | None:
        """The checkpoint that the folder shows, not looked at; None when there is none that can be read."""
        try:
            return (self.folder / CHECKPOINT_PATH).read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            return None

    def _read_shown(self) -> Checkpoint:
        """What the folder shows now; its signature is not looked at, because its size and root are compared."""
        try:
            note = (self.folder / CHECKPOINT_PATH).read_bytes().decode()
        except FileNotFoundError:
            return Checkpoint(self._name, 0, EMPTY_ROOT)
        except UnicodeDecodeError:
            note = ""
        try:
            shown = claimed_checkpoint(note)
        except ContractError:
            shown = None
        if shown is None or shown.origin != self._name:
            raise StaticFilesError(f"expected a checkpoint of {self._name} in the folder of static files, or none")
        return shown

    # --- writing ---------------------------------------------------------------------------------------------------

    def _write_files(self, session: Session, files: Iterator[LogFile]) -> int:
        written, folders = 0, set()
        for file in files:
            data = find_file(session, file)
            if data is None:
                raise StaticFilesError(f"expected {file.path} in the database")
            written += self._write(file.path, data)
            folders.add((self.folder / file.path).parent)
        for folder in sorted(folders):  # also of files that were there already: a crash may have come before this
            self._sync_folder(folder)
        return written

    def _write_checkpoint(self, note: str) -> int:
        written = self._write(CHECKPOINT_PATH, note.encode())
        if written:
            self._sync_folder(self.folder)
        return written

    def _write(self, path: str, data: bytes) -> int:
        """Put a file in its place at once or not at all. 0 when it stands there already."""
        place = self.folder / path
        if _holds(place, data):
            return 0
        if not place.parent.is_dir():
            place.parent.mkdir(parents=True)
            self._durable.clear()
        fresh = place.with_name(f".{place.name}{NEW_ENDING}")
        self.fault("write", path)
        with fresh.open("wb") as stream:
            stream.write(data)
            stream.flush()
            self._fsync("fsync", path, stream.fileno())
        self.fault("rename", path)
        fresh.replace(place)
        self.fault("renamed", path)
        return 1

    def _sync_folder(self, folder: Path) -> None:
        """Put the names in a folder on the disk, and its own name in the folders above, once in a process' life."""
        self._sync(folder)
        while folder != self.folder and folder not in self._durable:
            self._durable.add(folder)
            folder = folder.parent
            self._sync(folder)

    def _sync(self, folder: Path) -> None:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._fsync("folder-fsync", str(folder.relative_to(self.folder)), handle)
        finally:
            os.close(handle)

    def _fsync(self, point: str, path: str, handle: int) -> None:
        try:
            self.fault(point, path)
            os.fsync(handle)
        except OSError:
            raise FsyncError("expected the disk to confirm what was written into the folder of static files") from None

    # --- removing --------------------------------------------------------------------------------------------------

    def _remove_partials(self, since: int, size: int) -> int:
        """Remove the partial files of the tiles that are full for long enough since `size` entries are shown."""
        removed = 0
        for level in (None, *range(MAX_LEVEL + 1)):
            shift = TILE_HEIGHT * ((level or 0) + 1)
            for number in range(max(0, (since >> shift) - KEPT_TILES), (size >> shift) - KEPT_TILES):
                removed += self._remove_partials_of(LogFile(level, number))
        return removed

    def _remove_partials_of(self, full: LogFile) -> int:
        place = self.folder / full.path
        partial = place.with_name(place.name + ".p")
        if not partial.is_dir() or not place.exists():
            return 0
        self.fault("remove", full.path)
        count = 0
        for file in partial.iterdir():
            file.unlink()
            count += 1
            self.fault("removed", full.path)
        partial.rmdir()
        return count

    def _remove_leftovers(self) -> None:
        """What a crash left half written."""
        for file in self.folder.rglob(f".*{NEW_ENDING}"):
            file.unlink()


def _check_continues(session: Session, shown: Checkpoint, head: Checkpoint) -> None:
    if shown.size > head.size:
        raise StaticFilesError(
            f"expected a log of at least {shown.size} entries, as its static files show, got {head.size}: "
            "the database is an old copy"
        )
    root = range_hash(0, shown.size, TileReader(session).node) if shown.size else EMPTY_ROOT
    if root != shown.root:
        raise StaticFilesError(
            f"expected a log that begins with the {shown.size} entries of its static files: "
            "the database is an old copy that went on, or the checkpoint there is damaged"
        )


def _holds(place: Path, data: bytes) -> bool:
    try:
        return place.read_bytes() == data
    except FileNotFoundError:
        return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time; a lock of a process that died is free."""
    handle = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


# --- looking at it -------------------------------------------------------------------------------------------------


def find_faults(database: Database, folder: Path, verifier: NoteVerifier) -> tuple[int, list[str]]:
    """How many files there are, and what does not hold: a file that is not the log's, or one that is missing.

    The hub goes on meanwhile, and a commit in between looks like damage. So what is found is looked at once more while
    nobody may publish.
    """
    count, findings = _look(database, folder, verifier)
    if not findings or not folder.is_dir():
        return count, findings
    with _locked(folder):
        return _look(database, folder, verifier)


def _look(database: Database, folder: Path, verifier: NoteVerifier) -> tuple[int, list[str]]:
    try:
        shown = verify_checkpoint((folder / CHECKPOINT_PATH).read_bytes().decode(), verifier)
        with database.read() as session:  # begun after the checkpoint was read, so it is no older
            _check_continues(session, shown, claimed_checkpoint(log.latest_checkpoint(session)))
            return _look_at_files(session, folder, shown)
    except (OSError, UnicodeDecodeError):
        return 0, ["static file checkpoint: expected a file that can be read"]
    except ContractError as error:
        return 1, [f"static file checkpoint: {error.message}"]


def _look_at_files(session: Session, folder: Path, shown: Checkpoint) -> tuple[int, list[str]]:
    paths = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    public = [path for path in paths if not path.rpartition("/")[2].startswith(".") and path != CHECKPOINT_PATH]
    needed = {file.path for file in files_of(shown.size)}
    findings = [f"static file {path}: missing" for path in sorted(needed - set(public))]
    findings += [f"static file {path}: expected the bytes of the log" for path in _wrong(session, folder, public)]
    return len(public) + 1, findings


def _wrong(session: Session, folder: Path, paths: Sequence[str]) -> Iterator[str]:
    fetch = fetch_from(session)
    for path in paths:
        try:
            if (folder / path).read_bytes() == fetch(path):
                continue
        except (OSError, FileMissingError):
            pass
        yield path
