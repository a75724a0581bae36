"""Items are kept verified or in quarantine, erased when taken back, and nothing stops the stream."""

import pytest

from local_node import hub_place, inbox
from local_node.inbox import InboxState
from shared_schema.governance import PolicyBody
from shared_schema.keys import MemberRole, MemberStatus
from shared_schema.statement import SEALED_BY_HUBS, STATEMENT_BODIES, Audience, Kind
from tests.hub_simulator import Author, HubSimulator, practice_body
from tests.local_node.conftest import Leipzig
from tests.shared_schema.builders import BODIES


def policy(version: int = 1) -> PolicyBody:
    return PolicyBody(
        version=version,
        vocabulary_version=1,
        tables=(),
        epsilon_milli_per_measure=2000,
        epsilon_milli_total=4000,
        min_contributors=3,
    )


def stranger(hub: HubSimulator, name: str) -> Author:
    return hub.city(name, enrolled=False)


# --- quarantine ----------------------------------------------------------------------------------------------------


def test_an_item_of_an_unknown_city_waits_in_quarantine_and_the_stream_goes_on(leipzig: Leipzig) -> None:
    early = stranger(leipzig.hub, "koeln.nw.de").practice("Too early")
    good = leipzig.hub.city("dresden.sn.de").practice("In time")
    for envelope in (early, good):
        leipzig.hub.log(envelope)
    report = leipzig.pull()
    items = leipzig.items()
    assert (report.problem, report.quarantined) == (None, 1)
    assert (items[early.digest].state, items[early.digest].reason) == (InboxState.QUARANTINED, "unknown-key")
    assert items[early.digest].body is None  # what is not verified is not shown
    assert items[good.digest].state is InboxState.ACCEPTED


def test_what_waits_in_quarantine_is_accepted_when_the_directory_has_grown(leipzig: Leipzig) -> None:
    city = stranger(leipzig.hub, "koeln.nw.de")
    early = city.practice("Too early")
    leipzig.hub.log(early)
    leipzig.pull()
    leipzig.hub.enrol(city.name, city.key.public)
    leipzig.pull()
    item = leipzig.items()[early.digest]
    assert (item.state, item.reason, item.origin) == (InboxState.ACCEPTED, None, "koeln.nw.de")
    assert item.issued_at == "2026-11-22T09:00:00Z"


def test_a_chain_of_hubs_that_arrives_in_the_wrong_order_is_untangled(leipzig: Leipzig) -> None:
    nation, nrw = stranger(leipzig.hub, "germany.de"), stranger(leipzig.hub, "nrw.de")
    koeln = stranger(leipzig.hub, "koeln.nw.de")
    practice = koeln.practice()
    leipzig.hub.log(practice)
    leipzig.hub.enrol(koeln.name, koeln.key.public, signed_by=nrw)
    leipzig.hub.enrol(nrw.name, nrw.key.public, role=MemberRole.HUB, signed_by=nation)
    leipzig.pull()
    assert leipzig.items()[practice.digest].state is InboxState.QUARANTINED
    leipzig.hub.enrol(nation.name, nation.key.public, role=MemberRole.PARENT)
    leipzig.pull()
    assert all(item.state is InboxState.ACCEPTED for item in leipzig.items().values())
    with leipzig.database.read() as session:
        trust = hub_place.load_trust(session, leipzig.pinned.pin)
    assert trust.directory.find("koeln.nw.de") is not None


def test_an_item_signed_with_a_key_that_was_revoked_before_it_never_becomes_valid(leipzig: Leipzig) -> None:
    city = leipzig.hub.city("dresden.sn.de")
    key = city.key.public
    leipzig.hub.enrol(city.name, key, status=MemberStatus.REVOKED)
    late = city.practice("Too late")
    leipzig.hub.log(late)
    leipzig.hub.city("chemnitz.sn.de")
    leipzig.hub.enrol(city.name, key)
    leipzig.pull()
    item = leipzig.items()[late.digest]
    assert (item.state, item.reason) == (InboxState.QUARANTINED, "key-not-valid")


