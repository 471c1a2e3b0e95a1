"""The end of a server: others are sent elsewhere, what came is answered, and only then it closes.

A connection that is closed while a request is on its way is reset, and its client cannot know whether the
request was served. So a connection is closed when its last request is answered, or when none has come for
a while.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, cast

from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPMessageDelegate

from .body_upload import settle_aborts
from .handler import Front

__all__ = ["Listener", "drain"]

GRACE = 0.5
"""Seconds for which a connection without a request may bring one, after no further ones are made."""
CLEAN_UP = 5.0
"""Seconds in which uploads that were cut off take back what they stored."""
LOOKS = 3
"""Turns after which the event loop has seen what had come, and acted on it."""


class Listener(HTTPServer):
    """An HTTP server that knows its connections."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        """As tornado's."""
        super().initialize(*args, **kwargs)
        self._open: set[HTTP1ServerConnection] = set()
        self._empty = asyncio.Event()

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """A connection waits for a request: its first or a further one."""
        self._open.add(cast("HTTP1ServerConnection", server_conn))
        self._empty.clear()
        return super().start_request(server_conn, request_conn)

    def on_close(self, server_conn: object) -> None:
        """A connection is gone."""
        self._open.discard(cast("HTTP1ServerConnection", server_conn))
        if not self._open:
            self._empty.set()
        super().on_close(server_conn)

    def keep_none(self) -> None:
        """Close each connection after its next answer, which says so."""
        self.conn_params.no_keep_alive = True

    async def emptied(self, seconds: float) -> bool:
        """Wait until no connection is left, for some seconds at most; whether none is."""
        if self._open:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)
        return not self._open

    def close_waiting(self) -> None:
        """Close the connections that wait for a request. No request must be in the handlers' hands."""
        for connection in list(self._open):
            # One that does not read has a request of which no handler knows yet.
            if connection.stream.reading():
                connection.stream.close()


async def drain(front: Front, listener: Listener, delay: float, patience: float) -> None:
    """Stop serving, and fail no request by it.

    Args:
        front: knows the requests.
        listener: knows the connections.
        delay: seconds for which all is still served, while ``/health`` answers 503 to send balancers away.
        patience: seconds that requests may take after that; what takes longer is cut off.
    """
    loop = asyncio.get_running_loop()
    front.closing = True
    listener.keep_none()
    await asyncio.sleep(delay)
    # The system makes connections before the server hears of them, and closing the socket resets those.
    await _look()
    listener.stop()
    deadline = loop.time() + patience
    await listener.emptied(min(GRACE, patience))
    while not await listener.emptied(0) and loop.time() < deadline:
        await front.drain(deadline - loop.time())
        await _look()
        if not front.active:
            listener.close_waiting()
        await listener.emptied(GRACE)
    await listener.close_all_connections()
    await front.drain(0)
    await settle_aborts(CLEAN_UP)


async def _look() -> None:
    for _ in range(LOOKS):
        await asyncio.sleep(0)
