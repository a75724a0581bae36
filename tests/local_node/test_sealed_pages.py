"""Sealed totals on the pages: what is collected is told before anybody asks, and the counts are seen by two people."""

import pytest

from local_node import verbs
from local_node.app import Node
from shared_schema.governance import PolicyBody
from shared_schema.period import parse_period
from shared_schema.statement import Audience, Kind
from shared_schema.trend import AggregateBody
from tests.factories import add_returns, make_returns_file
from tests.hub_simulator import HubSimulator, MovableClock
from tests.local_node.browsing import Browser
from tests.local_node.lesson_desk import seat
from tests.local_node.sealed_desk import COUNTS, SealedDesk, sealed_policy
from tests.shared_schema import builders

TABLE = "bias_incidents.by_offence"
WAITS = "1 sealed total waits for your city"
PROMISE = (
    "Your numbers leave only as two sealed halves, one for Freistaat Sachsen (sachsen.de) and one for Bund (bund.de); "
    "either half alone is random digits, and only the blurred sum of at least five cities can be read. If Freistaat "
    "Sachsen (sachsen.de) and Bund (bund.de) broke the rules together while this collection is open, they could read "
    "your city"
)


@pytest.fixture
def policy() -> PolicyBody:
    return sealed_policy()


@pytest.fixture
def desk(member: Node, hub: HubSimulator) -> SealedDesk:
    with member.database.write() as session:
        add_returns(session, make_returns_file(m2026_09=COUNTS, m2026_08=[1] * 6))
    return SealedDesk(hub)


@pytest.fixture
def anna(member: Node) -> Browser:
    return seat(member, "anna")


def test_an_unknown_collection_is_not_found_and_asks_for_nothing(member: Node, anna: Browser) -> None:
    assert anna.get("/sealed/" + "0" * 64).status_code == 404
    assert anna.get("/sealed/%27%20or%201").status_code == 404
    assert anna.post("/sealed/" + "0" * 64).status_code == 404
    assert verbs.run(member, "release.list", {})["requests"] == []


def test_looking_changes_nothing(member: Node, desk: SealedDesk, anna: Browser) -> None:
    digest = desk.open()
    verbs.run(member, "sync", {})
    anna.page("/sealed")
    page = anna.page(f"/sealed/{digest}")
    assert PROMISE in page
    assert "Ask for our share to be sent" in page
    assert verbs.run(member, "release.list", {})["requests"] == []
    assert verbs.run(member, "ledger.verify", {})["entries"] == 0


def test_a_reviewer_sees_it_and_has_no_form_to_ask(member: Node, desk: SealedDesk, anna: Browser) -> None:
    digest = desk.open()
    verbs.run(member, "sync", {})
    ben = seat(member, "ben", anna.app)
    assert "Ask for our share to be sent" not in ben.page(f"/sealed/{digest}")
    assert ben.post(f"/sealed/{digest}").status_code == 403


def test_the_whole_way_on_the_pages(member: Node, desk: SealedDesk, anna: Browser) -> None:
    digest = desk.open()
    verbs.run(member, "sync", {})
    assert WAITS in anna.page("/")
    assert "open, not answered" in anna.page("/sealed")
    page = anna.follow(anna.post(f"/sealed/{digest}"))
    assert PROMISE in page
    assert "Approve: it may leave" not in page
    assert WAITS not in anna.page("/")
    ben = seat(member, "ben", anna.app)
    page = ben.page("/reviews/r1")
    assert "made of exactly these" in page
    assert "is more than three times as large" in page  # twelve, where there was never more than one
    assert "For the data protection officer" in page
    verbs.run(member, "release.approve", {"request": "r1", "by": "ben", "accept": {}})
    verbs.run(member, "sync", {})
    assert "sent" in anna.page(f"/sealed/{digest}")
    assert anna.post(f"/sealed/{digest}").status_code == 422
    item = verbs.run(member, "outbox.list", {})["items"][0]["digest"]
    assert "cannot be taken back" in anna.page(f"/outbox/{item}")
    desk.take_what_came()
    desk.send_others(*desk.others[:4])
    desk.decide()
    verbs.run(member, "sync", {})
    page = anna.page(f"/sealed/{digest}")
    assert "5 of 6 cities are in it" in page
    assert "Absent: zwickau.sn.de." in page


