"""What the console says of sealed totals: who has sent, who is missing, what hinders; never what anybody counted."""

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert

from regional_hub import batch_verbs, sealed_store, verbs
from regional_hub.orm import SealedBatchRow, SealedShareRow, SealedWordRow, table_of
from regional_hub.sealed_readiness import Obstacle, look_at_tables
from regional_hub.web.console_sealed import OBSTACLES, REFUSALS, STATES
from shared_schema.directory import Directory
from shared_schema.governance import PolicyBody
from shared_schema.keys import Member, MemberRole, MemberStatus
from shared_schema.names import parse_time
from shared_schema.sealed.states import FIRST, TRANSITIONS, BatchState
from shared_schema.sealed.terms import ROLES, BatchProposal, Refusal, Role
from shared_schema.service.control import VerbError
from shared_schema.service.database import Database
from tests.regional_hub.browsing import Browser
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import RunningHub, key_of
from tests.regional_hub.sealed_hubs import NAMES, Faults
from tests.regional_hub.sealed_runs import Run, make_template, prepare
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough

CITIES = [f"city-{number:04d}.sn.de" for number in range(7)]
POLICY = PolicyBody.from_object(builders.POLICY.to_object() | {"version": 2, "sealed": [builders.SEALED_TABLE]})


def url_of(hub: RunningHub) -> str:
    return hub.hub.settings.database_url or f"sqlite:///{hub.hub.data_dir / 'hub.db'}"


@contextmanager
def batch_at(hub: RunningHub, place: Path, role: Role = "leader") -> Iterator[Run]:
    """A batch of seven cities with this hub in one of the two roles; the other one has a database of its own."""
    other = f"sqlite:///{make_template(place / 'other.db')}"
    prepare(Database(url_of(hub))).close()
    urls = (url_of(hub), other) if role == "leader" else (other, url_of(hub))
    chance = random.Random(7)
    run = Run(urls, chance, Faults(chance), cities=7)
    yield run
    run.close()


def shown(hub: RunningHub) -> dict[str, Any]:
    found = hub.verb("sealed.batches")
    (batch,) = found["under_way"] + found["ended"]
    return hub.verb("sealed.batch", batch=batch["batch"])


def sealed_line(hub: RunningHub) -> dict[str, Any]:
    line: dict[str, Any] = hub.verb("overview")["lines"]["sealed"]
    return line


def findings(hub: RunningHub) -> list[tuple[str, str]]:
    found = hub.verb("doctor", quick=True)["findings"]
    return [(each["about"], each["found"]) for each in found if each["about"].startswith("sealed")]


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/sealed/7", "/sealed/0", "/sealed/x", "/sealed/-1", "/sealed/٣", "/sealed/" + "9" * 40]
)
def test_a_batch_that_is_none_is_not_found(region: RunningHub, path: str) -> None:
    assert Browser(region).sign_in("olga").get(path).status_code == 404


@pytest.mark.parametrize("page", ["0", "-1", "x", "9" * 40, "٣", "100000"])
def test_a_page_that_is_none_shows_what_there_is(region: RunningHub, page: str) -> None:
    assert Browser(region).sign_in("aldo").get(f"/sealed?page={page}").status_code == 200


@pytest.mark.parametrize(
    ("verb", "params"),
    [("sealed.batch", {"batch": 1}), ("sealed.batch", {"batch": "1"}), ("sealed.batches", {"page": 0})],
)
def test_the_verbs_refuse_what_is_no_batch_and_no_page(region: RunningHub, verb: str, params: dict[str, Any]) -> None:
    with pytest.raises(VerbError):
        region.verb(verb, **params)


def test_an_analyst_sees_no_batch(region: RunningHub) -> None:
    nils = Browser(region).sign_in("nils")
    assert {nils.get(path).status_code for path in ("/sealed", "/sealed/1")} == {403}


# --- batches --------------------------------------------------------------------------------------------------------


