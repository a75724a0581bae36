"""What leaves without the city's name: refused when it would name it after all, shown to a second person, sent."""

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from local_node import verbs
from local_node.app import Node
from local_node.orm import OutboxRow, StatementSeqRow
from shared_schema.content import PracticeBody, QuestionBody
from shared_schema.envelope import parse_envelope
from shared_schema.period import Area
from shared_schema.problem import ProblemCode
from shared_schema.relay import PAD_BYTES, RelayRequest, generalise, is_request
from shared_schema.service.control import VerbError
from shared_schema.statement import Audience, Kind
from tests.hub_simulator import HubSimulator, Lie

NUMBERS = count(1)
DRAFT: dict[str, Any] = {
    "title": "Open evenings that nobody came to",
    "summary": "A youth club opened on more evenings.",
    "phenomenon": ["RWE"],
    "prevention_level": "primary",
    "agencies": [{"type": "youth", "role": "deliver"}],
    "outcome": "not_delivered",
    "lessons": "Ask first which evenings are wanted.",
    "attribution": "region",
}


def ask(node: Node, kind: str = "practice", audience: str | None = None, **changes: object) -> dict[str, Any]:
    file = Path(node.data_dir) / "draft.json"
    file.write_text(json.dumps(DRAFT | changes))
    params = {"kind": kind, "file": str(file), "by": "anna"} | ({"audience": audience} if audience else {})
    return verbs.run(node, "release.words", params)


def release(node: Node, **changes: Any) -> dict[str, Any]:
    """Ask, approve, sync; returns what the sync reports."""
    request = ask(node, **changes)["request"]
    verbs.run(node, "release.approve", {"request": request, "by": "ben", "accept": {}})
    return verbs.run(node, "sync", {})


def named() -> dict[str, Any]:
    """Something else, in the city's own name."""
    number = next(NUMBERS)
    return {
        "attribution": "city",
        "title": f"Meetings in park number {number}",
        "summary": f"Meetings in park number {number} were held.",
        "lessons": f"We would choose park number {number} again.",
    }


def outbox_rows(node: Node) -> list[tuple[int, str, str | None, str, bytes]]:
    with node.database.read() as session:
        rows = session.query(OutboxRow).order_by(OutboxRow.id)
        return [(row.seq, row.state, row.reason, row.digest, row.envelope) for row in rows]


# --- from its bad side ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"title": "Open evenings in Leipzig"}, "names-city"),
        ({"lessons": "We in LEIPZIG-West would ask."}, "names-city"),
        ({"emmie": {"effect": "The Leipziger evenings had none."}}, "names-city"),
        ({"attribution": "country", "audience": "region"}, "release-rule"),
        ({"audience": "hub"}, "release-rule"),
        ({"attribution": "nobody"}, "schema"),
    ],
)
def test_what_would_name_the_city_is_not_even_asked_for(member: Node, changes: dict[str, Any], code: str) -> None:
    audience = changes.pop("audience", None) if len(changes) > 1 or "audience" in changes else None
    with pytest.raises(VerbError) as caught:
        ask(member, audience=audience, **changes)
    assert caught.value.code == code
    assert verbs.run(member, "release.list", {})["requests"] == []


@pytest.mark.parametrize("field", ["adapted_from", "replaces"])
def test_nothing_points_to_what_the_city_said_in_its_own_name(member: Node, field: str) -> None:
    release(member, **named())
    own = outbox_rows(member)[0][3]
    with pytest.raises(VerbError) as caught:
        ask(member, **{field: own})
    assert caught.value.code == "names-city"
    ask(member, adapted_from="ab" * 32)


@pytest.mark.parametrize(("first", "second"), [("city", "region"), ("region", "city")])
def test_the_same_passage_is_not_said_both_ways(member: Node, first: str, second: str) -> None:
    """Also in other capitals and with other spaces, and from the first request on."""
    request = ask(member, attribution=first)["request"]
    said_again = {
        "title": "Quite another title",
        "summary": "A YOUTH club opened\non more evenings.",
        "lessons": "Other.",
    }
    with pytest.raises(VerbError) as caught:
        ask(member, attribution=second, **said_again)
    assert caught.value.code == "names-city"
    verbs.run(member, "release.refuse", {"request": request, "by": "anna", "reason": "not like this"})
    ask(member, attribution=second, **said_again)


def test_a_hub_that_refuses_or_relays_nothing_holds_up_nothing_else(member: Node, hub: HubSimulator) -> None:
    hub.relays_nothing = True
    release(member)
    assert release(member, **named())["pushed"] == 1
    hub.relays_nothing, hub.lie = False, Lie.REFUSE
    release(member)
    states = [(seq, state, reason) for seq, state, reason, *_ in outbox_rows(member)]
    assert states == [
        (0, "refused", ProblemCode.NOT_FOUND.value),
        (1, "delivered", None),
        (0, "refused", ProblemCode.RELEASE_RULE.value),
    ]


def test_a_receipt_of_somebody_else_proves_nothing(member: Node, hub: HubSimulator) -> None:
    hub.lie = Lie.FORGED_RECEIPT
    report = release(member)
    assert report["problems"] == [{"hub": hub.name, "problem": "receipt"}]
    assert [row[1] for row in outbox_rows(member)] == ["waiting"]
    hub.lie = None
    assert verbs.run(member, "sync", {})["pushed"] == 1


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"request": "ab" * 32}, "not-found"),
        ({"request": ""}, "not-found"),
        ({"by": "nobody"}, "person-unknown"),
        ({"by": "paul"}, "role"),
        ({"reason": "because"}, "bad-parameter"),
    ],
)
def test_only_an_own_request_is_taken_back_and_by_who_may(member: Node, params: dict[str, str], code: str) -> None:
    verbs.run(member, "people.add", {"id": "paul", "role": "partner"})
    release(member)
    digest = outbox_rows(member)[0][3]
    with pytest.raises(VerbError) as caught:
        verbs.run(member, "relay.withdraw", {"request": digest, "by": "anna", "reason": "error"} | params)
    assert caught.value.code == code
    assert len(outbox_rows(member)) == 1


