"""Every path below ``tracking/`` in a Jupyter Server that stands for a service elsewhere.

A request passes the same door as where the store is Jupyter's own, and goes on with the credential of this
process in place of the caller's. Bodies are streamed both ways: bytes are taken from one side when the other
has room.
"""

from __future__ import annotations

import http.client
import re
from functools import lru_cache
from urllib.parse import urlsplit

from tornado import web
from tornado.httputil import HTTPHeaders
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError

from jupyter_tracking.protocol.call import Action
from jupyter_tracking.protocol.errors import (
    BadRequest,
    EndpointNotFound,
    InvalidParameterValue,
    NotImplementedHere,
    TrackingError,
)

from ..access import Scope
from ..observer import CLIENT_GONE
from .base_url import base_url
from .call_table import CallTable
from .handler import Front, TrackingHandler
from .incoming import DRAIN, announced
from .plain import HealthHandler, LandingHandler
from .relay_bulk import bulk_upload
from .relay_exchange import BrokenOff, Exchange
from .relay_heads import check_path, forwarded, request_headers
from .relay_pump import BULK, can_pump
from .relay_reply import HandlerReply
from .relay_upstream import Line, Upstream
from .routes import Route

__all__ = ["RelayHandler", "relay_routes"]

NO_LIMIT = 2**62
SECONDS = 7 * 24 * 3600.0

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_PART = re.compile(
    r"(?P<root>.*)/(?:api|ajax-api)/2\.0/mlflow-artifacts/mpu/part/[A-Za-z0-9_-]{1,64}/[0-9]{1,5}\Z"
)
_BYTES = re.compile(r"/mlflow-artifacts/|/get-artifact\Z|/upload-artifact\Z|/artifacts/files\Z")


def relay_routes(front: Front, upstream: Upstream, page: str) -> list[Route]:
    """Every route below the root, as patterns that begin with a slash.

    Args:
        front: what the handlers share.
        upstream: the service.
        page: where browsers find the service's own pages.
    """
    return [
        (r"/health", HealthHandler, {"front": front}),
        (r"/?", LandingHandler, {"front": front}),
        (r"/ui/?", ServicePageHandler, {"front": front, "page": page}),
        (r"/.*", RelayHandler, {"front": front, "upstream": upstream}),
    ]


class ServicePageHandler(TrackingHandler):
    """The service's own pages, which are not relayed: what they hold could act as the user of Jupyter."""

    endpoint = "service_page"

    def initialize(self, front: Front, page: str = "") -> None:
        """``page`` is where they are."""
        super().initialize(front)
        self._page = page

    async def get(self) -> None:
        """Send the browser there; what follows the # in a link, it keeps."""
        await self.authenticate("read")
        self.redirect(self._page)


