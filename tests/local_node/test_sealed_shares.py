"""A city's share of a sealed total, from the announcement to the end of the collection: the node's whole way."""

import base64
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local_node import cli, ledger_resume, share_store, verbs
from local_node.app import DATABASE_FILE, Node
from local_node.errors import RecordError
from local_node.orm import LedgerRow, OutboxRow, ReleaseRequestRow, SealedShareRow
from local_node.record_store import store
from local_node.records import parse_csv
from shared_schema import canonical
from shared_schema.canonical import parse_strict
from shared_schema.governance import PolicyBody
from shared_schema.keys import MemberRole
from shared_schema.period import parse_period
from shared_schema.problem import ProblemCode
from shared_schema.sealed.bodies import BatchBody, RosterBody, ShareBody
from shared_schema.sealed.countersign import BATCH_TERMS, Countersignature, countersign
from shared_schema.sealed.terms import Attendance, RosterTerms
from shared_schema.service.backup import copy_sqlite
from shared_schema.service.control import VerbError
from shared_schema.statement import Kind
from tests.factories import TODAY, add_returns, make_policy, make_returns_file, make_returns_mapping
from tests.hub_simulator import HubSimulator, MovableClock
from tests.local_node.sealed_desk import COUNTS, SEPTEMBER, SealedDesk, sealed_policy

TABLE = "bias_incidents.by_offence"
NO_SIGNATURE = base64.b64encode(bytes(64)).decode()


@pytest.fixture
def policy() -> PolicyBody:
    return sealed_policy()


@pytest.fixture
def desk(member: Node, hub: HubSimulator) -> SealedDesk:
    with member.database.write() as session:
        add_returns(session, make_returns_file(m2026_09=COUNTS, m2026_08=[1] * 6))
    return SealedDesk(hub)


def standing(node: Node, digest: str) -> str:
    found = {line["batch"]: line["standing"] for line in verbs.run(node, "sealed.list", {})["collections"]}
    return str(found[digest])


def ask(node: Node, digest: str, by: str = "anna") -> dict[str, Any]:
    return verbs.run(node, "sealed.request", {"batch": digest, "by": by})


def refused(node: Node, verb: str, **params: Any) -> VerbError:
    with pytest.raises(VerbError) as caught:
        verbs.run(node, verb, params)
    assert "\n" not in caught.value.message
    return caught.value


def test_a_share_goes_from_the_announcement_into_the_total(member: Node, desk: SealedDesk) -> None:
    digest = desk.open()
    verbs.run(member, "sync", {})
    assert standing(member, digest) == "open"
    request = ask(member, digest)
    assert standing(member, digest) == "asked"
    verbs.run(member, "release.approve", {"request": request["request"], "by": "ben", "seen": request["seen"]})
    assert standing(member, digest) == "approved"
    assert verbs.run(member, "sync", {})["pushed"] == 1
    assert standing(member, digest) == "sent"
    share = desk.take_what_came()
    desk.send_others()
    desk.decide()
    verbs.run(member, "sync", {})
    assert standing(member, digest) == "accepted"
    desk.publish()
    verbs.run(member, "sync", {})
    assert standing(member, digest) == "opened"
    assert share.digest in desk.roster.terms.attendance.accepted


# --- what is shown -------------------------------------------------------------------------------------------------


def reason(node: Node, digest: str) -> str:
    found = {line["batch"]: line["reason"] for line in verbs.run(node, "sealed.list", {})["collections"]}
    return str(found[digest])


def read(node: Node) -> None:
    verbs.run(node, "sync", {})


def approve(node: Node, request: dict[str, Any]) -> None:
    verbs.run(node, "release.approve", {"request": request["request"], "by": "ben", "seen": request["seen"]})


def send(node: Node, digest: str) -> dict[str, Any]:
    """Ask, approve, sign and send."""
    request = ask(node, digest)
    approve(node, request)
    read(node)
    return request


