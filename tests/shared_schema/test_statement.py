"""Statements of every kind: signed, read back, and refused when anything is missing or not what it says."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_schema import canonical
from shared_schema.envelope import parse_envelope, sign_payload, verify_envelope
from shared_schema.errors import SchemaError, VerificationError
from shared_schema.keys import MemberRole
from shared_schema.problem import ProblemCode
from shared_schema.statement import (
    HUB_KINDS,
    SEALED_BY_HUBS,
    STATEMENT_BODIES,
    Audience,
    Kind,
    check_may_sign_kind,
    claimed_origin,
    format_time,
    make_statement,
    parse_time,
    read_statement,
    sign_statement,
)
from tests.shared_schema.builders import (
    BODIES,
    CITY,
    CITY_KEY,
    NOW,
    NOW_TEXT,
    audience_of,
    receive,
    signed,
    signed_statement,
    statement,
)

moments = st.datetimes(datetime(1000, 1, 1), datetime(9998, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize("field", ["kind", "origin", "seq", "issued_at", "nonce", "audience", "body"])
def test_no_field_may_be_missing(field: str) -> None:
    value = statement()
    del value[field]
    with pytest.raises(SchemaError, match=rf"{field}: Field required"):
        receive(signed(canonical.encode(value)))


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("v", 2),
        ("v", 0),
        ("v", True),
        ("seq", 0),
        ("seq", -1),
        ("origin", ""),
        ("origin", "leipzig"),
        ("origin", "Leipzig.sn.de"),
        ("origin", "leipzig.sn.de."),
        ("origin", ".sn.de"),
        ("origin", "leipzig..de"),
        ("origin", "-leipzig.de"),
        ("origin", "leipzig-.de"),
        ("origin", "löbau.sn.de"),
        ("origin", "leipzig.sn.de\n"),
        ("origin", "leipzig sn.de"),
        ("origin", "a.b.c.d.e.f"),
        ("origin", "a" * 43 + ".de"),
        ("origin", ".".join(["a" * 40] * 3)),
        ("issued_at", "2026-11-22T09:00:00"),
        ("issued_at", "2026-11-22T09:00:00+00:00"),
        ("issued_at", "2026-11-22 09:00:00Z"),
        ("issued_at", "2026-11-22T09:00:00.0Z"),
        ("issued_at", "2026-02-29T09:00:00Z"),
        ("issued_at", "2026-11-22T24:00:00Z"),
        ("issued_at", "2026-11-22T09:00:60Z"),
        ("issued_at", "0000-01-01T00:00:00Z"),
        ("issued_at", "٢٠٢٦-11-22T09:00:00Z"),
        ("issued_at", "2026-11-22t09:00:00z"),
        ("nonce", "A" * 21),
        ("nonce", "A" * 65),
        ("nonce", "A" * 22 + "="),
        ("nonce", "A" * 21 + "+"),
        ("audience", "everybody"),
        ("audience", "HUB"),
        ("audience", ""),
        ("body", {}),
        ("body", []),
        ("body", "text"),
    ],
)
def test_a_wrong_field_is_refused(field: str, wrong: object) -> None:
    with pytest.raises(SchemaError) as caught:
        receive(signed(canonical.encode(statement() | {field: wrong})))
    assert field in str(caught.value)


@pytest.mark.parametrize("kind", Kind)
def test_a_body_of_another_kind_is_refused(kind: Kind) -> None:
    for other in Kind:
        if other is not kind:
            with pytest.raises(SchemaError):
                receive(signed_statement(kind, BODIES[other]))


@pytest.mark.parametrize("kind", Kind)
def test_no_required_field_of_a_body_may_be_missing(kind: Kind) -> None:
    model = STATEMENT_BODIES[kind]
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    assert required
    for name in required:
        body = {other: value for other, value in BODIES[kind].items() if other != name}
        with pytest.raises(SchemaError, match=rf"body\.{name}: Field required"):
            receive(signed_statement(kind, body))


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_signed_and_read_back(kind: Kind) -> None:
    made = make_statement(
        STATEMENT_BODIES[kind].from_object(BODIES[kind]),  # type: ignore[arg-type]
        kind=kind,
        origin=CITY,
        seq=17,
        issued_at=NOW,
        nonce="A" * 22,
        audience=audience_of(kind),
    )
    envelope = sign_statement(made, CITY_KEY)
    verified = receive(envelope.to_bytes())
    assert verified.statement == made
    assert verified.statement.to_bytes() == envelope.payload
    assert type(verified.statement.body) is STATEMENT_BODIES[kind]
    assert (verified.envelope, verified.digest) == (envelope, envelope.digest)


def test_a_statement_that_does_not_fit_is_not_made() -> None:
    body = STATEMENT_BODIES[Kind.PRACTICE].from_object(BODIES[Kind.PRACTICE])
    for kind, origin, seq in ((Kind.QUESTION, CITY, 1), (Kind.PRACTICE, "Leipzig", 1), (Kind.PRACTICE, CITY, 0)):
        with pytest.raises(SchemaError):
            make_statement(
                body,  # type: ignore[arg-type]
                kind=kind,
                origin=origin,
                seq=seq,
                issued_at=NOW,
                nonce="A" * 22,
                audience=Audience.EUROPE,
            )


def test_only_what_was_verified_is_read() -> None:
    """`read_statement` takes nothing but a VerifiedEnvelope, and reads the very bytes that were verified."""
    envelope = sign_payload("practice", canonical.encode(statement()), CITY_KEY)
    verified = read_statement(verify_envelope(envelope, CITY_KEY.public))
    assert verified.envelope.payload is envelope.payload


def test_every_kind_has_a_body_and_hubs_have_their_own() -> None:
    assert set(STATEMENT_BODIES) == set(Kind)
    assert {Kind.AGGREGATE, Kind.MEMBERSHIP, Kind.POLICY, Kind.RELAYED} | SEALED_BY_HUBS == HUB_KINDS
    assert {Kind.BATCH, Kind.ROSTER, Kind.AGGREGATE_SHARE, Kind.VOID} == SEALED_BY_HUBS


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        (Kind.RELAYED, MemberRole.NODE),
        (Kind.MEMBERSHIP, MemberRole.NODE),
        (Kind.PRACTICE, MemberRole.HUB),
        (Kind.ANSWER, MemberRole.PARENT),
        (Kind.SHARE, MemberRole.HUB),
        *((kind, MemberRole.NODE) for kind in sorted(SEALED_BY_HUBS)),
    ],
)
def test_nobody_signs_what_is_not_of_its_role(kind: Kind, role: MemberRole) -> None:
    with pytest.raises(VerificationError) as caught:
        check_may_sign_kind(kind, role)
    assert caught.value.code is ProblemCode.KIND_NOT_ALLOWED


@pytest.mark.parametrize("role", MemberRole)
def test_whoever_says_something_may_take_it_back(role: MemberRole) -> None:
    check_may_sign_kind(Kind.WITHDRAWAL, role)


def test_audiences_reach_from_the_hub_to_europe() -> None:
    assert [audience.reach for audience in (Audience.HUB, Audience.REGION, Audience.NATION, Audience.EUROPE)] == [
        0,
        1,
        2,
        3,
    ]


# --- hints and times -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"origin":1}', b'{"origin":"a","origin":"b"}', b"\xff"])
def test_a_payload_without_a_readable_origin_claims_none(payload: bytes) -> None:
    assert claimed_origin(sign_payload("trend", payload, CITY_KEY)) is None


@given(st.binary(max_size=60))
def test_looking_for_the_claimed_origin_never_fails(payload: bytes) -> None:
    origin = claimed_origin(sign_payload("trend", payload, CITY_KEY))
    assert origin is None or isinstance(origin, str)


def test_the_claimed_origin_is_what_the_payload_says() -> None:
    assert claimed_origin(parse_envelope(signed_statement())) == CITY


@given(moments)
def test_a_time_is_written_in_utc_to_the_second_and_read_back(moment: datetime) -> None:
    assert parse_time(format_time(moment)) == moment.replace(microsecond=0)


def test_a_time_of_another_zone_is_converted() -> None:
    assert format_time(datetime(2026, 11, 22, 10, tzinfo=timezone(timedelta(hours=1)))) == NOW_TEXT
