"""The second person's desk: exactly what leaves is shown, and nothing is approved unseen, twice, or by its author."""

import html

import pytest

from local_node import verbs
from local_node.app import Node
from tests.hub_simulator import HubSimulator, MovableClock
from tests.local_node.browsing import Browser
from tests.local_node.lesson_desk import ask, employ, hidden, seat, write


@pytest.fixture
def anna(member: Node) -> Browser:
    return seat(member, "anna")


@pytest.fixture
def ben(member: Node, anna: Browser) -> Browser:
    return seat(member, "ben", anna.app)


def state(node: Node, request: str) -> str:
    return str(verbs.run(node, "release.show", {"request": request})["state"])


def test_the_page_shows_exactly_what_will_be_signed(
    member: Node, anna: Browser, ben: Browser, hub: HubSimulator
) -> None:
    hub.city("dresden.sn.de")
    verbs.run(member, "sync", {})
    request = ask(anna, write(anna))
    page = ben.page(f"/reviews/{request}")
    leaves = verbs.run(member, "release.show", {"request": request})["leaves"]
    assert leaves in html.unescape(page)
    assert '<mark id="passage-1">Mr Smith' in page
    assert "dresden.sn.de" in page
    keep = {"decision": "approve", "seen": hidden(page, "seen"), "finding-0": "keep", "reason-0": "a street"}
    approved = ben.follow(ben.post(f"/reviews/{request}/decide", keep))
    assert "leaves with the next exchange" in approved
    verbs.run(member, "sync", {})
    assert leaves.encode() in hub.envelopes[hub.entries[-1].digest].payload


def test_whoever_wrote_it_is_not_offered_to_approve_and_cannot(member: Node, anna: Browser, ben: Browser) -> None:
    request = ask(anna, write(anna, lessons="Ask first."))
    page = anna.page(f"/reviews/{request}")
    assert "Approve: it may leave" not in page
    assert "Ben may approve it" in ben.page(f"/reviews/{request}") or "Ben may approve it" in page
    answer = anna.post(f"/reviews/{request}/decide", {"decision": "approve", "seen": hidden(page, "seen")})
    assert answer.status_code == 403
    assert state(member, request) == "requested"


def test_a_role_that_does_not_decide_opens_no_review(member: Node, anna: Browser) -> None:
    employ(member)
    request = ask(anna, write(anna))
    paul = seat(member, "paul", anna.app)
    for path in ("/reviews", f"/reviews/{request}", "/outbox", "/releases"):
        assert paul.get(path).status_code == 403
    assert paul.post(f"/reviews/{request}/decide", {"decision": "refuse", "reason": "no"}).status_code == 403
    assert anna.get("/reviews/r99").status_code == 404


def test_a_text_that_changed_is_not_approved_unseen(member: Node, anna: Browser, ben: Browser) -> None:
    verbs.run(member, "people.add", {"id": "eva", "role": "reviewer"})
    eva = seat(member, "eva", anna.app)
    request = ask(anna, write(anna))
    seen_by_ben = hidden(ben.page(f"/reviews/{request}"), "seen")
    change = {"decision": "change", "seen": hidden(eva.page(f"/reviews/{request}"), "seen"), "finding-0": "coarsen"}
    assert "read it once more" in eva.follow(eva.post(f"/reviews/{request}/decide", change))
    late = ben.post(f"/reviews/{request}/decide", {"decision": "approve", "seen": seen_by_ben})
    assert late.status_code == 409
    assert "Ask a person first." in late.text
    for nothing in ({}, {"seen": ""}, {"seen": "x"}):
        assert ben.post(f"/reviews/{request}/decide", {"decision": "approve"} | nothing).status_code == 409
    assert state(member, request) == "requested"


def test_of_two_windows_that_approve_one_does(member: Node, anna: Browser, ben: Browser) -> None:
    request = ask(anna, write(anna, lessons="Ask first."))
    form = {"decision": "approve", "seen": hidden(ben.page(f"/reviews/{request}"), "seen")}
    assert ben.post(f"/reviews/{request}/decide", form).status_code == 303
    assert ben.post(f"/reviews/{request}/decide", form).status_code == 409
    verbs.run(member, "sync", {})
    assert ben.post(f"/reviews/{request}/decide", form | {"decision": "refuse", "reason": "late"}).status_code == 409


