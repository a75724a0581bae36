"""Ways to get one record into two releases: each of them is refused, or ends with the record in one."""

import pytest

from local_node.errors import RecordError
from local_node.imports import ImportReport
from local_node.ledger import charge_and_draw
from local_node.record_store import store
from local_node.records import parse_csv
from local_node.resumed import note_resumed
from local_node.whole_periods import left_out
from shared_schema.period import parse_period
from shared_schema.service.database import Database
from tests.factories import (
    COORDINATOR,
    NOW,
    TODAY,
    add_people,
    make_events_mapping,
    make_frequency_table,
    make_policy,
    make_returns_file,
    no_noise,
)
from tests.import_desk import POLICY, TABLE, pending, put, release, values


@pytest.fixture(autouse=True)
def people(request: pytest.FixtureRequest) -> None:
    if "node_database" in request.fixturenames:
        with request.getfixturevalue("node_database").write() as session:
            add_people(session)


# --- returns -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first, second", [("m2026_02", "m2026_Q1"), ("m2026_Q1", "m2026_02")])
def test_a_return_of_a_period_within_another_one_is_refused(node_database: Database, first: str, second: str) -> None:
    put(node_database, make_returns_file(**{first: [1] * 6}))
    release(node_database, first[1:].replace("_", "-"))
    with pytest.raises(RecordError, match=r"expected the period .* as it was imported before") as caught:
        put(node_database, make_returns_file(**{second: [1] * 6}))
    assert caught.value.code == "periods"
    put(node_database, make_returns_file(m2026_04=[2] * 6))
    assert values(node_database, "2026-04") == [2] * 6


def test_one_file_with_a_quarter_and_its_month_is_refused(node_database: Database) -> None:
    with pytest.raises(RecordError, match="as it was imported before"):
        put(node_database, make_returns_file(m2026_01=[1] * 6, m2026_Q1=[1] * 6))


def test_months_that_were_blanked_make_room_for_their_quarter(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[1] * 6))
    put(node_database, make_returns_file(m2026_01=[None] * 6))
    put(node_database, make_returns_file(m2026_Q1=[4] * 6))
    assert values(node_database, "2026-Q1") == [4] * 6


def test_a_figure_that_a_correction_took_back_does_not_come_late(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[3] * 6, m2026_02=[0] * 6))
    release(node_database, "2026-01")
    put(node_database, make_returns_file(m2026_01=[None, 3, 3, 3, 3, 3]), correction=True)
    with pytest.raises(RecordError, match="--correction"):
        put(node_database, make_returns_file(m2026_01=[3] * 6))
    report = put(node_database, make_returns_file(m2026_01=[3] * 6), correction=True)
    assert (report.late, report.corrected) == (0, 1)
    assert pending(node_database) == {"assault": 0}
    assert values(node_database, "2026-02") == [0] * 6


def test_a_blank_is_no_figure_that_a_correction_took_back(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_02=[None] * 6))
    put(node_database, make_returns_file(m2026_03=[0] * 6), agency="youth")
    put(node_database, make_returns_file(m2026_02=[0] * 6), agency="youth")
    release(node_database, "2026-01", [0] * 6)
    put(node_database, make_returns_file(m2026_01=[3] * 6))
    release(node_database, "2026-02")
    put(node_database, make_returns_file(m2026_01=[1] * 6), correction=True)
    assert pending(node_database, "2026-02") == dict.fromkeys(TABLE.cells, -2)
    report = put(node_database, make_returns_file(m2026_02=[5] * 6))
    assert (report.late_in, report.corrected) == (("2026-03",), 0)
    assert values(node_database, "2026-03") == [5] * 6


def test_a_change_of_what_no_release_had_in_it_comes_late_and_corrects_nothing(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[1] * 6, m2026_03=[1] * 6))
    put(node_database, make_returns_file(m2026_Q1=[7] * 6), agency="youth")
    release(node_database, "2026-Q1")
    assert values(node_database, "2026-Q1") == [7] * 6
    report = put(node_database, make_returns_file(m2026_01=[4] * 6))
    assert (report.late_in, report.corrected) == (("2026-04",), 0)
    assert pending(node_database, "2026-Q1") == {}
    put(node_database, make_returns_file(m2026_04=[0] * 6), agency="youth")
    assert values(node_database, "2026-04") == [4] * 6


def test_a_month_is_still_in_its_quarter_when_another_one_was_taken_back(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[1] * 6, m2026_02=[2] * 6, m2026_03=[3] * 6))
    release(node_database, "2026-Q1")
    put(node_database, make_returns_file(m2026_02=[None] * 6), correction=True)
    put(node_database, make_returns_file(m2026_01=[5] * 6), correction=True)
    assert pending(node_database, "2026-Q1") == dict.fromkeys(TABLE.cells, 2)


