"""A small load generator: raw keep-alive connections in one thread, to cost little beside the server.

Each connection sends its next request when its answer is whole (a closed loop). Bodies are bytes made
before; the answer is read to its end but not parsed. Stock mlflow has a floor of 44 ms at one connection
which is TCP, not work: its server leaves out TCP_NODELAY, and the last segment waits for our delayed ACK,
as it does for the `requests` library. Quote ratios at 16 connections, or of batches, searches and
history, against it.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LAST_CHUNK = b"0\r\n\r\n"
ANSWER_TIMEOUT = 60.0
"""Seconds without any answer on any connection after which a visit is given up."""


@dataclass
class Result:
    """What one visit gave.

    Attributes:
        latencies: seconds from sending to the last byte of the answer, of answers with status 200.
        errors: answers with another status and broken connections; `first_error` is the text of one.
        seconds: from the first request to the last answer.
        bodies: the bodies of the good answers, if asked for.
    """

    latencies: list[float] = field(default_factory=list)
    errors: int = 0
    first_error: str = ""
    seconds: float = 0.0
    bodies: list[bytes] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency in milliseconds that this share of answers did not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] * 1000


def request(verb: str, path: str, body: bytes = b"") -> bytes:
    """The bytes of a request."""
    head = f"{verb} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n"
    if verb != "GET":
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def run(
    url: str, requests: Iterator[bytes], *, connections: int, seconds: float = 1e9, bodies: bool = False
) -> Result:
    """Send requests over so many connections until the time is over or no request is left.

    Requests that are under way at the end are waited for and counted.
    """
    place = urlsplit(url)
    address = (place.hostname or "127.0.0.1", place.port or 80)
    result = Result()
    with selectors.DefaultSelector() as selector:
        began = time.perf_counter()
        for _ in range(connections):
            connection = _Connection(address)
            if connection.send_next(requests):
                selector.register(connection.socket, selectors.EVENT_READ, connection)
        while selector.get_map():
            ready = selector.select(ANSWER_TIMEOUT)
            if not ready:
                result.errors += len(selector.get_map())
                result.first_error = result.first_error or "no answer in time"
                break
            for key, _ in ready:
                connection = key.data
                if not connection.receive():
                    continue
                connection.note(result, keep_body=bodies)
                if connection.closed:
                    selector.unregister(connection.socket)
                    connection = _Connection(address)
                    selector.register(connection.socket, selectors.EVENT_READ, connection)
                over = time.perf_counter() - began >= seconds
                if over or not connection.send_next(requests):
                    selector.unregister(connection.socket)
                    connection.socket.close()
        result.seconds = time.perf_counter() - began
    return result


class _Connection:
    """One keep-alive connection with at most one request under way."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=ANSWER_TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.closed = False
        self._sent_at = 0.0
        self._data = bytearray()
        self._body_at = 0
        self._length: int | None = None

    def send_next(self, requests: Iterator[bytes]) -> bool:
        """Send the next request; False if there is none."""
        message = next(requests, None)
        if message is None:
            return False
        self._data = bytearray()
        self._body_at = 0
        self._sent_at = time.perf_counter()
        try:
            self.socket.sendall(message)
        except OSError:
            # The answer (or its absence) is noted when it is read.
            self.closed = True
        return True

    def receive(self) -> bool:
        """Read what has come; True when the answer is whole or the connection has ended."""
        try:
            data = self.socket.recv(1 << 20)
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return True
        self._data += data
        if not self._body_at:
            at = self._data.find(b"\r\n\r\n")
            if at < 0:
                return False
            self._body_at = at + 4
            head = bytes(self._data[:at]).lower()
            self._length = _content_length(head)
            self.closed = b"connection: close" in head
        if self._length is None:
            return self._data.endswith(LAST_CHUNK)
        return len(self._data) - self._body_at >= self._length

    def note(self, result: Result, *, keep_body: bool) -> None:
        """Add the whole answer, or its lack, to the result."""
        if self._data[9:12] == b"200":
            result.latencies.append(time.perf_counter() - self._sent_at)
            if keep_body:
                result.bodies.append(self._body())
        else:
            result.errors += 1
            result.first_error = result.first_error or bytes(self._data[:1000]).decode("utf-8", "replace")

    def _body(self) -> bytes:
        body = bytes(self._data[self._body_at :])
        if self._length is not None:
            return body
        parts: list[bytes] = []
        while True:
            size, _, rest = body.partition(b"\r\n")
            count = int(size, 16)
            if not count:
                return b"".join(parts)
            parts.append(rest[:count])
            body = rest[count + 2 :]


def _content_length(head: bytes) -> int | None:
    """The length that a lower-case head states; None if the body comes in chunks."""
    if b"transfer-encoding: chunked" in head:
        return None
    _, found, rest = head.partition(b"content-length:")
    return int(rest.split(b"\r\n")[0]) if found else 0
