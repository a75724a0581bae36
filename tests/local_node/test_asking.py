"""From a draft to a request: looked through by the same rules, reworded by its author, asked for once."""

import json
from typing import Any

import pytest

from local_node import asking, draft_store, request_store, verbs
from local_node.app import Node
from local_node.drafting import Draft, DraftState, Writer
from local_node.review import Role
from local_node.writing import read_fields
from shared_schema.service.control import VerbError
from shared_schema.statement import Audience, Kind
from tests.hub_simulator import Author, HubSimulator, MovableClock

ANNA = Writer("anna", Role.COORDINATOR)
FIELDS: dict[str, list[str]] = {
    "title": ["Evenings for everybody"],
    "summary": ["We opened the club on more evenings. Nobody came."],
    "phenomenon": ["RWE"],
    "prevention_level": ["primary"],
    "agencies": ["youth:deliver"],
    "outcome": ["no_effect"],
    "lessons": ["Ask Mr Smith first."],
}


def begin(
    node: Node,
    kind: Kind = Kind.PRACTICE,
    *,
    writer: Writer = ANNA,
    audience: Audience = Audience.EUROPE,
    **changes: Any,
) -> Draft:
    given = changes if kind is not Kind.PRACTICE else FIELDS | changes
    with node.database.write() as session:
        return draft_store.begin(
            session,
            form_key=f"form-of-{kind.value}-{len(draft_store.list_all(session)):06}",
            kind=kind,
            fields=read_fields(kind, given),
            audience=audience,
            writer=writer,
            now=node.clock(),
        )


def stored(node: Node, draft: Draft) -> Draft | None:
    with node.database.read() as session:
        return draft_store.find(session, draft.id)


def look(node: Node, draft: Draft, by: str = "anna") -> dict[str, Any]:
    return verbs.run(node, "draft.look", {"draft": draft.id, "by": by})


def ask(node: Node, draft: Draft, version: int | None = None, by: str = "anna") -> dict[str, Any]:
    return verbs.run(node, "draft.ask", {"draft": draft.id, "version": version or draft.version, "by": by})


def refusal(node: Node, verb: str, **params: Any) -> VerbError:
    with pytest.raises(VerbError) as caught:
        verbs.run(node, verb, params)
    return caught.value


def test_an_author_sees_what_the_second_person_will_see(member: Node) -> None:
    draft = begin(member)
    looked = look(member, draft)
    assert looked["gaps"] == []
    (found,) = looked["findings"]
    assert (found["passage"], found["kind"], found["coarser"]) == ("Mr Smith", "name", "a person")
    request = ask(member, draft)
    assert [found["passage"] for found in request["findings"]] == ["Mr Smith"]


def test_the_coarser_wording_is_one_step_away(member: Node) -> None:
    draft = begin(member)
    seen = look(member, draft)["seen"]
    change = {"draft": draft.id, "version": 1, "by": "anna", "finding": 0, "to": "coarsen", "seen": seen}
    assert verbs.run(member, "draft.reword", change)["version"] == 2
    assert (found := stored(member, draft)) is not None and found.fields["lessons"] == "Ask a person first."
    assert refusal(member, "draft.reword", **change).code == "draft-stale"
    assert look(member, draft)["findings"] == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"finding": 1}, "findings"),
        ({"finding": -1}, "findings"),
        ({"finding": "0"}, "bad-parameter"),
        ({"to": "rewrite"}, "bad-parameter"),
        ({"seen": "0" * 64}, "draft-stale"),
        ({"by": "ben"}, "draft-unknown"),
        ({"by": "nobody"}, "person-unknown"),
        ({"draft": "d99"}, "draft-unknown"),
    ],
)
def test_a_wording_is_changed_as_it_was_shown_or_not_at_all(member: Node, change: dict[str, Any], code: str) -> None:
    draft = begin(member)
    given = {
        "draft": draft.id,
        "version": 1,
        "by": "anna",
        "finding": 0,
        "to": "mask",
        "seen": look(member, draft)["seen"],
    }
    assert refusal(member, "draft.reword", **given | change).code == code
    assert stored(member, draft) == draft