def test_changed_records_are_told_instead_of_the_counts(member: Node, desk: SealedDesk, anna: Browser) -> None:
    digest = desk.open()
    verbs.run(member, "sync", {})
    anna.post(f"/sealed/{digest}")
    with member.database.write() as session:
        add_returns(session, make_returns_file(m2026_09=[4, *COUNTS[1:]]))
    ben = seat(member, "ben", anna.app)
    page = ben.page("/reviews/r1")
    assert "The records have changed since somebody asked." in page
    assert "made of exactly these" not in page
    seen = verbs.run(member, "release.show", {"request": "r1"})["seen"]
    assert ben.post("/reviews/r1/decide", {"decision": "approve", "seen": seen}).status_code == 409


def test_what_holds_it_back_stands_on_the_page_and_there_is_no_form(
    member: Node, desk: SealedDesk, anna: Browser, clock: MovableClock
) -> None:
    digest = desk.open(maximum=2)
    verbs.run(member, "sync", {})
    page = anna.page(f"/sealed/{digest}")
    assert "A count is larger than this collection takes." in page
    assert "Ask for our share to be sent" not in page
    assert WAITS in anna.page("/")
    clock.advance(days=15)
    anna.sign_in("anna")
    assert WAITS not in anna.page("/")
    assert "closed without this city" in anna.page("/sealed")


def test_a_larger_least_number_of_cities_is_told_as_it_is(member: Node, desk: SealedDesk, anna: Browser) -> None:
    digest = desk.open(min_batch=6)
    verbs.run(member, "sync", {})
    assert "only the blurred sum of at least 6 cities can be read" in anna.page(f"/sealed/{digest}")


def test_the_grid_of_releases_leads_to_the_sealed_totals(member: Node, desk: SealedDesk, anna: Browser) -> None:
    grid = anna.page("/releases")
    assert "goes sealed" in grid
    assert f"/releases/{TABLE}/2026-09" not in grid
    page = anna.page(f"/releases/{TABLE}/2026-09")
    assert "These figures go sealed" in page
    assert 'href="/sealed"' in page
    assert anna.post(f"/releases/{TABLE}/2026-09").status_code == 422


def test_a_declined_table_is_no_duty(member: Node, desk: SealedDesk) -> None:
    desk.open()
    verbs.run(member, "sync", {})
    member.settings = member.settings.model_copy(update={"sealed_declined": [TABLE]})
    anna = seat(member, "anna")
    assert WAITS not in anna.page("/")


def test_every_other_page_bears_with_a_share_that_was_sent(member: Node, desk: SealedDesk, anna: Browser) -> None:
    digest = desk.open()
    verbs.run(member, "sync", {})
    anna.post(f"/sealed/{digest}")
    verbs.run(member, "release.approve", {"request": "r1", "by": "ben", "accept": {}})
    verbs.run(member, "sync", {})
    pages = ("/outbox", "/reviews", "/releases", "/picture", "/report", "/outside", "/oversight/outgoing", "/inbox")
    for path in (*pages, "/oversight/budget", "/oversight/audit"):
        anna.page(path)
    assert "sealed-correction" in [
        each["code"]
        for each in verbs.run(member, "release.preview", {"table": TABLE, "period": "2026-09", "correction": True})[
            "held_back"
        ]
    ]


def test_a_city_that_is_most_of_the_last_total_is_warned(
    member: Node, desk: SealedDesk, hub: HubSimulator, anna: Browser
) -> None:
    cells = [
        {
            "dims": {"offence": code},
            "status": "A",
            "contributors": 5,
            "estimate": 4,
            "low": 0,
            "high": 8,
            "variance_milli": 2_000,
        }
        for code in desk.table.cells
    ]
    changes = {"table": desk.table.reference.to_object(), "period": parse_period("2026-08").to_object()}
    body = builders.aggregate_body(**changes, source_kind="agency_return", cells=cells)
    hub.log(hub.author.sign(Kind.AGGREGATE, AggregateBody.from_object(body), Audience.REGION))
    digest = desk.open()
    verbs.run(member, "sync", {})
    anna.post(f"/sealed/{digest}")
    ben = seat(member, "ben", anna.app)
    assert "makes up more than half of the last total" in ben.page("/reviews/r1")  # 18 of 24
