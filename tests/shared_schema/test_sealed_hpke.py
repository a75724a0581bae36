"""Seals are those of RFC 9180, and a seal that was touched, moved or sealed to another does not open."""

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from shared_schema.errors import SchemaError
from shared_schema.problem import ProblemCode
from shared_schema.sealed.hpke import (
    OVERHEAD,
    PrivateKey,
    SealError,
    check_public_key,
    key_schedule,
    open_sealed,
    seal,
)

# RFC 9180 appendix A.2.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305, base mode.
INFO = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
SEED_E = bytes.fromhex("909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b")
SECRET_E = "f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600"
PUBLIC_E = "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"
SEED_R = bytes.fromhex("1ac01f181fdf9f352797655161c58b75c656a6cc2716dcb66372da835542e1df")
SECRET_R = "8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb"
PUBLIC_R = "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a"
SHARED_SECRET = bytes.fromhex("0bbe78490412b4bbea4812666f7916932b828bba79942424abb65244930d69a7")
KEY = "ad2744de8e17f4ebba575b3f5f5a8fa1f69c2a07f6e7500bc60ca6e3e3ec1c91"
BASE_NONCE = "5c4d98150661b848853b547f"
PLAINTEXT = b"Beauty is truth, truth beauty"
AAD = b"Count-0"
CIPHERTEXT = "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"

KEY_R = PrivateKey.from_seed(SEED_R)
SMALL_ORDER = [  # RFC 7748 section 6.1 and https://cr.yp.to/ecdh.html
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def test_keys_come_out_of_seeds_as_the_rfc_says() -> None:
    ephemeral = PrivateKey.from_seed(SEED_E)
    assert (ephemeral.raw.hex(), ephemeral.public.hex()) == (SECRET_E, PUBLIC_E)
    assert (KEY_R.raw.hex(), KEY_R.public.hex()) == (SECRET_R, PUBLIC_R)


def test_the_first_message_is_that_of_the_rfc() -> None:
    key, nonce = key_schedule(SHARED_SECRET, INFO)
    assert (key.hex(), nonce.hex()) == (KEY, BASE_NONCE)
    assert ChaCha20Poly1305(key).encrypt(nonce, PLAINTEXT, AAD).hex() == CIPHERTEXT


def test_a_seal_has_the_key_schedule_of_the_rfc() -> None:
    sealed = seal(KEY_R.public, INFO, PLAINTEXT, ephemeral_seed=SEED_E)
    assert sealed[:32].hex() == PUBLIC_E
    key, nonce = bytes.fromhex(KEY), bytes.fromhex(BASE_NONCE)
    assert ChaCha20Poly1305(key).decrypt(nonce, sealed[32:], b"") == PLAINTEXT
    assert len(sealed) == len(PLAINTEXT) + OVERHEAD


@pytest.mark.parametrize("size", [0, 1, 64, 7_824, 150_000])
def test_what_is_sealed_here_the_library_opens_and_the_other_way_round(size: int) -> None:
    text = bytes(size)
    assert open_sealed(KEY_R, INFO, seal(KEY_R.public, INFO, text, ephemeral_seed=SEED_E)) == text
    library = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    assert (
        open_sealed(KEY_R, INFO, library.encrypt(text, X25519PublicKey.from_public_bytes(KEY_R.public), INFO)) == text
    )


def test_the_same_seed_makes_the_same_bytes() -> None:
    once, again = (seal(KEY_R.public, INFO, PLAINTEXT, ephemeral_seed=SEED_E) for _ in range(2))
    assert once == again
    assert once != seal(KEY_R.public, INFO, PLAINTEXT, ephemeral_seed=SEED_R)


def test_no_changed_bit_opens() -> None:
    sealed = seal(KEY_R.public, INFO, b"half", ephemeral_seed=SEED_E)
    opened = []
    for bit in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            open_sealed(KEY_R, INFO, bytes(changed))
            opened.append(bit)
        except SealError as error:
            assert error.code is ProblemCode.BAD_SHARE
    # X25519 ignores the highest bit of a point (RFC 7748 section 5), but the ephemeral key is hashed with all its bits
    assert opened == []


@pytest.mark.parametrize("sealed", [b"", b"x", bytes(32), bytes(OVERHEAD), bytes(100)])
def test_what_is_no_seal_does_not_open(sealed: bytes) -> None:
    with pytest.raises(SealError):
        open_sealed(KEY_R, INFO, sealed)


def test_another_purpose_and_another_key_do_not_open() -> None:
    sealed = seal(KEY_R.public, INFO, PLAINTEXT, ephemeral_seed=SEED_E)
    for key, info in ((KEY_R, INFO + b"x"), (PrivateKey.from_seed(SEED_E), INFO)):
        with pytest.raises(SealError):
            open_sealed(key, info, sealed)


@pytest.mark.parametrize("key", SMALL_ORDER)
def test_nothing_is_sealed_to_a_key_of_small_order(key: str) -> None:
    for check in (
        lambda: check_public_key(bytes.fromhex(key)),
        lambda: seal(bytes.fromhex(key), INFO, PLAINTEXT, ephemeral_seed=SEED_E),
    ):
        with pytest.raises(SchemaError, match="small order"):
            check()


@pytest.mark.parametrize("size", [0, 31, 33])
def test_keys_and_seeds_have_32_bytes(size: int) -> None:
    for check in (
        lambda: check_public_key(bytes(size)),
        lambda: PrivateKey.from_seed(bytes(size)),
        lambda: seal(KEY_R.public, INFO, PLAINTEXT, ephemeral_seed=bytes(size)),
    ):
        with pytest.raises(SchemaError, match="32 bytes"):
            check()


def test_a_private_key_never_prints_itself() -> None:
    assert SECRET_R not in repr(KEY_R) and repr(KEY_R.raw) not in repr(KEY_R)