def test_where_there_is_no_coarser_wording_only_a_mask_is_taken(member: Node) -> None:
    draft = begin(member, lessons=["Write to info@example.org first."])
    given = {"draft": draft.id, "version": 1, "by": "anna", "finding": 0, "seen": look(member, draft)["seen"]}
    assert refusal(member, "draft.reword", **given, to="coarsen").code == "findings"
    verbs.run(member, "draft.reword", given | {"to": "mask"})
    assert (found := stored(member, draft)) is not None and found.fields["lessons"] == "Write to [email] first."


def test_a_text_that_is_far_too_long_is_not_looked_through(member: Node) -> None:
    draft = begin(member, summary=["Mr Smith " * 11_000])
    looked = look(member, draft)
    assert looked["gaps"] == [{"field": "summary", "code": "too-long", "limit": 1200}]
    assert {found["field"] for found in looked["findings"]} == {"lessons"}
    assert refusal(member, "draft.ask", draft=draft.id, version=1, by="anna").code == "draft-incomplete"
    assert stored(member, draft) == draft


def test_a_draft_is_asked_for_once(member: Node) -> None:
    draft = begin(member)
    request = ask(member, draft)
    assert refusal(member, "draft.ask", draft=draft.id, version=1, by="anna").code == "draft-state"
    assert refusal(member, "draft.ask", draft=draft.id, version=2, by="anna").code == "draft-state"
    assert [line["request"] for line in verbs.run(member, "release.list", {})["requests"]] == [request["request"]]


def test_a_stale_form_asks_for_nothing(member: Node) -> None:
    draft = begin(member)
    with member.database.write() as session:
        fields = read_fields(Kind.PRACTICE, FIELDS | {"title": ["Another title"]})
        draft_store.save(session, draft, 1, fields, draft.audience, ANNA, member.clock())
    assert refusal(member, "draft.ask", draft=draft.id, version=1, by="anna").code == "draft-stale"
    assert verbs.run(member, "release.list", {})["requests"] == []


def test_a_refused_text_can_be_changed_and_asked_for_again(member: Node) -> None:
    draft = begin(member)
    request = ask(member, draft)["request"]
    verbs.run(member, "release.refuse", {"request": request, "by": "ben", "reason": "whose story is it"})
    again = stored(member, draft)
    assert again is not None
    assert (again.state, again.refused_because) == (DraftState.WRITING, "whose story is it")
    assert ask(member, again)["request"] != request


def test_a_signed_text_leaves_no_draft_behind(member: Node, hub: HubSimulator) -> None:
    draft = begin(member, lessons=["Ask first."])
    request = ask(member, draft)["request"]
    verbs.run(member, "release.approve", {"request": request, "by": "ben", "accept": {}})
    assert stored(member, draft) is not None
    verbs.run(member, "sync", {})
    assert stored(member, draft) is None
    assert b"Evenings for everybody" in hub.envelopes[hub.entries[-1].digest].payload


# --- who wrote it does not approve it --------------------------------------------------------------------------------


def hand_over(node: Node) -> Draft:
    """Anna writes along in a draft of the youth office; Carl, another coordinator, asks for its release."""
    from local_node.orm import AgencyRow

    for person, role in (("carl", "coordinator"), ("pia", "partner")):
        verbs.run(node, "people.add", {"id": person, "role": role})
    with node.database.write() as session:
        session.add(
            AgencyRow(id="youth", name="Youth", kinds='{"codes":[]}', roles='{"codes":[]}', added_at=node.clock())
        )
    pia = Writer("pia", Role.PARTNER, "youth")
    draft = begin(node, writer=pia, lessons=["Ask first."])
    with node.database.write() as session:
        draft = draft_store.hand_over(session, draft, 1, pia, node.clock())
        fields = read_fields(Kind.PRACTICE, FIELDS | {"lessons": ["Ask them first."]})
        return draft_store.save(session, draft, 2, fields, draft.audience, ANNA, node.clock())


