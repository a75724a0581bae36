"""The screens of returns: whose they are, zero and not collected, what is late, tables from Excel, two tabs."""

import re
from html import unescape

import pytest
from sqlalchemy import func, select

from local_node import ledger, verbs
from local_node.app import Node
from local_node.door import accounts, sessions
from local_node.orm import AccountRow, AgencyRow, ReturnRecordRow, ReturnSheetRow
from local_node.record_store import reports_for
from local_node.return_entry import current_values
from local_node.tabulation import tabulate
from shared_schema.governance import PolicyBody
from shared_schema.period import parse_period
from shared_schema.service.exports import xlsx_bytes
from shared_schema.service.pages.site import SESSION_COOKIE
from tests.factories import no_noise
from tests.hub_simulator import MovableClock
from tests.local_node.browsing import Browser
from tests.local_node.test_sheets import workbook

TABLE = "bias_incidents.by_offence"
OCTOBER = "/returns/police/2026-10"
FULL = {f"v.{TABLE}.assault": "3", f"v.{TABLE}.arson": "0"}


@pytest.fixture
def city(member: Node) -> Node:
    """A member with two agencies, a partner in each, and what the police has agreed to report."""
    with member.database.write() as session:
        for agency, name in (("police", "City police"), ("youth", "Youth service")):
            session.add(
                AgencyRow(
                    id=agency, name=name, kinds='{"codes":[]}', roles='{"codes":[]}', added_at=member.clock(),
                    ended_at=None,
                )
            )  # fmt: skip
    agencies = {"paul": "police", "petra": "youth"}
    for person in agencies:
        verbs.run(member, "people.add", {"id": person, "role": "partner"})
    for person in ("anna", "ben", *agencies):
        with member.database.write() as session:
            now = member.clock()
            accounts.make_account(
                session, person, person.title(), by="local-node", now=now, agency=agencies.get(person)
            )
    anna = as_(member, "anna")
    agreed = {"agency": "police", "table": TABLE, "granularity": "month", "first": "2026-08", "due_days": "15"}
    assert anna.post("/returns/agreements", agreed).status_code == 303
    return member


def as_(city: Node, person: str) -> Browser:
    """Somebody who is signed in already: to hash a password takes its time, and is tested elsewhere."""
    browser = Browser(city)
    with city.database.write() as session:
        token = sessions.begin(session, accounts.get_account(session, person), "Firefox", city.clock())
    browser.cookies[SESSION_COOKIE] = token
    return browser


def stored(city: Node, period: str = "2026-10", agency: str = "police") -> dict[str, int | None]:
    with city.database.read() as session:
        return current_values(session, agency, TABLE, period)


