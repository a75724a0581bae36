"""Two hubs of a sealed total in bad luck and in bad company, from the close to the end."""

from calendar import monthrange
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from regional_hub import sealed_plan, sealed_store
from regional_hub.orm import AlarmRow, SealedBatchRow, SealedShareRow
from shared_schema.errors import ReleaseRuleError
from shared_schema.keys import MemberStatus
from shared_schema.problem import ProblemCode
from shared_schema.sealed import leader as leader_steps
from shared_schema.sealed.terms import Attendance, BatchPlan, BatchProposal, Refusal
from shared_schema.service.database import Database
from shared_schema.service.hub_api import HubApi
from shared_schema.statement import Kind
from tests.regional_hub.running import EventLoop, Network, RunningHub, check_problem
from tests.regional_hub.sealed_pair import HELPER, LEADER, SUBJECT, Pair
from tests.regional_hub.test_sealed_federation import COUNTS, SUMS, alarms, ask
from tests.shared_schema import builders

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
    prepare = leader_steps.prepare
    posted: list[Any] = []

    def slowly(*given: Any, **more: Any) -> Any:
        made = prepare(*given, **more)
        if not posted:
            posted.append(pair.leader.post(late))
        return made

    monkeypatch.setattr(leader_steps, "prepare", slowly)
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


def secrets_left(hub: RunningHub) -> int:
    with hub.hub.database.read() as session:
        columns = (SealedBatchRow.hpke_key, SealedBatchRow.verify_key, SealedShareRow.envelope)
        return sum(value is not None for column in columns for value in session.scalars(select(column)))


def test_keys_and_shares_are_erased_when_the_other_hub_is_gone_for_good(pair: Pair, network: Network) -> None:
    pair.send_all(ALL)
    away = network.apps.pop(pair.helper.url)
    pair.clock.advance(days=21 + 29)
    for hub in (pair.leader, pair.helper):
        hub.verb("sealed.work", open_nothing=True)
        assert secrets_left(hub)
    pair.clock.advance(days=2)
    for hub in (pair.leader, pair.helper):
        hub.verb("sealed.work", open_nothing=True)
        assert not secrets_left(hub)
    network.apps[pair.helper.url] = away
    pair.follow()
    pair.until("void")
    assert pair.states() == ("void", "void")


# --- a second hub that lies ------------------------------------------------------------------------------------------

LIES = [
    b"", b"\xff", b"null", b"[]", b"{}", b'"x"', b"NaN", b"[" * 50_000, b"1" * 5_000, b'{"v":1,"v":1}',
    b'{"keyid":"' + b"0" * 64 + b'","sig":"' + b"A" * 86 + b'=="}',
]  # fmt: skip


def answer_with(network: Network, hub: RunningHub, content: bytes) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(content))

    network.others[hub.url] = httpx.MockTransport(answer)


@pytest.mark.parametrize("closed", [False, True])
def test_no_answer_of_the_second_hub_stops_the_work_or_changes_anything(
    network: Network, loop: EventLoop, tmp_path: Path, *, closed: bool
) -> None:
    with Pair.start(network, loop, tmp_path, cities=6) as pair:
        if closed:
            pair.until("open")
            pair.send_all(ALL)
        size = pair.leader.log_size()
        for lie in LIES:
            answer_with(network, pair.helper, lie)
            pair.leader.verb("sealed.work")
        assert pair.leader.log_size() == size
        assert pair.states()[0] == ("closed" if closed else "proposed")
        assert len(alarms(pair.leader)) <= 3, alarms(pair.leader)
        del network.others[pair.helper.url]
        pair.until("done" if closed else "open")
        assert alarms(pair.leader) == []


