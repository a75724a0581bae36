"""A member's key is rotated, replaced, revoked; a member leaves. Whatever is wrong changes nothing.

Lines 31 and 32 of CHECKS.md are in `test_checks_c_signatures.py`, a node's part is in `tests/federation/test_keys.py`.
"""

import base64
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from regional_hub.member_keys import OVERLAP
from regional_hub.orm import EnrolmentCodeRow, EnrolmentRow, EntryRow, RelayItemRow
from shared_schema.departure import LEAVE_KIND
from shared_schema.directory import KeyState
from shared_schema.governance import MembershipBody
from shared_schema.keys import MemberRole, MemberStatus, SigningKey
from shared_schema.problem import ProblemCode
from shared_schema.rotation import verify_rotation
from shared_schema.service.control import VerbError
from shared_schema.statement import Kind
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import SAXONY, City, RunningHub, check_problem, enrolment, join, key_of
from tests.regional_hub.test_follow import put_unverified
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough

NEW = key_of("new.leipzig.sn.de")
ROTATIONS, LEAVE = "/v1/rotations", "/v1/leave"


def states(hub: RunningHub, name: str) -> list[KeyState]:
    return [known.state for known in hub.hub.trust.directory.keys_of(name)]


def last_membership(reader: City) -> MembershipBody:
    envelopes = [item["envelope"] for item in reader.feed()["entries"] if item["entry"]["kind"] == "membership"]
    payload = json.loads(base64.b64decode(envelopes[-1]["payload"]))
    return MembershipBody.from_object(payload["body"])


def leave_request(city: City, **changes: object) -> bytes:
    fields = {"v": 1, "hub": city.hub.hub.name, "name": city.name, "made_at": builders.NOW_TEXT, "nonce": "A" * 22}
    return builders.signed(builders.raw_json(fields | changes), LEAVE_KIND, city.key)


# --- rotation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signed", "code"),
    [
        (lambda city: builders.rotation(key_of("x"), NEW, name=city.name), ProblemCode.UNKNOWN_KEY),
        (lambda city: builders.rotation(city.key, NEW, name="dresden.sn.de"), ProblemCode.WRONG_ORIGIN),
        (lambda city: builders.rotation(city.key, key_of("dresden.sn.de"), name=city.name), ProblemCode.NAME_TAKEN),
        (lambda city: builders.rotation(city.key, key_of("sachsen.de"), name=city.name), ProblemCode.NAME_TAKEN),
    ],
    ids=["of nobody", "of another member", "to a member's key", "to the hub's key"],
)
def test_a_rotation_that_may_not_be_is_refused(
    hub: RunningHub, city: City, signed: Callable[[City], Any], code: ProblemCode
) -> None:
    hub.enrol("dresden.sn.de")
    size = hub.log_size()
    check_problem(hub.post(signed(city).to_bytes(), ROTATIONS), code)
    assert (hub.log_size(), states(hub, city.name)) == (size, [KeyState.CURRENT])
    hub.accept(city.sign())


def test_what_is_no_rotation_is_refused(hub: RunningHub, city: City) -> None:
    value = builders.rotation(city.key, NEW, name=city.name).to_object()
    check_problem(hub.post(city.sign(), ROTATIONS), ProblemCode.SCHEMA)
    check_problem(hub.post(json.dumps(value | {"signatures": []}).encode(), ROTATIONS), ProblemCode.NO_SIGNATURE)
    one = value | {"signatures": value["signatures"][:1]}
    check_problem(hub.post(json.dumps(one).encode(), ROTATIONS), ProblemCode.SCHEMA)
    twisted = [entry | {"sig": base64.b64encode(bytes(64)).decode()} for entry in value["signatures"]]
    check_problem(hub.post(json.dumps(value | {"signatures": twisted}).encode(), ROTATIONS), ProblemCode.BAD_SIGNATURE)
    check_problem(hub.post(b"{}" * 4000, ROTATIONS), ProblemCode.TOO_LARGE)
    check_problem(hub.post(json.dumps(value).encode()), ProblemCode.SCHEMA)  # nor is it a statement


