"""A person counts once per measure in twelve months: the program looks first, and the database guarantees it."""

import threading
from collections.abc import Sequence
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, text
from sqlalchemy.exc import IntegrityError

from local_node.errors import RecordError, TabulationError
from local_node.imports import ImportReport, Unit
from local_node.ledger import charge_and_draw
from local_node.orm import CollectedPeriodRow, CountedUnitRow, EventRecordRow, ImportBatchRow
from local_node.record_store import reports_for, store
from local_node.records import parse_csv
from local_node.tabulation import tabulate
from local_node.units import hash_unit
from shared_schema.period import parse_period
from shared_schema.service.database import Database
from tests.factories import COORDINATOR, NOW, TODAY, add_people, make_events_mapping, make_policy, make_table, no_noise

PERSONS = make_table(unit="person")
POLICY = make_policy([PERSONS])
MAPPING = make_events_mapping(unit_column="file")
KEY = bytes(32)
Event = tuple[str, str, str]
"""Day, offence, file reference."""


@pytest.fixture(autouse=True)
def people(node_database: Database) -> None:
    with node_database.write() as session:
        add_people(session)


def put(
    database: Database,
    events: Sequence[Event],
    *periods: str,
    unit: Unit = "person",
    agency: str = "police",
    correction: bool = False,
) -> ImportReport:
    data = "\n".join(["date,offence,file", *(",".join(event) for event in events)]).encode()
    parsed = parse_csv(
        data,
        MAPPING,
        agency=agency,
        today=TODAY,
        periods=periods,
        hash_unit=lambda reference: hash_unit(KEY, MAPPING.measure, agency, reference),
    )
    with database.write() as session:
        return store(
            session,
            parsed,
            MAPPING,
            agency=agency,
            file_digest="ab" * 32,
            person=COORDINATOR,
            correction=correction,
            tables=POLICY.tables,
            unit=unit,
            now=NOW,
        )


def counts(database: Database, label: str) -> dict[str, int | None]:
    """The cells of a month that are not zero."""
    period = parse_period(label)
    with database.read() as session:
        table = tabulate(reports_for(session, PERSONS, period), PERSONS, period, 1)
    return {cell.code: cell.count for cell in table.cells if cell.count}


def release(database: Database, label: str) -> None:
    period = parse_period(label)
    with database.write() as session:
        table = tabulate(reports_for(session, PERSONS, period), PERSONS, period, 1)
        charge_and_draw(session, table, epsilon_milli=1000, policy=POLICY, draw=no_noise, now=NOW)


# --- the guarantee of the database ---------------------------------------------------------------------------------


def insert_unit(database: Database, month: int, unit: str = "h") -> None:
    with database.write() as session:
        session.execute(
            text("INSERT INTO counted_units (measure, unit_hash, month) VALUES ('m', :unit, :month)"),
            {"unit": unit, "month": month},
        )


@pytest.mark.parametrize("month", [89, 100, 111])
def test_the_database_refuses_a_second_count_within_twelve_months(node_database: Database, month: int) -> None:
    insert_unit(node_database, 100)
    with pytest.raises(IntegrityError, match="once in twelve months"):
        insert_unit(node_database, month)


def test_a_year_before_and_a_year_after_are_another_count(node_database: Database) -> None:
    for month in (100, 88, 112):
        insert_unit(node_database, month)


def test_the_database_refuses_to_move_a_count_next_to_another(node_database: Database) -> None:
    insert_unit(node_database, 100)
    insert_unit(node_database, 112)
    with pytest.raises(IntegrityError), node_database.write() as session:
        session.execute(text("UPDATE counted_units SET month = 111 WHERE month = 112"))


