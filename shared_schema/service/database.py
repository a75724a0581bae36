"""One way to a database for both programs: SQLite for one process, PostgreSQL for several.

SQLite runs in WAL mode with synchronous=FULL, and everything that writes goes through one connection of one process:
versions before 3.51.3 can corrupt a WAL database that two connections write and checkpoint at once, and one writer is
what SQLite has anyway. Readers use connections of their own that cannot write.

    database = Database("sqlite:////var/lib/node/node.db")
    with database.write() as session:
        session.add(row)          # committed when the block ends, rolled back when it raises
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import as_file, files
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

BUSY_TIMEOUT_MS = 2_000
"""Longer than any of our transactions; a caller learns within two seconds that somebody else holds the database."""
READERS = 8
WIPE_TIMEOUT_MS = 100
"""How long writers may wait for readers to let go of the log of writes; what was not wiped is tried again."""
WIPE_PAUSE_SECONDS = 1.0
_FORGOTTEN = "forgotten"
_MIGRATING = 0x7078_6D67
"""A number of our own among PostgreSQL's advisory locks."""


class Database:
    """A pool of readers and one writer. `read` and `write` give sessions; blocks must not be nested.

    `info` is what every session begins with as its `Session.info`. `after_write` hears the info of a session whose
    transaction is committed; what it raises, the block raises, though the commit stands.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.url = url
        self.dialect = parsed.get_backend_name()
        self.info: dict[str, Any] = {}
        self.after_write: Callable[[dict[str, Any]], None] | None = None
        self._lock = threading.Lock()
        self._unwiped: set[str] = set()
        self._next_wipe = 0.0
        if self.dialect == "sqlite":
            self._writer = _sqlite_engine(url, begin="BEGIN IMMEDIATE", pool_size=1, query_only=False)
            self._reader = _sqlite_engine(url, begin="BEGIN", pool_size=READERS, query_only=True)
        else:
            self._writer = self._reader = create_engine(
                url,
                pool_size=READERS,
                pool_pre_ping=True,
                hide_parameters=True,
                connect_args={"options": f"-c lock_timeout={BUSY_TIMEOUT_MS}"},
            )

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session on one consistent state of the database; what it changes is thrown away."""
        with Session(self._reader, autoflush=False) as session:
            if self.dialect == "postgresql":
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session
            session.rollback()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction; the next writer of this process waits until the block ends."""
        with self._lock:
            with Session(self._writer, info=self.info) as session:
                with session.begin():
                    yield session
                self._unwiped |= session.info.get(_FORGOTTEN, set())
            if self._unwiped and time.monotonic() >= self._next_wipe:
                self._wipe()
        if self.after_write is not None:
            self.after_write(session.info)

    @property
    def is_wiped(self) -> bool:
        """Whether nothing that was erased is still in the files because somebody was reading at that moment."""
        return not self._unwiped

    def wipe(self) -> bool:
        """Try once more to get what was erased out of the files; True when nothing is left to do."""
        with self._lock:
            if self._unwiped:
                self._wipe()
        return self.is_wiped

    def _wipe(self) -> None:
        """After the commit: SQLite zeroes what it frees (secure_delete), but the log of writes still has old pages;
        PostgreSQL keeps a row that was deleted until VACUUM. Neither reaches copies elsewhere (docs/operations.md).
        """
        try:
            done = self._truncate_log_of_writes() if self.dialect == "sqlite" else self._vacuum()
        except (DBAPIError, sqlite3.Error):  # what was committed is committed; the rest is tried again
            done = False
        if done:
            self._unwiped.clear()
        self._next_wipe = time.monotonic() + (0.0 if done else WIPE_PAUSE_SECONDS)

    def _vacuum(self) -> bool:
        tables = ", ".join(sorted(self._unwiped))  # names of our own tables, said in the code
        with self._writer.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(f"VACUUM {tables}"))
        return True

    def _truncate_log_of_writes(self) -> bool:
        """Write the log of writes back into the database and cut it to nothing; False while a reader needs it."""
        connection = self._writer.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout={WIPE_TIMEOUT_MS}")
            busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            cursor.close()
        finally:
            connection.close()
        return not busy

    def migrate(self, package: str) -> None:
        """Bring the schema to the newest revision of `package` (for example `local_node.migrations`)."""
        with self._lock, self._writer.connect() as connection:
            found = MigrationContext.configure(connection).get_current_heads()
            connection.rollback()
            if found != _newest_revisions(package):
                if self.dialect == "postgresql":
                    _wait_for_other_migrations(connection)
                with _migrations_of(package) as config:
                    config.attributes["connection"] = connection
                    command.upgrade(config, "head")
                    connection.commit()
        if self.dialect == "sqlite":  # a crash may have come between an erasure and its wiping
            with self._lock:
                self._truncate_log_of_writes()

    def check_reachable(self) -> None:
        """Raise sqlalchemy.exc.OperationalError when the database does not answer."""
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        self._reader.dispose()
        if self._unwiped:
            self.wipe()
        self._writer.dispose()


@contextmanager
def _migrations_of(package: str) -> Iterator[Config]:
    """Where alembic finds them."""
    with as_file(files(package)) as location:
        config = Config()
        config.set_main_option("script_location", str(location))
        yield config


def _wait_for_other_migrations(connection: Connection) -> None:
    """Hold the migrations of this database until the transaction ends: processes that start at once go through them
    one after the other, and all but the first find them done."""
    connection.execute(text("SET LOCAL lock_timeout = 0"))
    connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATING})"))
    connection.execute(text(f"SET LOCAL lock_timeout = {BUSY_TIMEOUT_MS}"))


@cache
def _newest_revisions(package: str) -> tuple[str, ...]:
    """The revisions of a database that every migration of `package` has gone through."""
    with _migrations_of(package) as config:
        return tuple(ScriptDirectory.from_config(config).get_heads())


def forget(session: Session, *tables: str) -> None:
    """Say that this transaction erases contents of these tables: after the commit they leave the files as well."""
    session.info.setdefault(_FORGOTTEN, set()).update(tables)


def upgrade_schema(database: Database, package: str) -> None:
    """As `Database.migrate`."""
    database.migrate(package)


def is_busy(error: OperationalError) -> bool:
    """Whether somebody else holds the database, so that the same call may go through later."""
    words = str(error.orig).lower()
    return "locked" in words or "deadlock" in words or "lock timeout" in words


def _sqlite_engine(url: str, *, begin: str, pool_size: int, query_only: bool) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=30,
        hide_parameters=True,  # an error in a log must not carry what was stored
        connect_args={"check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver's own BEGIN is deferred and comes too late for a reader that turns into a writer.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
            "temp_store=MEMORY",  # nothing that is sorted leaves a file behind
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            f"query_only={'ON' if query_only else 'OFF'}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
