"""HTTP byte by byte: what clients that tidy up paths and framing would not send."""

from __future__ import annotations

import contextlib
import socket
from types import TracebackType
from urllib.parse import urlsplit

from tests.servers import Server

Reply = tuple[int, bytes, bytes]
"""Status, head and body."""


class RawConnection:
    """A connection to a server, for a ``with`` block."""

    def __init__(self, server: Server) -> None:
        url = urlsplit(server.url)
        self.socket = socket.create_connection((url.hostname or "", url.port or 0), timeout=30)

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def end(self) -> None:
        """Send no more."""
        self.socket.shutdown(socket.SHUT_WR)

    def receive(self, body: bool = True) -> Reply:
        """One reply that has a Content-Length."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, content = received.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length" and body:
                length = int(value)
        while len(content) < length:
            content += self._more()
        return int(head.split(b" ", 2)[1]), head, content

    def rest(self) -> bytes:
        """All that comes until the server ends the connection."""
        received = bytearray()
        with contextlib.suppress(ConnectionError):
            while data := self.socket.recv(2**16):
                received += data
        return bytes(received)

    def _more(self) -> bytes:
        data = self.socket.recv(2**16)
        if not data:
            raise ConnectionError("the server closed the connection before its reply was whole")
        return data

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()


def answer(server: Server, verb: str, target: str, rest: bytes) -> Reply:
    """What the server says to a request with its credential; ``rest`` ends the head and holds the body."""
    head = f"{verb} {target} HTTP/1.1\r\nHost: localhost\r\n"
    if server.token is not None:
        head += f"Authorization: Bearer {server.token}\r\n"
    with RawConnection(server) as connection:
        connection.send(head.encode("utf-8") + rest)
        return connection.receive(body=verb != "HEAD")
