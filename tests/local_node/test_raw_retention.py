"""Raw records go when they are old and released; nothing of them can be counted a second time afterwards."""

from collections.abc import Sequence
from datetime import datetime

import pytest
from sqlalchemy import func, select, text

from local_node import audit, ledger
from local_node.closed_months import closed_before
from local_node.duties import Duty
from local_node.duty_store import read_returns, set_duty
from local_node.errors import RecordError
from local_node.orm import (
    CollectedPeriodRow,
    CountedUnitRow,
    EventRecordRow,
    ImportBatchRow,
    ReleaseRequestRow,
    ReturnRecordRow,
)
from local_node.people import PersonError
from local_node.raw_retention import ErasurePlan, erase, plan_erasure
from local_node.retention_rules import Kind, RetentionError, list_rules, months_for, set_rule
from local_node.return_history import list_versions
from shared_schema.service.database import Database
from tests.factories import COORDINATOR, NOW, REVIEWER, add_people, make_events_mapping, make_returns_file
from tests.import_desk import POLICY, TABLE, counted, pending, put, release

EVENTS = make_events_mapping()
TWO_YEARS_LATER = NOW.replace(year=NOW.year + 2)
MEASURE = TABLE.measure


@pytest.fixture(autouse=True)
def people(node_database: Database) -> None:
    with node_database.write() as session:
        add_people(session)


def put_events(database: Database, *events: str, period: str = "2026-01", correction: bool = False) -> None:
    put(database, "\n".join(["date,offence", *events]).encode(), EVENTS, period, correction=correction)


def let_leave(database: Database, label: str, state: str = "signed") -> None:
    """Release a period as far as its signature."""
    release(database, label)
    with database.write() as session:
        number = (session.scalar(select(func.max(ReleaseRequestRow.number))) or 0) + 1
        session.add(
            ReleaseRequestRow(
                id=f"r{number}",
                number=number,
                kind="trend",
                state=state,
                body="{}",
                audience="hub",
                subject=f"{TABLE.id}/{TABLE.version}/{label}",
                requested_by=COORDINATOR,
                requested_at=NOW,
                findings='{"items":[]}',
            )
        )


def plan(database: Database, months: int = 12, now: datetime = TWO_YEARS_LATER) -> ErasurePlan:
    with database.read() as session:
        return plan_erasure(session, MEASURE, months, POLICY.tables, now)


def erase_old(database: Database, months: int = 12, by: str = REVIEWER, now: datetime = TWO_YEARS_LATER) -> int:
    with database.write() as session:
        return erase(session, plan_erasure(session, MEASURE, months, POLICY.tables, now), by=by, now=now)


def count(database: Database, row: type) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(row)) or 0


# --- what stays ----------------------------------------------------------------------------------------------------


def test_records_that_were_not_released_stay_and_are_named(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[3, 0, 5, 1, 0, 2]))
    planned = plan(node_database)
    assert (planned.goes, planned.stays) == ({}, {"2026-01": 6})
    with pytest.raises(RetentionError) as caught:
        erase_old(node_database)
    assert caught.value.code == "nothing-to-erase"
    assert count(node_database, ReturnRecordRow) == 6


@pytest.mark.parametrize("state", ["requested", "refused", "held", "approved"])
def test_what_was_drawn_and_never_left_is_not_released(node_database: Database, state: str) -> None:
    put(node_database, make_returns_file(m2026_01=[3, 0, 5, 1, 0, 2]))
    let_leave(node_database, "2026-01", state)
    assert plan(node_database).goes == {}


def test_records_younger_than_the_rule_stay(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[3, 0, 5, 1, 0, 2]))
    let_leave(node_database, "2026-01")
    planned = plan(node_database, months=36)
    assert (planned.goes, planned.stays) == ({}, {})


