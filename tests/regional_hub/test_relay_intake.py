"""What the relay refuses, and that what it takes is nowhere but in its own table. On both databases."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from regional_hub import audit
from regional_hub.orm import AuditRow, EntryRow, RelayItemRow
from shared_schema import canonical
from shared_schema.content import AnswerBody, ExperienceBody, PracticeBody
from shared_schema.envelope import parse_envelope
from shared_schema.governance import WithdrawalBody
from shared_schema.problem import ProblemCode
from shared_schema.relay import MAX_LISTED, PAD_BYTES, verify_relay_receipt
from shared_schema.statement import Audience
from tests.regional_hub.running import City, RunningHub, check_problem
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough

RELAY = "/v1/relay"


def practice(**changes: object) -> PracticeBody:
    return PracticeBody.from_object(builders.practice_body(attribution="region") | changes)


def experience(**changes: object) -> ExperienceBody:
    return ExperienceBody.from_object(builders.experience_body(attribution="region") | changes)


def take_back(envelope: bytes) -> WithdrawalBody:
    return WithdrawalBody(digest=parse_envelope(envelope).digest, reason="error")


def refuse(hub: RunningHub, body: bytes, code: ProblemCode) -> None:
    check_problem(hub.post(body, RELAY), code)


# --- from its bad side ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "changes", "code"),
    [
        (practice(attribution="city"), {}, ProblemCode.RELEASE_RULE),
        (practice(review=builders.REVIEW | {"role": "single_person"}), {}, ProblemCode.RELEASE_RULE),
        (practice(), {"audience": "hub"}, ProblemCode.RELEASE_RULE),
        (practice(), {"hub": "nrw.de"}, ProblemCode.WRONG_ORIGIN),
        (practice(), {"origin": "dresden.sn.de"}, ProblemCode.WRONG_ORIGIN),
        (practice(attribution="country"), {}, ProblemCode.RELEASE_RULE),
        (practice(replaces=builders.DIGEST), {}, ProblemCode.RELEASE_RULE),
        (WithdrawalBody(digest=builders.DIGEST, reason="error"), {}, ProblemCode.NOT_FOUND),
        (
            AnswerBody(
                question=builders.DIGEST, text="Ask us.", attribution="region", review=practice().review
            ),
            {},
            ProblemCode.NOT_FOUND,
        ),
    ],
    ids=[
        "named", "one-person", "hub-alone", "other-hub", "other-city", "no-nation-above", "replaces-nothing",
        "nothing-to-take-back", "no-question",
    ],
)  # fmt: skip
def test_what_may_not_be_relayed_is_refused(
    resident: City, content: Any, changes: dict[str, Any], code: ProblemCode
) -> None:
    if "audience" in changes:
        changes = {"audience": Audience(changes["audience"])}
    refuse(resident.hub, resident.confide(content, **changes), code)
    assert resident.standing()["items"] == []


def test_a_request_that_is_not_padded_or_not_signed_is_refused(resident: City) -> None:
    hub, value = resident.hub, builders.relay_request(origin=resident.name).to_object()
    unpadded = builders.signed(canonical.encode(value | {"pad": ""}), "relay-request", resident.key)
    refuse(hub, unpadded, ProblemCode.SCHEMA)
    refuse(hub, replace_signature(resident.confide()), ProblemCode.BAD_SIGNATURE)
    refuse(hub, resident.sign(), ProblemCode.KIND_MISMATCH)
    check_problem(hub.post(resident.confide()), ProblemCode.SCHEMA)  # nor is it a statement for the log
    check_problem(hub.client.get(RELAY), ProblemCode.NO_SIGNATURE)
    check_problem(resident.read(RELAY + "?of=dresden.sn.de"), ProblemCode.BAD_PARAMETER)


def replace_signature(body: bytes) -> bytes:
    envelope = parse_envelope(body)
    return replace(envelope, signature=bytes(64)).to_bytes()


def test_a_revoked_member_confides_and_hears_nothing(hub: RunningHub, city: City) -> None:
    hub.verb("members.set", name=city.name, status="revoked")
    refuse(hub, city.confide(), ProblemCode.KEY_NOT_VALID)
    check_problem(city.read(RELAY), ProblemCode.KEY_NOT_VALID)


def test_a_suspended_member_confides_nothing_and_hears_where_its_own_requests_stand(
    hub: RunningHub, city: City
) -> None:
    hub.verb("members.set", name=city.name, status="suspended")
    refuse(hub, city.confide(), ProblemCode.MEMBER_NOT_ACTIVE)
    assert city.standing()["items"] == []


def test_nothing_may_point_to_what_the_author_said_in_its_own_name(hub: RunningHub, city: City) -> None:
    """Whoever reads it would follow the digest to the author's name."""
    named = city.sign()
    hub.accept(named)
    digest = parse_envelope(named).digest
    refuse(hub, city.confide(practice(adapted_from=digest)), ProblemCode.RELEASE_RULE)
    refuse(hub, city.confide(practice(replaces=digest)), ProblemCode.RELEASE_RULE)
    refuse(hub, city.confide(experience(practice=digest)), ProblemCode.RELEASE_RULE)
    neighbour = hub.enrol("dresden.sn.de")
    assert hub.post(neighbour.confide(practice(adapted_from=digest)), RELAY).status_code == 201
    assert hub.post(neighbour.confide(experience(practice=digest)), RELAY).status_code == 201