@pytest.mark.sqlite_is_enough(False)
def test_while_a_batch_is_open_the_leader_sees_who_has_sent_and_who_is_missing(hub: RunningHub, tmp_path: Path) -> None:
    with batch_at(hub, tmp_path) as run:
        run.until(BatchState.OPEN)
        for name in CITIES[:4]:
            run.world.send(name, [9] * len(run.world.plan.cells))
            run.leader.take(run.world.verified[-1], late=False)
        found = shown(hub)
        assert (found["state"], found["waits_for"], found["sent"], found["members"]) == ("open", "cities", 4, 7)
        assert [each["name"] for each in found["cities"]["sent"]] == CITIES[:4]
        assert found["cities"]["missing"] == CITIES[4:] and found["cities"]["accepted"] is None
        page = Browser(hub).sign_in("olga").page(f"/sealed/{found['batch']}")
    parts = page.split("Has not sent yet")[1].split("</ul>")
    assert all(name in parts[0] for name in CITIES[4:]) and CITIES[0] not in parts[0]


@pytest.mark.parametrize("role", ROLES)
def test_a_batch_is_followed_through_all_its_states(start_hub: HubStarter, tmp_path: Path, role: Role) -> None:
    region = start_hub(NAMES[role])
    olga = Browser(region).sign_in("olga")
    found: dict[str, Any] = {}
    with batch_at(region, tmp_path, role) as run:
        for state in (BatchState.OPEN, BatchState.CLOSED, BatchState.ANSWERED, BatchState.COMMITTED, BatchState.DONE):
            run.until(state, sending=6)
            found = shown(region)
            own = run.leader if role == "leader" else run.helper
            assert found["state"] == (own.state() or BatchState.OPEN).value
            assert olga.get(f"/sealed/{found['batch']}").status_code == 200
            assert olga.get("/sealed").status_code == 200
        assert found["cities"]["accepted"] == CITIES[:6] and found["cities"]["missing"] == CITIES[6:]
        assert (found["waits_for"], found["has_keys"]) == ("nobody", False)
        page = olga.page(f"/sealed/{found['batch']}")
    assert "Destroyed" in page and "The sum is among the figures" in page
    assert ("regional-hub sealed late" in page) == (role == "leader")


def test_a_late_city_is_refused_with_the_reason_in_words(region: RunningHub, tmp_path: Path) -> None:
    with batch_at(region, tmp_path) as run:
        run.until(BatchState.OPEN)
        for number, name in enumerate(CITIES[:6]):
            run.world.send(name, run.world.counts())
            run.leader.take(run.world.verified[-1], late=number == 5)
        found = shown(region)
        assert (found["sent"], found["late"], found["cities"]["late"]) == (5, 1, [CITIES[5]])
        run.leader.is_over = True
        run.until(BatchState.DONE)
        found = shown(region)
        assert found["cities"]["refused"] == [{"name": CITIES[5], "reason": "late"}]
        page = Browser(region).sign_in("aldo").page(f"/sealed/{found['batch']}")
    assert "It came after the end." in page


def test_a_batch_to_which_too_few_came_says_so_and_that_they_may_send_again(region: RunningHub, tmp_path: Path) -> None:
    with batch_at(region, tmp_path) as run:
        run.until(BatchState.VOID, sending=3)
        found = shown(region)
        assert (found["state"], found["void_reason"], found["has_keys"]) == ("void", "too-few", False)
        page = Browser(region).sign_in("aldo").page(f"/sealed/{found['batch']}")
    assert "Too few shares could be taken" in page and "no further cost" in page


def test_a_batch_whose_keys_are_gone_can_only_be_given_up(region: RunningHub, tmp_path: Path) -> None:
    with batch_at(region, tmp_path) as run:
        run.until(BatchState.CLOSED)
        run.leader.forget_keys()
        found = shown(region)
        assert found["is_lost"] and sealed_line(region)["state"] == "bad"
        assert any("keys are gone" in words for _, words in findings(region))
        page = Browser(region).sign_in("olga").page(f"/sealed/{found['batch']}")
        assert f"regional-hub sealed give-up {found['digest']}" in page
        run.until(BatchState.VOID)
        assert shown(region)["void_reason"] == "given-up"
    assert not shown(region)["is_lost"]


