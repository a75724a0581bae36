"""How returns stand is remembered: not for another database, agency, day or policy, and not after a change."""

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from local_node.duties import Duty, Expected
from local_node.duty_store import set_duty
from local_node.web.reporting import Rules, known_returns
from shared_schema.service.database import Database, upgrade_schema
from tests.factories import COORDINATOR, NOW, TODAY, add_people, make_table

TABLE = make_table()
RULES = Rules(None, {TABLE.id: TABLE}, "aa" * 32)


@pytest.fixture
def other_database(tmp_path: Path, empty_database: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{shutil.copy(empty_database, tmp_path / 'other.db')}")
    upgrade_schema(database, "local_node.migrations")
    yield database
    database.close()


def agree(database: Database, agency: str = "police") -> None:
    with database.write() as session:
        add_people(session)
        set_duty(session, Duty(agency, TABLE.id, "month", "2026-08"), TABLE, person=COORDINATOR, now=NOW)


def known(
    database: Database, rules: Rules = RULES, today: date = TODAY, agency: str | None = None, count: int = 4
) -> tuple[Expected, ...]:
    with database.read() as session:
        return known_returns(session, rules, today, count=count, agency=agency)


def test_nothing_is_remembered_beyond_a_change(node_database: Database) -> None:
    agree(node_database)
    assert {each.duty.agency for each in known(node_database)} == {"police"}
    with node_database.write() as session:
        set_duty(session, Duty("youth", TABLE.id, "month", "2026-08"), TABLE, person=COORDINATOR, now=NOW)
    assert {each.duty.agency for each in known(node_database)} == {"police", "youth"}


def test_an_agency_is_never_told_of_another_one(node_database: Database) -> None:
    agree(node_database)
    assert known(node_database, agency="police")
    assert known(node_database, agency="youth") == ()
    assert known(node_database, agency="") == ()


def test_another_day_another_policy_and_more_periods_are_read_anew(node_database: Database) -> None:
    agree(node_database)
    first = known(node_database)
    assert known(node_database, today=TODAY + timedelta(days=62)) != first
    assert known(node_database, Rules(None, {}, "bb" * 32)) == ()
    assert len(known(node_database, count=2)) < len(first)


def test_another_database_has_its_own(node_database: Database, other_database: Database) -> None:
    agree(node_database)
    agree(other_database, "youth")
    assert {each.duty.agency for each in known(node_database)} == {"police"}
    assert {each.duty.agency for each in known(other_database)} == {"youth"}


def test_what_nobody_changed_is_not_read_again(node_database: Database) -> None:
    agree(node_database)
    assert known(node_database) is known(node_database)
