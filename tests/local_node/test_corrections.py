"""What comes after a release: late records count in the first open period, and differences wait for a correction."""

import pytest
from sqlalchemy import func, select

from local_node.corrections import mark_corrected
from local_node.errors import RecordError
from local_node.imports import ImportReport
from local_node.orm import CorrectionRecordRow, EventRecordRow
from shared_schema.service.database import Database
from tests.factories import (
    JANUARY,
    add_people,
    make_events_mapping,
    make_returns_file,
    make_returns_mapping,
)
from tests.import_desk import TABLE, counted, pending, put, release, values

EVENTS = make_events_mapping()


@pytest.fixture(autouse=True)
def people(node_database: Database) -> None:
    with node_database.write() as session:
        add_people(session)


def put_events(
    database: Database, *events: str, period: str = "2026-01", agency: str = "police", correction: bool = False
) -> ImportReport:
    data = "\n".join(["date,offence", *events]).encode()
    return put(database, data, EVENTS, period, agency=agency, correction=correction)


# --- refused -------------------------------------------------------------------------------------------------------


def test_the_refusal_says_that_there_are_corrections(node_database: Database) -> None:
    put_events(node_database, "2026-01-05,arson")
    release(node_database, "2026-01")
    with pytest.raises(RecordError, match="--correction") as caught:
        put_events(node_database, "2026-01-05,attack")
    assert caught.value.code == "already-released"
    assert pending(node_database) == {}


def test_a_correction_into_another_code_than_the_grids_is_refused(node_database: Database) -> None:
    put_events(node_database, "2026-01-05,arson")
    release(node_database, "2026-01")
    with pytest.raises(RecordError, match="expected events in the cells"):
        put_events(node_database, "2026-01-05,elsewhere", correction=True)
    with node_database.read() as session:
        assert session.scalar(select(func.count()).select_from(EventRecordRow)) == 1


# --- corrections ---------------------------------------------------------------------------------------------------


def test_a_corrected_return_keeps_the_difference(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[3, 0, 5, 1, 0, 2]))
    release(node_database, "2026-01")
    report = put(node_database, make_returns_file(m2026_01=[1, 0, 5, 1, 4, None]), correction=True)
    assert (report.replaced, report.corrected, report.late) == (3, 3, 0)
    assert pending(node_database) == {"assault": -2, "unconfirmed": 4, "other": -2}


def test_corrected_events_keep_the_difference_of_every_released_cell(node_database: Database) -> None:
    put_events(node_database, "2026-01-05,arson", "2026-01-06,arson")
    release(node_database, "2026-01")
    report = put_events(node_database, "2026-01-05,arson", "2026-01-06,attack", "2026-01-07,attack", correction=True)
    assert (report.corrected, report.late) == (2, 0)
    assert pending(node_database) == {"arson": -1, "attack": 2}
    assert pending(node_database, "2026-Q1") == {}


def test_a_period_that_is_not_released_needs_no_correction(node_database: Database) -> None:
    put_events(node_database, "2026-01-05,arson")
    assert put_events(node_database, "2026-01-05,attack", correction=True).corrected == 0
    assert pending(node_database) == {}


def test_what_was_released_as_a_correction_waits_no_longer(node_database: Database) -> None:
    put_events(node_database, "2026-01-05,arson")
    release(node_database, "2026-01")
    put_events(node_database, "2026-01-05,attack", correction=True)
    with node_database.write() as session:
        mark_corrected(session, TABLE, JANUARY, 2)
    assert pending(node_database) == {}
    put_events(node_database, "2026-01-05,other", correction=True)
    assert pending(node_database) == {"attack": -1, "other": 1}
    with node_database.read() as session:
        numbers = session.scalars(select(CorrectionRecordRow.ledger_seq).order_by(CorrectionRecordRow.id)).all()
    assert numbers == [2, 2, None, None]


def test_a_correction_within_a_released_quarter_belongs_to_the_quarter(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[1] * 6, m2026_02=[1] * 6, m2026_03=[1] * 6))
    release(node_database, "2026-Q1")
    put(node_database, make_returns_file(m2026_02=[2, 1, 1, 1, 1, 1]), correction=True)
    assert pending(node_database, "2026-Q1") == {"assault": 1}
    assert pending(node_database, "2026-02") == {}


# --- late records --------------------------------------------------------------------------------------------------


