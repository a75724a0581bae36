"""The city's own figures: true counts where they belong, a gap where nobody counted, and never what was not signed."""

from datetime import date

import pytest
from sqlalchemy import update

from local_node import ledger
from local_node.orm import ReleaseRequestRow
from local_node.own_figures import OwnCell, count_own
from local_node.record_store import store
from local_node.records import parse_csv
from local_node.released_figures import ReleasedFigure, read_released
from local_node.review import RequestState
from local_node.tabulation import FrequencyTable
from shared_schema.period import Granularity, parse_period
from shared_schema.service.database import Database
from tests import factories
from tests.factories import COORDINATOR, NOW, add_people, add_returns, make_events_mapping, make_policy, make_table

TABLE = make_table()
FIRST, LAST = "2025-01-01", "2026-12-31"


@pytest.fixture
def database(node_database: Database) -> Database:
    with node_database.write() as session:
        add_people(session)
    return node_database


def put(database: Database, agency: str = "police", **months: list[int | None]) -> None:
    with database.write() as session:
        add_returns(session, factories.make_returns_file(**months), agency=agency)


def own(database: Database, granularity: Granularity = "month") -> dict[tuple[str, str], OwnCell]:
    with database.read() as session:
        return dict(count_own(session, TABLE, granularity, FIRST, LAST).cells)


def test_what_was_not_collected_is_no_zero_and_a_zero_is_one(database: Database) -> None:
    put(database, m2026_01=[3, 0, None, 1, None, 0])
    cells = own(database)
    assert cells["2026-01", "assault"].value == 3
    assert cells["2026-01", "arson"].value == 0
    assert ("2026-01", "demonstration") not in cells
    assert ("2026-02", "assault") not in cells


def test_agencies_are_added_up_and_counted(database: Database) -> None:
    put(database, m2026_01=[3, 0, 0, 0, 0, 0], m2026_02=[1, 0, 0, 0, 0, 0])
    put(database, agency="schools", m2026_01=[4, None, 0, 0, 0, 0])
    with database.read() as session:
        figures = count_own(session, TABLE, "month", FIRST, LAST)
    assert figures.cells["2026-01", "assault"] == OwnCell(7, 2)
    assert figures.cells["2026-01", "arson"] == OwnCell(0, 1)
    assert (figures.coverage("2026-01").reporting, figures.coverage("2026-02").reporting) == (2, 1)
    assert {figures.coverage(period).expected for period in ("2026-01", "2026-02", "2026-03")} == {2}


def test_a_quarter_holds_only_what_was_reported_of_all_of_it_and_says_so(database: Database) -> None:
    put(database, m2026_01=[1] * 6, m2026_02=[2] * 6, m2026_03=[3] * 6)
    put(database, agency="schools", m2026_01=[50] * 6)
    cells = own(database, "quarter")
    assert cells["2026-Q1", "assault"] == OwnCell(6, 1, partial=True)
    with database.read() as session:
        assert count_own(session, TABLE, "quarter", FIRST, LAST).coverage("2026-Q1").reporting == 1


def test_what_is_in_stock_is_never_added_up_over_time(database: Database) -> None:
    put(database, m2026_01=[1] * 6, m2026_02=[2] * 6, m2026_03=[3] * 6)
    with database.write() as session:
        data = b"month,assault,arson,demonstration,attack,unconfirmed,other\n2026-Q1,9,0,0,0,0,0\n"
        add_returns(session, data, agency="schools")
    with database.read() as session:
        quarter = count_own(session, TABLE, "quarter", FIRST, LAST, add_up=False)
        months = count_own(session, TABLE, "month", FIRST, LAST, add_up=False)
    assert quarter.cells["2026-Q1", "assault"] == OwnCell(9, 1)
    assert quarter.coverage("2026-Q1").reporting == 1
    assert [months.cells[f"2026-0{month}", "assault"].value for month in (1, 2, 3)] == [1, 2, 3]


def test_a_reported_quarter_is_in_its_quarter_and_in_no_month(database: Database) -> None:
    with database.write() as session:
        data = b"month,assault,arson,demonstration,attack,unconfirmed,other\n2026-Q1,9,0,0,0,0,0\n"
        add_returns(session, data, agency="schools")
    assert own(database, "quarter")["2026-Q1", "assault"].value == 9
    assert own(database) == {}


