"""A hub behind a real uvicorn with the settings of `regional-hub serve`, and one connection to it, byte by byte."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import uvicorn

from shared_schema.service.server import GuardedProtocol
from tests.regional_hub.running import ANSWER_SECONDS, RunningHub


@dataclass(frozen=True)
class Served:
    """Where the server listens, and the Host header that leads to the hub."""

    address: tuple[str, int]
    host: bytes

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=ANSWER_SECONDS)

    def ask(self, request: bytes) -> httpx.Response:
        """Send bytes and read one answer, until the server closes or the answer is whole."""
        with self.connect() as connection:
            return send(connection, request)


@contextmanager
def served(hub: RunningHub, protocol: type[GuardedProtocol] = GuardedProtocol) -> Iterator[Served]:
    """Serve the application of a running hub; its lifespan runs already."""
    listener = socket.create_server(("127.0.0.1", 0))  # connections wait in its queue until the server is ready
    server = uvicorn.Server(
        uvicorn.Config(
            hub.app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            http=protocol,
            ws="none",
            timeout_keep_alive=20,
            lifespan="off",
        )
    )
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield Served(listener.getsockname(), f"127.0.0.1:{hub.hub.settings.port}".encode())
    finally:
        server.should_exit = server.force_exit = True
        thread.join()
        listener.close()


def send(connection: socket.socket, request: bytes) -> httpx.Response:
    """Send a request on a connection and read its answer."""
    connection.sendall(request)
    return read_answer(connection)


def read_answer(connection: socket.socket) -> httpx.Response:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            raise ConnectionError(f"closed after {len(data)} bytes")
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
    response = httpx.Response(int(lines[0].split()[1]), headers=headers)
    while len(body) < int(response.headers.get("content-length", 0)):
        body += connection.recv(65536)
    return httpx.Response(response.status_code, headers=headers, content=body)


def is_closed(connection: socket.socket) -> bool:
    """Wait until the server says something or closes; true when it closed without a word."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
