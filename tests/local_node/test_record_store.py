"""Storing what was read: as a whole, once, and never against what has been released."""

from datetime import date

import pytest
from sqlalchemy import func, select

from local_node import audit
from local_node.errors import RecordError
from local_node.event_counts import events_for
from local_node.imports import ImportReport
from local_node.ledger import charge_and_draw
from local_node.orm import EventRecordRow, ImportBatchRow, ReturnRecordRow
from local_node.people import PersonError
from local_node.record_store import reports_for, store
from local_node.records import EventsMapping, ReturnsMapping, parse_csv
from local_node.return_store import returns_for
from local_node.tabulation import FrequencyTable, tabulate
from shared_schema.period import parse_period
from shared_schema.service.database import Database
from tests.factories import (
    COORDINATOR,
    JANUARY,
    NOW,
    TODAY,
    add_people,
    make_events_mapping,
    make_policy,
    make_returns_file,
    make_returns_mapping,
    make_table,
    no_noise,
)

RETURNS = make_returns_mapping()
EVENTS = make_events_mapping()
TABLE = make_table()


@pytest.fixture(autouse=True)
def people(node_database: Database) -> None:
    with node_database.write() as session:
        add_people(session)


def put(
    database: Database,
    data: bytes,
    mapping: ReturnsMapping | EventsMapping = RETURNS,
    *,
    agency: str = "police",
    periods: tuple[str, ...] = (),
    person: str = COORDINATOR,
    accept_good_rows: bool = False,
) -> ImportReport:
    parsed = parse_csv(data, mapping, agency=agency, today=TODAY, periods=periods)
    with database.write() as session:
        return store(
            session,
            parsed,
            mapping,
            agency=agency,
            file_digest="ab" * 32,
            person=person,
            accept_good_rows=accept_good_rows,
            now=NOW,
        )


def put_events(database: Database, *days: str, periods: tuple[str, ...] = ("2026-01",)) -> ImportReport:
    data = "\n".join(["date,offence", *(f"{day},arson" for day in days)]).encode()
    return put(database, data, EVENTS, periods=periods)


def counted(database: Database, label: str = "2026-01") -> FrequencyTable:
    period = parse_period(label)
    with database.read() as session:
        return tabulate(reports_for(session, TABLE, period), TABLE, period, 1)


def release(database: Database, label: str = "2026-01") -> None:
    with database.write() as session:
        charge_and_draw(
            session, counted(database, label), epsilon_milli=1000, policy=make_policy(), draw=no_noise, now=NOW
        )


def rows(database: Database, table: type) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def actions(database: Database) -> list[str]:
    with database.read() as session:
        return [event.action for event in reversed(audit.list_events(session))]


# --- bad files -----------------------------------------------------------------------------------------------------

BAD = make_returns_file(m2026_01=[1] * 6) + b"2026-02,1,1,-1,1,1,1\n"


def test_nothing_of_a_file_with_a_wrong_row_is_stored(node_database: Database) -> None:
    with pytest.raises(
        RecordError, match="the first is in line 3, column demonstration: expected a whole number"
    ) as caught:
        put(node_database, BAD)
    assert caught.value.code == "bad-rows"
    assert rows(node_database, ReturnRecordRow) == rows(node_database, ImportBatchRow) == 0
    assert actions(node_database) == []


def test_the_good_rows_are_stored_when_somebody_asks_for_that(node_database: Database) -> None:
    assert put(node_database, BAD, accept_good_rows=True).added == 6
    assert rows(node_database, ReturnRecordRow) == 6


def test_somebody_unknown_imports_nothing(node_database: Database) -> None:
    with pytest.raises(PersonError):
        put(node_database, make_returns_file(m2026_01=[1] * 6), person="nobody")


# --- returns -------------------------------------------------------------------------------------------------------


def test_blank_and_zero_stay_apart_in_the_database(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[3, 0, None, 1, 0, 2]))
    with node_database.read() as session:
        values = [record.value for record in returns_for(session, TABLE, JANUARY)]
    assert values == [3, 0, None, 1, 0, 2]
    assert [(cell.status, cell.count) for cell in counted(node_database).cells][1:3] == [("A", 0), ("L", None)]


def test_the_same_file_again_changes_nothing(node_database: Database) -> None:
    data = make_returns_file(m2026_01=[3, 0, None, 1, 0, 2])
    first = put(node_database, data)
    assert (first.added, first.unchanged) == (6, 0)
    assert put(node_database, data) == ImportReport(None, 0, 0, 6, 0)
    assert rows(node_database, ImportBatchRow) == 1
    assert actions(node_database) == ["records.imported"]


def test_a_later_file_replaces_what_has_not_been_released_and_the_audit_log_says_so(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[3, 0, None, 1, 0, 2]))
    report = put(node_database, make_returns_file(m2026_01=[3, 0, 5, 1, 0, None], m2026_02=[0] * 6))
    assert (report.added, report.replaced, report.unchanged) == (6, 2, 4)
    assert [cell.count for cell in counted(node_database).cells] == [3, 0, 5, 1, 0, None]
    assert actions(node_database) == ["records.imported", "records.replaced", "records.imported"]