def charged(node: Node) -> list[tuple[int, int, int]]:
    with node.database.read() as session:
        return [(row.seq, row.format, row.epsilon_milli) for row in session.query(LedgerRow).order_by(LedgerRow.seq)]


def body_of(request: dict[str, Any]) -> ShareBody:
    return ShareBody.from_bytes(str(request["leaves"]).encode())


def randomness_of(node: Node, digest: str) -> bytes | None:
    with node.database.read() as session:
        made = share_store.find(session, digest)
        assert made is not None
        return made.randomness


def test_two_hubs_of_one_operator_are_shown_as_refused_and_never_sent_to(member: Node, desk: SealedDesk) -> None:
    desk.open()
    helper = desk.batch.terms.helper.model_copy(update={"operator": "FREISTAAT  sachsen"})
    terms = desk.batch.terms.model_copy(update={"helper": helper})
    signed = countersign(BATCH_TERMS, terms, desk.helper_author.key)
    digest = desk.say(Kind.BATCH, BatchBody(terms=terms, helper=signed)).digest
    read(member)
    assert (standing(member, digest), "different operators" in reason(member, digest)) == ("unreadable", True)
    assert refused(member, "sealed.request", batch=digest, by="anna").code == "same-operator"
    assert charged(member) == []


def test_terms_that_the_second_hub_has_not_signed_are_shown_as_refused(member: Node, desk: SealedDesk) -> None:
    desk.open()
    forged = Countersignature(keyid=desk.helper_author.key.public.keyid, sig=NO_SIGNATURE)
    terms = desk.batch.terms.model_copy(update={"verify_key": "0" * 64})
    envelope = desk.say(Kind.BATCH, BatchBody(terms=terms, helper=forged))
    read(member)
    assert standing(member, envelope.digest) == "unreadable"
    assert refused(member, "sealed.request", batch=envelope.digest, by="anna").code == "batch-unreadable"


def test_a_roster_that_the_second_hub_has_not_signed_ends_nothing(member: Node, desk: SealedDesk) -> None:
    digest = desk.open()
    desk.send_others()
    attendance = Attendance(
        accepted=tuple(sorted(share.digest for share in desk.shares)), refused=(), absent=("leipzig.sn.de",)
    )
    terms = RosterTerms(batch=digest, attendance=attendance, leader_sum="0" * 64, helper_sum="1" * 64)
    signature = Countersignature(keyid=desk.helper_author.key.public.keyid, sig=NO_SIGNATURE)
    desk.say(Kind.ROSTER, RosterBody(terms=terms, helper=signature))
    read(member)
    assert standing(member, digest) == "open"


def test_a_collection_of_others_is_not_listed(member: Node, desk: SealedDesk) -> None:
    desk.hub.log(desk.member("goerlitz.sn.de", MemberRole.NODE, "LAU", "14626110"))
    desk.open(members=sorted([*desk.others, "goerlitz.sn.de"]))
    read(member)
    assert verbs.run(member, "sealed.list", {})["collections"] == []


# --- asking --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"min_batch": 6, "members": None}, "members of the directory"),
        ({"epsilon_milli": 1001}, "epsilon of at most 1000"),
        ({"maximum": 2}, "at most 2 in each cell"),
    ],
)
def test_a_collection_that_breaks_a_rule_is_refused_with_the_rule(
    member: Node, desk: SealedDesk, changes: dict[str, Any], words: str
) -> None:
    if "members" in changes:
        changes = changes | {"members": sorted([*desk.others, "leipzig.sn.de", "invented.sn.de"])}
    digest = desk.open(**changes)
    read(member)
    assert words in refused(member, "sealed.request", batch=digest, by="anna").message
    assert charged(member) == []


def test_invented_members_of_one_municipality_are_refused(member: Node, desk: SealedDesk) -> None:
    desk.hub.log(desk.member("twin.sn.de", MemberRole.NODE, "LAU", "14620000"))
    digest = desk.open(members=sorted([*desk.others, "leipzig.sn.de", "twin.sn.de"]))
    read(member)
    assert "different municipalities" in refused(member, "sealed.request", batch=digest, by="anna").message


