"""A service that writes down what it gets and answers what it is told, byte for byte."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from functools import partial
from io import BufferedIOBase
from typing import NamedTuple


class Recorded(NamedTuple):
    """A request: the target as it came, headers with lower-case names, body without its framing."""

    verb: str
    target: str
    headers: dict[str, str]
    body: bytes


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Recorder:
    """The service, while it runs.

    Attributes:
        url: what a client takes as tracking URI, with a prefix.
        requests: what has come.
        connections: how many were opened.
        answer: the whole reply to a request.
        early: a reply that goes out before the body is read, and ends the connection.
        ends: the connection is ended after each reply.
        ended: told when a client has ended a connection.
    """

    def __init__(self, port: int, prefix: str) -> None:
        self.url = f"http://127.0.0.1:{port}{prefix}"
        self.connections = 0
        self.requests: list[Recorded]
        self.answer: Callable[[Recorded], bytes]
        self.reset()

    def reset(self) -> None:
        """Forget what has come, and answer ``{}``."""
        self.requests = []
        self.answer = lambda _: OK
        self.early = b""
        self.ends = False
        self.ended: Callable[[], object] = lambda: None

    @property
    def last(self) -> Recorded:
        """The newest request."""
        return self.requests[-1]

    def serve(
        self, incoming: BufferedIOBase, send: Callable[[bytes], object], end_sending: Callable[[], object]
    ) -> None:
        """One connection."""
        self.connections += 1
        while line := incoming.readline().decode("latin-1").strip():
            verb, target, _ = line.split(" ")
            headers: dict[str, str] = {}
            while field := incoming.readline().decode("latin-1").strip():
                name, _, value = field.partition(":")
                headers[name.lower()] = value.strip()
            if self.early:
                send(self.early)
                end_sending()
                # Closed with bytes unread, the connection would be reset, and the reply perhaps lost.
                while incoming.read(2**16):
                    pass
                return
            self.requests.append(Recorded(verb, target, headers, _body(incoming, headers)))
            # As it was when the request came: whoever has the reply may change it for the next.
            ends = self.ends
            send(self.answer(self.last))
            if ends:
                return
        self.ended()


def reply_of(code: str, *fields: str, body: bytes = b"{}") -> bytes:
    """The bytes of a reply."""
    return "\r\n".join([f"HTTP/1.1 {code}", *fields, f"Content-Length: {len(body)}", "", ""]).encode() + body


def _body(incoming: BufferedIOBase, headers: dict[str, str]) -> bytes:
    if "transfer-encoding" not in headers:
        return incoming.read(int(headers.get("content-length", "0")))
    found = b""
    while size := int(incoming.readline().strip(), 16):
        found += incoming.read(size)
        incoming.readline()
    incoming.readline()
    return found


@contextlib.contextmanager
def recorder(prefix: str = "/ml") -> Iterator[Recorder]:
    """A service for the length of a ``with`` block."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                found.serve(self.rfile, self.wfile.write, partial(self.request.shutdown, socket.SHUT_WR))

    class Service(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Service(("127.0.0.1", 0), Handler) as service:
        found = Recorder(service.server_address[1], prefix)
        thread = threading.Thread(target=service.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield found
        finally:
            service.shutdown()
            thread.join()
