"""The one handler of all calls: find the call, learn who asks, decode, run the service, encode."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tornado import web
from tornado.web import HTTPError

from jupyter_tracking.protocol import Call, wire
from jupyter_tracking.protocol.errors import InvalidParameterValue, NotImplementedHere, TrackingError

from .gate import check_json
from .handler import Front, TrackingHandler

if TYPE_CHECKING:
    from .routes import CallTable

__all__ = ["CallHandler"]

DRAIN = 64 * 2**20
"""Bytes of a refused body that are read and dropped, so that the client gets to read the refusal: a server
that closes the connection while the client still writes resets it, and clients then retry for minutes."""
BODY_TIMEOUT = 60.0
"""Seconds in which a body must have come."""
SLICE = 2**18
"""Bytes of a big reply that are written at a time, and of a big request that is decoded beside the loop."""


@web.stream_request_body
class CallHandler(TrackingHandler):
    """Serves every call of the protocol, and refuses every path that is none."""

    call: Call[Any, Any]

    def initialize(self, front: Front, table: CallTable | None = None) -> None:
        """``table`` says which call is at which path."""
        super().initialize(front)
        self._table = table
        self._path_fields: dict[str, str] = {}
        self._body = bytearray()
        self._refusal: TrackingError | HTTPError | None = None

    async def prepare(self) -> None:
        """Refuse what can be refused before its body is read."""
        self.http.set_body_timeout(BODY_TIMEOUT)
        self.http.set_max_body_size(DRAIN)
        try:
            await super().prepare()
            await self._admit()
        except (TrackingError, HTTPError) as error:
            if self._announced() > DRAIN:
                raise
            self._refusal = error

    async def _admit(self) -> None:
        verb: str = self.request.method or ""
        self.call, self._path_fields = self._find(verb)
        self._check_mode()
        if self.call.family == "mlflow":
            await self.authenticate(self.call.action)
        else:
            await self.authenticate(self.call.action, "artifacts")
        if verb in {"POST", "PUT"}:
            check_json(self.request.headers.get("Content-Type", ""))
        if self._announced() > self.call.max_body:
            raise self._too_large()

    def _find(self, verb: str) -> tuple[Call[Any, Any], dict[str, str]]:
        if self._table is None:
            raise HTTPError(404)
        return self._table.find(verb, self.local_path)

    def _check_mode(self) -> None:
        settings = self.front.server.settings
        if self.call.family == "mlflow-artifacts" and not settings.serve_artifacts:
            raise NotImplementedHere(
                f"Endpoint: {self.local_path} disabled due to the server running with "
                "`--no-serve-artifacts`. To enable it, run the server with `--serve-artifacts`."
            )
        if self.call.family == "mlflow" and settings.artifacts_only:
            raise NotImplementedHere(
                f"Endpoint: {self.local_path} disabled due to the server running in `--artifacts-only` mode. "
                "To enable it, run the server without `--artifacts-only`."
            )

    def _announced(self) -> int:
        length = self.request.headers.get("Content-Length", "0")
        return int(length) if length.isdecimal() else 0

    def _too_large(self) -> InvalidParameterValue:
        return InvalidParameterValue(
            f"The body of this request may have at most {self.call.max_body} bytes; "
            "split it into several requests."
        )

    def data_received(self, chunk: bytes) -> None:
        """Keep the body, up to the limit of the call."""
        if self._refusal is not None:
            return
        if len(self._body) + len(chunk) > self.call.max_body:
            self._body.clear()
            self._refusal = self._too_large()
            return
        self._body += chunk

    async def _serve(self) -> None:
        if self._refusal is not None:
            raise self._refusal
        request = self._decode() if len(self._body) <= SLICE else await asyncio.to_thread(self._decode)
        body = await self.front.server.run(self.call, self.caller, request)
        self.set_header("Content-Type", "application/json")
        if len(body) > SLICE:
            await self._write_slices(body)
        else:
            await self.finish(body)

    get = post = put = patch = delete = _serve

    def _decode(self) -> Any:
        cls, body, path = self.call.request, bytes(self._body), self._path_fields
        from_query = self.request.method == "GET" or (self.request.method == "DELETE" and not body)
        if from_query and (self.request.query or not body):
            return wire.decode_query(cls, self._query(), path)
        return wire.decode_json(cls, body, path)

    def _query(self) -> dict[str, list[str]]:
        try:
            return {
                name: [value.decode() for value in values]
                for name, values in self.request.query_arguments.items()
            }
        except UnicodeDecodeError:
            raise InvalidParameterValue("The query of the URL is not UTF-8.") from None

    async def _write_slices(self, body: bytes) -> None:
        self.set_header("Content-Length", str(len(body)))
        for start in range(0, len(body), SLICE):
            self.write(body[start : start + SLICE])
            await self.flush()
        await self.finish()
