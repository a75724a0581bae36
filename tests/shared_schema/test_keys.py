"""Keys: none of small order, no signature but the exact one, no authority but what follows from the root."""

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_schema import keys
from shared_schema.envelope import pae
from shared_schema.errors import VerificationError
from shared_schema.keys import (
    Directory,
    Member,
    MemberRole,
    MemberStatus,
    PublicKey,
    SigningKey,
    same_fingerprint,
)
from shared_schema.problem import ProblemCode
from tests.shared_schema import edwards25519
from tests.shared_schema.builders import CITY, CITY_KEY, HUB, HUB_KEY, NOW, OTHER_KEY, VECTORS

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


# --- the directory ---------------------------------------------------------------------------------------------

NATION, NATION_KEY = "deutschland.de", SigningKey.from_seed(b"nati" * 8)
REGION = Member(HUB, MemberRole.HUB, HUB_KEY.public, MemberStatus.ACTIVE, vouched_by="")
NODE = Member(CITY, MemberRole.NODE, CITY_KEY.public, MemberStatus.ACTIVE, vouched_by="")


@pytest.fixture
def directory() -> Directory:
    """A nation as root, one region below it, one city below that."""
    directory = Directory(NATION, NATION_KEY.public)
    assert directory.apply(signer=NATION, member=REGION)
    assert directory.apply(signer=HUB, member=NODE)
    return directory


def test_a_stranger_vouches_for_nobody(directory: Directory) -> None:
    before = directory.members()
    with pytest.raises(VerificationError, match="signed by an active hub"):
        directory.apply(signer="stranger.example.org", member=replace(NODE, name="halle.st.de", key=OTHER_KEY.public))
    assert directory.members() == before


def test_a_node_vouches_for_nobody(directory: Directory) -> None:
    with pytest.raises(VerificationError, match="signed by an active hub"):
        directory.apply(signer=CITY, member=replace(NODE, name="halle.st.de", key=OTHER_KEY.public))


@pytest.mark.parametrize("status", [MemberStatus.REVOKED, MemberStatus.SUSPENDED, MemberStatus.LEFT])
def test_a_hub_that_is_not_active_vouches_for_nobody(directory: Directory, status: MemberStatus) -> None:
    assert directory.apply(signer=NATION, member=replace(REGION, status=status))
    with pytest.raises(VerificationError, match="signed by an active hub"):
        directory.apply(signer=HUB, member=replace(NODE, name="halle.st.de", key=OTHER_KEY.public))


def test_nobody_speaks_about_a_name_that_another_hub_has_vouched_for(directory: Directory) -> None:
    with pytest.raises(VerificationError, match="no other hub") as caught:
        directory.apply(signer=NATION, member=replace(NODE, key=OTHER_KEY.public))
    assert caught.value.code is ProblemCode.NAME_TAKEN
    assert directory.find(CITY) == replace(NODE, vouched_by=HUB)


def test_another_hub_that_says_the_same_key_changes_nothing(directory: Directory) -> None:
    assert not directory.apply(signer=NATION, member=replace(NODE, status=MemberStatus.REVOKED))
    assert directory.find(CITY) == replace(NODE, vouched_by=HUB)


def test_nobody_speaks_about_itself_or_about_the_root(directory: Directory) -> None:
    assert not directory.apply(signer=HUB, member=replace(REGION, key=OTHER_KEY.public))
    assert not directory.apply(signer=HUB, member=replace(REGION, name=NATION, key=OTHER_KEY.public))
    found = directory.find(NATION)
    assert found is not None
    assert found.key == NATION_KEY.public
    assert directory.find(HUB) == replace(REGION, vouched_by=NATION)


def test_a_key_belongs_to_one_member(directory: Directory) -> None:
    with pytest.raises(VerificationError, match="no other member uses") as caught:
        directory.apply(signer=HUB, member=replace(NODE, name="halle.st.de"))
    assert caught.value.code is ProblemCode.NAME_TAKEN
    assert directory.find("halle.st.de") is None


def test_the_same_word_twice_changes_nothing(directory: Directory) -> None:
    assert not directory.apply(signer=HUB, member=NODE)


def test_a_rotated_key_takes_the_place_of_the_old_one(directory: Directory) -> None:
    assert directory.apply(signer=HUB, member=replace(NODE, key=OTHER_KEY.public))
    assert directory.find_by_keyid(CITY_KEY.public.keyid) is None
    found = directory.find_by_keyid(OTHER_KEY.public.keyid)
    assert found is not None
    assert found.name == CITY


def test_a_revoked_key_stays_known_so_that_nobody_else_takes_it(directory: Directory) -> None:
    directory.apply(signer=HUB, member=replace(NODE, status=MemberStatus.REVOKED))
    with pytest.raises(VerificationError):
        directory.apply(signer=HUB, member=replace(NODE, name="halle.st.de"))
    assert [member.name for member in directory.members()] == [NATION, HUB, CITY]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"status": MemberStatus.SUSPENDED}, ProblemCode.MEMBER_NOT_ACTIVE),
        ({"status": MemberStatus.REVOKED}, ProblemCode.KEY_NOT_VALID),
        ({"status": MemberStatus.LEFT}, ProblemCode.KEY_NOT_VALID),
        ({"not_before": NOW + timedelta(seconds=1)}, ProblemCode.KEY_NOT_VALID),
        ({"not_after": NOW}, ProblemCode.KEY_NOT_VALID),
    ],
)
def test_a_member_out_of_force_may_not_sign(changes: dict[str, object], code: ProblemCode) -> None:
    with pytest.raises(VerificationError) as caught:
        replace(NODE, **changes).check_may_sign(NOW)  # type: ignore[arg-type]
    assert caught.value.code is code


def test_a_member_may_sign_from_its_first_second_to_its_last() -> None:
    replace(NODE, not_before=NOW, not_after=NOW + timedelta(seconds=1)).check_may_sign(NOW)


@pytest.mark.parametrize("status", [MemberStatus.REVOKED, MemberStatus.LEFT])
def test_a_key_that_has_ended_never_comes_back(directory: Directory, status: MemberStatus) -> None:
    assert directory.apply(signer=HUB, member=replace(NODE, status=status))
    for changed in (NODE, replace(NODE, status=MemberStatus.SUSPENDED)):
        with pytest.raises(VerificationError, match="never revoked") as caught:
            directory.apply(signer=HUB, member=changed)
        assert caught.value.code is ProblemCode.KEY_NOT_VALID
    assert directory.apply(signer=HUB, member=replace(NODE, key=OTHER_KEY.public))
    with pytest.raises(VerificationError, match="never revoked"):
        directory.apply(signer=HUB, member=NODE)
