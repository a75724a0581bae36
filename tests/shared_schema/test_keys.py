"""Keys: none of small order, no signature but the exact one, no authority but what follows from the root."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_schema import keys
from shared_schema.envelope import pae
from shared_schema.errors import VerificationError
from shared_schema.keys import (
    PublicKey,
    SigningKey,
    same_fingerprint,
)
from shared_schema.problem import ProblemCode
from tests.shared_schema import edwards25519
from tests.shared_schema.builders import CITY_KEY, OTHER_KEY, VECTORS

MASK = 2**255 - 1
TORSION = edwards25519.torsion_points()
MESSAGE = b"what is signed"
SIGNATURE = CITY_KEY.sign(MESSAGE)


# --- public keys -----------------------------------------------------------------------------------------------


def test_there_are_eight_points_of_small_order() -> None:
    assert len(TORSION) == 8
    assert all(edwards25519.multiply(8, point) == edwards25519.NEUTRAL for point in TORSION)


@pytest.mark.parametrize("point", sorted(TORSION), ids=lambda point: f"y={point[1] % 1000}")
def test_every_encoding_of_a_point_of_small_order_is_refused(point: edwards25519.Point) -> None:
    for raw in edwards25519.encodings(point):
        with pytest.raises(VerificationError, match="small order") as caught:
            PublicKey(raw)
        assert caught.value.code is ProblemCode.WEAK_KEY


@pytest.mark.parametrize("raw", sorted(keys._SMALL_ORDER_Y), ids=bytes.hex)
def test_every_y_that_is_listed_has_an_order_that_divides_eight(raw: bytes) -> None:
    points = edwards25519.points_with(int.from_bytes(raw, "little"))
    assert points
    assert all(edwards25519.multiply(8, point) == edwards25519.NEUTRAL for point in points)


def test_the_list_of_small_orders_is_complete_and_has_nothing_else() -> None:
    encoded = {int.from_bytes(raw, "little") & MASK for point in TORSION for raw in edwards25519.encodings(point)}
    assert {int.from_bytes(raw, "little") for raw in keys._SMALL_ORDER_Y} == encoded


def test_an_all_zero_key_is_refused() -> None:
    with pytest.raises(VerificationError):
        PublicKey(bytes(32))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(VerificationError, match="32 bytes") as caught:
        PublicKey(b"\x09" * length)
    assert caught.value.code is ProblemCode.WEAK_KEY


def test_bytes_that_are_no_point_verify_nothing() -> None:
    no_point = next(y for y in range(2, 100) if not edwards25519.points_with(y))
    key = PublicKey(no_point.to_bytes(32, "little"))
    with pytest.raises(VerificationError):
        key.verify(SIGNATURE, MESSAGE)


def test_the_key_id_is_the_hash_and_the_fingerprint_its_beginning() -> None:
    key = CITY_KEY.public
    assert len(key.keyid) == 64
    groups = key.fingerprint.split(" ")
    assert [len(group) for group in groups] == [4] * 10
    assert key.keyid.startswith("".join(groups))


def test_a_fingerprint_is_compared_as_people_type_it() -> None:
    key = CITY_KEY.public
    for typed in (key.fingerprint, key.fingerprint.upper(), key.fingerprint.replace(" ", ":"), key.keyid):
        assert same_fingerprint(typed, key)


@pytest.mark.parametrize("digits", [0, 4, 36, 39, 41, 63])
def test_a_part_of_a_fingerprint_is_not_enough(digits: int) -> None:
    assert not same_fingerprint(CITY_KEY.public.keyid[:digits], CITY_KEY.public)


def test_another_keys_fingerprint_is_not_the_same() -> None:
    assert not same_fingerprint(OTHER_KEY.public.fingerprint, CITY_KEY.public)


# --- signatures ------------------------------------------------------------------------------------------------


def test_the_key_of_rfc_8032_test_3_signs_as_the_fixture_says() -> None:
    fixture = VECTORS["dsse_ed25519"]
    key = SigningKey.from_seed(bytes.fromhex(fixture["seed_hex"]))
    message = pae(fixture["payload_type"], base64.b64decode(fixture["payload_b64"]))
    signature = base64.b64decode(fixture["sig_b64"])
    assert key.sign(message) == signature
    key.public.verify(signature, message)


def test_the_signature_of_rfc_9421_holds_over_its_lines() -> None:
    vector = VECTORS["rfc9421_b26"]
    # PKCS #8 of an Ed25519 key is sixteen bytes of header and the seed (RFC 8410 section 7).
    key = SigningKey.from_seed(base64.b64decode(vector["private_key_pkcs8_b64"])[16:])
    lines = "\n".join(vector["lines"]).encode()
    key.public.verify(base64.b64decode(vector["signature_b64"]), lines)
    assert base64.b64encode(key.sign(lines)).decode() == vector["signature_b64"]


def test_the_content_digest_of_rfc_9421_is_that_of_its_body() -> None:
    vector = VECTORS["rfc9421_b26"]
    digest = hashlib.sha512(vector["body"].encode()).digest()
    assert base64.b64encode(digest).decode() == vector["content_digest_sha512_b64"]
    assert f'"content-length": {len(vector["body"])}' in vector["lines"]


@pytest.mark.parametrize("place", range(64))
def test_a_signature_with_one_changed_bit_is_refused(place: int) -> None:
    changed = bytearray(SIGNATURE)
    changed[place] ^= 1 << place % 8
    with pytest.raises(VerificationError) as caught:
        CITY_KEY.public.verify(bytes(changed), MESSAGE)
    assert caught.value.code is ProblemCode.BAD_SIGNATURE


@pytest.mark.parametrize("length", [0, 1, 32, 63, 65, 128])
def test_a_truncated_or_overlong_signature_is_refused(length: int) -> None:
    with pytest.raises(VerificationError, match="64 bytes"):
        CITY_KEY.public.verify((SIGNATURE * 2)[:length], MESSAGE)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_signature_with_the_group_order_added_to_s_is_refused(times: int) -> None:
    s = int.from_bytes(SIGNATURE[32:], "little") + times * edwards25519.L
    with pytest.raises(VerificationError):
        CITY_KEY.public.verify(SIGNATURE[:32] + s.to_bytes(32, "little"), MESSAGE)


@given(st.binary(min_size=64, max_size=64))
def test_no_other_signature_holds(signature: bytes) -> None:
    with pytest.raises(VerificationError):
        CITY_KEY.public.verify(signature, MESSAGE)


def test_a_signature_of_another_key_or_of_another_message_is_refused() -> None:
    with pytest.raises(VerificationError):
        OTHER_KEY.public.verify(SIGNATURE, MESSAGE)
    with pytest.raises(VerificationError):
        CITY_KEY.public.verify(SIGNATURE, MESSAGE + b" ")
    CITY_KEY.public.verify(SIGNATURE, MESSAGE)


def test_a_private_key_never_prints_itself() -> None:
    key = SigningKey.from_seed(b"seed" * 8)
    for text in (repr(key), str(key), f"{key}", repr([key])):
        assert b"seed".hex() not in text
        assert "seed" not in text
        assert "Ed25519PrivateKey" not in text
    assert key.seed == b"seed" * 8
