"""The service's reply on its way to the client, through the handler or past it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tornado.httputil import HTTPHeaders
from tornado.iostream import IOStream, StreamClosedError

from jupyter_tracking.protocol.errors import PermissionDenied

from .error_reply import explain
from .relay_exchange import Exchange
from .relay_heads import reply_headers
from .relay_pump import BULK, Pump, own_socket
from .relay_upstream import Upstream

if TYPE_CHECKING:
    from .relay import RelayHandler

__all__ = ["SMALL", "HandlerReply", "RawReply", "length_of", "request_head"]

SMALL = 2**16
"""Bytes of a reply that goes out together with its head."""


class _Reply:
    """What both kinds do.

    Attributes:
        exchange: whose reply it is.
        refusal: the service did not take our credential; its words are not the client's business.
        begun: something has gone out.
    """

    exchange: Exchange

    def __init__(self, handler: RelayHandler) -> None:
        self.handler = handler
        self.upstream: Upstream = handler.upstream
        self.refusal: PermissionDenied | None = None
        self.begun = False

    def judge(self, code: int, headers: HTTPHeaders) -> HTTPHeaders | None:
        """The headers to pass on; None if the reply is not to be passed on."""
        if code == 401 and self.handler.signed:
            self.refusal = self.upstream.refused()
            return None
        self.handler.set_status(code)
        return reply_headers(headers, self.upstream, self.handler.base)


class HandlerReply(_Reply):
    """By the handler; a big body on a plain connection goes past it."""

    async def head(self, code: int, reason: str, headers: HTTPHeaders) -> None:
        """Begin the reply."""
        passed = self.judge(code, headers)
        if passed is None:
            return
        handler = self.handler
        length = length_of(passed)
        if length >= BULK and handler.request.method != "HEAD" and handler.may_bypass():
            await self._bypass(_head(code, reason, passed), length)
            return
        handler.begin_reply(code, reason, passed)
        if not 0 <= length <= SMALL or handler.request.method == "HEAD" or code in {204, 304}:
            await self._flush()

    async def body(self, chunk: bytes) -> None:
        """Pass it on, and come back when the client can take more."""
        if self.refusal is not None:
            return
        self.handler.write(chunk)
        if self.begun:
            await self._flush()

    async def _flush(self) -> None:
        self.begun = True
        try:
            await self.handler.flush()
        except StreamClosedError:
            self.exchange.abort()

    async def _bypass(self, head: bytes, length: int) -> None:
        """Move the body from socket to socket. Both connections end with it."""
        self.begun = True
        source, target = self.exchange.take(), self.handler.detach()
        try:
            first = await source.read_bytes(length, partial=True)
            await target.write(head + first)
            with own_socket(source) as coming, own_socket(target) as going:
                pump = Pump(coming, going, length - len(first), watch=True)
                try:
                    await pump.run()
                finally:
                    self.handler.sent += len(first) + pump.moved
        except (StreamClosedError, ConnectionError):
            # Both ends are closed below, so that no side takes it for whole.
            self.handler.broken = True
        finally:
            source.close()
            target.close()
            self.handler.taken_over()


class RawReply(_Reply):
    """Straight into a connection that was taken from the handler; it says that it will close it.

    Args:
        stream: to the client.
    """

    def __init__(self, handler: RelayHandler, stream: IOStream) -> None:
        super().__init__(handler)
        self._stream = stream
        self._chunked = False

    async def head(self, code: int, reason: str, headers: HTTPHeaders) -> None:
        """Begin the reply."""
        passed = self.judge(code, headers)
        if passed is not None:
            self.begun = True
            self._chunked = length_of(passed) < 0 and code not in {204, 304}
            if self._chunked:
                passed["Transfer-Encoding"] = "chunked"
            await self._write(_head(code, reason, passed))

    async def body(self, chunk: bytes) -> None:
        """Pass it on."""
        if self.refusal is None:
            self.handler.sent += len(chunk)
            await self._write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._chunked else chunk)

    async def end(self) -> None:
        """The service has said all."""
        if self._chunked:
            await self._write(b"0\r\n\r\n")

    async def fail(self, error: Exception) -> None:
        """Say what went wrong, if nothing has been said yet."""
        if self.begun:
            return
        reply = explain(error)
        self.handler.set_status(reply.status)
        headers = HTTPHeaders({"Content-Type": "application/json", **reply.headers})
        headers["Content-Length"] = str(len(reply.body))
        await self._write(_head(reply.status, self.handler.reason, headers) + reply.body)

    async def _write(self, data: bytes) -> None:
        with contextlib.suppress(StreamClosedError):
            await self._stream.write(data)


def request_head(verb: str, target: str, headers: HTTPHeaders) -> bytes:
    """The bytes of a request's head."""
    return _lines(f"{verb} {target} HTTP/1.1", headers)


def _head(code: int, reason: str, headers: HTTPHeaders) -> bytes:
    """The bytes of a reply's head, after whose body the connection ends."""
    headers["Connection"] = "close"
    return _lines(f"HTTP/1.1 {code} {reason}", headers)


def _lines(first: str, headers: HTTPHeaders) -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in headers.get_all())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def length_of(headers: HTTPHeaders) -> int:
    """Bytes of the body; -1 if it is not said."""
    text = headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else -1
