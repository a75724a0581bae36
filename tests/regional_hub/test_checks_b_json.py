"""CHECKS.md section B: the JSON of a statement, handed in over HTTP and signed by a real member.

The rules themselves are tested in tests/shared_schema; here it is that a hub keeps them, answers with the right status,
repeats nothing, and takes nothing.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import pytest

from shared_schema.envelope import MAX_ENVELOPE_BYTES, pae, payload_type
from shared_schema.period import parse_period
from shared_schema.problem import ProblemCode
from shared_schema.service.problems import MEDIA_TYPE
from shared_schema.statement import Kind
from tests.regional_hub.raw_asgi import batch_of
from tests.regional_hub.running import CANARY, City, RunningHub, check_problem
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough

SEQ = 7


@pytest.fixture(autouse=True)
def nothing_is_taken(standing_hub: RunningHub, resident: City) -> Iterator[None]:
    """Whatever a test of this module sends, the log stays as it was."""
    before = standing_hub.client.get("/checkpoint").text
    yield
    assert standing_hub.client.get("/checkpoint").text == before


def payload(
    city: City, kind: Kind = Kind.PRACTICE, body: Mapping[str, object] | None = None, **changes: object
) -> bytes:
    """The canonical bytes of a good statement of the city."""
    return builders.raw_json(builders.statement(kind, body, origin=city.name, seq=SEQ, **changes))


def signed(city: City, data: bytes, kind: Kind | str = Kind.PRACTICE) -> bytes:
    return builders.signed(data, str(kind), city.key)


def refuse(city: City, body: bytes, code: ProblemCode, status: int) -> None:
    """Hand it in alone and in a batch; both times it is refused for the same reason."""
    check_problem(city.hub.post(body), code, status)
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return  # no JSON: it cannot be an item of a batch
    response = city.hub.post(batch_of([body]), "/v1/submissions/batch")
    assert CANARY not in response.text
    if response.headers["content-type"] == MEDIA_TYPE:
        assert response.status_code < 500  # the whole batch could not be read
        return
    (item,) = response.json()["results"]
    assert item["status"] < 500 and "receipt" not in item


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) == 1
    return data.replace(old, new)


# --- the statement ------------------------------------------------------------------------------------------------


def test_15_a_key_that_stands_twice_in_the_statement_is_refused(resident: City) -> None:
    for old, new in ((b'"seq":7', b'"seq":7,"seq":7'), (b'"outcome":', b'"outcome":"worked","outcome":')):
        data = replaced(payload(resident), old, new)
        refuse(resident, signed(resident, data), ProblemCode.MALFORMED_JSON, 400)


def test_15_a_key_that_stands_twice_in_the_envelope_is_refused(resident: City) -> None:
    body = signed(resident, payload(resident))
    twice = replaced(body, b'"payloadType":', b'"payload":"e30=","payloadType":')
    check_problem(resident.hub.post(twice), ProblemCode.MALFORMED_JSON, 400)


@pytest.mark.parametrize("place", ["statement", "body", "deep"])
@pytest.mark.parametrize("name", [CANARY, "status", "region", "received_at", "__proto__"])
def test_16_an_unknown_key_is_refused(resident: City, place: str, name: str) -> None:
    value = json.loads(payload(resident))
    {"statement": value, "body": value["body"], "deep": value["body"]["review"]}[place][name] = "active"
    refuse(resident, signed(resident, builders.raw_json(value)), ProblemCode.SCHEMA, 422)


@pytest.mark.parametrize("name", [CANARY, "alg", "jwk"])
def test_16_an_unknown_key_of_the_envelope_is_refused(resident: City, name: str) -> None:
    value = json.loads(signed(resident, payload(resident)))
    refuse(resident, json.dumps(value | {name: "x"}).encode(), ProblemCode.SCHEMA, 422)
    value["signatures"][0][name] = "x"
    refuse(resident, json.dumps(value).encode(), ProblemCode.SCHEMA, 422)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400"])
def test_17_a_number_that_is_none_is_refused(resident: City, number: bytes) -> None:
    data = replaced(payload(resident), b'"seq":7', b'"seq":' + number)
    refuse(resident, signed(resident, data), ProblemCode.MALFORMED_JSON, 400)
    check_problem(resident.hub.post(b'{"payload":' + number + b"}"), ProblemCode.MALFORMED_JSON, 400)


@pytest.mark.parametrize("text", [b"\\ud800", b"\\udfff\\ud800", b"\xed\xa0\x80"])
def test_18_a_lone_surrogate_is_refused(resident: City, text: bytes) -> None:
    data = replaced(payload(resident), b"We would ask", text)
    refuse(resident, signed(resident, data), ProblemCode.MALFORMED_JSON, 400)
    check_problem(resident.hub.post(b'{"payload":"' + text + b'"}'), ProblemCode.MALFORMED_JSON, 400)


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x1f", "\x7f", "\x85", "\u202e", "\u2066", "\u200f", "\ufeff"])
def test_19_control_and_direction_characters_are_refused(resident: City, character: str) -> None:
    body = builders.practice_body(lessons=f"{CANARY}{character}x")
    data = payload(resident, body=body)
    refuse(resident, signed(resident, data), ProblemCode.TEXT, 422)


@pytest.mark.parametrize("data", [b"\xff\xfe", b"\xc3", b"\xc0\x80", b"\xf8\x88\x80\x80\x80"])
def test_20_bytes_that_are_not_utf_8_are_refused(resident: City, data: bytes) -> None:
    inner = replaced(payload(resident), b"We would ask", data)
    refuse(resident, signed(resident, inner), ProblemCode.MALFORMED_JSON, 400)
    check_problem(resident.hub.post(b'{"payload":"' + data + b'"}'), ProblemCode.MALFORMED_JSON, 400)


def test_20_a_byte_order_mark_is_refused(resident: City) -> None:
    good = payload(resident)
    for data in (b"\xef\xbb\xbf" + good, good.decode().encode("utf-16"), good.decode().encode("utf-32")):
        refuse(resident, signed(resident, data), ProblemCode.MALFORMED_JSON, 400)
        check_problem(resident.hub.post(data), ProblemCode.MALFORMED_JSON, 400)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("depth", [9, 1_000, 20_000])
def test_21_depth_is_refused(resident: City, opening: bytes, depth: int) -> None:
    closing = b"]" if opening == b"[" else b"}"
    nested = opening * depth + b"1" + closing * depth
    data = replaced(payload(resident), b'"seq":7', b'"seq":' + nested)
    refuse(resident, signed(resident, data), ProblemCode.MALFORMED_JSON, 400)
    check_problem(resident.hub.post(b'{"payload":' + nested + b"}"), ProblemCode.MALFORMED_JSON, 400)


@pytest.mark.parametrize("path", ["/v1/submissions", "/v1/submissions/batch", "/v1/enrolments"])
def test_21_a_depth_of_100_000_is_refused(resident: City, path: str) -> None:
    for body in (b"[" * 100_000, b'{"a":' * 40_000, b'{"submissions":' + b"[" * 100_000 + b"]" * 100_000 + b"}"):
        check_problem(resident.hub.post(body, path), ProblemCode.MALFORMED_JSON, 400)


@pytest.mark.parametrize("sign", [b"", b"-"])
def test_22_an_integer_of_5_000_digits_is_refused(resident: City, sign: bytes) -> None:
    number = sign + b"9" * 5_000
    data = replaced(payload(resident), b'"seq":7', b'"seq":' + number)
    refuse(resident, signed(resident, data), ProblemCode.MALFORMED_JSON, 400)
    check_problem(resident.hub.post(b'{"payload":' + number + b"}"), ProblemCode.MALFORMED_JSON, 400)


@pytest.mark.parametrize("number", [2**53, -(2**53), 10**30])
def test_22_an_integer_that_not_every_reader_holds_is_refused(resident: City, number: int) -> None:
    data = replaced(payload(resident), b'"seq":7', b'"seq":%d' % number)
    refuse(resident, signed(resident, data), ProblemCode.SCHEMA, 422)


@pytest.mark.parametrize("value", [b'"1"', b"1.0", b"true", b"1e0", b"0", b"-1", b"null", b"[1]", b"1.5"])
@pytest.mark.parametrize("place", [b'"seq":7', b'"v":1}'])
def test_23_what_is_no_integer_is_refused_where_one_belongs(resident: City, place: bytes, value: bytes) -> None:
    name, _, _ = place.partition(b":")
    data = replaced(payload(resident), place, name + b":" + value + (b"}" if place.endswith(b"}") else b""))
    refuse(resident, signed(resident, data), ProblemCode.SCHEMA, 422)


@pytest.mark.parametrize("value", ["1", 1.0, True, None, 10**13])
def test_23_what_is_no_integer_is_refused_in_a_cell(resident: City, value: object) -> None:
    body = json.loads(json.dumps(builders.trend_body()))
    body["cells"][0]["value"] = value
    refuse(resident, signed(resident, payload(resident, Kind.TREND, body=body), Kind.TREND), ProblemCode.SCHEMA, 422)


def test_24_a_list_of_100_000_is_refused(resident: City) -> None:
    data = payload(resident, body=builders.practice_body(phenomenon=["RWE"] * 20_000))
    refuse(resident, signed(resident, data), ProblemCode.SCHEMA, 422)
    data = payload(resident, body=builders.practice_body(phenomenon=[1] * 90_000))
    check_problem(resident.hub.post(signed(resident, data)), ProblemCode.SCHEMA, 422)
    data = payload(resident, body=builders.practice_body(phenomenon=["RWE"] * 100_000))
    check_problem(resident.hub.post(signed(resident, data)), ProblemCode.TOO_LARGE, 413)


def test_24_a_batch_of_too_many_or_none_is_refused(resident: City) -> None:
    for body in (
        batch_of([b"{}"] * 501),
        batch_of([b"1"] * 100_000),
        b'{"submissions":[]}',
        b'{"submissions":1}',
        b"{}",
    ):
        check_problem(resident.hub.post(body, "/v1/submissions/batch"), ProblemCode.SCHEMA, 422)
    both = b'{"submissions":[{}],"' + CANARY.encode() + b'":1}'
    check_problem(resident.hub.post(both, "/v1/submissions/batch"), ProblemCode.SCHEMA, 422)


def test_24_an_item_of_a_batch_has_the_limit_of_a_statement(resident: City) -> None:
    data = payload(resident, body=builders.practice_body(lessons="x" * MAX_ENVELOPE_BYTES))
    response = resident.hub.post(batch_of([signed(resident, data), b"1"]), "/v1/submissions/batch")
    assert [item["status"] for item in response.json()["results"]] == [413, 400]


def test_25_text_that_is_not_in_normal_form_is_refused(resident: City) -> None:
    data = payload(resident, body=builders.practice_body(title=f"Cafe\u0301 {CANARY}"))
    refuse(resident, signed(resident, data), ProblemCode.TEXT, 422)


@pytest.mark.parametrize(
    "respell",
    [
        lambda data: data + b"\n",
        lambda data: b" " + data,
        lambda data: data.replace(b'":', b'": ', 1),
        lambda data: data.replace(b"We", b"\\u0057e", 1),
        lambda data: data.replace(b'"seq":7', b'"seq":7 ', 1),
        lambda data: json.dumps(dict(reversed(json.loads(data).items())), separators=(",", ":")).encode(),
    ],
)
def test_26_a_valid_signature_over_another_spelling_is_refused(
    resident: City, respell: Callable[[bytes], bytes]
) -> None:
    data = respell(payload(resident))
    assert data != payload(resident)
    refuse(resident, signed(resident, data), ProblemCode.NOT_CANONICAL, 400)


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"1", b'"x"', b"{", b"{}x", b"{}{}"])
def test_26_a_payload_or_a_body_that_is_no_object_is_refused(resident: City, data: bytes) -> None:
    check_problem(resident.hub.post(signed(resident, data)), ProblemCode.MALFORMED_JSON, 400)
    check_problem(resident.hub.post(data), ProblemCode.MALFORMED_JSON, 400)


# --- 27: the release rules ----------------------------------------------------------------------------------------


def trend(city: City, **changes: Any) -> bytes:
    return signed(city, payload(city, Kind.TREND, body=builders.trend_body(**changes)), Kind.TREND)


def cells(*codes: str, dimension: str = "offence", status: str = "A") -> list[dict[str, Any]]:
    value = {} if status in "LQ" else {"value": 1}
    return [{"dims": {dimension: code}, "status": status} | value for code in codes]


@pytest.mark.parametrize(
    "given",
    [
        cells("verbal", "property", "assault", "arson"),
        cells("verbal", "property", CANARY),
        cells("verbal", "property"),
        cells("verbal", "assault", "property"),
        cells("verbal", "verbal", "assault"),
        cells(*builders.GRID, dimension="agency"),
    ],
    ids=["more", "other", "missing", "order", "twice", "dimension"],
)
def test_27_cells_that_are_not_the_tables_grid_are_refused(resident: City, given: list[dict[str, Any]]) -> None:
    refuse(resident, trend(resident, cells=given), ProblemCode.GRID_MISMATCH, 422)


@pytest.mark.parametrize("change", [{"id": "first_contacts.by_x"}, {"version": 2}, {"fingerprint": "0" * 64}])
def test_27_a_table_that_the_policy_does_not_know_is_refused(resident: City, change: dict[str, object]) -> None:
    reference = builders.TABLE.reference.to_object() | change
    refuse(resident, trend(resident, table=reference), ProblemCode.UNKNOWN_TABLE, 422)


@pytest.mark.parametrize(
    "changes",
    [
        {"privacy": builders.trend_body()["privacy"] | {"epsilon_milli": 1001}},
        {"privacy": builders.trend_body()["privacy"] | {"unit": "person"}},
        {"mechanism": builders.mechanism(Fraction(999, 1000))},
        {"mechanism": builders.mechanism(Fraction(1)) | {"variance_milli": 1}},
    ],
    ids=["epsilon", "unit", "scale", "variance"],
)
def test_27_less_noise_than_the_floor_is_refused(resident: City, changes: dict[str, object]) -> None:
    refuse(resident, trend(resident, **changes), ProblemCode.PRIVACY_FLOOR, 422)


@pytest.mark.parametrize(
    "changes",
    [
        {"source_kind": "survey"},
        {"cells": [cell | {"low": 0, "high": 9} for cell in cells(*builders.GRID, status="Q")]},
        {
            "period": {"start": "2026-01-01", "end": "2026-12-31", "granularity": "year", "basis": "recorded"},
        },
    ],
    ids=["source", "suppressed", "year"],
)
def test_27_what_the_table_does_not_allow_is_refused(resident: City, changes: dict[str, object]) -> None:
    refuse(resident, trend(resident, **changes), ProblemCode.RELEASE_RULE, 422)


@pytest.mark.parametrize("label", ["2026-11", "2026-12", "2026-Q4", "2027-01", "9999-12"])
def test_27_a_period_that_has_not_ended_is_refused(resident: City, label: str) -> None:
    period = parse_period(label).to_object()
    refuse(resident, trend(resident, period=period), ProblemCode.RELEASE_RULE, 422)
    assert check_problem(resident.hub.post(trend(resident, period=period)), ProblemCode.RELEASE_RULE)["detail"] == (
        "expected a period that has ended"
    )


@pytest.mark.parametrize("audience", ["region", "nation", "europe"])
def test_27_a_citys_figures_for_more_than_the_hub_are_refused(resident: City, audience: str) -> None:
    data = payload(resident, Kind.TREND, audience=audience)
    refuse(resident, signed(resident, data, Kind.TREND), ProblemCode.RELEASE_RULE, 422)


def test_an_envelope_in_the_other_base64_alphabet_is_read_alike(resident: City) -> None:
    # DSSE allows both; the refusal must come from the statement (seq), never from the spelling.
    data = payload(resident, body=builders.practice_body(lessons="ÿþ~~~???" * 3, outcome="nothing"))
    signature = resident.key.sign(pae(payload_type("practice"), data))
    value = {
        "payload": base64.urlsafe_b64encode(data).decode(),
        "payloadType": payload_type("practice"),
        "signatures": [{"sig": base64.urlsafe_b64encode(signature).decode()}],
    }
    assert set("-_") & set(value["payload"])
    refuse(resident, json.dumps(value).encode(), ProblemCode.SCHEMA, 422)
