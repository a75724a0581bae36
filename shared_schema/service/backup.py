"""Backups of both programs: one folder with the database, the settings, the keys, and a manifest that names each file.

    TARGET/sachsen.de-20261122T090000Z/manifest.json  database.sqlite3  hub.toml  signing.key

A folder is made under another name and gets its own at the end, so half a backup never looks like one. Whoever has a
backup with keys can speak as its owner: treat it like the key.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from shared_schema import SOFTWARE_VERSION
from shared_schema.service.control import VerbError
from shared_schema.service.database import Database

MANIFEST: Final = "manifest.json"
DATABASE: Final = "database.sqlite3"
FORMAT: Final = 1
_PIECE: Final = 1024 * 1024

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes into a backup. `copy_database` writes a whole SQLite file; `read_facts` says what a copy holds."""

    program: str
    name: str
    data_dir: Path
    files: Sequence[str]
    keys: Sequence[str]
    copy_database: Callable[[Path], None]
    read_facts: Callable[[Path], Facts]


@dataclass(frozen=True, slots=True)
class Archive:
    """A backup whose manifest was read; nothing else of it is checked yet."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def facts(self) -> Facts:
        facts: Facts = self.manifest["facts"]
        return facts

    @property
    def files(self) -> Mapping[str, str]:
        files: Mapping[str, str] = self.manifest["files"]
        return files

    @property
    def left_out(self) -> tuple[str, ...]:
        """The key files that belong to it and are not in it."""
        named = self.manifest.get("left_out", ())
        return tuple(str(name) for name in named) if isinstance(named, list) else ()

    def next_step(self, then: str) -> str:
        """What a person does after a restore: first of all bring the key files that were left out."""
        if self.manifest.get("keys", True):
            return then
        names = ", ".join(self.left_out) or "*.key"
        return f"copy the key files there, with mode 600: {names}; then: {then}"


def make_backup(plan: Plan, target: Path, *, now: datetime, keep: int | None = None, with_keys: bool = True) -> Path:
    """Make a backup in `target` and return its folder; then delete older ones of the same program beyond `keep`.

    Raises VerbError, and leaves nothing behind, when it cannot be made whole.
    """
    if keep is not None and keep < 1:
        raise VerbError("bad-parameter", "expected to keep at least one backup")
    folder = target / f"{plan.name}-{now:%Y%m%dT%H%M%SZ}"
    if folder.exists():
        raise VerbError("exists", f"expected no {folder}; wait a second")
    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = Path(tempfile.mkdtemp(prefix=".part-", dir=target))  # for its owner alone
    except OSError as error:
        raise VerbError("bad-target", f"expected a folder that can be written: {error.strerror}") from None
    try:
        _fill(plan, draft, now, with_keys)
        draft.rename(folder)
        _sync(target)
    except OSError as error:
        raise VerbError("bad-target", f"expected room for a backup: {error.strerror}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    if keep is not None:
        _remove_older(plan, target, folder, keep)
    return folder


def _remove_older(plan: Plan, target: Path, made: Path, keep: int) -> None:
    """Keep the one just made, and the newest others: by a clock that was wrong, one of them may look newer."""
    others = [each.folder for each in list_backups(target, plan.program, plan.name) if each.folder != made]
    try:
        for old in others[: max(0, len(others) - keep + 1)]:
            shutil.rmtree(old)
    except OSError as error:
        raise VerbError("bad-target", f"made {made}, but could not delete an older one: {error.strerror}") from None


def _fill(plan: Plan, draft: Path, now: datetime, with_keys: bool) -> None:
    plan.copy_database(draft / DATABASE)
    check_integrity(draft / DATABASE)
    wanted = [*plan.files, *(plan.keys if with_keys else ())]
    for name in wanted:
        if (plan.data_dir / name).is_file():
            shutil.copyfile(plan.data_dir / name, draft / name)
            (draft / name).chmod(0o600)
    files = sorted(path for path in draft.iterdir())
    manifest = {
        "format": FORMAT,
        "program": plan.program,
        "name": plan.name,
        "version": SOFTWARE_VERSION,
        "made_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "keys": with_keys,
        **({} if with_keys else {"left_out": list(plan.keys)}),
        "facts": plan.read_facts(draft / DATABASE),
        "files": {path.name: hash_file(path) for path in files},
    }
    (draft / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for path in (*files, draft / MANIFEST):
        path.chmod(0o600)
        _sync(path)
    _sync(draft)


def copy_sqlite(source: Path, target: Path) -> None:
    """A copy of one moment of a SQLite database that others may be writing; what was erased is not in it."""
    with _connected(f"file:{source.resolve()}?mode=ro") as connection:
        connection.execute("VACUUM INTO ?", (str(target),))


def check_integrity(database: Path) -> None:
    """Raise VerbError when SQLite itself finds a fault."""
    try:
        with _connected(f"file:{database.resolve()}?mode=ro") as connection:
            answers = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    except sqlite3.Error:
        answers = []
    if answers != ["ok"]:
        raise VerbError("damaged", "expected a database in which SQLite finds no fault")


@contextmanager
def _connected(address: str) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(address, uri=True, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def hash_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- reading one ---------------------------------------------------------------------------------------------------


def read_archive(folder: Path, program: str) -> Archive:
    """The manifest of a backup. Raises VerbError when it is none, or another program's."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        good = manifest["format"] == FORMAT and isinstance(manifest["files"], dict) and DATABASE in manifest["files"]
        good = good and all(Path(name).name == name != ".." for name in manifest["files"])
        good = good and isinstance(manifest["facts"], dict) and isinstance(manifest["made_at"], str)
    except (OSError, ValueError, KeyError, TypeError):
        good, manifest = False, {}
    if not good:
        raise VerbError("no-backup", f"expected a backup with a {MANIFEST} of format {FORMAT} at {folder}")
    if manifest.get("program") != program:
        raise VerbError("no-backup", f"expected a backup of {program}")
    return Archive(folder, manifest)


