"""The envelope, and what hostile input gets from the four gates: parse, verify, read, check.

`receive` in builders.py passes them in order. The numbers are those of the list of hostile inputs that the hub's tests
follow over HTTP; here they name the error and its status.
"""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from shared_schema import canonical
from shared_schema.canonical import MAX_INTEGER
from shared_schema.envelope import (
    MAX_ENVELOPE_BYTES,
    Envelope,
    envelope_from_object,
    kind_of,
    pae,
    parse_envelope,
    payload_type,
    sign_payload,
    verify_envelope,
)
from shared_schema.errors import ContractError, MalformedError, SchemaError, VerificationError
from shared_schema.keys import SigningKey
from shared_schema.problem import ProblemCode
from shared_schema.statement import Kind
from tests.shared_schema.builders import (
    BODIES,
    CITY_KEY,
    OTHER_KEY,
    VECTORS,
    practice_body,
    raw_json,
    receive,
    signed,
    signed_statement,
    statement,
    status_of,
    trend_body,
)
from tests.shared_schema.edwards25519 import L

DSSE = VECTORS["dsse"]
FIXTURE = VECTORS["dsse_ed25519"]
HONEST = signed_statement(Kind.PRACTICE)


def assert_refused(body: bytes, status: int, code: ProblemCode | None = None) -> ContractError:
    """All four gates answer with one of our errors, with this status, and say nothing of the input."""
    with pytest.raises(ContractError) as caught:
        receive(body)
    assert status_of(caught.value.code) == status, caught.value
    assert code in (None, caught.value.code)
    assert len(str(caught.value)) < 500
    return caught.value


def payload_with(old: bytes, new: bytes, kind: Kind = Kind.PRACTICE) -> bytes:
    """Canonical payload bytes in which one spelling is replaced by another."""
    payload = canonical.encode(statement(kind))
    assert payload.count(old) == 1
    return payload.replace(old, new)


