"""The fast lane: plain calls from clients that are known, served without a ``RequestHandler``.

It stands before the routes and takes only what they would admit: a call of the store alone, at a path
without fields, by a name under which a handler was asked before, with a credential that can be judged at
once. All that is odd or to be refused before its body it leaves to the handlers, and it asks the very
functions that they ask (``Incoming``, ``Front``), so that no rule is here twice.
"""

from __future__ import annotations

import asyncio
import http.client
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import lru_cache
from typing import Any, cast

from tornado.http1connection import HTTP1Connection
from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    ResponseStartLine,
    format_timestamp,
)
from tornado.iostream import StreamClosedError
from tornado.routing import Router

from jupyter_tracking.protocol import CALLS
from jupyter_tracking.protocol.errors import TrackingError

from ..access import Caller, Denied
from ..observer import CLIENT_GONE, Exchange
from ..server import EMPTY
from ..services import SERVICES, Files
from .audited import audited, is_refusal, made_by, subject_of
from .call_table import CallTable
from .error_reply import explain, log_defect
from .gate import check_scopes
from .handler import Front
from .incoming import BODY_TIMEOUT, DRAIN, SLICE, Incoming

__all__ = ["Lane", "Log"]

Log = Callable[[int, HTTPServerRequest], None]
"""Told the status of each reply."""


class Lane(Router):
    """Finds what may take the lane; all else falls through to the next rule.

    Args:
        log: keeps the access log.
    """

    def __init__(self, front: Front, log: Log) -> None:
        self._front = front
        self._log = log
        self._table = CallTable([call for call in CALLS if not isinstance(SERVICES[call], Files)])

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """What serves the request, or None."""
        del kwargs
        front = self._front
        if front.closing or request.host not in front.known_hosts or "Expect" in request.headers:
            return None
        if not request.path.startswith(front.root):
            return None
        path = request.path[len(front.root) :]
        call = self._table.find_exact(request.method or "", path)
        if call is None or (front.server.observer.is_full and audited(call)):
            return None
        incoming = Incoming(call, request)
        try:
            incoming.check_mode(front.server.settings, path)
            caller = front.recognize(request)
            if caller is None:
                return None
            check_scopes(caller, call.action, incoming.scopes)
            incoming.check_head()
        except TrackingError:
            return None
        return _Passage(front, request, incoming, caller, self._log)


class _Passage(HTTPMessageDelegate):
    """One call in the lane."""

    def __init__(
        self, front: Front, request: HTTPServerRequest, incoming: Incoming, caller: Caller, log: Log
    ) -> None:
        self._front = front
        self._request = request
        self._incoming = incoming
        self._caller = caller
        self._log = log
        self._http = cast("HTTP1Connection", request.connection)
        self._refusal: TrackingError | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._gone = False
        self._subject: dict[str, str] = {}
        self._asked: Any = None
        self._denied = False

    def headers_received(self, start_line: object, headers: HTTPHeaders) -> None:
        """Wait for the body, but not for long."""
        del start_line
        self._front.enter(self)
        self._http.set_close_callback(self.on_connection_close)
        self._http.set_max_body_size(DRAIN)
        if "Content-Length" in headers or "Transfer-Encoding" in headers:
            # Not set_body_timeout, which costs a task for each request.
            self._alarm = asyncio.get_running_loop().call_later(BODY_TIMEOUT, self._http.close)

    def data_received(self, chunk: bytes) -> None:
        """Keep the body, up to the limit of the call."""
        if self._refusal is None:
            try:
                self._incoming.receive(chunk)
            except TrackingError as error:
                self._refusal = error

    def finish(self) -> None:
        """The body is whole: run the service."""
        self._stop_alarm()
        if self._refusal is not None:
            self._refuse(self._refusal)
        elif self._incoming.is_big:
            self._spawn(self._decode_beside())
        else:
            try:
                self._begin(self._incoming.decode())
            except Exception as error:  # whatever it is, the client gets an answer
                self._refuse(error)

    def on_connection_close(self) -> None:
        """The client is gone; what runs for it ends, but it is not told."""
        if not self._gone:
            self._tell(CLIENT_GONE, 0)
        self._gone = True
        self._stop_alarm()
        self._front.leave(self)

    def _stop_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        # The loop itself does not hold on to tasks.
        self._task = asyncio.get_running_loop().create_task(work)

    async def _decode_beside(self) -> None:
        try:
            self._begin(await asyncio.to_thread(self._incoming.decode))
        except Exception as error:  # as in finish
            self._refuse(error)

    def _begin(self, request: Any) -> None:
        self._asked = request
        if self._audits:
            self._subject = subject_of(request)
        self._front.server.begin(self._incoming.call, self._caller, request, self._end)

    def _end(self, result: Future[bytes | None]) -> None:
        error = result.exception()
        if error is not None:
            self._refuse(error)
            return
        body = result.result() or EMPTY
        if self._audits:
            self._subject |= made_by(body)
        if len(body) > SLICE:
            self._spawn(self._reply_in_slices(body))
        else:
            self._reply(200, body, {})

    def _refuse(self, error: BaseException) -> None:
        if self._front.server.observer.audits and is_refusal(error):
            self._subject = subject_of(self._asked)
            self._denied = isinstance(error.__cause__, Denied)
        reply = explain(error, log_defect(error, f"{self._request.method} {self._request.path}"))
        self._reply(reply.status, reply.body, reply.headers)

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        if self._gone:
            return
        written = self._http.write_headers(*self._head(status, len(body), headers), body)
        self._http.finish()
        self._tell(status, len(body))
        if written.done():
            self._front.leave(self)
        else:
            written.add_done_callback(lambda _: self._front.leave(self))

    async def _reply_in_slices(self, body: bytes) -> None:
        if self._gone:
            return
        try:
            await self._http.write_headers(*self._head(200, len(body), {}), body[:SLICE])
            for start in range(SLICE, len(body), SLICE):
                await self._http.write(body[start : start + SLICE])
            self._http.finish()
            self._tell(200, len(body))
        except StreamClosedError:
            self._gone = True
        finally:
            self._front.leave(self)

    @property
    def _audits(self) -> bool:
        return self._front.server.observer.audits and audited(self._incoming.call) is not None

    def _tell(self, status: int, sent: int) -> None:
        """Say to logs and counters that this is over."""
        if status != CLIENT_GONE:
            self._log(status, self._request)
        call, request = self._incoming.call, self._request
        self._front.server.observer.ended(
            Exchange(
                call.name,
                request.method or "",
                request.path,
                request.remote_ip or "",
                status,
                request.request_time(),
                self._caller,
                audited(call),
                self._subject,
                self._incoming.received,
                sent,
                self._denied,
            )
        )

    def _head(
        self, status: int, length: int, headers: dict[str, str]
    ) -> tuple[ResponseStartLine, HTTPHeaders]:
        reason = http.client.responses.get(status, "Unknown")
        return ResponseStartLine("HTTP/1.1", status, reason), HTTPHeaders(
            {
                **self._front.default_headers,
                **headers,
                "Date": _date(int(time.time())),
                "Content-Type": "application/json",
                "Content-Length": str(length),
            }
        )


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return format_timestamp(second)
