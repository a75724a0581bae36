"""CHECKS.md section C: signatures, identity and order, over HTTP. Every test names its line."""

import base64
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from http_message_signatures import HTTPMessageSigner, algorithms

from regional_hub import member_keys, verbs
from regional_hub.intake import CLOCK_TOLERANCE
from regional_hub.member_keys import Hand
from regional_hub.orm import EvidenceRow
from shared_schema.checkpoint import NoteVerifier
from shared_schema.entry import Receipt
from shared_schema.envelope import parse_envelope, payload_type, sign_payload
from shared_schema.feed import verify_receipt
from shared_schema.governance import ENROLMENT_KIND
from shared_schema.keys import SigningKey
from shared_schema.period import parse_period
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.service.hub_api import HubRefused
from shared_schema.service.signed_reads import COVERED, _OneKey, _Request, sign_request
from shared_schema.statement import HUB_KINDS, Kind, format_time
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.raw_asgi import batch_of, details
from tests.regional_hub.running import (
    CANARY,
    City,
    EventLoop,
    Network,
    RunningHub,
    check_problem,
    enrolment,
    key_of,
)
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough

NEXT_KEY = key_of("next.city.sn.de")
ORDER_OF_THE_BASE_POINT = 2**252 + 27742317777372353535851937790883648493
READS = ("/v1/feed?from=0", "/v1/members/me")
SMALL_ORDER = (
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
)


@pytest.fixture
def hub(standing_hub: RunningHub) -> RunningHub:
    """One hub for all: what a test does here concerns its own city alone."""
    return standing_hub


@pytest.fixture
def city(standing_hub: RunningHub) -> City:
    """A member that only this test knows."""
    return standing_hub.enrol(f"city-{len(standing_hub.cities)}.sn.de")


@pytest.fixture
def other_city(standing_hub: RunningHub) -> City:
    """A second one."""
    return standing_hub.enrol(f"city-{len(standing_hub.cities)}.sn.de")