def test_a_hub_that_is_a_member_announces_its_key_and_does_not_rotate_it_here(
    start_hub: HubStarter, hub: RunningHub
) -> None:
    nation = start_hub("bund.de", "nation")
    join(hub, nation)
    as_city = City(hub.hub.name, hub.hub.key, nation)
    check_problem(nation.rotate(as_city, NEW), ProblemCode.KIND_NOT_ALLOWED)


def test_everybody_can_see_that_the_member_itself_has_asked(hub: RunningHub, city: City) -> None:
    old, reader = city.key, hub.enrol("dresden.sn.de")
    assert hub.rotate(city, NEW).status_code == 201
    body = last_membership(reader)
    assert body.public_key == NEW.public and body.signed_rotation is not None
    assert verify_rotation(body.signed_rotation, name=city.name, old_key=old.public).new == NEW.public
    assert body.former_until == "2026-12-22T09:00:00Z"
    assert hub.verb("verify")["ok"]


def test_a_rotation_sent_again_has_the_effect_of_once_and_one_that_is_over_has_none(
    hub: RunningHub, city: City
) -> None:
    first = builders.rotation(city.key, NEW, name=city.name)
    second = builders.rotation(NEW, key_of("third"), name=city.name)
    assert hub.post(first.to_bytes(), ROTATIONS).status_code == 201
    size = hub.log_size()
    assert hub.post(first.to_bytes(), ROTATIONS).status_code == 200
    assert hub.log_size() == size
    assert hub.post(second.to_bytes(), ROTATIONS).status_code == 201
    check_problem(hub.post(first.to_bytes(), ROTATIONS), ProblemCode.KEY_NOT_VALID)
    fork = builders.rotation(city.key, key_of("fourth"), name=city.name)
    check_problem(hub.post(fork.to_bytes(), ROTATIONS), ProblemCode.KEY_NOT_VALID)
    assert states(hub, city.name) == [KeyState.ROTATED, KeyState.ROTATED, KeyState.CURRENT]


