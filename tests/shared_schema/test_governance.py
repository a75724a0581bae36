"""Memberships, policies, enrolment: no weak key is enrolled (hostile input 35), no rule stands twice."""

import base64
from typing import Any

import pytest

from shared_schema.errors import SchemaError
from shared_schema.governance import EnrolmentRequest, MembershipBody, PolicyBody, RelayedBody, WithdrawalBody
from shared_schema.statement import Kind
from tests.shared_schema.builders import (
    BODIES,
    CITY_KEY,
    DIGEST,
    LEIPZIG,
    POLICY,
    RELAYED_REVIEW,
    REVIEW,
    SAXONY,
    SEALED_TABLE,
    TABLE,
    enrolment_request,
    experience_body,
    membership_body,
    practice_body,
    receive,
    relayed_practice,
    signed_statement,
    status_of,
)
from tests.shared_schema.edwards25519 import encodings, torsion_points

WEAK_KEYS = sorted({raw for point in torsion_points() for raw in encodings(point)})


@pytest.mark.parametrize("raw", WEAK_KEYS, ids=bytes.hex)
def test_35_a_key_of_small_order_is_not_enrolled(raw: bytes) -> None:
    encoded = base64.b64encode(raw).decode()
    for call in (
        lambda: EnrolmentRequest.from_object(enrolment_request(key=encoded)),
        lambda: MembershipBody.from_object(membership_body(key=encoded)),
        lambda: receive(signed_statement(Kind.MEMBERSHIP, membership_body(key=encoded))),
    ):
        with pytest.raises(SchemaError, match="not of small order") as caught:
            call()
        assert status_of(caught.value.code) == 422


KEY = base64.b64encode(CITY_KEY.public.raw).decode()


@pytest.mark.parametrize(
    "key",
    [
        "",
        KEY[:-1],
        KEY + "=",
        KEY[:40],
        base64.b64encode(b"\x09" * 31).decode(),
        base64.b64encode(b"\x09" * 33).decode(),
        base64.urlsafe_b64encode(b"\xfb\xef\xbe" * 10 + b"\xff\xff").decode(),
        KEY[:-2] + chr(ord(KEY[-2]) + 1) + "=",
        CITY_KEY.public.raw.hex(),
        "-----BEGIN PUBLIC KEY-----",
    ],
)
def test_35_what_is_no_key_of_32_bytes_in_its_one_spelling_is_refused(key: str) -> None:
    with pytest.raises(SchemaError, match="key"):
        EnrolmentRequest.from_object(enrolment_request(key=key))
    with pytest.raises(SchemaError, match="key"):
        MembershipBody.from_object(membership_body(key=key))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Leipzig"},
        {"role": "parent"},
        {"role": "admin"},
        {"code": "ABCD-2345-WXYZ"},
        {"code": "abcd-2345-wxyz-7qrs"},
        {"code": "ABCD-2345-WXYZ-7QR1"},
        {"url": "ftp://example.org"},
        {"url": "https://user@example.org"},
        {"url": "https://exa mple.org"},
        {"url": "https://" + "a" * 300},
        {"url": "javascript:alert(1)"},
        {"level": "world"},
        {"v": True},
        {"status": "active"},
        {"approved": True},
    ],
)
def test_an_enrolment_request_of_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        EnrolmentRequest.from_object(enrolment_request(**change))


def test_an_enrolment_request_carries_the_key_it_asks_for() -> None:
    request = EnrolmentRequest.from_object(enrolment_request(url="http://127.0.0.1:8000"))
    assert request.public_key == CITY_KEY.public
    assert EnrolmentRequest.from_bytes(request.to_bytes()) == request


@pytest.mark.parametrize("field", ["not_before", "not_after"])
@pytest.mark.parametrize(
    "time", ["2026-99-99T99:99:99Z", "2026-02-30T00:00:00Z", "٢٠٢٦-01-01T00:00:00Z", "2026-01-01", ""]
)
def test_a_membership_is_bounded_only_by_real_times(field: str, time: str) -> None:
    with pytest.raises(SchemaError, match=f"^{field}: expected a time such as"):
        MembershipBody.from_object(membership_body(**{field: time}))