def changed(body: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """An envelope after `change` has worked on its plain values."""
    value = json.loads(body)
    change(value)
    return raw_json(value)


def with_type(body: bytes, name: str) -> bytes:
    return changed(body, lambda value: value.update(payloadType=name))


def with_signature(body: bytes, **fields: object) -> bytes:
    return changed(body, lambda value: value["signatures"][0].update(fields))


# --- published vectors -----------------------------------------------------------------------------------------


def test_the_pre_authentication_encoding_is_that_of_dsse() -> None:
    assert pae(DSSE["payload_type"], DSSE["body"].encode()) == DSSE["pae"].encode()
    assert pae("", b"") == b"DSSEv1 0  0 "
    assert pae("é", b"\x00 ") == b"DSSEv1 2 \xc3\xa9 2 \x00 "


def test_the_published_ecdsa_signature_holds_over_our_encoding() -> None:
    key = EllipticCurvePublicNumbers(DSSE["p256_x"], DSSE["p256_y"], SECP256R1()).public_key()
    raw = base64.b64decode(DSSE["p256_sig_rfc6979"])
    signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key.verify(signature, pae(DSSE["payload_type"], DSSE["body"].encode()), ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        key.verify(signature, pae(DSSE["payload_type"], DSSE["body"].encode() + b"!"), ECDSA(hashes.SHA256()))


def test_the_ed25519_fixture_verifies_through_our_envelope() -> None:
    key = SigningKey.from_seed(bytes.fromhex(FIXTURE["seed_hex"]))
    envelope = envelope_from_object(
        {
            "payload": FIXTURE["payload_b64"],
            "payloadType": FIXTURE["payload_type"],
            "signatures": [{"keyid": key.public.keyid, "sig": FIXTURE["sig_b64"]}],
        }
    )
    assert verify_envelope(envelope, key.public).envelope == envelope
    assert key.sign(pae(envelope.payload_type, envelope.payload)) == envelope.signature
    with pytest.raises(VerificationError):
        verify_envelope(Envelope(FIXTURE["payload_type"], envelope.payload + b" ", "", envelope.signature), key.public)


# --- 15-26: the JSON of a statement ----------------------------------------------------------------------------


def test_15_a_key_that_stands_twice_is_malformed() -> None:
    assert_refused(signed(payload_with(b'"seq":17', b'"seq":17,"seq":17')), 400, ProblemCode.MALFORMED_JSON)
    assert_refused(signed(payload_with(b'"seq":17', b'"seq":17,"\\u0073eq":18')), 400, ProblemCode.MALFORMED_JSON)
    assert_refused(signed(payload_with(b'"type":', b'"type":"police","type":')), 400, ProblemCode.MALFORMED_JSON)
    assert_refused(HONEST.replace(b'{"payload":', b'{"payload":"","payload":'), 400, ProblemCode.MALFORMED_JSON)


@pytest.mark.parametrize("kind", Kind)
def test_16_an_unknown_key_is_refused_at_every_level(kind: Kind) -> None:
    assert_refused(signed(canonical.encode(statement(kind, extra=1)), kind), 422, ProblemCode.SCHEMA)
    assert_refused(signed_statement(kind, BODIES[kind] | {"extra": "x"}), 422, ProblemCode.SCHEMA)
    assert_refused(changed(signed_statement(kind), lambda value: value.update(extra=1)), 422, ProblemCode.SCHEMA)
    assert_refused(with_signature(signed_statement(kind), extra=1), 422, ProblemCode.SCHEMA)


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e999999"])
def test_17_numbers_that_are_none_are_malformed(literal: bytes) -> None:
    assert_refused(signed(payload_with(b'"seq":17', b'"seq":' + literal)), 400, ProblemCode.MALFORMED_JSON)


@pytest.mark.parametrize("escape", [b"\\ud800", b"\\udc00 ", b"\xed\xa0\x80"])
def test_18_a_lone_surrogate_is_malformed(escape: bytes) -> None:
    assert_refused(signed(payload_with(b'"title":"', b'"title":"' + escape)), 400, ProblemCode.MALFORMED_JSON)
    assert_refused(HONEST.replace(b'"payloadType":"', b'"payloadType":"' + escape), 400, ProblemCode.MALFORMED_JSON)


@pytest.mark.parametrize("escape", [b"\\u0000", b"\\u0001", b"\\u001b", b"\\u007f", b"\\u202e", "\u2066".encode()])
def test_19_control_and_direction_characters_are_refused(escape: bytes) -> None:
    assert_refused(signed(payload_with(b'"title":"', b'"title":"' + escape)), 422, ProblemCode.TEXT)
    assert_refused(HONEST.replace(b'"keyid":"', b'"keyid":"' + escape), 422, ProblemCode.TEXT)


@pytest.mark.parametrize("prefix", [b"\xef\xbb\xbf", b"\xff", b"\xc0\x80", b"\xff\xfe"])
def test_20_invalid_utf_8_and_a_byte_order_mark_are_malformed(prefix: bytes) -> None:
    assert_refused(signed(prefix + canonical.encode(statement())), 400, ProblemCode.MALFORMED_JSON)
    assert_refused(signed(payload_with(b'"title":"', b'"title":"' + prefix[:1])), 400, ProblemCode.MALFORMED_JSON)
    assert_refused(prefix + HONEST, 400, ProblemCode.MALFORMED_JSON)


@pytest.mark.parametrize("levels", [10, 1_000, 100_000])
def test_21_a_hundred_thousand_levels_are_malformed(levels: int) -> None:
    deep = b"[" * levels + b"]" * levels
    assert_refused(deep, 400, ProblemCode.MALFORMED_JSON)
    assert_refused(b'{"payload":' + deep + b"}", 400, ProblemCode.MALFORMED_JSON)
    if levels < MAX_ENVELOPE_BYTES // 4:
        assert_refused(signed(payload_with(b'"seq":17', b'"seq":' + deep)), 400, ProblemCode.MALFORMED_JSON)


@pytest.mark.parametrize(
    ("digits", "status"),
    [(b"9007199254740992", 422), (b"-9007199254740992", 422), (b"9" * 30, 422), (b"9" * 5000, 400)],
)
def test_22_integers_of_2_to_53_and_above_are_refused_without_reading_endless_ones(digits: bytes, status: int) -> None:
    assert_refused(signed(payload_with(b'"seq":17', b'"seq":' + digits)), status)
    assert receive(signed_statement(seq=MAX_INTEGER)).statement.seq == MAX_INTEGER


@pytest.mark.parametrize("literal", [b'"17"', b"17.0", b"1.7e1", b"true", b"null", b"[17]", b'{"n":17}'])
def test_23_what_is_no_integer_is_refused_where_one_belongs(literal: bytes) -> None:
    assert_refused(signed(payload_with(b'"seq":17', b'"seq":' + literal)), 422, ProblemCode.SCHEMA)
    assert_refused(signed(payload_with(b'"v":1', b'"v":' + literal.replace(b"17", b"1"))), 422, ProblemCode.SCHEMA)
    cell = payload_with(b'"value":17', b'"value":' + literal, Kind.TREND)
    assert_refused(signed(cell, Kind.TREND), 422, ProblemCode.SCHEMA)


def test_24_a_hundred_thousand_elements_are_refused() -> None:
    many = b"[" + b"0," * 99_999 + b"0]"
    assert_refused(b'{"payload":%b}' % many, 422, ProblemCode.SCHEMA)
    assert_refused(signed(payload_with(b'["RWE"]', many)), 413, ProblemCode.TOO_LARGE)
    assert_refused(signed(payload_with(b'["RWE"]', b"[" + b"0," * 80_000 + b"0]")), 422, ProblemCode.SCHEMA)
    assert_refused(changed(HONEST, lambda value: value.update(signatures=value["signatures"] * 1000)), 422)


def test_24_an_envelope_above_the_limit_is_not_even_parsed() -> None:
    assert_refused(b" " * (MAX_ENVELOPE_BYTES + 1), 413, ProblemCode.TOO_LARGE)
    assert receive(HONEST + b" " * (MAX_ENVELOPE_BYTES - len(HONEST))).envelope.to_bytes() == HONEST


@pytest.mark.parametrize("text", ["Cafe\u0301", "\u212b", "\u1100\u1161"])
def test_25_text_that_is_not_in_normal_form_c_is_refused(text: str) -> None:
    assert_refused(signed(raw_json(statement(body=practice_body(title=f"At {text}")))), 422, ProblemCode.TEXT)


@pytest.mark.parametrize(
    "spell",
    [
        lambda value: json.dumps(value, sort_keys=True).encode(),
        lambda value: json.dumps(value, separators=(",", ":")).encode(),
        lambda value: raw_json(value) + b"\n",
        lambda value: raw_json(value).replace(b'"v":1', b'"\\u0076":1'),
        lambda value: raw_json(value).replace(b"Debate", b"\\u0044ebate"),
    ],
)
def test_26_a_valid_signature_over_bytes_that_are_not_canonical_is_refused(
    spell: Callable[[dict[str, Any]], bytes],
) -> None:
    assert_refused(signed(spell(statement())), 400, ProblemCode.NOT_CANONICAL)


# --- 28-37, 42: signatures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("signatures", [None, []])
def test_28_an_envelope_without_signature_is_refused(signatures: list[object] | None) -> None:
    def strip(value: dict[str, Any]) -> None:
        del value["signatures"]
        if signatures is not None:
            value["signatures"] = signatures

    assert_refused(changed(HONEST, strip), 401, ProblemCode.NO_SIGNATURE)


def test_29_the_signature_of_another_key_is_refused() -> None:
    assert_refused(signed_statement(key=OTHER_KEY), 401, ProblemCode.BAD_SIGNATURE)


@pytest.mark.parametrize("name", ["alg", "algorithm", "header", "protected", "cert"])
@pytest.mark.parametrize("value", ["none", "HS256", "EdDSA", "ed448"])
def test_33_the_name_of_an_algorithm_has_no_place_in_an_envelope(name: str, value: str) -> None:
    assert_refused(changed(HONEST, lambda envelope: envelope.update({name: value})), 422, ProblemCode.SCHEMA)
    assert_refused(with_signature(HONEST, **{name: value}), 422)


@pytest.mark.parametrize("keyid", ["none", "ed25519", "HS256", "", "0" * 64])
def test_33_the_key_id_chooses_no_algorithm(keyid: str) -> None:
    body = with_signature(HONEST, keyid=keyid)
    assert receive(body).envelope.to_bytes() == HONEST
    forged = with_signature(signed_statement(key=OTHER_KEY), keyid=keyid)
    assert_refused(forged, 401, ProblemCode.BAD_SIGNATURE)


def test_34_a_key_that_the_message_brings_along_is_not_used() -> None:
    forged = signed_statement(key=OTHER_KEY)
    encoded = base64.b64encode(OTHER_KEY.public.raw).decode()
    for name in ("key", "jwk", "x5c", "publicKey"):
        body = with_signature(forged, **{name: encoded})
        assert_refused(body, 422, ProblemCode.SCHEMA)
    for keyid in (encoded, OTHER_KEY.public.keyid, CITY_KEY.public.keyid):
        body = with_signature(forged, keyid=keyid)
        assert_refused(body, 401, ProblemCode.BAD_SIGNATURE)


def test_36_every_changed_byte_of_the_payload_is_refused() -> None:
    envelope = parse_envelope(HONEST)
    for place in range(len(envelope.payload)):
        payload = bytearray(envelope.payload)
        payload[place] ^= 1 << place % 8
        lie = Envelope(envelope.payload_type, bytes(payload), envelope.keyid, envelope.signature)
        assert_refused(lie.to_bytes(), 401, ProblemCode.BAD_SIGNATURE)


def test_36_every_changed_byte_of_the_type_is_refused() -> None:
    envelope = parse_envelope(HONEST)
    for place, character in enumerate(envelope.payload_type):
        name = envelope.payload_type[:place] + chr(ord(character) ^ 1) + envelope.payload_type[place + 1 :]
        assert_refused(Envelope(name, envelope.payload, envelope.keyid, envelope.signature).to_bytes(), 401)


def test_36_every_changed_byte_of_the_signature_is_refused() -> None:
    envelope = parse_envelope(HONEST)
    for place in range(len(envelope.signature)):
        signature = bytearray(envelope.signature)
        signature[place] ^= 1 << place % 8
        assert_refused(
            Envelope(envelope.payload_type, envelope.payload, envelope.keyid, bytes(signature)).to_bytes(), 401
        )


@pytest.mark.parametrize("bit", range(8))
def test_36_a_changed_byte_of_the_whole_envelope_is_refused_or_changes_nothing(bit: int) -> None:
    for place in range(len(HONEST)):
        body = HONEST[:place] + bytes([HONEST[place] ^ 1 << bit]) + HONEST[place + 1 :]
        try:
            verified = receive(body)
        except ContractError:
            continue
        # Only the key id, which is a hint, may differ: the stored bytes are the honest ones.
        assert verified.envelope.to_bytes() == HONEST
        assert b'"keyid":"' in HONEST[place - 74 : place + 1]


@pytest.mark.parametrize("kind", Kind)
def test_37_a_statement_of_one_kind_is_not_taken_for_another(kind: Kind) -> None:
    payload = canonical.encode(statement(kind))
    for other in Kind:
        if other is kind:
            continue
        assert_refused(signed(payload, other), 401, ProblemCode.KIND_MISMATCH)
        renamed = with_type(signed(payload, kind), payload_type(other.value))
        assert_refused(renamed, 401, ProblemCode.BAD_SIGNATURE)


@pytest.mark.parametrize("kind", ["enrolment-request", "gossip", "trend-v"])
def test_37_a_kind_that_is_no_statement_is_refused(kind: str) -> None:
    assert_refused(signed(canonical.encode(statement()), kind), 422, ProblemCode.SCHEMA)


@pytest.mark.parametrize("length", [0, 1, 32, 63, 65, 96, 128])
def test_42_a_truncated_or_overlong_signature_is_refused(length: int) -> None:
    envelope = parse_envelope(HONEST)
    signature = (envelope.signature * 2)[:length]
    lie = Envelope(envelope.payload_type, envelope.payload, envelope.keyid, signature)
    assert_refused(lie.to_bytes(), 401, ProblemCode.BAD_SIGNATURE)


@pytest.mark.parametrize("kept", [0, 1, 40, 85, 86, 87])
def test_42_a_signature_text_that_was_cut_off_is_refused(kept: int) -> None:
    def cut(value: dict[str, Any]) -> None:
        value["signatures"][0]["sig"] = value["signatures"][0]["sig"][:kept]

    assert_refused(changed(HONEST, cut), 401, ProblemCode.BAD_SIGNATURE)


@pytest.mark.parametrize("times", [1, 2, 7])
def test_42_a_signature_with_the_group_order_added_is_refused(times: int) -> None:
    envelope = parse_envelope(HONEST)
    s = int.from_bytes(envelope.signature[32:], "little") + times * L
    signature = envelope.signature[:32] + s.to_bytes(32, "little")
    lie = Envelope(envelope.payload_type, envelope.payload, envelope.keyid, signature)
    assert_refused(lie.to_bytes(), 401, ProblemCode.BAD_SIGNATURE)


# --- the form of an envelope -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        [],
        "text",
        1,
        {},
        {"payload": "", "payloadType": payload_type("trend"), "signatures": {}},
        {"payload": "", "payloadType": payload_type("trend"), "signatures": ["x"]},
        {"payload": "", "payloadType": payload_type("trend"), "signatures": [{}]},
        {"payload": "", "payloadType": payload_type("trend"), "signatures": [{"keyid": "x"}]},
        {"payload": "", "payloadType": payload_type("trend"), "signatures": [{"sig": 1}]},
        {"payload": "", "payloadType": payload_type("trend"), "signatures": [{"sig": "", "keyid": 1}]},
        {"payload": "", "payloadType": payload_type("trend"), "signatures": [{"sig": ""}, {"sig": ""}]},
        {"payload": 1, "payloadType": payload_type("trend"), "signatures": [{"sig": ""}]},
        {"payload": "", "payloadType": 1, "signatures": [{"sig": ""}]},
        {"payloadType": payload_type("trend"), "signatures": [{"sig": ""}]},
        {"payload": "", "signatures": [{"sig": ""}]},
    ],
)
def test_what_is_no_envelope_is_a_schema_error(value: object) -> None:
    with pytest.raises(SchemaError):
        envelope_from_object(value)


