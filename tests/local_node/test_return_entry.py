"""Figures entered in a page: the store of the import, asked twice where it matters, and never over somebody's head."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError

from local_node import audit
from local_node.entered_for import CONFIRMED, OBJECTED, Objection, answer, list_entered_for
from local_node.errors import RecordError
from local_node.imports import ImportReport
from local_node.ledger import charge_and_draw
from local_node.orm import ImportBatchRow, ReturnEntryRow, ReturnRecordRow, ReturnVersionRow
from local_node.record_store import reports_for, store
from local_node.records import parse_csv
from local_node.return_entry import (
    ConfirmationNeeded,
    Entering,
    Entry,
    How,
    StaleFormError,
    current_values,
    enter,
    token_of,
)
from local_node.return_history import FigureVersion, list_versions
from local_node.tabulation import tabulate
from shared_schema.period import parse_period
from shared_schema.service.database import Database
from tests.factories import (
    COORDINATOR,
    NOW,
    OFFENCES,
    PARTNER,
    TODAY,
    add_people,
    make_policy,
    make_returns_file,
    make_returns_mapping,
    make_table,
    no_noise,
)

TABLE = make_table()
POLICY = make_policy()
FIRST: dict[str, int | None] = dict(zip(OFFENCES, (3, 0, None, 1, 0, 2), strict=True))
EMPTY = token_of({})


@pytest.fixture(autouse=True)
def people(node_database: Database) -> None:
    with node_database.write() as session:
        add_people(session)


def put(
    database: Database,
    values: Mapping[str, int | None],
    *,
    period: str = "2026-01",
    seen: str | None = EMPTY,
    person: str = PARTNER,
    agency: str = "police",
    for_them: bool = False,
    said_yes: bool = False,
) -> ImportReport:
    who = Entering(person, agency, How.FORM, for_them, said_yes)
    with database.write() as session:
        return enter(session, [Entry(TABLE, period, values, seen)], POLICY, who=who, now=NOW)


def stored(database: Database, period: str = "2026-01", agency: str = "police") -> dict[str, int | None]:
    with database.read() as session:
        return current_values(session, agency, TABLE.id, period)


def rows(database: Database, table: type) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def history(database: Database, agency: str = "police") -> tuple[FigureVersion, ...]:
    with database.read() as session:
        return list_versions(session, agency=agency)


def release(database: Database, label: str = "2026-01") -> None:
    period = parse_period(label)
    with database.write() as session:
        counted = tabulate(reports_for(session, TABLE, period), TABLE, period, 1)
        charge_and_draw(session, counted, epsilon_milli=1000, policy=POLICY, draw=no_noise, now=NOW)


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "period", "code"),
    [
        ({}, "2026-01", "grid"),
        ({"murder": 1}, "2026-01", "grid"),
        ({"arson": -1}, "2026-01", "count"),
        ({"arson": 10**9}, "2026-01", "count"),
        ({"arson": 1}, "2026", "period"),
        ({"arson": 1}, "2026-13", "period"),
        ({"arson": 1}, "2027-01", "period"),
    ],
)
def test_figures_that_cannot_be_are_refused_and_nothing_is_stored(
    node_database: Database, values: dict[str, int | None], period: str, code: str
) -> None:
    with pytest.raises(RecordError) as caught:
        put(node_database, values, period=period)
    assert caught.value.code == code
    assert rows(node_database, ReturnRecordRow) == rows(node_database, ImportBatchRow) == 0


def test_a_form_that_was_filled_in_over_other_figures_stores_nothing(node_database: Database) -> None:
    put(node_database, FIRST)
    with pytest.raises(StaleFormError):
        put(node_database, FIRST | {"arson": 9})
    assert stored(node_database) == FIRST


def test_one_wrong_table_of_a_page_keeps_the_others_out_as_well(node_database: Database) -> None:
    entries = [Entry(TABLE, "2026-01", FIRST, EMPTY), Entry(TABLE, "2026-02", {"arson": -1}, EMPTY)]
    with node_database.write() as session, pytest.raises(RecordError):
        enter(session, entries, POLICY, who=Entering(PARTNER, "police", How.FORM), now=NOW)
    assert rows(node_database, ReturnRecordRow) == 0


# --- once ----------------------------------------------------------------------------------------------------------


def test_a_double_click_stores_once(node_database: Database) -> None:
    assert put(node_database, FIRST).added == 6
    assert put(node_database, FIRST) == ImportReport(None, 0, 0, 6, 0)
    assert rows(node_database, ImportBatchRow) == rows(node_database, ReturnEntryRow) == 1
    assert rows(node_database, ReturnVersionRow) == 6


def test_a_form_that_was_filled_in_over_what_is_there_changes_it(node_database: Database) -> None:
    put(node_database, FIRST)
    report = put(node_database, FIRST | {"arson": 9}, seen=token_of(FIRST))
    assert (report.replaced, report.unchanged) == (1, 5)
    assert stored(node_database)["arson"] == 9


# --- late figures and corrections ----------------------------------------------------------------------------------


def test_what_would_change_a_released_figure_is_stored_after_a_yes(node_database: Database) -> None:
    put(node_database, FIRST)
    release(node_database)
    with pytest.raises(ConfirmationNeeded) as caught:
        put(node_database, FIRST | {"assault": 5}, seen=token_of(FIRST))
    assert caught.value.report.corrected == 1
    assert stored(node_database) == FIRST
    assert put(node_database, FIRST | {"assault": 5}, seen=token_of(FIRST), said_yes=True).corrected == 1
    assert stored(node_database)["assault"] == 5


def test_a_late_return_is_stored_after_a_yes_and_counts_later(node_database: Database) -> None:
    put(node_database, FIRST)
    release(node_database)
    with pytest.raises(ConfirmationNeeded) as caught:
        put(node_database, FIRST, agency="youth")
    assert (caught.value.report.late, caught.value.report.late_in) == (6, ("2026-02",))
    assert put(node_database, FIRST, agency="youth", said_yes=True).late == 6


# --- history -------------------------------------------------------------------------------------------------------


def test_every_version_says_who_when_and_from_what(node_database: Database) -> None:
    put(node_database, FIRST)
    put(node_database, FIRST | {"arson": 9}, seen=token_of(FIRST), person=COORDINATOR)
    newest, *older = history(node_database)
    assert (newest.cell, newest.before, newest.value) == ("arson", 0, 9)
    assert (newest.by, newest.how, newest.at, newest.is_first) == (COORDINATOR, "form", NOW, False)
    assert len(older) == 6 and all(each.is_first and each.by == PARTNER for each in older)


def test_a_file_at_the_console_has_the_same_history(node_database: Database) -> None:
    mapping = make_returns_mapping()
    parsed = parse_csv(make_returns_file(m2026_01=[1] * 6), mapping, agency="police", today=TODAY)
    with node_database.write() as session:
        store(session, parsed, mapping, agency="police", file_digest="ab" * 32, person=COORDINATOR, now=NOW)
    assert {each.how for each in history(node_database)} == {"console"}


@pytest.mark.parametrize(
    "statement",
    [update(ReturnVersionRow).values(value=7), delete(ReturnVersionRow)],
    ids=["update", "delete"],
)
def test_a_version_is_never_changed_and_not_removed_before_its_figure(
    node_database: Database, statement: object
) -> None:
    put(node_database, FIRST)
    with pytest.raises(IntegrityError, match="append-only"), node_database.write() as session:
        session.execute(statement)  # type: ignore[call-overload]
    assert rows(node_database, ReturnVersionRow) == 6


def test_a_purged_figure_takes_its_history_with_it(node_database: Database) -> None:
    put(node_database, FIRST)
    with node_database.write() as session:
        session.execute(delete(ReturnRecordRow))
        session.execute(delete(ReturnVersionRow))
    assert rows(node_database, ReturnVersionRow) == 0


# --- for an agency that asked --------------------------------------------------------------------------------------


def test_nobody_enters_figures_for_an_agency_in_silence(node_database: Database) -> None:
    put(node_database, FIRST, agency="youth", person=COORDINATOR, for_them=True)
    with node_database.read() as session:
        assert list_entered_for(session, "police") == ()
        (waiting,) = list_entered_for(session, "youth")
        actions = [event.action for event in audit.list_events(session)]
    assert (waiting.by, waiting.tables) == (COORDINATOR, ((TABLE.id, "2026-01"),))
    assert "return.entered-for" in actions


@pytest.mark.parametrize(("objection", "state"), [(None, CONFIRMED), (Objection.FIGURES, OBJECTED)])
def test_an_agency_answers_once(node_database: Database, objection: Objection | None, state: str) -> None:
    batch = put(node_database, FIRST, agency="youth", person=COORDINATOR, for_them=True).batch or 0
    later = NOW + timedelta(days=1)
    with node_database.write() as session:
        answer(session, batch, agency="youth", person=PARTNER, objection=objection, now=later)
    with pytest.raises(RecordError), node_database.write() as session:
        answer(session, batch, agency="youth", person=PARTNER, objection=None, now=later)
    with node_database.read() as session:
        (answered,) = list_entered_for(session, states=(CONFIRMED, OBJECTED))
    assert (answered.state, answered.reason) == (state, objection and objection.value)


def test_another_agency_cannot_answer(node_database: Database) -> None:
    batch = put(node_database, FIRST, agency="youth", person=COORDINATOR, for_them=True).batch or 0
    with pytest.raises(RecordError), node_database.write() as session:
        answer(session, batch, agency="police", person=PARTNER, objection=None, now=NOW)
