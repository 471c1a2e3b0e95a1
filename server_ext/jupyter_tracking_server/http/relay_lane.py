"""The relay's fast lane: small calls of kernels, passed on without a ``RequestHandler``.

It takes what the relay's handler would pass on as it is: a call of the protocol at a path without fields,
with a token of ours and a small body, by no browser. All else it leaves to the handler.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest
from tornado.iostream import StreamClosedError
from tornado.routing import Router

from jupyter_tracking.protocol import CALLS
from jupyter_tracking.protocol.errors import TrackingError

from ..access import Caller
from .base_url import base_url
from .call_table import CallTable
from .gate import check_scopes
from .handler import Front
from .incoming import SLICE, announced
from .passage import Log, Passage, start_line
from .relay_exchange import BrokenOff, Exchange
from .relay_heads import reply_headers, request_headers
from .relay_reply import SMALL, length_of
from .relay_upstream import Line, Upstream

__all__ = ["RelayLane"]

_ODD = ("Transfer-Encoding", "Upgrade", "Origin", "Expect")
"""Headers of requests that the handler looks at."""


class RelayLane(Router):
    """Finds what may take the lane; all else falls through to the next rule.

    Args:
        upstream: the service.
        log: keeps the access log.
    """

    def __init__(self, front: Front, upstream: Upstream, log: Log) -> None:
        self._front = front
        self._upstream = upstream
        self._log = log
        # Replies about bytes hold addresses that the handler has the service make for the client.
        self._table = CallTable([call for call in CALLS if call.family != "mlflow-artifacts"])

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """What passes the request on, or None."""
        del kwargs
        front, headers = self._front, request.headers
        if not front.may_lane(request) or request.version != "HTTP/1.1":
            return None
        if announced(headers) > SLICE or any(name in headers for name in _ODD):
            return None
        call = self._table.find_exact(request.method or "", request.path[len(front.root) :])
        if call is None:
            return None
        try:
            caller = front.recognize(request)
            if caller is None:
                return None
            check_scopes(caller, call.action, ())
        except TrackingError:
            return None
        return _RelayPassage(front, request, caller, self._upstream, self._log)


class _RelayPassage(Passage):
    """One call on its way to the service, and the reply on its way back."""

    most = SLICE
    endpoint = "relay"

    def __init__(
        self, front: Front, request: HTTPServerRequest, caller: Caller, upstream: Upstream, log: Log
    ) -> None:
        super().__init__(front, request, caller, log)
        self._upstream = upstream
        self._body = b""
        self.exchange: Exchange | None = None
        self._reply = _Reply(self, upstream)

    def data_received(self, chunk: bytes) -> None:
        """Keep the body."""
        self.received += len(chunk)
        self._body += chunk

    def begin(self) -> None:
        """Pass it on."""
        self.spawn(self._relay())

    def on_connection_close(self) -> None:
        """The client is gone: the service need not go on."""
        super().on_connection_close()
        if self.exchange is not None:
            self.exchange.abort()

    async def _relay(self) -> None:
        try:
            try:
                await self._ask(await self._upstream.line())
            except BrokenOff:
                if not self._may_repeat:
                    raise
                await self._ask(await self._upstream.new_line())
            self._reply.end()
        except BrokenOff:
            self._fail(self._upstream.away(ConnectionResetError()))
        except Exception as error:  # whatever it is, the client gets an answer
            self._fail(error)

    async def _ask(self, line: Line) -> None:
        """Send the request, and see the reply through.

        Raises:
            BrokenOff: it did not come whole.
        """
        request = self.request
        headers = request_headers(request, self._upstream, sign=True)
        if request.method != "GET" and not self._body:
            headers["Content-Length"] = "0"
        query = f"?{request.query}" if request.query else ""
        target = f"{self._upstream.prefix}{request.path[len(self.front.root) :]}{query}"
        self.exchange = Exchange(self._upstream, line, self._reply)
        self.exchange.start(request.method or "", target, headers, self._body)
        self.exchange.end()
        await self.exchange.over()

    @property
    def _may_repeat(self) -> bool:
        exchange = self.exchange
        return (
            exchange is not None and exchange.met_an_end and self.request.method == "GET" and not self._body
        )

    def _fail(self, error: Exception) -> None:
        """Answer with an error. A reply that has begun must not look whole: it ends with its connection."""
        if self._reply.begun:
            self.http.close()
            self.on_connection_close()
        else:
            self.refuse(error)


class _Reply:
    """The service's reply: a small one goes on in one piece, another as it comes.

    Attributes:
        begun: something has gone out.
    """

    def __init__(self, passage: _RelayPassage, upstream: Upstream) -> None:
        self._passage = passage
        self._upstream = upstream
        self._code = 0
        self._headers = HTTPHeaders()
        self._refused = False
        self._kept = bytearray()
        self._sent = 0
        self.begun = False

    async def head(self, code: int, reason: str, headers: HTTPHeaders) -> None:
        """Keep the head of a small reply, or pass it on."""
        del reason
        if code == 401:
            # What it says of our credential is not the client's business.
            self._refused = True
            return
        passage = self._passage
        root = base_url(passage.request, passage.front.root, passage.front.server.settings.public_url)
        self._code, self._headers = code, reply_headers(headers, self._upstream, root)
        if not 0 <= length_of(headers) <= SMALL and code not in {204, 304}:
            self.begun = True
            await self._write(passage.http.write_headers(start_line(code), self._headers))

    async def body(self, chunk: bytes) -> None:
        """Keep it, or pass it on and come back when the client can take more."""
        if self.begun:
            self._sent += len(chunk)
            await self._write(self._passage.http.write(chunk))
        elif not self._refused:
            self._kept += chunk

    async def _write(self, written: Awaitable[None]) -> None:
        try:
            await written
        except StreamClosedError:
            self._passage.on_connection_close()

    def end(self) -> None:
        """The service has said all."""
        passage = self._passage
        if self._refused:
            passage.refuse(self._upstream.refused())
        elif not self.begun:
            passage.send(self._code, self._headers, bytes(self._kept))
        elif not passage.gone:
            passage.http.finish()
            passage.tell(self._code, self._sent)
            passage.front.leave(passage)