@pytest.mark.parametrize(
    "text", ["A", "AA", "AAA", "AA=", "A===", "AAAA=", "AA==AA==", "A A=", "AAAA\n", "é===", "AB=="]
)
def test_a_payload_that_is_not_base64_in_its_one_spelling_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        envelope_from_object(json.loads(HONEST) | {"payload": text})


@pytest.mark.parametrize(
    "name",
    [
        "",
        "trend",
        "application/json",
        payload_type("trend").upper(),
        payload_type("trend") + " ",
        payload_type(""),
        payload_type("Trend"),
        payload_type("a" * 32),
        payload_type("trend").replace("v1", "v2"),
        " " + payload_type("a"),
        payload_type("a.b"),
        payload_type("trend") + "\n",
        "x" + payload_type("trend"),
    ],
)
def test_a_payload_type_that_is_none_of_ours_is_refused(name: str) -> None:
    with pytest.raises(SchemaError):
        kind_of(name)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_payload_type_of_its_own(kind: Kind) -> None:
    assert payload_type(kind.value) == f"application/vnd.prevention-exchange.{kind.value}.v1+json"
    assert kind_of(payload_type(kind.value)) == kind.value


def test_both_alphabets_of_base64_are_read_and_one_is_written() -> None:
    envelope = sign_payload("practice", bytes(range(256)), CITY_KEY)
    standard = json.loads(envelope.to_bytes())
    assert "+" in standard["payload"]
    assert "/" in standard["payload"]
    urlsafe = json.loads(envelope.to_bytes().replace(b"+", b"-").replace(b"/", b"_"))
    urlsafe["payloadType"] = standard["payloadType"]
    assert parse_envelope(raw_json(urlsafe)) == envelope
    assert parse_envelope(raw_json(urlsafe)).to_bytes() == envelope.to_bytes()


