"""The one handler of all calls: find the call, learn who asks, decode, run the service, encode."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tornado import web
from tornado.web import HTTPError

from jupyter_tracking.protocol.errors import TrackingError

from ..access import Concealed
from .audited import audited, is_refusal, made_by, subject_of
from .handler import Front, TrackingHandler
from .incoming import BODY_TIMEOUT, DRAIN, SLICE, Incoming, announced

if TYPE_CHECKING:
    from .call_table import CallTable

__all__ = ["CallHandler"]


@web.stream_request_body
class CallHandler(TrackingHandler):
    """Serves every call of the protocol, and refuses every path that is none."""

    def initialize(self, front: Front, table: CallTable | None = None) -> None:
        """``table`` says which call is at which path."""
        super().initialize(front)
        self._table = table
        self._incoming: Incoming | None = None
        self._refusal: TrackingError | HTTPError | None = None

    async def prepare(self) -> None:
        """Refuse what can be refused before its body is read."""
        self.http.set_body_timeout(BODY_TIMEOUT)
        self.http.set_max_body_size(DRAIN)
        try:
            await super().prepare()
            self._incoming = await self._admit()
        except (TrackingError, HTTPError) as error:
            if announced(self.request.headers) > DRAIN:
                raise
            self._refusal = error

    async def _admit(self) -> Incoming:
        if self._table is None:
            raise HTTPError(404)
        call, fields = self._table.find(self.request.method or "", self.local_path)
        self.endpoint = call.name
        self.audited = audited(call)
        incoming = Incoming(call, self.request, fields)
        incoming.check_mode(self.front.server.settings, self.local_path)
        await self.authenticate(call.action, *incoming.scopes)
        incoming.check_head()
        return incoming

    def data_received(self, chunk: bytes) -> None:
        """Keep the body, up to the limit of the call."""
        if self._incoming is not None and self._refusal is None:
            try:
                self.received += len(chunk)
                self._incoming.receive(chunk)
            except TrackingError as error:
                self._refusal = error

    async def _serve(self) -> None:
        if self._incoming is None or self._refusal is not None:
            raise self._refusal or HTTPError(404)
        incoming = self._incoming
        request = await asyncio.to_thread(incoming.decode) if incoming.is_big else incoming.decode()
        if self.audited and self.front.server.observer.audits:
            self.subject = subject_of(request)
        try:
            body = await self.front.server.run(
                incoming.call, self.caller, request, self.front.base_url(self.request)
            )
        except Concealed as error:
            self.note_error(error)
            self.subject = subject_of(request)
            body = error.reply
        except TrackingError as error:
            if self.front.server.observer.audits and is_refusal(error):
                self.subject = subject_of(request)
            raise
        if self.audited and self.front.server.observer.audits:
            self.subject |= made_by(body)
        self.set_header("Content-Type", "application/json")
        if len(body) > SLICE:
            await self._write_slices(body)
        else:
            await self.finish(body)

    get = post = put = patch = delete = _serve

    async def _write_slices(self, body: bytes) -> None:
        self.set_header("Content-Length", str(len(body)))
        for start in range(0, len(body), SLICE):
            self.write(body[start : start + SLICE])
            await self.flush()
        await self.finish()