def test_an_item_that_a_hub_forged_is_never_shown_as_verified(leipzig: Leipzig) -> None:
    leipzig.hub.city("dresden.sn.de")
    forged = leipzig.hub.author.sign(Kind.PRACTICE, practice_body(), Audience.EUROPE, origin="dresden.sn.de")
    leipzig.hub.log(forged)
    assert leipzig.pull().problem is None
    item = leipzig.items()[forged.digest]
    assert (item.state, item.reason, item.body) == (InboxState.QUARANTINED, "wrong-origin", None)


def test_an_entry_that_widens_the_audience_of_its_content_is_quarantined(leipzig: Leipzig) -> None:
    envelope = leipzig.hub.city("dresden.sn.de").practice(audience=Audience.REGION)
    leipzig.hub.log(envelope, audience=Audience.EUROPE)
    leipzig.pull()
    assert leipzig.items()[envelope.digest].reason == "feed-entry"


# --- withdrawal ----------------------------------------------------------------------------------------------------


def test_a_withdrawal_erases_the_content_and_keeps_the_digest(leipzig: Leipzig) -> None:
    city = leipzig.hub.city("dresden.sn.de")
    practice = city.practice("To be taken back")
    leipzig.hub.log(practice)
    leipzig.pull()
    leipzig.hub.withdraw(city, practice.digest)
    leipzig.pull()
    item = leipzig.items()[practice.digest]
    assert (item.state, item.body, item.origin) == (InboxState.WITHDRAWN, None, "dresden.sn.de")
    with leipzig.database.read() as session:
        stored = session.connection().exec_driver_sql("SELECT group_concat(CAST(envelope AS TEXT)) FROM inbox")
        assert practice.stored_bytes.decode() not in str(stored.scalar())


def test_a_content_that_was_withdrawn_before_it_was_read_is_no_lie(leipzig: Leipzig) -> None:
    city = leipzig.hub.city("dresden.sn.de")
    practice = city.practice("Taken back at once")
    leipzig.hub.log(practice)
    leipzig.hub.withdraw(city, practice.digest)
    assert leipzig.pull().problem is None
    assert leipzig.alarms() == ()
    item = leipzig.items()[practice.digest]
    assert (item.state, item.reason) == (InboxState.WITHDRAWN, None)


def test_nobody_can_withdraw_what_another_city_wrote(leipzig: Leipzig) -> None:
    practice = leipzig.hub.city("dresden.sn.de").practice()
    leipzig.hub.log(practice)
    withdrawal = leipzig.hub.city("chemnitz.sn.de").withdrawal(practice.digest)
    leipzig.hub.log(withdrawal)
    leipzig.pull()
    items = leipzig.items()
    assert items[practice.digest].state is InboxState.ACCEPTED
    assert (items[withdrawal.digest].state, items[withdrawal.digest].reason) == (
        InboxState.QUARANTINED,
        "wrong-origin",
    )


def test_a_city_in_quarantine_that_takes_its_item_back_is_heard(leipzig: Leipzig) -> None:
    city = stranger(leipzig.hub, "koeln.nw.de")
    practice = city.practice()
    withdrawal = city.withdrawal(practice.digest)
    for envelope in (practice, withdrawal):
        leipzig.hub.log(envelope)
    leipzig.pull()
    leipzig.hub.enrol(city.name, city.key.public)
    leipzig.pull()
    assert leipzig.items()[practice.digest].state is InboxState.WITHDRAWN


@pytest.mark.parametrize("kind", sorted(SEALED_BY_HUBS))
def test_what_hubs_say_about_a_sealed_total_is_kept_verified_and_never_taken_back(leipzig: Leipzig, kind: Kind) -> None:
    hub = leipzig.hub
    said = hub.author.sign(kind, STATEMENT_BODIES[kind].from_object(BODIES[kind]), Audience.NATION)  # type: ignore[arg-type]
    hub.log(said)
    report = leipzig.pull()
    assert (report.problem, report.quarantined) == (None, 0)
    hub.log(hub.author.withdrawal(said.digest))
    assert leipzig.pull().problem is None
    assert leipzig.items()[said.digest].state is InboxState.ACCEPTED