@web.stream_request_body
class RelayHandler(TrackingHandler):
    """Passes one request on, and its reply back.

    Attributes:
        upstream: the service.
        base: the address of this relay as the client sees it.
        signed: the request goes on with our credential.
        reason: what goes with the status.
        broken: a connection ended before all had gone over it.
    """

    endpoint = "relay"
    upstream: Upstream
    base: str

    def initialize(self, front: Front, upstream: Upstream | None = None) -> None:
        """``upstream`` is the service."""
        super().initialize(front)
        if upstream is not None:
            self.upstream = upstream
        self.signed = True
        self.broken = False
        self._reply = HandlerReply(self)
        self._exchange: Exchange | None = None
        self._refusal: TrackingError | HTTPError | None = None
        self._all_received = False
        self._dropped = 0

    async def prepare(self) -> None:
        """Let the caller in, and begin to pass the request on before its body is read."""
        self.http.set_max_body_size(NO_LIMIT)
        self.http.set_body_timeout(SECONDS)
        try:
            await super().prepare()
            self._check()
            await self._admit()
            self.base = base_url(self.request, self.front.root, self.front.server.settings.public_url)
            if self._is_bulk():
                await bulk_upload(self, self._target(), self._headers_to_send())
            elif self._has_body:
                self._open(await self.upstream.line())
        except (TrackingError, HTTPError) as error:
            if announced(self.request.headers) > DRAIN:
                raise
            self.http.set_max_body_size(DRAIN)
            self._refusal = error

    def _check(self) -> None:
        """Refuse what is not to be passed on.

        Raises:
            TrackingError
        """
        headers = self.request.headers
        if "upgrade" in headers.get("Connection", "").lower():
            raise NotImplementedHere("The relay to the tracking service does not carry WebSockets.")
        check_path(self.local_path)
        if "Transfer-Encoding" in headers and self.request.method not in _WITH_BODY:
            raise BadRequest("Send the body of such a request with a Content-Length, not in chunks.")

    async def _admit(self) -> None:
        """Learn who calls."""
        method, path = self.request.method or "", self.local_path
        if method == "PUT" and (part := _PART.match(path)) and part["root"] in {"", self.upstream.prefix}:
            # The signature in its address is the right to send it, and nothing else may be.
            self.signed = False
            return
        action, scopes = _needed(method, path)
        await self.authenticate(action, *scopes)

    def _target(self) -> str:
        path = self.local_path
        if not self.signed:
            # A service that does not know better repeats its own prefix in the addresses that it makes.
            path = path.removeprefix(self.upstream.prefix)
        query = f"?{self.request.query}" if self.request.query else ""
        return f"{self.upstream.prefix}{path}{query}"

    def _headers_to_send(self) -> HTTPHeaders:
        headers = request_headers(self.request, self.upstream, sign=self.signed)
        if self.request.method in _WITH_BODY and not self._has_body:
            headers["Content-Length"] = "0"
        if "/mlflow-artifacts/" in self.local_path:
            # There it makes addresses for clients.
            headers.update(forwarded(self.base))
        elif self.upstream.service.of_hub and "Origin" in self.request.headers:
            # Links that a browser asks for are for people, who reach it through the Hub, by this name.
            origin = urlsplit(self.base)._replace(path="").geturl()
            headers.update(forwarded(origin + self.upstream.prefix))
        return headers

    @property
    def _has_body(self) -> bool:
        return announced(self.request.headers) > 0 or "Transfer-Encoding" in self.request.headers

    @property
    def _has_all(self) -> bool:
        """Whether no more of the body is to come; tornado says so some time after the last of it has."""
        return self._all_received or 0 < announced(self.request.headers) <= self.received

    def _is_bulk(self) -> bool:
        return announced(self.request.headers) >= BULK and self.may_bypass()

    def may_bypass(self) -> bool:
        """Whether bytes may go from socket to socket."""
        return self.request.version == "HTTP/1.1" and self.upstream.is_plain and can_pump(self.http.stream)

    def _open(self, line: Line) -> None:
        self._reply = HandlerReply(self)
        self._exchange = self._reply.exchange = Exchange(self.upstream, line, self._reply)
        self._exchange.start(self.request.method or "", self._target(), self._headers_to_send())

    async def data_received(self, chunk: bytes) -> None:
        """Pass it on, and do not return before the service can take more."""
        self.received += len(chunk)
        if self._exchange is None:
            return
        try:
            await self._exchange.send(chunk)
        except StreamClosedError:
            # Perhaps it has answered; the client reads that when it has sent all.
            self._dropped += len(chunk)
            if self._dropped > DRAIN:
                self.http.close()

    async def _serve(self) -> None:
        self._all_received = True
        if self._refusal is not None:
            raise self._refusal
        if self._exchange is None:
            self._open(await self.upstream.line())
        try:
            await self._complete()
        except BrokenOff:
            if not self._may_repeat():
                self._break_off()
                return
            self._open(await self.upstream.new_line())
            try:
                await self._complete()
            except BrokenOff:
                self._break_off()

    get = head = post = put = patch = delete = options = _serve

    async def _complete(self) -> None:
        """Send the end of the request, and see the reply through.

        Raises:
            BrokenOff
            PermissionDenied: the service does not take our credential.
        """
        if self._exchange is None:
            raise RuntimeError("There is nothing to complete.")
        self._exchange.end()
        await self._exchange.over()
        if self._reply.refusal is not None:
            raise self._reply.refusal
        if not self._finished:
            await self.finish()

    def _may_repeat(self) -> bool:
        """Whether a kept connection ended just as it was used again, and the request does no harm twice."""
        exchange = self._exchange
        return (
            exchange is not None
            and exchange.met_an_end
            and not self._has_body
            and self.request.method in _READING
        )

    def _break_off(self) -> None:
        """The reply did not come whole, and must not look so.

        Raises:
            TemporarilyUnavailable: nothing of it has gone out yet.
        """
        if self._reply.begun:
            self.http.close()
            return
        self.clear()
        raise self.upstream.away(ConnectionResetError())

    def begin_reply(self, code: int, reason: str, headers: HTTPHeaders) -> None:
        """Take over the head of the reply."""
        self.set_status(code, reason)
        for name in list(self._headers):
            self.clear_header(name)
        for name, value in headers.get_all():
            self.add_header(name, value)
        if not self._has_all:
            self.set_header("Connection", "close")

    @property
    def reason(self) -> str:
        """What goes with the status."""
        return http.client.responses.get(self.get_status(), "Unknown")

    def taken_over(self) -> None:
        """The connection was taken from this handler, and all is over now."""
        self.front.leave(self)
        self._tell(CLIENT_GONE if self.broken else self.get_status())
        self.application.log_request(self)

    def on_connection_close(self) -> None:
        """The client is gone: the service need not go on."""
        super().on_connection_close()
        if self._exchange is not None:
            self._exchange.abort()


@lru_cache(maxsize=1)
def _table() -> CallTable:
    return CallTable()


def _needed(method: str, path: str) -> tuple[Action, tuple[Scope, ...]]:
    """What the credential must be good for; the service judges the rest."""
    scopes: tuple[Scope, ...] = ("artifacts",) if _BYTES.search(path) else ()
    try:
        call, _ = _table().find(method, path)
    except (EndpointNotFound, InvalidParameterValue):
        return "read" if method in _READING else "write", scopes
    return call.action, ("artifacts",) if call.family == "mlflow-artifacts" else scopes
