"""What every handler of ours does: pass the gate, learn who calls, answer errors in the protocol's shape.

The same handler classes serve the standalone server, on plain tornado, and Jupyter Server
(``jupyter_handler.embedded`` puts Jupyter's identity, authorizer and XSRF check in their place). Bodies are
streamed, so that a request is refused before its body is read.
"""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import Future
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from tornado import web
from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPServerRequest

from jupyter_tracking.protocol.call import Action
from jupyter_tracking.protocol.errors import Unauthenticated

from ..access import Caller, Denied, Scope
from ..context import FilesContext
from ..identity import Authenticator
from ..metrics import Direction
from ..observer import CLIENT_GONE, Exchange
from . import gate
from .base_url import base_url
from .error_reply import explain, log_defect
from .notes import Notes

if TYPE_CHECKING:
    from ..server import Server

__all__ = ["Front", "TrackingHandler"]

KNOWN_HOSTS = 1000
"""How many names are remembered: what may be any name must not fill the memory."""


class Front:
    """What the handlers of one server share.

    Attributes:
        root: the path before every path of ours, as in the request line: ``""``, ``/user/jane/tracking``.
        server: the services and what they stand on.
        gate: the names of this server; None where Jupyter checks them.
        authenticator: says who sent a request.
        home: where a browser that opens the root is sent; ``""`` for a page of our own.
        login: the path below ``root`` to which a browser without a session is sent; ``""`` for none.
        active: the requests being served, each by an object of its own.
        last_request: when the newest request came, by the event loop's clock.
        notes: of uploaded artifacts, while they are written.
        known_hosts: some names that passed the host's check; it need not be asked again.
        default_headers: what every reply carries, once there has been one.
    """

    def __init__(
        self,
        server: Server,
        authenticator: Authenticator,
        *,
        root: str,
        gate: gate.Gate | None,
        home: str = "",
    ) -> None:
        self.server = server
        self.authenticator = authenticator
        self.root = root
        self.gate = gate
        self.home = home
        self.login = ""
        self.active: set[object] = set()
        self.known_hosts: set[str] = set()
        self.notes = Notes()
        self.default_headers: dict[str, str] = {}
        self._quiet = asyncio.Event()
        self._quiet.set()
        server.observer.metrics.active = lambda: len(self.active)
        self.last_request = 0.0
        self.closing = False

    def base_url(self, request: HTTPServerRequest) -> str:
        """This server as the client sees it: scheme, host and ``root``, without a slash at the end."""
        return base_url(request, self.root, self.server.settings.public_url)

    def enter(self, request: object) -> None:
        """Count a request that begins."""
        self.active.add(request)
        self._quiet.clear()
        self.last_request = asyncio.get_running_loop().time()

    def leave(self, request: object) -> None:
        """Count a request that is over; again is fine."""
        self.active.discard(request)
        if not self.active:
            self._quiet.set()

    def learn(self, host: str, headers: Mapping[str, str]) -> None:
        """Remember for the fast lane what a handler found out: a name of ours, and the headers of replies."""
        if host not in self.known_hosts and len(self.known_hosts) < KNOWN_HOSTS:
            self.known_hosts.add(host)
            own = {"Connection", "Content-Type", "Date"}
            self.default_headers = {name: headers[name] for name in headers if name not in own}

    async def identify(self, request: HTTPServerRequest) -> Caller | None:
        """Who sent the request.

        Raises:
            PermissionDenied: the page of another site made a browser send it.
        """
        return self._unless_foreign(request, await self.authenticator.identify(request))

    def recognize(self, request: HTTPServerRequest) -> Caller | None:
        """The same, if it can be said at once; else None."""
        return self._unless_foreign(request, self.authenticator.recognize(request))

    def _unless_foreign(self, request: HTTPServerRequest, caller: Caller | None) -> Caller | None:
        if caller is not None and caller.ambient:
            gate.check_page(
                request.method or "", request.headers, request.host, cookie=caller.how == "cookie"
            )
        return caller

    def may_lane(self, request: HTTPServerRequest) -> bool:
        """Whether a fast lane may look at the request: it came by a name of ours, to a path of ours."""
        return (
            not self.closing
            and request.host in self.known_hosts
            and "Expect" not in request.headers
            and request.path.startswith(self.root)
        )

    async def drain(self, seconds: float) -> None:
        """Let running requests end, for some seconds at most; clients are told not to send more."""
        self.closing = True
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), seconds)
        await self.notes.settle_all()