def tokens(page: str) -> dict[str, str]:
    """The hidden fields of a form."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: unescape(value) for name, value in found if name != "next"}


def fill(browser: Browser, fields: dict[str, str], path: str = OCTOBER) -> "tuple[int, str]":
    answer = browser.post(path, tokens(browser.page(path)) | fields)
    return answer.status_code, answer.text if answer.status_code != 303 else browser.follow(answer)


def release(city: Node, policy: PolicyBody, label: str = "2026-10") -> None:
    period, table = parse_period(label), policy.tables[0]
    with city.database.write() as session:
        counted = tabulate(reports_for(session, table, period), table, period, 1)
        ledger.charge_and_draw(session, counted, epsilon_milli=1000, policy=policy, draw=no_noise, now=city.clock())


# --- whose returns they are ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [OCTOBER, "/returns/nobody/2026-10", "/returns/police/2026-99", "/returns/police/2099-01"]
)
def test_another_agencys_return_and_one_that_is_not_there_look_alike(city: Node, path: str) -> None:
    petra = as_(city, "petra")
    answer, other = petra.get(path), petra.get("/returns/nobody/2026-10")
    assert answer.status_code == 404
    assert re.sub('value="[^"]*"', "", answer.text) == re.sub('value="[^"]*"', "", other.text)
    assert petra.post(path, FULL).status_code == 404
    assert stored(city) == {}


def test_a_partner_sees_its_own_agency_alone(city: Node) -> None:
    petra = as_(city, "petra")
    assert "City police" not in petra.page("/returns")
    assert petra.get("/returns/history?agency=police").status_code == 404
    assert "City police" in as_(city, "anna").page("/returns")


@pytest.mark.parametrize("path", ["/returns/agreements"])
def test_a_partner_agrees_on_nothing(city: Node, path: str) -> None:
    petra = as_(city, "petra")
    assert petra.get(path).status_code == 403
    assert petra.post(path, {"agency": "youth"}).status_code == 403


def test_a_reviewer_looks_and_enters_nothing(city: Node) -> None:
    fill(as_(city, "paul"), FULL)
    ben = as_(city, "ben")
    page = ben.page(OCTOBER)
    assert "<td>3</td>" in page and f"v.{TABLE}.arson" not in page
    assert ben.post(OCTOBER, FULL).status_code == 403


def test_a_partner_without_an_agency_is_told_whom_to_ask(city: Node) -> None:
    with city.database.write() as session:
        session.get_one(AccountRow, "petra").agency_id = None
    assert "belongs to no agency" in as_(city, "petra").page("/returns")


# --- a month -------------------------------------------------------------------------------------------------------


def test_a_month_is_entered_and_the_overview_says_so(city: Node) -> None:
    paul = as_(city, "paul")
    assert "2 returns are missing." not in paul.page("/returns") and "missing" in paul.page("/returns")
    status, page = fill(paul, FULL)
    assert status == 303 and "Saved. Thank you." in page
    assert stored(city) == {"assault": 3, "arson": 0}


def test_zero_and_not_collected_are_different_keys_and_an_empty_field_is_neither(city: Node) -> None:
    paul = as_(city, "paul")
    status, page = fill(paul, {f"v.{TABLE}.assault": "3", f"v.{TABLE}.arson": ""})
    assert status == 422 and "0 for zero, or n for not collected" in page
    assert 'value="3"' in page
    assert stored(city) == {}
    assert fill(paul, {f"v.{TABLE}.assault": "0", f"n.{TABLE}.arson": "1"})[0] == 303
    assert stored(city) == {"assault": 0, "arson": None}


@pytest.mark.parametrize("text", ["n", "N", "z", "x"])
def test_not_collected_can_be_typed(city: Node, text: str) -> None:
    assert fill(as_(city, "paul"), FULL | {f"v.{TABLE}.arson": text})[0] == 303
    assert stored(city)["arson"] is None


@pytest.mark.parametrize("text", ["1.000", "1,5", "-1", "three", "=1+1", "9" * 12, "٣"])
def test_what_is_no_whole_number_is_kept_in_its_field_and_stored_nowhere(city: Node, text: str) -> None:
    status, page = fill(as_(city, "paul"), FULL | {f"v.{TABLE}.arson": text})
    assert status == 422 and f'value="{text}"' in page and 'aria-invalid="true"' in page
    assert stored(city) == {}


def test_an_empty_form_stores_nothing(city: Node) -> None:
    assert fill(as_(city, "paul"), {})[0] == 422


def test_all_the_rest_is_zero_fills_the_form_and_stores_nothing(city: Node) -> None:
    status, page = fill(as_(city, "paul"), {f"v.{TABLE}.assault": "3", "zero": TABLE})
    assert status == 200 and re.search(rf'name="v.{TABLE}.arson" value="0"', page)
    assert stored(city) == {}


def test_nothing_collected_at_all_is_one_tick(city: Node) -> None:
    assert fill(as_(city, "paul"), {f"none.{TABLE}": "1"})[0] == 303
    assert stored(city) == {"assault": None, "arson": None}


def test_a_double_click_stores_once_and_says_so(city: Node) -> None:
    paul = as_(city, "paul")
    form = tokens(paul.page(OCTOBER)) | FULL
    assert "Saved" in paul.follow(paul.post(OCTOBER, form))
    assert "stored already" in paul.follow(paul.post(OCTOBER, form))


def test_of_two_tabs_the_second_is_told_and_keeps_what_was_typed(city: Node) -> None:
    paul = as_(city, "paul")
    old = tokens(paul.page(OCTOBER))
    fill(paul, FULL)
    answer = paul.post(OCTOBER, old | FULL | {f"v.{TABLE}.assault": "7"})
    assert answer.status_code == 409 and 'value="7"' in answer.text and "stored: 3" in answer.text
    assert stored(city)["assault"] == 3
    again = paul.post(OCTOBER, tokens(answer.text) | FULL | {f"v.{TABLE}.assault": "7"})
    assert again.status_code == 303 and stored(city)["assault"] == 7


# --- late figures and corrections ----------------------------------------------------------------------------------


def test_a_correction_is_explained_and_stored_after_a_yes(city: Node, policy: PolicyBody) -> None:
    paul = as_(city, "paul")
    fill(paul, FULL)
    release(city, policy)
    status, page = fill(paul, FULL | {f"v.{TABLE}.assault": "4"})
    assert status == 422 and "has already left this node" in page
    assert stored(city)["assault"] == 3
    answer = paul.post(OCTOBER, tokens(page) | FULL | {f"v.{TABLE}.assault": "4", "yes": "1"})
    assert answer.status_code == 303 and stored(city)["assault"] == 4


def test_a_late_return_says_where_it_counts(city: Node, policy: PolicyBody) -> None:
    fill(as_(city, "paul"), FULL)
    release(city, policy)
    petra = as_(city, "petra")
    path = f"/returns/youth/2026-10?table={TABLE}"
    form = tokens(petra.page(path)) | FULL
    answer = petra.post("/returns/youth/2026-10", form)
    assert answer.status_code == 422 and "They count in November 2026" in answer.text


# --- for an agency that asked --------------------------------------------------------------------------------------


def test_the_coordinator_enters_for_an_agency_that_asked_and_the_agency_is_told(city: Node) -> None:
    anna = as_(city, "anna")
    status, page = fill(anna, FULL)
    assert status == 422 and "say that the agency has asked you" in page
    assert stored(city) == {}
    assert fill(anna, FULL | {"asked": "1"})[0] == 303
    paul = as_(city, "paul")
    page = paul.page("/returns")
    assert "not yet confirmed" in page
    batch = re.search(r'name="batch" value="(\d+)"', page)
    assert batch is not None
    answer = {"batch": batch[1], "answer": "figures"}
    assert as_(city, "petra").post("/returns/answer", answer).status_code == 404
    assert anna.post("/returns/answer", answer).status_code == 404
    paul.follow(paul.post("/returns/answer", answer))
    assert paul.post("/returns/answer", answer).status_code == 404
    assert "has objected" in anna.page("/returns") and "The figures are not ours" in anna.page("/returns")


# --- tables from Excel ---------------------------------------------------------------------------------------------


def send(browser: Browser, cells: str, agency: str = "police") -> str:
    answer = browser.post("/returns/paste", {"agency": agency, "table": TABLE, "cells": cells})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def test_a_pasted_table_is_looked_at_before_it_is_stored(city: Node) -> None:
    paul = as_(city, "paul")
    place = send(paul, "Month\tAssault\tArson\n09/2026\t1\t2\nOctober 2026\t3\tn")
    page = paul.page(place)
    assert "4 figures would change" in page
    assert stored(city) == {}
    assert "Saved" in paul.follow(paul.post(place, tokens(page)))
    assert (stored(city, "2026-09"), stored(city)) == ({"assault": 1, "arson": 2}, {"assault": 3, "arson": None})
    assert "not waiting any more" in paul.follow(paul.post(place, tokens(page)))


def test_one_wrong_row_and_nothing_is_stored(city: Node) -> None:
    paul = as_(city, "paul")
    place = send(paul, "Month\tAssault\tArson\n2026-09\t1\t2\n2026-10\t1.000\tPeter Schmidt")
    page = paul.page(place)
    assert "Line 3, column Assault" in page and "Line 3, column Arson" in page and "Schmidt" not in page
    assert paul.post(place, tokens(page)).status_code == 422
    assert stored(city, "2026-09") == {}
    with city.database.read() as session:
        assert b"Schmidt" not in session.scalars(select(ReturnSheetRow.content)).one()


def test_a_column_is_corrected_once_and_remembered(city: Node) -> None:
    paul = as_(city, "paul")
    first = send(paul, "Monat\tTaten\tarson\n2026-09\t1\t2")
    columns = {"column-0": "period", "column-1": "assault", "column-2": "arson", "columns": "1"}
    assert "remembered" in paul.follow(paul.post(first, columns))
    later = paul.page(send(paul, "Monat\tTaten\tarson\n2026-10\t3\t4"))
    assert "As it was said the last time" in later and "2 figures would change" in later


@pytest.mark.parametrize("columns", [{"column-0": "murder"}, {}, {"column-0": "arson", "column-1": "arson"}])
def test_columns_that_cannot_be_are_refused(city: Node, columns: dict[str, str]) -> None:
    paul = as_(city, "paul")
    place = send(paul, "a\tb\n1\t2")
    assert paul.post(place, columns | {"columns": "1"}).status_code == 422


def test_one_row_without_a_period_is_asked_for_it(city: Node) -> None:
    paul = as_(city, "paul")
    place = send(paul, "Assault\t3\nArson\tn")
    assert "Which period is it about?" in paul.page(place)
    page = paul.page(f"{place}?period=2026-10")
    assert paul.post(place, tokens(page) | {"period": "2026-10"}).status_code == 303
    assert stored(city) == {"assault": 3, "arson": None}


def test_nobody_sees_what_somebody_else_has_sent(city: Node) -> None:
    place = send(as_(city, "paul"), "Assault\t3\nArson\tn")
    petra = as_(city, "petra")
    assert petra.get(place).headers["location"] == "/returns?done=sheet-gone"
    assert petra.post(place, {"drop": "1"}).headers["location"] == "/returns?done=sheet-gone"
    with city.database.read() as session:
        assert session.scalar(select(func.count()).select_from(ReturnSheetRow)) == 1


def test_a_table_that_became_old_while_it_was_looked_at_is_not_stored(city: Node) -> None:
    paul = as_(city, "paul")
    place = send(paul, "Month\tAssault\tArson\n2026-10\t1\t2")
    page = paul.page(place)
    fill(paul, FULL)
    assert paul.post(place, tokens(page)).status_code == 409
    assert stored(city) == {"assault": 3, "arson": 0}


def test_somebody_elses_agency_cannot_be_sent_for(city: Node) -> None:
    cells = {"agency": "police", "table": TABLE, "cells": "Assault\t3"}
    assert as_(city, "petra").post("/returns/paste", cells).status_code == 422


@pytest.mark.parametrize(
    ("name", "data", "status"),
    [
        ("x.xlsx", workbook(lambda book: book.active.append(["=1+1"])), 422),
        ("x.csv", b"Month,Assault\n2026-10,=1\n", 422),
        ("x.csv", b"x" * (5 * 1024 * 1024 + 1), 413),
        ("x.bin", b"\0\1", 422),
        ("x.csv", b"a\n" * 700, 413),
    ],
    ids=["formula", "formula in csv", "large", "no table", "long"],
)
def test_a_file_that_is_not_wanted_is_refused_in_words(city: Node, name: str, data: bytes, status: int) -> None:
    answer = as_(city, "paul").post(
        "/returns/upload", {"agency": "police", "table": TABLE}, files={"file": (name, data)}
    )
    assert answer.status_code == status
    with city.database.read() as session:
        assert session.scalar(select(func.count()).select_from(ReturnSheetRow)) == 0


def test_an_empty_file_is_filled_in_and_sent_back(city: Node) -> None:
    paul = as_(city, "paul")
    empty = paul.get(f"/returns/template?table={TABLE}&kind=xlsx")
    assert empty.status_code == 200 and empty.content.startswith(b"PK")
    assert paul.get(f"/returns/template?table={TABLE}&kind=csv").content.startswith(b"\xef\xbb\xbf")
    assert paul.get("/returns/template?table=nothing&kind=csv").status_code == 404
    data = xlsx_bytes("Returns", ("Period", "Assault", "Arson"), [("2026-10", 3, "n")])
    answer = paul.post(
        "/returns/upload", {"agency": "police", "table": TABLE}, files={"file": ("Oktober 2026.xlsx", data)}
    )
    place = str(answer.headers["location"])
    assert paul.post(place, tokens(paul.page(place))).status_code == 303
    assert stored(city) == {"assault": 3, "arson": None}
    assert "file" in paul.page("/returns/history")


# --- what a page has not shown is not stored ----------------------------------------------------------------------


def test_a_column_that_is_corrected_beside_the_button_is_not_stored_as_it_was(city: Node) -> None:
    """Somebody corrects what the columns are, and presses the button that is nearer."""
    paul = as_(city, "paul")
    place = send(paul, "Month\tAssault\tArson\n2026-10\t1\t2")
    swapped = {"column-0": "period", "column-1": "arson", "column-2": "assault", "do": "store"}
    page = paul.follow(paul.post(place, tokens(paul.page(place)) | swapped))
    assert stored(city) == {}
    assert paul.post(place, tokens(page) | swapped).status_code == 303
    assert stored(city) == {"assault": 2, "arson": 1}


def test_another_period_than_the_page_has_shown_is_shown_first(city: Node) -> None:
    paul = as_(city, "paul")
    place = send(paul, "Assault\t3\nArson\tn")
    page = paul.page(f"{place}?period=2026-10")
    other = paul.post(place, tokens(page) | {"period": "2026-09", "do": "store"})
    assert other.status_code == 422 and "something else than the page has shown" in other.text
    assert stored(city) == stored(city, "2026-09") == {}
    assert paul.post(place, tokens(other.text) | {"period": "2026-09", "do": "store"}).status_code == 303
    assert stored(city, "2026-09") == {"assault": 3, "arson": None}


def test_columns_that_another_window_has_corrected_are_shown_first(city: Node) -> None:
    paul = as_(city, "paul")
    place = send(paul, "Month\tAssault\tArson\n2026-10\t1\t2")
    page = paul.page(place)
    swapped = {"column-0": "period", "column-1": "arson", "column-2": "assault", "columns": "1"}
    assert paul.post(place, swapped).status_code == 303
    assert paul.post(place, tokens(page) | {"do": "store"}).status_code == 422
    assert stored(city) == {}


def test_a_table_that_nobody_came_back_for_is_erased_with_the_next_round(city: Node, clock: MovableClock) -> None:
    """It holds an agency's figures as they are, and must not wait for the next table that somebody pastes."""
    send(as_(city, "paul"), "Month\tAssault\tArson\n2026-10\t1\t2")
    clock.advance(days=2)
    verbs.run(city, "sync", {})
    with city.database.read() as session:
        assert session.scalar(select(func.count()).select_from(ReturnSheetRow)) == 0


