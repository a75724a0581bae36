"""Opened batches become ordinary sums at every level, and what is false or missing becomes none."""

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from regional_hub.figure_answer import FigurePublisher, find_answer
from regional_hub.formats import FORMATS
from regional_hub.holdings import read_body
from regional_hub.members import Trust
from regional_hub.orm import ContentRow, EntryRow, QuarantineRow
from regional_hub.sealed_totals import PATIENCE, read_batches
from shared_schema.keys import MemberStatus
from shared_schema.period import parse_period
from shared_schema.problem import ProblemCode
from shared_schema.statement import Kind, VerifiedStatement
from shared_schema.trend import AggregateBody
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import EventLoop, Network, RunningHub
from tests.regional_hub.sealed_batches import (
    POLICY,
    TABLE,
    Played,
    append,
    changed_sum,
    enrol,
    play,
    put,
    resay,
    say_both,
    start_hubs,
    start_nation,
)
from tests.regional_hub.test_trends import published
from tests.shared_schema.sealed_world import HELPER, LEADER, key_of

pytestmark = pytest.mark.sqlite_is_enough


@pytest.fixture
def hubs(start_hub: HubStarter) -> tuple[RunningHub, RunningHub]:
    return start_hubs(start_hub)


def aggregate(hub: RunningHub) -> list[dict[str, Any]]:
    hub.verb("aggregate")
    return published(hub.cities[0])


def alarms(hub: RunningHub) -> list[tuple[str, str]]:
    return [(alarm["code"], alarm["message"]) for alarm in hub.verb("status")["alarms"]]


def trust_of(hub: RunningHub) -> Trust:
    return hub.hub.reload_trust()


# --- what makes no total ----------------------------------------------------------------------------------------------


def without_roster(played: Played) -> list[VerifiedStatement]:
    return [played.batch, *played.sums.values()]


def with_false_sum(played: Played) -> list[VerifiedStatement]:
    return [played.batch, played.roster, played.sums["leader"], changed_sum(played, "helper")]


def with_own_false_sum(played: Played) -> list[VerifiedStatement]:
    return [played.batch, played.roster, changed_sum(played, "leader"), played.sums["helper"]]


def with_one_sum_for_both(played: Played) -> list[VerifiedStatement]:
    return [played.batch, played.roster, played.sums["leader"]]


def with_roster_of_the_leader_alone(played: Played) -> list[VerifiedStatement]:
    """The helper has signed another attendance."""
    terms = played.roster.statement.body.to_object()["terms"]
    attendance = terms["attendance"] | {
        "accepted": terms["attendance"]["accepted"][:-1],
        "absent": [played.accepted[0]],
    }
    roster = resay(played.roster, terms=terms | {"attendance": attendance})
    return [played.batch, roster, *played.sums.values()]