@pytest.mark.sqlite_is_enough(False)
def test_two_rotations_at_once_make_one_entry(hub: RunningHub, city: City) -> None:
    bodies = [builders.rotation(city.key, key_of(f"new {number}"), name=city.name).to_bytes() for number in range(4)]
    size, answers = hub.log_size(), []
    threads = [
        threading.Thread(target=lambda body=body: answers.append(hub.post(body, ROTATIONS).status_code))
        for body in bodies
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [201, 401, 401, 401]
    assert hub.log_size() == size + 1


def test_numbers_go_on_with_the_new_key(hub: RunningHub, city: City) -> None:
    hub.accept(city.sign(seq=5))
    hub.rotate(city, NEW)
    assert city.read("/v1/members/me").json()["highest_seq"] == 5
    check_problem(hub.post(city.sign(seq=5)), ProblemCode.SEQ_CONFLICT)
    check_problem(hub.post(city.sign(seq=4)), ProblemCode.SEQ_TOO_LOW)
    hub.accept(city.sign(seq=6))


# --- replacement ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nobody.sn.de", "sachsen.de", "", "../x"])
def test_a_code_for_a_new_key_is_made_for_members_only(hub: RunningHub, name: str) -> None:
    with pytest.raises(VerbError) as refused:
        hub.verb("members.replace-key", name=name)
    assert refused.value.code == "not-found"


def test_a_hub_whose_key_is_lost_begins_a_new_log(start_hub: HubStarter, hub: RunningHub) -> None:
    nation = start_hub("bund.de", "nation")
    join(hub, nation)
    with pytest.raises(VerbError, match="announce") as refused:
        nation.verb("members.replace-key", name=hub.hub.name)
    assert refused.value.code == "kind-not-allowed"


def test_a_code_for_a_new_member_does_not_replace_a_key_and_the_reverse(hub: RunningHub, city: City) -> None:
    for_new = hub.verb("enrol.code", name=city.name)["code"]
    check_problem(hub.post(enrolment(city.name, NEW, for_new), "/v1/enrolments"), ProblemCode.NAME_TAKEN)
    code = hub.verb("members.replace-key", name=city.name)["code"]
    check_problem(hub.post(enrolment("dresden.sn.de", NEW, code), "/v1/enrolments"), ProblemCode.ENROLMENT_CODE)
    as_hub = enrolment(city.name, NEW, code, role=MemberRole.HUB, level="region", area=SAXONY, url="https://x.example")
    check_problem(hub.post(as_hub, "/v1/enrolments"), ProblemCode.KIND_NOT_ALLOWED)
    assert states(hub, city.name) == [KeyState.CURRENT]


def test_a_key_that_somebody_has_or_had_is_not_given(hub: RunningHub, city: City) -> None:
    former, other = city.key, hub.enrol("dresden.sn.de")
    hub.rotate(city, NEW)
    code = hub.verb("members.replace-key", name=city.name)["code"]
    check_problem(hub.post(enrolment(city.name, other.key, code), "/v1/enrolments"), ProblemCode.NAME_TAKEN)
    assert hub.post(enrolment(city.name, former, code), "/v1/enrolments").status_code == 202
    with pytest.raises(VerbError) as refused:
        hub.verb("enrol.approve", name=city.name, fingerprint=former.public.fingerprint)
    assert refused.value.code == "name-taken"
    assert states(hub, city.name) == [KeyState.ROTATED, KeyState.CURRENT]


# --- seen by the operator -------------------------------------------------------------------------------------------


def test_the_history_of_a_member_tells_every_key_and_every_word(hub: RunningHub, city: City) -> None:
    keys = [city.key, NEW, key_of("third"), key_of("fourth")]
    hub.rotate(city, keys[1])
    hub.rotate(city, keys[2])
    hub.verb("members.revoke", name=city.name, key=keys[0].public.keyid[:8])
    hub.replace(city, keys[3])
    history = hub.verb("members.history", name=city.name)
    assert [row["keyid"] for row in history["keys"]] == [key.public.keyid for key in keys]
    assert [row["state"] for row in history["keys"]] == [
        "revoked at entry 4", "replaced at entry 5", "replaced at entry 5", "current",
    ]  # fmt: skip
    assert [(event["entry"], event["rotation"], len(event["revoked_keys"])) for event in history["events"]] == [
        (1, False, 0), (2, True, 0), (3, True, 0), (4, False, 1), (5, False, 0),
    ]  # fmt: skip
    (row,) = hub.verb("members.list")["members"]
    assert len(row["former_keys"]) == 3 and row["keyid"] == keys[3].public.keyid


def test_the_list_says_until_when_a_rotated_key_is_taken(hub: RunningHub, city: City) -> None:
    hub.rotate(city, NEW)
    (row,) = hub.verb("members.list")["members"]
    assert row["former_keys"][0].endswith("rotated, taken until 2026-12-22T09:00:00Z")
    hub.clock.advance(days=30)
    (row,) = hub.verb("members.list")["members"]
    assert row["former_keys"][0].endswith("not taken any more")


@pytest.mark.parametrize("key", ["", "abc", "0" * 64])
def test_a_key_to_revoke_must_be_one_of_the_members(hub: RunningHub, city: City, key: str) -> None:
    hub.rotate(city, NEW)
    with pytest.raises(VerbError) as refused:
        hub.verb("members.revoke", name=city.name, key=key)
    assert refused.value.code == "not-found"
    with pytest.raises(VerbError) as current:
        hub.verb("members.revoke", name=city.name, key=NEW.public.keyid)
    assert current.value.code == "key-not-valid"


# --- leaving --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"hub": "nrw.de"}, ProblemCode.WRONG_ORIGIN),
        ({"name": "dresden.sn.de"}, ProblemCode.WRONG_ORIGIN),
        ({"v": 2}, ProblemCode.SCHEMA),
        ({"more": 1}, ProblemCode.SCHEMA),
    ],
)
def test_nobody_is_sent_away_by_somebody_else(
    hub: RunningHub, city: City, changes: dict[str, object], code: ProblemCode
) -> None:
    hub.enrol("dresden.sn.de")
    check_problem(hub.post(leave_request(city, **changes), LEAVE), code)
    check_problem(hub.post(city.sign(seq=1), LEAVE), ProblemCode.KIND_MISMATCH)
    stranger = City(city.name, key_of("x"), hub)
    check_problem(hub.post(leave_request(stranger), LEAVE), ProblemCode.UNKNOWN_KEY)
    assert states(hub, city.name) == [KeyState.CURRENT]


