"""The policy of the hub above counts where it is stricter, and members whose programs are too old are told so."""

from typing import Any

import pytest

from regional_hub.orm import MemberRow
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.service.hub_api import VERSION_HEADER
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import RunningHub, check_problem, join
from tests.shared_schema import builders

POLICY = builders.POLICY.to_object()


@pytest.fixture
def nation(start_hub: HubStarter) -> RunningHub:
    return start_hub("bund.de", "nation")


@pytest.fixture
def region(start_hub: HubStarter, nation: RunningHub) -> RunningHub:
    hub = start_hub("sachsen.de")
    join(hub, nation)
    hub.verb("follow")
    return hub


def alarms(hub: RunningHub) -> list[str]:
    return [alarm["code"] for alarm in hub.verb("status")["alarms"]]


def set_policy(hub: RunningHub, version: int, **changes: Any) -> dict[str, Any]:
    return hub.verb("policy.set", policy=POLICY | {"version": version} | changes)


def test_a_hub_refuses_a_policy_of_its_own_that_is_looser_than_its_parents(
    nation: RunningHub, region: RunningHub
) -> None:
    size = region.log_size()
    with pytest.raises(VerbError, match="least_contributors") as caught:
        set_policy(nation, 2, min_contributors=5)
        region.verb("follow")
        set_policy(region, 2, min_contributors=4)
    assert caught.value.code == "policy-looser-than-parent"
    assert region.log_size() == size
    dry = region.verb("policy.set", policy=POLICY | {"version": 2, "min_contributors": 4}, dry_run=True)
    assert dry["looser"] == ["least_contributors: expected at least 5, got 4"] and region.log_size() == size


def test_a_stricter_policy_from_above_counts_at_once_and_the_operator_is_told(
    nation: RunningHub, region: RunningHub
) -> None:
    city = region.enrol("leipzig.sn.de")
    assert region.hub.trust.policy.least_threshold == 5
    set_policy(nation, 2, threshold_floor=12, min_contributors=6)
    region.verb("follow")
    assert alarms(region) == ["policy-looser-than-parent"]
    assert (region.hub.trust.policy.least_threshold, region.hub.trust.policy.least_contributors) == (12, 6)
    assert region.verb("policy.show")["min_contributors"] == 3  # what it has signed itself
    assert set_policy(region, 2, threshold_floor=12, min_contributors=6) == {"version": 2}
    assert alarms(region) == []
    region.accept(city.sign())


def test_only_the_hub_above_is_obeyed(nation: RunningHub, region: RunningHub) -> None:
    set_policy(region, 2, min_contributors=50)
    nation.verb("follow")
    assert nation.hub.trust.policy.least_contributors == 3
    assert alarms(nation) == []


def test_a_program_that_is_too_old_hands_in_nothing_and_reads_on(hub: RunningHub) -> None:
    city = hub.enrol("leipzig.sn.de")
    hub.verb("policy.set", policy=POLICY | {"version": 2, "least_software": "0.1.0"})
    body = city.sign()
    for headers in ({}, {VERSION_HEADER: "0.0.9"}, {VERSION_HEADER: "canary"}):
        for path, sent in (
            ("/v1/submissions", body),
            ("/v1/submissions/batch", b'{"submissions":[' + body + b"]}"),
            ("/v1/relay", city.confide()),
        ):
            document = check_problem(hub.post(sent, path, **headers), ProblemCode.SOFTWARE_TOO_OLD, 426)
            assert "0.1.0 or newer" in document["detail"]
    assert city.feed()["entries"]  # withdrawals have to reach it all the same
    assert hub.post(body, **{VERSION_HEADER: "0.1.0"}).status_code == 201


def test_the_operator_sees_versions_and_whom_a_policy_would_refuse(hub: RunningHub) -> None:
    new, old = hub.enrol("leipzig.sn.de"), hub.enrol("dresden.sn.de")
    with new.api() as api:
        api.feed(0, 0)
    old.feed()
    shown = {member["name"]: member["software"] for member in hub.verb("members.list")["members"]}
    assert shown == {"leipzig.sn.de": "0.1.0", "dresden.sn.de": None}
    size = hub.log_size()
    for least, refused in (("0.1.0", ["dresden.sn.de"]), ("0.2.0", ["dresden.sn.de", "leipzig.sn.de"])):
        dry = hub.verb("policy.set", policy=POLICY | {"version": 2, "least_software": least}, dry_run=True)
        assert dry["refused"] == refused
    assert hub.log_size() == size
    with hub.hub.database.read() as session:
        assert session.get_one(MemberRow, "leipzig.sn.de").software == "0.1.0"
