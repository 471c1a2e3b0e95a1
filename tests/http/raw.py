"""HTTP by hand, for what a client library would not send or would hide."""

from __future__ import annotations

import json
import socket
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Reply(NamedTuple):
    """Status, headers with lower-case names but for ``date``, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Raw:
    """One connection to a server; requests are written as they are given."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self.root = place.path
        self._socket = socket.create_connection((place.hostname or "", place.port or 0), timeout=60)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def reply(self, verb: str = "POST") -> Reply:
        """Read one reply; ``verb`` is what was asked."""
        status = int(self._file.readline().split()[1])
        headers: dict[str, str] = {}
        while line := self._file.readline().strip().decode():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        headers.pop("date", None)
        body = b"" if verb == "HEAD" else self._file.read(int(headers.get("content-length", "0")))
        return Reply(status, headers, body)

    def is_over(self) -> bool:
        """Whether the server closed the connection, and nothing more came."""
        return self._file.read(1) == b""

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def request(verb: str, path: str, headers: dict[str, str], body: bytes | None = None) -> bytes:
    """The bytes of a request; ``Content-Length`` is added if there is a body."""
    if body is not None:
        headers = {**headers, "Content-Length": str(len(body))}
    lines = [f"{verb} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def chunked(verb: str, path: str, headers: dict[str, str], chunks: list[bytes]) -> bytes:
    """The bytes of a request whose body comes in chunks."""
    head = request(verb, path, {**headers, "Transfer-Encoding": "chunked"})
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
