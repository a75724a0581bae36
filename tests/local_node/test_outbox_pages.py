"""The outbox in the browser: every byte, how far it got, what a hub refused, and taking back."""

import html

import pytest

from local_node import hub_client, inbox, release, verbs
from local_node.app import Node
from shared_schema.service.control import VerbError
from shared_schema.statement import Kind
from tests.hub_simulator import HubSimulator, Lie
from tests.local_node.browsing import Browser
from tests.local_node.lesson_desk import ask, hidden, seat, write


@pytest.fixture
def anna(member: Node) -> Browser:
    return seat(member, "anna")


def approved(node: Node, anna: Browser, form_key: str = "a-form-that-anna-opened", **changes: str) -> str:
    """Write, ask and approve; the request's id."""
    request = ask(anna, write(anna, form_key=form_key, lessons="Ask first.", **changes))
    verbs.run(node, "release.approve", {"request": request, "by": "ben", "accept": {}})
    return request


def digest_of(node: Node, request: str) -> str:
    return str(verbs.run(node, "release.show", {"request": request})["digest"])


def sent(node: Node, anna: Browser) -> str:
    request = approved(node, anna)
    assert anna.post("/outbox/exchange").status_code == 303
    return digest_of(node, request)


def test_every_byte_that_left_is_shown(member: Node, anna: Browser, hub: HubSimulator) -> None:
    digest = sent(member, anna)
    page = html.unescape(anna.page(f"/outbox/{digest}"))
    assert hub.envelopes[digest].payload.decode() in page
    assert hub.envelopes[digest].stored_bytes.decode() in page
    assert digest in page
    assert "entry" in page
    assert f"/outbox/{digest}" in anna.page("/outbox?show=sent")
    asked = anna.page(f"/outbox/{digest}/where")
    assert "What the hubs say now" in asked
    assert "The hub has it. Nothing to do." in asked
    anna.post("/language", {"language": "de", "next": "/outbox"})
    asked = anna.page(f"/outbox/{digest}/where")
    assert "Der Hub hat es. Sie müssen nichts tun." in asked
    assert 'lang="en"' not in asked.split("<main")[1].split("<footer")[0]


def test_an_address_without_an_item_is_missing(member: Node, anna: Browser) -> None:
    for path in ("0" * 64, "x", "%00", f"{'0' * 64}/where", f"{'0' * 64}/withdraw"):
        assert anna.get(f"/outbox/{path}").status_code == 404, path
    for query in ("show=everything", "page=0", "page=-1", "page=1000001", "page=x"):
        assert anna.get(f"/outbox?{query}").status_code == 404, query
    assert anna.post(f"/outbox/{'0' * 64}/withdraw", {"reason": "error"}).status_code == 404
    assert anna.post(f"/outbox/{'0' * 64}/redraft").status_code == 404


def test_what_was_taken_back_says_who_has_confirmed_and_keeps_a_draft(
    member: Node, anna: Browser, hub: HubSimulator
) -> None:
    digest = sent(member, anna)
    for form in ({}, {"reason": "revenge"}, {"reason": "error", "to": "europe"}, {"reason": "error", "to": "hub"}):
        assert anna.post(f"/outbox/{digest}/withdraw", form).status_code == 422, form
    answer = anna.post(f"/outbox/{digest}/withdraw", {"reason": "consent", "to": "", "as_draft": "1"})
    assert "Evenings for everybody" in anna.follow(answer)
    page = anna.page(f"/outbox/{digest}")
    assert "Evenings for everybody" not in page
    assert "The text is erased here" in page
    assert "does not agree to it any more" in page
    assert anna.post(f"/outbox/{digest}/withdraw", {"reason": "error"}).status_code == 422
    assert anna.post("/outbox/exchange").status_code == 303
    assert f"/outbox/{digest}" in anna.page("/outbox?show=back")
    assert hub.entries[-1].kind is Kind.WITHDRAWAL