def test_a_leader_gives_up_after_days_of_answers_that_do_not_hold(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.send_all(ALL)
    told = []

    def lie(api: HubApi, step: str, batch: str | None, body: bytes) -> bytes:
        told.append(step)
        return b"{}" if step == "prepare" else ask_helper(api, step, batch, body)

    ask_helper = HubApi.ask_helper
    monkeypatch.setattr(HubApi, "ask_helper", lie)
    pair.work()
    assert "prepare" in told and pair.states()[0] == "closed"
    pair.clock.advance(days=30)
    pair.until("void")
    pair.work()
    assert pair.states() == ("void", "void")


# --- a leader that lies ---------------------------------------------------------------------------------------------


def proposal(pair: Pair, **changes: Any) -> bytes:
    """What the leader asks for, beside the batch that is open."""
    plan = BatchPlan.from_object(pair.batch().plan.to_object() | changes)
    return BatchProposal(plan=plan, leader=pair.batch().terms.leader, helper=HELPER).to_bytes()


def month(number: int) -> dict[str, Any]:
    start, end = f"2026-{number:02d}-01", f"2026-{number:02d}-{monthrange(2026, number)[1]}"
    return {"start": start, "end": end, "granularity": "month", "basis": "recorded"}


def test_of_two_proposals_at_once_that_differ_by_a_city_one_is_agreed_to(
    network: Network, loop: EventLoop, tmp_path: Path, hub_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each comes to another process of the second hub; there is room for both in the database."""
    with Pair.start(network, loop, tmp_path, cities=6, urls=(None, hub_database_url)) as pair:
        pair.until("open")
        members = list(pair.batch().plan.members)
        asked = [proposal(pair, period=month(9), members=part) for part in (members, members[1:])]
        both_have_looked, check = Barrier(2), sealed_plan.check_disjoint

        def look(*given: Any) -> None:
            check(*given)
            with suppress(BrokenBarrierError):
                both_have_looked.wait(timeout=0.5)

        monkeypatch.setattr(sealed_plan, "check_disjoint", look)
        first = pair.helper.hub.helping
        hubs = [first, replace(first, database=Database(first.database.url))]
        with ThreadPoolExecutor(2) as pool:
            answers = [pool.submit(hub.hear_proposal, LEADER, each) for hub, each in zip(hubs, asked, strict=True)]
            failures = [each.exception() for each in answers]
        hubs[1].database.close()
        assert [type(each) for each in failures if each is not None] == [ReleaseRuleError]


def test_a_city_that_has_changed_its_hub_is_not_asked_again_by_the_next_one(pair: Pair) -> None:
    plan = pair.batch().plan
    with pair.helper.hub.database.read() as session, pytest.raises(ReleaseRuleError):
        sealed_plan.check_disjoint(session, plan, "nrw.de")
    elsewhere = plan.model_copy(update={"members": tuple(f"x-{name}" for name in plan.members)})
    with pair.helper.hub.database.read() as session:
        sealed_plan.check_disjoint(session, elsewhere, "nrw.de")


def test_a_leader_that_proposes_and_never_announces_is_stopped(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_plan, "MOST_UNANNOUNCED", 2)
    answers = [
        ask(pair.helper, LEADER, "/v1/sealed/proposals", proposal(pair, period=month(number))) for number in (7, 8, 9)
    ]
    assert [each.status_code for each in answers[:2]] == [200, 200]
    check_problem(answers[2], ProblemCode.ALREADY_ANSWERED)
    again = ask(pair.helper, LEADER, "/v1/sealed/proposals", proposal(pair, period=month(7)))
    assert again.content == answers[0].content


def test_a_proposal_that_is_refused_every_day_is_told_once(network: Network, loop: EventLoop, tmp_path: Path) -> None:
    with Pair.start(network, loop, tmp_path, operators={LEADER: "Freistaat Sachsen"}) as pair:
        for _ in range(3):
            pair.work()
            pair.clock.advance(days=1, seconds=1)
        with pair.leader.hub.database.read() as session:
            asked = sealed_store.list_of(session, "leader", SUBJECT)
            raised = session.scalars(select(AlarmRow.about)).all()
        assert len(asked) == 3 and raised == [f"sealed total {SUBJECT}"]


def test_a_late_batch_is_of_the_version_of_the_batch_that_it_follows(pair: Pair) -> None:
    """Cities of another version are in no sum of it, and would count beside themselves."""
    trust, period = pair.leader.hub.refresh_trust(), pair.batch().plan.period
    newer = builders.TABLE.model_copy(update={"version": 2})
    both = trust.policy.sealed or ()
    more = {
        "tables": (*trust.policy.tables, newer),
        "sealed": (*both, *(each.model_copy(update={"version": 2}) for each in both)),
    }
    trust = replace(trust, policy=trust.policy.model_copy(update=more))
    assert sealed_plan.wanted_of(trust, builders.TABLE.id, period).table.version == 2
    assert sealed_plan.wanted_of(trust, builders.TABLE.id, period, 1).table.version == 1


def test_no_question_of_a_leader_breaks_the_second_hub(
    network: Network, loop: EventLoop, tmp_path: Path, hub_database_url: str
) -> None:
    with Pair.start(network, loop, tmp_path, cities=6, urls=(None, hub_database_url)) as pair:
        pair.until("open")
        share, digest = pair.share(pair.cities[0], ALL[0]), pair.batch().digest
        for batch in (digest, "ab" * 32, "%00", "x" * 2_000, "%F0%9F%98%80", "%ED%A0%80", "-1"):
            for step in ("shares", "prepare", "roster", "void"):
                for body in (*LIES, share, proposal(pair)):
                    answer = ask(pair.helper, LEADER, f"/v1/sealed/{batch}/{step}", body)
                    expected = 200 if (batch, step, body) == (digest, "shares", share) else None
                    assert answer.status_code == expected or 400 <= answer.status_code < 500, (batch, step, body[:20])
                    assert len(answer.content) < 2_000
        for lie in LIES:
            answer = ask(pair.helper, LEADER, "/v1/sealed/proposals", lie)
            assert 400 <= answer.status_code < 500, lie[:20]
        pair.send_all(ALL)
        pair.until("done")
        (refused,) = attendance_of(pair).refused  # the second hub has another share of this city, and nobody chooses
        assert (refused.origin, refused.reason) == (pair.cities[0].name, Refusal.TWICE)
