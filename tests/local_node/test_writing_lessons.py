"""Writing in the browser: nothing that was typed is lost, nobody sees another's draft, and asking takes one click."""

from html import unescape

import pytest

from local_node import audit, verbs
from local_node.app import Node
from local_node.drafting import DraftState
from shared_schema.content import QuestionBody
from shared_schema.statement import Audience, Kind
from tests.hub_simulator import HubSimulator, MovableClock
from tests.local_node.browsing import Browser
from tests.local_node.lesson_desk import FORM_KEY, LESSON, ask, employ, hidden, save, seat, stored, write


@pytest.fixture
def anna(member: Node) -> Browser:
    return seat(member, "anna")


# --- whose it is -----------------------------------------------------------------------------------------------------


def test_somebody_elses_draft_and_an_unknown_one_get_the_same_answer(member: Node, anna: Browser) -> None:
    employ(member)
    verbs.run(member, "people.add", {"id": "carl", "role": "coordinator"})
    paul = seat(member, "paul", anna.app)
    mine, pauls = write(anna), write(paul, form_key="a-form-of-pauls-office")
    for person, theirs in (("carl", mine), ("carl", pauls), ("lea", pauls), ("anna", pauls), ("paul", mine)):
        browser = seat(member, person, anna.app)
        for address in ("", "/look"):
            answer, never = browser.get(f"/lessons/{theirs}{address}"), browser.get(f"/lessons/d999{address}")
            assert (answer.status_code, never.status_code) == (404, 404)
            assert answer.text.replace(f"/lessons/{theirs}", "/lessons/d999") == never.text
        for step in ("", "/wording", "/hand-over", "/give-back", "/discard"):
            form = LESSON | {"version": "1", "change": "0/mask", "seen": "x"}
            assert browser.post(f"/lessons/{theirs}{step}", form).status_code == 404, (person, step)
        quiet = browser.post("/lessons/autosave", LESSON | {"version": "1", "draft": theirs, "form_key": FORM_KEY})
        assert quiet.status_code == 404
        assert f"/lessons/{theirs}" not in browser.page("/lessons")
    assert (kept := stored(member, mine)) is not None and kept.version == 1


def test_who_does_not_write_opens_no_form(member: Node, anna: Browser) -> None:
    draft = write(anna)
    for browser, expected in ((seat(member, "ben", anna.app), 403), (Browser(member, anna.app), 303)):
        assert browser.get("/lessons/new?kind=practice").status_code == expected
        assert browser.get(f"/lessons/{draft}").status_code == expected
        new = LESSON | {"form_key": "another-form-key", "version": "0"}
        assert browser.post("/lessons", new).status_code == {403: 403, 303: 401}[expected]


# --- nothing is lost -------------------------------------------------------------------------------------------------


def test_an_unfinished_lesson_is_kept_as_it_was_typed(member: Node, anna: Browser) -> None:
    draft = write(anna, title="x", summary="", outcome="", **{"role-0": ""})
    page = anna.page(f"/lessons/{draft}")
    assert 'value="x"' in page
    assert '<option value="youth" selected>' in page
    looked = anna.page(f"/lessons/{draft}/look")
    for field in ("title", "summary", "agencies", "outcome"):
        assert f'href="/lessons/{draft}#{field}"' in looked
    assert "Ask for a review</button>" not in looked


def test_a_form_that_is_sent_twice_makes_one_draft(member: Node, anna: Browser) -> None:
    assert write(anna) == write(anna)
    assert anna.page("/lessons").count("Evenings for everybody") == 1


def test_two_windows_with_one_empty_form_lose_nothing(member: Node, anna: Browser) -> None:
    draft = write(anna)
    other = anna.post("/lessons", LESSON | {"form_key": FORM_KEY, "version": "0", "title": "From the other window"})
    assert other.status_code == 409
    assert "From the other window" in other.text
    assert "Evenings for everybody" in other.text
    assert (kept := stored(member, draft)) is not None and kept.fields["title"] == "Evenings for everybody"


