"""Who reports what: how every expected return stands, what is missing, and that zero is not a gap."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import insert, text

from local_node import audit
from local_node.duties import Duty, DutyError, Return, ReturnState, check_duty, last_periods, state_of
from local_node.duty_store import count_waiting, drop_duty, list_duties, read_returns, set_duty
from local_node.orm import ImportBatchRow, ReturnDutyRow, ReturnRecordRow, ReturnVersionRow
from local_node.record_store import store
from local_node.records import parse_csv
from local_node.return_entry import Entering, Entry, How, enter
from shared_schema.period import Granularity, parse_period
from shared_schema.service.database import Database
from shared_schema.trend import TableDefinition
from tests.factories import (
    COORDINATOR,
    NOW,
    OFFENCES,
    PARTNER,
    TODAY,
    add_people,
    make_events_mapping,
    make_policy,
    make_table,
)

TABLE = make_table()
TABLES = {TABLE.id: TABLE}
POLICY = make_policy()
DUTY = Duty("police", TABLE.id, "month", "2026-08")
OCTOBER = parse_period("2026-10")


@pytest.fixture(autouse=True)
def people(node_database: Database) -> None:
    with node_database.write() as session:
        add_people(session)


def agree(database: Database, duty: Duty = DUTY) -> None:
    with database.write() as session:
        set_duty(session, duty, TABLE, person=COORDINATOR, now=NOW)


def put(database: Database, period: str, values: Sequence[int | None], now: datetime = NOW) -> None:
    entry = Entry(TABLE, period, dict(zip(OFFENCES, values, strict=False)))
    with database.write() as session:
        enter(session, [entry], POLICY, who=Entering(PARTNER, "police", How.FORM), now=now)


def states(database: Database, today: date = TODAY, *, count: int = 4) -> dict[str, ReturnState]:
    with database.read() as session:
        return {each.period: each.state for each in read_returns(session, TABLES, today, count=count)}


# --- what cannot be agreed on --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "duty",
    [
        Duty("police", TABLE.id, "year", "2026"),
        Duty("police", TABLE.id, "month", "2026-Q1"),
        Duty("police", TABLE.id, "month", "soon"),
        Duty("police", TABLE.id, "month", "2026-08", "2026-07"),
        Duty("police", TABLE.id, "month", "2026-08", due_days=0),
        Duty("police", TABLE.id, "month", "2026-08", due_days=121),
    ],
)
def test_an_agreement_that_cannot_be_is_refused(duty: Duty) -> None:
    with pytest.raises(DutyError):
        check_duty(duty, TABLE.granularities)


def test_an_agreement_that_is_not_there_cannot_be_dropped(node_database: Database) -> None:
    with pytest.raises(DutyError), node_database.write() as session:
        drop_duty(session, "police", TABLE.id, "month", person=COORDINATOR, now=NOW)


def test_setting_an_agreement_again_changes_it(node_database: Database) -> None:
    agree(node_database)
    agree(node_database, Duty("police", TABLE.id, "month", "2026-09", due_days=20))
    with node_database.read() as session:
        (duty,) = list_duties(session)
        assert [event.action for event in audit.list_events(session)] == ["return.agreed"] * 2
    assert (duty.first, duty.due_days) == ("2026-09", 20)


# --- how returns stand ---------------------------------------------------------------------------------------------


def test_what_was_never_expected_is_not_missing(node_database: Database) -> None:
    assert states(node_database) == {}


def test_a_return_runs_is_due_and_is_missing_in_turn(node_database: Database) -> None:
    agree(node_database)
    assert states(node_database) == {
        "2026-11": ReturnState.RUNNING,
        "2026-10": ReturnState.MISSING,
        "2026-09": ReturnState.MISSING,
        "2026-08": ReturnState.MISSING,
    }
    assert states(node_database, date(2026, 11, 15))["2026-10"] is ReturnState.DUE
    assert states(node_database, date(2026, 11, 16))["2026-10"] is ReturnState.MISSING


def test_zero_is_a_figure_nothing_collected_is_a_word_and_an_empty_cell_is_missing(node_database: Database) -> None:
    agree(node_database)
    put(node_database, "2026-08", [0] * 6, datetime(2026, 9, 3, tzinfo=UTC))
    put(node_database, "2026-09", [None] * 6)
    put(node_database, "2026-10", [1, 2, 3])
    assert states(node_database) == {
        "2026-11": ReturnState.RUNNING,
        "2026-10": ReturnState.MISSING,
        "2026-09": ReturnState.NOT_COLLECTED,
        "2026-08": ReturnState.COMPLETE,
    }
    with node_database.read() as session:
        october = read_returns(session, TABLES, TODAY)[1]
    assert (october.here, october.cells) == (3, 6)


def test_a_return_that_came_after_its_day_is_late_for_ever(node_database: Database) -> None:
    agree(node_database)
    put(node_database, "2026-09", [1] * 6)
    assert states(node_database)["2026-09"] is ReturnState.LATE


def test_a_correction_does_not_make_a_return_late(node_database: Database) -> None:
    agree(node_database)
    put(node_database, "2026-09", [1] * 6, datetime(2026, 10, 2, tzinfo=UTC))
    put(node_database, "2026-09", [2] * 6)
    assert states(node_database)["2026-09"] is ReturnState.COMPLETE


def test_events_that_an_agency_has_handed_in_are_its_return(node_database: Database) -> None:
    agree(node_database)
    mapping = make_events_mapping()
    parsed = parse_csv(b"date,offence\n", mapping, agency="police", today=TODAY, periods=("2026-09",))
    with node_database.write() as session:
        store(session, parsed, mapping, agency="police", file_digest="ab" * 32, person=COORDINATOR, now=NOW)
    assert states(node_database)["2026-09"] is ReturnState.COMPLETE


def test_an_ended_agreement_expects_no_more(node_database: Database) -> None:
    agree(node_database, Duty("police", TABLE.id, "month", "2026-08", "2026-09"))
    assert list(states(node_database)) == ["2026-09", "2026-08"]


def test_what_waits_begins_with_the_oldest(node_database: Database) -> None:
    agree(node_database)
    with node_database.read() as session:
        waiting = count_waiting(read_returns(session, TABLES, date(2026, 11, 10)))
    assert (waiting.due, waiting.missing) == (1, 2)
    assert waiting.next_due is not None and waiting.next_due.period == "2026-08"


@pytest.mark.parametrize(
    ("granularity", "labels"),
    [
        ("month", ["2026-02", "2026-01", "2025-12"]),
        ("quarter", ["2026-Q1", "2025-Q4", "2025-Q3"]),
        ("year", ["2026", "2025", "2024"]),
    ],
)
def test_the_last_periods_cross_the_year(granularity: Granularity, labels: list[str]) -> None:
    assert [period.label for period in last_periods(granularity, date(2026, 2, 3), 3)] == labels


@pytest.mark.parametrize("here", [0, 5])
def test_an_incomplete_return_is_never_complete(here: int) -> None:
    due = date(2026, 11, 15)
    assert state_of(Return(here, here), 6, OCTOBER, due, TODAY) is ReturnState.MISSING


# --- size ----------------------------------------------------------------------------------------------------------


def fill(database: Database, agencies: int, months: int, table: TableDefinition) -> None:
    """Complete returns of many agencies, put in at once."""
    labels = [period.label for period in last_periods("month", TODAY, months)]
    names = [f"agency-{number}" for number in range(agencies)]
    with database.write() as session:
        session.add(
            ImportBatchRow(
                id=1, file_digest="ab" * 32, measure=table.measure, agency="all", source_kind="agency_return",
                imported_at=NOW, imported_by=COORDINATOR, rows=0,
            )
        )  # fmt: skip
        session.flush()
        cells = [
            {"batch_id": 1, "table_id": table.id, "agency": name, "period": label, "cell": cell, "value": 0}
            for name in names
            for label in labels
            for cell in table.cells
        ]
        session.execute(insert(ReturnRecordRow), cells)
        session.execute(insert(ReturnVersionRow), [each | {"status": "A", "at": NOW} for each in cells])
        duties = [
            {"agency": name, "table_id": table.id, "granularity": "month", "first_period": labels[-1], "due_days": 15}
            for name in names
        ]
        session.execute(insert(ReturnDutyRow), [each | {"set_by": COORDINATOR, "set_at": NOW} for each in duties])


def test_the_overview_reads_the_last_periods_from_an_index_and_no_record(node_database: Database) -> None:
    fill(node_database, 6, 36, TABLE)
    with node_database.read() as session:
        assert len(read_returns(session, TABLES, TODAY, count=12)) == 72
        plan = "\n".join(
            str(row)
            for table in ("return_records", "return_versions")
            for row in session.execute(
                text(
                    f"EXPLAIN QUERY PLAN SELECT agency, table_id, period, count(*) FROM {table} "
                    "WHERE period IN ('2026-10', '2026-11') GROUP BY period, agency, table_id"
                )
            )
        )
    assert plan.count("SEARCH") == plan.count("COVERING INDEX") == 2
    assert "TEMP B-TREE" not in plan