def envelope_of(body: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(body)
    return value


def resigned(body: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The envelope with other signature bytes."""
    value = envelope_of(body)
    signature = value["signatures"][0]
    signature["sig"] = base64.b64encode(change(base64.b64decode(signature["sig"]))).decode()
    return json.dumps(value).encode()


def flip(data: bytes, bit: int) -> bytes:
    place, inner = divmod(bit, 8)
    return data[:place] + bytes([data[place] ^ (1 << inner)]) + data[place + 1 :]


# --- 28 to 34: who signed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("signatures", [None, []])
def test_28_a_statement_without_a_signature_is_refused(resident: City, signatures: object) -> None:
    value = envelope_of(resident.sign(seq=1)) | {"signatures": signatures}
    if signatures is None:
        del value["signatures"]
    check_problem(resident.hub.post(json.dumps(value).encode()), ProblemCode.NO_SIGNATURE, 401)


@pytest.mark.parametrize("target", READS)
@pytest.mark.parametrize("left_out", ["Signature", "Signature-Input", "both"])
def test_28_a_read_without_a_signature_is_refused(resident: City, target: str, left_out: str) -> None:
    headers = sign_request("GET", resident.hub.url + target, resident.key, resident.hub.clock())
    kept = {name: value for name, value in headers.items() if left_out not in (name, "both")}
    check_problem(resident.hub.client.get(target, headers=kept), ProblemCode.NO_SIGNATURE, 401)


def test_29_a_statement_signed_with_another_key_is_refused(resident: City) -> None:
    stranger = builders.signed_statement(key=builders.OTHER_KEY, origin=resident.name, seq=1)
    check_problem(resident.hub.post(stranger), ProblemCode.BAD_SIGNATURE, 401)
    hinted = envelope_of(stranger)
    hinted["signatures"][0]["keyid"] = resident.key.public.keyid
    check_problem(resident.hub.post(json.dumps(hinted).encode()), ProblemCode.BAD_SIGNATURE, 401)


def test_29_a_statement_of_somebody_unknown_is_refused(resident: City) -> None:
    stranger = builders.signed_statement(key=builders.OTHER_KEY, origin="mainz.rp.de", seq=1)
    check_problem(resident.hub.post(stranger), ProblemCode.UNKNOWN_KEY, 401)


@pytest.mark.parametrize("target", READS)
def test_29_a_read_signed_with_another_key_is_refused(resident: City, target: str) -> None:
    hub = resident.hub
    unknown = sign_request("GET", hub.url + target, builders.OTHER_KEY, hub.clock())
    check_problem(hub.client.get(target, headers=unknown), ProblemCode.UNKNOWN_KEY, 401)
    forged = {
        name: value.replace(builders.OTHER_KEY.public.keyid, resident.key.public.keyid)
        for name, value in unknown.items()
    }
    check_problem(hub.client.get(target, headers=forged), ProblemCode.BAD_SIGNATURE, 401)


def test_30_a_city_cannot_speak_for_another(resident: City, neighbour: City) -> None:
    body = builders.signed_statement(key=neighbour.key, origin=resident.name, seq=1)
    check_problem(resident.hub.post(body), ProblemCode.WRONG_ORIGIN, 403)


@pytest.mark.parametrize("name", ["sachsen.de", "mainz.rp.de"])
def test_30_a_city_can_speak_neither_for_its_hub_nor_for_nobody(resident: City, name: str) -> None:
    body = builders.signed_statement(key=resident.key, origin=name, seq=1)
    check_problem(resident.hub.post(body), ProblemCode.WRONG_ORIGIN, 403)


@pytest.mark.parametrize("kind", sorted(HUB_KINDS))
def test_30_a_city_cannot_say_what_only_a_hub_may(resident: City, kind: Kind) -> None:
    body = resident.sign(kind, seq=1)
    check_problem(resident.hub.post(body), ProblemCode.KIND_NOT_ALLOWED, 403)


@pytest.mark.sqlite_is_enough(False)
def test_31_a_revoked_key_is_refused_everywhere(hub: RunningHub, city: City) -> None:
    taken = city.sign()
    hub.accept(taken)
    hub.verb("members.set", name=city.name, status="revoked")
    size = hub.log_size()
    check_problem(hub.post(city.sign()), ProblemCode.KEY_NOT_VALID, 401)
    check_problem(hub.post(taken), ProblemCode.KEY_NOT_VALID, 401)  # not even a retry
    assert details(hub.post(batch_of([city.sign()]), "/v1/submissions/batch")) == [401]
    for target in READS:
        check_problem(city.read(target), ProblemCode.KEY_NOT_VALID, 401)
    assert hub.log_size() == size


def check_refused_everywhere(hub: RunningHub, city: City, key: SigningKey) -> None:
    """Nothing that `key` signs is taken: no statement, no batch, no read, nothing in confidence, no change of key."""
    thief = City(city.name, key, hub, seq=city.seq)
    size = hub.log_size()
    check_problem(hub.post(thief.sign()), ProblemCode.KEY_NOT_VALID, 401)
    assert details(hub.post(batch_of([thief.sign()]), "/v1/submissions/batch")) == [401]
    for target in READS:
        check_problem(thief.read(target), ProblemCode.KEY_NOT_VALID, 401)
    check_problem(hub.post(thief.confide(), "/v1/relay"), ProblemCode.KEY_NOT_VALID, 401)
    check_problem(hub.rotate(thief, NEXT_KEY), ProblemCode.KEY_NOT_VALID, 401)
    assert hub.log_size() == size


def test_31_a_revoked_key_never_comes_back_and_the_member_only_with_a_new_one(hub: RunningHub, city: City) -> None:
    stolen = city.key
    hub.accept(city.sign())
    hub.verb("members.revoke", name=city.name)
    for status in ("active", "suspended", "left"):
        with pytest.raises(VerbError, match="for ever") as refused:
            hub.verb("members.set", name=city.name, status=status)
        assert refused.value.code == "key-not-valid"
    hub.replace(city, key_of(f"new.{city.name}"))
    hub.accept(city.sign())
    check_refused_everywhere(hub, city, stolen)


def test_31_a_key_that_was_replaced_is_refused_everywhere(hub: RunningHub, city: City) -> None:
    lost, taken = city.key, city.sign()
    hub.accept(taken)
    hub.replace(city, key_of(f"new.{city.name}"))
    check_problem(hub.post(taken), ProblemCode.KEY_NOT_VALID, 401)  # not even a retry
    check_refused_everywhere(hub, city, lost)
    hub.accept(city.sign())


def test_31_a_rotated_key_that_is_revoked_is_refused_and_the_new_one_goes_on(hub: RunningHub, city: City) -> None:
    former = city.key
    assert hub.rotate(city, key_of(f"new.{city.name}")).status_code == 201
    hub.accept(City(city.name, former, hub, seq=10).sign())
    hub.verb("members.revoke", name=city.name, key=former.public.keyid[:12])
    city.seq = 20
    check_refused_everywhere(hub, city, former)
    hub.accept(city.sign())


@pytest.mark.sqlite_is_enough(False)
def test_31_a_key_that_was_revoked_between_check_and_commit_is_refused(hub: RunningHub, city: City) -> None:
    with hub.another_process() as other:
        verbs.run(other, "members.set", {"name": city.name, "status": "revoked"})
    check_problem(hub.post(city.sign()), ProblemCode.KEY_NOT_VALID, 401)
    check_problem(hub.post(city.confide(), "/v1/relay"), ProblemCode.KEY_NOT_VALID, 401)


def test_31_a_key_that_was_rotated_between_check_and_commit_is_taken(hub: RunningHub, city: City) -> None:
    with hub.another_process() as other, other.database.write() as session:
        signed = builders.rotation(city.key, key_of(f"new.{city.name}"), name=city.name)
        hand = Hand(other.name, other.key, other.clock())
        assert member_keys.accept_rotation(session, signed, trust=other.trust, hand=hand)
    hub.accept(city.sign())


def test_31_a_suspended_member_hands_in_nothing_and_reads_on_until_it_is_active_again(
    hub: RunningHub, city: City
) -> None:
    hub.accept(city.sign(seq=1))
    hub.verb("members.set", name=city.name, status="suspended")
    check_problem(hub.post(city.sign(seq=2)), ProblemCode.MEMBER_NOT_ACTIVE, 403)
    check_problem(hub.post(city.confide(), "/v1/relay"), ProblemCode.MEMBER_NOT_ACTIVE, 403)
    check_problem(hub.rotate(city, NEXT_KEY), ProblemCode.MEMBER_NOT_ACTIVE, 403)
    for target in READS:
        assert city.read(target).status_code == 200
    assert city.read(READS[1]).json()["status"] == "suspended"
    hub.verb("members.set", name=city.name, status="active")
    hub.accept(city.sign(seq=2))


@pytest.mark.parametrize(
    ("not_before", "not_after"),
    [
        (builders.NOW + timedelta(seconds=1), None),
        (None, builders.NOW),
        (None, builders.NOW - timedelta(days=1)),
        (builders.NOW + timedelta(days=1), builders.NOW + timedelta(days=2)),
    ],
    ids=["not yet", "over now", "over", "later"],
)
def test_32_a_key_outside_its_time_is_refused(
    hub: RunningHub, city: City, not_before: datetime | None, not_after: datetime | None
) -> None:
    times = {"not_before": not_before, "not_after": not_after}
    hub.say_of(city.name, **{name: None if at is None else format_time(at) for name, at in times.items()})
    check_problem(hub.post(city.sign(seq=1)), ProblemCode.KEY_NOT_VALID, 401)
    for target in READS:
        check_problem(city.read(target), ProblemCode.KEY_NOT_VALID, 401)


def test_32_a_rotated_key_is_taken_for_the_overlap_and_not_a_second_longer(hub: RunningHub, city: City) -> None:
    former = City(city.name, city.key, hub)
    assert hub.rotate(city, key_of(f"new.{city.name}")).status_code == 201
    hub.clock.now += member_keys.OVERLAP - timedelta(seconds=1)
    hub.accept(former.sign(seq=1))
    hub.accept(city.sign(seq=2))
    for each in (former, city):
        for target in READS:
            assert each.read(target).status_code == 200
    hub.clock.advance(seconds=1)
    city.seq = 2
    check_refused_everywhere(hub, city, former.key)
    hub.accept(city.sign(seq=20))


@pytest.mark.parametrize("algorithm", ["none", "hmac-sha256", "rsa-pss-sha512", "ecdsa-p256-sha256", "ed25519ph"])
def test_33_an_algorithm_in_a_read_does_not_choose_the_algorithm(resident: City, algorithm: str) -> None:
    target = READS[0]
    headers = sign_request("GET", resident.hub.url + target, resident.key, resident.hub.clock())
    headers["Signature-Input"] += f';alg="{algorithm}"'
    check_problem(resident.hub.client.get(target, headers=headers), ProblemCode.BAD_SIGNATURE, 401)


@pytest.mark.parametrize("name", ["alg", "algorithm", "scheme", "typ"])
def test_33_an_algorithm_in_a_statement_is_an_unknown_key(resident: City, name: str) -> None:
    value = envelope_of(resident.sign(seq=1))
    value["signatures"][0][name] = "none"
    check_problem(resident.hub.post(json.dumps(value).encode()), ProblemCode.SCHEMA, 422)


@pytest.mark.parametrize("name", ["jwk", "x5c", "cert", "key", "publicKey"])
def test_34_a_key_in_the_message_is_not_used(resident: City, name: str) -> None:
    encoded = base64.b64encode(builders.OTHER_KEY.public.raw).decode()
    value = envelope_of(builders.signed_statement(key=builders.OTHER_KEY, origin=resident.name, seq=1))
    check_problem(resident.hub.post(json.dumps(value | {name: encoded}).encode()), ProblemCode.SCHEMA, 422)
    value["signatures"][0][name] = encoded
    check_problem(resident.hub.post(json.dumps(value).encode()), ProblemCode.SCHEMA, 422)


def test_34_a_key_id_that_is_a_key_is_not_used(resident: City) -> None:
    value = envelope_of(builders.signed_statement(key=builders.OTHER_KEY, origin=resident.name, seq=1))
    value["signatures"][0]["keyid"] = base64.b64encode(builders.OTHER_KEY.public.raw).decode()
    check_problem(resident.hub.post(json.dumps(value).encode()), ProblemCode.BAD_SIGNATURE, 401)


@pytest.mark.parametrize("raw", [*SMALL_ORDER, "00" * 31, "ab" * 33])
def test_35_a_weak_key_cannot_even_ask_to_be_enrolled(standing_hub: RunningHub, raw: str) -> None:
    code = standing_hub.verb("enrol.code", name="mainz.rp.de")["code"]
    request = builders.enrolment_request(
        name="mainz.rp.de", code=code, key=base64.b64encode(bytes.fromhex(raw)).decode()
    )
    # With a key of order 1, sixty-four zeros behind a 1 are a "signature" of every message.
    for signature in (bytes(64), b"\x01" + bytes(63)):
        body = sign_payload(ENROLMENT_KIND, builders.raw_json(request), builders.OTHER_KEY).to_bytes()
        value = envelope_of(body)
        value["signatures"][0]["sig"] = base64.b64encode(signature).decode()
        response = standing_hub.post(json.dumps(value).encode(), "/v1/enrolments")
        check_problem(response, ProblemCode.SCHEMA, 422)
    assert standing_hub.verb("enrol.list") == {"waiting": []}


# --- 36, 37, 42: what was changed ---------------------------------------------------------------------------------


def test_36_one_changed_bit_in_the_payload_is_refused(resident: City) -> None:
    body = resident.sign(seq=1)
    value = envelope_of(body)
    payload = base64.b64decode(value["payload"])
    for bit in range(0, 8 * len(payload), 37):
        value["payload"] = base64.b64encode(flip(payload, bit)).decode()
        check_problem(resident.hub.post(json.dumps(value).encode()), ProblemCode.BAD_SIGNATURE, 401)
    for changed in (payload[:-1], payload + b" ", payload[1:], b""):
        value["payload"] = base64.b64encode(changed).decode()
        check_problem(resident.hub.post(json.dumps(value).encode()), ProblemCode.BAD_SIGNATURE, 401)


def test_36_one_changed_character_in_the_type_is_refused(resident: City) -> None:
    value = envelope_of(resident.sign(seq=1))
    name = value["payloadType"]
    for place in range(len(name)):
        for other in ("x", "A", " "):
            if name[place] != other:
                value["payloadType"] = name[:place] + other + name[place + 1 :]
                check_problem(resident.hub.post(json.dumps(value).encode()), ProblemCode.BAD_SIGNATURE, 401)


def test_36_one_changed_bit_in_the_signature_is_refused(resident: City) -> None:
    body = resident.sign(seq=1)
    value = envelope_of(body)
    signature = base64.b64decode(value["signatures"][0]["sig"])
    for bit in range(8 * 64):
        value["signatures"][0]["sig"] = base64.b64encode(flip(signature, bit)).decode()
        check_problem(resident.hub.post(json.dumps(value).encode()), ProblemCode.BAD_SIGNATURE, 401)


def test_36_one_changed_byte_anywhere_makes_no_entry(resident: City) -> None:
    # Only the key id is a hint: with any other one the statement is still what its author signed, and its one digest.
    body = resident.sign()
    first = resident.hub.accept(body)
    size = resident.hub.log_size()
    for place in range(0, len(body), 3):
        for changed in (flip(body, 8 * place), flip(body, 8 * place + 5), body[:place] + body[place + 1 :]):
            response = resident.hub.post(changed)
            if response.status_code == 200:
                assert response.json() == first
            else:
                assert response.status_code in (400, 401, 422), (place, response.text)
                check_problem(response, ProblemCode(response.json()["code"]))
    assert resident.hub.log_size() == size


@pytest.mark.parametrize("kind", ["question", "bulletin", "trend", "withdrawal", "policy", "enrolment-request", "x"])
def test_37_a_practice_sent_as_another_kind_is_refused(resident: City, kind: str) -> None:
    # The envelope says another kind than was signed: the signature does not hold.
    value = envelope_of(resident.sign(seq=1))
    value["payloadType"] = payload_type(kind)
    check_problem(resident.hub.post(json.dumps(value).encode()), ProblemCode.BAD_SIGNATURE, 401)


@pytest.mark.parametrize("kind", ["question", "trend", "withdrawal", "policy"])
def test_37_a_practice_signed_as_another_kind_is_refused(resident: City, kind: str) -> None:
    payload = builders.raw_json(builders.statement(origin=resident.name, seq=1))
    check_problem(resident.hub.post(builders.signed(payload, kind, resident.key)), ProblemCode.KIND_MISMATCH, 401)


def test_37_a_statement_is_no_enrolment_and_an_enrolment_no_statement(resident: City) -> None:
    hub = resident.hub
    check_problem(hub.post(resident.sign(seq=1), "/v1/enrolments"), ProblemCode.KIND_MISMATCH, 401)
    request = enrolment("mainz.rp.de", resident.key, "ABCD-2345-WXYZ-7QRS")
    check_problem(hub.post(request), ProblemCode.SCHEMA, 422)


@pytest.mark.parametrize(
    "change",
    [
        lambda given: b"",
        lambda given: given[:63],
        lambda given: given[:32],
        lambda given: given + b"\x00",
        lambda given: given + given,
        lambda given: (
            given[:32] + (int.from_bytes(given[32:], "little") + ORDER_OF_THE_BASE_POINT).to_bytes(32, "little")
        ),
        lambda given: bytes(64),
    ],
    ids=["empty", "short", "half", "long", "double", "S+L", "zero"],
)
def test_42_a_signature_of_another_form_is_refused(resident: City, change: Callable[[bytes], bytes]) -> None:
    check_problem(resident.hub.post(resigned(resident.sign(seq=1), change)), ProblemCode.BAD_SIGNATURE, 401)


@pytest.mark.parametrize("text", ["", "====", "ü", "AAA", "A" * 85 + "B=="])
def test_42_a_signature_that_is_no_base64_is_refused(resident: City, text: str) -> None:
    value = envelope_of(resident.sign(seq=1))
    value["signatures"][0]["sig"] = text
    check_problem(resident.hub.post(json.dumps(value).encode()), ProblemCode.BAD_SIGNATURE, 401)


# --- 38, 44: signed reads -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", READS)
@pytest.mark.parametrize("minutes", [-6, 6, -60 * 24 * 365, 60 * 24 * 365])
def test_38_a_read_with_a_wrong_clock_is_refused_and_told_the_time(resident: City, target: str, minutes: int) -> None:
    response = resident.read(target, now=resident.hub.clock() + timedelta(minutes=minutes))
    document = check_problem(response, ProblemCode.CLOCK_SKEW, 401)
    assert format_time(resident.hub.clock()) in document["detail"]


@pytest.mark.parametrize("minutes", [-4, 0, 4])
def test_38_a_read_with_a_clock_that_is_a_little_off_is_answered(resident: City, minutes: int) -> None:
    assert resident.read(READS[0], now=resident.hub.clock() + timedelta(minutes=minutes)).status_code == 200


def test_38_a_statement_is_never_refused_for_the_authors_clock(hub: RunningHub, city: City) -> None:
    for issued_at in ("1999-01-01T00:00:00Z", "2099-12-31T23:59:59Z"):
        hub.accept(city.sign(issued_at=issued_at))


MALFORMED_PARAMETERS = (
    'created="abc"',
    "created=99999999999999",
    "created=-99999999999999",
    "created=1.5",
    "expires=?1",
    "nonce=5",
    "keyid=7",
    "keyid=:AAAA:",
    'tag="x"',
    "created",
)


@pytest.mark.parametrize("parameter", MALFORMED_PARAMETERS)
def test_a_read_whose_signature_has_odd_parameters_is_refused(resident: City, parameter: str) -> None:
    target = READS[0]
    headers = sign_request("GET", resident.hub.url + target, resident.key, resident.hub.clock())
    headers["Signature-Input"] += f";{parameter}"
    assert resident.hub.client.get(target, headers=headers).status_code == 401


class FarMoment(datetime):
    """A time that no calendar has; only `timestamp` is asked for."""

    seconds: int

    def timestamp(self) -> float:
        return self.seconds


@pytest.mark.parametrize("seconds", [999_999_999_999_999, -999_999_999_999_999, 253_402_300_800])
def test_a_read_signed_at_a_time_that_no_calendar_has_is_refused(resident: City, seconds: int) -> None:
    moment = FarMoment(2026, 11, 22, tzinfo=UTC)
    moment.seconds = seconds
    request = _Request("GET", resident.hub.url + READS[0])
    signer = HTTPMessageSigner(
        signature_algorithm=algorithms.ED25519, key_resolver=_OneKey(private=resident.key.private)
    )
    signer.sign(
        request,
        key_id=resident.key.public.keyid,
        created=moment,
        expires=moment,
        nonce="n",
        include_alg=False,
        covered_component_ids=COVERED,
    )
    check_problem(resident.hub.client.get(READS[0], headers=request.headers), ProblemCode.CLOCK_SKEW, 401)


@pytest.mark.parametrize("name", ["Signature", "Signature-Input"])
@pytest.mark.parametrize(
    "value", ["x", "pe=", "pe=()", 'pe=("@method")', "\xff", "pe=:!:", "pe=1", "=" * 1999, "a=1, " * 300]
)
def test_a_read_whose_signature_headers_are_malformed_is_refused(resident: City, name: str, value: str) -> None:
    target = READS[0]
    headers = sign_request("GET", resident.hub.url + target, resident.key, resident.hub.clock())
    given = [(key.encode(), (value if key == name else text).encode("latin-1")) for key, text in headers.items()]
    response = resident.hub.client.get(target, headers=given)
    check_problem(response, ProblemCode.BAD_SIGNATURE, 401)


@pytest.mark.parametrize("size", [2001, 12_000])
def test_a_read_whose_signature_headers_are_too_long_is_refused(resident: City, size: int) -> None:
    headers = sign_request("GET", resident.hub.url + READS[0], resident.key, resident.hub.clock())
    response = resident.hub.client.get(READS[0], headers=headers | {"Signature": "x" * size})
    check_problem(response, ProblemCode.BAD_SIGNATURE, 401)


def test_a_read_that_covers_less_than_the_target_is_refused(resident: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared_schema.service.signed_reads.COVERED", ("@method",))
    headers = sign_request("GET", resident.hub.url + READS[0], resident.key, resident.hub.clock())
    monkeypatch.undo()
    check_problem(resident.hub.client.get(READS[0], headers=headers), ProblemCode.BAD_SIGNATURE, 401)


def test_a_read_signed_for_another_target_is_refused(resident: City) -> None:
    for signed_for in ("/v1/feed?from=1", "/v1/feed", "/v1/members/me", "/v1/feed?from=0&seen=0"):
        headers = sign_request("GET", resident.hub.url + signed_for, resident.key, resident.hub.clock())
        check_problem(resident.hub.client.get(READS[0], headers=headers), ProblemCode.BAD_SIGNATURE, 401)
    headers = sign_request("POST", resident.hub.url + READS[0], resident.key, resident.hub.clock())
    check_problem(resident.hub.client.get(READS[0], headers=headers), ProblemCode.BAD_SIGNATURE, 401)


def test_44_a_read_replayed_to_another_hub_is_refused(hub: RunningHub, city: City, start_hub: HubStarter) -> None:
    other = start_hub("nrw.de")
    other.enrol(city.name)
    for target in READS:
        headers = sign_request("GET", hub.url + target, city.key, hub.clock())
        assert hub.client.get(target, headers=headers).status_code == 200
        check_problem(other.client.get(target, headers=headers), ProblemCode.BAD_SIGNATURE, 401)


def test_44_a_hub_behind_another_name_goes_by_its_public_address(hub: RunningHub, city: City) -> None:
    # The loopback name leads here too, but what was signed for it is not what was signed for the public address.
    headers = sign_request("GET", "http://localhost:8700" + READS[0], city.key, hub.clock())
    response = hub.client.get(READS[0], headers=headers | {"Host": "localhost:8700"})
    check_problem(response, ProblemCode.BAD_SIGNATURE, 401)


# --- 39 to 41, 43: order and retries ------------------------------------------------------------------------------


@pytest.mark.sqlite_is_enough(False)
def test_39_a_retry_gets_the_first_receipt_byte_for_byte(
    network: Network, loop: EventLoop, tmp_path: Path, hub_database_url: str
) -> None:
    place = tmp_path / "hub"
    with RunningHub.start(network, loop, place, hub_database_url) as hub:
        city = hub.enrol("leipzig.sn.de")
        single = [city.sign() for _ in range(3)]
        group = [city.sign() for _ in range(5)]
        first = [hub.post(body).content for body in single]
        hub.accept_many(group)
        first += [hub.post(body).content for body in group]
        assert [hub.post(body).content for body in single + group] == first
        hub.accept_many([city.sign() for _ in range(300)])
        again = [hub.post(body) for body in single + group]
        assert ([answer.status_code for answer in again], [answer.content for answer in again]) == ([200] * 8, first)
        late = city.sign()
        first.append(hub.post(late).content)
    with RunningHub.start(network, loop, place, hub_database_url) as hub:
        assert [hub.post(body).content for body in [*single, *group, late]] == first
        for body, receipt in zip([*single, *group, late], first, strict=True):
            verify_receipt(Receipt.from_bytes(receipt), parse_envelope(body).digest, hub.hub.verifier)
        assert hub.log_size() == 2 + 8 + 300 + 1


def test_39_a_retry_in_a_batch_gets_the_receipt_of_the_single_one(hub: RunningHub, city: City) -> None:
    body = city.sign()
    first = hub.accept(body)
    answer = hub.post(batch_of([body, city.sign(), body]), "/v1/submissions/batch").json()["results"]
    assert [item["status"] for item in answer] == [200, 201, 200]
    assert answer[0]["receipt"] == answer[2]["receipt"] == first


def test_39_a_statement_twice_in_one_batch_makes_one_entry(hub: RunningHub, city: City) -> None:
    body, size = city.sign(), hub.log_size()
    answer = hub.post(batch_of([body, body]), "/v1/submissions/batch").json()["results"]
    assert [item["status"] for item in answer] == [201, 200] and answer[0]["receipt"] == answer[1]["receipt"]
    assert hub.log_size() == size + 1


def test_39_another_spelling_of_the_envelope_is_the_same_statement(hub: RunningHub, city: City) -> None:
    body = city.sign()
    first = hub.post(body)
    value = envelope_of(body)
    spellings = [json.dumps(value, indent=2).encode(), json.dumps(dict(reversed(value.items()))).encode()]
    value["payload"] = value["payload"].replace("+", "-").replace("/", "_")
    value["signatures"] = [{"sig": value["signatures"][0]["sig"].replace("+", "-").replace("/", "_")}]
    spellings.append(json.dumps(value).encode())
    for spelling in spellings:
        response = hub.post(spelling)
        assert (response.status_code, response.content) == (200, first.content)


def test_40_another_content_for_a_seq_is_refused_and_shown_to_the_operator(hub: RunningHub, city: City) -> None:
    body = city.sign(body=builders.practice_body(title="One thing"))
    hub.accept(body)
    other = city.sign(body=builders.practice_body(title=f"Another thing {CANARY}"), seq=city.seq)
    before = hub.verb("status")["evidence"]
    check_problem(hub.post(other), ProblemCode.SEQ_CONFLICT, 409)
    check_problem(hub.post(other), ProblemCode.SEQ_CONFLICT, 409)  # again: still one piece of evidence
    assert hub.verb("status")["evidence"] == before + 1
    with hub.hub.database.read() as session:
        row = session.get_one(EvidenceRow, parse_envelope(other).digest)
        assert (row.origin, row.seq, row.known_digest) == (city.name, city.seq, parse_envelope(body).digest)
        assert row.envelope == other
    hub.accept(city.sign())


def test_40_two_contents_for_a_seq_in_one_batch_are_one_entry_and_evidence(hub: RunningHub, city: City) -> None:
    before = hub.verb("status")["evidence"]
    bodies = [city.sign(body=builders.practice_body(title=f"Thing {number}"), seq=1) for number in range(3)]
    assert details(hub.post(batch_of(bodies), "/v1/submissions/batch")) == [201, 409, 409]
    assert hub.verb("status")["evidence"] == before + 2
    assert hub.post(bodies[0]).status_code == 200


def test_41_a_seq_below_one_that_was_used_is_refused_with_the_highest(hub: RunningHub, city: City) -> None:
    hub.accept(city.sign(seq=5))
    hub.accept(city.sign(seq=17))
    for seq in (1, 4, 6, 16):
        document = check_problem(hub.post(city.sign(seq=seq)), ProblemCode.SEQ_TOO_LOW, 409)
        assert "17" in document["detail"]
        assert city.api().highest_seq() == 17
    hub.accept(city.sign(seq=18))


def test_41_a_refused_statement_does_not_block_the_ones_behind_it(hub: RunningHub, city: City) -> None:
    refused = city.sign(body=builders.practice_body(outcome="nothing"), seq=3)
    bodies = [city.sign(seq=2), refused, city.sign(seq=4), city.sign(seq=1), city.sign(seq=5)]
    assert details(hub.post(batch_of(bodies), "/v1/submissions/batch")) == [201, 422, 201, 409, 201]


def test_41_what_one_city_sends_wrong_does_not_touch_another(hub: RunningHub, city: City, other_city: City) -> None:
    hub.accept(city.sign(seq=9))
    bodies = [
        city.sign(seq=8),
        other_city.sign(seq=1),
        city.sign(seq=9, issued_at="2026-11-22T09:00:01Z"),
        other_city.sign(seq=2),
    ]
    assert details(hub.post(batch_of(bodies), "/v1/submissions/batch")) == [409, 201, 409, 201]


def test_41_a_table_and_period_is_released_once(hub: RunningHub, city: City) -> None:
    hub.accept(city.trend(1, 2, 3))
    check_problem(hub.post(city.trend(1, 2, 4)), ProblemCode.RELEASE_RULE, 422)
    other = {"start": "2026-09-01", "end": "2026-09-30", "granularity": "month", "basis": "recorded"}
    both = [city.trend(1, 2, 3, period=other), city.trend(1, 2, 4, period=other)]
    assert details(hub.post(batch_of(both), "/v1/submissions/batch")) == [201, 422]


def test_41_a_month_is_released_when_it_has_ended_and_a_citys_clock_may_be_ahead(hub: RunningHub, city: City) -> None:
    november = city.trend(1, 2, 3, period=parse_period("2026-11").to_object())
    hub.clock.now = datetime(2026, 12, 1, tzinfo=UTC) - CLOCK_TOLERANCE - timedelta(seconds=1)
    check_problem(hub.post(november), ProblemCode.RELEASE_RULE, 422)
    hub.clock.advance(seconds=1)
    hub.accept(november)


@pytest.mark.parametrize("senders", [2, 8])
def test_43_identical_requests_at_once_make_one_entry(hub: RunningHub, city: City, senders: int) -> None:
    size = hub.log_size()
    for round_number in range(10):
        body = city.sign()
        barrier = threading.Barrier(senders)
        answers: list[tuple[int, bytes]] = []

        def push(body: bytes = body, barrier: threading.Barrier = barrier, answers: list[Any] = answers) -> None:
            barrier.wait()
            response = hub.post(body)
            answers.append((response.status_code, response.content))

        threads = [threading.Thread(target=push) for _ in range(senders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(status for status, _ in answers) == [200] * (senders - 1) + [201]
        assert len({content for _, content in answers}) == 1
        assert hub.log_size() == size + round_number + 1


def test_43_different_contents_at_once_for_one_seq_make_one_entry(hub: RunningHub, city: City) -> None:
    bodies = [city.sign(body=builders.practice_body(title=f"Thing {number}"), seq=1) for number in range(6)]
    answers: list[int] = []

    def push(body: bytes) -> None:
        answers.append(hub.post(body).status_code)

    threads = [threading.Thread(target=push, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [201] + [409] * 5
    assert hub.verb("verify")["ok"]


# --- withdrawal -----------------------------------------------------------------------------------------------------


def test_a_city_cannot_withdraw_what_is_not_its_own(hub: RunningHub, city: City, other_city: City) -> None:
    body = city.sign()
    hub.accept(body)
    check_problem(hub.post(other_city.withdrawal(body)), ProblemCode.NOT_FOUND, 404)
    unknown = other_city.sign(Kind.WITHDRAWAL, {"digest": "0" * 64, "reason": "error"})
    refused = hub.post(unknown)
    check_problem(refused, ProblemCode.NOT_FOUND, 404)
    assert "envelope" in city.feed()["entries"][-1]


def test_a_withdrawal_cannot_be_withdrawn(hub: RunningHub, city: City) -> None:
    body = city.sign()
    withdrawal = city.withdrawal(body)
    hub.accept(body)
    hub.accept(withdrawal)
    check_problem(hub.post(city.withdrawal(withdrawal)), ProblemCode.NOT_FOUND, 404)
    assert hub.verb("verify")["ok"]


def test_a_receipt_is_proof_for_whoever_knows_the_hubs_key(hub: RunningHub, city: City) -> None:
    body = city.sign()
    receipt = city.api().submit(body)
    verifier = NoteVerifier.from_vkey(city.api().identity().vkey)
    assert verify_receipt(receipt, parse_envelope(body).digest, verifier).size == hub.log_size()
    with pytest.raises(HubRefused) as refused:
        city.api().submit(builders.signed_statement(key=SigningKey.from_seed(b"x" * 32), origin="x.de", seq=1))
    assert (refused.value.code, refused.value.status) == ("unknown-key", 401)