def test_every_spelling_of_an_envelope_has_the_digest_of_the_stored_one() -> None:
    honest = parse_envelope(HONEST)
    value = json.loads(HONEST)
    del value["signatures"][0]["keyid"]
    for body in (raw_json(value), json.dumps(json.loads(HONEST), indent=2).encode()):
        verified = verify_envelope(parse_envelope(body), CITY_KEY.public)
        assert verified.envelope.stored_bytes == HONEST
        assert verified.envelope.digest == honest.digest


def test_the_verified_bytes_are_the_parsed_ones() -> None:
    verified = receive(HONEST)
    assert verified.statement.to_bytes() != b""
    assert verified.envelope.payload == canonical.encode(statement())
    assert verified.digest == parse_envelope(HONEST).digest


@given(st.binary(max_size=150))
def test_arbitrary_bytes_raise_nothing_but_our_errors(data: bytes) -> None:
    with pytest.raises(ContractError):
        receive(data)
    with pytest.raises(ContractError):
        receive(signed(data))


@given(
    st.sampled_from([signed_statement(Kind.TREND, trend_body()), HONEST]),
    st.integers(0, 5_000),
    st.integers(0, 4),
    st.binary(max_size=5),
)
def test_a_mutated_envelope_is_refused_or_stored_as_the_honest_one(
    body: bytes, place: int, removed: int, inserted: bytes
) -> None:
    place %= len(body) + 1
    try:
        verified = receive(body[:place] + inserted + body[place + removed :])
    except ContractError as error:
        assert len(str(error)) < 500
    else:
        assert verified.envelope.to_bytes() == body


@given(st.sampled_from(list(Kind)), st.integers(0, 5_000), st.integers(0, 4), st.binary(max_size=5))
def test_a_mutated_payload_under_a_valid_signature_raises_nothing_but_our_errors(
    kind: Kind, place: int, removed: int, inserted: bytes
) -> None:
    payload = canonical.encode(statement(kind))
    place %= len(payload) + 1
    try:
        receive(signed(payload[:place] + inserted + payload[place + removed :], kind))
    except ContractError as error:
        assert len(str(error)) < 500
