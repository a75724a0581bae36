"""A city's key is changed, lost, stolen, while statements wait: a real node with a real hub (CHECKS 51 and 72)."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from local_node import hub_client, inbox, outbox, own_keys, verbs, withdrawals
from local_node.app import Node
from local_node.inbox import InboxState
from local_node.outbox import OutboxState
from local_node.settings import load_settings, write_settings
from regional_hub import hub_keys, log
from regional_hub.orm import EntryRow
from shared_schema.directory import Directory, KeyState
from shared_schema.envelope import VerifiedEnvelope, parse_envelope
from shared_schema.keys import Member, MemberRole, MemberStatus, SigningKey
from shared_schema.service.control import VerbError
from shared_schema.service.key_file import KEY_FILE, NEXT_KEY_FILE, load_key, write_key
from shared_schema.statement import Kind, read_statement
from tests.regional_hub.running import City, EventLoop, Network, RunningHub, join, key_of

CITY = "leipzig.sn.de"
PRACTICE = Path(__file__).parents[2] / "deploy/demo/practices/leipzig_2_faith_round_table_on_call.json"


@dataclass
class Federation:
    """A hub, and a city's node that is its member."""

    hub: RunningHub
    node: Node
    place: Path

    def sync(self) -> dict[str, Any]:
        return verbs.run(self.node, "sync", {})

    def restart(self) -> None:
        self.node.close()
        self.node = open_node(self.place, self.hub)

    def approve(self) -> None:
        """Two people agree to a practice; the next round signs it."""
        shown = verbs.run(self.node, "release.practice", {"file": str(PRACTICE), "by": "anna"})
        accept = {str(finding["number"]): "a public office" for finding in shown["findings"]}
        verbs.run(self.node, "release.approve", {"request": shown["request"], "by": "ben", "accept": accept})

    def sign_without_network(self) -> None:
        """Two people agree and it is signed, but the line is cut: it waits."""
        self.approve()
        app = self.hub.network.apps.pop(self.hub.url)
        assert self.sync()["signed"] == 1
        self.hub.network.apps[self.hub.url] = app

    def outbox(self) -> list[tuple[int, OutboxState, str | None]]:
        with self.node.database.read() as session:
            return [(row.seq, row.state, row.reason) for row in outbox.list_rows(session)][::-1]

    def practices(self) -> int:
        return int(self.hub.verb("status")["kinds"].get("practice", 0))

    def states(self) -> list[KeyState]:
        return [known.state for known in self.hub.hub.trust.directory.keys_of(CITY)]

    def replace(self) -> str:
        """The ceremony for a new key; returns the fingerprint that the node reads out."""
        code = self.hub.verb("members.replace-key", name=CITY)["code"]
        shown = verbs.run(self.node, "keys.replace", {"hub": self.hub.hub.name, "code": code})
        return str(shown["fingerprint"])


def put_unchecked(hub: RunningHub, body: bytes, key: SigningKey) -> None:
    """Log a statement past the intake, as a hub would that somebody else has taken over."""
    verified = read_statement(VerifiedEnvelope(parse_envelope(body), key.public))
    with hub.hub.database.write() as session:
        head = log.get_head(session, for_append=True)
        log.append(session, [log.Arrival(verified)], name=hub.hub.name, key=hub.hub.key, head=head, now=hub.clock())


def open_node(place: Path, hub: RunningHub) -> Node:
    return Node(place, load_settings(place), load_key(place), hub.clock, hub.network)


def make_node(place: Path, hub: RunningHub, name: str = CITY) -> Node:
    place.mkdir()
    settings: dict[str, str | int] = {"name": name, "display_name": "Leipzig", "area_code": "14713000"}
    write_settings(place, settings | {"port": 8600, "sync_interval_seconds": 0})
    write_key(place, key_of(name))
    node = open_node(place, hub)
    for person, role in (("anna", "coordinator"), ("ben", "reviewer")):
        verbs.run(node, "people.add", {"id": person, "role": role})
    verbs.run(node, "hub.add", {"url": hub.url, "fingerprint": hub.hub.verifier.key.fingerprint})
    hub.enrol(name, area=node.area)
    verbs.run(node, "sync", {})
    return node


@pytest.fixture
def network() -> Iterator[Network]:
    with EventLoop() as loop:
        yield Network(loop)


