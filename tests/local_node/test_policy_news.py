"""A node that is too old for its hub's policy says so in words, and reads on; contents that are too old go."""

from datetime import UTC, datetime

import pytest

from local_node import policy_news, retention, verbs
from local_node.app import Node
from shared_schema import canonical
from shared_schema.envelope import Envelope, sign_payload
from shared_schema.governance import PolicyBody
from shared_schema.problem import ProblemCode
from shared_schema.statement import Audience, Kind
from tests.hub_simulator import HubSimulator, Lie, MovableClock
from tests.local_node.test_rounds import approve_practice


def alarms(node: Node) -> dict[str, str]:
    return {alarm["code"]: alarm["message"] for alarm in verbs.run(node, "status", {})["alarms"]}


def test_a_program_that_is_too_old_says_which_one_is_expected(
    member: Node, hub: HubSimulator, policy: PolicyBody
) -> None:
    hub.publish_policy(policy.model_copy(update={"version": 2, "least_software": "9.0.0"}))
    verbs.run(member, "sync", {})
    assert "9.0.0 or newer" in alarms(member)["software-too-old"]
    hub.publish_policy(policy.model_copy(update={"version": 3, "least_software": "0.1.0"}))
    verbs.run(member, "sync", {})
    assert alarms(member) == {}


def test_an_updated_program_ends_the_alarm_without_news_from_the_hub(
    member: Node, hub: HubSimulator, policy: PolicyBody
) -> None:
    hub.publish_policy(policy.model_copy(update={"version": 2, "least_software": "9.0.0"}))
    verbs.run(member, "sync", {})
    with member.database.write() as session:
        assert policy_news.note_policy(session, hub.author.name, member.clock(), version="9.0.1") is None
    assert alarms(member) == {}


def test_a_newer_vocabulary_asks_for_an_update(member: Node, hub: HubSimulator, policy: PolicyBody) -> None:
    hub.publish_policy(policy.model_copy(update={"version": 2, "vocabulary_version": 99}))
    verbs.run(member, "sync", {})
    assert "vocabulary 99" in alarms(member)["software-too-old"]


def test_a_policy_of_a_newer_release_is_not_half_obeyed_and_stops_nothing_else(
    member: Node, hub: HubSimulator, policy: PolicyBody
) -> None:
    newer = policy.model_copy(update={"version": 2, "min_contributors": 7})
    hub.log(with_unknown_field(hub, newer))
    hub.log(hub.city("dresden.sn.de").practice())
    report = verbs.run(member, "sync", {})
    assert (report["problems"], report["quarantined"]) == ([], 1)
    assert "cannot read" in alarms(member)["software-too-old"]
    assert verbs.run(member, "policy.show", {})["policy"]["version"] == policy.version
    kinds = [item["kind"] for item in verbs.run(member, "inbox.list", {})["items"] if item["state"] == "accepted"]
    assert "practice" in kinds


def with_unknown_field(hub: HubSimulator, policy: PolicyBody) -> Envelope:
    value = canonical.parse_strict(hub.author.statement(Kind.POLICY, policy, Audience.REGION).to_bytes())
    value["body"]["least_patience"] = 1
    return sign_payload(Kind.POLICY.value, canonical.encode(value), hub.author.key)


def test_what_waits_is_kept_when_the_hub_finds_the_program_too_old(member: Node, hub: HubSimulator) -> None:
    hub.lie, hub.refusal = Lie.REFUSE, ProblemCode.SOFTWARE_TOO_OLD
    hub.refuse_next = 1
    approve_practice(member)
    report = verbs.run(member, "sync", {})
    assert (report["pushed"], report["refused"]) == (0, 0)
    assert "software-too-old" in alarms(member)
    hub.lie = None
    assert verbs.run(member, "sync", {})["pushed"] == 1
    assert alarms(member) == {}


def test_contents_of_others_go_when_the_policy_says_so_and_ones_own_stay(
    member: Node, hub: HubSimulator, clock: MovableClock, policy: PolicyBody
) -> None:
    dresden = hub.city("dresden.sn.de")
    hub.log(dresden.practice("Open evenings"))
    approve_practice(member)
    verbs.run(member, "sync", {})
    clock.advance(days=200)
    hub.log(dresden.practice("A football league"))
    hub.publish_policy(policy.model_copy(update={"version": 2, "retention_months": 6}))
    assert verbs.run(member, "sync", {})["expired"] == 1
    assert verbs.run(member, "sync", {})["expired"] == 0
    items = verbs.run(member, "inbox.list", {"kind": "practice"})["items"]
    assert sorted(item["state"] for item in items) == ["accepted", "accepted", "withdrawn"]
    found = verbs.run(member, "search", {"words": "evenings"})["items"]
    assert [item["title"] for item in found] == ["A football league"]
    assert verbs.run(member, "sync", {})["alarms"] == []


@pytest.mark.parametrize(
    ("now", "months", "before"),
    [
        (datetime(2026, 3, 31, 9, tzinfo=UTC), 1, datetime(2026, 2, 28, 9, tzinfo=UTC)),
        (datetime(2028, 3, 30, 9, tzinfo=UTC), 1, datetime(2028, 2, 29, 9, tzinfo=UTC)),
        (datetime(2026, 1, 15, 9, tzinfo=UTC), 13, datetime(2024, 12, 15, 9, tzinfo=UTC)),
    ],
)
def test_months_are_counted_back_by_the_calendar(now: datetime, months: int, before: datetime) -> None:
    assert retention.months_before(now, months) == before