# --- deadlines ------------------------------------------------------------------------------------------------------


def test_a_deadline_that_has_passed_is_told_after_an_hour(region: RunningHub, tmp_path: Path) -> None:
    with batch_at(region, tmp_path) as run:
        run.until(BatchState.OPEN)
    closes = parse_time(builders.batch_plan()["closes"])
    region.clock.now = closes + timedelta(hours=1)
    assert sealed_line(region) == {"state": "good", "under_way": 1, "stuck": 0, "blocked": 0}
    region.clock.advance(seconds=1)
    assert sealed_line(region)["state"] == "bad" and shown(region)["waits_for"] == "self"
    assert [words for _, words in findings(region)] == [
        "its time is over since 2026-11-27T09:00:00Z, and it is not closed"
    ]
    olga = Browser(region).sign_in("olga")
    assert "Its time is over, and it is not closed" in olga.page(f"/sealed/{shown(region)['batch']}")
    assert "does not go on by itself" in olga.page("/")


@pytest.mark.parametrize("role", ROLES)
def test_a_hub_that_waits_for_the_other_one_for_a_day_says_whom_to_call(
    start_hub: HubStarter, tmp_path: Path, role: Role
) -> None:
    region = start_hub(NAMES[role])
    with batch_at(region, tmp_path, role) as run:
        run.until(BatchState.CLOSED if role == "leader" else BatchState.OPEN)
    other, closes = shown(region)["other"], parse_time(builders.batch_plan()["closes"])
    # All seven have sent before the leader closed it: it waits from the last one on, which came at NOW.
    since = builders.NOW if role == "leader" else closes
    region.clock.now = max(since + timedelta(days=1), closes)
    expected = region.clock.now > since + timedelta(days=1)
    assert shown(region)["has_waited_long"] is expected
    region.clock.advance(days=1, seconds=1)
    assert shown(region)["has_waited_long"] and sealed_line(region)["stuck"] == 1
    assert [words.split(" since ")[0] for _, words in findings(region)] == [f"it waits for {other}"]
    page = Browser(region).sign_in("olga").page(f"/sealed/{shown(region)['batch']}")
    assert f"It waits for {other}" in page and ("sealed give-up" in page) == (role == "leader")


def test_a_proposal_waits_from_when_it_was_made(region: RunningHub, tmp_path: Path) -> None:
    with batch_at(region, tmp_path) as run:
        run.leader.propose()
    assert shown(region)["cities"]["missing"] == CITIES, "nobody was asked yet"
    page = Browser(region).sign_in("olga").page(f"/sealed/{shown(region)['batch']}")
    assert "proposed; the other hub has not agreed yet" in page and "Has not sent" not in page
    region.clock.advance(days=1, seconds=1)
    assert shown(region)["has_waited_long"]


# --- words and bounds -----------------------------------------------------------------------------------------------


def test_every_state_refusal_and_obstacle_has_words() -> None:
    for role in ROLES:
        reachable = {FIRST[role], *TRANSITIONS[role].values()}
        assert set(STATES[role]) == {state.value for state in reachable}
    assert set(REFUSALS) == {reason.value for reason in Refusal}
    assert set(OBSTACLES) == {obstacle.value for obstacle in Obstacle}


