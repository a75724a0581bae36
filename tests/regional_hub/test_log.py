"""The log and its tiles, as an independent C2SP client reads them, and what the log promises about time and size."""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from regional_hub import intake, log, sequencer
from regional_hub.errors import LogError
from regional_hub.orm import CheckpointRow, HeadRow
from regional_hub.tiles import NodeCache, TileReader
from shared_schema.checkpoint import verify_checkpoint
from shared_schema.entry import Receipt
from shared_schema.merkle import TILE_WIDTH, Frontier, entries_path, leaf_hash, node_hash, tile_path
from tests.regional_hub.running import City, EventLoop, Network, RunningHub

SIZES = (1, 2, 255, 256, 257, 300, 515)


def merkle_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(merkle_root(leaves[:split]), merkle_root(leaves[split:]))


def get(hub: RunningHub, path: str) -> bytes:
    response = hub.client.get("/" + path)
    assert response.status_code == 200, path
    return response.content


def read_leaves(hub: RunningHub, size: int) -> list[bytes]:
    """The leaf hashes of a log of `size`, out of its entry bundles alone."""
    leaves = []
    for first in range(0, size, TILE_WIDTH):
        data = get(hub, entries_path(first // TILE_WIDTH, min(TILE_WIDTH, size - first)))
        while data:
            length = int.from_bytes(data[:2], "big")
            leaves.append(leaf_hash(data[2 : 2 + length]))
            data = data[2 + length :]
    return leaves


@pytest.fixture(scope="module")
def long_log(loop: EventLoop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A log of 600 entries in groups of odd sizes."""
    with RunningHub.start(Network(loop), loop, tmp_path_factory.mktemp("long")) as hub:
        city = hub.enrol("leipzig.sn.de")
        for count in (1, 3, 250, 2, 1, 300, 41):
            hub.accept_many([city.sign() for _ in range(count)])
        assert hub.log_size() == 600
        yield hub


def test_the_checkpoint_is_the_root_of_the_entries(long_log: RunningHub) -> None:
    checkpoint = verify_checkpoint(get(long_log, "checkpoint").decode(), long_log.hub.verifier)
    assert checkpoint.size == 600
    assert checkpoint.root == merkle_root(read_leaves(long_log, 600))


def test_every_checkpoint_that_was_signed_is_the_root_of_its_beginning(long_log: RunningHub) -> None:
    leaves = read_leaves(long_log, 600)
    with long_log.hub.database.read() as session:
        notes = session.execute(select(CheckpointRow.size, CheckpointRow.note)).all()
    assert len(notes) == 10
    for size, note in notes:
        checkpoint = verify_checkpoint(note, long_log.hub.verifier)
        assert (checkpoint.size, checkpoint.root) == (size, merkle_root(leaves[:size]))


@pytest.mark.parametrize("size", SIZES)
def test_a_narrow_tile_is_the_beginning_of_the_wide_one(long_log: RunningHub, size: int) -> None:
    leaves = read_leaves(long_log, size)
    for first in range(0, size, TILE_WIDTH):
        width = min(TILE_WIDTH, size - first)
        tile = get(long_log, tile_path(0, first // TILE_WIDTH, width))
        assert tile == b"".join(leaves[first : first + width])


def test_the_second_level_holds_the_roots_of_full_tiles(long_log: RunningHub) -> None:
    leaves = read_leaves(long_log, 600)
    tile = get(long_log, tile_path(1, 0, 2))
    assert tile == merkle_root(leaves[:256]) + merkle_root(leaves[256:512])
    assert long_log.client.get("/" + tile_path(1, 0, 3)).status_code == 404
    assert long_log.client.get("/" + tile_path(2, 0, 1)).status_code == 404


def test_tiles_may_be_cached_for_ever_and_the_checkpoint_shortly(long_log: RunningHub) -> None:
    for path in (tile_path(0, 0), entries_path(0), tile_path(0, 2, 5)):
        assert "immutable" in long_log.client.get("/" + path).headers["cache-control"]
    assert long_log.client.get("/checkpoint").headers["cache-control"] == "public, max-age=5"


def test_every_node_of_the_tree_can_be_read_from_tiles(long_log: RunningHub) -> None:
    leaves = read_leaves(long_log, 600)
    with long_log.hub.database.read() as session:
        reader = TileReader(session)
        for level in range(10):
            for index in range(600 >> level):
                assert reader.node(level, index) == merkle_root(leaves[index << level : (index + 1) << level])
        for level, index in ((0, 600), (1, 300), (9, 1), (10, 0), (20, 0)):
            with pytest.raises(LogError):
                TileReader(session).node(level, index)


def test_nodes_beyond_what_is_committed_are_never_kept(long_log: RunningHub) -> None:
    cache, leaves = NodeCache(), read_leaves(long_log, 600)
    with long_log.hub.database.read() as session:
        reader = TileReader(session, cache, Frontier().extend(leaves[:512]))
        reader.node(0, 511)
        reader.node(0, 512)
        reader.node(9, 0)
    assert cache.find(0, 511) is not None and cache.find(9, 0) is not None
    assert cache.find(0, 512) is None


def test_a_failed_commit_leaves_nothing_behind(hub: RunningHub, city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    # The transaction ends after everything was written: not a byte of it may show, in the database or in memory.
    first = city.sign()
    hub.accept(first)
    before = hub.client.get("/checkpoint").text
    bodies = [city.sign() for _ in range(3)]

    commit = intake.commit_submissions

    def fail(*arguments: Any, **options: Any) -> None:
        commit(*arguments, **options)
        raise LogError("expected more luck")

    monkeypatch.setattr(sequencer, "commit_submissions", fail)
    refused = hub.post(bodies[0])
    assert refused.status_code == 500 and refused.json()["code"] == "internal"
    monkeypatch.undo()
    assert hub.client.get("/checkpoint").text == before
    assert hub.verb("verify")["ok"]
    for body in [*bodies, first]:
        receipt = hub.post(body)
        assert receipt.status_code == (200 if body == first else 201)
    assert hub.verb("verify")["ok"]


def test_time_in_the_log_never_goes_back(hub: RunningHub, city: City) -> None:
    times = []
    for hours in (0, 1, -24, 24 * 365, -24 * 400):
        hub.clock.advance(hours=hours)
        times.append(hub.accept(city.sign())["entry"]["time"])
    assert times == sorted(times)
    assert datetime.fromisoformat(times[-1]).year == 2027
    with hub.hub.database.read() as session:
        assert session.get_one(HeadRow, log.HEAD_ID).time == times[-1]
    assert hub.verb("verify")["ok"]


def test_a_restart_continues_the_same_log(
    network: Network, loop: EventLoop, tmp_path: Path, hub_database_url: str
) -> None:
    city: City | None = None
    for round_number in range(3):
        with RunningHub.start(network, loop, tmp_path / "hub", hub_database_url) as hub:
            city = city or hub.enrol("leipzig.sn.de")
            receipt = hub.accept(city.sign())
            assert receipt["index"] == 2 + round_number
            Receipt.from_object(receipt)
            assert hub.verb("verify")["ok"]
