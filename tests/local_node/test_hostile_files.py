"""Files that were made to hurt: each is one sentence, at once, and nothing is stored."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from local_node import verbs
from local_node.app import Node
from local_node.records import MAX_COUNT
from local_node.verbs.records import MAX_ERRORS_LISTED
from shared_schema.service.control import VerbError

TABLE = "bias_incidents.by_offence"
PRACTICE = Path("deploy/demo/practices/leipzig_1_debate_nights_at_university.json")


def mapping(columns: str = '{ assault = "assault" }', table: str = TABLE, measure: str = "bias_incidents") -> str:
    return f'kind = "returns"\nmeasure = "{measure}"\ntable = "{table}"\ncolumns = {columns}\n'


def read_in(
    node: Node, folder: Path, text: str, csv: str = "month,assault\n2026-09,3\n", **more: Any
) -> dict[str, Any]:
    (folder / "m.toml").write_text(text)
    (folder / "r.csv").write_text(csv)
    files = {"file": str(folder / "r.csv"), "mapping": str(folder / "m.toml")}
    return verbs.run(node, "import", {**files, "agency": "police", "by": "anna", **more})


def refusal(node: Node, folder: Path, text: str) -> str:
    with pytest.raises(VerbError) as caught:
        read_in(node, folder, text)
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"a = {'9' * 5000}\n", "expected a mapping in TOML (UTF-8)"),
        ("kind = 3\n", "expected another mapping: kind: expected returns or events"),
        ("", "expected another mapping: kind: expected returns or events"),
        ('kind = "returns"\nmeasure = "m"\ntable = "t"\n', "expected another mapping: columns: Field required"),
        (mapping() + "Smith = 1\n", "a field that no mapping has: Extra inputs are not permitted"),
        (mapping('{ Smith = "no cell!" }'), "expected another mapping: columns: String should match pattern"),
    ],
)
def test_a_wrong_mapping_is_told_by_its_own_field_and_never_by_what_it_holds(
    node: Node, tmp_path: Path, text: str, expected: str
) -> None:
    message = refusal(node, tmp_path, text)
    assert expected in message
    assert "Smith" not in message


@pytest.mark.parametrize(
    "text",
    [mapping('{ assault = "asault" }'), mapping(table="bias_incidents.by_moon"), mapping(measure="bias_incident")],
)
def test_a_return_that_no_release_could_count_is_not_stored(member: Node, tmp_path: Path, text: str) -> None:
    # Nobody could take it out again, and one wrong cell would stop every release of the period.
    assert "of the hub's policy" in (message := refusal(member, tmp_path, text)) or "expected cells" in message
    assert read_in(member, tmp_path, mapping())["added"] == 1


def test_the_answer_about_a_file_full_of_wrong_rows_stays_small(node: Node, tmp_path: Path) -> None:
    rows = "month,assault\n" + "2026-09,x\n" * (2 * MAX_ERRORS_LISTED)
    result = read_in(node, tmp_path, mapping(), rows, accept_good_rows=True)
    assert result["wrong"] == 2 * MAX_ERRORS_LISTED
    assert len(result["errors"]) == MAX_ERRORS_LISTED


def test_a_pipe_is_refused_and_not_waited_for(node: Node, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(VerbError, match="expected an ordinary file"):
        verbs.run(node, "release.practice", {"file": str(tmp_path / "pipe"), "by": "anna"})


def practice(node: Node, folder: Path, text: str) -> dict[str, Any]:
    (folder / "practice.json").write_text(text)
    return verbs.run(node, "release.practice", {"file": str(folder / "practice.json"), "by": "anna"})


@pytest.mark.parametrize("depth", [30, 900, 40_000])
def test_deep_nesting_is_one_sentence(node: Node, tmp_path: Path, depth: int) -> None:
    with pytest.raises(VerbError, match=r"expected (a draft that is nested at most 20 deep|JSON)"):
        practice(node, tmp_path, '{"a":' * depth + "1" + "}" * depth)


@pytest.mark.parametrize("text", ["x" * 100_000, "a.b " * 50_000, "1 " * 100_000])
def test_an_endless_text_is_refused_before_it_is_looked_through(node: Node, tmp_path: Path, text: str) -> None:
    draft = json.loads(PRACTICE.read_bytes()) | {"lessons": text}
    with pytest.raises(VerbError, match="lessons: String should have at most"):
        practice(node, tmp_path, json.dumps(draft))


@pytest.mark.parametrize("limit", [0, -1, 10**20, "many"])
def test_a_limit_is_a_number_within_bounds(node: Node, limit: object) -> None:
    with pytest.raises(VerbError, match="expected a limit"):
        verbs.run(node, "inbox.list", {"limit": limit})


def test_more_than_a_statement_can_carry_is_one_sentence(member: Node, tmp_path: Path) -> None:
    for number in range(6):
        read_in(member, tmp_path, mapping(), f"month,assault\n2026-09,{MAX_COUNT}\n", agency=f"agency-{number}")
    with pytest.raises(VerbError, match="expected at most 500000000 in a cell"):
        verbs.run(member, "release.numbers", {"table": TABLE, "period": "2026-09", "by": "anna"})


@pytest.mark.parametrize("reason", ["\x1b[2J", "a\nb", "a\u202eb", " ", "x" * 501])
def test_a_reason_cannot_steer_the_terminal_of_whoever_lists_it(node: Node, tmp_path: Path, reason: str) -> None:
    practice(node, tmp_path, PRACTICE.read_text())
    with pytest.raises(VerbError, match="printable characters to refuse"):
        verbs.run(node, "release.refuse", {"request": "r1", "by": "ben", "reason": reason})