def test_a_member_that_was_put_out_is_no_city_to_stand_among(member: Node, desk: SealedDesk) -> None:
    digest = desk.open()
    desk.hub.log(desk.member(desk.others[0], MemberRole.NODE, "LAU", "14620000", status="revoked"))
    read(member)
    assert "members of the directory" in refused(member, "sealed.request", batch=digest, by="anna").message


@pytest.mark.parametrize("setting", ["sealed_least_cities", "sealed_most_epsilon_milli", "sealed_declined"])
def test_this_city_is_stricter_than_the_policy(member: Node, desk: SealedDesk, setting: str) -> None:
    values = {"sealed_least_cities": 6, "sealed_most_epsilon_milli": 999, "sealed_declined": [TABLE]}
    member.settings = member.settings.model_copy(update={setting: values[setting]})
    digest = desk.open()
    read(member)
    words = {
        "sealed_least_cities": "at least 6 cities",
        "sealed_most_epsilon_milli": "at most 999",
        "sealed_declined": "own settings",
    }
    assert words[setting] in refused(member, "sealed.request", batch=digest, by="anna").message
    assert charged(member) == []


def test_a_policy_that_names_another_second_hub_is_heard(member: Node, desk: SealedDesk, hub: HubSimulator) -> None:
    digest = desk.open()
    hub.publish_policy(sealed_policy(helper="europa.eu"))
    read(member)
    assert "europa.eu" in refused(member, "sealed.request", batch=digest, by="anna").message


def test_a_cell_that_was_not_collected_is_no_zero(member: Node, desk: SealedDesk) -> None:
    with member.database.write() as session:
        add_returns(session, make_returns_file(m2026_07=[1, 2, None, 0, 0, 1]), agency="youth-office")
    digest = desk.open(period=parse_period("2026-07"))
    read(member)
    error = refused(member, "sealed.request", batch=digest, by="anna")
    assert (error.code, "demonstration" in error.message) == ("not-collected", True)
    assert charged(member) == []


def test_a_count_above_the_maximum_is_named_by_its_cell_and_never_told(member: Node, desk: SealedDesk) -> None:
    with member.database.write() as session:
        add_returns(session, make_returns_file(m2026_07=[777, 2, 0, 0, 0, 1]))
    digest = desk.open(period=parse_period("2026-07"))
    read(member)
    error = refused(member, "sealed.request", batch=digest, by="anna")
    assert (error.code, "assault" in error.message, "777" in error.message) == ("count-too-large", True, False)


def test_a_collection_is_asked_for_once(member: Node, desk: SealedDesk) -> None:
    digest = desk.open()
    read(member)
    ask(member, digest)
    assert refused(member, "sealed.request", batch=digest, by="anna").code == "sent-before"
    assert len(charged(member)) == 1


def test_a_closed_collection_takes_nothing(member: Node, desk: SealedDesk, clock: MovableClock) -> None:
    digest = desk.open()
    read(member)
    clock.advance(days=20)
    assert "not closed" in refused(member, "sealed.request", batch=digest, by="anna").message
    assert standing(member, digest) == "missed"


def test_a_refused_request_costs_nothing_more_and_gives_the_same_bytes(member: Node, desk: SealedDesk) -> None:
    digest = desk.open()
    read(member)
    first = ask(member, digest)
    verbs.run(member, "release.refuse", {"request": first["request"], "by": "ben", "reason": "look again"})
    again = ask(member, digest)
    assert again["leaves"] == first["leaves"]
    assert charged(member) == [(1, 3, 1000)]
    assert verbs.run(member, "ledger.verify", {})["entries"] == 1


def test_what_was_drawn_with_this_citys_own_noise_never_goes_sealed(
    member: Node, desk: SealedDesk, hub: HubSimulator
) -> None:
    hub.publish_policy(make_policy())
    read(member)
    verbs.run(member, "release.numbers", {"table": TABLE, "period": "2026-09", "by": "anna"})
    hub.publish_policy(sealed_policy())
    digest = desk.open()
    read(member)
    assert refused(member, "sealed.request", batch=digest, by="anna").code == "sent-before"


