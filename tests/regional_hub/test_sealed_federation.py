"""Two hubs over HTTP: from the schedule to the total, and everything that must not happen on the way."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from regional_hub import sealed_plan, sealed_store
from regional_hub.errors import HubError
from regional_hub.orm import AlarmRow, ChargeRow, ContentRow, EvidenceRow, HeadRow
from shared_schema.envelope import parse_envelope
from shared_schema.errors import BatchError, ReleaseRuleError, SchemaError
from shared_schema.period import Area
from shared_schema.problem import ProblemCode
from shared_schema.sealed.terms import BatchProposal
from shared_schema.service.signed_reads import sign_request
from shared_schema.statement import Kind
from shared_schema.vocabulary import SourceKind
from tests.regional_hub.running import City, EventLoop, Network, RunningHub, check_problem, key_of
from tests.regional_hub.sealed_pair import HELPER, LEADER, OPERATORS, SUBJECT, Pair, policy
from tests.shared_schema import builders

COUNTS = [(3, 0, 7), (1, 2, 0), (0, 0, 4), (9, 1, 1), (2, 2, 2)]
SUMS = [15, 5, 14]


@pytest.fixture
def pair(network: Network, loop: EventLoop, tmp_path: Path) -> Iterator[Pair]:
    """Six cities, and an open batch."""
    with Pair.start(network, loop, tmp_path, cities=6) as running:
        running.until("open")
        yield running


@pytest.fixture(scope="module")
def standing_pair(loop: EventLoop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """The same for all tests that leave the batch open; each sends from cities of its own."""
    with Pair.start(Network(loop), loop, tmp_path_factory.mktemp("pair"), cities=6) as running:
        running.until("open")
        yield running


def alarms(hub: RunningHub) -> list[tuple[str, str, str]]:
    with hub.hub.database.read() as session:
        rows = session.scalars(select(AlarmRow).where(AlarmRow.resolved_at.is_(None)))
        return [(row.about, row.code, row.message) for row in rows]


def contents(hub: RunningHub) -> list[bytes]:
    with hub.hub.database.read() as session:
        return [*session.scalars(select(ContentRow.envelope)), *session.scalars(select(EvidenceRow.envelope))]


def charges(hub: RunningHub) -> list[tuple[str, int]]:
    with hub.hub.database.read() as session:
        return [(row.origin, row.ledger_seq) for row in session.scalars(select(ChargeRow).order_by(ChargeRow.origin))]


def ask(hub: RunningHub, name: str, path: str, body: bytes, *, signed: bytes | None = None) -> httpx.Response:
    """A question of `name`, signed with its key over `signed`, which is the body unless it was changed on the way."""
    headers = sign_request("POST", hub.url + path, key_of(name), hub.clock(), body=body if signed is None else signed)
    return hub.client.post(path, content=body, headers=headers | {"Content-Type": "application/json"})


# --- the whole way --------------------------------------------------------------------------------------------------


def test_two_hubs_collect_and_open_a_total(
    network: Network, loop: EventLoop, tmp_path: Path, hub_database_url: str
) -> None:
    with Pair.start(network, loop, tmp_path, urls=(hub_database_url, None)) as pair:
        pair.work()
        assert pair.states() == ("open", "open")
        envelopes = pair.send_all(COUNTS)
        assert not {parse_envelope(each).stored_bytes for each in envelopes} & set(contents(pair.leader))
        pair.until("done")
        pair.work()
        assert pair.states() == ("done", "done")
        for hub in (pair.leader, pair.helper):
            total = pair.total(hub)
            assert [value - drawn for value, drawn in zip(total.values, pair.noise(), strict=True)] == SUMS
            assert (total.contributors, total.members) == (5, 5)
            assert hub.verb("verify")["findings"] == []
            assert alarms(hub) == []
        for envelope in envelopes:
            stored = parse_envelope(envelope).stored_bytes
            for file in [*pair.leader.hub.data_dir.glob("hub.db*"), *pair.helper.hub.data_dir.glob("hub.db*")]:
                assert stored[200:400] not in file.read_bytes()
        assert pair.leader.verb("sealed.work") == {"opened": [], "steps": []}


def test_a_batch_waits_for_the_close_when_somebody_is_missing(pair: Pair) -> None:
    pair.send_all(COUNTS)
    pair.work()
    assert pair.states() == ("open", "open")
    pair.clock.advance(days=22)
    pair.until("done")
    total = pair.total(pair.helper)
    assert [value - drawn for value, drawn in zip(total.values, pair.noise(), strict=True)] == SUMS
    assert (total.contributors, total.members) == (5, 6)


# --- shares at the door ---------------------------------------------------------------------------------------------


def test_what_is_no_share_of_this_batch_is_refused_and_changes_nothing(standing_pair: Pair) -> None:
    pair = standing_pair
    leader, city = pair.leader, pair.cities[0]
    size = leader.log_size()
    good = pair.share_body(city, COUNTS[0])
    for changes, code in (
        ({"batch": "ab" * 32}, ProblemCode.BATCH_TERMS),
        ({"privacy": good["privacy"] | {"epsilon_milli": 999}}, ProblemCode.BATCH_TERMS),
        ({"table": good["table"] | {"version": 2}}, ProblemCode.UNKNOWN_TABLE),
        ({"ledger": good["ledger"] | {"head": "cd" * 32}}, ProblemCode.RELEASE_RULE),
        ({"ledger": {"seq": 1, "head": "cd" * 32}}, ProblemCode.RELEASE_RULE),
        ({"helper_half": good["leader_half"]}, ProblemCode.SCHEMA),
    ):
        body = good | changes
        if code in (ProblemCode.BATCH_TERMS, ProblemCode.UNKNOWN_TABLE):
            body = pair.charged(body)
        check_problem(leader.post(city.sign(Kind.SHARE, body, audience="hub")), code)
    check_problem(leader.post(city.sign(Kind.SHARE, good, audience="region")), ProblemCode.RELEASE_RULE)
    assert leader.log_size() == size
    assert not pair.has_sent(city)


def test_a_batch_of_one_source_kind_takes_no_other(network: Network, loop: EventLoop, tmp_path: Path) -> None:
    with Pair.start(network, loop, tmp_path, source_kind="agency_return") as pair:
        pair.until("open")
        body = pair.share_body(pair.cities[0], COUNTS[0], kind=SourceKind.AGENCY_RETURN)
        other = pair.charged(body | {"source_kind": "police_recorded"})
        check_problem(pair.leader.post(pair.cities[0].sign(Kind.SHARE, other, audience="hub")), ProblemCode.BATCH_TERMS)
        pair.leader.accept(pair.cities[0].sign(Kind.SHARE, body, audience="hub"))
        with pytest.raises(SchemaError):
            pair.share_body(pair.cities[1], COUNTS[1])


def test_a_city_that_is_no_member_is_refused(standing_pair: Pair) -> None:
    pair = standing_pair
    stranger = pair.leader.enrol("new.sn.de")
    body = pair.share_body(pair.cities[0], COUNTS[0])
    check_problem(pair.leader.post(stranger.sign(Kind.SHARE, body, audience="hub")), ProblemCode.BATCH_TERMS)


def test_a_city_sends_once_and_never_in_another_way(standing_pair: Pair) -> None:
    pair = standing_pair
    leader, city = pair.leader, pair.cities[1]
    first = pair.share(city, COUNTS[0])
    assert leader.post(first).status_code == 201
    assert leader.post(first).status_code == 200  # a retry gets its receipt
    check_problem(leader.post(pair.share(city, COUNTS[1], randomness=b"x" * 32)), ProblemCode.RELEASE_RULE)
    check_problem(leader.post(city.trend()), ProblemCode.RELEASE_RULE)
    check_problem(leader.post(city.withdrawal(first)), ProblemCode.RELEASE_RULE)
    other = city.sign(Kind.SHARE, pair.share_body(city, COUNTS[1]), audience="hub", seq=1)
    check_problem(leader.post(other), ProblemCode.SEQ_CONFLICT)
    assert parse_envelope(other).stored_bytes not in contents(leader)
    assert (city.name, 1) in charges(leader)


def test_figures_that_were_released_are_not_sealed_afterwards(
    network: Network, loop: EventLoop, tmp_path: Path
) -> None:
    with Pair.start(network, loop, tmp_path) as pair:
        city = pair.cities[0]
        pair.leader.verb("policy.set", policy=builders.POLICY.model_copy(update={"version": 2}).to_object())
        pair.leader.accept(city.trend(area={"scheme": "LAU", "version": "2024", "code": "DE_00000000"}))
        pair.leader.verb("policy.set", policy=policy().model_copy(update={"version": 3}).to_object())
        pair.until("open")
        check_problem(pair.leader.post(pair.share(city, COUNTS[0])), ProblemCode.RELEASE_RULE)


def test_nobody_reads_a_share_in_a_feed_not_even_its_city(standing_pair: Pair) -> None:
    pair = standing_pair
    city = pair.cities[2]
    pair.leader.accept(pair.share(city, COUNTS[0]))
    entries = [each for each in city.feed()["entries"] if each["entry"]["kind"] == "share"]
    assert {each.get("absent") for each in entries} == {"audience"}
    assert pair.leader.verb("verify")["findings"] == []


# --- late, too few, again -------------------------------------------------------------------------------------------


def test_a_late_city_is_named_and_sends_again_with_the_others_that_were_late(
    network: Network, loop: EventLoop, tmp_path: Path
) -> None:
    """Five in time; five others are absent or late, and make a batch of their own: one charge each."""
    with Pair.start(network, loop, tmp_path, cities=10) as pair:
        pair.until("open")
        late = pair.share(pair.cities[5], (1, 1, 1))
        pair.send_all(COUNTS)
        pair.clock.advance(days=22)
        check_problem(pair.leader.post(late), ProblemCode.BATCH_STATE)
        pair.until("done")
        first = pair.batch().digest
        with pair.leader.hub.database.read() as session:
            found = sealed_store.find_batch(session, "leader", batch=first)
            assert found is not None
            terms = sealed_store.read_leader(session, found).batch.roster_terms
        assert terms is not None
        assert [(each.origin, each.reason.value) for each in terms.attendance.refused] == [
            (pair.cities[5].name, "late")
        ]
        assert len(terms.attendance.absent) == 4
        assert pair.leader.verb("sealed.late", batch=first)["steps"] == [f"{SUBJECT}: open"]
        pair.follow()
        assert pair.batch().plan.late_of == first
        check_problem(pair.leader.post(pair.share_of_first(pair.cities[0])), ProblemCode.BATCH_TERMS)
        for city in pair.cities[5:]:
            pair.leader.accept(pair.share(city, (1, 1, 1)))
        pair.until("done")
        assert [v - n for v, n in zip(pair.total(pair.helper).values, pair.noise(), strict=True)] == [5, 5, 5]
        assert charges(pair.leader) == [(city.name, 1) for city in pair.cities]
        assert pair.leader.verb("verify")["findings"] == []


def test_too_few_end_void_and_send_again_for_the_same_charge(pair: Pair) -> None:
    for city, counts in zip(pair.cities[:3], COUNTS, strict=False):
        pair.leader.accept(pair.share(city, counts))
    with pytest.raises(Exception, match="no other batch"):
        pair.leader.verb("sealed.open", table=builders.TABLE.id, period="2026-10")
    pair.clock.advance(days=22)
    pair.until("void")
    assert pair.states() == ("void", "void")
    pair.work()
    assert pair.states() == ("void", "void")  # the schedule opens a batch once
    pair.leader.verb("sealed.open", table=builders.TABLE.id, period="2026-10", days=5)
    pair.until("open")
    pair.follow()
    pair.send_all([*COUNTS, (0, 0, 0)])
    pair.until("done")
    assert [v - n for v, n in zip(pair.total(pair.leader).values, pair.noise(), strict=True)] == SUMS
    assert charges(pair.leader) == [(city.name, 1) for city in pair.cities]
    assert pair.leader.verb("verify")["findings"] == []


# --- why no batch is opened -----------------------------------------------------------------------------------------


def test_no_batch_is_opened_without_enough_cities_and_the_alarm_says_so(
    network: Network, loop: EventLoop, tmp_path: Path
) -> None:
    with Pair.start(network, loop, tmp_path, cities=4) as pair:
        pair.work()
        assert pair.states() == ("", "")
        ((about, _, message),) = alarms(pair.leader)
        assert about == f"sealed total {SUBJECT}" and "at least 5 active cities" in message
        pair.leader.enrol("city-9.sn.de", area=Area(scheme="LAU", version="2024", code="DE_00000009"))
        pair.follow()
        pair.until("open")
        assert alarms(pair.leader) == []


@pytest.mark.parametrize(
    ("helper", "operator", "code"),
    [
        (HELPER, None, ProblemCode.BATCH_TERMS),
        ("nrw.de", "Freistaat Sachsen", ProblemCode.BATCH_TERMS),
        (LEADER, "Freistaat Sachsen", ProblemCode.BATCH_TERMS),
        (HELPER, "bUND", ProblemCode.SAME_OPERATOR),
    ],
)
def test_a_batch_takes_two_hubs_that_are_two(
    standing_pair: Pair, helper: str, operator: str | None, code: ProblemCode
) -> None:
    standing_pair.leader.verb("members.operator", name=HELPER, operator="Bund")
    with pytest.raises(HubError) as caught:
        sealed_plan.check_hubs(standing_pair.leader.hub.refresh_trust(), helper, operator)
    assert caught.value.code is code


def test_a_second_hub_of_the_same_operator_agrees_to_nothing(network: Network, loop: EventLoop, tmp_path: Path) -> None:
    with Pair.start(network, loop, tmp_path, operators=OPERATORS | {LEADER: "bUND"}) as pair:
        pair.work()
        assert pair.states() == ("dropped", "")
        assert "same-operator" in alarms(pair.leader)[0][2]


def test_a_second_hub_of_unknown_operator_agrees_to_nothing(network: Network, loop: EventLoop, tmp_path: Path) -> None:
    with Pair.start(network, loop, tmp_path, operators={LEADER: "Freistaat Sachsen"}) as pair:
        pair.work()
        assert pair.states() == ("dropped", "")
        pair.work()
        with pair.leader.hub.database.read() as session:
            assert len(sealed_store.list_of(session, "leader", SUBJECT)) == 1  # it does not ask all the time
        (alarm,) = alarms(pair.leader)
        assert "batch-terms" in alarm[2]


# --- the second hub -------------------------------------------------------------------------------------------------


def test_only_the_leader_itself_asks_and_nothing_is_changed_on_the_way(standing_pair: Pair) -> None:
    pair = standing_pair
    batch, city = pair.batch().digest, pair.cities[0]
    question = BatchProposal(plan=pair.batch().plan, leader=pair.batch().terms.leader, helper=HELPER).to_bytes()
    for path in ("/v1/sealed/proposals", f"/v1/sealed/{batch}/shares", f"/v1/sealed/{batch}/prepare",
                 f"/v1/sealed/{batch}/roster", f"/v1/sealed/{batch}/void"):  # fmt: skip
        check_problem(pair.helper.post(question, path), ProblemCode.NO_SIGNATURE)
        check_problem(ask(pair.helper, city.name, path, question), ProblemCode.UNKNOWN_KEY)
        check_problem(ask(pair.helper, LEADER, path, question, signed=question + b" "), ProblemCode.BAD_SIGNATURE)
    member = pair.helper.enrol("berlin.be.de")
    check_problem(ask(pair.helper, member.name, "/v1/sealed/proposals", question), ProblemCode.KIND_NOT_ALLOWED)
    unknown = f"/v1/sealed/{'ab' * 32}/prepare"
    check_problem(ask(pair.helper, LEADER, unknown, question), ProblemCode.BATCH_STATE)


def test_the_same_proposal_gets_the_same_answer_and_another_one_none(standing_pair: Pair) -> None:
    pair = standing_pair
    plan, leader = pair.batch().plan, pair.batch().terms.leader
    question = BatchProposal(plan=plan, leader=leader, helper=HELPER).to_bytes()
    answers = {ask(pair.helper, LEADER, "/v1/sealed/proposals", question).content for _ in range(2)}
    assert len(answers) == 1
    for members in (plan.members, plan.members[1:]):
        other = plan.model_copy(update={"members": members, "maximum": 50, "chunk_length": 9})
        again = BatchProposal(plan=other, leader=leader, helper=HELPER).to_bytes()
        check_problem(ask(pair.helper, LEADER, "/v1/sealed/proposals", again), ProblemCode.ALREADY_ANSWERED)


def test_a_share_that_its_city_has_not_signed_is_not_taken_by_the_second_hub(standing_pair: Pair) -> None:
    pair = standing_pair
    city, path = pair.cities[3], f"/v1/sealed/{pair.batch().digest}/shares"
    thief = City(city.name, key_of("thief.sn.de"), pair.leader)
    check_problem(ask(pair.helper, LEADER, path, pair.share(thief, COUNTS[0])), ProblemCode.UNKNOWN_KEY)
    liar = City(city.name, pair.cities[1].key, pair.leader, seq=5)
    other = liar.sign(Kind.SHARE, pair.share_body(city, COUNTS[0]), audience="hub")
    check_problem(ask(pair.helper, LEADER, path, other), ProblemCode.WRONG_ORIGIN)
    good = pair.share(city, COUNTS[0])
    assert [ask(pair.helper, LEADER, path, good).status_code for _ in range(2)] == [200, 200]
    second = pair.share(city, COUNTS[1], randomness=b"y" * 32)
    check_problem(ask(pair.helper, LEADER, path, second), ProblemCode.ALREADY_ANSWERED)


def test_a_leader_waits_for_a_second_hub_that_is_away_and_goes_on_when_it_is_back(pair: Pair, network: Network) -> None:
    pair.send_all([*COUNTS, (0, 0, 0)])
    away = network.apps.pop(pair.helper.url)
    for _ in range(3):
        pair.leader.verb("sealed.work")
    assert pair.states()[0] == "closed"
    assert alarms(pair.leader) == []
    pair.clock.advance(days=30)
    pair.leader.verb("sealed.work")
    assert [code for _, code, _ in alarms(pair.leader)] == [ProblemCode.BATCH_STATE.value]
    network.apps[pair.helper.url] = away
    pair.until("done")
    assert alarms(pair.leader) == []
    assert [v - n for v, n in zip(pair.total(pair.helper).values, pair.noise(), strict=True)] == SUMS


def test_a_second_hub_without_its_keys_makes_the_batch_void(pair: Pair) -> None:
    pair.send_all([*COUNTS, (0, 0, 0)])
    with pair.helper.hub.database.write() as session:
        assert sealed_store.erase_secrets(session) == 1
    pair.work()
    assert pair.states()[0] == "closed"
    pair.leader.verb("sealed.give-up", batch=pair.batch().digest)
    pair.work()
    assert pair.states() == ("void", "void")


def test_the_leader_gives_up_by_itself_after_days_of_refusals(pair: Pair) -> None:
    pair.send_all([*COUNTS, (0, 0, 0)])
    with pair.helper.hub.database.write() as session:
        sealed_store.erase_secrets(session)
    pair.work()
    pair.clock.advance(days=30)
    pair.until("void")


def test_a_batch_whose_roster_is_in_the_log_is_never_void(pair: Pair) -> None:
    """Also when the second hub has gone back to a copy from before it signed."""
    pair.send_all([*COUNTS, (0, 0, 0)])
    pair.until("done")
    batch = pair.batch().digest
    with pytest.raises(BatchError):
        pair.helper.hub.helping.hear_void(LEADER, batch, b'{"batch":"%s","reason":"given-up","v":1}' % batch.encode())
    with pytest.raises(Exception, match="expected nothing from a batch that is done"):
        pair.leader.verb("sealed.give-up", batch=batch)


def test_no_city_is_asked_again_after_a_total_that_has_it(pair: Pair) -> None:
    """A leader that lies asks the second hub for the same figures with one city less."""
    pair.send_all([*COUNTS, (0, 0, 0)])
    pair.until("done")
    plan = pair.batch().plan
    later = plan.model_copy(update={"members": plan.members[1:], "closes": "2026-12-30T09:00:00Z"})
    with pair.helper.hub.database.read() as session, pytest.raises(ReleaseRuleError) as caught:
        sealed_plan.check_disjoint(session, later, LEADER)
    assert caught.value.code is ProblemCode.ALREADY_ANSWERED
    question = BatchProposal(plan=later, leader=pair.batch().terms.leader, helper=HELPER).to_bytes()
    check_problem(ask(pair.helper, LEADER, "/v1/sealed/proposals", question), ProblemCode.ALREADY_ANSWERED)


def test_a_helper_forgets_what_its_leader_never_announced(pair: Pair) -> None:
    """The leader lost its keys before it had logged the batch: nobody can have sent anything."""
    plan = pair.batch().plan
    period = {"start": "2026-09-01", "end": "2026-09-30", "granularity": "month", "basis": "recorded"}
    other = type(plan).from_object(plan.to_object() | {"period": period})
    question = BatchProposal(plan=other, leader=pair.batch().terms.leader, helper=HELPER).to_bytes()
    assert ask(pair.helper, LEADER, "/v1/sealed/proposals", question).status_code == 200
    subject = SUBJECT.replace("2026-10", "2026-09")
    pair.clock.advance(days=130)
    assert f"{subject}: dropped" in pair.helper.verb("sealed.work")["steps"]


def test_a_hub_whose_log_waits_does_nothing(pair: Pair) -> None:
    with pair.leader.hub.database.write() as session:
        session.get_one(HeadRow, 1).held = "restored"
    assert pair.leader.verb("sealed.work") == {"opened": [], "steps": []}


def test_what_an_operator_asks_for_is_bounded(standing_pair: Pair) -> None:
    pair = standing_pair
    for verb, params in (
        ("sealed.open", {"table": "no.such", "period": "2026-10"}),
        ("sealed.open", {"table": builders.TABLE.id, "period": "2026-Q3"}),
        ("sealed.open", {"table": builders.TABLE.id, "period": "2026-11"}),
        ("sealed.open", {"table": builders.TABLE.id, "period": "2026-09", "days": 101}),
        ("sealed.late", {"batch": "ab" * 32}),
        ("sealed.late", {"batch": pair.batch().digest}),
        ("sealed.give-up", {"batch": "ab" * 32}),
    ):
        with pytest.raises(Exception, match="expected"):
            pair.leader.verb(verb, **params)
    (shown,) = pair.leader.verb("sealed.list")["batches"]
    assert (shown["state"], shown["members"]) == ("open", 6)