def test_a_member_tells_of_a_practice_once(hub: RunningHub, city: City) -> None:
    first = city.confide(experience())
    assert hub.post(first, RELAY).status_code == 201
    refuse(hub, city.confide(experience(lessons="Another word.")), ProblemCode.RELEASE_RULE)
    assert hub.post(city.confide(experience(practice="cd" * 32)), RELAY).status_code == 201
    assert hub.post(city.confide(take_back(first)), RELAY).status_code == 201
    assert hub.post(city.confide(experience(lessons="Another word.")), RELAY).status_code == 201


def test_a_node_that_was_restored_asks_for_nothing_twice(hub: RunningHub, city: City) -> None:
    first = city.confide()
    assert hub.post(first, RELAY).status_code == 201
    refuse(hub, city.confide(), ProblemCode.RELEASE_RULE)
    assert hub.post(hub.enrol("dresden.sn.de").confide(), RELAY).status_code == 201, "two cities may say the same"
    assert hub.post(city.confide(take_back(first)), RELAY).status_code == 201
    assert hub.post(city.confide(), RELAY).status_code == 201, "what was taken back may be said again"


def test_nobody_takes_back_what_another_member_has_confided(hub: RunningHub, city: City) -> None:
    confided = city.confide()
    assert hub.post(confided, RELAY).status_code == 201
    refuse(hub, hub.enrol("dresden.sn.de").confide(take_back(confided)), ProblemCode.NOT_FOUND)
    assert [item["state"] for item in city.standing()["items"]] == ["waiting"]


def test_a_member_has_at_most_fifty_requests_that_wait(hub: RunningHub, city: City) -> None:
    bodies = [city.confide(practice(title=f"Title {place}")) for place in range(51)]
    assert {hub.post(body, RELAY).status_code for body in bodies[:50]} == {201}
    refuse(hub, bodies[50], ProblemCode.RELEASE_RULE)
    assert hub.post(bodies[0], RELAY).status_code == 200, "a retry is no new one"
    assert hub.post(city.confide(take_back(bodies[0])), RELAY).status_code == 201
    assert hub.post(bodies[50], RELAY).status_code == 201
    assert len(city.standing()["items"]) < MAX_LISTED


# --- what it takes -------------------------------------------------------------------------------------------------


@pytest.mark.sqlite_is_enough(False)
def test_a_retry_gets_the_same_receipt_also_when_both_come_at_once(hub: RunningHub, city: City) -> None:
    body = city.confide()
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: hub.post(body, RELAY), range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 201]
    hub.clock.advance(days=3)
    again = hub.post(body, RELAY)
    assert {answer.content for answer in (*answers, again)} == {again.content}
    receipt = parse_envelope(again.content)
    verify_relay_receipt(
        receipt, hub=hub.hub.name, keys=[hub.hub.key.public], digest=parse_envelope(body).digest
    )  # fmt: skip


def test_what_is_confided_has_no_entry_no_seq_and_no_name_in_the_audit_log(hub: RunningHub, city: City) -> None:
    size = hub.log_size()
    me = city.read("/v1/members/me").content
    body = city.confide()
    hub.post(body, RELAY)
    assert hub.log_size() == size
    assert city.read("/v1/members/me").content == me
    with hub.hub.database.read() as session:
        digests = session.scalars(select(EntryRow.digest)).all()
        last = session.scalars(select(AuditRow).order_by(AuditRow.seq.desc()).limit(1)).one()
        assert session.scalar(select(func.count()).select_from(RelayItemRow)) == 1
        assert (last.actor, last.action) == ("member", "relay-taken")
        audit.verify(session)
    assert parse_envelope(body).digest not in digests


@pytest.mark.sqlite_is_enough(False)
def test_what_nobody_has_seen_is_erased_at_once_when_it_is_taken_back(hub: RunningHub, city: City) -> None:
    body = city.confide()
    hub.post(body, RELAY)
    withdrawal = city.confide(take_back(body))
    assert hub.post(withdrawal, RELAY).status_code == 201
    with hub.hub.database.read() as session:
        assert session.scalars(select(RelayItemRow.envelope)).all() == [None, None]
    assert {item["state"] for item in city.standing()["items"]} == {"withdrawn"}
    assert [hub.post(each, RELAY).status_code for each in (body, withdrawal)] == [200, 200]
    hub.clock.advance(days=30)
    assert hub.verb("relay.publish")["published"] == 0


def test_each_member_hears_of_its_own_requests_alone(hub: RunningHub, city: City) -> None:
    hub.post(city.confide(), RELAY)
    assert len(city.standing()["items"]) == 1
    assert hub.enrol("dresden.sn.de").standing()["items"] == []


@pytest.mark.sqlite_is_enough(False)
def test_a_changed_byte_in_what_is_kept_is_found(hub: RunningHub, city: City) -> None:
    body = city.confide()
    hub.post(body, RELAY)
    assert hub.verb("verify")["ok"]
    with hub.hub.database.write() as session:
        session.scalars(select(RelayItemRow)).one().envelope = body[:-1] + b" "
    report = hub.verb("verify")
    assert not report["ok"]
    assert all(city.name not in finding for finding in report["findings"])


def test_every_request_is_as_long_as_every_other(city: City) -> None:
    bodies = [city.confide(each) for each in (practice(), practice(lessons="word " * 199), take_back(city.sign()))]
    assert {len(parse_envelope(body).payload) for body in bodies} == {PAD_BYTES}
