"""The e-mails of what is new, over a real mail server: once, with the content, and never when something is wrong."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from local_node import mailings, saved_views, verbs
from local_node.app import Node
from local_node.inbox_query import parse_wanted
from local_node.mailings import MailingState, Rhythm
from local_node.orm import AccountRow, SearchItemRow
from local_node.settings import load_settings
from shared_schema.service.control import VerbError
from shared_schema.service.mail import MailServer
from tests.hub_simulator import Author, HubSimulator, MovableClock
from tests.local_node.browsing import Browser, give_account
from tests.local_node.test_finding import practice
from tests.local_node.test_search import log
from tests.mail_server import HOST, Letterbox, letterbox

SENDER, ANNA = "prevention@leipzig.example", "anna@leipzig.example"


@pytest.fixture
def dresden(member: Node, hub: HubSimulator) -> Author:
    return hub.city("dresden.sn.de")


@pytest.fixture
def due(member: Node, hub: HubSimulator, dresden: Author, clock: MovableClock) -> Node:
    """Anna and Ben get daily e-mails, which are due, and two lessons are new; Anna has a view for one of them."""
    for person in ("anna", "ben"):
        give_account(member, person)
    with member.database.write() as session:
        session.get_one(AccountRow, "anna").email = ANNA
        session.get_one(AccountRow, "ben").email = "ben@leipzig.example"
        harm = parse_wanted([("outcome", "harm")])
        saved_views.save(session, "anna", "What did harm", harm, shared=False, now=clock())
        for person in ("anna", "ben"):
            mailings.choose(session, person, Rhythm.DAILY, clock())
    log(member, hub, practice(dresden, "One", outcome="harm"), practice(dresden, "Two", outcome="worked"))
    clock.advance(days=1)
    return member


@pytest.fixture
def box(due: Node) -> Iterator[Letterbox]:
    with letterbox() as opened:
        connect(due, opened.port)
        yield opened


def connect(node: Node, port: int, **changes: str) -> None:
    values = {"smtp_host": HOST, "smtp_port": port, "smtp_sender": SENDER, "smtp_encryption": "none"}
    node.settings = load_settings(node.data_dir, **(values | changes))


def send(node: Node, **params: bool) -> dict[str, object]:
    return verbs.run(node, "digest.send", params)


def states(node: Node, person: str = "anna") -> list[tuple[MailingState, str | None]]:
    with node.database.read() as session:
        return [(each.state, each.code) for each in mailings.list_mailings(session, person, node.clock())]


# --- the bad side --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"smtp_encryption": "none", "smtp_host": "smtp.leipzig.example"}, "expected encryption"),
        ({"smtp_sender": "Prevention <x@y.example>"}, "such as"),
        ({"smtp_user": "node"}, "a file with the password"),
    ],
)
def test_a_mail_server_that_is_half_set_up_stops_the_start(node: Node, changes: dict[str, str], words: str) -> None:
    with pytest.raises(VerbError, match=words):
        connect(node, 25, **changes)
    with pytest.raises(VerbError, match="smtp_sender beside"):
        load_settings(node.data_dir, smtp_host=HOST)
    with pytest.raises(VerbError, match="expected smtp_host"):
        send(node)


def test_one_recipient_who_is_refused_holds_nobody_up(due: Node) -> None:
    with letterbox(refuse="550 no such person") as closed:
        connect(due, closed.port)
        with due.database.write() as session:
            session.get_one(AccountRow, "ben").email = "no address"
        assert send(due) == {"dry_run": False, "sent": 0, "failed": 2, "nothing-new": 0}
    assert states(due) == [(MailingState.GIVEN_UP, "mail-recipient")]
    assert states(due, "ben") == [(MailingState.GIVEN_UP, "mail-address")]
    page = Browser(due).sign_in("anna").page("/mail")
    assert "The mail server does not know this address" in page


def test_a_dead_server_is_tried_again_and_the_page_says_so(due: Node, clock: MovableClock) -> None:
    with letterbox() as gone:
        connect(due, gone.port)
    assert send(due)["failed"] == 2
    assert "failed, and is tried again" in Browser(due).sign_in("anna").page("/mail")
    assert send(due) == {"dry_run": False, "sent": 0, "failed": 0, "nothing-new": 0}  # not at once
    clock.advance(hours=1)
    with letterbox() as back:
        connect(due, back.port)
        assert send(due)["sent"] == 2
    assert len(back.letters) == 2


def test_a_crash_while_sending_sends_nothing_twice(
    due: Node, box: Letterbox, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def power_cut(session: object, claim: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(mailings, "mark_sent", power_cut)
        with pytest.raises(KeyboardInterrupt):
            send(due)
    assert len(box.letters) == 1
    clock.advance(hours=2)
    send(due)
    assert sorted(recipients[0] for recipients, _ in box.letters) == [ANNA, "ben@leipzig.example"]
    assert "nobody knows whether it arrived" in Browser(due).sign_in("anna").page("/mail")


# --- the good side -------------------------------------------------------------------------------------------------


def test_looking_ahead_sends_and_claims_nothing(due: Node, box: Letterbox) -> None:
    for _twice in range(2):
        due_now = send(due, dry_run=True)["due"]
        assert due_now == [{"person": "anna", "lessons": 2}, {"person": "ben", "lessons": 2}]
    assert box.letters == []
    assert send(due)["sent"] == 2
    assert send(due)["sent"] == 0
    assert len(box.letters) == 2


def test_the_content_is_in_the_mail_grouped_by_view(due: Node, box: Letterbox) -> None:
    due.settings = due.settings.model_copy(update={"public_url": "https://node.leipzig.example"})
    send(due)
    letter = next(letter for recipients, letter in box.letters if recipients == [ANNA])
    text, html = (str(part.get_content()) for part in letter.iter_parts())
    assert letter["Subject"] == "2 new lessons for Leipzig"
    assert letter["Content-Language"] == "en"
    assert (letter["From"], letter["To"]) == (SENDER, ANNA)
    assert text.index("WHAT DID HARM") < text.index("* One") < text.index("EVERYTHING ELSE") < text.index("* Two")
    assert text.count("* One") == 1  # in its view and not once more
    assert "Evenings:" in text
    assert "<script" not in html
    assert "<h2>What did harm</h2>" in html
    off = re.search(r"https://node\.leipzig\.example(/mail/off/[\w-]+)", text)
    assert off is not None
    assert letter["List-Unsubscribe"].strip() == f"<https://node.leipzig.example{off[1]}>"
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_names_of_views_and_titles_stay_texts_in_a_mail(
    due: Node, box: Letterbox, hub: HubSimulator, dresden: Author
) -> None:
    attack = "<img src=x> Bcc: all@leipzig.example"
    with due.database.write() as session:
        saved_views.save(session, "ben", f"{attack}\r\nBcc: x", parse_wanted([]), shared=False, now=due.clock())
    log(due, hub, practice(dresden, attack))
    send(due)
    letter = next(letter for recipients, letter in box.letters if recipients != [ANNA])
    assert letter["Bcc"] is None
    _text, html = (str(part.get_content()) for part in letter.iter_parts())
    assert "<img" not in html
    assert "&lt;img" in html


def test_nothing_new_is_no_mail(due: Node, box: Letterbox, clock: MovableClock) -> None:
    send(due)
    clock.advance(days=1)
    assert send(due) == {"dry_run": False, "sent": 0, "failed": 0, "nothing-new": 2}
    assert len(box.letters) == 2


def test_what_was_taken_back_before_the_mail_is_not_in_it(
    due: Node, box: Letterbox, hub: HubSimulator, dresden: Author
) -> None:
    with due.database.read() as session:
        digests = session.scalars(select(SearchItemRow.digest)).all()
    log(due, hub, *(dresden.withdrawal(digest) for digest in digests))
    assert send(due)["sent"] == 0
    assert box.letters == []


# --- the choice ----------------------------------------------------------------------------------------------------


def test_one_chooses_for_oneself_and_a_link_ends_it_without_signing_in(member: Node) -> None:
    browser = Browser(member).sign_in("anna")
    assert "does not send e-mails yet" in browser.page("/mail")
    assert browser.post("/mail", {"rhythm": "hourly"}).status_code == 422
    assert "Your choice is kept" in browser.follow(browser.post("/mail", {"rhythm": "weekly"}))
    with member.database.read() as session:
        found = mailings.find(session, "anna")
    assert found is not None
    assert found.next_at - member.clock() == timedelta(days=7)
    outside = Browser(member, app=browser.app)
    assert "Send me no more" in outside.page(f"/mail/off/{found.off_token}")
    assert "belongs to no e-mails" in outside.page("/mail/off/wrong")
    with member.database.read() as session:
        assert mailings.find(session, "anna") is not None  # to look at a link ends nothing
    by_a_mail_program = {"Sec-Fetch-Site": "cross-site", "Content-Type": "application/x-www-form-urlencoded"}
    for _twice in range(2):
        response = outside.post(f"/mail/off/{found.off_token}", headers=by_a_mail_program)
        assert response.status_code == 200
    with member.database.read() as session:
        assert mailings.find(session, "anna") is None


def test_the_server_of_the_settings_is_the_one_that_is_used(node: Node) -> None:
    connect(node, 2525)
    expected = MailServer(HOST, 2525, SENDER, "none")
    assert node.mail_server is not None
    assert replace(node.mail_server, tls=expected.tls) == expected


def test_no_mail_tells_a_city_what_it_has_said_itself(box: Letterbox, due: Node, hub: HubSimulator) -> None:
    log(due, hub, practice(Author(due.name, due.key, due.clock), "Ours"))
    send(due)
    assert len(box.texts) == 2
    assert all("Two" in text and "Ours" not in text for text in box.texts)
