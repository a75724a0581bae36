"""A city that was restored from an old copy, with the real hub: nothing is drawn twice, and everything comes back."""

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from local_node import verbs
from local_node.app import Node
from local_node.settings import load_settings, write_settings
from shared_schema.service.control import VerbError
from shared_schema.service.key_file import load_key, write_key
from tests.regional_hub.running import EventLoop, Network, RunningHub, key_of
from tests.shared_schema import builders

CITY = "leipzig.sn.de"
TABLE = builders.TABLE.id
MAPPING = f"""
kind = "returns"
measure = "bias_incidents"
table = "{TABLE}"
source_kind = "agency_return"
columns = {{ verbal = "verbal", property = "property", assault = "assault" }}
"""


def open_node(place: Path, hub: RunningHub) -> Node:
    return Node(place, load_settings(place), load_key(place), hub.clock, hub.network)


def make_node(place: Path, hub: RunningHub) -> Node:
    """A member with figures of four months."""
    place.mkdir()
    settings: dict[str, str | int] = {"name": CITY, "display_name": "Leipzig", "area_code": "14713000"}
    write_settings(place, settings | {"port": 8600, "sync_interval_seconds": 0})
    write_key(place, key_of(CITY))
    node = open_node(place, hub)
    for person, role in (("anna", "coordinator"), ("ben", "reviewer")):
        verbs.run(node, "people.add", {"id": person, "role": role})
    verbs.run(node, "hub.add", {"url": hub.url, "fingerprint": hub.hub.key.public.fingerprint})
    hub.enrol(CITY, area=node.area)
    verbs.run(node, "sync", {})
    rows = "".join(f"2026-0{month},{month},3,0\n" for month in range(1, 5))
    (place / "figures.csv").write_text(f"month,verbal,property,assault\n{rows}")
    (place / "mapping.toml").write_text(MAPPING)
    files = {"file": str(place / "figures.csv"), "mapping": str(place / "mapping.toml")}
    verbs.run(node, "import", files | {"agency": "youth-office", "by": "anna"})
    return node


def draw(node: Node, period: str) -> dict[str, Any]:
    return verbs.run(node, "release.numbers", {"table": TABLE, "period": period, "by": "anna"})


def release(node: Node, period: str) -> dict[str, Any]:
    shown = draw(node, period)
    verbs.run(node, "release.approve", {"request": shown["request"], "by": "ben", "accept": {}})
    assert verbs.run(node, "sync", {})["pushed"] == 1
    return shown


def test_an_old_copy_draws_nothing_until_it_has_its_releases_back(tmp_path: Path) -> None:
    with ExitStack() as stack:
        loop = stack.enter_context(EventLoop())
        hub = stack.enter_context(RunningHub.start(Network(loop), loop, tmp_path / "hub"))
        node = make_node(tmp_path / "node", hub)
        release(node, "2026-01")
        node.close()
        shutil.copytree(tmp_path / "node", tmp_path / "copy")
        node = open_node(tmp_path / "node", hub)
        later = [release(node, period) for period in ("2026-02", "2026-03")]
        node.close()
        copy = open_node(tmp_path / "copy", hub)
        stack.callback(copy.close)
        with pytest.raises(VerbError) as caught:
            draw(copy, "2026-02")
        assert caught.value.code == "ledger-restored"
        assert verbs.run(copy, "ledger.resume", {})["restored"] == 2
        again = [draw(copy, period) for period in ("2026-02", "2026-03")]
        assert [shown["body"]["cells"] for shown in again] == [shown["body"]["cells"] for shown in later]
        release(copy, "2026-04")
        assert verbs.run(copy, "ledger.verify", {})["entries"] == 4
        assert hub.verb("verify")["ok"]
