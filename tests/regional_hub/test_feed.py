"""The feed: who sees which content, how large a page may be, and that it proves itself."""

import json
from itertools import product

import pytest

from regional_hub.feed import Publisher, can_read
from regional_hub.orm import EntryRow
from shared_schema import canonical
from shared_schema.envelope import parse_envelope
from shared_schema.feed import MAX_PAGE_BYTES, MAX_PAGE_ENTRIES, FeedState, parse_page, verify_page
from shared_schema.governance import Level
from shared_schema.keys import Member, MemberRole, MemberStatus
from shared_schema.problem import ProblemCode
from shared_schema.statement import Audience, Kind
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import City, RunningHub, check_problem, join, key_of
from tests.shared_schema import builders

HUB, READER, AUTHOR = "sachsen.de", "reader.de", "author.de"
LEVELS: tuple[Level, ...] = ("region", "nation", "europe")


def reader(role: MemberRole) -> Member:
    return Member(READER, role, key_of(READER).public, MemberStatus.ACTIVE, vouched_by=HUB)


def entry(origin: str, audience: Audience, kind: Kind = Kind.PRACTICE) -> EntryRow:
    return EntryRow(origin=origin, audience=audience.value, kind=kind.value)


VISIBLE_TO_PARENT = {
    ("region", "nation"),
    ("region", "europe"),
    ("nation", "europe"),
}
"""(level of the hub, audience): a hub above sees what travels beyond the level below it, and nothing else."""


@pytest.mark.parametrize(("level", "audience"), list(product(LEVELS, Audience)))
def test_45_the_whole_matrix_of_reader_and_audience(level: Level, audience: Audience) -> None:
    hub = Publisher(HUB, level)
    foreign = entry(AUTHOR, audience)
    for role in (MemberRole.NODE, MemberRole.HUB):
        assert can_read(foreign, reader(role), hub) == (audience is not Audience.HUB)
        assert can_read(entry(READER, audience), reader(role), hub)  # its own, always
    assert can_read(foreign, reader(MemberRole.PARENT), hub) == ((level, audience.value) in VISIBLE_TO_PARENT)
    assert can_read(entry(READER, audience), reader(MemberRole.PARENT), hub)


@pytest.mark.parametrize("level", LEVELS)
def test_45_complete_sums_are_for_the_hub_above_alone(level: Level) -> None:
    hub = Publisher(HUB, level)
    own_sum = entry(HUB, Audience.HUB, Kind.AGGREGATE)
    assert can_read(own_sum, reader(MemberRole.PARENT), hub)
    assert not can_read(own_sum, reader(MemberRole.NODE), hub)
    assert not can_read(own_sum, reader(MemberRole.HUB), hub)
    for other in (entry(AUTHOR, Audience.HUB, Kind.AGGREGATE), entry(HUB, Audience.HUB, Kind.PRACTICE)):
        assert not can_read(other, reader(MemberRole.PARENT), hub)


def test_a_citys_figures_are_shown_to_nobody_but_itself(hub: RunningHub, city: City) -> None:
    other = hub.enrol("dresden.sn.de")
    body = city.trend(4711, 0, 0)
    hub.accept(body)
    assert city.feed()["entries"][-1]["envelope"] == json.loads(body)
    shown = other.feed()["entries"][-1]
    assert (shown["absent"], shown["entry"]["digest"]) == ("audience", parse_envelope(body).digest)
    assert "envelope" not in shown


def test_the_hub_above_sees_what_travels_and_the_complete_sums(start_hub: HubStarter) -> None:
    nation, region = start_hub("bund.de", "nation"), start_hub("sachsen.de")
    join(region, nation)
    city = region.enrol("leipzig.sn.de")
    region.accept_many([city.trend(), city.sign(audience="region"), city.sign(audience="nation"), city.sign()])
    region.verb("aggregate")
    above = City("bund.de", nation.hub.key, region)
    shown = {(item["entry"]["kind"], item["entry"]["audience"]): "envelope" in item for item in above.feed()["entries"]}
    assert shown == {
        ("policy", "region"): False,
        ("membership", "nation"): True,  # the region's word about the nation, for a smaller region beneath it
        ("membership", "europe"): True,
        ("trend", "hub"): False,
        ("practice", "region"): False,
        ("practice", "nation"): True,
        ("practice", "europe"): True,
        ("aggregate", "hub"): True,
        ("aggregate", "region"): False,
    }