def test_batches_of_two_thousand_cities_take_as_many_questions_to_the_database_as_one(
    region: RunningHub, tmp_path: Path
) -> None:
    with batch_at(region, tmp_path) as run:
        run.until(BatchState.OPEN)
    few = count_queries(region, lambda: region.verb("sealed.batches"))
    fill(region, batches=30, cities=2_000)
    assert count_queries(region, lambda: region.verb("sealed.batches")) == few
    found = region.verb("sealed.batches")
    assert (len(found["under_way"]), len(found["ended"]), found["has_more"]) == (16, batch_verbs.PAGE // 2 + 5, False)
    one = region.verb("sealed.batch", batch=found["under_way"][-1]["batch"])
    assert (one["sent"], len(one["cities"]["missing"])) == (1_000, 1_000)


def count_queries(hub: RunningHub, ask: Any) -> int:
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        asked.append(statement)

    with hub.hub.database.read() as session:
        engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return len([each for each in asked if "sealed_" in each])


def fill(hub: RunningHub, *, batches: int, cities: int) -> None:
    """Proposals of many cities, half of them dropped; half of the cities of each have sent."""
    names = [f"city-{number:04d}.sn.de" for number in range(cities)]
    with hub.hub.database.write() as session:
        leader = sealed_store.read_leader(session, 1).batch
        for number in range(batches):
            plan = leader.proposal.plan.model_copy(update={"members": tuple(names), "log_size": number})
            text = BatchProposal(plan=plan, leader=leader.proposal.leader, helper=leader.proposal.helper).to_bytes()
            row = SealedBatchRow(
                role="leader", other="bund.de", slot=f"{number:064x}", made_at=hub.clock(), noise_seed=b"x" * 32,
                state="proposed" if number % 2 else "dropped", proposal=f"{number:064x}", hpke_key=b"x" * 32,
            )  # fmt: skip
            session.add(row)
            session.flush()
            session.add(SealedWordRow(batch_id=row.id, step="proposal", digest=f"{number:064x}", content=text))
            if number == batches - 1:
                shares = [
                    {"batch_id": row.id, "city": name, "digest": f"{place:064x}", "late": False,
                     "received_at": hub.clock(), "city_key": b"k" * 32, "envelope": None}
                    for place, name in enumerate(names[::2])
                ]  # fmt: skip
                session.execute(insert(table_of(SealedShareRow)), shares)


def test_no_page_of_a_batch_has_anything_that_was_sealed(region: RunningHub, tmp_path: Path) -> None:
    olga = Browser(region).sign_in("olga")
    with batch_at(region, tmp_path) as run:
        run.until(BatchState.CLOSED)
        stored = run.leader.stored()
        assert stored is not None and stored.batch.secrets is not None
        texts = [olga.page("/sealed"), olga.page(f"/sealed/{stored.id}")]
        bodies = [each.statement.body for each in map(run_share, run.world.verified)]
        for body in bodies:
            for text in texts:
                assert body.leader_half not in text and body.helper_half not in text and body.nonce not in text
        for text in texts:
            assert stored.batch.secrets.key.raw.hex() not in text and not re.search("style=|<script", text)


def run_share(verified: Any) -> Any:
    from shared_schema.statement import read_statement

    return read_statement(verified)


# --- what the policy seals ------------------------------------------------------------------------------------------


def directory(*, cities: int = 5, helper: dict[str, Any] | None = None, **same: str) -> Directory:
    found = Directory("sachsen.de", key_of("sachsen.de").public)
    members = [
        Member(
            name, MemberRole.NODE, key_of(name).public, MemberStatus.ACTIVE, "sachsen.de",
            area=same.get("area", f"DE_{number:08d}"),
        )
        for number, name in enumerate(CITIES[:cities])
    ]  # fmt: skip
    second = {"operator": "Bund", "status": MemberStatus.ACTIVE} | (helper or {})
    if helper != {}:
        members.append(
            Member("bund.de", MemberRole.PARENT, key_of("bund.de").public, vouched_by="sachsen.de", **second)
        )
    for place, member in enumerate(members):
        found.apply(signer="sachsen.de", member=member, position=place)
    return found


READY = {"operator": "Bund"}


@pytest.mark.parametrize(
    ("changes", "followed", "obstacles"),
    [
        ({"helper": READY}, ["bund.de"], []),
        ({"helper": READY, "cities": 4}, ["bund.de"], [Obstacle.TOO_FEW_CITIES]),
        ({"helper": READY, "area": "DE_14713000"}, ["bund.de"], [Obstacle.TOO_FEW_CITIES]),
        ({"helper": {}}, ["bund.de"], [Obstacle.HELPER_UNKNOWN]),
        ({"helper": READY}, [], [Obstacle.HELPER_NOT_FOLLOWED]),
        ({"helper": READY | {"status": MemberStatus.SUSPENDED}}, ["bund.de"], [Obstacle.HELPER_NOT_ACTIVE]),
        ({"helper": READY, "own": None}, ["bund.de"], [Obstacle.OWN_OPERATOR_UNSAID]),
        ({"helper": {"operator": None}}, ["bund.de"], [Obstacle.HELPER_OPERATOR_UNSAID]),
        ({"helper": {"operator": "  LAND "}}, ["bund.de"], [Obstacle.SAME_OPERATOR]),
    ],
)
def test_what_keeps_a_sealed_table_from_being_collected_is_named(
    changes: dict[str, Any], followed: list[str], obstacles: list[Obstacle]
) -> None:
    own = changes.pop("own", "Land")
    (found,) = look_at_tables(POLICY, directory(**changes), followed, own)
    assert list(found.obstacles) == obstacles
    assert found.is_blocked == bool(set(obstacles) - {Obstacle.HELPER_OPERATOR_UNSAID})


def test_a_table_of_which_a_newer_version_is_in_force_is_named() -> None:
    newer = builders.TABLE.to_object() | {"version": 2}
    policy = PolicyBody.from_object(POLICY.to_object() | {"tables": [builders.TABLE.to_object(), newer]})
    (found,) = look_at_tables(policy, directory(helper=READY), ["bund.de"], "Land")
    assert found.obstacles == (Obstacle.OLD_VERSION,) and not found.is_blocked


def test_a_policy_that_seals_a_table_is_put_in_force_under_both_sentences(region: RunningHub) -> None:
    olga = Browser(region).sign_in("olga")
    assert "sealed" not in region.verb("overview")["lines"]
    answer = olga.post("/policy/test", {"policy": POLICY.to_bytes().decode()})
    assert answer.status_code == 200
    page = re.sub(r"\s+", " ", answer.text).replace("&#39;", "'")
    coordinators = (
        "Your numbers leave only as two sealed halves, one for sachsen.de and one for bund.de; either half alone is "
        "random digits, and only the blurred sum of at least five cities can be read. If sachsen.de and bund.de broke "
        "the rules together while this collection is open, they could read your city's numbers."
    )
    officers = (
        "Against everyone else, either hub alone included, one person's presence changes the odds of any published "
        "total by at most e^1 per table in twelve months, provided one of the two operators follows the rules. The "
        "range of your counts is checked, their truth is not; a wrong number cannot be found or taken back afterwards, "
        "only marked."
    )
    hindered = ("Too few active cities", "The second hub is not in the directory")
    for sentence in (coordinators, officers, "No city can release it in any other way", *hindered):
        assert sentence in page, sentence
    verbs.publish_policy(region.hub, POLICY)
    assert sealed_line(region) == {"state": "wait", "under_way": 0, "stuck": 0, "blocked": 1}
    assert [about for about, _ in findings(region)] == [f"sealed table {builders.TABLE.id}"]
    page = olga.page("/sealed")
    assert "no batch can be opened now" in page and OBSTACLES["too-few-cities"] in page
    plain = builders.POLICY.to_object() | {"version": 3}
    after = olga.post("/policy/test", {"policy": PolicyBody.from_object(plain).to_bytes().decode()}).text
    assert "is no longer collected as a sealed total" in after and "Your numbers leave only" not in after
    same = olga.post("/policy/test", {"policy": POLICY.model_copy(update={"version": 3}).to_bytes().decode()}).text
    assert "Your numbers leave only" not in same, "nothing changes for this table"


def test_a_city_that_is_suspended_or_a_twin_of_another_one_does_not_count(region: RunningHub) -> None:
    for number, name in enumerate(CITIES[:5]):
        area = {"scheme": "LAU", "version": "2024", "code": f"DE_{number:08d}"}
        region.enrol(name, area=type(region.hub.area).from_object(area))
    verbs.publish_policy(region.hub, POLICY)
    (table,) = region.verb("sealed.tables")["tables"]
    assert (table["cities"], "too-few-cities" in table["obstacles"]) == (5, False)
    region.verb("members.set", name=CITIES[0], status="suspended")
    (table,) = region.verb("sealed.tables")["tables"]
    assert (table["cities"], "too-few-cities" in table["obstacles"]) == (4, True)
