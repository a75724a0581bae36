"""The commands that find and show: words for people, JSON for programs, one line for what is wrong."""

from pathlib import Path

import pytest

from local_node import verbs
from local_node.app import Node
from tests.hub_simulator import HubSimulator
from tests.local_node.test_cli import refusal, run, run_json


@pytest.fixture
def closed(member: Node, hub: HubSimulator) -> tuple[Path, str]:
    """The data directory of a node that has read one practice in two versions, and the digest of the newer one."""
    author = hub.city("dresden.sn.de")
    first = author.practice("Open evenings")
    second = author.practice("Open nights", replaces=first.digest, review_by="2020-01", adapted_from="a" * 64)
    hub.log(first)
    hub.log(second)
    verbs.run(member, "sync", {})
    member.close()
    return member.data_dir, second.digest


@pytest.mark.parametrize(
    "arguments",
    [
        ("search",),
        ("search", '"'),
        ("search", "x" * 10_000),
        ("search", "open", "--outcome", "lost"),
        ("search", "open", "--evidence", "9"),
        ("search", "open", "--limit", "51"),
        ("search", "open", "--near"),
        ("search", "--kind", "policy"),
        ("digest", "--days", "0"),
        ("show", "abc"),
        ("show", "0" * 64),
    ],
    ids=lambda arguments: " ".join(arguments)[:30],
)
def test_what_is_wrong_is_one_line_and_exit_code_two(data_dir: Path, arguments: tuple[str, ...]) -> None:
    assert refusal(*arguments, data=data_dir).startswith("local-node: expected ")


def test_a_search_shows_what_is_out_of_date_in_words(closed: tuple[Path, str]) -> None:
    data, digest = closed
    (item,) = run_json("search", "nights", "--outcome", "no_effect", "--area", "14", data=data)["items"]
    assert (item["digest"], item["freshness"]) == (digest, "stale")
    shown = run("search", "NIGHT", data=data).stdout
    assert "Open nights" in shown
    assert "Out of date" in " ".join(shown.split())
    assert "at least one of them" in run("search", "nights", "submarine", data=data).stdout
    assert run("search", "submarine", data=data).stdout == "found: none\n"


def test_the_digest_says_what_is_older(closed: tuple[Path, str]) -> None:
    data, digest = closed
    assert run_json("digest", data=data)["items"][0]["digest"] == digest
    assert "Open nights" in run("digest", "--days", "3000", data=data).stdout


def test_one_item_is_shown_with_all_that_belongs_to_it(closed: tuple[Path, str]) -> None:
    data, digest = closed
    result = run_json("show", digest[:12], data=data)
    assert result["evidence"]["line"] == "tried in 1 city: 1 no effect"
    shown = run("show", digest, data=data).stdout
    assert "evidence: tried in 1 city: 1 no effect" in shown
    assert "title: Open [-evenings-]{+nights+}" in shown
    assert "- an item that is not here\n  * Open nights (dresden.sn.de, no effect)" in shown
