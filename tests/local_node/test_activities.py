"""Activities: whose they are, what is shown to whom, clash notices for both sides, and two open pages."""

from dataclasses import replace
from datetime import date, time, timedelta

import pytest
from sqlalchemy import insert, text

from local_node import audit
from local_node.activities import ActivityError, Draft, as_seen_by, check_draft
from local_node.activity_store import (
    Filter,
    StaleActivityError,
    add_activity,
    change_activity,
    district_id,
    get_activity,
    list_activities,
    list_districts,
    read_gap_days,
    set_districts,
    set_gap_days,
)
from local_node.calendar_file import CalendarEntry, to_icalendar
from local_node.clash_store import (
    change_clash,
    count_clashes,
    get_clash,
    list_clashes,
    note_all_clashes,
    note_clashes,
    would_clash,
)
from local_node.clashes import ActivityState, ClashState
from local_node.orm import ActivityRow
from shared_schema.service.database import Database
from tests.factories import COORDINATOR, NOW, PARTNER, TODAY, add_people

DAY = date(2026, 12, 10)
TALKS = Draft(
    "Evening of talks",
    "youth_work",
    "nord",
    frozenset({"setting.worship"}),
    DAY,
    DAY + timedelta(days=2),
    contact_role="Head of youth work",
)
DECISION = Draft(
    "Closing of a meeting place", "decision", "nord", frozenset(), DAY, DAY, quiet=True, contact_role="Duty desk"
)
YEAR = Filter(date(2026, 1, 1), date(2027, 12, 31))


@pytest.fixture(autouse=True)
def city(node_database: Database) -> None:
    with node_database.write() as session:
        add_people(session)
        set_districts(session, ["Nord", "Süd"], person=COORDINATOR, now=NOW)


def plan(database: Database, draft: Draft = TALKS, agency: str = "youth") -> str:
    with database.write() as session:
        activity = add_activity(session, draft, agency=agency, person=PARTNER, now=NOW)
        note_clashes(session, activity, now=NOW)
        return activity.id


def change(database: Database, activity_id: str, draft: Draft, *, agency: str = "youth", version: int = 1) -> None:
    with database.write() as session:
        activity = change_activity(session, activity_id, draft, agency=agency, version=version, person=PARTNER, now=NOW)
        note_clashes(session, activity, now=NOW)


def notices(database: Database, agency: str | None = None) -> list[tuple[int, ClashState]]:
    with database.read() as session:
        return [(notice.id, notice.state) for notice in list_clashes(session, agency, list(ClashState))]


def say(database: Database, number: int, was: ClashState, state: ClashState) -> None:
    with database.write() as session:
        change_clash(session, number, was=was, state=state, person=PARTNER, now=NOW)


# --- what cannot be planned ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"title": "  "}, "activity-title"),
        ({"title": "x" * 81}, "activity-title"),
        ({"title": "two\nlines"}, "activity-title"),
        ({"title": "turn\u202eed"}, "activity-title"),
        ({"contact_role": ""}, "activity-contact"),
        ({"note": "x" * 301}, "activity-note"),
        ({"kind": "raid"}, "activity-kind"),
        ({"area": "west"}, "activity-area"),
        ({"audience": frozenset({"persons"})}, "activity-audience"),
        ({"ends_on": DAY - timedelta(days=1)}, "activity-window"),
        ({"ends_on": DAY + timedelta(days=366)}, "activity-window"),
        ({"to_time": time(9)}, "activity-time"),
        ({"ends_on": DAY, "from_time": time(9), "to_time": time(9)}, "activity-time"),
    ],
)
def test_what_cannot_be_planned_is_refused_by_its_field(changes: dict[str, object], code: str) -> None:
    with pytest.raises(ActivityError) as caught:
        check_draft(replace(TALKS, **changes), frozenset({"nord"}))  # type: ignore[arg-type]
    assert caught.value.code == code


def test_another_agency_cannot_change_an_activity(node_database: Database) -> None:
    activity = plan(node_database)
    with pytest.raises(ActivityError) as caught:
        change(node_database, activity, replace(TALKS, title="Other"), agency="police")
    with pytest.raises(ActivityError) as unknown:
        change(node_database, "0" * 16, replace(TALKS, title="Other"))
    assert (caught.value.code, caught.value.message) == (unknown.value.code, unknown.value.message)


