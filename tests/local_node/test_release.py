"""The way out: what is asked, shown, approved and signed is one and the same, and nothing leaves otherwise."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select

from local_node import audit, release, request_store
from local_node.errors import ReleaseError, ReviewError
from local_node.ledger import verify_chain
from local_node.noise import Draw
from local_node.orm import OutboxRow
from local_node.people import PersonError
from local_node.protection import Protection
from local_node.release import SignReport
from local_node.request_store import StoredRequest
from local_node.review import ReleaseRequest, RequestState
from shared_schema.envelope import parse_envelope, verify_envelope
from shared_schema.errors import ContractError, ProgramError, SchemaError
from shared_schema.governance import PolicyBody
from shared_schema.period import parse_period
from shared_schema.service.database import Database
from shared_schema.statement import Audience, Kind, VerifiedStatement, read_statement
from shared_schema.trend import TrendBody
from tests.factories import (
    COORDINATOR,
    HUB,
    LEIPZIG,
    NOW,
    ORIGIN,
    PARTNER,
    REVIEWER,
    CountingDraw,
    add_hub,
    add_people,
    add_returns,
    make_key,
    make_nonces,
    make_policy,
    make_practice_draft,
    make_returns_file,
    make_table,
    no_noise,
)

TABLE = "bias_incidents.by_offence"
POLICY = make_policy()
KEY = make_key()


@pytest.fixture(autouse=True)
def city(node_database: Database) -> None:
    """People, a hub, and two months of returns."""
    with node_database.write() as session:
        add_people(session)
        add_hub(session)
        add_returns(session, make_returns_file(m2026_01=[3, 0, None, 1, 0, 2], m2026_02=[1] * 6))


def ask_numbers(
    database: Database,
    label: str = "2026-01",
    *,
    table: str = TABLE,
    policy: PolicyBody = POLICY,
    draw: Draw = no_noise,
    person: str = COORDINATOR,
    **more: Any,
) -> ReleaseRequest:
    with database.write() as session:
        return release.request_numbers(
            session,
            table,
            parse_period(label),
            person,
            policy=policy,
            area=LEIPZIG,
            expected_agencies=2,
            draw=draw,
            now=NOW,
            **more,
        )


def ask_practice(
    database: Database, *, person: str = COORDINATOR, audience: Audience = Audience.EUROPE, **changes: Any
) -> ReleaseRequest:
    with database.write() as session:
        return release.request_practice(session, make_practice_draft(**changes), person, LEIPZIG, audience, NOW)


def approve(database: Database, request: ReleaseRequest, *, by: str = REVIEWER, **reasons: str) -> None:
    with database.write() as session:
        accepted = {int(number[1:]): reason for number, reason in reasons.items()}
        release.approve(session, request.id, by, accepted, NOW)


def sign(
    database: Database,
    *,
    highest_seq: int = 0,
    policy: PolicyBody = POLICY,
    hubs: Sequence[str] = (HUB,),
    start: int = 0,
) -> SignReport:
    with database.write() as session:
        return release.sign_approved(
            session,
            key=KEY,
            origin=ORIGIN,
            hubs=hubs,
            highest_seq=highest_seq,
            policy=policy,
            nonces=make_nonces(start),
            now=NOW,
        )


def stored(database: Database, request: ReleaseRequest) -> StoredRequest:
    with database.read() as session:
        return request_store.get_request(session, request.id)


def sent(database: Database) -> list[VerifiedStatement]:
    """What stands in the outbox, verified with the node's public key."""
    with database.read() as session:
        envelopes = session.scalars(select(OutboxRow.envelope).order_by(OutboxRow.seq)).all()
    return [read_statement(verify_envelope(parse_envelope(envelope), KEY.public)) for envelope in envelopes]


# --- asking for figures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "changes", "code"),
    [
        ("2026-01", {"table": "no.such_table"}, "unknown-table"),
        ("2025", {}, "period"),
        ("2026-11", {}, "period"),
        ("2027-01", {}, "period"),
        ("2026-03", {}, "empty"),
        ("2026-01", {"epsilon_milli": 1001}, "epsilon"),
        ("2026-01", {"epsilon_milli": 0}, "epsilon"),
        ("2026-01", {"epsilon_milli": -5}, "epsilon"),
        ("2026-01", {"policy": make_policy(epsilon_milli_per_measure=999)}, "privacy-budget"),
        ("2026-01", {"protection": Protection(engine="threshold")}, "threshold-month"),
        ("2026-01", {"protection": Protection(profile="strict"), "epsilon_milli": 501}, "epsilon"),
        ("2026-01", {"correction": True}, "no-release"),
        ("2026-01", {"policy": make_policy([make_table(source_kinds=["survey"])])}, "source-kind"),
        ("2026-01", {"person": "nobody"}, "person-unknown"),
    ],
)
def test_figures_that_may_not_be_released_are_refused_and_cost_nothing(
    node_database: Database, label: str, changes: dict[str, Any], code: str
) -> None:
    draw = CountingDraw()
    with pytest.raises((ProgramError, ContractError)) as caught:
        ask_numbers(node_database, label, draw=draw, **changes)
    assert isinstance(caught.value, ProgramError | ContractError)
    assert caught.value.code == code
    assert draw.scales == []
    with node_database.read() as session:
        assert verify_chain(session) == 0
        assert request_store.list_requests(session) == ()


