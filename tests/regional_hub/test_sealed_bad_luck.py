"""Two hubs of a sealed total in bad luck and in bad company, from the close to the end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from regional_hub import sealed_leading, sealed_store
from shared_schema.keys import MemberStatus
from shared_schema.problem import ProblemCode
from shared_schema.sealed.terms import Attendance, Refusal
from shared_schema.statement import Kind
from tests.regional_hub.running import EventLoop, Network, check_problem
from tests.regional_hub.sealed_pair import LEADER, SUBJECT, Pair
from tests.regional_hub.test_sealed_federation import COUNTS, SUMS, alarms, ask

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


@pytest.mark.parametrize("status", [MemberStatus.SUSPENDED, MemberStatus.LEFT])
def test_a_city_that_goes_after_it_has_sent_stops_nobody(pair: Pair, status: MemberStatus) -> None:
    pair.send_all(ALL)
    pair.leader.say_of(pair.cities[5].name, status=status)
    pair.follow()
    pair.until("done")
    assert len(attendance_of(pair).accepted) == 6 and alarms(pair.leader) == []


def test_a_key_that_had_ended_before_the_batch_signs_no_share_for_the_second_hub(
    network: Network, loop: EventLoop, tmp_path: Path
) -> None:
    """It is a thief's, and the leader lies."""
    with Pair.start(network, loop, tmp_path, cities=6) as pair:
        pair.leader.say_of(pair.cities[5].name, status=MemberStatus.REVOKED)
        pair.follow()
        pair.until("open")
        path = f"/v1/sealed/{pair.batch().digest}/shares"
        body = pair.share_body(pair.cities[0], ALL[0])
        share = pair.cities[5].sign(Kind.SHARE, body, audience="hub")
        check_problem(ask(pair.helper, LEADER, path, share), ProblemCode.KEY_NOT_VALID)


def test_an_alarm_about_the_second_hub_stays_until_it_answers(pair: Pair, network: Network) -> None:
    """Sums are made in every round as well: what ends their alarms must not end this one, to be raised again."""
    pair.send_all(ALL)
    away = network.apps.pop(pair.helper.url)
    pair.clock.advance(days=30)
    pair.leader.verb("sealed.work")
    raised = alarms(pair.leader)
    assert [code for _, code, _ in raised] == [ProblemCode.BATCH_STATE.value]
    pair.leader.verb("aggregate")
    assert alarms(pair.leader) == raised
    network.apps[pair.helper.url] = away
    pair.until("done")
    assert alarms(pair.leader) == []