def test_of_two_open_pages_the_second_is_told(node_database: Database) -> None:
    activity = plan(node_database)
    change(node_database, activity, replace(TALKS, title="Evening of talks, moved"))
    with pytest.raises(StaleActivityError):
        change(node_database, activity, replace(TALKS, title="Something else"))
    with node_database.read() as session:
        assert get_activity(session, activity).draft.title == "Evening of talks, moved"


def test_a_double_click_changes_once(node_database: Database) -> None:
    activity = plan(node_database)
    for _ in range(2):
        change(node_database, activity, replace(TALKS, title="Moved"))
    with node_database.read() as session:
        assert get_activity(session, activity).version == 2
        assert [event.action for event in audit.list_events(session)].count("activity.changed") == 1


# --- quiet ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("viewer", ["youth", None])
def test_of_a_quiet_window_others_see_where_and_when_and_whom_to_talk_to(
    node_database: Database, viewer: str | None
) -> None:
    activity = plan(node_database, DECISION, "police")
    with node_database.read() as session:
        seen = as_seen_by(get_activity(session, activity), viewer)
        own = as_seen_by(get_activity(session, activity), "police")
    assert seen.hidden and not own.hidden
    assert (seen.draft.title, seen.draft.kind, seen.draft.note, seen.made_by) == ("", "other", "", "")
    assert (seen.draft.area, seen.draft.starts_on, seen.draft.contact_role) == ("nord", DAY, "Duty desk")


def test_a_quiet_window_is_not_found_by_what_it_is(node_database: Database) -> None:
    plan(node_database, DECISION, "police")
    with node_database.read() as session:
        assert list_activities(session, replace(YEAR, kind="decision")) == ()
        assert list_activities(session, replace(YEAR, audience="setting.worship")) == ()
        assert len(list_activities(session, replace(YEAR, area="nord"))) == 1


# --- clashes -------------------------------------------------------------------------------------------------------


def test_both_agencies_are_told_and_nobody_else(node_database: Database) -> None:
    plan(node_database)
    with node_database.read() as session:
        (near,) = would_clash(session, DECISION, agency="police")
        assert (near.activity.agency, near.clash.days_apart) == ("youth", 0)
    plan(node_database, DECISION, "police")
    assert notices(node_database, "youth") == notices(node_database, "police") != []
    assert notices(node_database, "school") == []
    with node_database.read() as session:
        (notice,) = list_clashes(session, "youth")
        assert notice.other_than("youth").agency == "police"
        assert notice.other_than("police").agency == "youth"
        assert count_clashes(session, "youth") == count_clashes(session) == 1


def test_a_notice_ends_when_a_plan_moves_and_is_back_when_it_returns(node_database: Database) -> None:
    talks = plan(node_database)
    plan(node_database, DECISION, "police")
    ((number, _),) = notices(node_database)
    say(node_database, number, ClashState.OPEN, ClashState.ACCEPTED)
    change(node_database, talks, replace(TALKS, area="sud"))
    assert notices(node_database) == [(number, ClashState.SOLVED)]
    change(node_database, talks, TALKS, version=2)
    assert notices(node_database) == [(number, ClashState.OPEN)]


def test_a_cancelled_activity_clashes_no_more(node_database: Database) -> None:
    talks = plan(node_database)
    plan(node_database, DECISION, "police")
    change(node_database, talks, replace(TALKS, state=ActivityState.CANCELLED))
    assert [state for _, state in notices(node_database)] == [ClashState.SOLVED]


def test_a_notice_is_worked_off_once_from_one_page(node_database: Database) -> None:
    plan(node_database)
    plan(node_database, DECISION, "police")
    ((number, _),) = notices(node_database)
    say(node_database, number, ClashState.OPEN, ClashState.TALKED)
    say(node_database, number, ClashState.OPEN, ClashState.TALKED)
    with pytest.raises(ActivityError) as caught:
        say(node_database, number, ClashState.OPEN, ClashState.ACCEPTED)
    assert caught.value.code == "clash-stale"
    with pytest.raises(ActivityError):
        say(node_database, number, ClashState.SOLVED, ClashState.OPEN)
    with node_database.read() as session:
        assert get_clash(session, number).state is ClashState.TALKED
        assert [event.action for event in audit.list_events(session)].count("clash.talked") == 1