def test_what_was_withdrawn_is_gone_for_everybody_and_the_log_still_proves_itself(hub: RunningHub, city: City) -> None:
    body = city.sign()
    hub.accept(body)
    hub.accept(city.withdrawal(body))
    page = city.feed()
    assert [item.get("absent") for item in page["entries"]] == [None, None, "withdrawn", None]
    assert read_all(city)[0].next_index == 4
    assert hub.post(body).status_code == 200  # a retry still gets its receipt
    assert hub.verb("verify")["ok"]


def read_all(city: City) -> tuple[FeedState, list[int]]:
    """Follow the feed to its end as a node does, verifying every page; the sizes of the pages."""
    state, sizes = FeedState(city.hub.hub.verifier), []
    while True:
        body = city.api().feed(state.next_index, state.seen_size)
        assert len(body) <= MAX_PAGE_BYTES
        state, items = verify_page(state, parse_page(body))
        sizes.append(len(items))
        if state.next_index == state.seen_size:
            return state, sizes


def test_50_a_page_has_at_most_500_entries(hub: RunningHub, city: City) -> None:
    hub.accept_many([city.sign() for _ in range(500)])
    hub.accept_many([city.sign() for _ in range(10)])
    state, sizes = read_all(city)
    assert (state.next_index, sizes) == (512, [MAX_PAGE_ENTRIES, 12])


def test_50_a_page_has_at_most_one_megabyte(hub: RunningHub, city: City) -> None:
    passage = "ö" * 2390
    body = builders.practice_body(
        summary="ä" * 1190,
        lessons=passage,
        unintended_effects=passage,
        transfer_conditions=passage,
        emmie=dict.fromkeys(("effect", "mechanism", "moderators", "implementation", "economics"), passage),
    )
    bodies = [city.sign(body=body) for _ in range(40)]
    assert len(bodies[0]) > 50_000
    hub.accept_many(bodies[:20])
    hub.accept_many(bodies[20:])
    state, sizes = read_all(city)
    assert state.next_index == 42 and len(sizes) == 3 and max(sizes) < 22


def test_50_a_place_beyond_the_log_is_refused(hub: RunningHub, city: City) -> None:
    size = hub.log_size()
    assert city.read(f"/v1/feed?from={size}&seen={size}").status_code == 200
    for target in (f"/v1/feed?from={size + 1}", f"/v1/feed?from=0&seen={size + 1}", "/v1/feed?from=999999999999999"):
        check_problem(city.read(target), ProblemCode.BAD_CURSOR, 400)


def test_a_page_from_any_place_proves_that_it_continues_what_was_seen(hub: RunningHub, city: City) -> None:
    for _ in range(6):
        hub.accept_many([city.sign() for _ in range(3)])
    whole = FeedState(hub.hub.verifier)
    states = [whole]
    hub_size = hub.log_size()
    for _ in range(4):  # the log grows between the reads
        whole, _ = verify_page(whole, parse_page(city.api().feed(whole.next_index, whole.seen_size)))
        states.append(whole)
        hub.accept_many([city.sign() for _ in range(5)])
    last, _ = verify_page(whole, parse_page(city.api().feed(whole.next_index, whole.seen_size)))
    assert last.next_index == hub_size + 20
    for state in states:  # and from every place a reader may have stopped at
        assert verify_page(state, parse_page(city.api().feed(state.next_index, state.seen_size)))[0] == last


def test_the_hub_knows_how_far_each_member_has_read(hub: RunningHub, city: City) -> None:
    city.feed(0)
    city.feed(1)
    hub.clock.advance(minutes=1)
    city.feed(2, 2)
    (member,) = hub.verb("members.list")["members"]
    assert (member["read_up_to"], member["last_read_at"]) == (2, "2026-11-22T09:01:00Z")


def test_the_log_is_public_and_holds_nothing_but_leaves(hub: RunningHub, city: City) -> None:
    hub.accept(city.trend())
    size = hub.log_size()
    bundle = hub.client.get(f"/tile/entries/000.p/{size}").content
    tile = hub.client.get(f"/tile/0/000.p/{size}").content
    leaves = [item["entry"] for item in city.feed()["entries"]]
    data = b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in (canonical.encode(entry) for entry in leaves))
    assert bundle == data and len(tile) == 32 * size
    assert city.name.encode() not in bundle
    assert hub.client.get("/checkpoint").text == city.feed()["checkpoint"]