def test_what_goes_sealed_is_not_released_in_another_way(member: Node, desk: SealedDesk, hub: HubSimulator) -> None:
    given = {"table": TABLE, "period": "2026-09"}
    assert refused(member, "release.numbers", by="anna", **given).code == "sealed"
    told = verbs.run(member, "release.preview", given)
    assert ([each["code"] for each in told["held_back"]], told["cells"], told["cost"]) == (["sealed"], (), None)
    digest = desk.open()
    read(member)
    ask(member, digest)
    hub.publish_policy(make_policy())  # the policy goes back: a slot never has two ways
    read(member)
    assert refused(member, "release.numbers", by="anna", **given).code == "sealed"
    assert refused(member, "release.numbers", by="anna", correction=True, **given).code == "sealed-correction"


# --- deciding and sending ------------------------------------------------------------------------------------------


def test_whoever_asks_does_not_approve(member: Node, desk: SealedDesk) -> None:
    digest = desk.open()
    read(member)
    request = ask(member, digest)
    assert refused(member, "release.approve", request=request["request"], by="anna").code == "same-person"


def test_records_that_have_changed_stop_the_approval_and_can_be_asked_for_anew(member: Node, desk: SealedDesk) -> None:
    digest = desk.open()
    read(member)
    request = ask(member, digest)
    with member.database.write() as session:  # nothing has left: the records may still be put right
        add_returns(session, make_returns_file(m2026_09=[4, *COUNTS[1:]]))
    error = refused(member, "release.approve", request=request["request"], by="ben", seen=request["seen"])
    assert error.code == "records-changed"
    verbs.run(member, "release.refuse", {"request": request["request"], "by": "anna", "reason": "asked anew"})
    again = ask(member, digest)
    assert body_of(again).leader_half != body_of(request).leader_half
    approve(member, again)
    assert charged(member) == [(1, 3, 1000)]


def test_bytes_that_somebody_changed_in_the_database_are_not_approved(member: Node, desk: SealedDesk) -> None:
    digest = desk.open()
    read(member)
    request = ask(member, digest)
    with member.database.write() as session:
        row = session.get_one(ReleaseRequestRow, request["request"])
        row.body = row.body.replace(body_of(request).nonce, base64.b64encode(bytes(16)).decode())
    assert refused(member, "release.approve", request=request["request"], by="ben").code == "records-changed"


def test_after_the_approval_the_records_are_late_and_no_correction_is_taken(member: Node, desk: SealedDesk) -> None:
    digest = desk.open()
    read(member)
    send(member, digest)
    with member.database.write() as session:
        with pytest.raises(RecordError) as caught:
            add_returns(session, make_returns_file(m2026_09=[9, *COUNTS[1:]]))
        assert caught.value.code == "already-released"
    with member.database.write() as session:
        mapping, data = make_returns_mapping(), make_returns_file(m2026_09=[9, *COUNTS[1:]])
        parsed = parse_csv(data, mapping, agency="police", today=TODAY)
        with pytest.raises(RecordError) as caught:
            store(session, parsed, mapping, agency="police", file_digest="0" * 64, person="anna", correction=True,
                  now=member.clock())  # fmt: skip
        assert (caught.value.code, "break in the series" in caught.value.message) == ("sealed-correction", True)


def test_a_collection_that_ends_between_approval_and_signing_is_held(
    member: Node, desk: SealedDesk, clock: MovableClock
) -> None:
    digest = desk.open()
    read(member)
    approve(member, ask(member, digest))
    desk.give_up()
    report = verbs.run(member, "sync", {})
    assert (report["signed"], report["held"]) == (0, 1)
    assert standing(member, digest) == "void"
    with member.database.read() as session:
        assert session.query(OutboxRow).count() == 0
    assert randomness_of(member, digest) is None


