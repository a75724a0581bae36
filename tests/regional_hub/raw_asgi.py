"""One request to an application below httpx: any path, any headers, a body in parts, and a count of what was read."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from tests.regional_hub.running import RunningHub

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Answer:
    """What came back, and how many parts of the body the application took."""

    response: httpx.Response
    parts_read: int


def ask(
    hub: RunningHub,
    method: str,
    path: str,
    *,
    headers: Iterable[tuple[str, str]] = (),
    body: Sequence[bytes] = (b"",),
    stalls: bool = False,
    host: str | None = None,
) -> Answer:
    """Send one request. With `stalls` the body never ends: after its parts nothing comes any more."""
    given = [(b"host", (host or f"127.0.0.1:{hub.hub.settings.port}").encode())]
    given += [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    path, _, query = path.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": given,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", hub.hub.settings.port),
    }
    return hub.loop.run(_ask(hub, scope, list(body), stalls))


async def _ask(hub: RunningHub, scope: dict[str, Any], body: list[bytes], stalls: bool) -> Answer:
    read = 0
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        nonlocal read
        if read == len(body):
            await asyncio.Event().wait()  # for ever: whoever waits here must have a limit of its own
        read += 1
        return {"type": "http.request", "body": body[read - 1], "more_body": stalls or read < len(body)}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await hub.app(scope, receive, send)
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return Answer(httpx.Response(sent[0]["status"], headers=sent[0]["headers"], content=content), read)


def batch_of(bodies: Iterable[bytes]) -> bytes:
    """The body of a batch."""
    return b'{"submissions":[' + b",".join(bodies) + b"]}"


def details(response: httpx.Response) -> list[int]:
    """The status of every item of a batch."""
    return [item["status"] for item in json.loads(response.content)["results"]]