@pytest.mark.parametrize("value", [4, None])
def test_a_value_that_has_been_released_is_not_replaced(node_database: Database, value: int | None) -> None:
    put(node_database, make_returns_file(m2026_01=[3, 0, None, 1, 0, 2]))
    release(node_database)
    before = rows(node_database, ReturnRecordRow), actions(node_database)
    with pytest.raises(RecordError) as caught:
        put(node_database, make_returns_file(m2026_02=[1] * 6, m2026_01=[value, 0, None, 1, 0, 2]))
    assert caught.value.code == "already-released"
    assert (rows(node_database, ReturnRecordRow), actions(node_database)) == before
    assert counted(node_database).cells[0].count == 3


def test_a_month_within_a_released_quarter_counts_as_released(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[1] * 6, m2026_02=[1] * 6, m2026_03=[1] * 6))
    release(node_database, "2026-Q1")
    with pytest.raises(RecordError, match="already released"):
        put(node_database, make_returns_file(m2026_02=[2] * 6))


def test_a_file_that_repeats_released_months_and_adds_new_ones_is_taken(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[1] * 6))
    release(node_database)
    report = put(node_database, make_returns_file(m2026_01=[1] * 6, m2026_02=[2] * 6))
    assert (report.added, report.unchanged, report.late) == (6, 6, 0)


def test_another_agencys_late_return_is_kept_and_named_late(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[1] * 6))
    release(node_database)
    report = put(node_database, make_returns_file(m2026_01=[7] * 6), agency="ngo")
    assert (report.added, report.late) == (6, 6)


def test_agencies_and_tables_do_not_mix(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[1] * 6))
    put(node_database, make_returns_file(m2026_01=[2] * 6), agency="ngo")
    assert [cell.count for cell in counted(node_database).cells] == [3] * 6
    with node_database.read() as session:
        assert returns_for(session, make_table(id="bias_incidents.other"), JANUARY) == ()


# --- events --------------------------------------------------------------------------------------------------------


def test_events_count_in_their_period_and_a_period_without_events_is_zero(node_database: Database) -> None:
    report = put_events(node_database, "2026-01-05", "2026-01-05", "2026-01-31", periods=("2026-01", "2026-02"))
    assert (report.added, report.replaced) == (3, 0)
    assert [cell.count for cell in counted(node_database).cells] == [0, 3, 0, 0, 0, 0]
    assert [cell.count for cell in counted(node_database, "2026-02").cells] == [0] * 6


def test_a_period_that_no_file_covers_is_not_collected(node_database: Database) -> None:
    put_events(node_database, "2026-01-05")
    with node_database.read() as session:
        assert events_for(session, TABLE, parse_period("2026-02")) == ((), ())


def test_the_same_events_again_change_nothing_also_when_there_are_none(node_database: Database) -> None:
    assert put_events(node_database).batch is not None
    assert put_events(node_database) == ImportReport(None, 0, 0, 0, 0)
    put_events(node_database, "2026-01-05", "2026-01-06")
    assert put_events(node_database, "2026-01-06", "2026-01-05") == ImportReport(None, 0, 0, 2, 0)


def test_a_later_file_takes_the_place_of_a_whole_period(node_database: Database) -> None:
    put_events(node_database, "2026-01-05", "2026-02-01", periods=("2026-01", "2026-02"))
    report = put_events(node_database, "2026-01-07", "2026-01-08")
    assert (report.added, report.replaced) == (2, 1)
    with node_database.read() as session:
        days = session.scalars(select(EventRecordRow.recorded_on).order_by(EventRecordRow.recorded_on)).all()
    assert days == [date(2026, 1, 7), date(2026, 1, 8), date(2026, 2, 1)]
    assert actions(node_database) == ["records.imported", "records.replaced", "records.imported"]


def test_events_of_a_released_period_are_not_replaced(node_database: Database) -> None:
    put_events(node_database, "2026-01-05")
    release(node_database)
    with pytest.raises(RecordError, match="already released"):
        put_events(node_database, "2026-01-05", "2026-01-06")
    assert rows(node_database, EventRecordRow) == 1


def test_a_period_that_overlaps_another_one_is_refused(node_database: Database) -> None:
    put_events(node_database, "2026-01-05")
    with pytest.raises(RecordError, match="2026-01 as it was imported before"):
        put_events(node_database, "2026-01-05", periods=("2026-Q1",))


def test_events_without_a_tables_dimension_do_not_count_for_it(node_database: Database) -> None:
    put_events(node_database, "2026-01-05")
    with node_database.read() as session:
        assert reports_for(session, make_table(dimension="weekday", cells=["mon"]), JANUARY) == ()
