"""Signed requests: RFC 9421 HTTP message signatures with Ed25519.

Covered are the method and the target URI, and of a request with a body its digest (RFC 9530); created, expires and a
nonce are parameters. The receiver rebuilds the target URI from its own configured public URL and never from the Host
header, so a request that one hub was sent cannot be shown to another.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, HTTPSignatureKeyResolver, algorithms
from http_message_signatures.exceptions import HTTPMessageSignaturesException

from shared_schema.errors import VerificationError
from shared_schema.keys import PublicKey, SigningKey
from shared_schema.problem import ProblemCode

COVERED = ("@method", "@target-uri")
DIGEST_HEADER = "content-digest"
LIFETIME = timedelta(minutes=5)
"""Long enough for clocks that are a little off, short enough that an overheard read is soon worth nothing."""
LABEL = "pe"
NONCE_BYTES = 18
MAX_HEADER_BYTES = 2_000


@dataclass
class _Request:
    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


class _OneKey(HTTPSignatureKeyResolver):
    def __init__(self, *, private: Ed25519PrivateKey | None = None, public: Ed25519PublicKey | None = None) -> None:
        self._private, self._public = private, public

    def resolve_private_key(self, key_id: str) -> Any:
        return self._private

    def resolve_public_key(self, key_id: str) -> Any:
        return self._public


class _MemberKeys(HTTPSignatureKeyResolver):
    """Finds keys of members and remembers what it found, because the library wraps every error of a resolver."""

    def __init__(self, find_key: Callable[[str], PublicKey | None]) -> None:
        self._find_key = find_key
        self.found: PublicKey | None = None
        self.unknown = False

    def resolve_public_key(self, key_id: str) -> Any:
        self.found = self._find_key(key_id)
        self.unknown = self.found is None
        return None if self.found is None else Ed25519PublicKey.from_public_bytes(self.found.raw)

    def resolve_private_key(self, key_id: str) -> Any:
        return None


class _Verifier(HTTPMessageVerifier):
    """The time is checked by us: the library uses its own clock, and a reader must be told ours."""

    def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:
        return None


def sign_request(method: str, url: str, key: SigningKey, now: datetime, *, body: bytes | None = None) -> dict[str, str]:
    """The headers Signature-Input and Signature, with a body Content-Digest as well."""
    request = _Request(method, url)
    signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=_OneKey(private=key.private))
    signer.sign(
        request,
        key_id=key.public.keyid,
        created=now,
        expires=now + LIFETIME,
        nonce=secrets.token_urlsafe(NONCE_BYTES),
        label=LABEL,
        include_alg=False,
        covered_component_ids=COVERED,
        body=body,
    )
    return request.headers


def verify_request(
    method: str,
    url: str,
    headers: Mapping[str, str],
    find_key: Callable[[str], PublicKey | None],
    now: datetime,
    *,
    body: bytes | None = None,
) -> PublicKey:
    """Return the key that signed a request to `url`, with this body if there is one.

    Raises VerificationError: `no-signature`, `unknown-key`, `clock-skew` (with our time in the message) or
    `bad-signature`.
    """
    given = {name: headers.get(name, "") for name in ("signature-input", "signature")}
    if not all(given.values()):
        raise VerificationError("expected a signed request (RFC 9421)", code=ProblemCode.NO_SIGNATURE)
    if any(len(value) > MAX_HEADER_BYTES for value in given.values()):
        raise VerificationError(f"expected signature headers of at most {MAX_HEADER_BYTES} bytes")
    if body is not None:
        given[DIGEST_HEADER] = headers.get(DIGEST_HEADER, "")
    resolver = _MemberKeys(find_key)
    verifier = _Verifier(signature_algorithm=algorithms.ED25519, key_resolver=resolver)
    try:
        results = verifier.verify(_Request(method, url, given), max_age=None, body=body)
    except HTTPMessageSignaturesException:
        if resolver.unknown:
            raise VerificationError("expected a key of a member", code=ProblemCode.UNKNOWN_KEY) from None
        over = "method and target URI" if body is None else "method, target URI and the digest of the body"
        raise VerificationError(f"expected a valid signature over {over}") from None
    if resolver.found is None:
        raise VerificationError("expected exactly one signature")
    _check_parameters(results[0], now, COVERED if body is None else (*COVERED, DIGEST_HEADER))
    return resolver.found


def _check_parameters(result: Any, now: datetime, needed: Sequence[str]) -> None:
    covered = {str(name).strip('"') for name in result.covered_components}
    parameters = result.parameters
    if not set(needed) <= covered or not {"created", "expires", "nonce", "keyid"} <= set(parameters):
        raise VerificationError(f"expected a signature over {', '.join(needed)}, created, expires and nonce")
    # In seconds: a signer may name a time that no calendar has.
    created, expires, seconds = int(parameters["created"]), int(parameters["expires"]), LIFETIME.seconds
    at = now.timestamp()
    if abs(at - created) > seconds or not created < expires <= created + seconds or at >= expires:
        raise VerificationError(
            f"expected a request of the last {seconds // 60} minutes; it is {now:%Y-%m-%dT%H:%M:%SZ} here",
            code=ProblemCode.CLOCK_SKEW,
        )
