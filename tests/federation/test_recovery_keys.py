"""A hub that goes back to a copy from before, or after, a change of its own key (CHECKS G71)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_node.app import Node
from regional_hub import hub_keys
from shared_schema.checkpoint import Checkpoint, NoteVerifier, verify_checkpoint
from shared_schema.keys import SigningKey
from shared_schema.recovery import show
from shared_schema.service.hub_api import HubRefused
from shared_schema.service.key_file import NEXT_KEY_FILE, load_key, write_next_key
from tests.federation.test_recovery import (  # noqa: F401  fixtures
    Region,
    alarms,
    loop,
    nation,
    network,
    node_alarms,
    node_of,
    region,
    share,
    snapshot,
    sync,
)
from tests.regional_hub.running import RunningHub, join, key_of
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough


@pytest.fixture
def leipzig(region: Region, tmp_path: Path) -> Iterator[Node]:  # noqa: F811
    with node_of(tmp_path / "leipzig", "leipzig.sn.de", region.running) as node:
        yield node


@pytest.fixture
def dresden(region: Region, tmp_path: Path) -> Iterator[Node]:  # noqa: F811
    with node_of(tmp_path / "dresden", "dresden.sn.de", region.running) as node:
        yield node


def check_healed(hub: RunningHub, before: dict[str, Any], *nodes: Node) -> None:
    """Everything is back, the log verifies, and everybody reads on without an alarm."""
    after = snapshot(hub)  # where a commit of the hub's own ended, of which nobody has a receipt, may not be known
    assert {name: after[name] for name in ("size", "root", "contents")} == {
        name: before[name] for name in ("size", "root", "contents")
    }
    assert hub.verb("verify")["findings"] == []
    for node in nodes:
        assert sync(node)["problems"] == []
    assert alarms(hub) == [] and [node_alarms(node) for node in nodes] == [[] for _ in nodes]


def test_a_member_that_has_only_seen_the_former_key_is_heard_by_a_hub_that_was_restored_after_the_announcement(
    region: Region,  # noqa: F811
    leipzig: Node,
    dresden: Node,
) -> None:
    region.running.verb("keys.announce")  # dresden has read nothing since
    old = region.copy()
    share(leipzig, "Open evenings")
    sync(leipzig)
    sync(leipzig)
    before = snapshot(region.running)
    hub = region.restart(old)
    assert sync(leipzig)["problems"] == [{"hub": "sachsen.de", "problem": "log-behind"}]
    sync(dresden)
    assert hub.verb("recover")["state"] == "serving"
    check_healed(hub, before, leipzig, dresden)


def test_a_hub_from_before_the_announcement_signs_with_the_announced_key_again_and_not_without_it(
    region: Region,  # noqa: F811
    leipzig: Node,
    tmp_path: Path,
) -> None:
    old = region.copy()
    region.running.verb("keys.announce")
    share(leipzig, "Open evenings")
    sync(leipzig)
    sync(leipzig)
    before, data = snapshot(region.running), region.running.hub.data_dir
    (data / NEXT_KEY_FILE).rename(tmp_path / "kept elsewhere")
    hub = region.restart(old)
    size = hub.log_size()
    sync(leipzig)
    held = hub.verb("recover")
    new = SigningKey.from_seed(bytes.fromhex((tmp_path / "kept elsewhere").read_text()))
    assert held["state"] == "behind" and hub.log_size() == size
    assert NEXT_KEY_FILE in held["next"] and new.public.fingerprint in held["next"]
    write_next_key(data, key_of("another one"))
    assert NEXT_KEY_FILE in hub.verb("recover")["next"]  # it is not just any key that is missing
    (data / NEXT_KEY_FILE).unlink()
    write_next_key(data, new)
    assert hub.verb("recover")["state"] == "serving"
    check_healed(hub, before, leipzig)
    assert (hub.hub.own_keys.state, hub.hub.verifier.key) == ("announced", new.public)
    hub.enrol("chemnitz.sn.de")
    for key in (key_of("sachsen.de"), new):
        verify_checkpoint(hub.client.get("/checkpoint").text, NoteVerifier("sachsen.de", key.public))
    assert sync(leipzig)["problems"] == []
    hub.clock.advance(days=30)
    assert hub.verb("keys.tend")["done"] == "activate"


def retire(region: Region, leipzig: Node) -> SigningKey:  # noqa: F811
    """Change the hub's key from end to end, with something said at every step; the new key."""
    hub = region.running
    hub.verb("keys.announce")
    sync(leipzig)
    hub.clock.advance(days=30)
    hub.verb("keys.tend")
    share(leipzig, "Open evenings")
    sync(leipzig)
    hub.clock.now += hub_keys.OVERLAP
    hub.verb("keys.tend")
    share(leipzig, "A football league")
    sync(leipzig)
    sync(leipzig)
    return load_key(hub.hub.data_dir)