def test_a_difference_that_waits_for_its_correction_stays(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[3, 0, 5, 1, 0, 2]))
    let_leave(node_database, "2026-01")
    put(node_database, make_returns_file(m2026_01=[1, 0, 5, 1, 0, 2]), correction=True)
    erase_old(node_database)
    assert pending(node_database) == {"assault": -2}


def test_an_event_stays_until_every_table_that_counts_it_was_released(node_database: Database) -> None:
    put_events(node_database, "2026-01-05,arson")
    let_leave(node_database, "2026-01")
    other = TABLE.model_copy(update={"id": "bias_incidents.again"})
    with node_database.read() as session:
        planned = plan_erasure(session, MEASURE, 12, (*POLICY.tables, other), TWO_YEARS_LATER)
    assert (planned.goes, planned.stays) == ({}, {"2026-01": 1})


# --- what goes -----------------------------------------------------------------------------------------------------


def test_returns_go_and_the_ledger_and_the_audit_log_stay(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[3, 0, 5, 1, 0, 2], m2026_02=[1] * 6))
    let_leave(node_database, "2026-01")
    assert erase_old(node_database) == 6
    with node_database.read() as session:
        assert set(session.scalars(select(ReturnRecordRow.period))) == {"2026-02"}
        assert ledger.verify_chain(session) == 1
        assert audit.verify(session) == 2
        last = audit.list_events(session, limit=1)[0]
    assert (last.actor, last.action) == (REVIEWER, "records.erased")
    assert count(node_database, ImportBatchRow) == 1


def test_the_history_of_a_return_goes_with_it_and_nothing_is_missing_afterwards(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[1] * 6, m2026_02=[2] * 6))
    let_leave(node_database, "2026-01")
    with node_database.write() as session:
        set_duty(session, Duty("police", TABLE.id, "month", "2026-01"), TABLE, person=COORDINATOR, now=NOW)
    erase_old(node_database)
    with node_database.read() as session:
        assert {each.period for each in list_versions(session, agency="police")} == {"2026-02"}
        seen = read_returns(session, {TABLE.id: TABLE}, TWO_YEARS_LATER.date(), count=40)
    assert "2026-01" not in {each.period for each in seen}


def test_events_go_with_the_word_that_they_were_all(node_database: Database) -> None:
    put_events(node_database, "2026-01-05,arson", "2026-01-06,attack")
    let_leave(node_database, "2026-01")
    assert erase_old(node_database) == 2
    assert count(node_database, EventRecordRow) == 0
    assert count(node_database, CollectedPeriodRow) == 0


def test_what_was_erased_is_in_no_file_of_the_database(node_database: Database) -> None:
    put_events(node_database, "2026-01-05,arson")
    let_leave(node_database, "2026-01")
    with node_database.write() as session:
        session.execute(text("UPDATE event_records SET unit_hash = 'planted-in-this-row'"))
    erase_old(node_database)
    assert node_database.wipe()
    path = node_database.url.removeprefix("sqlite:///")
    for suffix in ("", "-wal"):
        try:
            with open(path + suffix, "rb") as file:  # noqa: PTH123
                assert b"planted-in-this-row" not in file.read()
        except FileNotFoundError:
            continue


def test_erasing_twice_erases_nothing_more(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[3, 0, 5, 1, 0, 2]))
    let_leave(node_database, "2026-01")
    erase_old(node_database)
    with pytest.raises(RetentionError):
        erase_old(node_database)


def test_only_somebody_who_works_here_erases(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[3, 0, 5, 1, 0, 2]))
    let_leave(node_database, "2026-01")
    with pytest.raises(PersonError):
        erase_old(node_database, by="nobody")
    assert count(node_database, ReturnRecordRow) == 6


