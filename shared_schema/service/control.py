"""One process owns a data directory; everybody else asks it.

`serve` holds the lock of the data directory and listens on a socket inside it that only its owner can open. A command
line either finds a server and sends its verb there, or takes the lock and runs the verb itself. So there is never a
second process that writes, and a command does the same whether the program is serving or not.

The socket speaks one line of JSON each way: {"verb", "params"} -> {"result"} or {"error": {"code", "message"}}.
"""

import asyncio
import fcntl
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

JsonObject = dict[str, Any]
SOCKET_NAME = "control.sock"
LOCK_NAME = "lock"
MAX_LINE_BYTES = 32 * 1024 * 1024
"""A listing of a full inbox; the socket is ours alone, so this only bounds accidents."""
MAX_SOCKET_PATH = 100
"""Unix allows 108 bytes for the address of a socket."""


class VerbError(Exception):
    """A command cannot be done: a code for programs, one sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@contextmanager
def own_directory(data_dir: Path) -> Iterator[None]:
    """Hold the lock of a data directory. Raises VerbError when another process has it."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VerbError("busy", "expected a data directory that no other process is using") from None
        yield
    finally:
        os.close(handle)


def run_verb(data_dir: Path, verb: str, params: JsonObject, run_here: Callable[[], JsonObject]) -> JsonObject:
    """Run a verb in the serving process if there is one, else here under the lock.

    Raises VerbError as the verb does.
    """
    connection = _connect(data_dir)
    if connection is not None:
        with connection:
            return _ask(connection, verb, params)
    with own_directory(data_dir):
        return run_here()


def ask(data_dir: Path, verb: str, params: JsonObject) -> JsonObject:
    """Run a verb in the serving process. Raises VerbError, also when nobody serves."""
    connection = _connect(data_dir)
    if connection is None:
        raise VerbError("not-serving", "expected a running server for this data directory")
    with connection:
        return _ask(connection, verb, params)


def _connect(data_dir: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(_socket_path(data_dir)))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection


def _ask(connection: socket.socket, verb: str, params: JsonObject) -> JsonObject:
    connection.sendall(json.dumps({"verb": verb, "params": params}).encode() + b"\n")
    with connection.makefile("rb") as stream:
        line = stream.readline(MAX_LINE_BYTES)
    if not line.endswith(b"\n"):
        raise VerbError("interrupted", "expected an answer from the server; it ended before it gave one")
    answer: JsonObject = json.loads(line)
    if "error" in answer:
        raise VerbError(answer["error"]["code"], answer["error"]["message"])
    result: JsonObject = answer["result"]
    return result


@asynccontextmanager
async def control_server(data_dir: Path, handle: Callable[[str, JsonObject], Awaitable[JsonObject]]) -> Any:
    """Listen for verbs while the block runs. The caller holds the lock, so a socket left by a crash may be removed."""
    path = _socket_path(data_dir)
    path.unlink(missing_ok=True)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            if line:
                writer.write(json.dumps(await _answer(line, handle)).encode() + b"\n")
                await writer.drain()
        finally:
            writer.close()

    previous_mask = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(answer, path=str(path), limit=MAX_LINE_BYTES)
    finally:
        os.umask(previous_mask)
    async with server:
        yield server
    path.unlink(missing_ok=True)


async def _answer(line: bytes, handle: Callable[[str, JsonObject], Awaitable[JsonObject]]) -> JsonObject:
    try:
        request = json.loads(line)
        return {"result": await handle(request["verb"], request["params"])}
    except VerbError as error:
        return {"error": {"code": error.code, "message": error.message}}
    except (KeyError, TypeError, ValueError):
        return {"error": {"code": "bad-request", "message": "expected a verb and its params"}}


def _socket_path(data_dir: Path) -> Path:
    path = data_dir.resolve() / SOCKET_NAME
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        # A socket address is short; the path seen from the working directory may be.
        path = Path(os.path.relpath(path))
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise VerbError("path-too-long", f"expected a data directory whose path has at most {MAX_SOCKET_PATH} bytes")
    return path