def test_the_second_of_two_windows_sees_both_texts_and_decides(member: Node, anna: Browser) -> None:
    draft = write(anna)
    assert save(anna, draft, 1, title="From the first window").status_code == 303
    late = save(anna, draft, 1, title="From the second window", summary="Typed for half an hour.")
    assert late.status_code == 409
    for text in ("From the first window", "From the second window", "Typed for half an hour."):
        assert text in late.text
    assert (kept := stored(member, draft)) is not None and kept.fields["title"] == "From the first window"
    version = int(hidden(late.text, "version"))
    assert save(anna, draft, version, title="Both together").status_code == 303
    assert (kept := stored(member, draft)) is not None and kept.fields["title"] == "Both together"


def test_the_script_saves_quietly_and_is_told_when_it_is_late(member: Node, anna: Browser) -> None:
    new = LESSON | {"form_key": FORM_KEY, "version": "0", "draft": ""}
    first = anna.post("/lessons/autosave", new).json()
    assert first["version"] == 1
    again = anna.post("/lessons/autosave", new | {"title": "A word more", "draft": first["draft"], "version": "1"})
    assert again.json()["version"] == 2
    late = anna.post("/lessons/autosave", new | {"title": "Another", "draft": first["draft"], "version": "1"})
    assert (late.status_code, late.json()["code"]) == (409, "draft-stale")
    assert (kept := stored(member, first["draft"])) is not None and kept.fields["title"] == "A word more"
    with member.database.read() as session:
        told = [event.action for event in audit.list_events(session) if event.subject == first["draft"]]
    assert told == ["draft.begun"]


def test_after_the_session_has_ended_the_draft_is_there(member: Node, anna: Browser, clock: MovableClock) -> None:
    saved = anna.post("/lessons/autosave", LESSON | {"form_key": FORM_KEY, "version": "0", "draft": ""}).json()
    clock.advance(hours=13)
    away = anna.post(
        "/lessons/autosave",
        LESSON | {"form_key": FORM_KEY, "version": "1", "draft": saved["draft"], "title": "Too late"},
        headers={"Accept": "application/json"},
    )
    assert away.status_code == 401
    assert anna.get(f"/lessons/{saved['draft']}").headers["location"].startswith("/sign-in?next=")
    anna = seat(member, "anna", anna.app)
    assert "Evenings for everybody" in anna.page(f"/lessons/{saved['draft']}")


def test_what_is_thrown_away_is_gone_and_not_by_a_stale_form(member: Node, anna: Browser) -> None:
    draft = write(anna)
    save(anna, draft, 1, title="Something new")
    assert anna.post(f"/lessons/{draft}/discard", {"version": "1"}).status_code == 409
    assert stored(member, draft) is not None
    assert "Its text is erased" in anna.follow(anna.post(f"/lessons/{draft}/discard", {"version": "2"}))
    assert anna.get(f"/lessons/{draft}").status_code == 404


# --- hostile input ---------------------------------------------------------------------------------------------------


def test_what_a_person_typed_is_put_in_order(member: Node, anna: Browser) -> None:
    draft = write(anna, title="Mu\u0308nchen \x00\u202ebad\u202c", summary="one\r\ntwo\x1b")
    assert (kept := stored(member, draft)) is not None
    assert (kept.fields["title"], kept.fields["summary"]) == ("München bad", "one\ntwo")


def test_a_script_in_a_text_is_text(member: Node, anna: Browser) -> None:
    evil = "</textarea><script>alert(1)</script><img src=x onerror=alert(1)>"
    draft = write(anna, title=evil, summary=evil, lessons=evil)
    for page in (anna.page(f"/lessons/{draft}"), anna.page(f"/lessons/{draft}/look"), anna.page("/lessons")):
        assert "<script>alert" not in page
        assert "<img" not in page
    assert evil in unescape(anna.page(f"/lessons/{draft}"))


