"""The picture: own figures only for those who may, gaps that stay gaps, and files that say what the page says."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import date
from functools import partial
from html import unescape

import pytest
from openpyxl import load_workbook

from local_node import audit, hub_client, inbox, verbs
from local_node.app import Node
from local_node.closed_months import close_before
from local_node.orm import ReturnRecordRow
from local_node.settings import load_settings, write_settings
from local_node.web.access import ALLOWED, Right
from local_node.web.picture_query import read_query
from local_node.web.picture_view import Memory, read_picture
from shared_schema.service.key_file import load_key, write_key
from shared_schema.service.pages.remembered import Remembered
from tests.browser import screens_door, screens_picture
from tests.browser.screens import Furnished
from tests.browser.screens_picture import MONTHS, RELEASED, TABLE
from tests.hub_simulator import HubSimulator, MovableClock, seeded_key
from tests.local_node.browsing import Browser
from tests.local_node.conftest import LEIPZIG, SETTINGS

EXACT, SHARED, REGION, NATION = (
    "Leipzig, our own exact figures",
    "Leipzig, as we shared it",
    "Our region: sachsen.de",
    "The country: bund.de",
)
STAFF = {"anna": "coordinator", "ben": "reviewer", "paul": "partner", "rita": "reader"}
AGE = f"/picture?table={TABLE}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    """Three years of returns, releases and sums; made once, because most tests only look."""
    data_dir = tmp_path_factory.mktemp("picture")
    write_settings(data_dir, SETTINGS)
    write_key(data_dir, seeded_key(LEIPZIG))
    clock = MovableClock()
    hub = HubSimulator("sachsen.de", clock=clock)
    opened = Node(data_dir, load_settings(data_dir), load_key(data_dir), clock, hub)
    for person, role in STAFF.items():
        verbs.run(opened, "people.add", {"id": person, "role": role})
    made = Furnished(opened, hub)
    screens_door.furnish(made)
    screens_picture.furnish(made)
    yield made
    opened.close()


@pytest.fixture
def furnished(world: Furnished) -> Node:
    return world.node


_BROWSERS: dict[tuple[int, str], Browser] = {}


def signed_in(node: Node, person: str) -> Browser:
    """A browser of somebody; everybody signs in once, because hashing a password takes its time."""
    key = (id(node), person)
    if key not in _BROWSERS:
        _BROWSERS[key] = Browser(node).sign_in(person)
    return _BROWSERS[key]


def rows(text: bytes) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(text.decode("utf-8-sig"))) if row]


def figures_of(browser: Browser, address: str) -> dict[tuple[str, str, str], list[str]]:
    """(source, period, code) → the line of the CSV file."""
    response = browser.get(address.replace("/picture?", "/picture.csv?"))
    assert response.status_code == 200
    return {(row[2], row[1], row[3]): row for row in rows(response.content)[1:] if len(row) == 12}


# --- who sees what ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("person", STAFF)
@pytest.mark.parametrize("view", ["chart", "table"])
def test_only_the_coordinator_and_the_reviewer_see_what_was_counted(furnished: Node, person: str, view: str) -> None:
    browser = signed_in(furnished, person)
    page = unescape(browser.page(f"{AGE}&view={view}"))
    may_see = any(role.value == STAFF[person] for role in ALLOWED[Right.SEE_OWN_FIGURES])
    assert (EXACT in page) is may_see
    assert SHARED in page
    assert REGION in page
    for ending in ("csv", "xlsx"):
        content = browser.get(f"/picture.{ending}?table={TABLE}").content
        if ending == "xlsx":
            sheet = load_workbook(io.BytesIO(content))["Figures"]
            content = "\n".join(str(row[2]) for row in sheet.iter_rows(values_only=True)).encode()
        assert (EXACT.encode() in content) is may_see


@pytest.mark.parametrize("path", ["/picture", "/picture.csv", "/picture.xlsx", "/trends"])
def test_nobody_sees_anything_without_signing_in(furnished: Node, path: str) -> None:
    response = Browser(furnished).get(path)
    assert response.status_code == 303
    assert response.headers["location"].startswith("/sign-in")


def test_a_reader_who_asks_for_everything_gets_no_true_count(furnished: Node) -> None:
    reader = figures_of(signed_in(furnished, "rita"), f"{AGE}&cell=every")
    assert {source for source, _, _ in reader} == {SHARED, REGION, NATION}
    exact = figures_of(signed_in(furnished, "anna"), f"{AGE}&cell=every")
    counted = [exact[EXACT, month, "0-13"][6] for month in RELEASED]
    assert counted != [reader[SHARED, month, "0-13"][6] for month in RELEASED]


def test_months_of_what_is_in_stock_make_no_quarter(furnished: Node) -> None:
    with furnished.database.read() as session:
        policy = inbox.current_policy(session, "sachsen.de")
        assert policy is not None
        assert policy.measures is not None
        measures = tuple(each.model_copy(update={"stock": True}) for each in policy.measures)
        in_stock = policy.model_copy(update={"measures": measures})
        query, error = read_query(in_stock, {"table": TABLE, "by": "quarter"}, set(), date(2026, 11, 22))
        hubs = hub_client.nearest_first(hub_client.list_hubs(session))
        added = read_picture(session, query, lambda _hub: policy, hubs, Memory(), with_counts=True)
        left = read_picture(session, query, lambda _hub: in_stock, hubs, Memory(), with_counts=True)
    assert error is None
    assert added.sources[0].at("2026-Q1", "").value is not None
    assert left.sources[0].at("2026-Q1", "").kind == "missing"


# --- what is asked for -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["table=nothing", "table=../../etc/passwd", "table=%01", "table=" + "x" * 5_000])
def test_an_unknown_table_is_not_there(furnished: Node, query: str) -> None:
    browser = signed_in(furnished, "anna")
    for path in ("/picture", "/picture.csv", "/picture.xlsx"):
        assert browser.get(f"{path}?{query}").status_code == 404


def test_a_nul_in_a_question_is_refused_before_anything_is_asked(furnished: Node) -> None:
    assert signed_in(furnished, "anna").get("/picture?table=%00").status_code == 422


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("from=yesterday", "expected a month such as 2026-01"),
        ("from=2026-13", "expected a month such as 2026-01"),
        ("to=0000-01", "expected a month such as 2026-01"),
        ("from=2026-05&to=2026-04", "expected a last month that is not before the first one"),
        ("from=1900-01&to=2026-01", "expected at most 120 months, got 1513"),
        ("from=%3Cscript%3E", "expected a month such as 2026-01"),
    ],
)
def test_a_wrong_period_is_explained_and_the_usual_ones_are_shown(furnished: Node, query: str, expected: str) -> None:
    browser = signed_in(furnished, "anna")
    response = browser.get(f"{AGE}&{query}")
    assert response.status_code == 422
    assert expected in response.text
    assert "<script>" not in response.text
    assert "Oct 2026" in response.text
    assert browser.get(f"/picture.csv?table={TABLE}&{query}").status_code == 422


def test_what_is_unknown_in_a_filter_falls_back_to_the_usual(furnished: Node) -> None:
    browser = signed_in(furnished, "anna")
    assert browser.page(f"{AGE}&cell=%3Cb%3E&by=week&view=pie") == browser.page(
        f"{AGE}&cell=%3Cb%3E&by=week&view=pie&done="
    ).replace("&amp;done=", "")


def test_every_combination_of_filters_is_a_page(furnished: Node) -> None:
    browser = signed_in(furnished, "anna")
    for cell in ("", "0-13", "every"):
        for by in ("month", "quarter", "year"):
            for view in ("chart", "table"):
                assert "<h1>First contacts by age</h1>" in browser.page(f"{AGE}&cell={cell}&by={by}&view={view}")


def test_without_a_hub_it_says_what_to_do_next(node: Node) -> None:
    browser = Browser(node).sign_in("anna")
    assert "Add your hub and become its member" in browser.page("/picture")
    assert browser.get("/picture.csv").status_code == 404


def test_a_table_without_figures_says_how_it_begins(furnished: Node) -> None:
    page = signed_in(furnished, "paul").page("/picture?table=tension.by_level")
    assert "There is nothing to see here yet" in page


def test_without_a_wish_the_first_table_with_figures_is_shown(furnished: Node) -> None:
    assert "<h1>First contacts by age</h1>" in signed_in(furnished, "anna").page("/picture")


def test_the_old_address_of_the_trends_leads_here(furnished: Node) -> None:
    browser = signed_in(furnished, "rita")
    assert browser.get("/trends").headers["location"] == "/picture?view=table"


# --- what is shown ---------------------------------------------------------------------------------------------------


def test_a_gap_a_few_and_a_hidden_figure_are_three_things_and_none_is_zero(furnished: Node) -> None:
    found = figures_of(signed_in(furnished, "anna"), f"{AGE}&cell=every")
    assert found[EXACT, MONTHS[9], "0-13"][5:9] == ["missing", "", "", ""]
    assert found[SHARED, MONTHS[0], "0-13"][5:9] == ["absent", "", "", ""]
    assert found[REGION, MONTHS[20], "0-13"][5:9] == ["absent", "", "", ""]
    assert found[REGION, MONTHS[12], "14-17"][5:9] == ["hidden", "", "", ""]
    assert found[REGION, MONTHS[12], "_U"][5:9] == ["few", "", "", ""]
    assert found[REGION, MONTHS[12], "14-17"][11] == "one city stands out"


def test_a_figure_that_was_shared_is_explained_with_its_interval(furnished: Node) -> None:
    browser = signed_in(furnished, "rita")
    page = re.sub(r"\s+", " ", browser.page(AGE))
    said = re.search(
        r"For Sept 2026 we shared the figure (\d+). The true number is very probably between (\d+) and", page
    )
    assert said is not None
    shared = figures_of(browser, AGE)[SHARED, MONTHS[-2], "_T"]
    assert shared[6:8] == [said[1], said[2]]


def test_a_change_beyond_chance_is_an_alert(furnished: Node) -> None:
    page = unescape(signed_in(furnished, "paul").page(AGE))
    assert "What has changed, by more than chance" in page
    assert "The country: bund.de, All together: more in Oct 2026 than in the period before" in page


def test_a_break_is_drawn_and_said(furnished: Node) -> None:
    browser = signed_in(furnished, "anna")
    assert 'class="break"' in browser.page(AGE)
    assert "break: counted in a new way" in figures_of(browser, AGE)[EXACT, MONTHS[24], "_T"][11]


def test_coverage_says_how_many_of_how_many(furnished: Node) -> None:
    found = figures_of(signed_in(furnished, "anna"), AGE)
    assert found[EXACT, MONTHS[3], "_T"][10] == "2 of 3 agencies"
    assert found[REGION, MONTHS[3], "_T"][10] == "8 of 12 cities, 32 of 60 agencies"


def test_a_quarter_without_one_of_its_months_says_what_is_left_out(furnished: Node) -> None:
    found = figures_of(signed_in(furnished, "anna"), f"{AGE}&by=quarter")
    assert "without agencies that reported a part of it only" in found[EXACT, "2024-Q1", "_T"][11]


def test_the_page_never_ranks_and_shows_no_other_city(furnished: Node, world: Furnished) -> None:
    world.hub.city("dresden.sn.de")
    verbs.run(furnished, "sync", {})
    assert "dresden" not in signed_in(furnished, "anna").page(f"{AGE}&cell=every").lower()


# --- files -----------------------------------------------------------------------------------------------------------


def test_csv_and_excel_hold_the_same_figures_with_their_notes_and_citation(furnished: Node) -> None:
    browser = signed_in(furnished, "anna")
    table = rows(browser.get(f"/picture.csv?table={TABLE}&from=2026-01&to=2026-10").content)
    book = load_workbook(io.BytesIO(browser.get(f"/picture.xlsx?table={TABLE}&from=2026-01&to=2026-10").content))
    sheet = [
        ["" if value is None else str(value) for value in row] for row in book["Figures"].iter_rows(values_only=True)
    ]
    notes = [str(row[0]) for row in book["Notes"].iter_rows(values_only=True)]
    assert table[: len(sheet)] == sheet
    assert len(sheet) == 1 + 4 * 10
    citation = (
        "Leipzig, Prevention Exchange: First contacts by age, version 1, Jan 2026 to Oct 2026. As of 22 Nov 2026."
    )
    assert notes[0] == table[len(sheet)][0] == citation


def test_no_cell_of_a_file_is_a_formula(furnished: Node) -> None:
    browser = signed_in(furnished, "anna")
    book = load_workbook(io.BytesIO(browser.get(f"/picture.xlsx?table={TABLE}&cell=every").content))
    assert all(cell.data_type != "f" for sheet in book for row in sheet.iter_rows() for cell in row)


def test_a_file_has_a_name_that_says_what_it_is(furnished: Node) -> None:
    headers = signed_in(furnished, "anna").get(f"/picture.csv?table={TABLE}&by=year&from=2025-01").headers
    assert headers["content-disposition"] == 'attachment; filename="first_contacts.by_age-2025-2026.csv"'
    assert headers["cache-control"] == "no-store"


def test_what_was_erased_is_neither_a_gap_nor_a_zero(furnished: Node) -> None:
    browser = signed_in(furnished, "anna")
    with furnished.database.write() as session:
        session.query(ReturnRecordRow).filter(ReturnRecordRow.period < "2024-06").delete()
        close_before(session, "first_contacts", "2024-06", by="ben", now=furnished.clock())
        audit.append(session, "ben", "records.erased", "first_contacts/2024-06", furnished.clock())
    found = figures_of(browser, AGE)
    assert found[EXACT, "2024-05", "_T"][5:9] == ["erased", "", "", ""]
    assert found[EXACT, "2024-06", "_T"][5] == "figure"
    page = browser.page(AGE)
    assert "erased, as the retention rules say" in page


# --- what is remembered ----------------------------------------------------------------------------------------------


def test_a_changed_figure_is_seen_at_once(furnished: Node) -> None:
    browser = signed_in(furnished, "anna")
    before = figures_of(browser, AGE)[EXACT, MONTHS[-1], "_T"][6]
    with furnished.database.write() as session:
        row = session.query(ReturnRecordRow).filter_by(period=MONTHS[-1], cell="0-13", agency="jugendamt").one()
        row.value = (row.value or 0) + 1
        audit.append(session, "anna", "records.imported", "batch/9", furnished.clock())
    assert int(figures_of(browser, AGE)[EXACT, MONTHS[-1], "_T"][6]) == int(before) + 1


def test_only_so_many_answers_are_remembered() -> None:
    memory: Remembered[int] = Remembered(2)
    made: list[str] = []

    def make(key: str) -> int:
        made.append(key)
        return len(made)

    for key in ("a", "b", "a", "c", "a", "b"):
        memory.get(key, partial(make, key))
    assert made == ["a", "b", "c", "b"]
