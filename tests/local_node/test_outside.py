"""The page for everybody: exactly what left, byte for byte, and nothing that did not."""

import base64
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from local_node import audit, departed, outbox, outside_messages, verbs
from local_node.app import Node
from local_node.confidence import NO_SEQ
from local_node.departed import LEFT, STATEMENTS_A_PAGE, list_departed
from local_node.orm import OutboxRow, OutsideMessageRow
from local_node.outside_messages import IN_AN_HOUR, MessageError, Topic
from shared_schema.service.database import Database
from shared_schema.statement import Audience, Kind
from tests.factories import make_trend
from tests.hub_simulator import Author, HubSimulator, Lie
from tests.local_node.browsing import Browser
from tests.local_node.conftest import LEIPZIG
from tests.local_node.test_sent_items import copy_for_another_hub
from tests.local_node.test_withdrawals import NEEDLES, ask, release, sign

MESSAGE = {"topic": "accessibility", "text": "The table cannot be read aloud.", "contact": ""}


def open_outside(node: Node) -> None:
    verbs.run(node, "settings.change", {"changes": {"outside_open": True}, "by": "anna"})


def exported(browser: Browser) -> dict[str, Any]:
    answer = browser.get("/outside.json")
    assert answer.headers["content-type"] == "application/json"
    result: dict[str, Any] = json.loads(answer.text)
    return result


def put(database: Database, author: Author, hub: str, count: int, state: str, **changes: Any) -> list[str]:
    """Statements of this city in the outbox, in a state."""
    digests = []
    with database.write() as session:
        for number in range(count):
            envelope = author.practice(f"Lesson {state} {number}", **changes)
            outbox.enqueue(session, envelope, author.last_seq, [hub], author.clock())
            digests.append(envelope.digest)
        session.execute(update(OutboxRow).where(OutboxRow.digest.in_(digests)).values(state=state))
    return digests


# --- who may see it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/outside", "/outside.json"])
def test_the_page_is_closed_until_the_administrator_opens_it(member: Node, path: str) -> None:
    nobody = Browser(member)
    assert nobody.get(path).headers["location"].startswith("/sign-in")
    assert nobody.get(path, headers={"Accept": "application/json"}).status_code == 401
    assert Browser(member).sign_in("ben").get(path).status_code == 200
    open_outside(member)
    assert nobody.get(path).status_code == 200


# --- nothing that did not leave ------------------------------------------------------------------------------------


def test_what_waits_or_may_be_on_its_way_is_nowhere_on_the_page(
    member: Node, hub: HubSimulator, tmp_path: Path
) -> None:
    open_outside(member)
    browser = Browser(member)
    ask(member, tmp_path)
    sign(member, hub)
    for page in (browser.page("/outside"), browser.get("/outside.json").text):
        assert not any(needle in page for needle in NEEDLES)
    hub.lie = Lie.UNREACHABLE
    verbs.run(member, "sync", {})
    assert exported(browser)["statements"] == []
    assert "Nothing has left this node yet" in browser.page("/outside")


@pytest.mark.parametrize("state", ["waiting", "sending", "withdrawn"])
def test_no_state_but_those_of_a_hub_that_has_read_it_is_shown(leipzig: Any, state: str) -> None:
    put(leipzig.database, leipzig.author, leipzig.hub.verifier.name, 3, state)
    with leipzig.database.read() as session:
        assert list_departed(session).items == ()
        assert departed.count_departed(session) == (0, 0 if state == "withdrawn" else 3)


def test_what_one_hub_has_and_another_waits_for_has_left(leipzig: Any) -> None:
    put(leipzig.database, leipzig.author, leipzig.hub.verifier.name, 3, "delivered")
    copy_for_another_hub(leipzig.database)
    with leipzig.database.write() as session:
        session.execute(update(OutboxRow).where(OutboxRow.hub == "bund.de").values(state="waiting"))
    with leipzig.database.read() as session:
        assert departed.count_departed(session) == (3, 0)


