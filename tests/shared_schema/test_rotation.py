"""A rotation is believed only when both keys have signed exactly these bytes; a chain only link by link."""

import base64
import json
from dataclasses import replace
from itertools import pairwise

import pytest

from shared_schema import canonical
from shared_schema.canonical import JsonObject
from shared_schema.checkpoint import NoteVerifier, sign_note, verify_note
from shared_schema.envelope import pae, parse_envelope, payload_type
from shared_schema.errors import ContractError, SchemaError, VerificationError
from shared_schema.governance import MembershipBody
from shared_schema.keys import SigningKey
from shared_schema.pins import Pin
from shared_schema.problem import ProblemCode
from shared_schema.rotation import (
    MAX_CHAIN,
    MAX_ROTATION_BYTES,
    ROTATION_KIND,
    find_links,
    parse_rotation,
    read_rotation,
    rotation_from_object,
    sign_rotation,
    trace_back,
    verify_chain,
    verify_rotation,
)
from tests.shared_schema.builders import CITY, CITY_KEY, HUB, HUB_KEY, OTHER_KEY, membership_body, rotation

KEYS = [SigningKey.from_seed(bytes([number]) * 32) for number in range(5)]


def links(keys: list[SigningKey] = KEYS, name: str = HUB) -> list[JsonObject]:
    return [rotation(old, new, name=name).to_object() for old, new in pairwise(keys)]


def resigned(payload: JsonObject, *keys: SigningKey, kind: str = ROTATION_KIND) -> JsonObject:
    """An envelope with the signatures of `keys` over whatever payload."""
    data = canonical.encode(payload)
    message = pae(payload_type(kind), data)
    return {
        "payload": base64.b64encode(data).decode(),
        "payloadType": payload_type(kind),
        "signatures": [
            {"keyid": key.public.keyid, "sig": base64.b64encode(key.sign(message)).decode()} for key in keys
        ],
    }


def payload_of(value: JsonObject) -> JsonObject:
    payload: JsonObject = json.loads(base64.b64decode(value["payload"]))
    return payload


def read(value: object) -> None:
    read_rotation(rotation_from_object(value))


def test_one_changed_bit_anywhere_is_refused() -> None:
    body = rotation().to_bytes()
    for place in range(0, len(body), 2):
        changed = body[:place] + bytes([body[place] ^ 1 << place % 7]) + body[place + 1 :]
        try:
            signed = parse_rotation(changed)
            read_rotation(signed)
        except ContractError:
            continue
        assert signed == parse_rotation(body), place  # base64 has another digit for the same bytes


@pytest.mark.parametrize(
    "keys",
    [[], [CITY_KEY], [OTHER_KEY], [CITY_KEY, CITY_KEY], [OTHER_KEY, OTHER_KEY], [CITY_KEY, HUB_KEY],
     [CITY_KEY, OTHER_KEY, HUB_KEY]],
    ids=["nobody", "old alone", "new alone", "old twice", "new twice", "old and a stranger", "three"],
)  # fmt: skip
def test_both_keys_sign_and_nobody_else(keys: list[SigningKey]) -> None:
    with pytest.raises(ContractError):
        read(resigned(payload_of(rotation().to_object()), *keys))


@pytest.mark.parametrize("kind", ["practice", "membership", "enrolment-request", "leave-request"])
def test_what_was_signed_as_something_else_is_no_rotation(kind: str) -> None:
    value = resigned(payload_of(rotation().to_object()), CITY_KEY, OTHER_KEY, kind=kind)
    with pytest.raises(VerificationError) as caught:
        read(value)
    assert caught.value.code is ProblemCode.KIND_MISMATCH
    with pytest.raises(VerificationError):
        read(value | {"payloadType": payload_type(ROTATION_KIND)})


def test_a_rotation_is_no_statement() -> None:
    with pytest.raises(SchemaError, match="exactly one signature"):
        parse_envelope(rotation().to_bytes())


@pytest.mark.parametrize("field", ["name", "old_key", "new_key", "made_at", "nonce"])
def test_a_missing_or_unknown_field_is_refused(field: str) -> None:
    payload = payload_of(rotation().to_object())
    for changed in ({key: value for key, value in payload.items() if key != field}, payload | {"more": 1}):
        with pytest.raises(ContractError):
            read(resigned(changed, CITY_KEY, OTHER_KEY))


def test_a_key_cannot_take_its_own_place_nor_be_weak() -> None:
    payload = payload_of(rotation().to_object())
    for key in (payload["old_key"], base64.b64encode(bytes(32)).decode()):
        with pytest.raises(ContractError):
            read(resigned(payload | {"new_key": key}, CITY_KEY, OTHER_KEY))


