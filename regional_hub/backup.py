"""Backups of a hub, on both databases, and what can be checked of one.

On PostgreSQL the rows are copied into a SQLite file of the same schema, out of one REPEATABLE READ transaction: the
same archive as on SQLite, which can be checked anywhere and read into either. For a large database PostgreSQL's own
tools are faster; they are the operator's.
"""

import json
import sqlite3
import tomllib
from base64 import b64encode
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from regional_hub import log, recovery
from regional_hub.orm import AuditRow, Base, ContentRow, HeadRow
from regional_hub.verify_log import verify_everything
from shared_schema.checkpoint import NoteVerifier
from shared_schema.errors import ContractError
from shared_schema.service.backup import (
    DATABASE,
    Archive,
    Facts,
    Plan,
    check_empty,
    compare_facts,
    copy_sqlite,
    empty_again,
    find_changed_files,
    migrate,
    opened_copy,
    put_files,
)
from shared_schema.service.control import VerbError
from shared_schema.service.database import Database
from shared_schema.service.key_file import KEY_FILE, NEXT_KEY_FILE, find_next_key, load_key

PROGRAM: Final = "regional-hub"
MIGRATIONS: Final = "regional_hub.migrations"
SETTINGS_FILE: Final = "hub.toml"
DATABASE_FILE: Final = "hub.db"
ROWS_AT_ONCE: Final = 1_000
SQLITE: Final = "sqlite"
COPY: Final = "a copy"
"""The place of a log that is in a backup: no database is there."""


def make_plan(database: Database, data_dir: Path, verifier: NoteVerifier) -> Plan:
    """What belongs into a backup of this hub."""
    keys = sorted(path.name for path in data_dir.glob("*.key"))

    def copy(target: Path) -> None:
        if database.dialect == "sqlite":
            copy_sqlite(Path(make_url(database.url).database or ""), target)
        else:
            copy_rows(database, target)
        _mark_as_copy(target)

    def read(copied: Path) -> Facts:
        with opened_copy(copied, MIGRATIONS) as opened, opened.read() as session:
            if (copied.parent / KEY_FILE).exists() and (missing := find_missing_keys(session, copied.parent)):
                raise VerbError("no-key", f"{missing}; when a key was changed a moment ago, make the backup again")
            return read_facts(session, verifier)

    return Plan(PROGRAM, verifier.name, data_dir, [SETTINGS_FILE], keys, copy, read)


def find_missing_keys(session: Session, folder: Path) -> str | None:
    """What the keys in a folder lack for signing on in this log; None when they suffice.

    A key may be put in the place of another while a backup is made: then the copy of the database, which is older,
    would name a key that is in no file.
    """
    signers = (log.get_head(session).signers or "").split()
    found = [load_key(folder), find_next_key(folder)]
    missing = set(signers) - {key.public.keyid for key in found if key is not None}
    return f"{NEXT_KEY_FILE}: expected the other key that signs this log" if missing else None