def test_late_returns_count_in_the_first_month_that_is_open(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[1] * 6, m2026_02=[1] * 6))
    release(node_database, "2026-01")
    release(node_database, "2026-02")
    report = put(node_database, make_returns_file(m2026_01=[7] * 6), agency="ngo")
    assert (report.late, report.late_in) == (6, ("2026-03",))
    put(node_database, make_returns_file(m2026_03=[1] * 6))
    assert values(node_database, "2026-03") == [8] * 6
    coverage = counted(node_database, "2026-03", expected=2).coverage
    assert (coverage.reporting, coverage.expected) == (1, 2)


def test_after_a_released_quarter_late_records_count_in_the_month_after_it(node_database: Database) -> None:
    put_events(node_database, "2026-02-01,arson", period="2026-Q1")
    release(node_database, "2026-Q1")
    report = put_events(node_database, "2026-01-05,arson", "2026-03-05,attack", period="2026-Q1", agency="ngo")
    assert (report.late, report.late_in) == (2, ("2026-04",))
    put_events(node_database, "2026-04-01,arson", period="2026-04", agency="ngo")
    assert values(node_database, "2026-04") == [0, 2, 0, 1, 0, 0]


def test_a_cell_that_was_not_collected_in_a_released_period_comes_late_and_is_no_correction(
    node_database: Database,
) -> None:
    put(node_database, make_returns_file(m2026_01=[3, 0, None, 1, 0, 2], m2026_02=[0] * 6))
    release(node_database, "2026-01")
    report = put(node_database, make_returns_file(m2026_01=[3, 0, 5, 1, 0, 2]), correction=True)
    assert (report.late, report.late_in, report.corrected) == (1, ("2026-02",), 0)
    assert pending(node_database) == {}
    assert values(node_database, "2026-02") == [0, 0, 5, 0, 0, 0]


def test_late_events_may_be_replaced_until_the_period_they_count_in_is_released(node_database: Database) -> None:
    put_events(node_database)
    put_events(node_database, period="2026-02")
    release(node_database, "2026-01")
    put_events(node_database, "2026-01-05,arson", agency="ngo")
    report = put_events(node_database, "2026-01-05,arson", "2026-01-06,arson", agency="ngo")
    assert (report.replaced, report.late, report.late_in) == (1, 2, ("2026-02",))
    release(node_database, "2026-02")
    assert values(node_database, "2026-02") == [0, 2, 0, 0, 0, 0]
    with pytest.raises(RecordError, match="already released"):
        put_events(node_database, "2026-01-05,arson", agency="ngo")
    put_events(node_database, "2026-01-05,arson", agency="ngo", correction=True)
    assert pending(node_database, "2026-02") == {"arson": -1}
    assert pending(node_database, "2026-01") == {}


def test_the_zeros_of_a_late_period_are_no_report_of_a_release_to_come(node_database: Database) -> None:
    put_events(node_database)
    release(node_database, "2026-01")
    put_events(node_database, "2026-01-05,arson", agency="ngo")
    assert values(node_database, "2026-01") == [0] * 6
    assert counted(node_database, "2026-01", expected=2).coverage.reporting == 1


# --- statuses ------------------------------------------------------------------------------------------------------


def test_a_break_and_another_definition_stay_apart_from_the_import_to_the_table(node_database: Database) -> None:
    broken = make_returns_mapping(break_from="2026-02")
    put(node_database, make_returns_file(m2026_01=[1] * 6, m2026_02=[1, 1, None, 1, 1, 1]), broken)
    assert {cell.status for cell in counted(node_database, "2026-01").cells} == {"A"}
    assert [cell.status for cell in counted(node_database, "2026-02").cells] == ["B", "B", "L", "B", "B", "B"]
    put(node_database, b"date,offence\n", make_events_mapping(definition_differs=True), "2026-02", agency="ngo")
    assert {cell.status for cell in counted(node_database, "2026-02").cells} == {"D"}


def test_the_same_figures_with_another_status_replace_the_old_ones(node_database: Database) -> None:
    put_events(node_database, "2026-01-05,arson")
    data = b"date,offence\n2026-01-05,arson\n"
    assert put(node_database, data, make_events_mapping(break_from="2026-01"), "2026-01").replaced == 1
    assert {cell.status for cell in counted(node_database, "2026-01").cells} == {"B"}