def test_a_share_goes_to_the_home_hub_alone_and_its_randomness_goes_with_the_receipt(
    member: Node, desk: SealedDesk
) -> None:
    digest = desk.open()
    read(member)
    request = ask(member, digest)
    assert randomness_of(member, digest) is not None
    approve(member, request)
    read(member)
    with member.database.read() as session:
        assert [(row.hub, row.state) for row in session.query(OutboxRow)] == [("sachsen.de", "delivered")]
    assert randomness_of(member, digest) is None
    envelope = desk.hub.envelopes[verbs.run(member, "outbox.list", {})["items"][0]["digest"]]
    assert parse_strict(envelope.payload)["body"] == parse_strict(str(request["leaves"]).encode())
    assert parse_strict(envelope.payload)["audience"] == "hub"


@pytest.mark.parametrize("code", ["batch-state", "already-answered", "batch-terms", "same-operator"])
def test_what_a_hub_says_of_a_share_is_final_and_holds_up_nothing(
    member: Node, desk: SealedDesk, hub: HubSimulator, code: str
) -> None:
    digest = desk.open()
    read(member)
    approve(member, ask(member, digest))
    hub.refusal, hub.refuse_next = ProblemCode(code), 1
    assert verbs.run(member, "sync", {})["refused"] == 1
    assert (standing(member, digest), reason(member, digest)) == ("not-taken", code)
    assert refused(member, "sealed.request", batch=digest, by="anna").code == "sent-before"
    assert verbs.run(member, "sync", {})["problems"] == []


def test_a_share_that_was_sent_is_not_taken_back(member: Node, desk: SealedDesk) -> None:
    digest = desk.open()
    read(member)
    send(member, digest)
    item = verbs.run(member, "outbox.list", {})["items"][0]["digest"]
    assert refused(member, "withdraw", digest=item, by="anna", reason="error").code == "sealed-share"


# --- again ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["void", "absent", "refused"])
def test_after_an_end_without_this_city_the_same_entry_pays_again(member: Node, desk: SealedDesk, end: str) -> None:
    first = desk.open()
    read(member)
    send(member, first)
    if end == "refused":
        share = desk.take_what_came()
        desk.shares[0] = replace(
            share, body=share.body.model_copy(update={"public_share": base64.b64encode(bytes(64)).decode()})
        )
    if end == "void":
        desk.give_up()
    else:
        desk.send_others()
        desk.decide()
    read(member)
    assert standing(member, first) == end
    with member.database.read() as session:
        assert session.get_one(SealedShareRow, first).outcome == "free"
    second = desk.open(period=SEPTEMBER)
    read(member)
    again = send(member, second)
    assert (standing(member, second), charged(member)) == ("sent", [(1, 3, 1000)])
    assert body_of(again).ledger.seq == 1
    assert verbs.run(member, "spend.verify", {})["findings"] == []


def test_who_is_in_a_total_never_sends_again(member: Node, desk: SealedDesk) -> None:
    first = desk.open()
    read(member)
    send(member, first)
    desk.take_what_came()
    desk.send_others()
    desk.decide()
    second = desk.open()
    read(member)
    error = refused(member, "sealed.request", batch=second, by="anna")
    assert (error.code, "in no total" in error.message) == ("sent-before", True)


def test_an_open_collection_keeps_a_second_one_of_the_same_figures_away(member: Node, desk: SealedDesk) -> None:
    first = desk.open()
    read(member)
    send(member, first)
    second = desk.open()
    read(member)
    assert refused(member, "sealed.request", batch=second, by="anna").code == "sent-before"


def test_a_late_collection_is_for_those_whom_the_first_one_lacks(member: Node, desk: SealedDesk) -> None:
    first = desk.open()
    desk.send_others()
    desk.decide()
    late = desk.open(late_of=first)
    stray = desk.open(late_of="0" * 64)
    read(member)
    assert standing(member, first) == "absent"
    assert refused(member, "sealed.request", batch=stray, by="anna").code == "batch-terms"
    send(member, late)
    assert standing(member, late) == "sent"


