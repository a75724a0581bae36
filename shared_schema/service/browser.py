"""What every reply of both programs gets: security headers, and a Host header that is ours.

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
SECURITY_HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
NO_STORE = (b"cache-control", b"no-store")


class SecurityHeaders:
    """Adds the security headers to every reply; `no-store` wherever the reply says nothing about caching."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], *SECURITY_HEADERS]
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


def hosts_of(public_url: str, port: int) -> set[str]:
    """The Host headers that lead here: that of the public URL and the loopback names with the port."""
    parts = urlsplit(public_url)
    return {parts.netloc.lower(), f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"}