def test_a_hundred_kilobytes_are_kept_and_said_to_be_too_much(member: Node, anna: Browser) -> None:
    draft = write(anna, summary="word " * 20_000)
    assert (kept := stored(member, draft)) is not None and len(str(kept.fields["summary"])) == 99_999
    assert "at most 1200 characters" in anna.page(f"/lessons/{draft}/look")
    assert anna.post(f"/lessons/{draft}/ask", {"version": "1"}).status_code == 422
    assert save(anna, draft, 1, summary="x" * 300_000).status_code == 413
    assert stored(member, draft) == kept


def test_a_form_that_is_not_ours_makes_no_draft(member: Node, anna: Browser) -> None:
    for change, status in (
        ({"kind": "policy"}, 404),
        ({"kind": ""}, 404),
        ({"audience": "hub"}, 422),
        ({"audience": "everybody"}, 422),
        ({"version": "-1"}, 422),
        ({"version": "١"}, 422),
        ({"form_key": "short"}, 409),
    ):
        form = LESSON | {"form_key": FORM_KEY, "version": "0"} | change
        assert anna.post("/lessons", form).status_code == status, change
    assert verbs.run(member, "draft.list", {})["drafts"] == []


def test_fields_that_nobody_offered_are_left_out(member: Node, anna: Browser) -> None:
    assert anna.post("/lessons", LESSON | {"form_key": FORM_KEY, "version": "0", "seq": "1"}).status_code == 422
    assert verbs.run(member, "draft.list", {})["drafts"] == [], "what only the node sets is refused (CHECKS 47)"
    extra = {"author": "ben", "state": "asked", "area": "DE", "review": "x"}
    draft = write(anna, **extra)
    assert (kept := stored(member, draft)) is not None
    assert not set(extra) & set(kept.fields)
    assert (kept.author, kept.state) == ("anna", DraftState.WRITING)


def test_an_empty_form_keeps_nothing(member: Node, anna: Browser) -> None:
    page = anna.page("/lessons/new?kind=practice&title=A+clash+on+Tuesday&summary=Two+agencies+met.")
    assert 'value="A clash on Tuesday"' in page
    assert "Two agencies met." in page
    assert verbs.run(member, "draft.list", {})["drafts"] == []
    assert anna.get("/lessons/new?kind=rumour").status_code == 404


# --- looking through it and asking -----------------------------------------------------------------------------------


def test_the_coarser_wording_is_one_click_away(member: Node, anna: Browser) -> None:
    draft = write(anna)
    looked = anna.page(f"/lessons/{draft}/look")
    assert '<mark id="passage-1">Mr Smith' in looked
    assert "Say “a person”" in looked
    change = {"version": "1", "seen": hidden(looked, "seen"), "change": "0/coarsen"}
    after = anna.follow(anna.post(f"/lessons/{draft}/wording", change))
    assert "Ask a person first." in after
    assert "<mark" not in after
    late = anna.post(f"/lessons/{draft}/wording", change)
    assert late.status_code == 409
    assert "Ask a person first." in late.text


def test_a_lesson_is_asked_for_with_two_clicks_and_once(member: Node, anna: Browser) -> None:
    answer = anna.post("/lessons", LESSON | {"form_key": FORM_KEY, "version": "0", "then": "look"})
    draft = answer.headers["location"].split("/")[2]
    assert "Ask for a review</button>" in anna.follow(answer)
    request = ask(anna, draft)
    assert anna.post(f"/lessons/{draft}/ask", {"version": "1"}).headers["location"] == f"/lessons/{draft}"
    assert [line["request"] for line in verbs.run(member, "release.list", {})["requests"]] == [request]
    assert f"/reviews/{request}" in anna.page(f"/lessons/{draft}")
    assert save(anna, draft, 2, title="Too late").status_code == 409


def test_a_stale_form_asks_for_nothing(member: Node, anna: Browser) -> None:
    draft = write(anna)
    save(anna, draft, 1, title="Changed in another window")
    late = anna.post(f"/lessons/{draft}/ask", {"version": "1"})
    assert late.status_code == 409
    assert "Changed in another window" in late.text
    assert verbs.run(member, "release.list", {})["requests"] == []


