"""The calendar in the browser: whose activities, what is hidden, notices, filters, files, and the console."""

import json
import re
from datetime import UTC

import pytest

from local_node import verbs
from local_node.agencies import AgencyError, AgencyForm, add_agency
from local_node.app import Node
from local_node.orm import AccountRow, AgencyContactRow, AgencyRow
from local_node.web.calendar import COORDINATION
from local_node.web.planning_report import activities_of
from local_node.web.words import CATALOGUES, Words
from shared_schema.period import parse_period
from shared_schema.service.control import VerbError
from shared_schema.service.translations import load_language
from tests.local_node.test_return_pages import as_, city, tokens

__all__ = ["city"]

NEW = "/calendar/new"
TALKS = {
    "title": "Evening of talks",
    "kind": "youth_work",
    "area": "nord",
    "starts_on": "2026-12-10",
    "ends_on": "2026-12-12",
    "state": "planned",
    "contact_role": "head of youth work",
    "audience": "setting.worship",
}
DECISION = {
    "title": "Closing of the meeting place",
    "kind": "decision",
    "area": "*",
    "starts_on": "2026-12-09",
    "state": "confirmed",
    "contact_role": "duty desk",
    "quiet": "1",
    "note": "behind the station",
}


@pytest.fixture
def planned(city: Node) -> Node:
    """A city with districts, in which the youth service has planned its talks."""
    places = {"districts": "Nord\nSüd", "gap_days": "3"}
    assert as_(city, "anna").post("/calendar/places", places).status_code == 303
    answer = as_(city, "petra").post(NEW, TALKS)
    assert answer.headers["location"] == "/calendar?month=2026-12&done=activity-saved", answer.text
    with city.database.write() as session:
        session.add(
            AgencyRow(
                id="school", name="School board", kinds='{"codes":[]}', roles='{"codes":[]}', added_at=city.clock()
            )
        )
        session.add(AgencyContactRow(agency_id="youth", name="Frau Beispiel", email="", phone="0341 1"))
    return city


def add(node: Node, person: str, fields: dict[str, str]) -> str:
    """Plan something in spite of every notice; its address."""
    browser = as_(node, person)
    answer = browser.post(NEW, fields)
    if answer.status_code == 422:
        answer = browser.post(NEW, tokens(answer.text) | fields | {"anyway": "1", "keep": "1"})
    assert answer.status_code == 303, answer.text
    page = browser.page(answer.headers["location"])
    found = re.findall(r'href="(/calendar/[0-9a-f]{16})">([^<]*)<', page)
    return next(str(address) for address, title in found if title == fields["title"])


# --- whose activities ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("person", ["ben"])
def test_who_may_not_plan_reads_only(planned: Node, person: str) -> None:
    browser = as_(planned, person)
    assert "Evening of talks" in browser.page("/calendar?month=2026-12")
    assert browser.get(NEW).status_code == browser.post(NEW, TALKS).status_code == 403


def test_another_agency_reads_an_activity_and_cannot_change_it(planned: Node) -> None:
    address = add(planned, "petra", TALKS | {"title": "Second evening", "starts_on": "2026-12-20", "ends_on": ""})
    paul = as_(planned, "paul")
    page = paul.page(address)
    assert "Second evening" in page and "Frau Beispiel" in page and "<textarea" not in page
    refused, unknown = paul.post(address, TALKS), paul.post(f"/calendar/{'0' * 16}", TALKS)
    assert refused.status_code == unknown.status_code == 404
    assert re.sub('value="[^"]*"', "", refused.text) == re.sub('value="[^"]*"', "", unknown.text)


def test_a_partner_without_an_agency_is_told_whom_to_ask(planned: Node) -> None:
    with planned.database.write() as session:
        session.get_one(AccountRow, "paul").agency_id = None
    answer = as_(planned, "paul").post(NEW, TALKS)
    assert answer.status_code == 422 and "belongs to no agency" in answer.text


@pytest.mark.parametrize(
    "changes",
    [
        {"title": ""},
        {"kind": "raid"},
        {"area": "west"},
        {"starts_on": "soon"},
        {"ends_on": "2026-12-01"},
        {"from_time": "9 o'clock"},
        {"audience": "everyone"},
        {"state": "secret"},
        {"contact_role": ""},
        {"note": "x" * 301},
    ],
)
def test_what_cannot_be_planned_comes_back_with_what_was_typed(planned: Node, changes: dict[str, str]) -> None:
    answer = as_(planned, "paul").post(NEW, TALKS | {"title": "Kept in the form"} | changes)
    assert answer.status_code == 422
    assert "Kept in the form" in answer.text or "title" in changes
    assert 'role="alert"' in answer.text


# --- no persons ----------------------------------------------------------------------------------------------------


