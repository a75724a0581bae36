"""The migrations make what `orm` describes, and two tables that nobody can rewrite."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from local_node.orm import Base
from shared_schema.service.database import Database, upgrade_schema

NULL_HASH = "0" * 64
AUDIT_EVENT = (
    "INTO audit (seq, at, actor, action, subject, prev_hash, entry_hash) "
    "VALUES (:seq, '2026-11-22T09:00:00Z', 'anna', 'test', 'x', :prev, :hash)"
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'node.db'}")
    upgrade_schema(opened, "local_node.migrations")
    yield opened
    opened.close()


def is_described(name: str | None, kind: str, _parents: object) -> bool:
    """Whether `orm` speaks of it: SQLite keeps the texts of the search in tables of its own making."""
    return not (kind == "table" and (name or "").startswith("search_texts"))


def test_the_migrations_make_the_tables_that_the_program_describes(database: Database) -> None:
    with database.read() as session:
        options = {"compare_type": True, "include_name": is_described}
        context = MigrationContext.configure(session.connection(), opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_twice_changes_nothing(database: Database) -> None:
    upgrade_schema(database, "local_node.migrations")
    with database.read() as session:
        assert session.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == ["0016"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'bob'",
        "DELETE FROM audit",
        f"INSERT OR REPLACE {AUDIT_EVENT}".replace(":seq", "1")
        .replace(":prev", f"'{NULL_HASH}'")
        .replace(":hash", "'b'"),
        f"INSERT {AUDIT_EVENT}".replace(":seq", "3").replace(":prev", "'a'").replace(":hash", "'b'"),
        f"INSERT {AUDIT_EVENT}".replace(":seq", "2").replace(":prev", "'other'").replace(":hash", "'b'"),
    ],
    ids=["update", "delete", "replace", "gap", "fork"],
)
def test_the_audit_log_can_only_be_continued(database: Database, statement: str) -> None:
    with database.write() as session:
        session.execute(text(f"INSERT {AUDIT_EVENT}"), {"seq": 1, "prev": NULL_HASH, "hash": "a"})
    with pytest.raises(IntegrityError, match="append-only"), database.write() as session:
        session.execute(text(statement))
    with database.read() as session:
        assert session.execute(text("SELECT seq, actor, entry_hash FROM audit")).all() == [(1, "anna", "a")]