def test_a_passage_without_a_decision_holds_everything_and_loses_nothing(
    member: Node, anna: Browser, ben: Browser
) -> None:
    request = ask(anna, write(anna, lessons="Ask Mr Smith, or write to info@example.org first."))
    seen = hidden(ben.page(f"/reviews/{request}"), "seen")
    for form in (
        {"finding-0": "keep", "reason-0": "the name of a street"},
        {"finding-0": "keep", "reason-0": "the name of a street", "finding-1": "keep", "reason-1": " "},
        {"finding-0": "keep", "reason-0": "the name of a street", "finding-1": "mask"},
        {"finding-0": "keep", "reason-0": "the name of a street", "finding-1": "rewrite"},
        {"finding-0": "keep", "reason-0": "the name of a street", "finding-x": "keep"},
        {"finding-0": "keep", "reason-0": "the name of a street", "finding-7": "keep", "reason-7": "why not"},
    ):
        answer = ben.post(f"/reviews/{request}/decide", form | {"decision": "approve", "seen": seen})
        assert answer.status_code == 422, form
        assert 'value="the name of a street"' in answer.text
    assert ben.post(f"/reviews/{request}/decide", {"decision": "publish", "seen": seen}).status_code == 404
    assert state(member, request) == "requested"


def test_a_refusal_needs_a_reason_and_gives_the_text_back(member: Node, anna: Browser, ben: Browser) -> None:
    draft = write(anna)
    request = ask(anna, draft)
    assert ben.post(f"/reviews/{request}/decide", {"decision": "refuse", "reason": ""}).status_code == 422
    assert ben.post(f"/reviews/{request}/decide", {"decision": "refuse", "reason": "x" * 501}).status_code == 422
    refused = ben.post(f"/reviews/{request}/decide", {"decision": "refuse", "reason": "<b>everybody</b> would know"})
    assert "<b>everybody</b>" not in ben.follow(refused)
    assert "everybody" in anna.page("/lessons")
    again = ask(anna, draft, 2)
    assert again != request
    assert f"/reviews/{again}" in ben.page("/reviews")


def test_an_author_takes_a_request_back(member: Node, anna: Browser) -> None:
    draft = write(anna)
    request = ask(anna, draft)
    page = anna.page(f"/reviews/{request}")
    assert "Take the request back" in page
    anna.post(f"/reviews/{request}/decide", {"decision": "refuse", "reason": "I will write it anew"})
    assert state(member, request) == "refused"
    assert f"/lessons/{draft}" in anna.page("/lessons")


def test_one_person_alone_waits_a_night_and_is_told_when(member: Node, anna: Browser, clock: MovableClock) -> None:
    with member.database.write() as session:
        session.connection().exec_driver_sql("DELETE FROM people WHERE id = 'ben'")
    draft = write(anna, lessons="Ask first.")
    assert "You decide alone here" in anna.page(f"/lessons/{draft}/look")
    request = ask(anna, draft)
    page = anna.page(f"/reviews/{request}")
    assert "you can approve it from 23 Nov 2026, 09:00" in page
    form = {"decision": "approve", "seen": hidden(page, "seen")}
    assert anna.post(f"/reviews/{request}/decide", form).status_code == 422
    clock.advance(hours=25)
    anna = seat(member, "anna", anna.app)
    assert "nobody else has read it" in anna.page(f"/reviews/{request}")
    assert anna.post(f"/reviews/{request}/decide", form).status_code == 303


def test_what_waits_for_the_visitor_comes_first(member: Node, anna: Browser, ben: Browser) -> None:
    request = ask(anna, write(anna))
    assert "Waiting for somebody else" in anna.page("/reviews")
    mine = ben.page("/reviews")
    assert mine.index("Waiting for you") < mine.index(f"/reviews/{request}")
    assert "Waiting for somebody else" not in mine
