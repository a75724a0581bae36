"""A hub's next key, announced ahead: nobody compares a fingerprint again, and nobody can be led to a false key."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from regional_hub import hub_keys, verbs
from regional_hub.app import Hub
from regional_hub.errors import HubError
from regional_hub.orm import EntryRow, SourceRow
from shared_schema.checkpoint import NoteVerifier, verify_checkpoint
from shared_schema.errors import ContractError, FeedError, VerificationError
from shared_schema.feed import FeedState, parse_page, verify_page
from shared_schema.keys import SigningKey
from shared_schema.pins import Pin
from shared_schema.problem import ProblemCode
from shared_schema.rotation import read_rotation
from shared_schema.service.control import VerbError
from shared_schema.service.key_file import NEXT_KEY_FILE, find_next_key, load_key
from shared_schema.statement import Kind
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import City, RunningHub, join, key_of
from tests.regional_hub.test_follow import put_unverified
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough


@pytest.fixture
def nation(start_hub: HubStarter) -> RunningHub:
    return start_hub("bund.de", "nation")


@pytest.fixture
def region(start_hub: HubStarter, nation: RunningHub) -> RunningHub:
    region = start_hub("sachsen.de")
    join(region, nation)
    return region


@pytest.fixture
def other_region(start_hub: HubStarter, nation: RunningHub) -> RunningHub:
    region = start_hub("nrw.de")
    join(region, nation)
    return region


def pass_days(*hubs: RunningHub, days: float) -> None:
    for hub in hubs:
        hub.clock.advance(days=days)


def change_key(hub: RunningHub) -> None:
    """Announce, activate and retire, each on its day."""
    hub.verb("keys.announce")
    hub.clock.advance(days=30)
    assert hub.verb("keys.tend")["done"] == "activate"
    hub.clock.now += hub_keys.OVERLAP
    assert hub.verb("keys.tend")["done"] == "retire"


def follow(hub: RunningHub, name: str) -> dict[str, Any]:
    (found,) = [source for source in hub.verb("follow")["sources"] if source["name"] == name]
    assert isinstance(found, dict)
    return found


def pin_of(hub: RunningHub, source: str) -> str:
    with hub.hub.database.read() as session:
        return Pin.from_texts(*_texts(session.get_one(SourceRow, source))).verifier.key.keyid


def _texts(row: SourceRow) -> tuple[str, str]:
    return row.vkey, row.former


def quarantined(*hubs: RunningHub) -> list[int]:
    return [hub.verb("status")["quarantined"] for hub in hubs]


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [0, 1, 6, -1, 731, "30"])
def test_a_key_is_announced_early_enough_and_not_for_ever(hub: RunningHub, days: object) -> None:
    size = hub.log_size()
    with pytest.raises(VerbError):
        hub.verb("keys.announce", days=days)
    assert hub.log_size() == size


def test_a_second_announcement_waits_for_the_first(hub: RunningHub) -> None:
    hub.verb("keys.announce")
    with pytest.raises(VerbError, match="no other key"):
        hub.verb("keys.announce")


def test_a_step_that_another_process_has_taken_meanwhile_is_not_taken_again(hub: RunningHub) -> None:
    stale, size = hub.hub.own_keys, hub.log_size()
    hub.verb("keys.announce")
    with pytest.raises(HubError, match="sign this log now"), hub.hub.database.write() as session:
        hub_keys.announce(
            session, stale, key_of("another"), name=hub.hub.name, level="region", area=hub.hub.area,
            notice=timedelta(days=30), actor="operator", now=hub.clock(),
        )  # fmt: skip
    announced = hub.hub.own_keys
    hub.clock.advance(days=30)
    hub.verb("keys.activate")
    with pytest.raises(HubError, match="sign this log now"), hub.hub.database.write() as session:
        hub_keys.activate(session, announced, name=hub.hub.name, actor="operator", now=hub.clock())
    assert (hub.log_size(), hub.hub.own_keys.state) == (size + 1, "activated")


def test_no_step_comes_before_its_day_or_without_the_one_before(hub: RunningHub) -> None:
    for step in ("keys.activate", "keys.retire"):
        with pytest.raises(VerbError):
            hub.verb(step)
    hub.verb("keys.announce", days=7)
    with pytest.raises(VerbError, match="as it was announced"):
        hub.verb("keys.activate")
    assert hub.verb("keys.tend") == {"done": None}
    hub.clock.advance(days=7)
    with pytest.raises(VerbError, match="activated"):
        hub.verb("keys.retire")
    assert hub.verb("keys.activate")["state"] == "activated"
    with pytest.raises(VerbError, match="expected to be asked from"):
        hub.verb("keys.retire")


def test_a_process_without_the_announced_key_signs_nothing_more(hub: RunningHub) -> None:
    with hub.another_process() as other:
        hub.verb("keys.announce")
        with pytest.raises(VerbError) as refused:
            verbs.run(other, "members.replace-key", {"name": "nobody.de"})
        assert refused.value.code == "not-found"
        city = hub.enrol("leipzig.sn.de")
        with pytest.raises(VerbError) as busy:
            verbs.run(other, "members.set", {"name": city.name, "status": "suspended"})
        assert busy.value.code == ProblemCode.BUSY.value
        other.reload_keys()
        verbs.run(other, "members.set", {"name": city.name, "status": "suspended"})
    assert hub.verb("verify")["ok"]


def test_a_hub_does_not_start_without_the_key_that_it_announced(hub: RunningHub) -> None:
    hub.verb("keys.announce")
    (hub.hub.data_dir / NEXT_KEY_FILE).rename(hub.hub.data_dir / "elsewhere")
    with pytest.raises(ContractError, match="that this log announces"), hub.another_process():
        pass


def test_a_reader_is_led_to_no_key_that_the_pinned_one_has_not_signed(hub: RunningHub) -> None:
    pinned = Pin(hub.hub.verifier)
    true = builders.rotation(hub.hub.key, key_of("next"), name=hub.hub.name).to_object()
    foreign = builders.rotation(hub.hub.key, key_of("next"), name="nrw.de").to_object()
    stranger = builders.rotation(key_of("x"), key_of("y"), name=hub.hub.name).to_object()
    assert pinned.follow_chain([foreign, stranger]) == pinned
    assert pinned.follow_chain([stranger, true]).verifier.key == key_of("next").public
    forged = true | {"signatures": [true["signatures"][0], stranger["signatures"][0]]}
    with pytest.raises(ContractError):
        pinned.follow_chain([forged])


def test_what_a_sibling_says_of_the_hub_above_moves_no_pin(
    nation: RunningHub, region: RunningHub, other_region: RunningHub
) -> None:
    """Even with a rotation that both keys have signed: a thief of the nation's key needs the nation's log as well."""
    pinned = pin_of(region, "bund.de")
    thief = key_of("thief")
    body = builders.membership_body(
        member="bund.de",
        key=base64.b64encode(thief.public.raw).decode(),
        role="parent",
        level="nation",
        rotation=builders.rotation(nation.hub.key, thief, name="bund.de").to_object(),
    )
    said = builders.signed_statement(
        Kind.MEMBERSHIP, body, key=other_region.hub.key, origin="nrw.de", seq=99, audience="europe"
    )
    put_unverified(nation, said)  # it is well signed, so an honest nation hands it on
    found = follow(region, "bund.de")
    assert "alarm" not in found and pin_of(region, "bund.de") == pinned
    known = region.hub.trust.directory.find("bund.de")
    assert known is not None and known.key == nation.hub.key.public


def test_a_feed_that_changes_its_key_without_a_word_is_an_alarm(nation: RunningHub, region: RunningHub) -> None:
    follow(nation, "sachsen.de")
    region.hub.own_keys = hub_keys.OwnKeys(key_of("stolen"), ())
    region.enrol("leipzig.sn.de")
    assert follow(nation, "sachsen.de")["alarm"] == "feed-checkpoint"
    chain = builders.rotation(key_of("x"), key_of("stolen"), name="sachsen.de")
    region.hub.own_keys = hub_keys.OwnKeys(key_of("stolen"), (chain,))
    assert follow(nation, "sachsen.de")["alarm"] == "feed-checkpoint"
    assert pin_of(nation, "sachsen.de") == key_of("sachsen.de").public.keyid


# --- one change from end to end -------------------------------------------------------------------------------------


def test_from_the_announcement_on_both_keys_sign_every_checkpoint(hub: RunningHub, city: City) -> None:
    old = hub.hub.verifier
    fingerprint = hub.verb("keys.announce")["fingerprint"]
    new = hub.hub.verifier
    assert new.key.fingerprint == fingerprint and new != old
    hub.accept(city.sign())
    for verifier in (old, new):
        assert verify_checkpoint(hub.client.get("/checkpoint").text, verifier).size == hub.log_size()
    hub.clock.advance(days=30)
    hub.verb("keys.activate")
    hub.accept(city.sign())
    for verifier in (old, new):
        verify_checkpoint(hub.client.get("/checkpoint").text, verifier)
    hub.clock.now += hub_keys.OVERLAP
    hub.verb("keys.retire")
    hub.accept(city.sign())
    verify_checkpoint(hub.client.get("/checkpoint").text, new)
    with pytest.raises(VerificationError):
        verify_checkpoint(hub.client.get("/checkpoint").text, old)
    report = hub.verb("verify")
    assert report["ok"], report


def test_the_old_key_is_erased_when_it_is_retired_and_a_restart_signs_on(hub: RunningHub, city: City) -> None:
    change_key(hub)
    key = load_key(hub.hub.data_dir)
    assert key.public == hub.hub.key.public != key_of("sachsen.de").public
    assert find_next_key(hub.hub.data_dir) is None
    restarted = Hub(hub.hub.data_dir, hub.hub.settings, key, hub.clock, hub.network)
    assert verbs.run(restarted, "members.set", {"name": city.name, "status": "suspended"})
    assert verbs.run(restarted, "verify", {})["ok"]
    restarted.close()


def test_a_crash_between_the_last_word_and_the_end_of_the_old_key_is_finished_at_the_next_start(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("regional_hub.key_verbs.promote_next_key", lambda _directory: None)
        change_key(hub)
    assert find_next_key(hub.hub.data_dir) is not None
    restarted = Hub(hub.hub.data_dir, hub.hub.settings, key_of("sachsen.de"), hub.clock, hub.network)
    assert restarted.key.public == load_key(hub.hub.data_dir).public
    assert find_next_key(hub.hub.data_dir) is None
    restarted.close()


def test_receipts_of_the_old_key_stay_valid_for_whoever_pins_the_new_one(hub: RunningHub, city: City) -> None:
    body = city.sign()
    hub.accept(body)
    announced_at = hub.log_size()
    change_key(hub)
    receipt = city.api().submit(body)
    digest = receipt.entry.digest
    identity = city.api().identity()
    pin = Pin.with_history(NoteVerifier.from_vkey(identity.vkey), identity.rotations)
    assert pin.first_key == key_of("sachsen.de").public
    with pytest.raises(VerificationError):  # where the key ended is not known before the announcement is read
        pin.verify_receipt(receipt, digest)
    (rotation,) = [read_rotation(signed) for signed in hub.hub.own_keys.rotations]
    assert pin.announced(rotation, announced_at).verify_receipt(receipt, digest).size <= announced_at
    with pytest.raises(VerificationError):
        pin.announced(rotation, receipt.index).verify_receipt(receipt, digest)


def test_the_hub_above_and_the_hub_below_move_their_pins_and_everybody_learns_the_key(
    nation: RunningHub, region: RunningHub, other_region: RunningHub
) -> None:
    author = region.enrol("leipzig.sn.de")
    hubs = (nation, region, other_region)
    region.verb("keys.announce")
    new = region.hub.verifier.key
    follow(nation, "sachsen.de")
    assert pin_of(nation, "sachsen.de") == new.keyid
    follow(other_region, "bund.de")
    known = other_region.hub.trust.directory.find("sachsen.de")
    assert known is not None and (known.key, known.vouched_by) == (new, "bund.de")
    region.accept(author.sign())
    pass_days(*hubs, days=30)
    region.verb("keys.activate")
    late = region.enrol("chemnitz.sn.de")  # vouched for with the new key
    region.accept(late.sign())
    for hub in (nation, other_region):
        hub.verb("follow")
    assert other_region.hub.trust.directory.find("chemnitz.sn.de") is not None
    assert quarantined(*hubs) == [0, 0, 0]
    assert all(hub.verb("verify")["ok"] for hub in hubs)


def test_a_withdrawal_and_an_announcement_on_one_page_both_count_for_a_hub_that_follows(
    nation: RunningHub, region: RunningHub
) -> None:
    author = region.enrol("leipzig.sn.de")
    shared = author.sign()
    region.accept(shared)
    follow(nation, "sachsen.de")
    region.accept(author.withdrawal(shared))
    region.verb("keys.announce")
    region.accept(author.sign())
    assert "alarm" not in follow(nation, "sachsen.de")
    assert pin_of(nation, "sachsen.de") == region.hub.verifier.key.keyid
    with nation.hub.database.read() as session:
        rows = session.scalars(select(EntryRow).where(EntryRow.origin == author.name, EntryRow.kind == "practice"))
        assert [row.withdrawn_by is not None for row in rows] == [True, False]
    assert (quarantined(nation), nation.verb("verify")["findings"]) == ([0], [])


def test_the_key_of_a_nation_changes_for_its_regions_and_their_cities(
    nation: RunningHub, region: RunningHub, other_region: RunningHub
) -> None:
    hubs = (nation, region, other_region)
    author = region.enrol("leipzig.sn.de")
    for hub in (nation, other_region):
        hub.verb("follow")
    nation.verb("keys.announce")
    for hub in (region, other_region):
        follow(hub, "bund.de")
        assert pin_of(hub, "bund.de") == nation.hub.verifier.key.keyid
    pass_days(*hubs, days=30)
    nation.verb("keys.activate")
    pass_days(*hubs, days=30)
    nation.verb("keys.retire")
    region.accept(author.sign())
    nation.enrol("berlin.de")
    for hub in (nation, region, other_region):
        hub.verb("follow")
    for hub in (region, other_region):
        assert hub.hub.trust.directory.find("berlin.de") is not None
    assert quarantined(*hubs) == [0, 0, 0]
    assert all(hub.verb("verify")["ok"] for hub in hubs)


def test_a_reader_that_was_away_for_a_year_finds_its_way_along_the_chain(
    nation: RunningHub, region: RunningHub
) -> None:
    author = region.enrol("leipzig.sn.de")
    follow(nation, "sachsen.de")
    for _ in range(3):
        change_key(region)
    region.accept(author.sign())
    late = region.enrol("chemnitz.sn.de")
    region.accept(late.sign())
    nation.clock.now = region.clock.now
    report = follow(nation, "sachsen.de")
    assert "alarm" not in report and report["quarantined"] == 0
    assert pin_of(nation, "sachsen.de") == region.hub.key.public.keyid
    assert nation.verb("verify")["ok"]
    again = follow(nation, "sachsen.de")
    assert (again["entries"], again.get("alarm")) == (0, None)


def test_a_hub_that_has_changed_its_key_before_is_known_with_both_from_its_first_entry_on(
    start_hub: HubStarter, nation: RunningHub
) -> None:
    region = start_hub("sachsen.de")
    author = region.enrol("leipzig.sn.de")
    region.accept(author.sign())
    change_key(region)
    nation.clock.now = region.clock.now
    change_key(nation)
    region.clock.now = nation.clock.now
    join(region, nation)
    region.accept(author.sign())
    for hub in (nation, region):
        hub.verb("follow")
    assert nation.hub.trust.directory.find("leipzig.sn.de") is not None
    assert quarantined(nation, region) == [0, 0]
    assert all(hub.verb("verify")["ok"] for hub in (nation, region))


def test_a_new_reader_pins_the_newest_key_and_reads_from_the_first_entry(hub: RunningHub, city: City) -> None:
    change_key(hub)
    page = parse_page(city.api().feed(0, 0))
    state, items = verify_page(FeedState(hub.hub.verifier), page)
    assert state.next_index == len(items) == hub.log_size()
    with pytest.raises(FeedError):
        verify_page(FeedState(NoteVerifier("sachsen.de", SigningKey.from_seed(b"x" * 32).public)), page)


def test_the_overlap_is_longer_than_a_node_is_usually_away() -> None:
    assert hub_keys.OVERLAP >= timedelta(days=30) > hub_keys.LEAST_NOTICE
