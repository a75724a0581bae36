"""A round reads, signs and sends; a dead hub never blocks, and no number is used twice."""

import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from local_node import outbox, verbs
from local_node.app import Node
from shared_schema.problem import ProblemCode
from shared_schema.statement import Kind
from tests.hub_simulator import HubSimulator, Lie, MovableClock
from tests.local_node.conftest import LEIPZIG

PRACTICE = Path(__file__).parents[2] / "deploy/demo/practices/leipzig_2_faith_round_table_on_call.json"


def approve_practice(node: Node) -> str:
    """Ask for a practice's release and approve it."""
    shown = verbs.run(node, "release.practice", {"file": str(PRACTICE), "by": "anna"})
    accept = {str(finding["number"]): "a public office" for finding in shown["findings"]}
    verbs.run(node, "release.approve", {"request": shown["request"], "by": "ben", "accept": accept})
    return str(shown["request"])


def test_what_two_people_agreed_to_is_signed_and_delivered(member: Node, hub: HubSimulator) -> None:
    approve_practice(member)
    report = member.rounds.run()
    assert (report.signed, report.pushed, report.problems) == (1, 1, {})
    assert hub.entries[-1].kind is Kind.PRACTICE
    assert member.rounds.run().signed == 0


def test_nothing_is_signed_before_somebody_else_has_agreed(member: Node) -> None:
    verbs.run(member, "release.practice", {"file": str(PRACTICE), "by": "anna"})
    assert member.rounds.run().signed == 0


def test_a_node_restored_from_an_old_backup_uses_no_number_twice(member: Node, hub: HubSimulator) -> None:
    hub.members[member.key.public.keyid] = (LEIPZIG, 41)
    approve_practice(member)
    assert member.rounds.run().pushed == 1
    with member.database.read() as session:
        assert outbox.list_rows(session)[0].seq == 42


def test_nothing_is_signed_until_the_hub_has_said_which_number_it_knows(
    node: Node, member: Node, hub: HubSimulator, clock: MovableClock
) -> None:
    approve_practice(member)
    restarted = Node(node.data_dir, node.settings, node.key, clock, hub)
    hub.lie = Lie.UNREACHABLE
    report = restarted.rounds.run()
    assert (report.signed, report.problems) == (0, {"sachsen.de": "unreachable"})
    hub.lie = None
    assert restarted.rounds.run().pushed == 1
    restarted.close()


def test_a_hub_that_dies_later_does_not_hold_up_signing(member: Node, hub: HubSimulator) -> None:
    hub.lie = Lie.UNREACHABLE
    approve_practice(member)
    report = member.rounds.run()
    assert (report.signed, report.pushed) == (1, 0)
    hub.lie = None
    assert member.rounds.run().pushed == 1


def test_a_patient_round_leaves_a_silent_hub_alone_and_an_impatient_one_asks(
    member: Node, hub: HubSimulator, clock: MovableClock
) -> None:
    hub.lie = Lie.UNREACHABLE
    tries = []
    for minute in range(0, 24 * 60, 5):
        before = len(hub.requests)
        member.rounds.run(patient=True)
        if len(hub.requests) > before:
            tries.append(minute)
        clock.advance(minutes=5)
    assert len(tries) < 8 + 24
    before = len(hub.requests)
    member.rounds.run()
    assert len(hub.requests) == before + 1
    hub.lie = None
    assert member.rounds.run().problems == {}


def test_a_node_that_is_no_member_yet_says_so_without_an_alarm(node: Node, hub: HubSimulator) -> None:
    verbs.run(node, "hub.add", {"url": hub.url, "fingerprint": hub.verifier.key.fingerprint})
    result = verbs.run(node, "sync", {})
    assert result["problems"] == [{"hub": "sachsen.de", "problem": "not-a-member-yet"}]
    assert result["alarms"] == []


def test_a_member_that_is_turned_away_gets_an_alarm_and_keeps_everything(member: Node, hub: HubSimulator) -> None:
    approve_practice(member)
    key = hub.keys.pop(member.key.public.keyid)
    result = verbs.run(member, "sync", {})
    assert [alarm["code"] for alarm in result["alarms"]] == ["not-served"]
    hub.keys[key.keyid] = key
    result = verbs.run(member, "sync", {})
    assert (result["pushed"], result["alarms"]) == (1, [])


def test_a_lying_feed_does_not_stop_what_goes_out(member: Node, hub: HubSimulator) -> None:
    approve_practice(member)
    hub.log(hub.city("dresden.sn.de").practice())
    hub.lie = Lie.FLIP_BIT
    report = member.rounds.run()
    assert (report.pushed, report.problems) == (1, {"sachsen.de": "feed-entry"})


def test_a_refused_statement_is_reported_and_the_next_one_goes(member: Node, hub: HubSimulator) -> None:
    approve_practice(member)
    hub.refuse_next, hub.refusal = 1, ProblemCode.RELEASE_RULE
    assert member.rounds.run().refused == 1
    assert member.rounds.run().refused == 0


def test_two_rounds_at_once_deliver_once(member: Node, hub: HubSimulator) -> None:
    approve_practice(member)
    reports = []
    threads = [threading.Thread(target=lambda: reports.append(member.rounds.run())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(report.pushed for report in reports) == 1
    assert [entry.kind for entry in hub.entries].count(Kind.PRACTICE) == 1


@pytest.mark.parametrize("when", ["before the hub has it", "after the hub has it"])
def test_a_crash_while_sending_leads_to_one_delivery(
    member: Node, hub: HubSimulator, clock: MovableClock, when: str
) -> None:
    approve_practice(member)

    class KilledError(BaseException):
        """Nothing catches this, like SIGKILL."""

    answer: Callable[[httpx.Request], httpx.Response] = hub.handle_request

    def kill(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            if when.startswith("after"):
                answer(request)
            raise KilledError
        return answer(request)

    hub.handle_request = kill  # type: ignore[method-assign]
    with pytest.raises(KilledError):
        member.rounds.run()
    member.close()
    hub.handle_request = answer  # type: ignore[method-assign, assignment]
    restarted = Node(member.data_dir, member.settings, member.key, clock, hub)
    assert restarted.rounds.run().pushed == 1
    assert [entry.kind for entry in hub.entries].count(Kind.PRACTICE) == 1
    restarted.close()