# --- after a restore -----------------------------------------------------------------------------------------------


def copy_of(node: Node, path: Path) -> Path:
    copy_sqlite(node.data_dir / DATABASE_FILE, path)
    return path


def go_back(node: Node, path: Path) -> None:
    """The database of an older day in the place of this one."""
    node.database.close()
    for name in (DATABASE_FILE, f"{DATABASE_FILE}-wal", f"{DATABASE_FILE}-shm"):
        (node.data_dir / name).unlink(missing_ok=True)
    shutil.copy(path, node.data_dir / DATABASE_FILE)
    node.rounds._states.clear()


def test_a_copy_from_before_the_request_makes_no_second_share(
    member: Node, desk: SealedDesk, clock: MovableClock, tmp_path: Path
) -> None:
    digest = desk.open()
    read(member)
    old = copy_of(member, tmp_path / "old.db")
    sent = body_of(send(member, digest))
    go_back(member, old)
    read(member)
    assert refused(member, "sealed.request", batch=digest, by="anna").code == "ledger-restored"
    assert verbs.run(member, "ledger.resume", {}) | {"next": ""} == {"restored": 1, "lost": 0, "next": ""}
    assert charged(member) == [(1, 3, 1000)]
    assert verbs.run(member, "ledger.verify", {})["entries"] == 1
    assert refused(member, "sealed.request", batch=digest, by="anna").code == "share-lost"
    desk.give_up()  # nothing of it is ever opened: the same entry pays once more
    clock.advance(hours=1)
    second = desk.open()
    read(member)
    again = body_of(send(member, second))
    assert (again.ledger, charged(member)) == (sent.ledger, [(1, 3, 1000)])


def test_a_copy_from_after_the_request_sends_the_same_bytes(member: Node, desk: SealedDesk, tmp_path: Path) -> None:
    digest = desk.open()
    read(member)
    request = ask(member, digest)
    approve(member, request)
    old = copy_of(member, tmp_path / "old.db")
    read(member)
    go_back(member, old)
    read(member)
    bodies = {
        canonical.encode(parse_strict(desk.hub.envelopes[entry.digest].payload)["body"])
        for entry in desk.hub.entries
        if entry.kind is Kind.SHARE
    }
    assert bodies == {str(request["leaves"]).encode()}
    assert charged(member) == [(1, 3, 1000)]


def test_a_lost_entry_of_another_kind_keeps_an_open_collection_closed(
    member: Node, desk: SealedDesk, hub: HubSimulator, tmp_path: Path
) -> None:
    digest = desk.open()
    read(member)
    old = copy_of(member, tmp_path / "old.db")
    send(member, digest)
    go_back(member, old)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger_resume, "MAX_TRIES", 0)  # as if there were too many collections to try
        read(member)
        assert verbs.run(member, "ledger.resume", {})["lost"] == 1
    assert refused(member, "sealed.request", batch=digest, by="anna").code == "share-lost"


# --- the command line ----------------------------------------------------------------------------------------------


def test_the_command_line_lists_asks_and_shows(
    member: Node, desk: SealedDesk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = desk.open()
    read(member)
    monkeypatch.setattr(cli, "_ask", lambda _data, verb, params: verbs.run(member, verb, params))

    def say(*words: str) -> dict[str, Any]:
        cli.cli([*words, "--json"], standalone_mode=False)
        return dict(json.loads(capsys.readouterr().out))

    assert [each["standing"] for each in say("sealed")["collections"]] == ["open"]
    assert say("sealed", "show", digest[:12])["min_batch"] == 5
    asked = say("sealed", "request", digest[:12], "--as", "anna")
    assert asked["state"] == "requested"
    looked = say("sealed", "look", asked["request"])
    assert ([each["count"] for each in looked["counts"]], looked["proved"]) == (list(COUNTS), True)
    with pytest.raises(VerbError):
        say("sealed", "request", "0" * 12, "--as", "anna")
