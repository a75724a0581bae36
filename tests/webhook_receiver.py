"""A real HTTP server in this process that receives webhooks, well or badly."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

ENDLESS: Final = 1 << 34
PART: Final = b"x" * 65_536


@dataclass
class Receiver:
    """What has arrived: path, headers and body of each. `answers` are the next ones, then it is always `status`.

    `manner`: "plain"; "silent" never answers; "dripping" sends one byte of a header after the other; "endless" sends a
    body without an end; "rude" hangs up.
    """

    status: int = 204
    manner: str = "plain"
    answers: list[int] = field(default_factory=list)
    arrived: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    sent_bytes: int = 0

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for _, headers, _ in self.arrived]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        receiver.arrived.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.close_connection = True
        if receiver.manner == "rude":
            return
        if receiver.manner == "silent":
            receiver.over.wait()
            return
        if receiver.manner == "dripping":
            self._drip(receiver)
            return
        status = receiver.answers.pop(0) if receiver.answers else receiver.status
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", f"{receiver.url}/elsewhere")
        self.send_header("Content-Length", str(ENDLESS if receiver.manner == "endless" else 0))
        self.end_headers()
        if receiver.manner == "endless":
            self._flood(receiver)

    def _drip(self, receiver: Receiver) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not receiver.over.wait(0.01):
            try:
                self.wfile.write(b"x")
            except OSError:
                return

    def _flood(self, receiver: Receiver) -> None:
        while not receiver.over.is_set():
            try:
                receiver.sent_bytes += self.wfile.write(PART)
            except OSError:
                return

    def log_message(self, *_args: object) -> None:
        """Nothing on the console of the tests."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    receiver: Receiver

    def handle_error(self, *_args: object) -> None:
        """Who hangs up is no error here."""


@contextmanager
def receiving(**settings: object) -> Iterator[Receiver]:
    """A receiver while the block lasts."""
    receiver = Receiver(**settings)  # type: ignore[arg-type]
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.receiver = receiver
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver.over.set()
            server.shutdown()
            thread.join()