# --- what it does --------------------------------------------------------------------------------------------------


def test_the_second_person_reads_who_will_know(member: Node) -> None:
    shown = ask(member)
    again = verbs.run(member, "release.show", {"request": shown["request"]})
    assert "operator of your home hub will know that this is yours; nobody else" in shown["known_to"]
    assert again["known_to"] == shown["known_to"]
    assert ask(member, **named())["known_to"] is None


def test_it_is_sent_apart_takes_no_number_and_is_in_no_log(member: Node, hub: HubSimulator) -> None:
    release(member, **named())
    size = len(hub.entries)
    assert release(member)["pushed"] == 1
    assert len(hub.entries) == size
    release(member, **named())
    rows = outbox_rows(member)
    assert [(seq, state) for seq, state, *_ in rows] == [(1, "delivered"), (0, "delivered"), (2, "delivered")]
    envelope = parse_envelope(rows[1][4])
    request = RelayRequest.from_bytes(envelope.payload)
    assert is_request(envelope) and len(envelope.payload) == PAD_BYTES
    assert (request.hub, request.origin, request.attribution) == (hub.name, member.name, "region")
    with member.database.read() as session:
        assert session.query(StatementSeqRow).one().last_seq == 2


def test_what_was_asked_for_can_be_seen_and_taken_back(member: Node, hub: HubSimulator) -> None:
    release(member)
    (item,) = verbs.run(member, "relay.list", {})["items"]
    assert (item["kind"], item["state"], item["relayed"]) == ("practice", "waiting", None)
    verbs.run(member, "relay.withdraw", {"request": item["request"][:10], "by": "anna", "reason": "consent"})
    assert verbs.run(member, "sync", {})["pushed"] == 1
    withdrawal = RelayRequest.from_bytes(parse_envelope(outbox_rows(member)[1][4]).payload).withdrawal
    assert withdrawal is not None and withdrawal.digest == item["request"]
    assert [each.kind.value for each in hub.relayed] == ["practice", "withdrawal"]
    assert verbs.run(member, "audit.verify", {})


def test_every_kind_of_words_can_be_asked_for(member: Node) -> None:
    file = Path(member.data_dir) / "question.json"
    file.write_text(json.dumps({"title": "Who knows more?", "text": "We would like to.", "phenomenon": ["RWE"]}))
    shown = verbs.run(member, "release.words", {"kind": "question", "file": str(file), "by": "anna"})
    assert (shown["kind"], shown["audience"]) == ("question", "europe")
    with pytest.raises(VerbError):
        verbs.run(member, "release.words", {"kind": "policy", "file": str(file), "by": "anna"})


# --- not named afterwards ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["In _Leipzig_ it went on.", "ＬＥＩＰＺＩＧ", "In Großleipzig.", "Leip\u00adzig"])
def test_the_citys_name_is_seen_in_any_dress(member: Node, text: str) -> None:
    with pytest.raises(VerbError) as caught:
        ask(member, lessons=text)
    assert caught.value.code == "names-city"


def test_another_comma_makes_no_other_passage(member: Node) -> None:
    ask(member)
    copy = {name: f"{value}!" if isinstance(value, str) and " " in value else value for name, value in DRAFT.items()}
    with pytest.raises(VerbError) as caught:
        ask(member, **copy | {"attribution": "city"})
    assert caught.value.code == "names-city"


def test_nothing_in_the_citys_name_is_about_what_it_has_said_without(member: Node, hub: HubSimulator) -> None:
    release(member)
    saxony = Area(scheme="NUTS", version="2024", code="DED")
    body = verbs.run(member, "release.show", {"request": "r1"})["body"]
    relayed = hub.author.sign(Kind.RELAYED, generalise(PracticeBody.from_object(body), saxony), Audience.EUROPE)
    hub.log(relayed)
    question = QuestionBody.from_object(
        {
            "title": "Which",
            "text": "Which evenings?",
            "phenomenon": ["RWE"],
            "about": relayed.digest,
            "review": body["review"],
        }
    )
    asked = hub.city("dresden.sn.de").sign(Kind.QUESTION, question, Audience.EUROPE)
    hub.log(asked)
    verbs.run(member, "sync", {})
    file = Path(member.data_dir) / "named.json"
    answer = {"question": asked.digest, "text": "On Fridays we saw most of them."}
    other = {name: DRAFT[name] for name in ("phenomenon", "prevention_level", "agencies", "outcome")}
    words = {"title": "Something new", "summary": "Nothing of the old.", "lessons": "None that we know of now."}
    experience = {
        "practice": relayed.digest,
        "changes": "We changed nothing.",
        "outcome": "worked",
        "lessons": "Do it.",
    }
    for kind, draft in (
        ("answer", answer),
        ("practice", other | words | {"replaces": relayed.digest}),
        ("experience", experience),
    ):
        file.write_text(json.dumps(draft))
        with pytest.raises(VerbError, match="without its name"):
            verbs.run(member, "release.words", {"kind": kind, "file": str(file), "by": "anna"})
    file.write_text(json.dumps(answer | {"attribution": "region"}))
    assert verbs.run(member, "release.words", {"kind": "answer", "file": str(file), "by": "anna"})["known_to"]
