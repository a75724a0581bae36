"""The gate: every finding is masked, put in coarser words or accepted, by somebody who did not write the text."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from local_node import narrative, resolutions, verbs
from local_node.app import Node
from local_node.local_words import FILE_NAME, read_local_lists
from shared_schema.canonical import parse_strict
from shared_schema.service.control import VerbError
from tests.factories import make_practice_draft
from tests.hub_simulator import HubSimulator

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
