"""The report of a quarter: only what may be public, unless it says on every page that it is not."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape

import pytest

from local_node import audit, verbs
from local_node.app import Node
from local_node.orm import ReleaseRequestRow
from local_node.settings import load_settings, write_settings
from local_node.web import report_sections
from local_node.web.report_sections import Section
from local_node.web.words import Words
from shared_schema.period import Period
from shared_schema.service.key_file import load_key, write_key
from shared_schema.statement import Audience
from tests import factories
from tests.browser import screens_door, screens_picture
from tests.browser.screens import Furnished
from tests.hub_simulator import HubSimulator, MovableClock, seeded_key
from tests.local_node.browsing import Browser
from tests.local_node.conftest import LEIPZIG, SETTINGS

STAFF = {"anna": "coordinator", "ben": "reviewer", "paul": "partner", "rita": "reader"}
EXACT = "Leipzig, our own exact figures"
THIS = "/report?quarter=2026-Q3"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with three years of figures, and lessons of this quarter that were sent."""
    data_dir = tmp_path_factory.mktemp("report")
    write_settings(data_dir, SETTINGS)
    write_key(data_dir, seeded_key(LEIPZIG))
    clock = MovableClock()
    hub = HubSimulator("sachsen.de", clock=clock)
    opened = Node(data_dir, load_settings(data_dir), load_key(data_dir), clock, hub)
    for person, role in STAFF.items():
        verbs.run(opened, "people.add", {"id": person, "role": role})
    screens_door.furnish(made := Furnished(opened, hub))
    screens_picture.furnish(made)
    for number, (title, outcome, state) in enumerate(
        [
            ("Evenings that nobody came to", "not_delivered", "signed"),
            ("Rehearsing <b>talks</b>", "worked", "signed"),
            ("Taken back again", "worked", "withdrawn"),
            ("Not yet approved", "worked", "requested"),
        ]
    ):
        tell(opened, number, title, outcome, state)
    yield opened
    opened.close()


def tell(node: Node, number: int, title: str, outcome: str, state: str, **changes: str) -> None:
    decided = node.clock() - timedelta(days=80)
    with node.database.write() as session:
        session.add(
            ReleaseRequestRow(
                id=f"lesson-{number}", number=50 + number, kind="practice", state=state,
                body=factories.make_practice(title=title, outcome=outcome, **changes).to_bytes().decode(),
                audience="europe", requested_by="anna", requested_at=decided, findings='{"items":[]}',
                digest=f"{number:064x}" if state == "signed" else None,
                decided_at=None if state == "requested" else decided,
            )
        )  # fmt: skip


@pytest.fixture(scope="module")
def anna(world: Node) -> Browser:
    return Browser(world).sign_in("anna")


def plain(page: str) -> str:
    """What a reader reads: without the forms around the report."""
    sheet = page[page.index('<table class="sheet"') :]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", sheet)))


# --- the bad side ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("person", ["paul", "rita"])
def test_who_may_not_see_own_figures_has_no_report(world: Node, person: str) -> None:
    browser = Browser(world).sign_in(person)
    assert browser.get(THIS).status_code == 403
    assert browser.post("/report", {"quarter": "2026-Q3", "seen": "0", "text": "mine"}).status_code == 403


def test_a_reviewer_reads_it_and_cannot_write_in_it(world: Node) -> None:
    browser = Browser(world).sign_in("ben")
    assert "Your own words" not in browser.page(THIS)
    assert browser.post("/report", {"quarter": "2026-Q3", "seen": "0", "text": "mine"}).status_code == 403


@pytest.mark.parametrize("quarter", ["2026", "2026-07", "2026-Q5", "x", "../..", "2026-Q3'--"])
def test_what_is_no_quarter_has_no_report(anna: Browser, quarter: str) -> None:
    assert anna.get(f"/report?quarter={quarter}").status_code == 404


def test_the_public_report_holds_no_exact_figure_and_the_internal_one_says_that_it_does(anna: Browser) -> None:
    public, internal = anna.page(THIS), anna.page(f"{THIS}&internal=yes")
    assert EXACT not in public
    assert "INTERNAL" not in plain(public)
    assert EXACT in internal
    head = internal[internal.index('<table class="sheet"') : internal.index("<tbody>")]
    assert "<thead>" in head, "what stands in the head is printed on every page"
    assert "INTERNAL, not for the public" in head


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"text": "x" * 4001}, "expected 0 to 4000 characters in text"),
        ({"text": "a\x00b"}, "expected printable characters in text"),
        ({"text": "words", "seen": "-1"}, "expected a whole number"),
        ({"text": "words", "seen": "7"}, "expected the words that are saved now"),
    ],
)
def test_what_cannot_be_saved_is_shown_again(anna: Browser, fields: dict[str, str], code: str) -> None:
    response = anna.post("/report", {"quarter": "2025-Q4", "seen": "0"} | fields)
    assert response.status_code == 422
    assert code in unescape(response.text)
    assert fields["text"].replace("\x00", "")[:50] in response.text.replace("\x00", "")


