"""The fast lane: plain calls from clients that are known, served without a ``RequestHandler``.

It stands before the routes and takes only what they would admit: a call of the store alone, at a path
without fields, by a name under which a handler was asked before, with a credential that can be judged at
once. All that is odd or to be refused before its body it leaves to the handlers, and it asks the very
functions that they ask (``Incoming``, ``Front``), so that no rule is here twice.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router

from jupyter_tracking.protocol import CALLS
from jupyter_tracking.protocol.errors import TrackingError

from ..access import Caller
from ..server import EMPTY
from ..services import SERVICES, Files
from .audited import audited, made_by, subject_of
from .call_table import CallTable
from .gate import check_scopes
from .handler import Front
from .incoming import DRAIN, SLICE, Incoming
from .passage import Log, Passage

__all__ = ["Lane"]


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
        if not front.may_lane(request):
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
        return _CallPassage(front, incoming, caller, self._log)


class _CallPassage(Passage):
    """One call in the lane."""

    most = DRAIN

    def __init__(self, front: Front, incoming: Incoming, caller: Caller, log: Log) -> None:
        super().__init__(front, incoming.request, caller, log)
        self.endpoint = incoming.call.name
        self.audited = audited(incoming.call)
        self._incoming = incoming
        self._refusal: TrackingError | None = None
        self._asked: Any = None

    def data_received(self, chunk: bytes) -> None:
        """Keep the body, up to the limit of the call."""
        if self._refusal is None:
            try:
                self._incoming.receive(chunk)
            except TrackingError as error:
                self._refusal = error
            self.received = self._incoming.received

    def begin(self) -> None:
        """Run the service."""
        if self._refusal is not None:
            self.refuse(self._refusal)
        elif self._incoming.is_big:
            self.spawn(self._decode_beside())
        else:
            try:
                self._run(self._incoming.decode())
            except Exception as error:  # whatever it is, the client gets an answer
                self.refuse(error)

    async def _decode_beside(self) -> None:
        try:
            self._run(await asyncio.to_thread(self._incoming.decode))
        except Exception as error:  # as in begin
            self.refuse(error)

    def _run(self, request: Any) -> None:
        self._asked = request
        if self._audits:
            self.subject = subject_of(request)
        self.front.server.begin(self._incoming.call, self.caller, request, self._end)

    def _end(self, result: Future[bytes | None]) -> None:
        error = result.exception()
        if error is not None:
            self.refuse(error)
            return
        body = result.result() or EMPTY
        if self._audits:
            self.subject |= made_by(body)
        if len(body) > SLICE:
            self.spawn(self.answer_in_slices(body))
        else:
            self.answer(200, body, {})

    def find_subject(self) -> dict[str, str]:
        """What the call would have been about."""
        return subject_of(self._asked)

    @property
    def _audits(self) -> bool:
        return self.audited is not None and self.front.server.observer.audits
