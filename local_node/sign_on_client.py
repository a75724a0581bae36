"""Asking the city's sign-on service: its description, its keys, and an ID token for a code.

As careful as with a hub: no redirects, no proxies from the environment, at most 256 KiB an answer, ten seconds. The
description is read anew after an hour, the keys with every sign-in, so a key that the service has withdrawn opens
nothing.
"""

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote_plus

import httpx
from authlib.oidc.discovery import get_well_known_url

from local_node.sign_on import (
    Attempt,
    Identity,
    Issuer,
    SignOnError,
    authorization_address,
    check_address,
    check_answer,
    parse_issuer,
    verify_identity,
)

MAX_ANSWER_BYTES: Final = 256 * 1024
TIMEOUT: Final = httpx.Timeout(10.0, connect=5.0)
DESCRIPTION_KEPT: Final = timedelta(hours=1)
AT_ONCE: Final = 4
"""Whoever is not signed in can begin an attempt: a service that hangs must not hold up the pages."""


class SignOnService:
    """The sign-on service of the settings. `redirect_uri` is the address to which the browser comes back."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str,
        redirect_uri: str,
        clock: Callable[[], datetime],
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.issuer = check_address(issuer)
        self.client_id = client_id
        self._secret = client_secret
        self.redirect_uri = redirect_uri
        self._clock = clock
        self._transport = transport
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._description: tuple[datetime, Issuer] | None = None

    def begin(self, attempt: Attempt) -> str:
        """Where the browser goes. Raises SignOnError when the service does not answer, or describes somebody else."""
        return authorization_address(self._describe(), self.client_id, self.redirect_uri, attempt)

    def finish(self, attempt: Attempt, *, state: str, code: str, who: str | None) -> Identity:
        """Who has signed in. Raises SignOnError unless every step holds."""
        issuer = self._describe()
        check_answer(issuer, attempt, state, who)  # 1. the answer to this browser's question, before any of it is used
        token = self._redeem(issuer, code, attempt)  # 2. the code is good once, and only with our verifier
        keys = _json(self._ask("GET", issuer.jwks_uri))  # 3. the keys as they are now
        return verify_identity(  # 4. signed by one of them, for us, for this attempt, now
            token, keys, issuer=issuer.issuer, client_id=self.client_id, nonce=attempt.nonce, now=self._clock()
        )

    def _describe(self) -> Issuer:
        now = self._clock()
        with self._lock:
            if self._description is not None and now - self._description[0] < DESCRIPTION_KEPT:
                return self._description[1]
        described = parse_issuer(self._ask("GET", get_well_known_url(self.issuer, external=True)), self.issuer)
        with self._lock:
            self._description = (now, described)
        return described

    def _redeem(self, issuer: Issuer, code: str, attempt: Attempt) -> object:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        if issuer.secret_in_header:
            answer = self._ask("POST", issuer.token_endpoint, data=form, auth=self._basic_auth())
        else:
            own = {"client_id": self.client_id, "client_secret": self._secret}
            answer = self._ask("POST", issuer.token_endpoint, data=form | own)
        return _json(answer).get("id_token")

    def _basic_auth(self) -> httpx.BasicAuth:
        """Both parts are form-encoded first (RFC 6749 section 2.3.1)."""
        return httpx.BasicAuth(quote_plus(self.client_id), quote_plus(self._secret))

    def _ask(self, method: str, address: str, **how: Any) -> bytes:
        if not self._places.acquire(blocking=False):
            raise SignOnError("expected fewer sign-ins at this moment; try again", code="sign-on-unreachable")
        try:
            return self._fetch(method, address, **how)
        finally:
            self._places.release()

    def _fetch(self, method: str, address: str, **how: Any) -> bytes:
        try:
            with (
                httpx.Client(
                    transport=self._transport, timeout=TIMEOUT, trust_env=False, follow_redirects=False
                ) as client,
                client.stream(method, address, headers={"Accept": "application/json"}, **how) as response,
            ):
                if response.status_code != 200:
                    raise SignOnError(
                        f"expected 200 from the sign-on service, got {response.status_code}", code="sign-on-refused"
                    )
                return _bounded(response)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise SignOnError(
                f"expected an answer of the sign-on service, got {type(error).__name__}", code="sign-on-unreachable"
            ) from None


def _bounded(response: httpx.Response) -> bytes:
    """The body, as it was sent: never unpacked, and never longer than it may be."""
    body = b""
    for part in response.iter_raw():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise SignOnError(f"expected an answer of at most {MAX_ANSWER_BYTES} bytes", code="sign-on-refused")
    return body


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise SignOnError("expected a JSON object of the sign-on service", code="sign-on-refused")
    return value
