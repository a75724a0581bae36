"""Sealing to a hub's key for one batch: HPKE in base mode (RFC 9180).

DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. What is opened is opened by `cryptography`. What is sealed
is sealed here: the library draws the ephemeral key itself, and a node that could not make the same bytes again after a
crash would have to keep them before it knows that it may send them. Each seed seals one text, once.

    key = PrivateKey.from_seed(seed)
    sealed = seal(key.public, info, half, ephemeral_seed=other_seed)
    open_sealed(key, info, sealed)      -> half, or SealError
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from shared_schema.errors import SchemaError, ShareError

KEY_SIZE: Final = 32
SEED_SIZE: Final = 32
TAG_SIZE: Final = 16
OVERHEAD: Final = KEY_SIZE + TAG_SIZE
"""How much longer a sealed text is: the ephemeral public key before it, the tag behind it."""
_NONCE_SIZE: Final = 12
_KEM_SUITE: Final = b"KEM" + bytes.fromhex("0020")
_SUITE: Final = b"HPKE" + bytes.fromhex("0020 0001 0003")
_BASE_MODE: Final = b"\0"
_LIBRARY: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


class SealError(ShareError):
    """A seal does not open with this key and for this purpose."""


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A hub's private key for one batch, 32 bytes. It never prints itself."""

    raw: bytes = field(repr=False)

    @classmethod
    def from_seed(cls, seed: bytes) -> "PrivateKey":
        """RFC 9180 section 7.1.3, DeriveKeyPair for X25519. Raises SchemaError for a seed of another length."""
        if len(seed) != SEED_SIZE:
            raise SchemaError(f"expected a seed of {SEED_SIZE} bytes, got {len(seed)}")
        extracted = _labeled_extract(_KEM_SUITE, b"", b"dkp_prk", seed)
        return cls(_labeled_expand(_KEM_SUITE, extracted, b"sk", b"", KEY_SIZE))

    @property
    def public(self) -> bytes:
        return self._key().public_key().public_bytes_raw()

    def _key(self) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(self.raw)


def check_public_key(raw: bytes) -> None:
    """Raise SchemaError for a key of the wrong length, or of small order: anybody could open what is sealed to it.

    RFC 9180 section 7.1.4 and RFC 7748 section 6.1: with such a key every shared secret is zero.
    """
    _exchange(PrivateKey(b"\x42" * KEY_SIZE), raw)


def seal(public_key: bytes, info: bytes, plaintext: bytes, *, ephemeral_seed: bytes) -> bytes:
    """RFC 9180 section 6.1, SealBase: the ephemeral public key, then the ciphertext. No associated data.

    Raises SchemaError for a key or a seed that cannot be used.
    """
    ephemeral = PrivateKey.from_seed(ephemeral_seed)
    key, nonce = key_schedule(_encap(ephemeral, public_key), info)
    return ephemeral.public + ChaCha20Poly1305(key).encrypt(nonce, plaintext, b"")


def open_sealed(private_key: PrivateKey, info: bytes, sealed: bytes) -> bytes:
    """RFC 9180 section 6.1, OpenBase. Raises SealError when it was sealed to another key, or for something else."""
    try:
        return _LIBRARY.decrypt(sealed, private_key._key(), info)
    except (InvalidTag, ValueError):
        raise SealError("expected a text that was sealed to this key, for this purpose") from None


def key_schedule(shared_secret: bytes, info: bytes) -> tuple[bytes, bytes]:
    """Key and nonce of the one message (RFC 9180 section 5.1, KeySchedule in base mode)."""
    psk_id_hash = _labeled_extract(_SUITE, b"", b"psk_id_hash", b"")
    info_hash = _labeled_extract(_SUITE, b"", b"info_hash", info)
    context = _BASE_MODE + psk_id_hash + info_hash
    secret = _labeled_extract(_SUITE, shared_secret, b"secret", b"")
    key = _labeled_expand(_SUITE, secret, b"key", context, KEY_SIZE)
    return key, _labeled_expand(_SUITE, secret, b"base_nonce", context, _NONCE_SIZE)


def _encap(ephemeral: PrivateKey, public_key: bytes) -> bytes:
    """The shared secret (RFC 9180 section 4.1, Encap and ExtractAndExpand)."""
    extracted = _labeled_extract(_KEM_SUITE, b"", b"eae_prk", _exchange(ephemeral, public_key))
    context = ephemeral.public + public_key
    return _labeled_expand(_KEM_SUITE, extracted, b"shared_secret", context, KEY_SIZE)


def _exchange(private_key: PrivateKey, public_key: bytes) -> bytes:
    if len(public_key) != KEY_SIZE:
        raise SchemaError(f"expected an X25519 key of {KEY_SIZE} bytes, got {len(public_key)}")
    try:
        return private_key._key().exchange(X25519PublicKey.from_public_bytes(public_key))
    except ValueError:  # the shared secret would be zero
        raise SchemaError("expected an X25519 key that is not of small order") from None


def _labeled_extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    """RFC 9180 section 4, LabeledExtract; RFC 5869 section 2.2."""
    return hmac.digest(salt or bytes(hashlib.sha256().digest_size), b"HPKE-v1" + suite + label + material, "sha256")


def _labeled_expand(suite: bytes, secret: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """RFC 9180 section 4, LabeledExpand; RFC 5869 section 2.3, of which one block is always enough here."""
    labeled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(secret, labeled + b"\1", "sha256")[:length]