def _mark_as_copy(target: Path) -> None:
    """Let the copy itself say that it is one, and hold nothing that opens a city's sealed share.

    Whoever writes it over a hub's database by hand keeps the number of that file, by which a hub knows its database.
    A hub that goes back could have answered something that its copy does not know; without keys it cannot answer again.
    """
    with closing(sqlite3.connect(target)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA journal_mode = MEMORY")  # what is erased is in no second file meanwhile
        with connection:
            connection.execute("UPDATE log_head SET place = ?", (COPY,))
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sealed_batches'").fetchone():
                connection.execute("UPDATE sealed_batches SET hpke_key = NULL, verify_key = NULL")
                connection.execute("UPDATE sealed_shares SET envelope = NULL")


def copy_rows(source: Database, target: Path) -> None:
    """Write every row into a new SQLite file, out of one transaction."""
    rows = target.with_name(f".{target.name}.rows")
    copied = Database(f"sqlite:///{rows}")
    try:
        copied.migrate(MIGRATIONS)
        with source.read() as reader, copied.write() as writer:
            _copy_tables(reader, writer)
        copy_sqlite(rows, target)
    finally:
        copied.close()
        for rest in target.parent.glob(f"{rows.name}*"):
            rest.unlink()


def _copy_tables(reader: Session, writer: Session) -> None:
    for table in Base.metadata.sorted_tables:
        for rows in reader.execute(select(table)).mappings().partitions(ROWS_AT_ONCE):
            writer.execute(insert(table), [dict(row) for row in rows])


def read_facts(session: Session, verifier: NoteVerifier) -> Facts:
    """What a database holds, in a few lines that a person can compare."""
    head = log.get_head(session)
    last = session.execute(select(AuditRow.seq, AuditRow.entry_hash).order_by(AuditRow.seq.desc()).limit(1)).first()
    return {
        "vkey": verifier.vkey,
        "log_size": head.size,
        "root": b64encode(head.frontier.root()).decode(),
        "checkpoint": log.latest_checkpoint(session),
        "contents": session.scalar(select(func.count()).select_from(ContentRow)),
        "audit_seq": 0 if last is None else last.seq,
        "audit_head": "" if last is None else last.entry_hash,
    }


def check_archive(archive: Archive) -> list[str]:
    """Everything that does not hold in a backup; changes nothing."""
    findings = find_changed_files(archive)
    if findings:
        return findings
    try:
        verifier = NoteVerifier.from_vkey(str(archive.facts.get("vkey")))
        with opened_copy(archive.folder / DATABASE, MIGRATIONS) as database, database.read() as session:
            findings += compare_facts(archive, read_facts(session, verifier))
            findings += verify_everything(session, verifier).findings
            if archive.manifest.get("keys") and (missing := find_missing_keys(session, archive.folder)):
                findings.append(missing)
    except (ContractError, VerbError) as error:
        findings.append(error.message)
    except (SQLAlchemyError, ValueError, TypeError) as error:  # rows that hold what the schema does not allow
        findings.append(f"database: expected rows that can be read ({type(error).__name__})")
    return findings


def restore(archive: Archive, data_dir: Path, database: str | None, now: datetime) -> None:
    """Put a backup into an empty directory, and into an empty database; the log is held until it has been asked for.

    `database` is the address of an empty PostgreSQL database, `sqlite`, or None for what the settings say. Raises
    VerbError and leaves what was there.
    """
    check_empty(data_dir)
    named = _named_database(archive) if database is None else database
    _restore(archive, data_dir, None if named in (None, SQLITE) else named, now)
    if database is not None:
        _name_database(data_dir / SETTINGS_FILE, None if database == SQLITE else database)


def _named_database(archive: Archive) -> str | None:
    try:
        named = tomllib.loads((archive.folder / SETTINGS_FILE).read_text(encoding="utf-8")).get("database_url")
    except (OSError, ValueError):
        raise VerbError("no-settings", f"expected {SETTINGS_FILE} in the backup") from None
    return None if named is None else str(named)


def _name_database(settings: Path, url: str | None) -> None:
    lines = [line for line in settings.read_text(encoding="utf-8").splitlines() if not line.startswith("database_url")]
    lines += [] if url is None else [f"database_url = {json.dumps(url)}"]
    settings.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _restore(archive: Archive, data_dir: Path, database_url: str | None, now: datetime) -> None:
    if database_url is None:
        put_files(archive, data_dir, DATABASE_FILE)
        database = Database(f"sqlite:///{data_dir.resolve() / DATABASE_FILE}")
    else:
        database = _open_database(database_url)
    try:
        migrate(database, MIGRATIONS)
        if database_url is not None:
            copy = opened_copy(archive.folder / DATABASE, MIGRATIONS)
            with copy as copied, copied.read() as reader, database.write() as writer:
                if writer.get(HeadRow, log.HEAD_ID) is not None:
                    raise VerbError("exists", "expected a database without a log; nothing is overwritten")
                _copy_tables(reader, writer)
                if database.dialect == "postgresql":
                    _continue_numbers(writer)
            put_files(archive, data_dir, None)
        with database.write() as session:
            recovery.hold(session, recovery.RESTORED, now)
            session.get_one(HeadRow, log.HEAD_ID).place = recovery.place_of(session)
    except (VerbError, SQLAlchemyError) as error:
        empty_again(data_dir)
        if isinstance(error, VerbError):
            raise
        raise VerbError("damaged", f"expected rows that can be put back ({type(error).__name__})") from None
    finally:
        database.close()


def _open_database(url: str) -> Database:
    try:
        return Database(url)
    except (SQLAlchemyError, ValueError, ImportError):  # the address may hold a password, so it is not repeated
        raise VerbError("bad-parameter", "expected an address such as postgresql+psycopg://user@host/name") from None


def _continue_numbers(session: Session) -> None:
    """PostgreSQL counts on from its own last number, not from the rows that were read in."""
    highest: Any = session.scalar(text("SELECT max(id) FROM alarms"))
    if highest is not None:
        session.execute(text("SELECT setval(pg_get_serial_sequence('alarms', 'id'), :last)"), {"last": highest})