@pytest.mark.parametrize("change", [{"role": "root"}, {"status": "gone"}, {"member": "x"}, {"contact": "x"}])
def test_a_membership_of_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        MembershipBody.from_object(membership_body(**change))


def test_a_membership_names_the_key_of_its_member() -> None:
    body = MembershipBody.from_object(membership_body(role="parent", level="nation"))
    assert body.public_key == CITY_KEY.public


@pytest.mark.parametrize(
    "change",
    [
        {"tables": [TABLE.to_object(), TABLE.to_object()]},
        {"tables": [TABLE.to_object(), TABLE.to_object() | {"title": "The same version in another wording"}]},
        {"tables": [TABLE.to_object()] * 201},
        {"version": 0},
        {"epsilon_milli_total": 10_001},
        {"epsilon_milli_per_measure": 0},
        {"min_contributors": 0},
    ],
)
def test_a_policy_of_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        PolicyBody.from_object(POLICY.to_object() | change)


@pytest.mark.parametrize(
    "change",
    [
        {"table": "no_such.table"},
        {"version": 9},
        {"granularity": "year"},
        {"min_batch": 4},
        {"min_batch": 2_001},
        {"maximum": 0},
        {"open_days": 0},
        {"open_days": 101},
        {"helper": "Bund"},
        {"source_kind": "survey"},
    ],
)
def test_a_policy_seals_only_its_own_tables_and_within_bounds(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        PolicyBody.from_object(POLICY.to_object() | {"sealed": [SEALED_TABLE | change]})


def test_a_table_is_sealed_in_one_way() -> None:
    with pytest.raises(SchemaError):
        PolicyBody.from_object(POLICY.to_object() | {"sealed": [SEALED_TABLE, SEALED_TABLE]})
    policy = PolicyBody.from_object(POLICY.to_object() | {"sealed": [SEALED_TABLE]})
    found = policy.find_sealed(TABLE.id, TABLE.version)
    assert found is not None and found.helper == "bund.de"
    assert policy.find_sealed(TABLE.id, 9) is None


@pytest.mark.parametrize("change", [{"digest": "x"}, {"reason": "because"}, {"reason": ""}, {"note": "x"}])
def test_a_withdrawal_has_a_digest_and_one_of_four_reasons(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        WithdrawalBody.from_object({"digest": DIGEST, "reason": "error"} | change)


@pytest.mark.parametrize(
    "contents", [{}, {"practice": practice_body(), "experience": experience_body()}, {"practice": {}}, {"origin": "x"}]
)
def test_a_relayed_item_has_exactly_one_content_and_no_author(contents: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        RelayedBody.from_object({"attribution": "region"} | contents)


def test_a_relayed_item_never_names_a_city() -> None:
    with pytest.raises(SchemaError):
        RelayedBody.from_object(BODIES[Kind.RELAYED] | {"attribution": "city"})
    general = {"attribution": "region", "area": SAXONY, "review": RELAYED_REVIEW}
    relayed = RelayedBody.from_object({"attribution": "region", "experience": experience_body(**general)})
    assert relayed.practice is None and relayed.content is relayed.experience


@pytest.mark.parametrize(
    "finer",
    [
        {"area": LEIPZIG},
        {"area": SAXONY},
        {"area": {"scheme": "ISO3166", "version": "2020", "code": "DE-SN"}},
        {"attribution": "city"},
        {"attribution": "region"},
        {"language": "de-AT"},
        {"review_by": "2027-03"},
        {"review": REVIEW},
        {"review": RELAYED_REVIEW | {"role": "coordinator"}},
        {"review": RELAYED_REVIEW | {"findings": 1}},
    ],
)
def test_every_reader_refuses_a_relayed_item_that_could_point_to_its_author(finer: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        RelayedBody.from_object({"attribution": "country", "practice": relayed_practice(**finer)})
    RelayedBody.from_object({"attribution": "country", "practice": relayed_practice(review_by="2027-12")})