def test_of_two_threads_one_counts_a_person(node_database: Database) -> None:
    barrier, refused = threading.Barrier(2), []

    def count(month: int) -> None:
        barrier.wait()
        try:
            insert_unit(node_database, month)
        except IntegrityError:
            refused.append(month)

    threads = [threading.Thread(target=count, args=(month,)) for month in (100, 105)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with node_database.read() as session:
        assert session.scalar(select(func.count()).select_from(CountedUnitRow)) == len(refused) == 1


# --- what cannot be counted ----------------------------------------------------------------------------------------


def test_a_reference_is_needed_in_every_row_and_is_repeated_nowhere() -> None:
    rows = f"date,offence,file\n2026-01-05,arson,\n2026-01-05,arson,{'Kevin' * 60}\n"
    parsed = parse_csv(rows.encode(), MAPPING, agency="police", today=TODAY, periods=("2026-01",), hash_unit=str)
    assert [(error.line, error.column) for error in parsed.errors] == [(2, "file"), (3, "file")]
    assert "Kevin" not in repr(parsed)


def test_references_are_not_read_without_a_key() -> None:
    with pytest.raises(RecordError, match="expected a key"):
        parse_csv(b"date,offence,file\n", MAPPING, agency="police", today=TODAY, periods=("2026-01",))


def test_persons_cannot_be_counted_without_references(node_database: Database) -> None:
    plain = make_events_mapping()
    parsed = parse_csv(b"date,offence\n2026-01-05,arson\n", plain, agency="police", today=TODAY, periods=("2026-01",))
    with node_database.write() as session:
        store(session, parsed, plain, agency="police", file_digest="ab" * 32, person=COORDINATOR, now=NOW)
    with pytest.raises(TabulationError, match="name its column as unit_column"):
        counts(node_database, "2026-01")


def test_records_of_a_measure_that_counts_persons_now_have_to_be_imported_again(node_database: Database) -> None:
    events = [("2026-01-05", "arson", "A1"), ("2026-01-06", "arson", "A1")]
    put(node_database, events, "2026-01", unit="record")
    with pytest.raises(TabulationError, match="import the period again"):
        counts(node_database, "2026-01")
    assert put(node_database, events, "2026-01").replaced == 2
    assert counts(node_database, "2026-01") == {"arson": 1}


# --- who counts ----------------------------------------------------------------------------------------------------


def test_the_reference_is_stored_nowhere(node_database: Database) -> None:
    put(node_database, [("2026-01-05", "arson", "KEVIN-17")], "2026-01")
    with node_database.read() as session:
        names = session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table'")).all()
        stored = repr([session.execute(text(f"SELECT * FROM {name}")).all() for name in names])
    assert "arson" in stored
    assert "KEVIN" not in stored


def test_a_person_counts_with_its_first_event_and_once_in_twelve_months(node_database: Database) -> None:
    events = [("2026-01-06", "attack", "A1"), ("2026-01-05", "arson", "A1"), ("2026-01-07", "arson", "B2")]
    put(node_database, events, "2026-01")
    put(node_database, [("2026-02-01", "arson", "A1"), ("2026-02-01", "attack", "C3")], "2026-02")
    assert counts(node_database, "2026-01") == {"arson": 2}
    assert counts(node_database, "2026-02") == {"attack": 1}


def test_a_person_that_was_counted_later_does_not_count_in_an_earlier_month(node_database: Database) -> None:
    put(node_database, [("2026-03-01", "arson", "A1")], "2026-03")
    put(node_database, [("2026-01-01", "arson", "A1")], "2026-01")
    assert counts(node_database, "2026-01") == {}


def test_a_person_counts_again_after_twelve_months(node_database: Database) -> None:
    put(node_database, [("2025-01-31", "arson", "A1"), ("2026-01-01", "arson", "A1")], "2025-01", "2026-01")
    assert counts(node_database, "2025-01") == counts(node_database, "2026-01") == {"arson": 1}


def test_two_agencies_do_not_know_of_each_others_persons(node_database: Database) -> None:
    put(node_database, [("2026-01-01", "arson", "A1")], "2026-01")
    put(node_database, [("2026-01-01", "arson", "A1")], "2026-01", agency="ngo")
    assert counts(node_database, "2026-01") == {"arson": 2}


def test_with_the_record_as_unit_every_record_counts_and_its_hash_is_kept(node_database: Database) -> None:
    put(node_database, [("2026-01-05", "arson", "A1"), ("2026-01-06", "arson", "A1")], "2026-01", unit="record")
    with node_database.read() as session:
        rows = session.execute(select(EventRecordRow.counts, EventRecordRow.unit_hash)).all()
    assert [row.counts for row in rows] == [True, True]
    assert {row.unit_hash for row in rows} == {"record:" + hash_unit(KEY, "bias_incidents", "police", "A1")}


def test_a_period_that_is_imported_again_frees_its_persons_and_counts_anew(node_database: Database) -> None:
    put(node_database, [("2026-01-05", "arson", "A1")], "2026-01")
    put(node_database, [("2026-02-05", "attack", "A1")], "2026-02")
    put(node_database, [("2026-01-05", "arson", "B2")], "2026-01")
    assert counts(node_database, "2026-01") == {"arson": 1}
    assert counts(node_database, "2026-02") == {"attack": 1}  # A1 counts nowhere else now


def test_a_late_event_counts_its_person_in_the_month_it_counts_in(node_database: Database) -> None:
    put(node_database, [], "2026-01")
    release(node_database, "2026-01")
    report = put(node_database, [("2026-01-05", "arson", "A1")], "2026-01", agency="ngo")
    assert (report.late, report.late_in) == (1, ("2026-02",))
    put(node_database, [], "2026-02")
    assert counts(node_database, "2026-02") == {"arson": 1}
    with node_database.read() as session:
        assert session.scalars(select(CountedUnitRow.month)).all() == [2026 * 12 + 1]


def test_a_person_whose_figure_is_out_is_not_freed_by_a_correction(node_database: Database) -> None:
    put(node_database, [("2026-01-05", "arson", "A1")], "2026-01")
    release(node_database, "2026-01")
    report = put(node_database, [("2026-01-05", "attack", "B2")], "2026-01", correction=True)
    assert report.corrected == 2
    put(node_database, [("2026-02-05", "arson", "A1"), ("2026-02-05", "arson", "B2")], "2026-02")
    assert counts(node_database, "2026-02") == {}


rows = st.tuples(
    st.dates(date(2024, 1, 1), date(2026, 10, 31)).map(str),
    st.sampled_from(("arson", "attack")),
    st.sampled_from("ABC"),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, max_size=15), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(node_database: Database, events: list[Event], random: object) -> None:
    outcomes = []
    for order in (events, random.sample(events, len(events))):  # type: ignore[attr-defined]
        put(node_database, order, "2024", "2025", "2026")
        with node_database.write() as session:
            query = select(EventRecordRow.recorded_on, EventRecordRow.dims, EventRecordRow.unit_hash)
            outcomes.append(sorted(map(tuple, session.execute(query.where(EventRecordRow.counts)))))
            for table in (EventRecordRow, CountedUnitRow, CollectedPeriodRow, ImportBatchRow):
                session.execute(delete(table))
    assert outcomes[0] == outcomes[1]