def test_who_leaves_is_a_member_no_more_and_what_was_kept_beside_the_log_is_gone(hub: RunningHub, city: City) -> None:
    hub.enrol("dresden.sn.de")
    hub.accept(city.sign())
    city.feed()
    hub.post(city.confide(), "/v1/relay")
    request = leave_request(city)
    response = hub.post(request, LEAVE)
    assert response.status_code == 200
    assert response.json() == {
        "state": "left", "erased_codes": 1, "erased_requests": 1, "erased_relay_links": 1, "erased_source": 0,
        "kept_entries": 1,
    }  # fmt: skip
    with hub.hub.database.read() as session:
        assert not session.scalars(select(EnrolmentRow).where(EnrolmentRow.name == city.name)).all()
        assert not session.scalars(select(EnrolmentCodeRow).where(EnrolmentCodeRow.name == city.name)).all()
        assert not session.scalars(select(RelayItemRow)).all()
    check_problem(hub.post(city.sign()), ProblemCode.KEY_NOT_VALID)
    check_problem(city.read("/v1/feed?from=0"), ProblemCode.KEY_NOT_VALID)
    size = hub.log_size()
    assert hub.post(request, LEAVE).json() == {"state": "left"}  # the answer was lost, and it is sent again
    assert hub.log_size() == size and hub.verb("verify")["ok"]


def test_a_suspended_member_may_leave_and_a_revoked_one_has_nothing_to_say(hub: RunningHub, city: City) -> None:
    other = hub.enrol("dresden.sn.de")
    hub.verb("members.set", name=city.name, status="suspended")
    assert hub.post(leave_request(city), LEAVE).status_code == 200
    hub.verb("members.revoke", name=other.name)
    check_problem(hub.post(leave_request(other), LEAVE), ProblemCode.KEY_NOT_VALID)


@pytest.mark.sqlite_is_enough(False)
@pytest.mark.parametrize("status", [status.value for status in MemberStatus])
def test_no_word_about_a_member_is_formed_before_the_log_is_locked(hub: RunningHub, city: City, status: str) -> None:
    """Or another process appends a rotation in between, and the word names a key that is not the member's any more."""
    said: list[str] = []

    def listen(*args: Any) -> None:
        said.append(str(args[2]).lower())

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        hub.verb("members.set", name=city.name, status=status)
    finally:
        event.remove(Engine, "before_cursor_execute", listen)
    locked = next(place for place, text in enumerate(said) if "log_head" in text)
    named = [place for place, text in enumerate(said) if "from members" in text and "where members.name" in text]
    assert named and locked < named[0]


# --- trust across levels --------------------------------------------------------------------------------------------


@pytest.fixture
def nation(start_hub: HubStarter) -> RunningHub:
    return start_hub("bund.de", "nation")


@pytest.fixture
def region(start_hub: HubStarter, nation: RunningHub) -> RunningHub:
    hub = start_hub("sachsen.de")
    join(hub, nation)
    return hub


@pytest.fixture
def other_region(start_hub: HubStarter, nation: RunningHub) -> RunningHub:
    hub = start_hub("nrw.de")
    join(hub, nation)
    return hub


