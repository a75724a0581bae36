"""The pages of the inbox: what anybody may do with an item, whose mark and note it is, and what is never shown."""

import re

import pytest

from local_node.app import Node
from shared_schema.content import AnswerBody, QuestionBody
from shared_schema.statement import Audience, Kind
from tests.hub_simulator import Author, HubSimulator
from tests.local_node.browsing import Browser
from tests.local_node.test_finding import practice
from tests.local_node.test_search import REVIEW, experience, log

NOWHERE = "0" * 64


@pytest.fixture
def dresden(member: Node, hub: HubSimulator) -> Author:
    return hub.city("dresden.sn.de")


@pytest.fixture
def browser(member: Node) -> Browser:
    return Browser(member).sign_in("anna")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/inbox?outcome=wonderful", "expected outcome as one of"),
        ("/inbox?from=yesterday", "expected from as a day"),
        ("/inbox?q=%21%3F", "expected words with letters"),
        ("/inbox?similar=1", "similar to what"),
    ],
)
def test_a_wrong_filter_is_said_and_what_was_typed_stays(browser: Browser, address: str, words: str) -> None:
    response = browser.get(address)
    assert response.status_code == 422
    assert words in response.text
    assert 'role="alert"' in response.text
    if "q=" in address:
        assert 'value="!?"' in response.text


def test_nothing_can_be_done_with_what_is_not_here(browser: Browser) -> None:
    for part in ("", "/print", "/text"):
        assert browser.get(f"/inbox/{NOWHERE}{part}").status_code == 404
    assert browser.post(f"/inbox/{NOWHERE}/useful").status_code == 404
    assert browser.post(f"/inbox/{NOWHERE}/note", {"note": "x", "edition": "0"}).status_code == 404
    assert browser.post("/inbox/read", {"up_to": "-1"}).status_code == 422


def test_reading_marks_nothing_and_the_form_marks_it(
    browser: Browser, member: Node, hub: HubSimulator, dresden: Author
) -> None:
    one, two = log(member, hub, practice(dresden, "One"), practice(dresden, "Two"))
    assert browser.page("/inbox").count('<li class="new">New</li>') == 2
    page = browser.page(f"/inbox/{one}")
    assert f'<form method="post" action="/inbox/{one}/read" data-when-open>' in page
    assert browser.page("/inbox").count('<li class="new">New</li>') == 2
    assert "Marked as read" in browser.follow(browser.post(f"/inbox/{one}/read"))
    assert browser.page("/inbox").count('<li class="new">New</li>') == 1
    assert re.findall(r"(?:One|Two)</a>", browser.page("/inbox?unread=1")) == ["Two</a>"]
    browser.post(f"/inbox/{one}/read", {"undo": "1"})
    match = re.search(r'action="/inbox/read"><input type="hidden" name="up_to" value="(\d+)"', browser.page("/inbox"))
    assert match is not None
    undo = f'action="/inbox/{one}/read"><input type="hidden" name="undo"'
    browser.post(f"/inbox/{one}/read")
    assert undo in browser.page(f"/inbox/{one}")
    assert "that has arrived so far is marked as read" in browser.follow(
        browser.post("/inbox/read", {"up_to": match[1]})
    )
    assert undo not in browser.page(f"/inbox/{one}"), "nothing is offered that would not be done"
    assert "It stays read" in browser.follow(browser.post(f"/inbox/{one}/read", {"undo": "1"}))
    assert '<li class="new">' not in browser.page("/inbox")
    assert two in browser.page("/inbox")


def test_a_mark_is_ones_own_and_its_count_is_everybodys(
    browser: Browser, member: Node, hub: HubSimulator, dresden: Author
) -> None:
    (digest,) = log(member, hub, practice(dresden, "One"))
    ben = Browser(member, app=browser.app).sign_in("ben")
    for _double_click in range(2):
        assert "useful to you" in browser.follow(browser.post(f"/inbox/{digest}/useful"))
    assert "useful to 1 person here" in ben.page("/inbox")
    assert 'aria-pressed="true">✓ Useful' not in ben.page(f"/inbox/{digest}")
    assert 'aria-pressed="true">✓ Useful' in browser.page(f"/inbox/{digest}")
    browser.post(f"/inbox/{digest}/useful", {"undo": "1"})
    assert "useful to 1" not in ben.page("/inbox")