def test_a_wider_rule_finds_what_is_there_already(node_database: Database) -> None:
    plan(node_database)
    plan(node_database, replace(DECISION, starts_on=DAY - timedelta(days=6), ends_on=DAY - timedelta(days=6)), "police")
    assert notices(node_database) == []
    for days, expected in ((7, [ClashState.OPEN]), (3, [ClashState.SOLVED])):
        with node_database.write() as session:
            set_gap_days(session, days, person=COORDINATOR, now=NOW)
            note_all_clashes(session, today=TODAY, now=NOW)
            assert read_gap_days(session) == days
        assert [state for _, state in notices(node_database)] == expected


@pytest.mark.parametrize("days", [-1, 31])
def test_a_rule_that_cannot_be_is_refused(node_database: Database, days: int) -> None:
    with pytest.raises(ActivityError), node_database.write() as session:
        set_gap_days(session, days, person=COORDINATOR, now=NOW)


# --- districts -----------------------------------------------------------------------------------------------------


def test_a_district_that_ended_is_offered_no_more_and_keeps_its_activities(node_database: Database) -> None:
    activity = plan(node_database)
    with node_database.write() as session:
        set_districts(session, ["Süd", "Köln-Süd"], person=COORDINATOR, now=NOW)
    with node_database.read() as session:
        assert {(each.id, each.ended) for each in list_districts(session)} == {
            ("nord", True),
            ("sud", False),
            ("koln-sud", False),
        }
    change(node_database, activity, replace(TALKS, title="Still in the north"))
    with pytest.raises(ActivityError):
        plan(node_database)


@pytest.mark.parametrize("names", [["Nord", "nord"], ["x" * 61], ["!!"], ["bad\u202ename"]])
def test_district_names_that_cannot_be_are_refused(node_database: Database, names: list[str]) -> None:
    with pytest.raises(ActivityError), node_database.write() as session:
        set_districts(session, names, person=COORDINATOR, now=NOW)


def test_districts_in_any_script_have_an_id() -> None:
    assert [district_id(name) for name in ("Köln-Süd", "Εξάρχεια", "13e")] == ["koln-sud", "εξαρχεια", "13e"]


# --- files and size ------------------------------------------------------------------------------------------------


def test_the_calendar_file_folds_and_escapes_its_lines() -> None:
    entry = CalendarEntry(
        "ab", "Talks; evening, " + "ü" * 60, "one\nBEGIN:VEVENT", "Nord", DAY, DAY, None, None, "planned", 3, NOW
    )
    data = to_icalendar([entry, replace(entry, from_time=time(9), to_time=time(10))], name="leipzig.sn.de", now=NOW)
    lines = data.split(b"\r\n")
    assert all(len(line) <= 75 for line in lines)
    unfolded = data.replace(b"\r\n ", b"").decode().split("\r\n")
    assert "SUMMARY:Talks\\; evening\\, " + "ü" * 60 in unfolded
    assert "DESCRIPTION:one\\nBEGIN:VEVENT" in unfolded and unfolded.count("BEGIN:VEVENT") == 2
    assert {"DTSTART;VALUE=DATE:20261210", "DTEND;VALUE=DATE:20261211", "DTEND:20261210T100000"} <= set(unfolded)


def test_what_is_near_is_found_through_an_index(node_database: Database) -> None:
    rows = [
        {
            "id": f"{number:08d}", "agency": f"a{number % 60}", "title": "t", "kind": "event", "audience": " ",
            "starts_on": DAY + timedelta(days=number % 400 - 200), "ends_on": DAY + timedelta(days=number % 400 - 200),
            "state": "planned", "contact_role": "x", "note": "", "version": 1, "made_by": PARTNER, "made_at": NOW,
            "changed_by": PARTNER, "changed_at": NOW,
        }
        for number in range(3_000)
    ]  # fmt: skip
    with node_database.write() as session:
        session.execute(insert(ActivityRow), rows)
    with node_database.read() as session:
        assert would_clash(session, TALKS, agency="youth")
        plan_text = str(
            session.execute(
                text(
                    "EXPLAIN QUERY PLAN SELECT * FROM activities WHERE starts_on BETWEEN '2025-12-10' AND '2026-12-15' "
                    "AND ends_on >= '2026-12-07' ORDER BY starts_on"
                )
            ).all()
        )
    assert "activities_by_day" in plan_text
