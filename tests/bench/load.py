"""A light HTTP load: prepared requests over kept-alive loopback connections, one in flight on each.

It costs a few dozen microseconds a request, so that the server is what is measured; it runs pinned to a core of its
own, as does the server.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What one run of the load saw: seconds it took, latency of each request, and how many had which status."""

    seconds: float
    latencies: tuple[float, ...]
    statuses: dict[int, int]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency in seconds that `share` of all requests stay below."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def post(url: str, body: bytes) -> bytes:
    """The bytes of a POST with a JSON body."""
    parts = urlsplit(url)
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def pin(core: int) -> None:
    """Keep this process on one core, where the machine allows it."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > core:
        os.sched_setaffinity(0, {core})


def run_load(address: tuple[str, int], requests: Sequence[Sequence[bytes]]) -> LoadResult:
    """Send each client's requests over its own connection, one after the other, all clients side by side."""
    return asyncio.run(_run(address, requests))


async def _run(address: tuple[str, int], requests: Sequence[Sequence[bytes]]) -> LoadResult:
    connections = [await asyncio.open_connection(*address) for _ in requests]
    latencies: list[float] = []
    statuses: dict[int, int] = {}

    async def client(place: int) -> None:
        reader, writer = connections[place]
        for request in requests[place]:
            begun = time.perf_counter()
            writer.write(request)
            status = await _read_status(reader)
            latencies.append(time.perf_counter() - begun)
            statuses[status] = statuses.get(status, 0) + 1

    begun = time.perf_counter()
    await asyncio.gather(*(client(place) for place in range(len(requests))))
    seconds = time.perf_counter() - begun
    for _, writer in connections:
        writer.close()
    return LoadResult(seconds, tuple(latencies), statuses)


async def _read_status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    place = head.lower().index(b"content-length:") + len(b"content-length:")
    await reader.readexactly(int(head[place : head.index(b"\r\n", place)]))
    return int(head[9:12])
