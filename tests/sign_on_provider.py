"""A small OpenID provider in one process: a real code flow with PKCE and really signed tokens, honest or not.

    provider = Provider()
    answer = provider.sign_in(address, subject="s-1")      # what a browser brings back: {"code": …, "state": …}
    provider.lie = {"nonce": "other"}                       # from now on its ID tokens say this instead

It is the transport of the client under test, so nothing leaves the process.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import parse_qs, unquote_plus, urlsplit

import httpx
from joserfc import jws, jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

ISSUER = "https://login.city.example"
CLIENT_ID, CLIENT_SECRET = "prevention-exchange", "a secret: of the node"
REDIRECT = "http://127.0.0.1:8600/sign-in/single/back"

Key = RSAKey | ECKey


def answered(value: object, status: int = 200) -> httpx.Response:
    """JSON that is read from the line, as a real answer is."""
    return httpx.Response(status, stream=httpx.ByteStream(json.dumps(value).encode()))


def rsa_key(kid: str = "r1") -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


def ec_key(kid: str = "e1") -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})


@dataclass
class Provider(httpx.BaseTransport):
    """The service; `clock` is the time in its tokens."""

    clock: Callable[[], datetime]
    key: Key = field(default_factory=ec_key)
    published: list[Key] | None = None
    """Its public keys, when they are not those that it signs with."""
    lie: dict[str, Any] = field(default_factory=dict)
    """What its ID tokens say in place of the truth; None leaves a claim out."""
    unsigned: Literal["", "none", "shared-secret"] = ""
    description: dict[str, Any] = field(default_factory=dict)
    answer: httpx.Response | None = None
    """What it answers to everything, when it is broken."""
    asked: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def sign_in(self, address: str, subject: str = "s-1", email: str | None = None) -> dict[str, str]:
        """Somebody follows the address and signs in there; return what their browser brings back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
        assert (asked["redirect_uri"], asked["code_challenge_method"]) == (REDIRECT, "S256")
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked | {"subject": subject} | ({"email": email} if email else {})
        return {"code": code, "state": asked["state"], "iss": ISSUER}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        if self.answer is not None:
            return self.answer
        if request.url.path == "/.well-known/openid-configuration":
            return answered(self._description())
        if request.url.path == "/keys":
            keys = self.published if self.published is not None else [self.key]
            return answered(KeySet(list(keys)).as_dict(private=False))
        if (request.method, request.url.path) == ("POST", "/token"):
            return self._token(request)
        return httpx.Response(404)

    def _description(self) -> dict[str, Any]:
        return {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            "authorization_response_iss_parameter_supported": True,
        } | self.description

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        asked = self._codes.pop(form["code"], None)  # good once
        if asked is None or not self._is_our_client(request, form) or form["redirect_uri"] != REDIRECT:
            return answered({"error": "invalid_grant"}, 400)
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(challenge).decode().rstrip("=") != asked["code_challenge"]:
            return answered({"error": "invalid_grant"}, 400)
        return answered({"access_token": "at", "token_type": "Bearer", "id_token": self._id_token(asked)})

    def _is_our_client(self, request: httpx.Request, form: dict[str, str]) -> bool:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        if scheme != "Basic":
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        name, _, secret = base64.b64decode(encoded).decode().partition(":")
        return (unquote_plus(name), unquote_plus(secret)) == (CLIENT_ID, CLIENT_SECRET)

    def _id_token(self, asked: dict[str, str]) -> str:
        now = int(self.clock().timestamp())
        says: dict[str, Any] = {
            "iss": ISSUER,
            "sub": asked["subject"],
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": asked["nonce"],
        }
        if "email" in asked:
            says |= {"email": asked["email"], "email_verified": True}
        claims = {name: value for name, value in (says | self.lie).items() if value is not None}
        if self.unsigned == "none":
            parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
            return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."
        if self.unsigned == "shared-secret":  # with what everybody can know: the public key
            shared = OctKey.import_key(json.dumps(self.key.as_dict(private=False)).encode())
            return jws.serialize_compact({"alg": "HS256"}, json.dumps(claims), shared, algorithms=["HS256"])
        return jwt.encode({"alg": str(self.key.alg), "kid": self.key.kid}, claims, self.key)
