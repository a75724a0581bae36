"""The gate: every finding is masked, put in coarser words or accepted, by somebody who did not write the text."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from local_node import narrative, request_store, resolutions, verbs
from local_node.app import Node
from local_node.errors import ReleaseError
from local_node.local_words import FILE_NAME, read_local_lists
from local_node.settings import load_settings
from shared_schema.canonical import parse_strict
from shared_schema.service.control import VerbError
from shared_schema.service.key_file import load_key
from tests.factories import make_practice_draft
from tests.hub_simulator import HubSimulator, MovableClock

SUMMARY = "We asked Rubija van Dijk, a 15-year-old pupil of the Goethe school. Write to rubija@example.org."


def ask(node: Node, tmp_path: Path, **changes: Any) -> dict[str, Any]:
    (tmp_path / "practice.json").write_text(json.dumps(make_practice_draft(language="en", **changes)))
    return verbs.run(node, "release.practice", {"file": str(tmp_path / "practice.json"), "by": "anna"})


def resolve(node: Node, **params: Any) -> dict[str, Any]:
    return verbs.run(node, "release.resolve", {"request": "r1", "by": "ben"} | params)


def refusal(node: Node, verb: str, **params: Any) -> str:
    with pytest.raises(VerbError) as caught:
        verbs.run(node, verb, {"request": "r1"} | params)
    assert "Rubija" not in caught.value.message
    return caught.value.code


def events(node: Node) -> list[tuple[str, str]]:
    with node.database.read() as session:
        rows = session.execute(text("SELECT action, subject FROM audit WHERE action LIKE 'release.re%' ORDER BY seq"))
        return [(action, subject) for action, subject in rows]


def body_of(node: Node) -> dict[str, Any]:
    shown = verbs.run(node, "release.show", {"request": "r1"})
    assert (
        shown["leaves"].encode()
        == json.dumps(shown["body"], ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    )
    body: dict[str, Any] = shown["body"]
    return body


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"by": "anna", "mask": [0]}, "same-person"),
        ({"by": "nobody", "mask": [0]}, "person-unknown"),
        ({"by": "ben"}, "findings"),
        ({"by": "ben", "mask": [9]}, "findings"),
        ({"by": "ben", "mask": [0], "coarsen": [0]}, "bad-parameter"),
        ({"by": "ben", "mask": ["0"]}, "bad-parameter"),
        ({"by": "ben", "mask": [True]}, "bad-parameter"),
        ({"by": "ben", "coarsen": [2]}, "findings"),
    ],
)
def test_a_wrong_resolution_is_refused_and_changes_nothing(
    member: Node, tmp_path: Path, params: dict[str, Any], code: str
) -> None:
    before = ask(member, tmp_path, summary=SUMMARY)
    assert [finding["kind"] for finding in before["findings"]] == ["name", "combination", "email"]
    assert refusal(member, "release.resolve", **params) == code
    assert verbs.run(member, "release.show", {"request": "r1"})["leaves"] == before["leaves"]


def test_what_was_found_is_masked_or_put_in_coarser_words_and_the_number_stays(member: Node, tmp_path: Path) -> None:
    ask(member, tmp_path, summary=SUMMARY)
    shown = resolve(member, mask=[0, 2], coarsen=[1])
    assert shown["body"]["summary"] == "We asked [name], a young person. Write to [email]."
    assert shown["findings"] == []
    assert body_of(member)["review"] == {"role": "reviewer", "detector": narrative.DETECTOR, "findings": 3}
    resolved = [subject for action, subject in events(member) if action == "release.resolved"]
    assert resolved == ["r1/0/mask", "r1/1/coarsen", "r1/2/mask"]


def test_what_is_left_still_blocks_until_it_is_accepted_with_a_reason(member: Node, tmp_path: Path) -> None:
    ask(member, tmp_path, summary=SUMMARY)
    shown = resolve(member, coarsen=[1])
    assert [finding["passage"] for finding in shown["findings"]] == ["Rubija van Dijk", "rubija@example.org"]
    assert refusal(member, "release.approve", by="ben", accept={"0": "a writer"}) == "reason"
    resolve(member, mask=[1])
    verbs.run(member, "release.approve", {"request": "r1", "by": "ben", "accept": {"0": "a writer, she agreed"}})
    assert refusal(member, "release.resolve", by="ben", mask=[0]) == "state"


def test_what_is_signed_is_what_was_shown_after_the_masks(member: Node, tmp_path: Path, hub: HubSimulator) -> None:
    ask(member, tmp_path, summary=SUMMARY)
    leaves = resolve(member, mask=[0, 1, 2])["leaves"]
    verbs.run(member, "release.approve", {"request": "r1", "by": "ben"})
    verbs.run(member, "sync", {})
    (envelope,) = [each for each in hub.envelopes.values() if each.kind == "practice"]
    assert parse_strict(envelope.payload)["body"] == json.loads(leaves)
    assert not any(b"Rubija" in each.stored_bytes or b"rubija" in each.stored_bytes for each in hub.envelopes.values())


def test_a_text_in_another_field_is_masked_in_its_place(member: Node, tmp_path: Path) -> None:
    ask(member, tmp_path, emmie={"effect": "Better for Rubija."}, lessons="Ask Fatoumata first.")
    shown = resolve(member, mask=[0, 1])
    assert (shown["body"]["emmie"]["effect"], shown["body"]["lessons"]) == ("Better for [name].", "Ask [name] first.")


# --- the city's own words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        'streets = "Lindenstraße"',
        "streets = [1]",
        'streets = [""]',
        'roads = ["Lindenstraße"]',
        "streets = [",
        f'staff = ["{"x" * 201}"]',
        "\xff",
    ],
)
def test_lists_in_another_form_stop_the_request_and_are_not_repeated(
    member: Node, tmp_path: Path, content: str
) -> None:
    (member.data_dir / FILE_NAME).write_bytes(content.encode("latin-1"))
    with pytest.raises(VerbError) as caught:
        ask(member, tmp_path)
    assert caught.value.code == "words"
    assert "Linden" not in caught.value.message
    assert verbs.run(member, "release.list", {})["requests"] == []


def test_the_citys_own_words_are_found_and_its_name_is_not(member: Node, tmp_path: Path) -> None:
    (member.data_dir / FILE_NAME).write_text('nicknames = ["the lion"]\nknown = ["Mokka"]\n', encoding="utf-8")
    summary = f"The Lion came to {member.settings.display_name}, to the club Mokka."
    shown = ask(member, tmp_path, summary=summary)
    assert [(finding["kind"], finding["passage"]) for finding in shown["findings"]] == [("local", "The Lion")]


def test_without_a_file_only_the_citys_name_is_known(tmp_path: Path) -> None:
    lists = read_local_lists(tmp_path, "Bad Hersfeld")
    assert (lists.pointing, lists.known) == ((), frozenset({"bad", "hersfeld"}))


# --- stricter rules ------------------------------------------------------------------------------------------------


def test_released_texts_are_looked_through_again_once_for_every_new_version(
    member: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(member, tmp_path, summary="The lion came.")
    verbs.run(member, "release.approve", {"request": "r1", "by": "ben"})
    verbs.run(member, "sync", {})
    assert verbs.run(member, "release.recheck", {})["looked_at"] == 0
    monkeypatch.setattr(resolutions, "DETECTOR", "narrative/9.9")
    (member.data_dir / FILE_NAME).write_text('nicknames = ["the lion"]\n', encoding="utf-8")
    assert verbs.run(member, "sync", {})["rechecked"] == ["r1"]
    assert verbs.run(member, "sync", {})["rechecked"] == []
    for _ in range(2):
        found = verbs.run(member, "release.recheck", {})
        assert [(each["request"], each["passage"]) for each in found["found"]] == [("r1", "The lion")]
    assert [event for event in events(member) if event[0] == resolutions.RECHECKED] == [
        (resolutions.RECHECKED, "r1/narrative/9.9/1")
    ]


# --- what was shown is what is decided about -----------------------------------------------------------------------


def test_whoever_decides_after_somebody_else_changed_the_text_has_seen_it(member: Node, tmp_path: Path) -> None:
    verbs.run(member, "people.add", {"id": "carla", "role": "reviewer"})
    ask(member, tmp_path, summary=SUMMARY)
    shown = verbs.run(member, "release.resolve", {"request": "r1", "by": "carla", "mask": [0]})
    for verb, params in (("release.resolve", {"mask": [0]}), ("release.approve", {"accept": {"0": "a", "1": "b"}})):
        assert refusal(member, verb, by="ben", **params) == "changed"
        assert refusal(member, verb, by="ben", seen="0" * 64, **params) == "changed"
        assert refusal(member, verb, by="ben", seen="", **params) == "changed"
    shown = resolve(member, mask=[0, 1], seen=shown["seen"][:8])
    assert shown["findings"] == []
    verbs.run(member, "release.approve", {"request": "r1", "by": "ben"})


def test_a_text_that_changed_meanwhile_is_not_replaced(member: Node, tmp_path: Path) -> None:
    ask(member, tmp_path, summary=SUMMARY)
    with member.database.read() as session:
        stale = request_store.get_request(session, "r1").request
    resolve(member, mask=[0])
    with pytest.raises(ReleaseError), member.database.write() as session:
        request_store.replace_body(
            session, stale, stale.body, (), person="ben", resolved=["0/mask"], now=member.clock()
        )


def test_one_person_alone_does_not_go_on_alone_when_a_second_one_has_come(
    data_dir: Path, hub: HubSimulator, clock: MovableClock, tmp_path: Path
) -> None:
    node = Node(data_dir, load_settings(data_dir), load_key(data_dir), clock, hub)
    try:
        verbs.run(node, "people.add", {"id": "anna", "role": "coordinator"})
        ask(node, tmp_path)
        verbs.run(node, "people.add", {"id": "ben", "role": "reviewer"})
        clock.now += timedelta(hours=25)
        assert refusal(node, "release.approve", by="anna") == "role"
    finally:
        node.close()


@pytest.mark.parametrize("language", ["en-Anna-Meier", "de-leipzig", "en-x-call-0341123", "english"])
def test_a_language_has_no_room_for_words(member: Node, tmp_path: Path, language: str) -> None:
    draft = make_practice_draft(language=language)
    (tmp_path / "practice.json").write_text(json.dumps(draft))
    with pytest.raises(VerbError) as caught:
        verbs.run(member, "release.practice", {"file": str(tmp_path / "practice.json"), "by": "anna"})
    assert caught.value.code == "language"


def test_what_nobody_sees_is_not_signed(member: Node, tmp_path: Path) -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "Rubija 0341 1234567")
    shown = ask(member, tmp_path, summary=f"A soft\u00adhyphen.{hidden}")
    assert shown["body"]["summary"] == "A softhyphen."


def test_an_article_before_a_coarser_wording_goes(member: Node, tmp_path: Path) -> None:
    ask(member, tmp_path, summary="Then a 15-year-old came.")
    assert resolve(member, coarsen=[0])["body"]["summary"] == "Then a young person came."
