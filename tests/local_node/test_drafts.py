"""Drafts from files: Markdown and JSON, blank forms, and the commands that take them."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_node import verbs
from local_node.app import Node
from local_node.drafts import SECTIONS, DraftError, blank_form, parse_draft
from shared_schema.service.control import VerbError
from shared_schema.statement import Kind
from tests.factories import make_practice_draft
from tests.local_node.test_cli import refusal, run, run_json

PRACTICE = """+++
phenomenon = ["RWE"]
prevention_level = "primary"
agencies = ["edu_sec:deliver", {type = "municipality", role = "coordinate"}]
outcome = "mixed"
language = "en"
+++
# Rehearsing hard conversations

<!-- a remark that stays here -->
## Summary
Schools rehearse short scenes with trained actors before they need them.

## What we would do again or differently
Begin with scenes that teachers bring themselves.
"""
QUESTION = """+++
phenomenon = ["RWE"]
language = "en"
+++
# Trained actors
## Text
Where do you find trained actors?
"""


def test_markdown_and_json_say_the_same() -> None:
    assert parse_draft(PRACTICE.encode(), Kind.PRACTICE) == make_practice_draft()
    assert parse_draft(json.dumps(make_practice_draft()).encode(), Kind.PRACTICE) == make_practice_draft()
    assert parse_draft(PRACTICE.replace("\n", "\r\n").encode(), Kind.PRACTICE) == make_practice_draft()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no front matter",
        "+++\nno end",
        "+++\n= broken\n+++\n",
        "[1, 2]",
        "{",
        PRACTICE + "## Summary\nagain",
        PRACTICE + "# Another title",
        PRACTICE + "## A heading of my own\ntext",
        PRACTICE.replace("## Summary\n", ""),
        PRACTICE.replace("outcome", 'title = "x"\noutcome', 1),
        PRACTICE.replace("outcome", "emmie = 3\noutcome", 1) + "## Effect\nnone",
        "{" + '"a":{' * 30 + "}" * 31,
        "+++\na = " + "[" * 5000 + "]" * 5000 + "\n+++\n",
    ],
)
def test_another_form_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(DraftError, match="expected") as caught:
        parse_draft(text.encode(), Kind.PRACTICE)
    assert "actors" not in caught.value.message


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(DraftError, match="UTF-8"):
        parse_draft(b"\xff\xfe", Kind.PRACTICE)


@given(st.text(alphabet='+#{}[]\n ="a<!->', max_size=200))
def test_any_text_is_a_draft_or_is_refused(text: str) -> None:
    with contextlib.suppress(DraftError):
        assert isinstance(parse_draft(text.encode(), Kind.QUESTION), dict)


@pytest.mark.parametrize("kind", SECTIONS)
def test_a_blank_form_is_read_back_and_is_not_complete(kind: Kind, member: Node, tmp_path: Path) -> None:
    (tmp_path / "form.md").write_text(blank_form(kind))
    assert "language" in parse_draft(blank_form(kind).encode(), kind)
    with pytest.raises(VerbError) as caught:
        verbs.run(member, "words.check", {"kind": kind.value, "file": str(tmp_path / "form.md")})
    assert caught.value.code == "schema"


def test_endless_comments_are_read_in_time() -> None:
    draft = parse_draft((PRACTICE + "<!--" * 60_000).encode(), Kind.PRACTICE)
    assert draft["lessons"].startswith("Begin with scenes")


def test_what_belongs_to_emmie_goes_there() -> None:
    draft = parse_draft((PRACTICE + "## Effect\nSmall.\n## Economics\nTwo posts.\n").encode(), Kind.PRACTICE)
    assert draft["emmie"] == {"effect": "Small.", "economics": "Two posts."}


# --- through the verbs and the command line ------------------------------------------------------------------------


def write(tmp_path: Path, text: str) -> str:
    (tmp_path / "draft.md").write_text(text, encoding="utf-8")
    return str(tmp_path / "draft.md")


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"kind": "trend"}, "bad-parameter"),
        ({"kind": "membership"}, "bad-parameter"),
        ({"kind": "practice", "about": "abcdef01"}, "bad-parameter"),
        ({"kind": "question", "about": "abcdef01"}, "unknown-item"),
        ({"kind": "question", "about": "x"}, "unknown-item"),
        ({"kind": "question", "audience": "world"}, "bad-parameter"),
        ({"kind": "question", "by": "nobody"}, "person-unknown"),
    ],
)
def test_a_request_for_something_else_is_refused(
    member: Node, tmp_path: Path, params: dict[str, Any], code: str
) -> None:
    file = write(tmp_path, PRACTICE if params["kind"] == "practice" else QUESTION)
    with pytest.raises(VerbError) as caught:
        verbs.run(member, "release.words", {"file": file, "by": "anna"} | params)
    assert caught.value.code == code
    assert verbs.run(member, "release.list", {})["requests"] == []


def test_a_check_tells_what_would_be_found_and_stores_nothing(member: Node, tmp_path: Path) -> None:
    file = write(tmp_path, QUESTION.replace("trained actors?", "Rubija?"))
    found = verbs.run(member, "words.check", {"kind": "question", "file": file})["findings"]
    assert [(each["field"], each["passage"], each["coarser"]) for each in found] == [("text", "Rubija", "a person")]
    assert verbs.run(member, "release.list", {})["requests"] == []


def test_a_question_about_an_item_and_its_answer_go_out(member: Node, tmp_path: Path) -> None:
    verbs.run(member, "release.words", {"kind": "practice", "file": write(tmp_path, PRACTICE), "by": "anna"})
    verbs.run(member, "release.approve", {"request": "r1", "by": "ben"})
    verbs.run(member, "sync", {})
    verbs.run(member, "sync", {})
    (practice,) = verbs.run(member, "inbox.list", {"kind": "practice"})["items"]
    file = write(tmp_path, QUESTION)
    asked = verbs.run(
        member, "release.words", {"kind": "question", "file": file, "by": "anna", "about": practice["digest"][:8]}
    )
    assert asked["body"]["about"] == practice["digest"]


def test_the_commands_lead_from_a_blank_form_to_a_checked_draft(member: Node, tmp_path: Path) -> None:
    form = tmp_path / "form.md"
    shown = run("draft", "new", "practice", "--file", str(form))
    assert f"local-node draft check practice {form}" in " ".join(shown.stdout.split())
    assert "expected to make a new file" in refusal("draft", "new", "practice", "--file", str(form))
    assert "expected one of practice" in refusal("draft", "new", "trend")
    assert run("draft", "new", "answer").stdout == blank_form(Kind.ANSWER)
    form.write_text(PRACTICE)
    assert run_json("draft", "check", "practice", str(form), data=member.data_dir)["findings"] == []
    assert (
        run_json("release", "words", "practice", str(form), "--by", "anna", data=member.data_dir)["state"]
        == "requested"
    )


# --- a new version -------------------------------------------------------------------------------------------------


@pytest.fixture
def released(member: Node, tmp_path: Path) -> str:
    """The digest of a practice that was signed and sent."""
    verbs.run(member, "release.words", {"kind": "practice", "file": write(tmp_path, PRACTICE), "by": "anna"})
    verbs.run(member, "release.approve", {"request": "r1", "by": "ben"})
    verbs.run(member, "sync", {})
    digest = verbs.run(member, "release.show", {"request": "r1"})["digest"]
    assert isinstance(digest, str)
    return digest


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "bad-parameter"),
        ({"review_by": "2028-06", "archive": True}, "bad-parameter"),
        ({"review_by": "June"}, "schema"),
        ({"digest": "0" * 64, "archive": True}, "unknown-item"),
        ({"digest": "x", "archive": True}, "unknown-item"),
        ({"by": "nobody", "archive": True}, "person-unknown"),
    ],
)
def test_a_wrong_renewal_is_refused(member: Node, released: str, params: dict[str, Any], code: str) -> None:
    with pytest.raises(VerbError) as caught:
        verbs.run(member, "release.renewed", {"digest": released[:8], "by": "anna"} | params)
    assert caught.value.code == code
    assert len(verbs.run(member, "release.list", {})["requests"]) == 1


@pytest.mark.parametrize(
    ("params", "change"),
    [({"review_by": "2028-06"}, {"review_by": "2028-06"}), ({"archive": True}, {"archived": True})],
)
def test_an_author_confirms_or_archives_a_practice_with_a_new_item(
    member: Node, released: str, params: dict[str, Any], change: dict[str, Any]
) -> None:
    old = verbs.run(member, "release.show", {"request": "r1"})["body"]
    new = verbs.run(member, "release.renewed", {"digest": released[:8], "by": "anna"} | params)
    assert (new["state"], new["body"]) == ("requested", old | {"replaces": released} | change)


def test_every_version_replaces_the_first_one(member: Node, released: str) -> None:
    for number, month in ((2, "2028-06"), (3, "2029-06")):
        newest = verbs.run(member, "release.list", {})["requests"][-1]["digest"]
        verbs.run(member, "release.renewed", {"digest": newest, "by": "anna", "review_by": month})
        verbs.run(member, "release.approve", {"request": f"r{number}", "by": "ben"})
        verbs.run(member, "sync", {})
        assert verbs.run(member, "release.show", {"request": f"r{number}"})["body"]["replaces"] == released


def test_a_new_version_takes_the_place_of_an_own_item_of_its_kind_alone(
    member: Node, released: str, tmp_path: Path
) -> None:
    ask = {"by": "anna", "replaces": released[:8]}
    with pytest.raises(VerbError) as caught:
        verbs.run(member, "release.words", {"kind": "question", "file": write(tmp_path, QUESTION)} | ask)
    assert caught.value.code == "bad-parameter"
    shown = verbs.run(member, "release.words", {"kind": "practice", "file": write(tmp_path, PRACTICE)} | ask)
    assert shown["body"]["replaces"] == released


def test_the_node_says_what_its_city_is_like_and_a_draft_does_not(member: Node, tmp_path: Path) -> None:
    member.settings = member.settings.model_copy(update={"city_size": "XL", "urbanisation": "1"})
    ask = {"kind": "practice", "file": write(tmp_path, PRACTICE), "by": "anna"}
    assert verbs.run(member, "release.words", ask)["body"]["surroundings"] == {"size": "XL", "urbanisation": "1"}
    start, _, _ = PRACTICE.replace("Rehearsing hard", "Playing out other").partition("Schools rehearse")
    other = f"{start}Clubs meet actors.\n\n## What we would do again or differently\nAsk the actors first.\n"
    hidden = ask | {"file": write(tmp_path, other.replace("outcome", 'attribution = "region"\noutcome', 1))}
    assert "surroundings" not in verbs.run(member, "release.words", hidden)["body"]
    given = ask | {"file": write(tmp_path, PRACTICE.replace("outcome", 'surroundings = {size = "S"}\noutcome', 1))}
    with pytest.raises(VerbError, match="surroundings"):
        verbs.run(member, "release.words", given)