def test_what_was_never_sent_is_taken_out(member: Node, anna: Browser, hub: HubSimulator) -> None:
    request = approved(member, anna)
    stopped = anna.post(f"/reviews/{request}/decide", {"decision": "refuse", "reason": "not yet"})
    assert "It did not leave" in anna.follow(stopped)
    sign_unsent(member, approved(member, anna, form_key="a-form-of-the-next-day", title="A second try"))
    (item,) = verbs.run(member, "outbox.list", {})["items"]
    page = anna.page(f"/outbox/{item['digest']}/withdraw")
    assert "Take it out before it is sent" in page
    gone = anna.post(f"/outbox/{item['digest']}/withdraw", {"reason": "error", "as_draft": "1"})
    assert "A second try" in anna.follow(gone)
    assert verbs.run(member, "outbox.list", {})["items"] == []
    assert "Nothing was sent yet" in anna.page("/outbox")


def sign_unsent(node: Node, request: str) -> None:
    """As a round of sync does that is cut off between signing and sending."""
    with node.database.write() as session:
        hub = hub_client.list_hubs(session)[0].name
        policy = inbox.current_policy(session, hub)
        assert policy is not None
        report = release.sign_approved(
            session,
            key=node.key,
            origin=node.name,
            hubs=[hub],
            highest_seq=0,
            policy=policy,
            nonces=iter(["A" * 22]),
            now=node.clock(),
        )
    assert report.signed == (request,)


def test_what_a_hub_refused_says_what_to_do_and_becomes_a_draft_again(
    member: Node, anna: Browser, hub: HubSimulator
) -> None:
    hub.lie = Lie.REFUSE
    digest = sent(member, anna)
    page = anna.page(f"/outbox/{digest}")
    assert "release-rule" in page
    assert "Correct it in a new draft" in page
    draft = anna.follow(anna.post(f"/outbox/{digest}/redraft"))
    assert "Evenings for everybody" in draft
    assert 'name="replaces"' not in draft


def test_a_new_version_takes_the_place_of_what_is_out(member: Node, anna: Browser) -> None:
    digest = sent(member, anna)
    draft = anna.follow(anna.post(f"/outbox/{digest}/redraft"))
    assert hidden(draft, "replaces") == digest


def test_a_reviewer_reads_the_outbox_and_takes_nothing_back(member: Node, anna: Browser) -> None:
    digest = sent(member, anna)
    ben = seat(member, "ben", anna.app)
    assert "Take it back" not in ben.page(f"/outbox/{digest}")
    assert ben.get(f"/outbox/{digest}/withdraw").status_code == 403
    assert ben.post(f"/outbox/{digest}/withdraw", {"reason": "error"}).status_code == 403
    assert ben.post("/outbox/exchange").status_code == 403
    assert ben.post(f"/outbox/{digest}/redraft").status_code == 403


@pytest.mark.parametrize("way", ["redraft", "withdraw"])
def test_who_wrote_a_text_is_no_second_person_for_its_next_version(member: Node, anna: Browser, way: str) -> None:
    """Another coordinator takes the text up again; whoever wrote it cannot be the one who reads it with fresh eyes."""
    digest = sent(member, anna)
    verbs.run(member, "people.add", {"id": "carla", "role": "coordinator"})
    carla = seat(member, "carla", anna.app)
    form = {"reason": "error", "to": "", "as_draft": "1"} if way == "withdraw" else {}
    draft = carla.post(f"/outbox/{digest}/{way}", form).headers["location"].split("/")[2].split("?")[0]
    request = ask(carla, draft)
    assert "Approve: it may leave" not in anna.page(f"/reviews/{request}")
    with pytest.raises(VerbError) as refused:
        verbs.run(member, "release.approve", {"request": request, "by": "anna", "accept": {}})
    assert refused.value.code == "same-person"


def test_a_double_click_makes_one_draft_of_a_text(member: Node, anna: Browser) -> None:
    digest = sent(member, anna)
    form = {"form_key": hidden(anna.page(f"/outbox/{digest}"), "form_key")}
    places = {anna.post(f"/outbox/{digest}/redraft", form).headers["location"] for _ in range(2)}
    assert len(places) == 1