def test_events_of_a_part_of_a_released_quarter_correct_nothing(node_database: Database) -> None:
    put(node_database, b"date,offence\n2026-01-05,arson\n", make_events_mapping(), "2026-01")
    put(node_database, make_returns_file(m2026_Q1=[7] * 6), agency="youth")
    release(node_database, "2026-Q1")
    put(node_database, b"date,offence\n", make_events_mapping(), "2026-01", correction=True)
    assert pending(node_database, "2026-Q1") == {}


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("2026-01", [("youth", "2026-Q1")]),
        ("2026-Q1", [("events", "2026-02"), ("police", "2026-01"), ("police", "2026-03")]),
        ("2026-Q2", []),
    ],
)
def test_reports_that_do_not_fill_a_period_are_left_out_of_it(
    node_database: Database, label: str, told: list[tuple[str, str]]
) -> None:
    put(node_database, make_returns_file(m2026_01=[1] * 6, m2026_03=[1] * 6))
    put(node_database, make_returns_file(m2026_Q1=[7] * 6, m2026_Q2=[7] * 6), agency="youth")
    put(node_database, b"date,offence\n2026-02-05,arson\n", make_events_mapping(), "2026-02", agency="events")
    with node_database.read() as session:
        found = left_out(session, TABLE, parse_period(label), make_policy([TABLE]))
    assert found == told


# --- returns beside events -----------------------------------------------------------------------------------------


def test_a_return_of_what_was_imported_as_events_is_refused(node_database: Database) -> None:
    put(node_database, b"date,offence\n2026-01-05,arson\n", make_events_mapping(), "2026-01")
    release(node_database, "2026-01")
    with pytest.raises(RecordError, match="as events") as caught:
        put(node_database, make_returns_file(m2026_01=[0, 1, 0, 0, 0, 0]))
    assert caught.value.code == "reported-twice"


def test_events_of_what_was_imported_as_a_return_are_refused(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[0, 1, 0, 0, 0, 0]))
    release(node_database, "2026-01")
    with pytest.raises(RecordError, match="as a return") as caught:
        put(node_database, b"date,offence\n2026-01-05,arson\n", make_events_mapping(), "2026-01")
    assert caught.value.code == "reported-twice"


def test_events_by_another_dimension_may_stand_beside_a_return(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[0, 1, 0, 0, 0, 0]))
    weekday = make_events_mapping(dimensions={"weekday": {"column": "weekday"}})
    put(node_database, b"date,weekday\n2026-01-05,mon\n", weekday, "2026-01")
    assert values(node_database, "2026-01") == [0, 1, 0, 0, 0, 0]


# --- after a restore -----------------------------------------------------------------------------------------------


def bring_back(database: Database, label: str, counts: list[int]) -> None:
    """A release that was made after the copy of this database, as `ledger resume` leaves it."""
    table = make_frequency_table(counts, period=parse_period(label))
    with database.write() as session:
        stored = charge_and_draw(session, table, epsilon_milli=1000, policy=POLICY, draw=no_noise, now=NOW)
        note_resumed(session, stored.seq, stored.seq, restored=1, lost=0, now=NOW)


def test_older_events_in_the_copy_are_no_base_for_a_correction(node_database: Database) -> None:
    older = b"date,offence\n2026-01-05,arson\n"
    put(node_database, older, make_events_mapping(), "2026-01")
    bring_back(node_database, "2026-01", [0, 2, 0, 0, 0, 0])
    newer = older + b"2026-01-25,arson\n"
    report = put(node_database, newer, make_events_mapping(), "2026-01")
    assert (report.late, report.as_released, report.corrected) == (0, 2, 0)
    assert pending(node_database) == {}
    with pytest.raises(RecordError, match="--correction"):
        put(node_database, older, make_events_mapping(), "2026-01")
    put(node_database, older, make_events_mapping(), "2026-01", correction=True)
    assert pending(node_database) == {"arson": -1}


def put_person(database: Database, label: str) -> ImportReport:
    mapping = make_events_mapping(unit_column="file")
    data = f"date,offence,file\n{label}-05,arson,A7\n".encode()
    parsed = parse_csv(
        data, mapping, agency="police", today=TODAY, periods=(label,), hash_unit=lambda text: text.ljust(64, "0")
    )
    with database.write() as session:
        return store(
            session, parsed, mapping, agency="police", file_digest="ab" * 32, person=COORDINATOR, unit="person", now=NOW
        )


@pytest.mark.parametrize("order", [("2026-01", "2026-02"), ("2026-02", "2026-01")])
def test_a_person_in_a_release_that_was_brought_back_counts_in_no_other_month(
    node_database: Database, order: tuple[str, str]
) -> None:
    bring_back(node_database, "2026-01", [0, 1, 0, 0, 0, 0])
    for label in order:
        put_person(node_database, label)
    assert values(node_database, "2026-01") == [0, 1, 0, 0, 0, 0]
    assert values(node_database, "2026-02") == [0] * 6