def test_nothing_collected_does_not_write_over_a_number_that_was_typed(city: Node) -> None:
    paul = as_(city, "paul")
    status, page = fill(paul, {f"v.{TABLE}.assault": "3", f"none.{TABLE}": "1"})
    assert status == 422 and "there are numbers in it" in page and 'value="3"' in page
    assert stored(city) == {}
    assert fill(paul, FULL)[0] == 303
    assert fill(paul, FULL | {f"none.{TABLE}": "1"})[0] == 303  # the numbers that were stored before
    assert stored(city) == {"assault": None, "arson": None}


# --- the end of a question -----------------------------------------------------------------------------------------


def entered_for_police(city: Node) -> str:
    """The coordinator enters figures, and the agency objects; the page of the coordinator."""
    anna, paul = as_(city, "anna"), as_(city, "paul")
    assert fill(anna, FULL | {"asked": "1"})[0] == 303
    batch = re.search(r'name="batch" value="(\d+)"', paul.page("/returns"))
    assert batch is not None
    paul.follow(paul.post("/returns/answer", {"batch": batch[1], "answer": "figures"}))
    return anna.page("/returns")


@pytest.mark.parametrize("fields", [FULL, FULL | {f"v.{TABLE}.assault": "7", f"v.{TABLE}.arson": "1"}])
def test_an_objection_ends_when_the_agency_has_entered_its_own_figures(city: Node, fields: dict[str, str]) -> None:
    assert "has objected" in entered_for_police(city)
    assert fill(as_(city, "paul"), fields)[0] == 303
    assert "has objected" not in as_(city, "anna").page("/returns")
    assert "objected to figures" not in as_(city, "anna").page("/")


