"""Terms that nobody can misread: both hubs' word holds for these very bytes, and whatever comes of them fits."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared_schema.directory import Directory
from shared_schema.envelope import MAX_ENVELOPE_BYTES, payload_type, sign_payload
from shared_schema.errors import ContractError, SchemaError, VerificationError
from shared_schema.governance import MAX_MEMBERS, MembershipBody
from shared_schema.keys import Member, MemberRole, MemberStatus, SigningKey
from shared_schema.names import is_same_operator
from shared_schema.problem import ProblemCode
from shared_schema.sealed.countersign import BATCH_TERMS, ROSTER_TERMS, countersign, verify_countersignature
from shared_schema.sealed.hpke import OVERHEAD
from shared_schema.sealed.terms import (
    Attendance,
    BatchPlan,
    BatchTerms,
    HubPart,
    RosterTerms,
    VoidTerms,
    check_attendance,
    check_operators,
    leader_half_size,
    sum_digest,
)
from shared_schema.statement import SEALED_BY_HUBS, Audience, Kind
from tests.shared_schema.builders import (
    ATTENDANCE,
    BODIES,
    CITY_KEY,
    COUNTERSIGNATURE,
    DIGEST,
    HUB,
    HUB_KEY,
    NATION,
    NOW,
    OTHER_KEY,
    batch_plan,
    batch_terms,
    hub_part,
    membership_body,
    receive,
    share_body,
    signed_statement,
)

NATION_KEY = SigningKey.from_seed(b"nati" * 8)


def check_refused(check: Callable[[], object], code: ProblemCode, match: str = ".") -> None:
    with pytest.raises(ContractError, match=match) as caught:
        check()
    assert caught.value.code is code


# --- the plan ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"members": ["b.sn.de", "a.sn.de", "c.sn.de", "d.sn.de", "e.sn.de"]}, "sorted"),
        ({"members": ["a.sn.de", "a.sn.de", "c.sn.de", "d.sn.de", "e.sn.de"]}, "each once"),
        ({"members": ["a.sn.de", "b.sn.de", "c.sn.de", "d.sn.de"]}, "members"),
        ({"min_batch": 4}, "min_batch"),
        ({"min_batch": 7}, "at least min_batch members"),
        ({"cells": []}, "cells"),
        ({"cells": ["a", "a"]}, "every cell of the grid once"),
        ({"cells": [f"c{number}" for number in range(401)]}, "cells"),
        ({"maximum": 0}, "maximum"),
        ({"maximum": 10**9 + 1}, "maximum"),
        ({"cells": [f"c{number}" for number in range(400)], "maximum": 10**9}, "cells of 30 bits"),
        ({"chunk_length": 0}, "chunk_length"),
        ({"chunk_length": 31}, "chunks of 1 to 30 bits"),
        ({"epsilon_milli": 0}, "epsilon_milli"),
        ({"closes": "2026-11-20T09:00:00Z"}, "close after it opens"),
        ({"log_size": -1}, "log_size"),
        ({"late_of": "x"}, "late_of"),
    ],
)
def test_a_plan_that_nobody_can_keep_is_refused(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(SchemaError, match=match):
        BatchPlan.from_object(batch_plan(**changes))


def test_2000_members_fit_and_one_more_does_not() -> None:
    names = sorted(f"city-{number:05d}.example.eu" for number in range(MAX_MEMBERS))
    assert len(BatchPlan.from_object(batch_plan(members=names)).members) == MAX_MEMBERS
    with pytest.raises(SchemaError, match="members"):
        BatchPlan.from_object(batch_plan(members=sorted([*names, "a.example.eu"])))


def test_a_plan_whose_roster_would_not_fit_is_refused() -> None:
    """Else a batch would be collected that nobody can ever open."""
    names = sorted(f"{number:05d}-{'x' * 30}.{'y' * 40}.example.eu" for number in range(MAX_MEMBERS))
    with pytest.raises(SchemaError, match="roster of them fits"):
        BatchPlan.from_object(batch_plan(members=names))
    fitting = BatchPlan.from_object(batch_plan(members=names[:1_350]))
    worst = {
        "accepted": [],
        "refused": [{"origin": name, "reason": "wrong-batch"} for name in fitting.members],
        "absent": [],
    }
    terms = {"v": 1, "batch": DIGEST, "attendance": worst, "leader_sum": DIGEST, "helper_sum": DIGEST}
    body = {"terms": terms, "helper": COUNTERSIGNATURE}
    envelope = signed_statement(Kind.ROSTER, body, key=HUB_KEY, origin=HUB)
    assert len(envelope) <= MAX_ENVELOPE_BYTES


def test_the_largest_share_that_a_plan_allows_fits_into_one_statement() -> None:
    def plan_of(cells: int, maximum: int) -> BatchPlan:
        codes = [f"c{number}" for number in range(cells)]
        return BatchPlan.from_object(batch_plan(cells=codes, maximum=maximum))

    largest = plan_of(400, 2**20 - 1)  # 8,000 of the 8,192 bits that the proof is made for
    with pytest.raises(SchemaError, match="cells of 21 bits"):
        plan_of(400, 2**20)
    half = base64.b64encode(bytes(leader_half_size(largest.vdaf) + OVERHEAD)).decode()
    envelope = signed_statement(Kind.SHARE, share_body(leader_half=half))
    assert MAX_ENVELOPE_BYTES * 0.9 < len(envelope) <= MAX_ENVELOPE_BYTES


# --- two hubs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"hpke_key": base64.b64encode(bytes(32)).decode()}, "small order"),
        ({"hpke_key": "x"}, "hpke_key"),
        ({"operator": ""}, "operator"),
        ({"operator": "x" * 121}, "operator"),
        ({"name": "Bund"}, "name"),
        ({"noise_seed": "ab"}, "noise_seed"),
    ],
)
def test_a_hub_that_cannot_take_part_is_refused(changes: dict[str, str], match: str) -> None:
    with pytest.raises(SchemaError, match=match):
        HubPart.from_object(hub_part(NATION, "Bund") | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": HUB},
        {"hpke_key": hub_part(HUB, "x")["hpke_key"]},
        {"noise_seed": hub_part(HUB, "x")["noise_seed"]},
    ],
)
def test_two_hubs_are_two(changes: dict[str, str]) -> None:
    with pytest.raises(SchemaError, match="expected two"):
        BatchTerms.from_object(batch_terms(helper=hub_part(NATION, "Bund") | changes))


def test_terms_of_another_vdaf_are_refused() -> None:
    with pytest.raises(SchemaError, match="vdaf"):
        BatchTerms.from_object(batch_terms(vdaf="draft-irtf-cfrg-vdaf-20 Prio3SumVec, version 19"))


@pytest.mark.parametrize(
    "operator",
    [
        "Freistaat Sachsen",
        "freistaat  SACHSEN ",
        "\uff26reistaat Sachsen",
        "Freistaat\u00a0Sachsen",
        "Frei\ufb06aat Sachsen",
    ],
)
def test_two_hubs_of_one_operator_are_refused_however_it_is_written(operator: str) -> None:
    terms = BatchTerms.from_object(batch_terms()).model_copy(
        update={"helper": HubPart.from_object(hub_part(NATION, "x")).model_copy(update={"operator": operator})}
    )
    check_refused(lambda: check_operators(terms), ProblemCode.SAME_OPERATOR)


@pytest.mark.parametrize(("one", "other"), [("Stadt Köln", "Stadt Koeln"), ("Land A", "Land B"), ("Straße", "Strase")])
def test_other_words_are_another_operator(one: str, other: str) -> None:
    assert not is_same_operator(one, other)
    assert is_same_operator("STRASSE", "Straße") and is_same_operator("İstanbul", "i̇stanbul")


def test_only_hubs_have_operators_and_older_statements_have_none() -> None:
    assert MembershipBody.from_object(membership_body()).operator is None
    assert "operator" not in MembershipBody.from_object(membership_body()).to_object()
    assert MembershipBody.from_object(membership_body(role="hub", operator="Bund")).operator == "Bund"
    with pytest.raises(SchemaError, match="about a hub only"):
        MembershipBody.from_object(membership_body(operator="Bund"))


# --- the second signature -------------------------------------------------------------------------------------------


@pytest.fixture
def directory() -> Directory:
    directory = Directory(HUB, HUB_KEY.public)
    nation = Member(NATION, MemberRole.PARENT, NATION_KEY.public, MemberStatus.ACTIVE, vouched_by="")
    other = Member("nrw.de", MemberRole.HUB, OTHER_KEY.public, MemberStatus.ACTIVE, vouched_by="")
    directory.apply(signer=HUB, member=nation, position=0)
    directory.apply(signer=HUB, member=other, position=1)
    return directory


TERMS = BatchTerms.from_object(batch_terms())


def test_the_helpers_signature_holds_for_these_terms(directory: Directory) -> None:
    signature = countersign(BATCH_TERMS, TERMS, NATION_KEY)
    verify_countersignature(BATCH_TERMS, TERMS, signature, helper=NATION, directory=directory, at=NOW)


def test_a_signature_for_other_terms_or_of_another_kind_is_refused(directory: Directory) -> None:
    other = BatchTerms.from_object(batch_terms(plan=batch_plan(epsilon_milli=501)))
    for kind, signed in ((BATCH_TERMS, other), (ROSTER_TERMS, TERMS)):
        signature = countersign(kind, signed, NATION_KEY)
        check_refused(
            lambda signature=signature: verify_countersignature(  # type: ignore[misc]
                BATCH_TERMS, TERMS, signature, helper=NATION, directory=directory, at=NOW
            ),
            ProblemCode.BAD_SIGNATURE,
        )


@pytest.mark.parametrize(
    ("key", "code"),
    [(OTHER_KEY, ProblemCode.WRONG_ORIGIN), (HUB_KEY, ProblemCode.WRONG_ORIGIN), (CITY_KEY, ProblemCode.UNKNOWN_KEY)],
)
def test_nobody_else_signs_for_the_helper(directory: Directory, key: SigningKey, code: ProblemCode) -> None:
    signature = countersign(BATCH_TERMS, TERMS, key)
    check_refused(
        lambda: verify_countersignature(BATCH_TERMS, TERMS, signature, helper=NATION, directory=directory, at=NOW), code
    )


def test_a_revoked_helper_signs_nothing_from_there_on(directory: Directory) -> None:
    signature = countersign(BATCH_TERMS, TERMS, NATION_KEY)
    nation = Member(NATION, MemberRole.PARENT, NATION_KEY.public, MemberStatus.REVOKED, vouched_by="")
    directory.apply(signer=HUB, member=nation, position=9)
    late = {"helper": NATION, "directory": directory, "at": NOW + timedelta(days=1)}
    verify_countersignature(BATCH_TERMS, TERMS, signature, **late, position=8)  # type: ignore[arg-type]
    check_refused(
        lambda: verify_countersignature(BATCH_TERMS, TERMS, signature, **late, position=9),  # type: ignore[arg-type]
        ProblemCode.KEY_NOT_VALID,
    )


@pytest.mark.parametrize("kind", [BATCH_TERMS, ROSTER_TERMS])
def test_terms_are_no_statement(kind: str) -> None:
    with pytest.raises(SchemaError, match="a kind that this protocol knows"):
        receive(sign_payload(kind, TERMS.to_bytes(), CITY_KEY).to_bytes())
    assert payload_type(kind).endswith(f".{kind}.v1+json")


# --- who is in it ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"accepted": ["cd" * 32, DIGEST]},
        {"accepted": [DIGEST, DIGEST]},
        {"absent": ["zwickau.sn.de", "zwickau.sn.de"]},
        {"refused": [{"origin": "plauen.sn.de", "reason": "range"}, {"origin": "plauen.sn.de", "reason": "late"}]},
        {"refused": [{"origin": "plauen.sn.de", "reason": "because"}]},
    ],
)
def test_a_list_that_is_not_in_order_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        Attendance.from_object(ATTENDANCE | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"absent": []},
        {"absent": ["plauen.sn.de"]},
        {"absent": ["stranger.sn.de"]},
        {"accepted": []},
        {"absent": ["bautzen.sn.de", "zwickau.sn.de"]},
    ],
)
def test_every_member_is_in_it_once_and_nobody_else(changes: dict[str, Any]) -> None:
    plan = BatchPlan.from_object(batch_plan())
    check_attendance(Attendance.from_object(ATTENDANCE), plan)
    check_refused(
        lambda: check_attendance(Attendance.from_object(ATTENDANCE | changes), plan), ProblemCode.SCHEMA, "every member"
    )


def test_a_void_batch_says_who_came_exactly_when_too_few_did() -> None:
    void = VoidTerms.from_object({"v": 1, "batch": DIGEST, "reason": "too-few", "attendance": ATTENDANCE})
    assert void.attendance is not None
    for value in (
        {"v": 1, "batch": DIGEST, "reason": "too-few"},
        {"v": 1, "batch": DIGEST, "reason": "given-up", "attendance": ATTENDANCE},
        {"v": 1, "batch": DIGEST, "reason": "other"},
    ):
        with pytest.raises(SchemaError):
            VoidTerms.from_object(value)


def test_a_commitment_is_to_one_sum_of_one_hub_in_one_batch() -> None:
    digests = {
        sum_digest(batch, role, vector)
        for batch in (DIGEST, "cd" * 32)
        for role in ("leader", "helper")
        for vector in (bytes(16), bytes(32))
    }
    assert len(digests) == 8
    terms = {"v": 1, "batch": DIGEST, "attendance": ATTENDANCE, "leader_sum": DIGEST, "helper_sum": "cd" * 32}
    roster = RosterTerms.from_object(terms)
    assert (roster.sum_of("leader"), roster.sum_of("helper")) == (DIGEST, "cd" * 32)


# --- what may be sent how far ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("audience", ["region", "nation", "europe"])
def test_a_sealed_share_is_for_its_hub_alone(audience: str) -> None:
    body = signed_statement(Kind.SHARE, audience=audience)
    check_refused(lambda: receive(body), ProblemCode.RELEASE_RULE, "audience hub")


@pytest.mark.parametrize("kind", sorted(SEALED_BY_HUBS))
@pytest.mark.parametrize("audience", list(Audience))
def test_what_two_hubs_say_is_for_the_nation_at_least(kind: Kind, audience: Audience) -> None:
    body = signed_statement(kind, audience=audience.value)
    if audience.reach < Audience.NATION.reach:
        check_refused(lambda: receive(body), ProblemCode.RELEASE_RULE, "nation or europe")
    else:
        receive(body)


@pytest.mark.parametrize(
    ("field", "size"),
    [
        ("nonce", 15),
        ("nonce", 17),
        ("public_share", 63),
        ("public_share", 96),
        ("leader_half", 79),
        ("helper_half", 111),
        ("helper_half", 113),
    ],
)
def test_a_share_of_another_size_is_refused(field: str, size: int) -> None:
    with pytest.raises(SchemaError, match=field):
        receive(signed_statement(Kind.SHARE, share_body(**{field: base64.b64encode(bytes(size)).decode()})))


@pytest.mark.parametrize("text", ["", "AA==", "A" * 22, "A" * 21 + "B==", "A" * 21 + "-==", "é" * 24])
def test_a_nonce_has_one_spelling(text: str) -> None:
    with pytest.raises(SchemaError, match="nonce"):
        receive(signed_statement(Kind.SHARE, share_body(nonce=text)))


def test_a_countersignature_has_one_spelling() -> None:
    body = BODIES[Kind.VOID]
    for sig in ("", "A" * 85 + "B==", "A" * 88):
        with pytest.raises(SchemaError, match="sig"):
            receive(signed_statement(Kind.VOID, body | {"helper": COUNTERSIGNATURE | {"sig": sig}}))


def test_only_verification_errors_come_from_a_signature(directory: Directory) -> None:
    signature = countersign(BATCH_TERMS, TERMS, NATION_KEY).model_copy(update={"keyid": "00" * 32})
    with pytest.raises(VerificationError):
        verify_countersignature(BATCH_TERMS, TERMS, signature, helper=NATION, directory=directory, at=NOW)