@pytest.fixture
def federation(network: Network, tmp_path: Path) -> Iterator[Federation]:
    with ExitStack() as stack:
        hub = stack.enter_context(RunningHub.start(network, network._loop, tmp_path / "hub"))
        made = Federation(hub, make_node(tmp_path / "node", hub), tmp_path / "node")
        yield made
        made.node.close()


# --- rotated --------------------------------------------------------------------------------------------------------


def test_72_what_waits_when_the_key_is_rotated_is_delivered_as_it_was_signed(federation: Federation) -> None:
    federation.sign_without_network()
    old = federation.node.key.public
    result = verbs.run(federation.node, "keys.rotate", {})
    assert (result["state"], result["problems"]) == ("changed", [])
    new = federation.node.key.public
    assert new != old and load_key(federation.place).public == new
    assert not (federation.place / NEXT_KEY_FILE).exists()
    assert federation.outbox() == [(1, OutboxState.DELIVERED, None)]
    federation.approve()
    assert federation.sync()["pushed"] == 1
    assert (federation.practices(), federation.states()) == (2, [KeyState.ROTATED, KeyState.CURRENT])
    federation.restart()
    assert federation.sync()["problems"] == []


def test_72_what_waits_longer_than_a_rotated_key_is_taken_is_signed_again(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    federation.sign_without_network()
    with monkeypatch.context() as patch:
        patch.setattr(federation.node.rounds, "_send", lambda *_: None)  # the node is switched off at that moment
        assert verbs.run(federation.node, "keys.rotate", {})["state"] == "changed"
    federation.hub.clock.advance(days=31)
    federation.sync()
    assert [state for _, state, _ in federation.outbox()] == [OutboxState.WAITING]
    federation.hub.verb("keys.tend")
    assert federation.sync()["problems"] == []
    assert federation.outbox() == [(2, OutboxState.DELIVERED, None)]
    assert federation.states() == [KeyState.REVOKED, KeyState.CURRENT]


def test_a_hub_that_is_away_gets_the_rotation_later_and_the_old_key_stays_in_use_until_then(
    federation: Federation,
) -> None:
    old = federation.node.key.public
    app = federation.hub.network.apps.pop(federation.hub.url)
    assert verbs.run(federation.node, "keys.rotate", {})["state"] == "under way"
    assert federation.node.key.public == old
    with pytest.raises(VerbError, match="under way"):
        verbs.run(federation.node, "keys.rotate", {})
    federation.restart()
    federation.hub.network.apps[federation.hub.url] = app
    assert federation.sync()["problems"] == []
    assert federation.node.key.public != old
    assert verbs.run(federation.node, "keys.status", {})["change"] is None


def test_a_hub_that_is_away_for_longer_than_the_old_key_is_taken_keeps_nobody_from_the_others(
    federation: Federation, network: Network, tmp_path: Path
) -> None:
    with RunningHub.start(network, network._loop, tmp_path / "away", name="nrw.de", port=8701) as away:
        verbs.run(federation.node, "hub.add", {"url": away.url, "fingerprint": away.hub.verifier.key.fingerprint})
        away.enrol(CITY, area=federation.node.area)
        federation.sync()
        old, app = federation.node.key.public, network.apps.pop(away.url)
        assert verbs.run(federation.node, "keys.rotate", {})["state"] == "under way"
        federation.hub.clock.advance(days=31)
        federation.hub.verb("keys.tend")
        federation.approve()
        assert federation.sync()["problems"] == [{"hub": "nrw.de", "problem": "unreachable"}]
        assert federation.node.key.public != old
        assert verbs.run(federation.node, "keys.status", {})["change"] is None
        assert federation.sync()["problems"] == [{"hub": "nrw.de", "problem": "unreachable"}]
        assert federation.practices() == 1
        network.apps[away.url] = app


def test_a_crash_before_the_new_file_is_in_its_place_is_finished_at_the_next_start(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(federation.node.ring, "promote", lambda: None)
        verbs.run(federation.node, "keys.rotate", {})
    old = federation.node.key.public
    federation.restart()
    assert federation.node.key.public != old
    federation.approve()
    assert federation.sync()["pushed"] == 1


def test_a_suspended_city_cannot_rotate_and_everything_goes_on_when_it_is_active_again(
    federation: Federation,
) -> None:
    federation.sign_without_network()
    federation.hub.verb("members.set", name=CITY, status="suspended")
    result = verbs.run(federation.node, "keys.rotate", {})
    assert result["state"] == "under way"
    assert {problem["problem"] for problem in result["problems"]} <= {"member-not-active", "not-accepted"}
    assert federation.outbox() == [(1, OutboxState.WAITING, "member-not-active")]
    federation.hub.verb("members.set", name=CITY, status="active")
    assert federation.sync()["pushed"] == 1
    assert federation.states() == [KeyState.ROTATED, KeyState.CURRENT]


# --- lost and stolen ------------------------------------------------------------------------------------------------


def test_72_what_waits_when_the_key_is_revoked_is_refused_and_not_lost(federation: Federation) -> None:
    federation.approve()
    federation.sync()
    for _ in range(2):
        federation.sign_without_network()
    federation.hub.verb("members.revoke", name=CITY)
    federation.sync()
    assert [state for _, state, _ in federation.outbox()][1:] == [OutboxState.WAITING] * 2
    assert federation.practices() == 1
    fingerprint = federation.replace()
    federation.hub.verb("enrol.approve", name=CITY, fingerprint=fingerprint)
    federation.sync()
    assert federation.node.key.public.fingerprint == fingerprint
    assert [state for _, state, _ in federation.outbox()] == [OutboxState.DELIVERED] * 3
    assert [seq for seq, _, _ in federation.outbox()] == [1, 4, 5]  # two and three were signed with the stolen key
    assert federation.practices() == 3
    with federation.node.database.read() as session:
        items = inbox.list_items(session)
    assert {item.state for item in items} == {InboxState.ACCEPTED}
    assert federation.hub.verb("verify")["ok"]


def take_back(federation: Federation, digest: str) -> None:
    verbs.run(federation.node, "withdraw", {"digest": digest, "by": "anna", "reason": "consent"})


def test_what_was_taken_back_while_it_was_on_its_way_is_not_signed_again(federation: Federation) -> None:
    federation.sign_without_network()
    federation.sign_without_network()
    node, now = federation.node, federation.hub.clock()
    with node.database.write() as session:
        item = outbox.claim_next(session, federation.hub.hub.name, now, patient=False)
    assert item is not None
    take_back(federation, item.digest)  # its row is in `sending`, and has no bytes any more
    with node.database.read() as session:
        assert outbox.waits_with_another_key(session, "0" * 64)  # the other one
    with node.database.write() as session:
        directory = Directory(federation.hub.hub.name, federation.hub.hub.key.public)
        for word in (key_of(CITY), key_of("new")):
            member = Member(CITY, MemberRole.NODE, word.public, MemberStatus.ACTIVE, vouched_by=directory.root)
            directory.apply(signer=directory.root, member=member, position=0)
        again = own_keys.sign_again(
            session, directory, name=CITY, key=key_of("new"), highest_seq=9, nonces=iter("abcd"), now=now
        )
        assert again == 1
        outbox.put_back(session, item, "unreachable", now)
    assert OutboxState.WITHDRAWN in [state for _, state, _ in federation.outbox()]


def test_a_withdrawal_that_waits_is_signed_again_and_still_known_as_the_one_of_its_item(federation: Federation) -> None:
    federation.approve()
    federation.sync()
    with federation.node.database.read() as session:
        (shared,) = outbox.list_rows(session)
    app = federation.hub.network.apps.pop(federation.hub.url)
    take_back(federation, shared.digest)
    assert federation.sync()["signed"] == 1
    federation.hub.network.apps[federation.hub.url] = app
    federation.hub.verb("members.revoke", name=CITY)
    federation.hub.verb("enrol.approve", name=CITY, fingerprint=federation.replace())
    federation.sync()
    assert [state for _, state, _ in federation.outbox()] == [OutboxState.DELIVERED] * 2
    with federation.node.database.read() as session:
        (asked,) = withdrawals.list_own(session)
        assert asked.digest == outbox.list_rows(session)[0].digest
    assert federation.hub.verb("verify")["ok"]


def test_a_thief_that_used_higher_numbers_does_not_keep_the_city_from_speaking(federation: Federation) -> None:
    federation.sign_without_network()
    federation.hub.accept(City(CITY, key_of(CITY), federation.hub).sign(seq=70))
    federation.hub.verb("members.revoke", name=CITY)
    federation.hub.verb("enrol.approve", name=CITY, fingerprint=federation.replace())
    federation.sync()
    assert federation.outbox()[-1] == (71, OutboxState.DELIVERED, None)


def test_51_a_new_key_is_given_only_with_the_fingerprint_typed_in(federation: Federation) -> None:
    fingerprint, old = federation.replace(), federation.node.key.public
    size = federation.hub.log_size()
    for typed in (old.fingerprint, "0" * 40, ""):
        with pytest.raises(VerbError, match="nobody was enrolled"):
            federation.hub.verb("enrol.approve", name=CITY, fingerprint=typed)
    assert federation.hub.log_size() == size
    assert federation.sync()["problems"] == []  # the old key is in use still
    assert federation.node.key.public == old
    federation.hub.verb("enrol.approve", name=CITY, fingerprint=fingerprint)
    federation.sync()
    assert federation.states() == [KeyState.REPLACED, KeyState.CURRENT]


def test_a_node_whose_key_file_is_gone_gets_a_new_key_under_the_same_name(federation: Federation) -> None:
    federation.approve()
    federation.sync()
    federation.node.close()
    (federation.place / KEY_FILE).unlink()
    write_key(federation.place, key_of("a new key"))
    federation.node = open_node(federation.place, federation.hub)
    fingerprint = federation.replace()
    assert fingerprint == key_of("a new key").public.fingerprint
    federation.hub.verb("enrol.approve", name=CITY, fingerprint=fingerprint)
    federation.approve()
    assert federation.sync()["pushed"] == 1
    assert [seq for seq, _, _ in federation.outbox()] == [1, 2]


def test_a_thief_that_rotates_the_key_away_is_noticed_with_the_next_sync(federation: Federation) -> None:
    thief = City(CITY, key_of(CITY), federation.hub)
    assert federation.hub.rotate(thief, key_of("the thief's")).status_code == 201
    assert [alarm["code"] for alarm in federation.sync()["alarms"]] == ["key-taken"]
    assert [alarm["code"] for alarm in federation.sync()["alarms"]] == ["key-taken"]
    federation.hub.verb("members.revoke", name=CITY)
    federation.hub.verb("enrol.approve", name=CITY, fingerprint=federation.replace())
    result = federation.sync()
    assert (result["alarms"], result["problems"]) == ([], [])
    assert federation.states() == [KeyState.REVOKED, KeyState.REVOKED, KeyState.CURRENT]


# --- the hub's key --------------------------------------------------------------------------------------------------


def test_a_node_moves_its_pin_when_it_reads_the_announcement_and_its_audit_log_says_so(federation: Federation) -> None:
    federation.hub.verb("keys.announce")
    federation.approve()
    assert federation.sync()["problems"] == []
    with federation.node.database.read() as session:
        assert hub_client.list_hubs(session)[0].verifier == federation.hub.hub.verifier
    assert verbs.run(federation.node, "audit.verify", {})["ok"]
    federation.hub.clock.advance(days=30)
    federation.hub.verb("keys.activate")
    federation.approve()
    assert (federation.sync()["pushed"], federation.practices()) == (1, 2)


def test_a_withdrawal_and_the_announcement_of_the_hubs_next_key_on_one_page_both_count(federation: Federation) -> None:
    author = federation.hub.enrol("dresden.sn.de")
    shared = author.sign()
    federation.hub.accept(shared)
    federation.sync()
    federation.hub.accept(author.withdrawal(shared))
    federation.hub.verb("keys.announce")
    federation.hub.accept(author.sign())
    result = federation.sync()
    assert (result["problems"], result["alarms"]) == ([], [])
    with federation.node.database.read() as session:
        assert hub_client.list_hubs(session)[0].verifier == federation.hub.hub.verifier
        states = [item.state for item in inbox.list_items(session, kinds=[Kind.PRACTICE], state=None)]
    assert sorted(states) == [InboxState.ACCEPTED, InboxState.WITHDRAWN]


def test_a_node_that_was_away_for_years_finds_its_way_to_the_hubs_key_of_today(federation: Federation) -> None:
    federation.sign_without_network()
    for _ in range(2):
        federation.hub.verb("keys.announce")
        federation.hub.clock.advance(days=30)
        federation.hub.verb("keys.activate")
        federation.hub.clock.now += hub_keys.OVERLAP
        federation.hub.verb("keys.retire")
    federation.hub.enrol("dresden.sn.de")
    result = federation.sync()
    assert (result["problems"], result["alarms"], result["pushed"]) == ([], [], 1)
    with federation.node.database.read() as session:
        assert hub_client.list_hubs(session)[0].verifier.key == federation.hub.hub.key.public


# --- across a nation ------------------------------------------------------------------------------------------------


def test_one_round_on_every_level_after_a_revocation_nobody_takes_what_the_key_signs(
    network: Network, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        hubs = {
            name: stack.enter_context(
                RunningHub.start(
                    network, network._loop, tmp_path / name, name=name, port=port,
                    level="nation" if name == "bund.de" else "region",
                )
            )
            for name, port in (("bund.de", 8701), ("sachsen.de", 8702), ("nrw.de", 8703))
        }  # fmt: skip
        nation, region, other = hubs.values()
        for child in (region, other):
            join(child, nation)
        thief = region.enrol("dresden.sn.de")
        reader = make_node(tmp_path / "node", other, "koeln.nw.de")
        stack.callback(reader.close)
        before = thief.sign()
        region.accept(before)
        region.verb("members.revoke", name=thief.name)
        put_unchecked(region, thief.sign(), thief.key)
        for hub in (nation, other):
            hub.verb("follow")
        verbs.run(reader, "sync", {})
        for hub in (nation, other):
            assert hub.verb("status")["kinds"]["practice"] == 1
            known = hub.hub.trust.directory.find_key(thief.key.public.keyid)
            assert known is not None and known.state is KeyState.REVOKED
        assert nation.verb("status")["quarantined"] == 1
        with reader.database.read() as session:
            items = [item for item in inbox.list_items(session) if item.origin == thief.name]
        assert [(item.state, item.digest) for item in items] == [(InboxState.ACCEPTED, parse_envelope(before).digest)]


# --- leaving --------------------------------------------------------------------------------------------------------


def test_a_city_is_told_what_stays_before_it_leaves_and_nothing_happens_without_a_yes(federation: Federation) -> None:
    shown = verbs.run(federation.node, "leave", {"hub": "sachsen.de"})
    assert (shown["state"], federation.states()) == ("member", [KeyState.CURRENT])
    assert shown["stays"] and shown["erased"]
    assert federation.sync()["problems"] == []


def leave_with_all(federation: Federation, **params: object) -> dict[str, Any]:
    return verbs.run(federation.node, "leave", {"hub": federation.hub.hub.name, "withdraw_all": True, **params})


def test_a_city_takes_everything_back_before_it_leaves(federation: Federation) -> None:
    federation.approve()
    federation.sync()
    federation.sign_without_network()  # of this one only the attempt is known
    told = leave_with_all(federation)
    assert (told["state"], told["to_withdraw"]) == ("member", 2)
    done = leave_with_all(federation, yes=True, by="anna")
    assert (done["state"], done["withdrawn"], done["not_sent_any_more"]) == ("left", 2, 0)
    assert any("not read the withdrawal yet" in words for words in done["stays"])
    with federation.hub.hub.database.read() as session:
        withdrawn = session.scalars(select(EntryRow.withdrawn_by).where(EntryRow.kind == "practice")).all()
    assert withdrawn and None not in withdrawn
    assert federation.states() == [KeyState.LEFT]


def test_a_city_stays_a_member_while_a_withdrawal_has_no_receipt(federation: Federation) -> None:
    federation.approve()
    federation.sync()
    app = federation.hub.network.apps.pop(federation.hub.url)
    with pytest.raises(VerbError, match="1 are missing"):
        leave_with_all(federation, yes=True, by="anna")
    federation.hub.network.apps[federation.hub.url] = app
    assert federation.states() == [KeyState.CURRENT]
    with pytest.raises(VerbError, match="somebody who works"):
        leave_with_all(federation, yes=True, by="nobody")
    done = leave_with_all(federation, yes=True, by="anna")
    assert (done["state"], done["withdrawn"]) == ("left", 0)
    assert federation.states() == [KeyState.LEFT]


def test_a_city_leaves_with_one_command_and_comes_back_with_a_new_key(federation: Federation) -> None:
    federation.approve()
    federation.sync()
    federation.sign_without_network()
    left = verbs.run(federation.node, "leave", {"hub": "sachsen.de", "yes": True})
    assert (left["state"], left["not_sent_any_more"]) == ("left", 1)
    assert federation.states() == [KeyState.LEFT]
    (row,) = federation.hub.verb("members.list")["members"]
    assert (row["status"], row["read_up_to"], row["last_read_at"], row["highest_seq"]) == ("left", 0, None, 1)
    result = federation.sync()
    assert (result["problems"], result["alarms"]) == ([{"hub": "sachsen.de", "problem": "not-a-member-yet"}], [])
    federation.hub.verb("enrol.approve", name=CITY, fingerprint=federation.replace())
    federation.approve()
    assert federation.sync()["pushed"] == 1
    assert federation.states() == [KeyState.LEFT, KeyState.CURRENT]