def test_the_same_figures_are_asked_for_once(node_database: Database) -> None:
    request = ask_numbers(node_database)
    with pytest.raises(ReleaseError, match="r1 is requested"):
        ask_numbers(node_database)
    approve(node_database, request)
    sign(node_database)
    with pytest.raises(ReleaseError, match="r1 is signed"):
        ask_numbers(node_database)


def test_a_refused_request_can_be_made_again_with_the_same_figures_at_no_cost(node_database: Database) -> None:
    draw = CountingDraw()
    first = ask_numbers(node_database, draw=draw)
    with node_database.write() as session:
        release.refuse(session, first.id, REVIEWER, "the coverage is too low", NOW)
    second = ask_numbers(node_database, draw=draw)
    assert second.id == "r2"
    assert second.body == first.body
    assert len(draw.scales) == 1


def test_what_is_shown_holds_the_drawn_figures_and_no_true_count(node_database: Database) -> None:
    body = TrendBody.from_bytes(ask_numbers(node_database, draw=lambda scale, count: (500,) * count).body)
    assert [(cell.status, cell.value) for cell in body.cells] == [
        ("A", 503),
        ("A", 500),
        ("L", None),
        ("A", 501),
        ("A", 500),
        ("A", 502),
    ]
    assert body.area == LEIPZIG
    assert body.coverage.to_object() == {"reporting": 1, "expected": 2}
    assert body.review.to_object() == {"role": "reviewer", "detector": "narrative/1.0", "findings": 0}


def test_a_request_that_cannot_be_stored_leaves_no_charge(node_database: Database) -> None:
    with pytest.raises(RuntimeError), node_database.write() as session:
        release.request_numbers(
            session,
            TABLE,
            parse_period("2026-01"),
            COORDINATOR,
            policy=POLICY,
            area=LEIPZIG,
            expected_agencies=1,
            draw=no_noise,
            now=NOW,
        )
        raise RuntimeError("power cut")
    with node_database.read() as session:
        assert verify_chain(session) == 0
        assert audit.verify(session) == 1  # the import of the fixture alone


def test_records_that_change_after_the_draw_do_not_reach_the_request(node_database: Database) -> None:
    first = ask_numbers(node_database)
    with node_database.write() as session:
        add_returns(session, make_returns_file(m2026_01=[50] * 6), agency="ngo")
        release.refuse(session, first.id, REVIEWER, "once more, please", NOW)
    assert ask_numbers(node_database).body == first.body


# --- asking for words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"area": LEIPZIG.to_object()},
        {"review": {"role": "reviewer", "detector": "none", "findings": 0}},
        {"attribution": "anonymous"},
        {"outcome": "great"},
        {"title": ""},
        {"summary": "word " * 101},
        {"secret": "field"},
        {"title": 7},
        {"title": "with\x00control"},
        {"cost": 1.5},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_practice_of_another_form_is_refused(node_database: Database, changes: dict[str, Any]) -> None:
    with pytest.raises((ReleaseError, SchemaError)):
        ask_practice(node_database, **changes)
    with node_database.read() as session:
        assert request_store.list_requests(session) == ()


def test_only_what_people_write_is_asked_for_as_words(node_database: Database) -> None:
    with node_database.write() as session, pytest.raises(ReleaseError):
        release.request_words(session, Kind.MEMBERSHIP, {}, COORDINATOR, LEIPZIG, Audience.EUROPE, NOW)


def test_a_question_needs_no_area(node_database: Database) -> None:
    draft = {"title": "Who has tried this?", "text": "Does anybody work with gyms?", "phenomenon": ["RWE"]}
    with node_database.write() as session:
        request = release.request_words(session, Kind.QUESTION, draft, PARTNER, LEIPZIG, Audience.EUROPE, NOW)
    assert request.kind is Kind.QUESTION
    assert "area" not in json.loads(request.body)


def test_a_text_in_another_unicode_form_is_brought_into_the_one_that_can_be_signed(node_database: Database) -> None:
    request = ask_practice(node_database, title="Ko\u0308ln and more", lessons="one\r\ntwo")
    body = json.loads(request.body)
    assert (body["title"], body["lessons"]) == ("K\u00f6ln and more", "one\ntwo")