def test_a_text_without_the_citys_name_may_not_say_it(member: Node, anna: Browser) -> None:
    draft = write(anna, attribution="region", summary="In Leipzig we opened the club. Nobody came.")
    answer = anna.post(f"/lessons/{draft}/ask", {"version": "1"})
    assert answer.status_code == 422
    assert "Take the name out" in answer.text


def test_an_agency_hands_its_draft_over_and_sees_how_it_goes(member: Node, anna: Browser) -> None:
    employ(member)
    paul = seat(member, "paul", anna.app)
    draft = write(paul)
    assert paul.post(f"/lessons/{draft}/ask", {"version": "1"}).status_code == 403
    assert "Hand it to the coordinator" in paul.page(f"/lessons/{draft}/look")
    assert "with the coordinator" in paul.follow(paul.post(f"/lessons/{draft}/hand-over", {"version": "1"}))
    assert save(paul, draft, 2, title="Too late").status_code == 409
    assert "Handed to you" in anna.page("/lessons")
    assert save(anna, draft, 2, title="Finished by Anna").status_code == 303
    request = ask(anna, draft, 3)
    assert "Waiting for a second person" in paul.page(f"/lessons/{draft}")
    verbs.run(member, "release.refuse", {"request": request, "by": "ben", "reason": "say less of the school"})
    assert "say less of the school" in paul.page("/lessons")
    assert "back with the agency" in anna.follow(anna.post(f"/lessons/{draft}/give-back", {"version": "4"}))
    assert save(paul, draft, 5, title="Written anew").status_code == 303


# --- about something else --------------------------------------------------------------------------------------------


def test_an_answer_whose_question_was_taken_back_is_kept_and_says_so(
    member: Node, anna: Browser, hub: HubSimulator
) -> None:
    dresden = hub.city("dresden.sn.de")
    body = QuestionBody.from_object(
        {
            "title": "Who has tried this?",
            "text": "We would like to know more.",
            "phenomenon": ["POL"],
            "review": {"role": "reviewer", "detector": "narrative/1.0", "findings": 0},
        }
    )
    question = dresden.sign(Kind.QUESTION, body, Audience.REGION)
    hub.log(question)
    verbs.run(member, "sync", {})
    empty = anna.page(f"/lessons/new?kind=answer&about={question.digest}")
    assert "Who has tried this?" in empty
    assert 'value="europe"' not in empty
    form = {"kind": "answer", "form_key": FORM_KEY, "version": "0", "question": question.digest, "text": "Yes."}
    answer = anna.post("/lessons", form | {"audience": "region", "language": "en"})
    draft = answer.headers["location"].split("/")[2].split("?")[0]
    hub.log(dresden.withdrawal(question.digest))
    verbs.run(member, "sync", {})
    assert "taken back by its author" in anna.page(f"/lessons/{draft}")
    assert "Ask for a review</button>" not in anna.page(f"/lessons/{draft}/look")
    assert anna.post(f"/lessons/{draft}/ask", {"version": "1"}).status_code == 422
    assert (kept := stored(member, draft)) is not None and kept.fields["text"] == "Yes."


def test_what_needs_an_item_begins_from_the_item(member: Node, anna: Browser) -> None:
    for kind in ("answer", "experience"):
        assert 'href="/inbox"' in anna.page(f"/lessons/new?kind={kind}")
        assert 'href="/inbox"' in anna.page(f"/lessons/new?kind={kind}&about={'a' * 64}")


def test_a_coordinator_gives_back_what_an_agency_has_written_and_cannot_erase_it(member: Node, anna: Browser) -> None:
    employ(member)
    paul = seat(member, "paul", anna.app)
    draft = write(paul)
    assert paul.post(f"/lessons/{draft}/hand-over", {"version": "1"}).status_code == 303
    page = anna.page(f"/lessons/{draft}")
    assert "Give it back to the agency" in page and "Throw the draft away" not in page
    assert anna.post(f"/lessons/{draft}/discard", {"version": "2"}).status_code == 409
    assert stored(member, draft) is not None