def test_a_stale_note_keeps_what_was_typed_and_nobody_else_reads_it(
    browser: Browser, member: Node, hub: HubSimulator, dresden: Author
) -> None:
    (digest,) = log(member, hub, practice(dresden, "One"))
    first = {"note": "Ask the <b>youth office</b>", "edition": "0"}
    assert "Only you see it" in browser.follow(browser.post(f"/inbox/{digest}/note", first))
    again = browser.post(f"/inbox/{digest}/note", {"note": "From the other window", "edition": "0"})
    assert again.status_code == 422
    assert "From the other window" in again.text
    assert "another window" in again.text
    assert "Ask the &lt;b&gt;youth office&lt;/b&gt;" in browser.page(f"/inbox/{digest}")
    assert "youth office" not in Browser(member, app=browser.app).sign_in("ben").page(f"/inbox/{digest}")
    log(member, hub, dresden.withdrawal(digest))
    page = browser.page(f"/inbox/{digest}")
    assert "youth office" not in page
    assert "E-mails that this node had sent before cannot be called back" in page


def test_an_item_leads_to_what_one_can_do_and_says_what_leaves(
    browser: Browser, member: Node, hub: HubSimulator, dresden: Author
) -> None:
    first = practice(dresden, "First")
    second = practice(dresden, "Second", replaces=first.digest)
    report = experience(hub.city("halle.st.de"), first.digest, "harm")
    old, new, told = log(member, hub, first, second, report)
    page = browser.page(f"/inbox/{old}")
    for address in (
        f"/lessons/new?kind=experience&amp;about={new}",  # what is said about an old version counts for the newest
        f"/lessons/new?kind=practice&amp;adapted_from={new}",
        f"/lessons/new?kind=question&amp;about={old}",
        f"/inbox/{old}/print",
        f"/inbox/{old}/text",
        f"/inbox/{told}",
    ):
        assert f'href="{address}"' in page, address
    assert "only after a second person has read it" in page
    reader = Browser(member, app=browser.app).sign_in("ben")  # a reviewer writes no lessons
    assert "/lessons/new" not in reader.page(f"/inbox/{old}")


def test_a_text_file_and_a_print_view_say_where_it_comes_from(
    browser: Browser, member: Node, hub: HubSimulator, dresden: Author
) -> None:
    (digest,) = log(member, hub, practice(dresden, "Évenings & nights/../x"))
    response = browser.get(f"/inbox/{digest}/text")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    name = f'attachment; filename="evenings-nights-x-{digest[:8]}.txt"'
    assert response.headers["content-disposition"] == name
    for text in (response.text, browser.page(f"/inbox/{digest}/print").replace("&amp;", "&")):
        assert "Évenings & nights/../x" in text
        assert f"dresden.sn.de: Évenings & nights/../x. Prevention Exchange, 22 Nov 2026. Digest {digest}." in text


def test_an_empty_result_says_what_to_loosen(
    browser: Browser, member: Node, hub: HubSimulator, dresden: Author
) -> None:
    log(member, hub, practice(dresden, "One", outcome="worked"))
    page = browser.page("/inbox?q=evenings&outcome=harm")
    assert "What to loosen" in page
    assert '<a href="/inbox?q=evenings&amp;">Without “What came of it”</a>: 1 lesson' in page
    assert "/lessons/new?kind=question" in page


def test_the_lists_beside_the_lessons_keep_their_addresses(
    browser: Browser, member: Node, hub: HubSimulator, dresden: Author
) -> None:
    log(member, hub, practice(dresden, "One"))
    for address in ("show=members", "show=sums", "show=all", "state=quarantined", "state=withdrawn", "kind=membership"):
        browser.page(f"/inbox?{address}")
    assert "sachsen.de" in browser.page("/inbox?kind=membership")
    assert "One</a>" in browser.page("/inbox?state=accepted")
    assert "One</a>" in browser.page("/inbox?kind=practice")
    for address in ("show=rumours", "kind=rumour", "state=gone", "show=all&page=0", "show=all&page=²"):
        assert browser.get(f"/inbox?{address}").status_code == 404, address


def test_questions_wait_until_this_city_has_answered(
    browser: Browser, member: Node, hub: HubSimulator, dresden: Author
) -> None:
    values = {"title": "Who has tried evenings?", "text": "Tell us.", "phenomenon": ["RWE"]}
    question = QuestionBody.from_object(values | {"review": REVIEW})
    (digest,) = log(member, hub, dresden.sign(Kind.QUESTION, question, Audience.EUROPE))
    page = browser.page("/questions")
    assert f"/lessons/new?kind=answer&amp;about={digest}" in page
    assert "no answer of others yet" in page
    answer = AnswerBody.from_object({"question": digest, "text": "We did.", "review": REVIEW})
    log(member, hub, hub.city("halle.st.de").sign(Kind.ANSWER, answer, Audience.EUROPE))
    assert "1 answer of others" in browser.page("/questions")
    assert "What is missing" in page
    assert "nothing yet at all" in page
    ours = Author(member.name, member.key, member.clock, last_seq=100)
    log(member, hub, ours.sign(Kind.ANSWER, answer, Audience.EUROPE))
    page = browser.page("/questions")
    assert "No question waits" in page
    assert "Add to our answer" in page