@web.stream_request_body
class TrackingHandler(web.RequestHandler):
    """Base of all handlers of ours.

    Attributes:
        caller: who calls, after ``authenticate``.
        endpoint: what logs and counters call this kind of request.
        audited: what it does to things, if that is worth an entry in the audit log.
        subject: what it does that to, for the audit log: ids and paths by their names on the wire.
        received: bytes of the body so far.
        sent: bytes of the reply's body so far.
        denied: whether a thing is called missing as the caller may not know of it.
    """

    front: Front
    caller: Caller
    endpoint = "unknown"
    audited: Action | None = None

    def initialize(self, front: Front) -> None:
        """Tornado passes what the route holds."""
        self.front = front
        self.defect_id = ""
        self.subject: dict[str, str] = {}
        self.received = 0
        self.sent = 0
        self.denied = False
        self._known_caller: Caller | None = None
        self._direction: Direction | None = None
        self._told = False

    def set_default_headers(self) -> None:
        """What every reply of ours carries, errors too."""
        super().set_default_headers()
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")

    @property
    def local_path(self) -> str:
        """The path below the root, as the client sent it: not decoded."""
        path: str = self.request.path
        return path[len(self.front.root) :]

    async def prepare(self) -> None:
        """Let nothing pass that came by a foreign name."""
        self.front.enter(self)
        if self.front.closing:
            self.set_header("Connection", "close")
        self.check_gate()
        self.front.learn(self.request.host, self._headers)

    def check_gate(self) -> None:
        """Refuse a request by a name that is not ours.

        Raises:
            PermissionDenied
        """
        if self.front.gate is not None:
            self.front.gate.check_host(self.request.host)

    async def authenticate(self, action: Action, *scopes: Scope) -> Caller:
        """Learn who calls and keep it in ``caller``.

        Args:
            action: what the caller wants to do.
            scopes: what the credential must be good for, beside the action.

        Raises:
            Unauthenticated: nobody that is known here.
            PermissionDenied: the credential is not good for this, or another site's page sent the request.
        """
        caller = await self.identify(action)
        if caller is None:
            raise Unauthenticated(
                "This server wants a credential that it knows: set MLFLOW_TRACKING_TOKEN"
                + (", or MLFLOW_TRACKING_USERNAME and _PASSWORD." if self._takes_passwords else ".")
            )
        self._known_caller = caller
        if caller.how == "cookie":
            # Pages of other servers may have our origin: they must not look into a window with this reply.
            self.set_header("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
        gate.check_scopes(caller, action, scopes)
        if self.audited is not None:
            await self.front.server.observer.brake()
        self.caller = caller
        return caller

    @property
    def _takes_passwords(self) -> bool:
        return self.front.server.settings.auth == "users"

    async def identify(self, action: Action) -> Caller | None:
        """Who calls; Jupyter's twin also asks Jupyter's authorizer about ``action``."""
        del action
        return await self.front.identify(self.request)

    def files_context(self) -> FilesContext:
        """What a handler of artifact bytes works with, on behalf of the caller."""
        return self.front.server.files_context(self.caller, self.front.base_url(self.request))

    @property
    def http(self) -> HTTP1Connection:
        """The connection of this request, for limits that differ from the server's."""
        return cast("HTTP1Connection", self.request.connection)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Drop bodies that nobody asked for."""

    def compute_etag(self) -> None:
        """No hash of every reply: nobody caches them."""

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> Future[None]:
        """End the reply; the request is over when its last byte is with the system."""
        written = super().finish(chunk)
        written.add_done_callback(lambda _: self.front.leave(self))
        return written

    def write(self, chunk: str | bytes | dict[str, Any]) -> None:
        """Add to the reply."""
        self.sent += len(chunk)
        if self._direction == "out":
            self.front.server.observer.metrics.moved("out", len(chunk))
        super().write(chunk)

    def begin_transfer(self, direction: Direction) -> None:
        """Say to logs and counters that an artifact moves, in or out."""
        self.audited = "read" if direction == "out" else "write"
        self._direction = direction
        self.front.server.observer.metrics.transfer(direction, 1)

    def on_finish(self) -> None:
        """The reply is whole."""
        self._tell(self.get_status())
        super().on_finish()

    def on_connection_close(self) -> None:
        """The client is gone."""
        self.front.leave(self)
        self._tell(CLIENT_GONE)
        super().on_connection_close()

    def _tell(self, status: int) -> None:
        if self._told:
            return
        self._told = True
        if self._direction is not None:
            self.front.server.observer.metrics.transfer(self._direction, -1)
        self.front.server.observer.ended(
            Exchange(
                self.endpoint,
                self.request.method or "",
                self.request.path,
                self.request.remote_ip or "",
                status,
                self.request.request_time(),
                self._known_caller,
                self.audited,
                self.subject,
                self.received,
                self.sent,
                self.denied,
            )
        )

    def note_error(self, error: BaseException | None) -> None:
        """Tell counters and audit of the error that is the answer."""
        self.front.server.observer.failed(error)
        self.denied = error is not None and isinstance(error.__cause__, Denied)

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Keep quiet about refusals; log defects once, with an id."""
        del typ, tb
        self.defect_id = log_defect(value, f"{self.request.method} {self.request.path}")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer in the protocol's shape, whatever went wrong."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else web.HTTPError(status_code)
        self.note_error(error)
        reply = explain(error, self.defect_id)
        self.set_status(reply.status)
        for name, value in reply.headers.items():
            self.set_header(name, value)
        self.set_header("Content-Type", "application/json")
        self.finish(reply.body)


Embed = Callable[[type[TrackingHandler]], type[TrackingHandler]]
"""Makes a handler class fit its host."""