def list_backups(target: Path, program: str, name: str) -> list[Archive]:
    """The backups in a folder, oldest first."""
    found = []
    for folder in target.iterdir():
        try:
            archive = read_archive(folder, program)
        except VerbError:
            continue
        if archive.manifest.get("name") == name:
            found.append(archive)
    return sorted(found, key=lambda archive: (archive.manifest["made_at"], archive.folder.name))


def find_changed_files(archive: Archive) -> list[str]:
    """What is not as the manifest says."""
    findings = []
    for name, digest in archive.files.items():
        path = archive.folder / name
        if not path.is_file():
            findings.append(f"{name}: expected this file")
        elif hash_file(path) != digest:
            findings.append(f"{name}: expected the SHA-256 that the manifest names")
    extra = {path.name for path in archive.folder.iterdir()} - {*archive.files, MANIFEST}
    return findings + [f"{name}: expected no file that the manifest does not name" for name in sorted(extra)]


def compare_facts(archive: Archive, found: Facts) -> list[str]:
    """Where a copy says something else than the manifest."""
    return [
        f"{name}: expected {archive.facts.get(name)}, got {found.get(name)}"
        for name in sorted({*archive.facts, *found})
        if archive.facts.get(name) != found.get(name)
    ]


@contextmanager
def opened_copy(path: Path, migrations: str) -> Iterator[Database]:
    """A copy of a database in a temporary directory, at the schema of this release: the original stays as it is.

    Raises VerbError when it cannot be opened, or a newer release has made it.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            copied = Path(shutil.copyfile(path, Path(folder) / DATABASE))
        except OSError as error:
            raise VerbError("bad-target", f"expected room for a temporary copy: {error.strerror}") from None
        database = Database(f"sqlite:///{copied}")
        try:
            migrate(database, migrations)
            yield database
        finally:
            with contextlib.suppress(SQLAlchemyError, sqlite3.Error):  # of a file that is no database
                database.close()


def migrate(database: Database, migrations: str) -> None:
    """Bring a database that comes from elsewhere to the schema of this release. Raises VerbError when that fails."""
    try:
        database.migrate(migrations)
    except (SQLAlchemyError, sqlite3.Error) as error:
        reason = type(error).__name__  # what the driver says may name a password
        raise VerbError("damaged", f"expected a database that answers and can be read ({reason})") from None
    except CommandError:
        raise VerbError("damaged", "expected a database of this release or an older one; update the program") from None


def check_empty(data_dir: Path) -> None:
    """Raise VerbError unless a directory is empty or not there: nothing is ever overwritten."""
    try:
        is_free = not data_dir.exists() or (data_dir.is_dir() and not any(data_dir.iterdir()))
    except OSError as error:
        raise VerbError("bad-target", f"expected a directory that can be read: {error.strerror}") from None
    if not is_free:
        raise VerbError("exists", f"expected an empty directory, or none, at {data_dir}")


def put_files(archive: Archive, data_dir: Path, database_file: str | None) -> None:
    """Copy the files of a backup into an empty directory; the settings come last, because they say what it is.

    Raises VerbError, and leaves an empty directory, when they cannot all be written.
    """
    check_empty(data_dir)
    names = sorted(archive.files, key=lambda name: (name.endswith(".toml"), name))
    places = {name: database_file if name == DATABASE else name for name in names}
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, place in places.items():
            if place is None:
                continue
            shutil.copyfile(archive.folder / name, data_dir / place)
            (data_dir / place).chmod(0o600)
            _sync(data_dir / place)
        _sync(data_dir)
    except OSError as error:
        empty_again(data_dir)
        raise VerbError("bad-target", f"expected a directory that can be written: {error.strerror}") from None


def empty_again(data_dir: Path) -> None:
    """Remove what a restore that failed has put into a directory that was empty."""
    with contextlib.suppress(OSError):  # there may be no directory, and nothing more can be done
        for path in data_dir.iterdir():
            path.unlink()