BROKEN: Mapping[str, tuple[Callable[[Played], list[VerifiedStatement]], str | None]] = {
    "no roster": (without_roster, None),
    "the helper's sum is another": (with_false_sum, HELPER),
    "the leader's sum is another": (with_own_false_sum, LEADER),
    "the roster is the leader's word alone": (with_roster_of_the_leader_alone, LEADER),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_false_word_makes_no_total_and_the_alarm_says_whose_it_is(
    hubs: tuple[RunningHub, RunningHub], name: str
) -> None:
    make, whose = BROKEN[name]
    append(hubs[0], *make(play()))
    assert aggregate(hubs[0]) == []
    raised = alarms(hubs[0])
    assert len(raised) == (whose is not None)
    assert all(whose is not None and f"({whose})" in message for _, message in raised)


def test_a_missing_sum_is_waited_for_before_anybody_is_told(hubs: tuple[RunningHub, RunningHub]) -> None:
    region, _ = hubs
    put(region, play(), without=["helper"])
    assert aggregate(region) == [] and alarms(region) == []
    region.clock.advance(seconds=PATIENCE.total_seconds() + 1)
    assert aggregate(region) == []
    ((code, message),) = alarms(region)
    assert code == ProblemCode.BATCH_STATE.value and f"({HELPER})" in message
    append(region, play().sums["helper"], via=HELPER)
    assert len(aggregate(region)) == 1 and alarms(region) == []


def test_a_true_sum_after_a_false_one_ends_the_alarm(hubs: tuple[RunningHub, RunningHub]) -> None:
    region, _ = hubs
    append(region, *with_false_sum(play()))
    aggregate(region)
    assert len(alarms(region)) == 1
    append(region, play().sums["helper"], via=HELPER)
    assert len(aggregate(region)) == 1 and alarms(region) == []


def test_a_second_batch_with_a_city_of_the_first_counts_nobody_twice(hubs: tuple[RunningHub, RunningHub]) -> None:
    region, _ = hubs
    first, second = play(), play(number=2, min_batch=6)
    put(region, first)
    put(region, second)
    (body,) = aggregate(region)
    assert body["batches"] == [first.digest] and body["coverage"]["reporting"] == 6
    ((code, message),) = alarms(region)
    assert code == ProblemCode.RELEASE_RULE.value and f"second batch of {LEADER}" in message


def test_a_batch_that_another_hub_has_led_is_not_counted_here(hubs: tuple[RunningHub, RunningHub]) -> None:
    region, nation = hubs
    say_both(region, nation, play())
    region.verb("follow")
    region.verb("aggregate")
    follow(nation)
    with nation.hub.database.read() as session:
        found = read_batches(session, trust_of(nation))
    assert [batch.leader for batch in found.opened] == [LEADER], found
    assert found.led_by(HELPER).opened == ()


def test_a_hub_that_was_suspended_later_keeps_the_totals_of_before(hubs: tuple[RunningHub, RunningHub]) -> None:
    """Its key counted at the place where it has signed."""
    region, _ = hubs
    put(region, play())
    region.say_of(HELPER, status=MemberStatus.SUSPENDED)
    assert [body["batches"] for body in aggregate(region)] == [[play().digest]]


def test_a_helper_whose_key_had_ended_before_has_signed_nothing(hubs: tuple[RunningHub, RunningHub]) -> None:
    region, _ = hubs
    region.say_of(HELPER, status=MemberStatus.REVOKED)
    append(region, *(play(number=3).batch, play(number=3).roster, *play(number=3).sums.values()))
    assert aggregate(region) == []
    ((_, message),) = alarms(region)
    assert f"({LEADER})" in message  # it announced terms that nobody who counts has signed


# --- what makes one ---------------------------------------------------------------------------------------------------


@pytest.mark.sqlite_is_enough(False)
def test_an_opened_batch_is_the_sum_of_its_period(
    network: Network, loop: EventLoop, tmp_path: Path, hub_database_url: str, start_hub: HubStarter
) -> None:
    with RunningHub.start(
        network, loop, tmp_path / "hub", hub_database_url, policy=POLICY, seed=key_of(LEADER).seed
    ) as region:
        check_whole_way(enrol(region, 8), start_nation(start_hub, region))


def check_whole_way(region: RunningHub, nation: RunningHub) -> None:
    played = play(cities=8, absent=2)
    say_both(region, nation, played)
    region.verb("follow")
    (body,) = aggregate(region)
    assert body["mechanism"] == "two-hub" and body["batches"] == [played.digest]
    assert tuple(cell["estimate"] for cell in body["cells"]) == played.values
    assert {cell["variance_milli"] for cell in body["cells"]} == {played.variance_milli}
    assert {cell["contributors"] for cell in body["cells"]} == {6}
    assert body["coverage"] == {"reporting": 6, "expected": 8}
    assert all(cell["low"] <= cell["estimate"] <= cell["high"] and cell["status"] == "A" for cell in body["cells"])
    assert "scale" not in body and not any("sealed" in cell or "noise" in cell for cell in body["cells"])
    assert region.verb("aggregate") == {"published": 0}
    assert region.verb("verify")["ok"]
    follow(nation)
    assert nation.verb("aggregate") == {"published": 1}
    above = newest_of(nation, complete=False)
    assert above.mechanism == "two-hub" and above.batches is None and above.coverage.expected == 8
    assert tuple(cell.estimate for cell in above.cells) == played.values
    assert {cell.variance_milli for cell in above.cells} == {played.variance_milli}


def follow(hub: RunningHub) -> None:
    """Follow, with nothing set aside."""
    answer = hub.verb("follow")
    with hub.hub.database.read() as session:
        aside = [(row.code, row.source_index) for row in session.scalars(select(QuarantineRow))]
    assert aside == [] and not any("alarm" in source for source in answer["sources"]), (aside, answer)


def newest_of(hub: RunningHub, *, complete: bool, origin: str = "", label: str = "2026-10") -> AggregateBody:
    """The newest sum in a hub's log, of its own unless another one is named."""
    with hub.hub.database.read() as session:
        rows = session.scalars(
            select(ContentRow.envelope)
            .join(EntryRow, EntryRow.digest == ContentRow.digest)
            .where(EntryRow.kind == Kind.AGGREGATE.value, EntryRow.origin == (origin or hub.hub.name))
            .order_by(EntryRow.index.desc())
        ).all()
    bodies = [read_body(Kind.AGGREGATE.value, stored) for stored in rows]
    found = [body for body in bodies if isinstance(body, AggregateBody) and body.complete is complete]
    return next(body for body in found if body.period.label == label)


# --- several batches --------------------------------------------------------------------------------------------------

MONTHS = ("2026-07", "2026-08", "2026-09")


def test_a_late_batch_is_added_to_the_total_of_its_period(hubs: tuple[RunningHub, RunningHub]) -> None:
    region, _ = hubs
    first = play(cities=12, absent=6)
    late = play(cities=12, members=first.absent, late_of=first.digest)
    put(region, first)
    assert aggregate(region)[-1]["coverage"] == {"reporting": 6, "expected": 12}
    put(region, late)
    body = aggregate(region)[-1]
    assert (body["revision"], body["coverage"]) == (2, {"reporting": 12, "expected": 12})
    assert body["batches"] == sorted([first.digest, late.digest])
    assert [cell["estimate"] for cell in body["cells"]] == [
        sum(pair) for pair in zip(first.values, late.values, strict=True)
    ]
    assert {cell["variance_milli"] for cell in body["cells"]} == {first.variance_milli + late.variance_milli}


def test_three_months_make_a_quarter_of_six_draws_and_two_make_none(hubs: tuple[RunningHub, RunningHub]) -> None:
    region, nation = hubs
    played = [play(label) for label in MONTHS]
    for each in played[:2]:
        say_both(region, nation, each)
    region.verb("follow")
    assert {body["period"]["granularity"] for body in aggregate(region)} == {"month"}
    say_both(region, nation, played[2])
    region.verb("follow")
    aggregate(region)
    quarter = newest_of(region, complete=False, label="2026-Q3")
    assert quarter.mechanism == "two-hub" and quarter.batches == tuple(sorted(each.digest for each in played))
    assert (quarter.rolled_up, quarter.coverage.reporting) == (6, 6)
    assert [cell.estimate for cell in quarter.cells] == [
        sum(column) for column in zip(*(p.values for p in played), strict=True)
    ]
    complete = newest_of(region, complete=True, label="2026-Q3")
    noise = [share for cell in complete.cells for share in cell.noise or ()]
    assert {share.draws for share in noise} == {6}
    assert {cell.variance_milli for cell in quarter.cells} == {3 * played[0].variance_milli}
    follow(nation)
    nation.verb("aggregate")
    assert newest_of(nation, complete=False, label="2026-Q3").cells == quarter.cells


def test_a_quarter_counts_the_cities_that_are_in_all_of_its_months(hubs: tuple[RunningHub, RunningHub]) -> None:
    region, _ = hubs
    for label, absent in zip(MONTHS, (0, 2, 1), strict=True):
        put(region, play(label, cities=8, absent=absent))
    aggregate(region)
    quarter = newest_of(region, complete=False, label="2026-Q3")
    assert quarter.coverage.to_object() == {"reporting": 6, "expected": 8}
    assert {cell.contributors for cell in quarter.cells} == {6}


def test_months_without_five_cities_in_all_of_them_make_no_quarter(hubs: tuple[RunningHub, RunningHub]) -> None:
    region, _ = hubs
    names = [f"city-{number:04d}.sn.de" for number in range(12)]
    for label, first in zip(MONTHS, (0, 4, 6), strict=True):
        put(region, play(label, cities=12, members=tuple(names[first : first + 6])))
    assert {body["period"]["granularity"] for body in aggregate(region)} == {"month"}


# --- for analysts -----------------------------------------------------------------------------------------------------


def answer(hub: RunningHub, chosen: str, **parameters: str) -> bytes:
    asked = {"table": [TABLE.id], "from": ["2026-09"], "to": ["2026-10"]} | {k: [v] for k, v in parameters.items()}
    publisher = FigurePublisher(hub.hub.name, "region", hub.hub.area.code, hub.url)
    with hub.hub.database.read() as session:
        return b"".join(FORMATS[chosen].write(find_answer(session, asked, publisher)))


def test_an_answer_about_an_earlier_state_stays_the_same_byte_for_byte(hubs: tuple[RunningHub, RunningHub]) -> None:
    region, _ = hubs
    for city in region.cities[:4]:
        region.accept(
            city.trend(20, 0, 0, table=TABLE.reference.to_object(), period=parse_period("2026-09").to_object())
        )
    region.verb("aggregate")
    size = str(region.log_size())
    before = {name: answer(region, name, as_of=size) for name in FORMATS}
    assert b"mechanism" not in before["csv"]
    put(region, play())
    region.verb("aggregate")
    assert {name: answer(region, name, as_of=size) for name in FORMATS} == before
    rows = list(csv.DictReader(io.StringIO(answer(region, "csv").decode())))
    assert {(row["period"], row["mechanism"]) for row in rows} == {("2026-09", "cities"), ("2026-10", "two-hub")}
    sealed = [row for row in rows if row["period"] == "2026-10" and row["cell"] != "_T"]
    assert {(row["contributors"], row["cities_reporting"], row["cities_expected"]) for row in sealed} == {("6",) * 3}
    assert {int(row["variance_milli"]) for row in sealed} == {play().variance_milli}


def test_the_sum_of_figures_with_noise_and_a_sealed_total_says_that_it_is_both(
    hubs: tuple[RunningHub, RunningHub],
) -> None:
    """As in the month in which a hub begins with sealed totals."""
    region, nation = hubs
    late = [region.enrol(f"late-{number}.sn.de") for number in range(3)]
    for city in late:
        region.accept(city.trend(20, 0, 0, table=TABLE.reference.to_object()))
    say_both(region, nation, play())
    region.verb("follow")
    aggregate(region)
    shown = newest_of(region, complete=False)
    assert shown.mechanism is None and shown.cells[0].sealed is not None
    assert (shown.cells[0].contributors, shown.cells[0].estimate) == (9, 60 + play().values[0])
    assert shown.coverage.to_object() == {"reporting": 9, "expected": 9}
    assert b"mixed" in answer(region, "csv")
    follow(nation)
    nation.verb("aggregate")
    above = newest_of(nation, complete=False)
    assert [(cell.contributors, cell.estimate, cell.sealed) for cell in above.cells] == [
        (cell.contributors, cell.estimate, cell.sealed) for cell in shown.cells
    ]


def test_a_city_in_a_batch_is_not_counted_by_its_release_as_well(hubs: tuple[RunningHub, RunningHub]) -> None:
    region, _ = hubs
    for city in region.cities[:4]:
        region.accept(city.trend(20, 0, 0, table=TABLE.reference.to_object()))
    put(region, play())
    body = aggregate(region)[-1]
    assert body["mechanism"] == "two-hub" and body["coverage"] == {"reporting": 6, "expected": 6}
