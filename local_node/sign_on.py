"""Single sign-on by OpenID Connect, the rules: what is sent to the city's sign-on service, and what may come back.

Authorization code flow with PKCE, state and nonce (OpenID Connect Core 1.0 section 3.1, RFC 7636, RFC 9207, RFC 9700).
The three random values stay in the browser that began, in a cookie; so a code that was made for another browser opens
nothing here. Checked are the signature by a key of the issuer, exactly this issuer, exactly this audience, the nonce
and the time. No account is made by any of it.

This module is loaded only where an issuer is configured: authlib is an optional extra.
"""

import hmac
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from local_node.errors import NodeError

ALGORITHMS: Final = ("RS256", "ES256")
"""What we accept, whatever the token's header says; never `none`, never a shared secret."""
LEEWAY_SECONDS: Final = 60
MAX_TOKEN_CHARACTERS: Final = 16_384
MAX_SUBJECT_CHARACTERS: Final = 255
"""OpenID Connect Core section 2."""
_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{43,86}", re.ASCII)


class SignOnError(NodeError):
    """Nobody is signed in by this: the answer is not the one that was asked for, or not from whom we asked."""

    code = "sign-on"


@dataclass(frozen=True, slots=True)
class Issuer:
    """What the sign-on service says about itself (OpenID Connect Discovery section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    says_who_answers: bool = False
    """It names itself in its answer (RFC 9207), so an answer without that is not its own."""
    secret_in_header: bool = True


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to sign in, kept by the browser that makes it."""

    state: str
    nonce: str
    verifier: str

    def to_cookie(self) -> str:
        return f"{self.state}.{self.nonce}.{self.verifier}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the issuer says has signed in. Only `verify_identity` makes one."""

    issuer: str
    subject: str
    email: str | None
    """In small letters, and only when the issuer says that it was verified."""


def parse_attempt(cookie: str) -> Attempt:
    """The attempt that this browser began. Raises SignOnError."""
    parts = cookie.split(".")
    if len(parts) != 3 or not all(_VALUE.fullmatch(part) for part in parts):
        raise SignOnError("expected a sign-in that began in this browser; begin again", code="sign-on-state")
    return Attempt(*parts)


def parse_issuer(document: bytes, expected: str) -> Issuer:
    """Read the service's own description.

    Raises SignOnError unless it names exactly the issuer that was configured, and endpoints that are https (or on this
    machine).
    """
    try:
        says = json.loads(document)
        if not isinstance(says, dict) or says["issuer"] != expected:
            raise SignOnError("expected the description of exactly the issuer in the settings", code="sign-on-issuer")
        methods = says.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return Issuer(
            issuer=expected,
            authorization_endpoint=check_address(says["authorization_endpoint"]),
            token_endpoint=check_address(says["token_endpoint"]),
            jwks_uri=check_address(says["jwks_uri"]),
            says_who_answers=says.get("authorization_response_iss_parameter_supported") is True,
            secret_in_header="client_secret_basic" in methods,
        )
    except (KeyError, TypeError, ValueError, RecursionError):
        raise SignOnError(
            "expected a description with the endpoints of OpenID Connect", code="sign-on-issuer"
        ) from None


def check_address(address: object) -> str:
    """Raise SignOnError unless this is an https address, or http on this machine, without user name or fragment."""
    if isinstance(address, str) and address.isascii() and address.isprintable() and " " not in address:
        try:
            parts = urlsplit(address)
            is_here = parts.hostname in ("127.0.0.1", "::1", "localhost")
            is_plain = parts.username is None and not parts.fragment and (parts.port is None or parts.port > 0)
        except ValueError:
            is_here = is_plain = False
            parts = urlsplit("")
        if is_plain and parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and is_here)):
            return address
    raise SignOnError("expected an https address of the sign-on service", code="sign-on-address")


def authorization_address(issuer: Issuer, client_id: str, redirect_uri: str, attempt: Attempt) -> str:
    """Where the browser goes to sign in."""
    query = urlencode(
        {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid email",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": create_s256_code_challenge(attempt.verifier),
            "code_challenge_method": "S256",
        }
    )
    return f"{issuer.authorization_endpoint}{'&' if urlsplit(issuer.authorization_endpoint).query else '?'}{query}"


def check_answer(issuer: Issuer, attempt: Attempt, state: str, who: str | None) -> None:
    """Raise SignOnError unless this answer belongs to the attempt of this browser, and comes from the issuer."""
    if not hmac.compare_digest(state.encode("utf-8", "replace"), attempt.state.encode()):
        raise SignOnError("expected the answer to the sign-in of this browser; begin again", code="sign-on-state")
    if who != issuer.issuer and (issuer.says_who_answers or who is not None):
        raise SignOnError("expected an answer of the issuer in the settings", code="sign-on-issuer")


def verify_identity(token: object, keys: object, *, issuer: str, client_id: str, nonce: str, now: datetime) -> Identity:
    """Who has signed in, as an ID token says (OpenID Connect Core section 3.1.3.7).

    Raises SignOnError: not signed by a key of the issuer, another algorithm, issuer, audience or nonce, too old.
    """
    claims = _claims(_decode(token, keys), issuer, client_id, nonce, now)
    subject, email = claims["sub"], claims.get("email")
    if not 1 <= len(subject) <= MAX_SUBJECT_CHARACTERS or not subject.isascii() or not subject.isprintable():
        raise SignOnError("expected a subject of at most 255 printable characters", code="sign-on-token")
    is_verified = isinstance(email, str) and claims.get("email_verified") is True
    return Identity(issuer, subject, email.lower() if is_verified and isinstance(email, str) else None)


def _decode(token: object, keys: object) -> jwt.Token:
    if not isinstance(token, str) or len(token) > MAX_TOKEN_CHARACTERS or not isinstance(keys, dict):
        raise SignOnError("expected an ID token and the issuer's keys", code="sign-on-token")
    try:
        return jwt.decode(token, KeySet.import_key_set(keys), algorithms=list(ALGORITHMS))  # type: ignore[arg-type]
    except (JoseError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SignOnError(
            f"expected an ID token signed by a key of the issuer ({type(error).__name__})", code="sign-on-token"
        ) from None


def _claims(token: jwt.Token, issuer: str, client_id: str, nonce: str, now: datetime) -> dict[str, Any]:
    says: dict[str, Any] = token.claims
    audience = says.get("aud")
    if audience != client_id and audience != [client_id]:  # a token for others as well is not for us
        raise SignOnError("expected an ID token for this node alone", code="sign-on-token")
    try:
        checked = CodeIDToken(
            says,
            token.header,
            options={"iss": {"essential": True, "value": issuer}, "nonce": {"essential": True, "value": nonce}},
            params={"nonce": nonce, "client_id": client_id},
        )
        checked.validate(now=int(now.timestamp()), leeway=LEEWAY_SECONDS)
    except (JoseError, ValueError, TypeError) as error:
        raise SignOnError(
            f"expected an ID token of this issuer, for this sign-in and not too old ({type(error).__name__})",
            code="sign-on-token",
        ) from None
    return says
