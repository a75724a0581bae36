"""One way to a database for both programs: SQLite for one process, PostgreSQL for several.

SQLite runs in WAL mode with synchronous=FULL, and everything that writes goes through one connection of one process:
versions before 3.51.3 can corrupt a WAL database that two connections write and checkpoint at once, and one writer is
what SQLite has anyway. Readers use connections of their own that cannot write.

    database = Database("sqlite:////var/lib/node/node.db")
    with database.write() as session:
        session.add(row)          # committed when the block ends, rolled back when it raises
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

BUSY_TIMEOUT_MS = 2_000
"""Longer than any of our transactions; a caller learns within two seconds that somebody else holds the database."""
READERS = 8


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
        with self._lock, Session(self._writer, info=self.info) as session, session.begin():
            yield session
        if self.after_write is not None:
            self.after_write(session.info)

    def migrate(self, package: str) -> None:
        """Bring the schema to the newest revision of `package` (for example `local_node.migrations`)."""
        with self._lock, as_file(files(package)) as location, self._writer.connect() as connection:
            config = Config()
            config.set_main_option("script_location", str(location))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()

    def check_reachable(self) -> None:
        """Raise sqlalchemy.exc.OperationalError when the database does not answer."""
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        self._reader.dispose()
        self._writer.dispose()


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
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            f"query_only={'ON' if query_only else 'OFF'}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
