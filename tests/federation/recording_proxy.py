"""A proxy on loopback that writes down every byte that passes, in both directions."""

import socket
import threading
from types import TracebackType
from typing import Self


class RecordingProxy:
    """Stands between a node and a hub: `url` is the hub's public address, the hub itself listens on `port`."""

    def __init__(self, listening: socket.socket, port: int) -> None:
        self._listening = listening
        self._port = port
        self._recorded: list[bytes] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def recorded(self) -> bytes:
        """Everything that has passed so far."""
        return b"".join(self._recorded)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in list(self._threads):
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                incoming, _ = self._listening.accept()
            except OSError:
                return
            outgoing = socket.create_connection(("127.0.0.1", self._port))
            for source, sink in ((incoming, outgoing), (outgoing, incoming)):
                thread = threading.Thread(target=self._pass, args=(source, sink), daemon=True)
                thread.start()
                self._threads.append(thread)

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with source:
            while data := _receive(source):
                self._recorded.append(data)
                try:
                    sink.sendall(data)
                except OSError:
                    return
            try:
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                return


def _receive(source: socket.socket) -> bytes:
    try:
        return source.recv(65536)
    except OSError:
        return b""
