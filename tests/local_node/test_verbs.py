"""The verbs as the control socket and the command line call them: JSON in, JSON or one sentence out."""

import json
from pathlib import Path
from typing import Any

import pytest

from local_node import verbs
from local_node.app import Node
from shared_schema.keys import same_fingerprint
from shared_schema.service.control import VerbError
from shared_schema.statement import Audience
from tests.hub_simulator import HubSimulator, Lie, seeded_key

TABLE = "bias_incidents.by_offence"
CODE = "ABCD-EFGH-2345-MNOP"
MAPPING = f"""
kind = "returns"
measure = "bias_incidents"
table = "{TABLE}"
columns = {{ assault = "assault", arson = "arson" }}
"""


def refusal(node: Node, verb: str, **params: Any) -> VerbError:
    with pytest.raises(VerbError) as caught:
        verbs.run(node, verb, params)
    assert "\n" not in caught.value.message
    return caught.value


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "mapping.toml").write_text(MAPPING)
    (tmp_path / "good.csv").write_text("month,assault,arson\n2026-09,3,0\n2026-10,,1\n")
    (tmp_path / "bad.csv").write_text("month,assault,arson\n2026-09,3,0\n2026-10,-1,x\n")
    return tmp_path


def read_in(node: Node, files: Path, name: str = "good.csv", **params: Any) -> dict[str, Any]:
    given = {"file": str(files / name), "mapping": str(files / "mapping.toml"), "agency": "youth-office", "by": "anna"}
    return verbs.run(node, "import", given | params)


# --- hubs ----------------------------------------------------------------------------------------------------------


def test_a_hub_is_added_with_its_fingerprint_and_asked_with_a_code(node: Node, hub: HubSimulator) -> None:
    added = verbs.run(node, "hub.add", {"url": hub.url, "fingerprint": hub.verifier.key.fingerprint})
    assert added["hub"] == "sachsen.de"
    asked = verbs.run(node, "hub.enrol", {"hub": "sachsen.de", "code": f" {CODE.lower()} "})
    assert asked["state"] == "waiting"
    assert same_fingerprint(asked["fingerprint"], node.key.public)
    (request,) = hub.enrolment_requests
    assert (request.name, request.code, request.public_key) == (node.name, CODE, node.key.public)


def test_a_hub_with_another_fingerprint_is_not_added(node: Node, hub: HubSimulator) -> None:
    typed = seeded_key("somebody else").public.fingerprint
    assert refusal(node, "hub.add", url=hub.url, fingerprint=typed).code == "fingerprint-mismatch"
    assert verbs.run(node, "status", {})["hubs"] == []


def test_a_hub_that_cannot_be_reached_is_named_so(node: Node, hub: HubSimulator) -> None:
    hub.lie = Lie.UNREACHABLE
    error = refusal(node, "hub.add", url=hub.url, fingerprint="x")
    assert (error.code, "try again later" in error.message) == ("unreachable", True)


def test_an_address_inside_the_network_is_refused_before_anything_is_sent(node: Node, hub: HubSimulator) -> None:
    assert "public address" in refusal(node, "hub.add", url="https://127.0.0.1:8443", fingerprint="x").message
    assert hub.requests == []


def test_the_policy_comes_from_the_hub_and_without_one_the_verb_says_what_to_do(
    node: Node, member: Node, tmp_path: Path
) -> None:
    assert verbs.run(member, "policy.show", {})["tables"][0]["table"] == TABLE
    with member.database.write() as session:
        session.connection().exec_driver_sql("DELETE FROM inbox WHERE kind = 'policy'")
    assert "local-node sync" in refusal(node, "policy.show").message


# --- from a file to another city -------------------------------------------------------------------------------------


def test_figures_go_from_a_file_to_the_hub(member: Node, hub: HubSimulator, files: Path) -> None:
    assert read_in(member, files)["added"] == 4
    shown = verbs.run(member, "release.numbers", {"table": TABLE, "period": "2026-10", "by": "anna"})
    assert [cell["status"] for cell in shown["cells"]] == ["L", "A"]
    assert json.loads(shown["leaves"]) == shown["body"]
    verbs.run(member, "release.approve", {"request": shown["request"], "by": "ben", "accept": {}})
    result = verbs.run(member, "sync", {})
    assert (result["signed"], result["pushed"]) == (1, 1)
    assert hub.envelopes[hub.entries[-1].digest].payload.endswith(b'"v":1}')
    assert hub.entries[-1].audience is Audience.HUB


def test_a_wrong_row_is_named_by_line_and_column_and_nothing_is_stored(node: Node, files: Path) -> None:
    with pytest.raises(VerbError, match=r"line 3, column assault: .*; line 3, column arson: ") as caught:
        read_in(node, files, "bad.csv")
    assert "-1" not in caught.value.message
    result = read_in(node, files, "bad.csv", accept_good_rows=True)
    assert (result["added"], [error["line"] for error in result["errors"]]) == (2, [3, 3])


