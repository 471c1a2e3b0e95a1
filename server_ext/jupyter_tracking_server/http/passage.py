"""One request in a lane: served on tornado's connection itself, without a ``RequestHandler``.

Who asks is known already, and nothing is wrong with the request's head. A lane's own class says what is done
with the body; how it is waited for, how replies go out and who is told is the same in all.
"""

from __future__ import annotations

import asyncio
import http.client
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from functools import lru_cache
from typing import Any, ClassVar, cast

from tornado.http1connection import HTTP1Connection
from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    ResponseStartLine,
    format_timestamp,
)
from tornado.iostream import StreamClosedError

from jupyter_tracking.protocol.call import Action

from ..access import Caller, Denied
from ..observer import CLIENT_GONE, Exchange
from .audited import is_refusal
from .error_reply import explain, log_defect
from .handler import Front
from .incoming import BODY_TIMEOUT, SLICE

__all__ = ["Log", "Passage", "start_line"]

Log = Callable[[int, HTTPServerRequest], None]
"""Told the status of each reply."""


class Passage(HTTPMessageDelegate, ABC):
    """What all lanes do with a request.

    Args:
        log: keeps the access log.

    Attributes:
        front: what the server's handlers share.
        request: its head.
        caller: who asks.
        http: the connection.
        gone: nobody waits for the reply any longer.
        endpoint: what logs and counters call it.
        audited: what it does to things, if that is worth an entry in the audit log.
        subject: what it does that to: ids and paths by their names on the wire.
        received: bytes of its body so far.
    """

    most: ClassVar[int]
    """Bytes of a body after which the connection ends."""
    endpoint: str
    audited: Action | None = None
    received: int = 0

    def __init__(self, front: Front, request: HTTPServerRequest, caller: Caller, log: Log) -> None:
        self.front = front
        self.request = request
        self.caller = caller
        self.http = cast("HTTP1Connection", request.connection)
        self.gone = False
        self.subject: dict[str, str] = {}
        self._log = log
        self._denied = False
        self._alarm: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def headers_received(self, start_line: object, headers: HTTPHeaders) -> None:
        """Wait for the body, but not for long."""
        del start_line
        self.front.enter(self)
        self.http.set_close_callback(self.on_connection_close)
        self.http.set_max_body_size(self.most)
        if "Content-Length" in headers or "Transfer-Encoding" in headers:
            # Not set_body_timeout, which costs a task for each request.
            self._alarm = asyncio.get_running_loop().call_later(BODY_TIMEOUT, self.http.close)

    def finish(self) -> None:
        """The body is whole."""
        self._stop_alarm()
        self.begin()

    @abstractmethod
    def begin(self) -> None:
        """Do what is asked."""

    def on_connection_close(self) -> None:
        """The client is gone; what runs for it ends, but it is not told."""
        if not self.gone:
            self.tell(CLIENT_GONE, 0)
        self.gone = True
        self._stop_alarm()
        self.front.leave(self)

    def _stop_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do some work that waits."""
        # The loop itself does not hold on to tasks.
        self._task = asyncio.get_running_loop().create_task(work)

    def find_subject(self) -> dict[str, str]:
        """What was asked for, where it was refused."""
        return {}

    def refuse(self, error: BaseException) -> None:
        """Answer with an error, in the protocol's shape."""
        if self.front.server.observer.audits and is_refusal(error):
            self.subject = self.find_subject()
            self._denied = isinstance(error.__cause__, Denied)
        reply = explain(error, log_defect(error, f"{self.request.method} {self.request.path}"))
        self.answer(reply.status, reply.body, reply.headers)

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Send a JSON reply in one piece."""
        self.send(status, self._headers(len(body), headers), body)

    def send(self, status: int, headers: HTTPHeaders, body: bytes) -> None:
        """Send a reply in one piece; the request is over when its last byte is with the system."""
        if self.gone:
            return
        written = self.http.write_headers(start_line(status), headers, body)
        self.http.finish()
        self.tell(status, len(body))
        if written.done():
            self.front.leave(self)
        else:
            written.add_done_callback(lambda _: self.front.leave(self))

    async def answer_in_slices(self, body: bytes) -> None:
        """Send a big JSON reply, while others get their turns."""
        if self.gone:
            return
        try:
            await self.http.write_headers(start_line(200), self._headers(len(body), {}), body[:SLICE])
            for start in range(SLICE, len(body), SLICE):
                await self.http.write(body[start : start + SLICE])
            self.http.finish()
            self.tell(200, len(body))
        except StreamClosedError:
            self.gone = True
        finally:
            self.front.leave(self)

    def tell(self, status: int, sent: int) -> None:
        """Say to logs and counters that this is over.

        Args:
            status: of the reply.
            sent: bytes of its body.
        """
        request = self.request
        if status != CLIENT_GONE:
            self._log(status, request)
        self.front.server.observer.ended(
            Exchange(
                self.endpoint,
                request.method or "",
                request.path,
                request.remote_ip or "",
                status,
                request.request_time(),
                self.caller,
                self.audited,
                self.subject,
                self.received,
                sent,
                self._denied,
            )
        )

    def _headers(self, length: int, headers: dict[str, str]) -> HTTPHeaders:
        return HTTPHeaders(
            {
                **self.front.default_headers,
                **headers,
                "Date": _date(int(time.time())),
                "Content-Type": "application/json",
                "Content-Length": str(length),
            }
        )


def start_line(status: int) -> ResponseStartLine:
    """The first line of a reply."""
    return ResponseStartLine("HTTP/1.1", status, http.client.responses.get(status, "Unknown"))


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return format_timestamp(second)