def test_a_hub_from_before_a_key_that_signs_alone_by_now_is_told_which_key_it_lacks(
    region: Region,  # noqa: F811
    leipzig: Node,
) -> None:
    old = region.copy()
    new = retire(region, leipzig)
    before = snapshot(region.running)
    hub = region.restart(old)  # with the key of that time
    assert hub.hub.key.public == key_of("sachsen.de").public
    assert sync(leipzig)["problems"] == [{"hub": "sachsen.de", "problem": "log-behind"}]
    assert hub.verb("recover")["state"] == "behind"
    assert new.public.fingerprint in hub.verb("recover.status")["next"]
    write_next_key(hub.hub.data_dir, new)
    assert hub.verb("recover")["state"] == "serving"
    check_healed(hub, before, leipzig)
    assert (hub.hub.own_keys.state, hub.hub.key.public) == ("settled", new.public)


def test_a_key_that_nobody_handed_over_to_holds_no_log(region: Region, leipzig: Node) -> None:  # noqa: F811
    """Neither a head of a stranger, nor one with a rotation that this hub's key has not signed."""
    hub, thief = region.running, key_of("thief")
    note = Checkpoint("sachsen.de", 99, bytes(32)).sign(thief)
    stranger = builders.rotation(key_of("x"), thief, name="sachsen.de")
    foreign = builders.rotation(hub.hub.key, thief, name="nrw.de")
    with leipzig.rounds._connect(leipzig.rounds._hubs()[0]) as api:
        for rotations in ([], [stranger], [foreign]):
            with pytest.raises(HubRefused, match="own signature"):
                api.show_head(show(note, rotations))
    assert hub.verb("recover.status")["state"] == "serving"


def test_a_former_key_counts_up_to_the_announcement_of_the_next_one(region: Region, leipzig: Node) -> None:  # noqa: F811
    retire(region, leipzig)
    hub, former = region.running, key_of("sachsen.de")
    place = hub.hub.own_keys.announced_at[0]
    with leipzig.rounds._connect(leipzig.rounds._hubs()[0]) as api:
        with pytest.raises(HubRefused, match="own signature"):
            api.show_head(show(Checkpoint("sachsen.de", 99, bytes(32)).sign(former), []))
        assert hub.verb("recover.status")["state"] == "serving"
        api.show_head(show(Checkpoint("sachsen.de", place, bytes(32)).sign(former), []))
    assert hub.verb("recover.status")["state"] == "forked"


@pytest.mark.sqlite_is_enough(False)
def test_a_follower_shows_the_newer_key_before_the_hub_signs(
    region: Region,  # noqa: F811
    nation: RunningHub,  # noqa: F811
    leipzig: Node,
) -> None:
    join(region.running, nation)
    nation.verb("follow")
    old = region.copy()
    new = retire(region, leipzig)
    nation.clock.now = region.running.clock.now
    nation.verb("follow")
    hub = region.restart(old)
    assert alarms(hub) == ["log-behind"]
    assert new.public.fingerprint in hub.verb("recover.status")["next"]