@pytest.mark.parametrize("signatures", [None, [], [{}, {}], [{"keyid": "ab" * 32, "sig": "!"}] * 2, "x", [1, 2]])
def test_signatures_of_a_wrong_form_are_refused(signatures: object) -> None:
    value = rotation().to_object() | {"signatures": signatures}
    with pytest.raises(ContractError):
        read({key: part for key, part in value.items() if part is not None})


def test_what_is_too_large_is_not_read() -> None:
    with pytest.raises(ContractError) as caught:
        parse_rotation(b" " * (MAX_ROTATION_BYTES + 1))
    assert caught.value.code is ProblemCode.TOO_LARGE


def test_only_the_keys_that_it_names_can_sign_it() -> None:
    signed = rotation()
    with pytest.raises(VerificationError):
        sign_rotation(read_rotation(signed), old=HUB_KEY, new=OTHER_KEY)


def test_a_rotation_is_that_of_one_member_away_from_one_key() -> None:
    signed = rotation()
    assert verify_rotation(signed, name=CITY, old_key=CITY_KEY.public).new == OTHER_KEY.public
    with pytest.raises(VerificationError):
        verify_rotation(signed, name="halle.st.de", old_key=CITY_KEY.public)
    with pytest.raises(VerificationError):
        verify_rotation(signed, name=CITY, old_key=OTHER_KEY.public)


def test_it_has_one_spelling() -> None:
    signed = rotation()
    backwards = replace(signed, signatures=signed.signatures[::-1])
    assert backwards.to_bytes() == signed.to_bytes() == parse_rotation(signed.to_bytes()).to_bytes()
    value = signed.to_object()
    value["signatures"] = value["signatures"][::-1]
    with pytest.raises(SchemaError, match="one spelling"):
        MembershipBody.from_object(membership_body(rotation=value))


def test_an_overlap_without_a_rotation_is_refused() -> None:
    with pytest.raises(SchemaError, match="rotation"):
        MembershipBody.from_object(membership_body(former_until="2026-12-22T09:00:00Z"))


# --- chains ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(4))
def test_a_chain_with_a_forged_link_leads_nowhere(place: int) -> None:
    chain = links()
    chain[place] = resigned(payload_of(chain[place]), KEYS[place], HUB_KEY)
    with pytest.raises(ContractError):
        verify_chain(chain, name=HUB, key=KEYS[0].public)


@pytest.mark.parametrize("place", range(3))
def test_a_chain_with_a_gap_leads_as_far_as_the_gap(place: int) -> None:
    chain = links()
    del chain[place]
    assert len(verify_chain(chain, name=HUB, key=KEYS[0].public)) == place


def test_a_chain_is_followed_from_the_pinned_key_on_and_of_one_hub_alone() -> None:
    for place, key in enumerate(KEYS):
        assert len(verify_chain(links(), name=HUB, key=key.public)) == len(KEYS) - 1 - place
        assert trace_back(links(), name=HUB, key=key.public) == [each.public for each in KEYS[:place]]
    assert verify_chain(links(name="nrw.de"), name=HUB, key=KEYS[0].public) == []
    assert find_links(links(name="nrw.de"), name=HUB, key=KEYS[4].public) == []


def test_a_ring_and_an_endless_chain_end() -> None:
    ring = [*links(), *links([KEYS[4], KEYS[0]])]
    assert len(verify_chain(ring, name=HUB, key=KEYS[0].public)) <= len(ring)
    assert len(trace_back(ring, name=HUB, key=KEYS[0].public)) == len(KEYS) - 1
    with pytest.raises(SchemaError):
        verify_chain(links()[:1] * (MAX_CHAIN + 1), name=HUB, key=KEYS[0].public)


def test_a_pin_is_stored_with_the_ones_before_it() -> None:
    pin = Pin(NoteVerifier(HUB, KEYS[0].public)).follow_chain(links())
    assert pin.verifier.key == KEYS[4].public and pin.first_key == KEYS[0].public
    assert Pin.from_texts(pin.verifier.vkey, pin.former_text()) == pin
    first = read_rotation(rotation_from_object(links()[0]))
    assert pin.announced(first, 17).former[0].until == 17
    assert Pin(NoteVerifier(HUB, KEYS[0].public)).announced(first, 17) == Pin(
        NoteVerifier(HUB, KEYS[1].public), (replace(pin.former[0], until=17),)
    )


def test_a_note_carries_the_signatures_of_the_keys_beside() -> None:
    note = sign_note("text\n", HUB, SigningKey(KEYS[0].private, (KEYS[1],)))
    for key in KEYS[:2]:
        assert verify_note(note, NoteVerifier(HUB, key.public)) == "text\n"
    with pytest.raises(VerificationError):
        verify_note(note, NoteVerifier(HUB, KEYS[2].public))