def test_what_was_said_in_confidence_is_not_there_and_not_counted(leipzig: Any) -> None:
    with leipzig.database.write() as session:
        envelope = leipzig.author.practice("Said in confidence")
        outbox.enqueue(session, envelope, NO_SEQ, [leipzig.hub.verifier.name], leipzig.clock())
        session.execute(update(OutboxRow).values(state="delivered"))
    with leipzig.database.read() as session:
        assert list_departed(session).items == ()
        assert departed.count_departed(session) == (0, 0)


def test_what_was_taken_back_is_there_without_its_content(member: Node, tmp_path: Path) -> None:
    open_outside(member)
    browser = Browser(member)
    digest = release(member, tmp_path)
    assert "Nachtcafe" in browser.page("/outside")
    verbs.run(member, "withdraw", {"digest": digest, "by": "anna", "reason": "error"})
    verbs.run(member, "sync", {})
    page, file = browser.page("/outside"), browser.get("/outside.json").text
    assert not any(needle in text for needle in NEEDLES for text in (page, file))
    assert digest in page
    assert "Taken back on 22 Nov 2026" in page
    statements = json.loads(file)["statements"]
    assert [("envelope" in each, "taken_back_at" in each) for each in statements] == [(True, False), (False, True)]


# --- exactly what left ---------------------------------------------------------------------------------------------


def test_the_file_has_the_very_bytes_of_the_outbox_alone(member: Node, hub: HubSimulator, tmp_path: Path) -> None:
    open_outside(member)
    digest = release(member, tmp_path)
    author = Author(LEIPZIG, member.key, member.clock, last_seq=10)
    put(member.database, author, hub.verifier.name, 5, "delivered")
    put(member.database, author, hub.verifier.name, 2, "refused")
    put(member.database, author, hub.verifier.name, 3, "waiting")
    with member.database.read() as session:
        sent = {
            row.digest: row.envelope
            for row in session.scalars(select(OutboxRow).where(OutboxRow.state.in_(LEFT), OutboxRow.seq > NO_SEQ))
        }
    shown = exported(Browser(member))
    assert shown["about"]["node"] == LEIPZIG
    assert {each["digest"]: base64.b64decode(each["envelope"]) for each in shown["statements"]} == sent
    assert len(sent) == 8
    first = next(each for each in shown["statements"] if each["digest"] == digest)
    assert first["hubs"] == [{"name": hub.verifier.name, "url": hub.url, "log_index": hub.entries.index(
        next(entry for entry in hub.entries if entry.digest == digest)
    )}]  # fmt: skip


def test_every_page_shows_every_signed_statement_as_it_was_signed(member: Node, hub: HubSimulator) -> None:
    open_outside(member)
    author = Author(LEIPZIG, member.key, member.clock)
    count = 2 * STATEMENTS_A_PAGE + 3
    digests = put(member.database, author, hub.verifier.name, count, "delivered")
    browser, path, page, found = Browser(member), "/outside", "", list[str]()
    while path:
        page = browser.page(path)
        found += re.findall(r'<code class="digest">([0-9a-f]{64})</code>', page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        path = older[1] if older else ""
    assert found == digests[::-1]
    assert f"<dd>{count}</dd>" in page


def test_a_word_of_a_lesson_is_text_and_never_markup(member: Node, hub: HubSimulator) -> None:
    open_outside(member)
    attack = "<script>alert(1)</script>"
    author = Author(LEIPZIG, member.key, member.clock)
    put(member.database, author, hub.verifier.name, 1, "delivered", summary=attack, lessons=attack)
    page = Browser(member).page("/outside")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("query", ["before=-1", "before=9007199254740993", "before=x", "before=1e9"])
def test_a_page_that_cannot_be_is_not_there(member: Node, query: str) -> None:
    open_outside(member)
    assert Browser(member).get(f"/outside?{query}").status_code == 404


def test_figures_are_shown_as_they_left_with_what_they_cost(member: Node, hub: HubSimulator) -> None:
    open_outside(member)
    author = Author(LEIPZIG, member.key, member.clock)
    body = make_trend([3, -1, None, 4, 0, 2])
    envelope = author.sign(Kind.TREND, body, Audience.HUB)
    with member.database.write() as session:
        outbox.enqueue(session, envelope, author.last_seq, [hub.verifier.name], member.clock())
        session.execute(update(OutboxRow).values(state="delivered"))
    page = Browser(member).page("/outside")
    assert "epsilon 1" in page
    assert "<td>-1</td>" in page or "<td>−1</td>" in page
    assert "not collected" in page


# --- messages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"topic": "spam"}, "choices"),
        ({"text": ""}, "5 to 2000"),
        ({"text": "x" * 2001}, "5 to 2000"),
        ({"text": "hello\x1b[2J"}, "printable"),
        ({"contact": "x" * 201}, "0 to 200"),
    ],
)
def test_a_message_that_cannot_be_taken_is_shown_again(node: Node, fields: dict[str, str], said: str) -> None:
    answer = Browser(node).post("/message", MESSAGE | fields)
    assert answer.status_code == 422
    assert said in answer.text
    with node.database.read() as session:
        assert outside_messages.list_messages(session) == ()