def test_what_could_point_to_somebody_is_shown_before_it_is_stored(planned: Node) -> None:
    paul = as_(planned, "paul")
    fields = TALKS | {"title": "Talk with Anna Schneider", "starts_on": "2027-03-01", "ends_on": ""}
    answer = paul.post(NEW, fields)
    assert answer.status_code == 422 and "<mark>Anna Schneider</mark>" in answer.text
    assert "Anna Schneider" not in paul.page("/calendar?month=2027-03")
    assert paul.post(NEW, fields | {"keep": "1"}).status_code == 303


# --- quiet windows -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("person", ["petra", "anna", "ben"])
def test_of_a_quiet_window_others_see_nothing_but_where_when_and_whom(planned: Node, person: str) -> None:
    address = add(planned, "paul", DECISION)
    other = as_(planned, person)
    pages = [
        other.page(path)
        for path in (
            "/calendar?month=2026-12",
            "/calendar?month=2026-12&view=list",
            "/calendar.ics?month=2026-12",
            "/calendar/clashes",
            address,
        )
    ]
    for page in pages:
        assert "Closing" not in page and "station" not in page
    assert all("Something is planned here then" in page.replace("\r\n ", "") for page in pages)
    assert "duty desk" in pages[-1]
    assert "Closing of the meeting place" in as_(planned, "paul").page(address)


# --- clashes -------------------------------------------------------------------------------------------------------


def test_an_ill_timed_decision_is_told_before_it_is_stored_and_both_are_told_after(planned: Node) -> None:
    paul = as_(planned, "paul")
    answer = paul.post(NEW, DECISION)
    assert answer.status_code == 422
    assert "Please talk first" in answer.text and "head of youth work" in answer.text and "Frau Beispiel" in answer.text
    assert "Closing" not in paul.page("/calendar?month=2026-12")
    again = paul.post(NEW, tokens(answer.text) | DECISION | {"anyway": "1"})
    assert again.headers["location"].endswith("done=activity-clash")
    for person in ("petra", "paul", "anna"):
        assert "please talk first" in as_(planned, person).page("/calendar/clashes")


def test_today_says_what_waits_and_to_whom(planned: Node) -> None:
    add(planned, "paul", DECISION)
    pages = {person: as_(planned, person).page("/") for person in ("paul", "petra", "anna", "ben")}
    assert {person for person, page in pages.items() if "comes close to one of another" in page} == {
        "paul",
        "petra",
        "anna",
    }
    assert {person for person, page in pages.items() if "returns are missing" in page} == {"paul", "anna"}


def test_a_clash_that_the_page_has_not_shown_is_shown(planned: Node) -> None:
    paul = as_(planned, "paul")
    old = tokens(paul.post(NEW, DECISION).text)
    add(planned, "petra", TALKS | {"title": "Another evening"})
    answer = paul.post(NEW, old | DECISION | {"anyway": "1"})
    assert answer.status_code == 422 and "Another evening" in answer.text


def test_the_agencies_work_a_notice_off_and_nobody_else(planned: Node) -> None:
    add(planned, "paul", DECISION)
    petra = as_(planned, "petra")
    form = tokens(petra.page("/calendar/clashes"))
    assert as_(planned, "ben").post("/calendar/clashes", form | {"state": "talked"}).status_code == 403
    with planned.database.write() as session:
        session.get_one(AccountRow, "paul").agency_id = "school"
    assert "Evening of talks" not in as_(planned, "paul").page("/calendar/clashes")
    assert as_(planned, "paul").post("/calendar/clashes", form | {"state": "talked"}).status_code == 404
    assert petra.post("/calendar/clashes", form | {"clash": "99", "state": "talked"}).status_code == 404
    assert "they have talked" in petra.follow(petra.post("/calendar/clashes", form | {"state": "talked"}))
    stale = petra.post("/calendar/clashes", form | {"state": "accepted"})
    assert stale.status_code == 409 and "Somebody was faster" in stale.text


def test_a_notice_ends_by_itself_when_the_talks_move(planned: Node) -> None:
    add(planned, "paul", DECISION)
    petra = as_(planned, "petra")
    page = petra.page("/calendar?month=2026-12")
    address = re.search(r'href="(/calendar/[0-9a-f]{16})">Evening', page)
    assert address is not None
    moved = tokens(petra.page(address[1])) | TALKS | {"starts_on": "2027-01-10", "ends_on": "2027-01-12"}
    assert petra.post(address[1], moved).status_code == 303
    assert "nothing to talk about" in petra.page("/calendar/clashes")
    assert petra.post(address[1], moved | {"title": "Too late"}).status_code == 409