def test_two_tabs_do_not_overwrite_each_other_and_nothing_typed_is_lost(anna: Browser) -> None:
    first = anna.post("/report", {"quarter": "2026-Q1", "seen": "0", "text": "the first words"})
    assert "Your words are saved." in anna.follow(first)
    stale = anna.post("/report", {"quarter": "2026-Q1", "seen": "0", "text": "the second words"})
    assert stale.status_code == 422
    assert "the second words" in stale.text
    assert "the first words" in plain(stale.text)
    seen = re.search(r'name="seen" value="(\d+)"', stale.text)
    assert seen is not None
    again = anna.post("/report", {"quarter": "2026-Q1", "seen": seen[1], "text": "the second words"})
    assert "the second words" in plain(anna.follow(again))


def test_words_of_the_coordinator_are_text_and_never_leave_by_the_log(anna: Browser, world: Node) -> None:
    anna.post("/report", {"quarter": "2026-Q2", "seen": "0", "text": "<script>alert(1)</script>\n\nA second part."})
    page = anna.page("/report?quarter=2026-Q2")
    assert "<script>alert" not in page
    assert "A second part." in plain(page)
    with world.database.read() as session:
        assert all("second part" not in event.subject for event in audit.list_events(session))


# --- what it tells ---------------------------------------------------------------------------------------------------


def test_it_tells_what_was_done_and_what_did_not_work(anna: Browser) -> None:
    told = plain(anna.page(THIS))
    assert "2 lessons were shared with other cities:" in told
    assert "Rehearsing <b>talks</b> (" in told
    failed = told[told.index("What did not work") : told.index("Figures")]
    assert "Evenings that nobody came to" in failed
    assert "Rehearsing" not in failed
    for hidden in ("Taken back again", "Not yet approved"):
        assert hidden not in told
    assert "1 release is on its way" in told


def test_what_left_without_our_name_is_not_even_a_number(anna: Browser, world: Node) -> None:
    before = anna.page(THIS)
    tell(world, 10, "What we say in confidence", "harm", "signed", attribution="region")
    after = anna.page(THIS)
    assert plain(after) == plain(before)
    assert "What we say in confidence" not in anna.page(f"{THIS}&internal=yes")


def test_a_lesson_that_was_written_anew_is_one_lesson(world: Node, anna: Browser) -> None:
    tell(world, 20, "Walks through the park", "too_early", "signed")
    told = plain(anna.page(THIS))
    tell(world, 21, "Walks through the park at night", "no_effect", "signed", replaces=f"{20:064x}")
    anew = plain(anna.page(THIS))
    number = re.compile(r"(\d+) lessons were shared")
    assert number.findall(anew) == number.findall(told)
    assert "Walks through the park (" not in anew
    assert "Walks through the park at night (" in anew


def test_only_what_may_travel_anywhere_is_told_of_others(world: Node, anna: Browser) -> None:
    hub = world.transport
    assert isinstance(hub, HubSimulator)
    dresden = hub.city("dresden.sn.de")
    first = dresden.practice("Told to everybody")
    for envelope in (
        first,
        dresden.practice("Told to everybody, anew", replaces=first.digest),
        dresden.practice("Told to the region alone", audience=Audience.REGION),
    ):
        hub.log(envelope)
    verbs.run(world, "sync", {})
    told = plain(anna.page("/report?quarter=2026-Q4"))
    assert told.count("Told to everybody") == 1
    assert "Told to everybody, anew" in told
    assert "Told to the region alone" not in told


def test_a_quarter_without_lessons_says_so_kindly(anna: Browser) -> None:
    told = plain(anna.page("/report?quarter=2024-Q1"))
    assert "No lesson was shared in this quarter." in told
    assert "such lessons help other cities most" in told


def test_figures_have_their_intervals_and_the_quarter_before(anna: Browser) -> None:
    told = plain(anna.page(THIS))
    assert re.search(r"Leipzig, as we shared it \d+ \(\d+ to \d+\) \d+ \(\d+ to \d+\) 3 of 3 agencies", told)
    assert "the true number lies between 24 and 30 in about 95 of 100 cases" in told


def test_without_a_wish_it_is_the_last_quarter_that_is_over(anna: Browser) -> None:
    assert "<h1>Report for Q3 2026</h1>" in anna.page("/report")


def test_other_parts_add_their_chapters(anna: Browser) -> None:
    def activities(_session: object, quarter: Period, words: Words) -> Section:
        return Section(words.gettext("12 activities"), (quarter.label, "<i>schools</i>"))

    report_sections.register("did", activities)
    report_sections.register("did", activities)
    try:
        page = anna.page(THIS)
    finally:
        report_sections.SECTIONS.remove(("did", activities))
    assert page.count("12 activities") == 1
    assert "&lt;i&gt;schools&lt;/i&gt;" in page


def test_a_node_without_a_hub_has_a_report_too(node: Node) -> None:
    told = plain(Browser(node).sign_in("anna").page(THIS))
    assert "No figures were shared for this quarter yet." in told
