"""`doctor` of a node names what is wrong and what to do, and finds nothing where all is well."""

from pathlib import Path
from typing import Any

from local_node import verbs
from local_node.app import Node
from local_node.settings import load_settings, write_settings
from local_node.verbs import examination
from shared_schema.governance import PolicyBody
from tests.hub_simulator import HubSimulator, Lie, MovableClock
from tests.local_node.conftest import SETTINGS


def findings(node: Node) -> dict[str, str]:
    found: list[dict[str, Any]] = verbs.run(node, "doctor", {})["findings"]
    return {finding["about"]: finding["found"] for finding in found}


def test_nothing_is_found_where_all_is_well_and_each_fault_is(
    member: Node, hub: HubSimulator, clock: MovableClock, tmp_path: Path
) -> None:
    member.data_dir.chmod(0o700)
    assert findings(member) == {"backup": "none was ever made"}
    verbs.run(member, "backup", {"target": str(tmp_path / "backups")})
    assert verbs.run(member, "doctor", {}) == {"ok": True, "checks": examination.CHECKS, "findings": []}
    clock.advance(days=9)
    member.data_dir.chmod(0o755)
    hub.log(hub.city("dresden.sn.de").practice())
    hub.lie = Lie.FLIP_BIT
    verbs.run(member, "sync", {})
    hub.lie = Lie.UNREACHABLE
    assert list(findings(member)) == ["data directory", "backup", "alarm feed-entry", "sachsen.de"]


def test_settings_that_are_looser_than_the_policy_are_found(
    member: Node, hub: HubSimulator, policy: PolicyBody
) -> None:
    hub.publish_policy(policy.model_copy(update={"version": 2, "threshold_floor": 12, "retention_months": 12}))
    verbs.run(member, "sync", {})
    write_settings(member.data_dir, SETTINGS | {"protection": "threshold", "threshold": 10, "retention_months": 24})
    member.settings = load_settings(member.data_dir)
    found = [item["found"] for item in verbs.run(member, "doctor", {})["findings"] if item["about"] == "settings"]
    assert found == ["threshold: expected at least 12, got 10", "retention_months: expected at most 12, got 24"]