def say(hub: RunningHub, name: str, key: SigningKey, **changes: object) -> None:
    """A hub's word about somebody that no verb of an honest hub would say."""
    with hub.hub.database.read() as session:
        seqs = session.scalars(select(EntryRow.seq).where(EntryRow.origin == hub.hub.name)).all()
    body = builders.membership_body(member=name, key=base64.b64encode(key.public.raw).decode(), **changes)
    put_unverified(
        hub,
        builders.signed_statement(
            Kind.MEMBERSHIP, body, key=hub.hub.key, origin=hub.hub.name, seq=max(seqs) + 1, audience="europe"
        ),
    )
    hub.hub.reload_trust()


def practices(hub: RunningHub) -> int:
    return int(hub.verb("status")["kinds"].get("practice", 0))


def test_a_rotated_key_is_believed_across_a_nation_before_and_after(
    nation: RunningHub, region: RunningHub, other_region: RunningHub
) -> None:
    author = region.enrol("leipzig.sn.de")
    former = City(author.name, author.key, region)
    region.rotate(author, NEW)
    region.accept(former.sign(seq=1))  # it waited in the outbox
    region.accept(author.sign(seq=2))
    for hub in (nation, other_region):
        hub.verb("follow")
    assert [practices(hub) for hub in (nation, other_region)] == [2, 2]
    assert states(other_region, author.name) == [KeyState.ROTATED, KeyState.CURRENT]
    assert all(hub.verb("verify")["ok"] for hub in (nation, region, other_region))


def test_a_hub_that_swaps_a_citys_key_with_an_old_rotation_is_not_believed(
    nation: RunningHub, region: RunningHub
) -> None:
    author = region.enrol("leipzig.sn.de")
    true = builders.rotation(author.key, NEW, name=author.name)
    region.rotate(author, NEW)
    nation.verb("follow")
    say(region, author.name, key_of("the hub's own"), rotation=true.to_object())
    nation.verb("follow")
    known = nation.hub.trust.directory.find(author.name)
    assert known is not None and known.key == NEW.public


def test_a_rotated_key_whose_time_is_over_counts_nowhere_even_if_another_hub_logs_what_it_signs(
    nation: RunningHub, region: RunningHub, other_region: RunningHub
) -> None:
    author = region.enrol("leipzig.sn.de")
    thief = City(author.name, author.key, other_region)
    region.rotate(author, NEW)
    region.accept(City(author.name, thief.key, region).sign(seq=1))  # it waited in the outbox
    nation.verb("follow")
    size = region.log_size()
    region.verb("keys.tend")
    assert region.log_size() == size  # not before its day
    for hub in (nation, region, other_region):
        hub.clock.now += OVERLAP
    region.verb("keys.tend")
    region.verb("keys.tend")  # once
    assert (region.log_size(), states(region, author.name)) == (size + 1, [KeyState.REVOKED, KeyState.CURRENT])
    for hub in (nation, other_region):
        hub.verb("follow")
    put_unverified(other_region, thief.sign(seq=99))
    region.accept(author.sign(seq=2))
    for hub in (nation, other_region):
        hub.verb("follow")
    assert [practices(hub) for hub in (nation, region)] == [2, 2]
    assert nation.verb("status")["quarantined"] == 1
    assert all(hub.verb("verify")["ok"] for hub in (nation, region))


def test_a_region_that_was_revoked_takes_its_cities_along_and_what_they_said_before_stays(
    nation: RunningHub, region: RunningHub, other_region: RunningHub
) -> None:
    author = region.enrol("leipzig.sn.de")
    region.accept(author.sign())
    for hub in (nation, other_region):
        hub.verb("follow")
    nation.verb("members.revoke", name="sachsen.de")
    region.accept(author.sign())  # at home it goes on
    assert [source["name"] for source in nation.verb("follow")["sources"]] == ["nrw.de"]
    put_unverified(nation, author.sign())  # and even if the nation's log had it
    other_region.verb("follow")
    assert practices(other_region) == 1
    assert states(other_region, author.name) == [KeyState.CUT_OFF]
    assert other_region.verb("status")["quarantined"] == 1
    assert other_region.verb("verify")["ok"]


