"""What every reply of both programs gets: security headers, a Host header that is ours, no writing from elsewhere.

Pure ASGI, because a wrapper per request would cost a third of the intake rate.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared_schema.problem import ProblemCode
from shared_schema.service.problems import problem_response

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""No script at all, nothing from elsewhere, nothing inline (CSP level 3)."""
WITH_OWN_SCRIPTS = f"{CONTENT_SECURITY_POLICY}; script-src 'self'; connect-src 'self'"
"""For pages that a script of ours makes more comfortable: files from here alone, nothing inline."""
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # nothing leaves; `no-referrer` would make a form's Origin `null`
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
NO_STORE = (b"cache-control", b"no-store")


class SecurityHeaders:
    """Adds the security headers to every reply; `no-store` wherever the reply says nothing about caching."""

    def __init__(self, app: ASGIApp, policy: str = CONTENT_SECURITY_POLICY) -> None:
        self.app = app
        self.headers = ((b"content-security-policy", policy.encode()), *SECURITY_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], *self.headers]
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append(NO_STORE)
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, send_with_headers)


class KnownHosts:
    """Refuses a Host header that is not one of ours (DNS rebinding, cache poisoning), with 400."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self.app = app
        self.hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = [value for name, value in scope["headers"] if name == b"host"]
            if len(given) != 1 or given[0].decode("latin-1").lower() not in self.hosts:
                response = problem_response(ProblemCode.BAD_HOST, "expected the host name of the public address")
                await response(scope, receive, send)
                return
        await self.app(scope, receive, send)


SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class SameOriginWrites:
    """Refuses what another site lets a browser send, with 403 (OWASP: Fetch Metadata, else Origin).

    A browser of today says with `Sec-Fetch-Site` where a request comes from; an older one says its `Origin`. What says
    neither is no browser with a session. `exempt` are prefixes of addresses that take no cookies.
    """

    def __init__(self, app: ASGIApp, origins: Iterable[str], exempt: tuple[str, ...] = ()) -> None:
        self.app = app
        self.origins = frozenset(origin.lower() for origin in origins)
        self.exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS and not self._is_ours(scope):
            response = problem_response(ProblemCode.CROSS_SITE, "expected a form of this site; open the page again")
            await response(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        if any(scope["path"].startswith(prefix) for prefix in self.exempt):
            return True
        headers: dict[bytes, str] = {name: value.decode("latin-1").lower() for name, value in scope["headers"]}
        site = headers.get(b"sec-fetch-site")
        if site is not None:
            return site == "same-origin"
        return headers.get(b"origin") in self.origins


def origins_of(public_url: str, port: int) -> set[str]:
    """The origins of the pages: that of the public URL and loopback with the port."""
    parts = urlsplit(public_url)
    own = f"{parts.scheme}://{parts.netloc}".lower()
    return {own, *(f"http://{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]"))}


def hosts_of(public_url: str, port: int) -> set[str]:
    """The Host headers that lead here: that of the public URL and the loopback names with the port."""
    parts = urlsplit(public_url)
    return {parts.netloc.lower(), f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"}