def test_findings_are_counted_in_the_note_and_block_until_they_have_reasons(node_database: Database) -> None:
    request = ask_practice(node_database, lessons="Mr Smith helped on 3 May.")
    assert [(finding.field, finding.kind.value) for finding in request.findings] == [
        ("lessons", "name"),
        ("lessons", "date"),
    ]
    assert json.loads(request.body)["review"]["findings"] == 2
    with pytest.raises(ReviewError, match="finding 1"):
        approve(node_database, request, _0="a character in a play")
    approve(node_database, request, _0="a character in a play", _1="a public holiday")
    assert stored(node_database, request).accepted == {0: "a character in a play", 1: "a public holiday"}
    assert sign(node_database).signed == ("r1",)
    assert b"a public holiday" not in sent(node_database)[0].envelope.payload


# --- deciding ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [COORDINATOR, PARTNER, "nobody"])
def test_who_asked_a_partner_and_a_stranger_cannot_approve(node_database: Database, by: str) -> None:
    request = ask_practice(node_database)
    with pytest.raises((ReviewError, PersonError)):
        approve(node_database, request, by=by)
    assert stored(node_database, request).request == request
    assert sign(node_database) == SignReport((), ())


def test_a_request_that_does_not_exist_cannot_be_decided(node_database: Database) -> None:
    for decide in (
        lambda s: release.approve(s, "r9", REVIEWER, {}, NOW),
        lambda s: release.refuse(s, "r9", REVIEWER, "x", NOW),
    ):
        with node_database.write() as session, pytest.raises(ReleaseError, match="such as r1"):
            decide(session)


def test_a_decision_is_made_once(node_database: Database) -> None:
    request = ask_practice(node_database)
    approve(node_database, request)
    with pytest.raises(ReviewError, match="this one is approved"):
        approve(node_database, request)


def test_what_is_approved_can_be_stopped_until_it_is_signed(node_database: Database) -> None:
    stopped, signed = ask_practice(node_database), ask_practice(node_database)
    approve(node_database, stopped)
    with node_database.write() as session:
        release.refuse(session, stopped.id, REVIEWER, "not yet", NOW)
    approve(node_database, signed)
    sign(node_database)
    assert stored(node_database, stopped).statement_digest is None
    for request in (stopped, signed):
        with pytest.raises(ReviewError, match="not signed yet"), node_database.write() as session:
            release.refuse(session, request.id, REVIEWER, "too late", NOW)
    assert stored(node_database, signed).request.state is RequestState.SIGNED


def test_a_refusal_needs_a_reason_and_keeps_it_out_of_the_audit_log(node_database: Database) -> None:
    request = ask_practice(node_database)
    with pytest.raises(ReviewError, match="reason"), node_database.write() as session:
        release.refuse(session, request.id, REVIEWER, " ", NOW)
    with node_database.write() as session:
        release.refuse(session, request.id, REVIEWER, "names a street", NOW)
    assert (stored(node_database, request).request.state, stored(node_database, request).reason) == (
        RequestState.REFUSED,
        "names a street",
    )
    with node_database.read() as session:
        assert not any("street" in event.subject for event in audit.list_events(session))


def test_a_partner_writes_and_takes_back_but_ends_nobody_elses(node_database: Database) -> None:
    own, other = ask_practice(node_database, person=PARTNER), ask_practice(node_database)
    with node_database.write() as session:
        release.refuse(session, own.id, PARTNER, "not ready", NOW)
        with pytest.raises(ReviewError):
            release.refuse(session, other.id, PARTNER, "no", NOW)


def test_every_step_stands_in_the_audit_log_with_the_digest_of_what_was_shown(node_database: Database) -> None:
    request = ask_numbers(node_database)
    approve(node_database, request)
    sign(node_database)
    with node_database.read() as session:
        events = [(event.actor, event.action, event.subject) for event in reversed(audit.list_events(session))]
        assert audit.verify(session) == len(events)
    digest = stored(node_database, request).statement_digest
    assert events[1:] == [
        (COORDINATOR, "ledger.charged", f"1/{TABLE}/1/2026-01"),
        (COORDINATOR, "release.requested", f"r1/{request.body_digest}"),
        (REVIEWER, "release.approved", f"r1/{request.body_digest}"),
        ("local-node", "release.signed", f"r1/{digest}"),
    ]


# --- signing -------------------------------------------------------------------------------------------------------