def test_a_region_that_was_suspended_is_read_on_from_the_same_place_later(
    nation: RunningHub, region: RunningHub, other_region: RunningHub
) -> None:
    author = region.enrol("leipzig.sn.de")
    nation.verb("follow")
    nation.verb("members.set", name="sachsen.de", status="suspended")
    region.accept(author.sign())
    for hub in (nation, other_region):
        hub.verb("follow")
    assert (practices(nation), nation.verb("status")["quarantined"]) == (0, 0)
    nation.verb("members.set", name="sachsen.de", status="active")
    for hub in (nation, other_region):
        hub.verb("follow")
    assert [practices(hub) for hub in (nation, other_region)] == [1, 1]


def test_nobody_takes_a_city_from_the_region_that_vouched_for_it(
    nation: RunningHub, region: RunningHub, other_region: RunningHub
) -> None:
    author, impostor = region.enrol("leipzig.sn.de"), key_of("impostor")
    for hub in (nation, other_region):
        hub.verb("follow")
    say(nation, author.name, impostor)
    say(other_region, author.name, impostor)
    put_unverified(other_region, City(author.name, impostor, other_region).sign(seq=1))
    for hub in (nation, region, other_region):
        hub.verb("follow")
    for hub in (nation, region, other_region):
        known = hub.hub.trust.directory.find(author.name)
        assert known is not None and (known.key, known.vouched_by) == (author.key.public, "sachsen.de")
    assert (practices(nation), practices(region)) == (0, 0)


def test_a_city_can_be_enrolled_elsewhere_only_after_it_has_left(
    nation: RunningHub, region: RunningHub, other_region: RunningHub
) -> None:
    author = region.enrol("leipzig.sn.de")
    for hub in (nation, other_region):
        hub.verb("follow")
    code = other_region.verb("enrol.code", name=author.name)["code"]
    assert other_region.post(enrolment(author.name, NEW, code), "/v1/enrolments").status_code == 202
    with pytest.raises(VerbError) as taken:
        other_region.verb("enrol.approve", name=author.name, fingerprint=NEW.public.fingerprint)
    assert taken.value.code == "name-taken"
    assert region.post(leave_request(author), LEAVE).status_code == 200
    for hub in (nation, other_region):
        hub.verb("follow")
    other_region.verb("enrol.approve", name=author.name, fingerprint=NEW.public.fingerprint)
    other_region.accept(City(author.name, NEW, other_region, seq=10).sign())
    for hub in (nation, region):
        hub.verb("follow")
    assert practices(region) == 1
    assert region.verb("verify")["ok"]
    code = region.verb("members.replace-key", name=author.name)["code"]
    back, size = key_of("back.leipzig.sn.de"), region.log_size()
    assert region.post(enrolment(author.name, back, code), "/v1/enrolments").status_code == 202
    with pytest.raises(VerbError, match="no other hub"):
        region.verb("enrol.approve", name=author.name, fingerprint=back.public.fingerprint)
    assert region.log_size() == size


def test_hubs_that_vouch_for_each_other_in_a_ring_give_nobody_authority(
    nation: RunningHub, region: RunningHub, other_region: RunningHub
) -> None:
    say(region, "nrw.de", key_of("ring"), role="hub", level="region")
    say(other_region, "sachsen.de", key_of("ring too"), role="hub", level="region")
    for hub in (nation, region, other_region, nation):
        hub.verb("follow")
    for name in ("nrw.de", "sachsen.de"):
        known = nation.hub.trust.directory.find(name)
        assert known is not None and (known.key, known.vouched_by) == (key_of(name).public, "bund.de")
    assert nation.hub.trust.directory.find_key(key_of("ring").public.keyid) is None
