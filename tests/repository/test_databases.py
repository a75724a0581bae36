"""The databases that other tests ask for are empty, their own, and of the kind they say."""

import pytest
from sqlalchemy import create_engine, inspect, text


@pytest.mark.parametrize("time", ["first", "second"])
def test_every_test_gets_an_empty_database_of_its_own(database_url: str, time: str) -> None:
    engine = create_engine(database_url)
    try:
        assert inspect(engine).get_table_names() == []
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE left_behind (id INTEGER)"))
    finally:
        engine.dispose()


@pytest.mark.postgres
def test_the_postgres_server_writes_to_disk_as_a_real_one_does(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    try:
        with engine.connect() as connection:
            assert connection.execute(text("SHOW fsync")).scalar_one() == "on"
    finally:
        engine.dispose()