def test_a_practice_is_shown_byte_for_byte_before_it_leaves(member: Node, hub: HubSimulator, tmp_path: Path) -> None:
    file = _practice(tmp_path, "Ask Mr Smith first.")
    shown = verbs.run(member, "release.practice", {"file": str(file), "by": "anna", "audience": "nation"})
    (finding,) = shown["findings"]
    assert (finding["passage"], finding["kind"]) == ("Mr Smith", "name")
    error = refusal(member, "release.approve", request=shown["request"], by="ben", accept={})
    assert error.code == "reason"
    accept = {"0": "the name of a street"}
    verbs.run(member, "release.approve", {"request": shown["request"], "by": "ben", "accept": accept})
    verbs.run(member, "sync", {})
    assert shown["leaves"].encode() in hub.envelopes[hub.entries[-1].digest].payload


def _practice(folder: Path, lessons: str) -> Path:
    file = folder / "practice.json"
    draft = {
        "title": "Evenings for everybody",
        "summary": "We opened the club on more evenings. Nobody came.",
        "phenomenon": ["RWE"],
        "prevention_level": "primary",
        "agencies": [{"type": "youth", "role": "deliver"}],
        "outcome": "no_effect",
        "lessons": lessons,
    }
    file.write_text(json.dumps(draft))
    return file


def test_nobody_approves_what_they_asked_for(member: Node, tmp_path: Path) -> None:
    shown = verbs.run(member, "release.practice", {"file": str(_practice(tmp_path, "Ask first.")), "by": "anna"})
    assert refusal(member, "release.approve", request=shown["request"], by="anna").code == "same-person"
    refused = verbs.run(member, "release.refuse", {"request": shown["request"], "by": "ben", "reason": "too early"})
    assert refused["state"] == "refused"
    assert [line["state"] for line in verbs.run(member, "release.list", {})["requests"]] == ["refused"]


# --- looking ---------------------------------------------------------------------------------------------------------


def test_the_inbox_is_listed_and_an_item_found_by_the_beginning_of_its_digest(member: Node, hub: HubSimulator) -> None:
    envelope = hub.city("dresden.sn.de").practice("Evenings")
    hub.log(envelope)
    verbs.run(member, "sync", {})
    (item,) = verbs.run(member, "inbox.list", {"kind": "practice", "state": "accepted"})["items"]
    assert (item["origin"], item["title"], item["digest"]) == ("dresden.sn.de", "Evenings", envelope.digest)
    shown = verbs.run(member, "inbox.show", {"digest": envelope.digest[:12]})
    assert shown["body"]["outcome"] == "no_effect"
    assert refusal(member, "inbox.show", digest=envelope.digest[:4]).code == "not-found"
    assert refusal(member, "inbox.show", digest="%" * 12).code == "not-found"


def test_the_status_says_what_to_do_next(node: Node, hub: HubSimulator) -> None:
    status = verbs.run(node, "status", {})
    assert (status["name"], status["display_name"]) == ("leipzig.sn.de", "Leipzig")
    assert status["next"][0].startswith("Add your hub")


def test_both_chains_can_be_walked(member: Node) -> None:
    assert verbs.run(member, "audit.verify", {})["events"] >= 3
    assert verbs.run(member, "ledger.verify", {}) == {"ok": True, "entries": 0}


# --- what is wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "params", "code"),
    [
        ("no.such", {}, "unknown-verb"),
        ("people.add", {"id": "carla"}, "bad-parameter"),
        ("people.add", {"id": "carla", "role": "king"}, "person"),
        ("hub.enrol", {"hub": "nrw.de", "code": "x"}, "not-found"),
        ("inbox.list", {"kind": "rumour"}, "bad-parameter"),
        ("release.show", {"request": "r99"}, "request-unknown"),
        ("release.practice", {"file": "/nonexistent", "by": "anna"}, "no-file"),
        ("release.approve", {"request": "r1", "by": "ben", "accept": {"x": "y"}}, "bad-parameter"),
        ("release.numbers", {"table": TABLE, "period": "last month", "by": "anna"}, "schema"),
    ],
)
def test_what_is_wrong_has_a_code_and_one_sentence(member: Node, verb: str, params: dict[str, Any], code: str) -> None:
    assert refusal(member, verb, **params).code == code


def test_a_wrong_enrolment_code_is_refused_before_it_is_sent(member: Node, hub: HubSimulator) -> None:
    assert "code" in refusal(member, "hub.enrol", hub="sachsen.de", code="1234").message
    assert hub.enrolment_requests == []