def test_a_sealed_share_that_a_hub_hands_out_stops_nothing(leipzig: Leipzig) -> None:
    """Its city signed it for the hub alone. Whoever sees it sees random digits, sealed; the node looks no further."""
    city = leipzig.hub.city("dresden.sn.de")
    body = STATEMENT_BODIES[Kind.SHARE].from_object(BODIES[Kind.SHARE])
    share, practice = city.sign(Kind.SHARE, body, Audience.EUROPE), city.practice()  # type: ignore[arg-type]
    for envelope in (share, practice):
        leipzig.hub.log(envelope)
    assert leipzig.pull().problem is None
    assert leipzig.items()[practice.digest].state is InboxState.ACCEPTED


@pytest.mark.parametrize("kind", [Kind.WITHDRAWAL, Kind.MEMBERSHIP])
def test_what_decides_whom_we_believe_cannot_be_withdrawn(leipzig: Leipzig, kind: Kind) -> None:
    city = leipzig.hub.city("dresden.sn.de")
    practice = city.practice()
    leipzig.hub.log(practice)
    withdrawal = leipzig.hub.withdraw(city, practice.digest)
    subject = withdrawal.digest if kind is Kind.WITHDRAWAL else leipzig.hub.entries[-3].digest
    leipzig.hub.log(city.withdrawal(subject))
    leipzig.pull()
    assert leipzig.items()[subject].state is InboxState.ACCEPTED


# --- reading -------------------------------------------------------------------------------------------------------


def test_the_policy_in_force_is_the_newest_of_the_hub_itself(leipzig: Leipzig) -> None:
    other = stranger(leipzig.hub, "germany.de")
    leipzig.hub.enrol(other.name, other.key.public, role=MemberRole.PARENT)
    for version in (1, 2):
        leipzig.hub.publish_policy(policy(version))
    leipzig.hub.log(other.sign(Kind.POLICY, policy(9), Audience.REGION))
    with leipzig.database.read() as session:
        assert inbox.current_policy(session, "sachsen.de") is None
    leipzig.pull()
    with leipzig.database.read() as session:
        current = inbox.current_policy(session, "sachsen.de")
    assert current is not None
    assert current.version == 2


def test_items_can_be_listed_by_kind_and_state_and_counted(leipzig: Leipzig) -> None:
    city = leipzig.hub.city("dresden.sn.de")
    leipzig.hub.log(city.practice("One"))
    leipzig.hub.log(city.practice("Two"))
    leipzig.hub.log(stranger(leipzig.hub, "koeln.nw.de").practice("Unknown"))
    leipzig.pull()
    with leipzig.database.read() as session:
        practices = inbox.list_items(session, kinds=[Kind.PRACTICE], state=InboxState.ACCEPTED)
        assert [item.log_index for item in practices] == [3, 2]
        assert inbox.count_items(session) == {
            (Kind.MEMBERSHIP, InboxState.ACCEPTED): 2,
            (Kind.PRACTICE, InboxState.ACCEPTED): 2,
            (Kind.PRACTICE, InboxState.QUARANTINED): 1,
        }
        assert len(inbox.list_items(session, limit=1, offset=1)) == 1
        assert inbox.find_item(session, "0" * 64) is None


def test_the_newest_bodies_come_first(leipzig: Leipzig) -> None:
    leipzig.hub.publish_policy(policy(1))
    leipzig.hub.publish_policy(policy(2))
    leipzig.pull()
    with leipzig.database.read() as session:
        assert inbox.latest_bodies(session, Kind.POLICY, 1) == (("sachsen.de", policy(2)),)
        assert len(inbox.latest_bodies(session, Kind.POLICY, 9)) == 2