def test_another_title_reopens_nothing_and_asks_nothing(planned: Node) -> None:
    add(planned, "paul", DECISION)
    petra = as_(planned, "petra")
    petra.post("/calendar/clashes", tokens(petra.page("/calendar/clashes")) | {"state": "accepted"})
    address = re.search(r'href="(/calendar/[0-9a-f]{16})">Evening', petra.page("/calendar?month=2026-12"))
    assert address is not None
    renamed = tokens(petra.page(address[1])) | TALKS | {"title": "Evenings of talks"}
    assert petra.post(address[1], renamed).status_code == 303
    assert "both go ahead" in petra.page("/calendar/clashes?all=1")


# --- how it is looked at -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["month=nonsense", "month=0001-01", "month=9999-12", "view=x&state=y&area=z&kind=q"])
def test_an_address_that_makes_no_sense_shows_the_usual(planned: Node, query: str) -> None:
    assert "<h1>Calendar" in as_(planned, "petra").page(f"/calendar?{query}")


@pytest.mark.parametrize(
    ("query", "is_there"),
    [
        ("area=nord", True),
        ("area=sud", False),
        ("agency=youth", True),
        ("agency=police", False),
        ("audience=setting.worship", True),
        ("audience=setting.school", False),
        ("kind=youth_work", True),
        ("kind=event", False),
        ("state=planned", True),
        ("state=done", False),
    ],
)
def test_filters_stand_in_the_address(planned: Node, query: str, is_there: bool) -> None:
    petra = as_(planned, "petra")
    for view in ("list", "month"):
        assert ("Evening of talks" in petra.page(f"/calendar?month=2026-12&view={view}&{query}")) is is_there
    assert ("Evening of talks" in petra.page(f"/calendar.ics?month=2026-12&{query}")) is is_there


def test_a_view_can_be_taken_to_another_calendar_without_anybodys_name(planned: Node) -> None:
    answer = as_(planned, "ben").get("/calendar.ics?month=2026-12")
    assert answer.headers["content-type"].startswith("text/calendar")
    assert "DTSTART;VALUE=DATE:20261210" in answer.text and "Frau Beispiel" not in answer.text


def test_the_report_of_a_quarter_counts_activities_by_kind_and_no_quiet_window(planned: Node) -> None:
    words = Words(load_language(CATALOGUES, "en"), UTC)
    add(planned, "paul", DECISION)
    add(
        planned, "petra", TALKS | {"title": "Second evening", "starts_on": "2026-12-20", "ends_on": "", "state": "done"}
    )
    with planned.database.read() as session:
        told = activities_of(session, parse_period("2026-Q4"), words)
        assert activities_of(session, parse_period("2026-Q1"), words) is None
    assert told is not None
    assert (told.sentence, told.lines) == (
        "1 activity of our partners, confirmed or done:",
        ("Open youth and street work: 1",),
    )


# --- districts and rule --------------------------------------------------------------------------------------------


def test_a_partner_does_not_change_the_districts(planned: Node) -> None:
    assert as_(planned, "petra").post("/calendar/places", {"districts": "", "gap_days": "1"}).status_code == 403


@pytest.mark.parametrize("changes", [{"gap_days": "31"}, {"gap_days": "x"}, {"districts": "Nord\nnord"}])
def test_a_rule_that_cannot_be_is_shown_again(planned: Node, changes: dict[str, str]) -> None:
    answer = as_(planned, "anna").post("/calendar/places", {"districts": "Nord", "gap_days": "3"} | changes)
    assert answer.status_code == 422


def test_a_wider_rule_makes_notices_of_what_is_there(planned: Node) -> None:
    far = DECISION | {"starts_on": "2026-12-03", "title": "Closing earlier"}
    add(planned, "paul", far)
    assert verbs.run(planned, "calendar.list", {})["open_clashes"] == []
    as_(planned, "anna").post("/calendar/places", {"districts": "Nord\nSüd", "gap_days": "7"})
    assert len(verbs.run(planned, "calendar.list", {})["open_clashes"]) == 1


# --- the console ---------------------------------------------------------------------------------------------------


def test_the_console_lists_and_exports_and_hides_what_is_quiet(planned: Node) -> None:
    add(planned, "paul", DECISION)
    listed = verbs.run(planned, "calendar.list", {"since": "2026-12-01", "until": "2026-12-31"})
    assert "Closing" not in json.dumps(listed) and len(listed["activities"]) == 2
    assert len(listed["open_clashes"]) == 1
    exported = verbs.run(planned, "calendar.export", {"since": "2026-12-01"})
    assert "Closing" not in exported["icalendar"] and exported["activities"] == 2


