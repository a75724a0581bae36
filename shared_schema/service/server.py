"""uvicorn with two limits that it does not have: how large the head of a request may be, and how long it may take.

Without them one client that sends a byte now and then holds a connection for ever, and one endless header fills the
memory. The body has its own limits (`limits.py`), idle connections uvicorn's `timeout_keep_alive`.
"""

import asyncio
import json
from typing import Any

from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared_schema.problem import ProblemCode
from shared_schema.service.problems import MEDIA_TYPE, problem_object

MAX_HEAD_BYTES = 16 * 1024
"""Ten times what our longest signed read needs."""
HEAD_SECONDS = 15
"""As for a body: whoever is slower than this holds a place for nothing."""
_PROBLEM = json.dumps(
    problem_object(ProblemCode.MALFORMED_JSON, f"expected an HTTP/1.1 request with a head below {MAX_HEAD_BYTES} bytes")
).encode()
_REFUSAL = (
    f"HTTP/1.1 400 Bad Request\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(_PROBLEM)}\r\n"
    "connection: close\r\n\r\n"
).encode() + _PROBLEM


class GuardedProtocol(HttpToolsProtocol):
    """One connection. `uvicorn.run(app, http=GuardedProtocol, …)`."""

    head_seconds: float = HEAD_SECONDS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_timer: asyncio.TimerHandle | None = None
        self._unfinished = 0  # bytes of a head that is not complete
        self._head_bytes = 0  # bytes of the head's fields so far
        self._in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]  # None at first
            self._start_timer()
        self._unfinished += len(data)
        super().data_received(data)
        if not self._in_head:
            self._unfinished = 0
        elif self._unfinished > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("")

    def send_400_response(self, msg: str) -> None:
        self.transport.write(_REFUSAL)
        self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value) + len(b": \r\n"))

    def on_headers_complete(self) -> None:
        self._in_head, self._unfinished = False, 0
        self._stop_timer()
        super().on_headers_complete()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise HttpParserError("head too large")

    def _start_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