# --- afterwards ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("correction", [False, True])
@pytest.mark.parametrize("figures", [[3, 0, 5, 1, 0, 2], [9] * 6])
def test_a_return_of_an_erased_month_is_refused_whatever_it_says(
    node_database: Database, correction: bool, figures: Sequence[int]
) -> None:
    put(node_database, make_returns_file(m2026_01=[3, 0, 5, 1, 0, 2]))
    let_leave(node_database, "2026-01")
    erase_old(node_database)
    with pytest.raises(RecordError, match="were erased") as caught:
        put(node_database, make_returns_file(m2026_01=figures), correction=correction)
    assert caught.value.code == "closed"
    assert count(node_database, ReturnRecordRow) == 0
    assert pending(node_database) == {}


@pytest.mark.parametrize("correction", [False, True])
@pytest.mark.parametrize("period", ["2026-01", "2026-Q1", "2025-12"])
def test_events_of_an_erased_month_are_refused(node_database: Database, correction: bool, period: str) -> None:
    put_events(node_database, "2026-01-05,arson")
    let_leave(node_database, "2026-01")
    erase_old(node_database)
    day = "2025-12-05" if period == "2025-12" else "2026-01-05"
    with pytest.raises(RecordError) as caught:
        put_events(node_database, f"{day},arson", period=period, correction=correction)
    assert caught.value.code == "closed"
    assert count(node_database, EventRecordRow) == 0


def test_another_agency_cannot_add_to_an_erased_month_either(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[3, 0, 5, 1, 0, 2]))
    let_leave(node_database, "2026-01")
    erase_old(node_database)
    with pytest.raises(RecordError, match="were erased"):
        put(node_database, make_returns_file(m2026_01=[1] * 6), agency="ngo")


def test_months_after_the_erasure_are_read_in_as_ever(node_database: Database) -> None:
    put(node_database, make_returns_file(m2026_01=[3, 0, 5, 1, 0, 2]))
    let_leave(node_database, "2026-01")
    with node_database.write() as session:
        erase(
            session, plan_erasure(session, MEASURE, 12, POLICY.tables, NOW.replace(year=2027, month=2)),
            by=REVIEWER, now=NOW,
        )  # fmt: skip
        assert closed_before(session, MEASURE) == "2026-02"
    assert put(node_database, make_returns_file(m2026_02=[1] * 6)).late == 0
    assert counted(node_database, "2026-02").coverage.reporting == 1


def test_who_was_counted_in_the_year_before_is_not_counted_anew(node_database: Database) -> None:
    put_events(node_database, "2026-01-05,arson")
    let_leave(node_database, "2026-01")
    with node_database.write() as session:
        for month in (2024 * 12, 2025 * 12 + 6, 2026 * 12):
            session.add(CountedUnitRow(measure=MEASURE, unit_hash=f"u{month}", month=month))
    now = NOW.replace(year=2027, month=2)
    erase_old(node_database, now=now)
    with node_database.read() as session:
        months = set(session.scalars(select(CountedUnitRow.month)))
    assert months == {2025 * 12 + 6, 2026 * 12}


# --- rules ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "months"), [(Kind.RECORDS, 11), (Kind.RECORDS, 1201), (Kind.MESSAGES, 0)])
def test_a_rule_that_is_too_short_or_too_long_is_refused(node_database: Database, kind: Kind, months: int) -> None:
    with node_database.write() as session, pytest.raises(RetentionError):
        set_rule(session, kind, "", months, by=REVIEWER, now=NOW)
    with node_database.read() as session:
        assert list_rules(session) == {}


def test_a_rule_is_set_and_taken_back_with_an_event_each(node_database: Database) -> None:
    for months in (24, 24, None, None):
        with node_database.write() as session:
            set_rule(session, Kind.RECORDS, MEASURE, months, by=REVIEWER, now=NOW)
    with node_database.read() as session:
        assert months_for(session, Kind.RECORDS, MEASURE) is None
        assert months_for(session, Kind.MESSAGES) == 12
        subjects = [event.subject for event in audit.list_events(session)]
    assert subjects == [f"records/{MEASURE}/keep", f"records/{MEASURE}/24"]
