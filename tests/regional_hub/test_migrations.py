"""The migrations make what `orm` describes, on both databases."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from regional_hub.app import MIGRATIONS
from regional_hub.orm import Base
from shared_schema.service.database import Database


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