def test_whoever_wrote_along_is_no_second_person(member: Node) -> None:
    request = ask(member, hand_over(member), by="carl")["request"]
    for writer in ("anna", "carl", "pia"):
        assert refusal(member, "release.approve", request=request, by=writer, accept={}).code in ("same-person", "role")
    with member.database.read() as session:
        assert request_store.get_request(session, request).request.authors == {"anna", "carl", "pia"}
    verbs.run(member, "release.approve", {"request": request, "by": "ben", "accept": {}})


def test_where_all_coordinators_wrote_along_nobody_is_a_second_person(
    node: Node, clock: MovableClock, member: Node
) -> None:
    with member.database.write() as session:
        session.connection().exec_driver_sql("DELETE FROM people WHERE id = 'ben'")
    request = ask(member, hand_over(member), by="carl")
    assert request["body"]["review"]["role"] == "single_person"
    assert refusal(member, "release.approve", request=request["request"], by="carl", accept={}).code == "wait"
    clock.advance(hours=25)
    verbs.run(member, "release.approve", {"request": request["request"], "by": "carl", "accept": {}})


# --- what it is about ------------------------------------------------------------------------------------------------


def test_an_answer_to_a_question_that_was_taken_back_is_kept_and_not_asked_for(member: Node, hub: HubSimulator) -> None:
    dresden = hub.city("dresden.sn.de")
    question = question_of(dresden, hub, Audience.REGION)
    verbs.run(member, "sync", {})
    draft = begin(member, Kind.ANSWER, question=[question], text=["Yes, for a year now."])
    hub.log(dresden.withdrawal(question))
    verbs.run(member, "sync", {})
    assert refusal(member, "draft.ask", draft=draft.id, version=1, by="anna").code == "about-gone"
    assert stored(member, draft) == draft


def test_an_answer_to_a_question_that_never_came_is_not_asked_for(member: Node) -> None:
    draft = begin(member, Kind.ANSWER, question=["a" * 64], text=["Yes."])
    assert refusal(member, "draft.ask", draft=draft.id, version=1, by="anna").code == "about-gone"


def test_an_answer_goes_as_far_as_its_question_at_most(member: Node, hub: HubSimulator) -> None:
    question = question_of(hub.city("dresden.sn.de"), hub, Audience.REGION)
    verbs.run(member, "sync", {})
    wide = begin(member, Kind.ANSWER, question=[question], text=["Yes, for a year now."])
    assert ask(member, wide)["audience"] == "region"


def question_of(author: Author, hub: HubSimulator, audience: Audience) -> str:
    from shared_schema.content import QuestionBody

    body = QuestionBody.from_object(
        {
            "title": "Who has tried this?",
            "text": "We would like to know more.",
            "phenomenon": ["POL"],
            "review": {"role": "reviewer", "detector": "narrative/1.0", "findings": 0},
        }
    )
    envelope = author.sign(Kind.QUESTION, body, audience)
    hub.log(envelope)
    return envelope.digest


# --- the command line ------------------------------------------------------------------------------------------------


def test_the_command_line_lists_drafts_and_shows_one(member: Node) -> None:
    draft = begin(member)
    (line,) = verbs.run(member, "draft.list", {})["drafts"]
    assert (line["draft"], line["author"], line["title"]) == (draft.id, "anna", "Evenings for everybody")
    shown = verbs.run(member, "draft.show", {"draft": draft.id})
    assert shown["body"]["agencies"] == [{"type": "youth", "role": "deliver"}]
    assert json.loads(json.dumps(shown)) == shown
    assert refusal(member, "draft.show", draft="d99").code == "draft-unknown"


def test_looking_through_gives_another_digest_when_what_is_found_changes(member: Node) -> None:
    draft = begin(member)
    from local_node.narrative import LocalLists

    plain = asking.look_through(draft, LocalLists())
    listed = asking.look_through(draft, LocalLists(pointing=("club",)))
    assert plain.seen != listed.seen
