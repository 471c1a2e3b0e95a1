"""A big request body on its way from socket to socket, past the HTTP server of this process.

The client's connection ends with it: what is taken from tornado cannot be given back.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, NamedTuple

from tornado.httputil import HTTPHeaders
from tornado.iostream import IOStream, StreamClosedError

from .incoming import DRAIN
from .relay_exchange import BrokenOff, Exchange
from .relay_pump import Pump, SourceEnded, own_socket
from .relay_reply import RawReply, request_head
from .relay_upstream import Line

if TYPE_CHECKING:
    from .relay import RelayHandler

__all__ = ["bulk_upload"]

LINGER = 30.0
"""Seconds in which a client that was answered before it had sent all may go on sending."""


async def bulk_upload(handler: RelayHandler, target: str, headers: HTTPHeaders) -> None:
    """Pass the request on, and its reply back; called before the body is read.

    Raises:
        TrackingError: the service cannot be reached; nothing has been taken from the handler.
    """
    line = await handler.upstream.new_line()
    stream = handler.detach()
    length = int(headers["Content-Length"])
    try:
        if "Expect" in handler.request.headers:
            await stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        first = await stream.read_bytes(length, partial=True)
        handler.received = len(first)
        with own_socket(stream) as coming:
            out = IOStream(coming.dup())
            try:
                head = request_head(handler.request.method or "", target, headers)
                await _pass(RawReply(handler, out), line, head + first, Pumped(coming, length - len(first)))
                await _linger(out, length - handler.received)
            finally:
                out.close()
    except StreamClosedError:
        handler.broken = True
    finally:
        line.stream.close()
        stream.close()
        handler.taken_over()


class Pumped(NamedTuple):
    """The rest of a body: the socket where it comes from, and how many bytes."""

    source: socket.socket
    length: int


async def _pass(reply: RawReply, line: Line, begin: bytes, rest: Pumped) -> None:
    """Send all, and pass on what is answered, be it before the end."""
    handler = reply.handler
    exchange = reply.exchange = Exchange(handler.upstream, line, reply)
    with line.stream.socket.dup() as going:
        going.setblocking(False)
        # The service may refuse by ending the connection; its reply is still to be read.
        with contextlib.suppress(StreamClosedError):
            await line.stream.write(begin)
        exchange.start_raw()
        answered = asyncio.ensure_future(_answer(reply))
        pump = Pump(rest.source, going, rest.length)
        sending = asyncio.ensure_future(pump.run())
        try:
            await asyncio.wait({answered, sending}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and isinstance(sending.exception(), SourceEnded):
                handler.broken = True
                exchange.abort()
            await answered
        finally:
            sending.cancel()
            exchange.abort()
            await asyncio.wait({answered, sending})
            handler.received += pump.moved


async def _answer(reply: RawReply) -> None:
    try:
        await reply.exchange.over()
    except BrokenOff:
        await reply.fail(reply.upstream.away(ConnectionResetError()))
    else:
        await (reply.fail(reply.refusal) if reply.refusal else reply.end())


async def _linger(stream: IOStream, unread: int) -> None:
    """Let a client that still sends read its answer: a closed connection it would take for a fault."""
    left = min(unread, DRAIN)
    with contextlib.suppress(StreamClosedError, asyncio.TimeoutError):
        while left > 0:
            chunk = await asyncio.wait_for(stream.read_bytes(min(left, 2**16), partial=True), LINGER)
            left -= len(chunk)
