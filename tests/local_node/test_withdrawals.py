"""Taking back on the author's own node: at once, audited, and never sent again."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from local_node import exports, inbox, verbs
from local_node import release as releasing
from local_node.app import Node
from local_node.audit import list_events
from local_node.cli import main
from local_node.drafts import parse_draft
from local_node.orm import OutboxRow, RecallRow
from local_node.settings import load_settings
from local_node.withdrawals import list_own
from shared_schema.canonical import parse_strict
from shared_schema.envelope import parse_envelope
from shared_schema.governance import WithdrawalBody
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.service.key_file import load_key
from shared_schema.statement import Audience, Kind
from tests.federation.searching import find_in_files
from tests.hub_simulator import HubSimulator, Lie
from tests.local_node.browsing import Browser

DRAFT: dict[str, Any] = {
    "title": "Nachtcafe im Hof",
    "summary": "Nobody stayed longer than three weeks in the Hinterhofcafe.",
    "phenomenon": ["RWE"],
    "prevention_level": "primary",
    "agencies": [{"type": "youth", "role": "deliver"}],
    "outcome": "no_effect",
    "lessons": "Ask those who live there first.",
}
NEEDLES = ("Nachtcafe", "Hinterhofcafe")


def run(node: Node, verb: str, /, **params: object) -> dict[str, Any]:
    return verbs.run(node, verb, params)


def ask(node: Node, tmp_path: Path, **changes: object) -> str:
    draft = tmp_path / "draft.json"
    draft.write_text(json.dumps(DRAFT | changes))
    shown = run(node, "release.practice", file=str(draft), by="anna")
    draft.unlink()
    accept = {str(finding["number"]): "no person" for finding in shown["findings"]}
    run(node, "release.approve", request=shown["request"], by="ben", accept=accept)
    return str(shown["request"])


def release(node: Node, tmp_path: Path, **changes: object) -> str:
    request = ask(node, tmp_path, **changes)
    run(node, "sync")
    return str(run(node, "release.show", request=request)["digest"])


def sign(member: Node, hub: HubSimulator) -> None:
    """Sign what is approved, and send nothing."""
    with member.database.write() as session:
        policy = inbox.current_policy(session, hub.name)
        assert policy is not None
        releasing.sign_approved(
            session, key=member.key, origin=member.name, hubs=[hub.name], highest_seq=0, policy=policy,
            nonces=iter(["A" * 24]), now=member.clock(),
        )  # fmt: skip


def rows(node: Node, digest: str) -> list[tuple[str, str | None]]:
    return [(row["state"], row["reason"]) for row in run(node, "outbox.list")["items"] if row["digest"] == digest]


def last_statement(hub: HubSimulator) -> dict[str, Any]:
    return parse_strict(hub.envelopes[hub.entries[-1].digest].payload)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"reason": "whim"}, "expected a reason"),
        ({"by": "nobody"}, "somebody who works with this node"),
        ({"by": "otto"}, "reviewer, a coordinator"),
        ({"to": "hub"}, "narrow to one of"),
        ({"to": "europe"}, "narrow to one of"),
        ({"digest": "ab" * 32}, "one item of this city"),
        ({"digest": "abc"}, "one item of this city"),
        ({"digest": "%" * 64}, "one item of this city"),
    ],
)
def test_nothing_is_taken_back_by_mistake(
    member: Node, hub: HubSimulator, tmp_path: Path, params: dict[str, Any], message: str
) -> None:
    run(member, "people.add", id="otto", role="partner")
    digest = release(member, tmp_path)
    with pytest.raises(VerbError, match=message):
        run(member, "withdraw", **{"digest": digest, "by": "anna", "reason": "error"} | params)
    run(member, "sync")
    assert rows(member, digest) == [("delivered", None)]
    assert last_statement(hub)["kind"] == "practice"


def test_somebody_elses_item_is_not_taken_back(member: Node, hub: HubSimulator) -> None:
    city = hub.city("dresden.sn.de")
    digest = hub.envelopes[hub.entries[hub.log(city.practice())].digest].digest
    run(member, "sync")
    with pytest.raises(VerbError, match="only its author"):
        run(member, "withdraw", digest=digest, by="anna", reason="error")


def test_an_item_is_taken_back_by_one_person_and_its_text_goes_at_once(
    member: Node, hub: HubSimulator, tmp_path: Path
) -> None:
    digest = release(member, tmp_path)
    run(member, "sync")
    assert find_in_files(member.data_dir, *NEEDLES)
    taken = run(member, "withdraw", digest=digest[:12], by="anna", reason="consent")
    assert taken["state"] == "waiting"
    assert find_in_files(member.data_dir, *NEEDLES) == []
    run(member, "sync")
    statement = last_statement(hub)
    assert statement["body"] == {"digest": digest, "reason": "consent"}
    assert (statement["kind"], statement["audience"]) == ("withdrawal", Audience.EUROPE.value)
    assert rows(member, digest) == [("delivered", None)], "the receipt stays"
    run(member, "sync")
    assert find_in_files(member.data_dir, *NEEDLES) == []
    with member.database.read() as session:
        actions = [(event.actor, event.action) for event in list_events(session, limit=10)]
    assert ("anna", "item.withdrawn") in actions and ("local-node", "withdrawal.signed") in actions
    assert run(member, "release.list")["requests"][0]["state"] == "withdrawn"
    assert run(member, "audit.verify")["ok"] is not False
    with pytest.raises(VerbError, match="not taken back yet"):
        run(member, "withdraw", digest=digest, by="anna", reason="error")
    with pytest.raises(VerbError, match="cannot be given back"):
        run(member, "withdraw", digest=last_digest(member), by="anna", reason="error")


def test_an_item_that_never_left_is_simply_removed(member: Node, hub: HubSimulator, tmp_path: Path) -> None:
    request = ask(member, tmp_path)
    sign(member, hub)
    digest = run(member, "release.show", request=request)["digest"]
    taken = run(member, "withdraw", digest=digest, by="anna", reason="error")
    assert (taken["state"], "never sent" in taken["next"]) == ("removed", True)
    run(member, "sync")
    assert digest not in hub.envelopes and last_statement(hub)["kind"] != "withdrawal"
    assert find_in_files(member.data_dir, *NEEDLES) == []
    shown = run(member, "release.show", request=request)
    assert (shown["state"], shown["reason"]) == ("refused", "taken out before it was sent")


def test_an_item_whose_answer_got_lost_is_never_sent_again(member: Node, hub: HubSimulator, tmp_path: Path) -> None:
    hub.lie = Lie.DROP_RESPONSE
    digest = release(member, tmp_path)
    assert rows(member, digest) == [("waiting", "unreachable")]
    run(member, "withdraw", digest=digest, by="anna", reason="error")
    assert rows(member, digest) == [("withdrawn", "unreachable")]
    run(member, "sync")
    assert last_statement(hub)["body"]["digest"] == digest
    assert find_in_files(member.data_dir, *NEEDLES) == []


def test_a_hub_that_is_away_holds_nothing_up_here(member: Node, hub: HubSimulator, tmp_path: Path) -> None:
    digest = release(member, tmp_path)
    hub.lie = Lie.UNREACHABLE
    assert run(member, "withdraw", digest=digest, by="anna", reason="error")["state"] == "waiting"
    assert find_in_files(member.data_dir, *NEEDLES) == []
    run(member, "sync")
    hub.lie = None
    run(member, "sync")
    assert last_statement(hub)["kind"] == "withdrawal"


def test_a_refused_item_needs_no_withdrawal(member: Node, hub: HubSimulator, tmp_path: Path) -> None:
    hub.refuse_next = 1
    digest = release(member, tmp_path)
    assert rows(member, digest) == [("refused", "release-rule")]
    assert run(member, "withdraw", digest=digest, by="anna", reason="error")["state"] == "erased"
    run(member, "sync")
    assert last_statement(hub)["kind"] != "withdrawal"


def test_the_text_can_be_kept_as_a_draft(member: Node, tmp_path: Path) -> None:
    digest = release(member, tmp_path)
    file = tmp_path / "again.json"
    run(member, "withdraw", digest=digest, by="anna", reason="outdated", keep=str(file))
    draft = parse_draft(file.read_bytes(), Kind.PRACTICE)
    assert {name: draft[name] for name in DRAFT} == DRAFT
    assert not {"area", "review"} & set(draft)
    assert file.stat().st_mode & 0o077 == 0
    run(member, "release.practice", file=str(file), by="anna")


def test_nothing_is_erased_when_the_draft_cannot_be_written(member: Node, tmp_path: Path) -> None:
    digest = release(member, tmp_path)
    (tmp_path / "there.json").write_text("mine")
    with pytest.raises(VerbError, match="a new file"):
        run(member, "withdraw", digest=digest, by="anna", reason="error", keep=str(tmp_path / "there.json"))
    with pytest.raises(VerbError, match="expected a reason"):
        run(member, "withdraw", digest=digest, by="anna", reason="whim", keep=str(tmp_path / "new.json"))
    assert not (tmp_path / "new.json").exists() and (tmp_path / "there.json").read_text() == "mine"
    assert find_in_files(member.data_dir, *NEEDLES)


def test_narrowing_keeps_the_text_here_and_says_how_far_it_may_travel(
    member: Node, hub: HubSimulator, tmp_path: Path
) -> None:
    digest = release(member, tmp_path)
    run(member, "withdraw", digest=digest, by="ben", reason="other", to="nation")
    run(member, "sync")
    assert last_statement(hub)["body"] == WithdrawalBody(digest=digest, reason="other", to="nation").to_object()
    with pytest.raises(VerbError, match="below nation"):
        run(member, "withdraw", digest=digest, by="ben", reason="other", to="nation")
    run(member, "withdraw", digest=digest, by="ben", reason="other", to="region")
    assert find_in_files(member.data_dir, *NEEDLES)
    run(member, "withdraw", digest=digest, by="ben", reason="other")
    run(member, "sync")
    assert find_in_files(member.data_dir, *NEEDLES) == []
    assert [entry.kind for entry in hub.entries[-3:]] == [Kind.WITHDRAWAL] * 3


def test_the_outbox_says_beside_what_was_sent_how_far_its_recall_has_come(member: Node, tmp_path: Path) -> None:
    digest = release(member, tmp_path)
    run(member, "withdraw", digest=digest, by="anna", reason="consent")
    run(member, "sync")
    page = Browser(member).sign_in("anna")
    assert "Taken back" in page.page("/outbox")
    assert "1 item that you took back is not confirmed by everybody yet" in page.page("/")
    withdrawal = last_digest(member)
    with member.database.write() as session:
        session.add(
            RecallRow(
                hub="sachsen.de", withdrawal=withdrawal, item=digest, holders=12, confirmed=9, unreachable=1, unheard=1,
                late='{"names":["koeln.nw.de"]}', asked_at=member.clock(),
            )
        )  # fmt: skip
    words = "9 of 12 confirmed; late: koeln.nw.de; 1 cannot be reached any more; no word yet from 1 hub"
    assert "9 of 12 confirmed" in page.page("/outbox")
    shown = page.page(f"/outbox/{digest}")
    for part in (
        "9 of 12 confirmed", "Late: koeln.nw.de.", "1 cannot be reached any more.", "No word yet from 1 hub."
    ):  # fmt: skip
        assert part in shown
    (line,) = run(member, "recall.status", digest=digest[:8])["recalls"]
    assert line["status"] == words
    with pytest.raises(VerbError, match="took back"):
        run(member, "recall.status", digest="ab" * 32)


def last_digest(node: Node) -> str:
    with node.database.read() as session:
        (row,) = list_own(session)
        assert row.digest is not None
        return row.digest


def test_an_exported_file_is_written_anew_without_what_is_taken_back(
    member: Node, hub: HubSimulator, tmp_path: Path
) -> None:
    digest = release(member, tmp_path)
    whole, edited = tmp_path / "whole.jsonl", tmp_path / "edited.jsonl"
    with member.database.read() as session:
        row = session.scalars(select(OutboxRow).where(OutboxRow.digest == digest)).one()
        line = row.envelope + b"\n"
    for path in (whole, edited):
        path.write_bytes(b'{"key":"abc"}\n' + line)
        with member.database.write() as session:
            exports.note_export(session, path, path.read_bytes(), [digest], member.clock())
    edited.write_bytes(edited.read_bytes() + b"a remark\n")
    taken = run(member, "withdraw", digest=digest, by="anna", reason="error")
    assert (taken["exports_cleaned"], taken["exports_to_delete"]) == ([str(whole)], [str(edited)])
    assert whole.read_bytes() == b'{"key":"abc"}\n'
    assert find_in_files(tmp_path, *NEEDLES) == [edited.name]


def test_an_item_that_came_to_the_hub_after_its_withdrawal_is_taken_back_once_more(
    member: Node, hub: HubSimulator, tmp_path: Path
) -> None:
    hub.refuse_next, hub.refusal = 1, ProblemCode.MEMBER_NOT_ACTIVE  # it waits, and may have arrived
    digest = release(member, tmp_path)
    with member.database.read() as session:
        stored = session.scalars(select(OutboxRow.envelope).where(OutboxRow.digest == digest)).one()
    run(member, "withdraw", digest=digest, by="anna", reason="error")
    hub.refuse_next, hub.refusal = 1, ProblemCode.NOT_FOUND
    run(member, "sync")
    first = last_digest(member)
    assert rows(member, first) == [("refused", "not-found")]
    hub.log(parse_envelope(stored))  # it was on the line all the time
    for _ in range(2):
        run(member, "sync")
    assert last_digest(member) != first and rows(member, last_digest(member)) == [("delivered", None)]
    assert find_in_files(member.data_dir, *NEEDLES) == []
    assert last_statement(hub)["body"]["digest"] == digest


def test_the_commands_say_in_one_line_what_is_wrong(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (
        ["withdraw", "abcdef0123", "--by", "anna", "--reason", "error"],
        ["recall", "status", "abcdef0123"],
        ["explain", "abc"],
    ):
        monkeypatch.setattr("sys.argv", ["local-node", *command, "--data", str(data_dir)])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
    for command in (["recall", "status"], ["quarantine", "list"], ["quarantine", "retry"], ["explain", "ab" * 32]):
        monkeypatch.setattr("sys.argv", ["local-node", *command, "--data", str(data_dir), "--json"])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 0
        assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_a_node_that_was_restored_erases_again_what_it_took_back_since(
    member: Node, hub: HubSimulator, tmp_path: Path
) -> None:
    digest = release(member, tmp_path)
    run(member, "sync")
    copy = tmp_path / "copy"
    member.database.check_reachable()
    shutil.copytree(member.data_dir, copy)
    run(member, "withdraw", digest=digest, by="anna", reason="consent")
    run(member, "sync")
    hub.withdrawn.add(digest)
    assert find_in_files(copy, *NEEDLES)
    restored = Node(copy, load_settings(copy), load_key(copy), member.clock, hub)
    run(restored, "sync")
    assert find_in_files(copy, *NEEDLES) == []
    assert run(restored, "release.list")["requests"][0]["state"] == "withdrawn"
    restored.close()
