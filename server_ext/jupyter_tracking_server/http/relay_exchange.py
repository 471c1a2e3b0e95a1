"""One request to the service and its reply, in both directions no faster than the slower side."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Protocol

from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream, StreamClosedError

from .relay_upstream import Line, Upstream

__all__ = ["BrokenOff", "Exchange", "Reader"]


PARAMETERS = HTTP1ConnectionParameters(chunk_size=2**18, max_header_size=2**16, max_body_size=2**62)


class BrokenOff(Exception):
    """The service ended the connection before its reply was whole."""


class Reader(Protocol):
    """Who takes the reply."""

    def head(self, code: int, reason: str, headers: HTTPHeaders) -> Awaitable[None]:
        """It begins; the body does not come before this is done."""

    def body(self, chunk: bytes) -> Awaitable[None]:
        """Some of its body; the next does not come before this is done."""


class Exchange(HTTPMessageDelegate):
    """A request on its way.

    Args:
        upstream: the service.
        line: over which it goes.
        reader: takes the reply.

    Attributes:
        line: the same.
        begun: the head of the reply has come.
    """

    def __init__(self, upstream: Upstream, line: Line, reader: Reader) -> None:
        self.line = line
        self.begun = False
        self._upstream, self._reader = upstream, reader
        self._http = HTTP1Connection(line.stream, is_client=True, params=PARAMETERS)
        self._ended = False
        self._whole = False
        self._reusable = False
        self._task: asyncio.Future[bool] | None = None

    def start(self, verb: str, target: str, headers: HTTPHeaders, body: bytes = b"") -> None:
        """Send the head, and begin to listen: a service may answer before it has the body.

        What is given of the body goes out together with the head.
        """
        self._http.write_headers(RequestStartLine(verb, target, ""), headers, body)
        self._task = asyncio.ensure_future(self._http.read_response(self))

    def start_raw(self) -> None:
        """Begin to listen; head and body are sent past this object."""
        self.end()
        self._task = asyncio.ensure_future(self._http.read_response(self))

    async def send(self, chunk: bytes) -> None:
        """Send some of the body; done when there is room for more.

        Raises:
            StreamClosedError: the service takes no more.
        """
        await self._http.write(chunk)

    def end(self) -> None:
        """The body is whole."""
        self._ended = True
        self._http.finish()

    async def over(self) -> None:
        """Wait until the reader has the whole reply.

        Raises:
            BrokenOff: it did not come whole.
        """
        if self._task is None:
            raise RuntimeError("The exchange has not begun.")
        with contextlib.suppress(StreamClosedError):
            await self._task
        if not self._whole:
            self.abort()
            raise BrokenOff
        if self._reusable:
            self._upstream.keep(self.line)
        else:
            self.abort()

    @property
    def met_an_end(self) -> bool:
        """Whether a kept connection ended just as it was used again."""
        return self.line.used and not self.begun

    def abort(self) -> None:
        """Give up: the service learns it at once."""
        self.line.stream.close()

    def take(self) -> IOStream:
        """The connection itself, from within ``Reader.head``: the body is the reader's business now."""
        self._whole, self._reusable = True, False
        return self._http.detach()

    async def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        """Hand the head on."""
        if not isinstance(start_line, ResponseStartLine) or start_line.code < 200:
            return
        self.begun = True
        said = headers.get("Connection", "").lower()
        self._reusable = start_line.version == "HTTP/1.1" and "close" not in said
        await self._reader.head(start_line.code, start_line.reason, headers)

    async def data_received(self, chunk: bytes) -> None:
        """Hand it on."""
        await self._reader.body(chunk)

    def finish(self) -> None:
        """All of the reply has come."""
        self._whole = True
        # A service that has answered before it had all wants no more.
        self._reusable = self._reusable and self._ended

    def on_connection_close(self) -> None:
        """The connection ended before."""