def test_a_message_needs_no_account_and_reaches_the_coordinator_alone(node: Node) -> None:
    verbs.run(node, "people.add", {"id": "paul", "role": "partner"})
    nobody = Browser(node)
    page = nobody.follow(nobody.post("/message", MESSAGE | {"text": "Too <b>small</b>", "contact": "a@b.example"}))
    assert "Your message is with the coordinator" in page
    assert nobody.get("/messages").headers["location"].startswith("/sign-in")
    assert Browser(node).sign_in("paul").get("/messages").status_code == 403
    assert Browser(node).sign_in("paul").post("/messages/1", {"what": "erase"}).status_code == 403
    anna = Browser(node).sign_in("anna")
    page = anna.page("/messages")
    assert "Too &lt;b&gt;small&lt;/b&gt;" in page
    assert "a@b.example" in page
    assert "Marked as done" in anna.follow(anna.post("/messages/1", {"what": "done"}))
    assert anna.post("/messages/1", {"what": "done"}).status_code == 303
    assert anna.post("/messages/1", {"what": "erase"}).status_code == 303
    assert anna.post("/messages/1", {"what": "erase"}).status_code == 404
    with node.database.read() as session:
        subjects = [(event.actor, event.action) for event in audit.list_events(session, limit=50)]
    assert subjects.count(("anna", "message.done")) == 1
    assert ("outside", "message.received") in subjects


def test_a_flood_of_messages_is_stopped_and_says_for_how_long(node: Node) -> None:
    with node.database.write() as session:
        for _ in range(IN_AN_HOUR):
            outside_messages.take(session, Topic.OTHER, "hello there", "", node.clock())
    answer = Browser(node).post("/message", MESSAGE)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")
    assert MESSAGE["text"] in answer.text


def test_messages_are_erased_after_a_year_with_the_next_sync(member: Node, clock: Any) -> None:
    with member.database.write() as session:
        outside_messages.take(session, Topic.OTHER, "hello there", "", member.clock())
    clock.advance(days=360)
    verbs.run(member, "sync", {})
    with member.database.read() as session:
        assert outside_messages.count_waiting(session) == 1
    clock.advance(days=10)
    verbs.run(member, "sync", {})
    with member.database.read() as session:
        assert session.scalars(select(OutsideMessageRow)).all() == []


def test_a_message_that_is_not_here_cannot_be_changed(node: Node) -> None:
    with node.database.write() as session, pytest.raises(MessageError):
        outside_messages.erase(session, 7, by="anna", now=node.clock() + timedelta(1))


def test_the_statements_for_everybody_need_no_account(node: Node) -> None:
    nobody = Browser(node)
    assert "Directive (EU) 2016/2102" in nobody.page("/accessibility")
    assert "Article 6(1)(e)" in nobody.page("/privacy")


def test_outcome_and_passages_are_called_as_in_the_forms(member: Node, tmp_path: Path) -> None:
    open_outside(member)
    release(member, tmp_path)
    browser = Browser(member)
    page = browser.page("/outside")
    assert "What did you do?" in page
    assert ">Summary:<" not in page
    browser.post("/language", {"language": "de", "next": "/outside"})
    page = browser.page("/outside")
    assert "Was haben Sie gemacht?" in page
    assert ">Worked<" not in page
