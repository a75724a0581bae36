"""Two hubs over HTTP: from the schedule to the total, and everything that must not happen on the way."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from regional_hub.orm import AlarmRow
from tests.regional_hub.running import EventLoop, Network, RunningHub
from tests.regional_hub.sealed_pair import Pair

COUNTS = [(3, 0, 7), (1, 2, 0), (0, 0, 4), (9, 1, 1), (2, 2, 2)]
SUMS = [15, 5, 14]


@pytest.fixture
def pair(network: Network, loop: EventLoop, tmp_path: Path) -> Iterator[Pair]:
    with Pair.start(network, loop, tmp_path) as running:
        running.until("open")
        yield running


def alarms(hub: RunningHub) -> list[tuple[str, str]]:
    with hub.hub.database.read() as session:
        rows = session.scalars(select(AlarmRow).where(AlarmRow.resolved_at.is_(None)))
        return [(row.about, row.code) for row in rows]


def test_two_hubs_collect_and_open_a_total(network: Network, loop: EventLoop, tmp_path: Path) -> None:
    with Pair.start(network, loop, tmp_path) as pair:
        pair.work()
        assert pair.states() == ("open", "open")
        envelopes = pair.send_all(COUNTS)
        pair.until("done")
        pair.until("done")
        pair.work()
        assert pair.states() == ("done", "done")
        for hub in (pair.leader, pair.helper):
            total = pair.total(hub)
            assert [value - drawn for value, drawn in zip(total.values, pair.noise(), strict=True)] == SUMS
            assert (total.contributors, total.members) == (5, 5)
            assert hub.verb("verify")["findings"] == []
        for envelope in envelopes:
            for hub in (pair.leader, pair.helper):
                for file in hub.hub.data_dir.glob("hub.db*"):
                    assert envelope[200:400] not in file.read_bytes()
