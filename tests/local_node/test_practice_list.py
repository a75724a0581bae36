"""A list of practices from elsewhere becomes drafts, and nothing more."""

import json
from pathlib import Path

import pytest

from local_node.drafts import DraftError, parse_draft
from local_node.practice_list import MAX_ROWS, parse_list, parse_list_mapping
from shared_schema.statement import Kind
from tests.local_node.test_cli import refusal, run

MAPPING = b"""
[columns]
title = "program"
summary = "description"
[constants]
phenomenon = ["_U"]
prevention_level = "primary"
agencies = ["community_org:deliver"]
outcome = "too_early"
lessons = "Taken over from a list; the author has not said yet."
language = "en"
"""
ROWS = [
    {"program": "Open doors", "description": "A  mosque opens\nits doors.", "id": 1},
    {"program": "OPEN DOORS!", "description": "A mosque opens its doors", "id": 2},
    {"program": 'Quote "and" line', "description": "word " * 101, "id": 3},
    {"program": "", "description": None, "id": 4},
]


@pytest.mark.parametrize(
    "text",
    [
        b"\xff",
        b"[columns",
        b"columns = 3",
        b"[other]\na = 1",
        b"[columns]\ntitle = 3",
        b'[columns]\nname = "program"',
        b'[columns]\narea = "program"',
        b'[columns]\ntitle = "a"\n[constants]\ntitle = "b"',
        b"[constants]\nreview_by = 2027-06-01",
        b'[constants]\nagencies = [{type = "youth", role = "deliver"}]',
    ],
)
def test_a_mapping_in_another_form_is_refused(text: bytes) -> None:
    with pytest.raises(DraftError, match="expected"):
        parse_list_mapping(text)


@pytest.mark.parametrize(
    "data",
    [b"\xff", b"[1]", b"[{]", b"name\nx", b"", json.dumps([{"program": "x"}] * (MAX_ROWS + 1)).encode()],
)
def test_a_list_in_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(DraftError, match="expected"):
        parse_list(data, parse_list_mapping(MAPPING))


def test_every_row_that_says_something_new_is_one_draft() -> None:
    found = parse_list(json.dumps(ROWS).encode(), parse_list_mapping(MAPPING))
    assert [draft.name for draft in found.drafts] == ["0001-open-doors.md", "0003-quote-and-line.md"]
    assert found.repeated == (2, 4)
    first, second = found.drafts
    assert first.missing is None
    assert second.missing is not None and "at most 100 words" in second.missing
    draft = parse_draft(first.text.encode(), Kind.PRACTICE)
    assert (draft["title"], draft["summary"]) == ("Open doors", "A mosque opens its doors.")
    assert draft["agencies"] == [{"type": "community_org", "role": "deliver"}]
    assert parse_draft(second.text.encode(), Kind.PRACTICE)["title"] == 'Quote "and" line'


def test_csv_says_the_same_as_json() -> None:
    text = b"program,description\nOpen doors,A mosque opens its doors.\n"
    assert parse_list(text, parse_list_mapping(MAPPING)).drafts[0].missing is None


def test_the_command_makes_a_new_folder_and_never_writes_over_one(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text(json.dumps(ROWS))
    (tmp_path / "mapping.toml").write_bytes(MAPPING)
    command = ("draft", "import", str(tmp_path / "list.json"), "--mapping", str(tmp_path / "mapping.toml"))
    shown = run(*command, "--into", str(tmp_path / "drafts"))
    assert shown.returncode == 1
    assert sorted(path.name for path in (tmp_path / "drafts").iterdir()) == [
        "0001-open-doors.md",
        "0003-quote-and-line.md",
    ]
    assert "expected to make a new folder" in refusal(*command, "--into", str(tmp_path / "drafts"))


@pytest.mark.parametrize("text", ["## Unintended effects", "# 1 thing we do", "A <!-- b", "Title in C#", "\\ud800 x"])
def test_a_text_that_looks_like_markdown_is_read_back_as_it_was(text: str) -> None:
    rows = json.dumps([{"program": "Open doors", "description": text}]).replace("\\\\ud800", "\\ud800")
    (draft,) = parse_list(rows.encode(), parse_list_mapping(MAPPING)).drafts
    assert draft.missing is None
    read = parse_draft(draft.text.encode(), Kind.PRACTICE)
    assert read["summary"].replace("< !--", "<!--") == text.removeprefix("\\ud800").strip()
    assert read["lessons"].startswith("Taken over")
