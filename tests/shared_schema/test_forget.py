"""What a transaction erases leaves the database's files after the commit, as soon as nobody reads the old state."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from shared_schema.service.database import Database, forget
from tests.federation.searching import find_in_files

SECRET = "Abendrunde am Ufer"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    with opened.write() as session:
        session.execute(text("CREATE TABLE notes (id INTEGER PRIMARY KEY, content TEXT)"))
        session.execute(text("INSERT INTO notes VALUES (1, :content)"), {"content": SECRET * 500})
    yield opened
    opened.close()


def erase(database: Database, *, say_so: bool = True) -> None:
    with database.write() as session:
        session.execute(text("DELETE FROM notes"))
        if say_so:
            forget(session, "notes")


def test_what_is_erased_leaves_the_files(database: Database, tmp_path: Path) -> None:
    erase(database)
    assert database.is_wiped
    assert find_in_files(tmp_path, SECRET) == []


def test_without_saying_so_the_log_of_writes_keeps_it(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'test.sqlite3'}")
    with database.write() as session:
        session.execute(text("CREATE TABLE notes (id INTEGER PRIMARY KEY, content TEXT)"))
        session.execute(text("INSERT INTO notes VALUES (1, :content)"), {"content": SECRET * 500})
    erase(database, say_so=False)
    assert find_in_files(tmp_path, SECRET) == ["test.sqlite3-wal"]
    database.close()


def test_a_transaction_that_fails_forgets_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as session:
        session.execute(text("DELETE FROM notes"))
        forget(session, "notes")
        raise RuntimeError
    with database.read() as session:
        assert session.execute(text("SELECT count(*) FROM notes")).scalar_one() == 1
    assert database.is_wiped


def test_while_somebody_reads_it_waits_and_is_done_with_a_later_write_or_at_the_end(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'test.sqlite3'}")
    with database.write() as session:
        session.execute(text("CREATE TABLE notes (id INTEGER PRIMARY KEY, content TEXT)"))
        session.execute(text("INSERT INTO notes VALUES (1, :content)"), {"content": SECRET * 500})
    with database.read() as reader:
        assert reader.execute(text("SELECT count(*) FROM notes")).scalar_one() == 1
        erase(database)
        assert not database.is_wiped
        assert not database.wipe()
        assert reader.execute(text("SELECT count(*) FROM notes")).scalar_one() == 1
    assert database.wipe()
    assert find_in_files(tmp_path, SECRET) == []
    database.close()


def test_what_a_crash_left_in_the_log_of_writes_goes_at_the_next_start(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'node.db'}")
    database.migrate("local_node.migrations")
    with database.write() as session:
        session.execute(text("INSERT INTO people (id, role) VALUES (:content, 'x')"), {"content": SECRET * 500})
    with database.write() as session:
        session.execute(text("DELETE FROM people"))  # and the machine stops before anything is wiped
    copies = {name: (tmp_path / name).read_bytes() for name in ("node.db", "node.db-wal")}
    database.close()
    later = tmp_path / "later"
    later.mkdir()
    for name, content in copies.items():
        (later / name).write_bytes(content)
    assert find_in_files(later, SECRET)
    again = Database(f"sqlite:///{later / 'node.db'}")
    again.migrate("local_node.migrations")
    assert find_in_files(later, SECRET) == []
    again.close()