def test_a_break_stays_with_the_figure(database: Database) -> None:
    put(database, m2026_01=[1] * 6)
    with database.write() as session:
        mapping = factories.make_returns_mapping(break_from="2026-02")
        data = factories.make_returns_file(m2026_02=[1] * 6)
        store(session, parse_csv(data, mapping, agency="police", today=date(2026, 11, 22)), mapping, agency="police",
              file_digest="1" * 64, person=COORDINATOR, now=NOW)  # fmt: skip
    cells = own(database)
    assert (cells["2026-01", "assault"].status, cells["2026-02", "assault"].status) == ("A", "B")


def test_events_are_counted_with_their_zeros(database: Database) -> None:
    mapping = make_events_mapping()
    data = b"date,offence\n2026-01-05,assault\n2026-01-09,assault\n2026-01-20,arson\n"
    with database.write() as session:
        parsed = parse_csv(data, mapping, agency="counselling", today=date(2026, 11, 22), periods=("2026-01",))
        store(session, parsed, mapping, agency="counselling", file_digest="2" * 64, person=COORDINATOR,
              tables=make_policy().tables, unit="record", now=NOW)  # fmt: skip
    cells = own(database)
    assert cells["2026-01", "assault"].value == 2
    assert cells["2026-01", "other"].value == 0
    assert own(database, "quarter")["2026-Q1", "assault"] == OwnCell(partial=True)


def test_a_late_figure_stands_in_its_own_period_and_says_that_it_came_late(database: Database) -> None:
    put(database, m2026_01=[1] * 6)
    release(database, "2026-01")
    put(database, agency="schools", m2026_01=[4] * 6)
    assert own(database)["2026-01", "assault"] == OwnCell(5, 2, late=True)


# --- released ------------------------------------------------------------------------------------------------------


def release(database: Database, month: str, state: RequestState = RequestState.SIGNED) -> None:
    """Charge and draw with the real ledger; the request stands as a second person left it."""
    period = parse_period(month)
    counted: FrequencyTable = factories.make_frequency_table(period=period)
    with database.write() as session:
        ledger.charge_and_draw(
            session, counted, epsilon_milli=1000, policy=make_policy(), draw=factories.CountingDraw(), now=NOW
        )
        number = int(month[-2:])
        session.add(
            ReleaseRequestRow(
                id=f"r{number}", number=number, kind="trend", state=state.value, body="{}", audience="hub",
                subject=f"{TABLE.id}/{TABLE.version}/{month}", requested_by=COORDINATOR, requested_at=NOW,
                findings='{"items":[]}',
            )
        )  # fmt: skip


@pytest.mark.parametrize("state", [state for state in RequestState if state is not RequestState.SIGNED])
def test_what_was_drawn_but_not_signed_is_shown_to_nobody(database: Database, state: RequestState) -> None:
    release(database, "2026-01", state)
    with database.read() as session:
        assert read_released(session, TABLE, "month", FIRST, LAST) == {}


def test_a_released_figure_has_its_interval_and_a_gap_stays_a_gap(database: Database) -> None:
    release(database, "2026-01")
    with database.read() as session:
        released = read_released(session, TABLE, "month", FIRST, LAST)["2026-01"]
    assert released.cells["assault"] == ReleasedFigure("A", 4, 2, 7)
    assert released.cells["unconfirmed"] == ReleasedFigure("L")
    assert released.total.status == "L"
    assert (released.coverage.reporting, released.coverage.expected) == (1, 2)


def test_a_release_that_was_taken_back_is_gone(database: Database) -> None:
    release(database, "2026-01")
    with database.write() as session:
        session.execute(update(ReleaseRequestRow).values(state=RequestState.WITHDRAWN.value))
    with database.read() as session:
        assert read_released(session, TABLE, "month", FIRST, LAST) == {}


def test_another_version_of_the_table_is_another_series(database: Database) -> None:
    release(database, "2026-01")
    with database.read() as session:
        assert read_released(session, make_table(version=2), "month", FIRST, LAST) == {}


def test_a_quarter_is_the_sum_of_its_months_only_when_all_of_them_were_released(database: Database) -> None:
    for month in ("2026-01", "2026-02"):
        release(database, month)
    with database.read() as session:
        assert read_released(session, TABLE, "quarter", FIRST, LAST, add_up=True) == {}
    release(database, "2026-03")
    with database.read() as session:
        assert read_released(session, TABLE, "quarter", FIRST, LAST) == {}
        quarter = read_released(session, TABLE, "quarter", FIRST, LAST, add_up=True)["2026-Q1"]
    # three draws of scale 1 are wider than one, and less than three times as wide
    assert quarter.cells["assault"] == ReleasedFigure("A", 12, 8, 17)
    assert quarter.cells["unconfirmed"].status == "L"
