"""Two hubs of a sealed total in bad luck and in bad company, from the close to the end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from regional_hub import sealed_leading, sealed_store
from shared_schema.problem import ProblemCode
from shared_schema.sealed.terms import Attendance, Refusal
from tests.regional_hub.running import EventLoop, Network, check_problem
from tests.regional_hub.sealed_pair import SUBJECT, Pair
from tests.regional_hub.test_sealed_federation import COUNTS, SUMS

ALL = [*COUNTS, (0, 0, 0)]


@pytest.fixture
def pair(network: Network, loop: EventLoop, tmp_path: Path) -> Iterator[Pair]:
    """Six cities, and an open batch."""
    with Pair.start(network, loop, tmp_path, cities=6) as running:
        running.until("open")
        yield running


def attendance_of(pair: Pair) -> Attendance:
    with pair.leader.hub.database.read() as session:
        (row,) = sealed_store.list_of(session, "leader", SUBJECT)
        terms = sealed_store.read_leader(session, row.id).batch.roster_terms
    assert terms is not None
    return terms.attendance


def test_a_share_that_comes_late_while_the_leader_looks_at_the_others_stops_nothing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = pair.share(pair.cities[5], ALL[5])
    pair.send_all(COUNTS)
    pair.clock.advance(days=22)
    prepare = sealed_leading.steps.prepare
    posted: list[Any] = []

    def slowly(*given: Any, **more: Any) -> Any:
        made = prepare(*given, **more)
        if not posted:
            posted.append(pair.leader.post(late))
        return made

    monkeypatch.setattr(sealed_leading.steps, "prepare", slowly)
    pair.until("done")
    check_problem(posted[0], ProblemCode.BATCH_STATE)
    (refused,) = attendance_of(pair).refused
    assert (refused.origin, refused.reason) == (pair.cities[5].name, Refusal.LATE)
    assert [v - n for v, n in zip(pair.total(pair.helper).values, pair.noise(), strict=True)] == SUMS