def test_nothing_is_signed_that_nobody_approved(node_database: Database) -> None:
    ask_numbers(node_database)
    ask_practice(node_database)
    assert sign(node_database) == SignReport((), ())
    assert sent(node_database) == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE release_requests SET state = 'approved'",
        "UPDATE release_requests SET state = 'approved', decided_by = 'anna', approved_digest = 'x'",
        "UPDATE release_requests SET body = replace(body, 'Rehearsing', 'Inventing')",
        "UPDATE release_requests SET decided_by = 'anna'",
        "UPDATE people SET role = 'partner' WHERE id = 'bert'",
        """UPDATE release_requests SET findings = '{"items":[{"end":3,"field":"title","kind":"name","start":0}]}'""",
    ],
    ids=["unapproved", "by-herself", "other-text", "other-person", "other-role", "open-finding"],
)
def test_an_approval_that_was_made_up_in_the_database_is_held_and_not_signed(
    node_database: Database, change: str
) -> None:
    request = ask_practice(node_database)
    if "state" not in change:
        approve(node_database, request)
    with node_database.write() as session:
        session.connection().exec_driver_sql(change)
    assert sign(node_database).signed == ()
    assert sent(node_database) == []
    assert stored(node_database, request).request.state is RequestState.HELD


def test_what_was_shown_is_what_is_signed_byte_for_byte(node_database: Database) -> None:
    numbers, practice = ask_numbers(node_database), ask_practice(node_database)
    approve(node_database, numbers)
    approve(node_database, practice)
    assert sign(node_database) == SignReport(("r1", "r2"), ())
    trend, words = sent(node_database)
    assert trend.statement.body.to_bytes() == numbers.body
    assert words.statement.body.to_bytes() == practice.body
    assert numbers.body in trend.envelope.payload
    assert (trend.statement.kind, trend.statement.audience) == (Kind.TREND, Audience.HUB)
    assert (words.statement.kind, words.statement.audience) == (Kind.PRACTICE, Audience.EUROPE)
    assert trend.statement.origin == words.statement.origin == ORIGIN
    assert trend.statement.nonce != words.statement.nonce
    assert stored(node_database, practice).statement_digest == words.digest


def test_a_request_that_a_rule_forbids_is_held_with_the_reason_and_blocks_nobody(node_database: Database) -> None:
    first, second, third = (
        ask_practice(node_database, audience=Audience.HUB),
        ask_numbers(node_database),
        ask_practice(node_database),
    )
    for request in (first, second, third):
        approve(node_database, request)
    stricter = make_policy([make_table(epsilon_milli=100)])
    report = sign(node_database, policy=stricter)
    assert report.signed == ("r3",)
    assert [request_id for request_id, _ in report.held] == ["r1", "r2"]
    assert stored(node_database, first).reason == (
        "release-rule: expected a practice to be for the region, the nation or Europe"
    )
    assert (stored(node_database, second).reason or "").startswith("unknown-table: ")
    assert [statement.statement.seq for statement in sent(node_database)] == [1]
    assert sign(node_database).signed == ()


def test_a_held_request_can_be_asked_again_and_needs_a_new_approval(node_database: Database) -> None:
    request = ask_numbers(node_database)
    approve(node_database, request)
    sign(node_database, policy=make_policy([make_table(epsilon_milli=100)]))
    with node_database.write() as session:
        release.ask_again(session, request.id, COORDINATOR, NOW)
    assert sign(node_database).signed == ()
    approve(node_database, request)
    assert sign(node_database).signed == ("r1",)


def test_seq_rises_and_is_never_lower_than_what_a_hub_has_seen(node_database: Database) -> None:
    for highest_seq, expected in ((0, 1), (0, 2), (40, 41), (7, 42)):
        approve(node_database, ask_practice(node_database))
        sign(node_database, highest_seq=highest_seq, start=expected)
        assert sent(node_database)[-1].statement.seq == expected


def test_without_a_hub_approved_requests_wait(node_database: Database) -> None:
    request = ask_practice(node_database)
    approve(node_database, request)
    assert sign(node_database, hubs=()) == SignReport((), ())
    assert stored(node_database, request).request.state is RequestState.APPROVED
    assert sign(node_database).signed == ("r1",)


def test_a_crash_while_signing_leaves_everything_to_be_signed_once(node_database: Database) -> None:
    approve(node_database, ask_practice(node_database))
    with pytest.raises(RuntimeError), node_database.write() as session:
        release.sign_approved(
            session, key=KEY, origin=ORIGIN, hubs=[HUB], highest_seq=0, policy=POLICY, nonces=make_nonces(), now=NOW
        )
        raise RuntimeError("power cut")
    assert sent(node_database) == []
    assert sign(node_database).signed == ("r1",)
    assert sign(node_database).signed == ()
    assert [statement.statement.seq for statement in sent(node_database)] == [1]


def test_one_statement_goes_to_every_hub(node_database: Database) -> None:
    with node_database.write() as session:
        add_hub(session, "other.de")
    approve(node_database, ask_practice(node_database))
    sign(node_database, hubs=[HUB, "other.de"])
    first, second = sent(node_database)
    assert first.digest == second.digest
