"""The migrations make what `orm` describes, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import inspect, text
from sqlalchemy.engine import make_url

from regional_hub.app import MIGRATIONS
from regional_hub.orm import Base
from shared_schema.service.database import Database
from tests import postgres


def test_the_migrations_make_the_tables_that_the_program_describes(database_url: str) -> None:
    database = Database(database_url)
    database.migrate(MIGRATIONS)
    with database.read() as session:
        context = MigrationContext.configure(
            session.connection(), opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []
    database.close()


def test_partial_indexes_are_those_of_the_program(database_url: str) -> None:
    # compare_metadata does not look at the condition of an index.
    database = Database(database_url)
    database.migrate(MIGRATIONS)
    with database.read() as session:
        (index,) = [
            index
            for index in inspect(session.connection()).get_indexes("entries")
            if index["name"] == "entries_one_trend"
        ]
        condition = str(index["dialect_options"][f"{database.dialect}_where"])
        assert index["unique"] and "kind" in condition and "'trend'" in condition
    database.close()


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    database = Database(database_url)
    for _ in range(2):
        database.migrate(MIGRATIONS)
        with database.read() as session:
            assert len(session.execute(text("SELECT version_num FROM alembic_version")).all()) == 1
    database.close()


@pytest.mark.postgres
def test_processes_that_start_at_once_migrate_one_after_the_other(postgres_url: str) -> None:
    with (
        postgres.fresh_database(make_url(postgres_url)) as empty,
        ThreadPoolExecutor(3) as threads,
        ExitStack() as stack,
    ):
        url = empty.render_as_string(hide_password=False)
        databases = [stack.enter_context(closing(Database(url))) for _ in range(3)]
        assert list(threads.map(lambda database: database.migrate(MIGRATIONS), databases)) == [None] * 3


@pytest.mark.parametrize("revision", ["9999", "0000"])
def test_a_database_of_a_revision_that_is_not_known_is_left_alone(database_url: str, revision: str) -> None:
    with closing(Database(database_url)) as database:
        database.migrate(MIGRATIONS)
        with database.write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        for _ in range(2):
            with pytest.raises(CommandError):
                database.migrate(MIGRATIONS)
        with database.read() as session:
            assert session.scalar(text("SELECT version_num FROM alembic_version")) == revision