@pytest.mark.parametrize(
    ("verb", "params"),
    [
        ("calendar.list", {"since": "soon"}),
        ("calendar.list", {"since": "2026-01-01", "until": "2028-01-01"}),
        ("calendar.export", {"since": "2026-02-01", "until": "2026-01-01"}),
        ("returns.status", {"periods": 0}),
        ("returns.status", {"periods": "six"}),
    ],
)
def test_what_the_console_cannot_show_is_an_error(planned: Node, verb: str, params: dict[str, object]) -> None:
    with pytest.raises(VerbError):
        verbs.run(planned, verb, params)


def test_the_console_says_how_returns_stand(planned: Node) -> None:
    shown = verbs.run(planned, "returns.status", {"periods": 3})
    assert shown["missing"] == 2
    assert {each["state"] for each in shown["returns"]} == {"running", "missing"}
    assert verbs.run(planned, "returns.status", {"agency": "youth"})["returns"] == []


# --- what a quiet window must not tell -----------------------------------------------------------------------------


@pytest.mark.parametrize("audience", ["setting.worship", "setting.school", "phenomenon.RWE"])
def test_notices_do_not_tell_for_whom_a_quiet_window_is(planned: Node, audience: str) -> None:
    """Planning for one group after the other, and looking when a notice comes, would tell."""
    add(planned, "paul", DECISION | {"audience": "setting.worship", "starts_on": "2027-03-01"})
    asked = as_(planned, "petra").post(NEW, TALKS | {"audience": audience, "starts_on": "2027-03-02", "ends_on": ""})
    assert asked.status_code == 422
    assert "Something is planned here then" in asked.text
    assert "The same people" not in asked.text


def test_no_agency_can_be_taken_for_the_coordination(planned: Node) -> None:
    """An agency with the id that stands for the coordinators would read what they keep quiet."""
    add(planned, "anna", DECISION | {"title": "Unannounced visit", "starts_on": "2027-03-01"})
    with planned.database.write() as session:
        session.add(
            AgencyRow(
                id="coordination", name="Coordination", kinds='{"codes":[]}', roles='{"codes":[]}',
                added_at=planned.clock(),
            )
        )  # fmt: skip
        session.flush()
        session.get_one(AccountRow, "petra").agency_id = "coordination"
    assert "Unannounced visit" not in as_(planned, "petra").page("/calendar?month=2027-03")
    form = AgencyForm("Coordination", ("youth",), ("deliver",), ())
    for taken in (COORDINATION, "sheets"):
        with planned.database.write() as session, pytest.raises(AgencyError, match="expected an id"):
            add_agency(session, taken, form, by="anna", now=planned.clock())


# --- double clicks and two windows ---------------------------------------------------------------------------------


def test_a_double_click_plans_one_activity_and_another_text_plans_another(planned: Node) -> None:
    petra = as_(planned, "petra")
    form = tokens(petra.page(NEW)) | TALKS | {"title": "Open house", "starts_on": "2027-05-04", "ends_on": ""}
    for _ in range(2):
        assert petra.post(NEW, form).status_code == 303
    assert petra.page("/calendar?month=2027-05").count(">Open house<") == 1
    assert petra.post(NEW, form | {"title": "Closing feast"}).status_code == 303  # back, and typed over
    page = petra.page("/calendar?month=2027-05")
    assert page.count(">Open house<") == page.count(">Closing feast<") == 1


def test_a_form_cannot_name_the_activity_of_another_agency(planned: Node) -> None:
    address = add(planned, "petra", TALKS | {"title": "Open house", "starts_on": "2027-05-04", "ends_on": ""})
    paul = as_(planned, "paul")
    form = TALKS | {"title": "Other talks", "starts_on": "2027-07-04", "ends_on": "", "key": address.split("/")[-1]}
    assert paul.post(NEW, form).status_code == 303
    assert "Open house" in paul.page(address)


def test_two_windows_see_what_the_other_has_stored_and_can_save(planned: Node) -> None:
    address = add(planned, "petra", TALKS | {"title": "Open house", "starts_on": "2027-05-04", "ends_on": ""})
    petra = as_(planned, "petra")
    form = tokens(petra.page(address)) | TALKS | {"title": "Open house", "starts_on": "2027-05-04", "ends_on": ""}
    assert petra.post(address, form | {"note": "Bring chairs", "state": "confirmed"}).status_code == 303
    late = petra.post(address, form | {"title": "Open doors"})
    assert late.status_code == 409
    assert "Bring chairs" in late.text and 'value="Open doors"' in late.text and "What is stored now" in late.text
    again = petra.post(address, form | tokens(late.text) | {"title": "Open doors", "note": "Bring chairs"})
    assert again.status_code == 303
    assert "Open doors" in petra.page(address)


def test_a_quiet_window_is_not_said_to_be_seen_by_all(planned: Node) -> None:
    paul = as_(planned, "paul")
    done = paul.post(NEW, DECISION | {"starts_on": "2027-08-01", "keep": "1"})
    assert "see only where and when" in paul.follow(done)
