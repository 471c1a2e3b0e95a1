"""The server on its own: a plain tornado HTTP server around ``Server``, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ssl import SSLContext
from typing import Literal

from tornado.httputil import HTTPServerRequest
from tornado.log import access_log
from tornado.netutil import bind_sockets
from tornado.routing import AnyMatches, Rule
from tornado.web import Application, RequestHandler

from ..config import WILDCARDS, ConfigurationError, Settings
from ..runtime_file import RuntimeFile
from ..server import Server
from . import tls
from .call_handler import CallHandler
from .drain import Listener, drain
from .gate import Gate
from .handler import Front, TrackingHandler
from .incoming import DRAIN
from .lane import Lane
from .routes import Route, routes
from .sign_in import sign_in
from .users_sign_in import hint

__all__ = ["Mode", "serve"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
IDLE_CONNECTION = 75.0
HEADER_SIZE = 64 * 1024

_log = logging.getLogger("jupyter_tracking")


@dataclass(frozen=True)
class Mode:
    """How the process behaves beside serving.

    Attributes:
        local: started on demand by a kernel's client: a token of its own, nothing printed.
        idle_exit: seconds without a request after which it ends; 0 for never.
        announced: whether people and clients of this machine are told where it is.
    """

    local: bool = False
    idle_exit: float = 0.0
    announced: bool = True


async def serve(settings: Settings, mode: Mode) -> None:
    """Listen until SIGTERM or SIGINT (or idleness), then finish what runs and return."""
    gate = Gate(settings.host, settings.allowed_hosts)
    secured = tls.context(settings)
    sockets = _listen(settings)
    server = Server(settings)
    way = sign_in(settings, server, local=mode.local)
    front = Front(server, way.authenticator, root=settings.static_prefix, gate=gate)
    front.login = way.login
    http = _http_server(front, way.routes, secured)
    http.add_sockets(sockets)
    server.begin_chores()
    await hint(settings, server)
    with _announced(settings, mode, way.token, sockets[0]):
        await _until_stopped(front, mode.idle_exit)
    await drain(front, http, settings.drain_delay, settings.drain_timeout)
    await way.close()
    await server.close()


def _listen(settings: Settings) -> list[socket.socket]:
    try:
        return bind_sockets(settings.port, None if settings.host in WILDCARDS else settings.host)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on {settings.host}:{settings.port} ({error.strerror}): "
            "choose another --host or --port."
        ) from error


def _http_server(front: Front, further: list[Route], secured: SSLContext | None) -> Listener:
    prefix = re.escape(front.root)
    application = Application(
        [
            Rule(AnyMatches(), Lane(front, _log_failure)),
            *(
                (prefix + pattern, handler, {"front": front, **kwargs})
                for pattern, handler, kwargs in further
            ),
            *((prefix + pattern, handler, kwargs) for pattern, handler, kwargs in routes(front, _plain)),
        ],
        default_handler_class=CallHandler,
        default_handler_args={"front": front},
        log_function=_log_request,
    )
    return Listener(
        application,
        ssl_options=secured,
        max_header_size=HEADER_SIZE,
        max_body_size=DRAIN,
        idle_connection_timeout=IDLE_CONNECTION,
    )


def _plain(handler: type[TrackingHandler]) -> type[TrackingHandler]:
    return handler


def _log_request(handler: RequestHandler) -> None:
    _log_failure(handler.get_status(), handler.request)


def _log_failure(status: int, request: HTTPServerRequest) -> None:
    """Only what went wrong on our side, and without the query, which may hold what nobody should read."""
    if status >= 500:
        access_log.error("%d %s %s", status, request.method, request.path)


def _url(settings: Settings, listening: socket.socket) -> str:
    host = settings.host
    if host in WILDCARDS:
        host = "[::1]" if host == "::" else "127.0.0.1"
    elif ":" in host:
        host = f"[{host}]"
    return f"{'https' if settings.certfile else 'http'}://{host}:{listening.getsockname()[1]}{settings.static_prefix}"


@contextlib.contextmanager
def _announced(settings: Settings, mode: Mode, token: str, listening: socket.socket) -> Iterator[None]:
    """Say where the server is: to people on standard output, to clients of this user in the runtime file."""
    if not mode.announced:
        yield
        return
    url = _url(settings, listening)
    kind: Literal["local", "standalone"] = "local" if mode.local else "standalone"
    runtime_file = RuntimeFile(
        url=url,
        # Users have credentials of their own.
        token=None if settings.has_rights else token,
        pid=os.getpid(),
        kind=kind,
        root_dir="",
        certificate=tls.fingerprint(settings),
    )
    if not mode.local:
        print(f"export MLFLOW_TRACKING_URI={url}", flush=not token)  # noqa: T201 - for a shell's eval
        if token:
            print(f"export MLFLOW_TRACKING_TOKEN={token}", flush=True)  # noqa: T201 - the same
    runtime_file.write()
    try:
        yield
    finally:
        runtime_file.remove()


async def _until_stopped(front: Front, idle_exit: float) -> None:
    """Wait for a signal, or for idleness; a second signal ends the process at once."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop(*_: object) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(stopped.set)

    for number in _SIGNALS:
        # Not loop.add_signal_handler, which Windows lacks.
        signal.signal(number, stop)
    front.last_request = loop.time()
    while not stopped.is_set():
        left = front.last_request + idle_exit - loop.time() if idle_exit else None
        if left is not None and left <= 0 and not front.active:
            _log.info("No request in %s seconds: ending.", idle_exit)
            return
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stopped.wait(), None if left is None else max(left, 1.0))