def test_figures_that_the_agency_has_replaced_need_no_confirmation(city: Node) -> None:
    assert fill(as_(city, "anna"), FULL | {"asked": "1"})[0] == 303
    paul = as_(city, "paul")
    assert "not yet confirmed" in paul.page("/returns")
    assert fill(paul, FULL | {f"v.{TABLE}.assault": "7", f"v.{TABLE}.arson": "1"})[0] == 303
    assert "not yet confirmed" not in paul.page("/returns")


# --- agreements ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [{"agency": "nobody"}, {"table": "nothing"}, {"granularity": "year"}, {"first": "soon"}, {"due_days": "0"}],
)
def test_an_agreement_that_cannot_be_is_shown_again(city: Node, changes: dict[str, str]) -> None:
    agreed = {"agency": "youth", "table": TABLE, "granularity": "month", "first": "2026-08", "due_days": "15"}
    assert as_(city, "anna").post("/returns/agreements", agreed | changes).status_code == 422


def test_an_agreement_ends_and_what_was_reported_stays(city: Node) -> None:
    anna = as_(city, "anna")
    fill(as_(city, "paul"), FULL)
    drop = {"drop": f"police|{TABLE}|month"}
    assert "has ended" in anna.follow(anna.post("/returns/agreements", drop))
    assert anna.post("/returns/agreements", drop).status_code == 422
    with city.database.read() as session:
        assert session.scalar(select(func.count()).select_from(ReturnRecordRow)) == 2


def test_an_administrator_who_manages_agencies_sees_them(city: Node) -> None:
    verbs.run(city, "people.add", {"id": "olga", "role": "administrator"})
    with city.database.write() as session:
        accounts.make_account(session, "olga", "Olga", by="local-node", now=city.clock())
    olga = as_(city, "olga")
    page = olga.page("/returns/agreements")
    assert "There is no agency yet" not in page and "Youth service" in page
    agreed = {"agency": "youth", "table": TABLE, "granularity": "month", "first": "2026-08", "due_days": "15"}
    assert olga.post("/returns/agreements", agreed).status_code == 303


def test_the_history_takes_a_period_as_people_write_it(city: Node) -> None:
    paul = as_(city, "paul")
    fill(paul, FULL)
    assert "From then on" in paul.page("/returns/history?period=10/2026")
    page = paul.page("/returns/history?period=09/2026")
    assert "Nothing has been reported here yet" not in page and "2026-09" in page
