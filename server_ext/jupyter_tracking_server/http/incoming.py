"""A call on its way in: what ``CallHandler`` and ``Lane`` ask of it, and the request in its body.

A call of which nothing is wrong at its head may still be refused for its body.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado.httputil import HTTPServerRequest

from jupyter_tracking.protocol import Call, wire
from jupyter_tracking.protocol.errors import InvalidParameterValue, NotImplementedHere

from ..access import Scope
from ..config import Settings
from .gate import check_json

__all__ = ["BODY_TIMEOUT", "DRAIN", "SLICE", "Incoming", "announced"]

DRAIN = 64 * 2**20
"""Bytes of a refused body that are read and dropped, so that the client gets to read the refusal: a server
that closes the connection while the client still writes resets it, and clients then retry for minutes."""
BODY_TIMEOUT = 60.0
"""Seconds in which a body must have come."""
SLICE = 2**18
"""Bytes of a big reply that are written at a time, and of a big request that is decoded beside the loop."""


def announced(headers: Mapping[str, str]) -> int:
    """The length of the body, if the client says it."""
    length = headers.get("Content-Length", "0")
    return int(length) if length.isdecimal() else 0


class Incoming:
    """One call, and as much of its body as has come.

    Args:
        fields: what the path says.

    Attributes:
        call: which one it is.
        request: its head.
        received: bytes of its body so far.
    """

    def __init__(
        self, call: Call[Any, Any], request: HTTPServerRequest, fields: Mapping[str, str] | None = None
    ) -> None:
        self.call = call
        self.request = request
        self._fields = fields or {}
        self._body = bytearray()
        self.received = 0

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """What its credential must be good for, beside its action."""
        return ("artifacts",) if self.call.family == "mlflow-artifacts" else ()

    @property
    def is_big(self) -> bool:
        """Whether its body takes too long to decode on the event loop."""
        return len(self._body) > SLICE

    def check_mode(self, settings: Settings, path: str) -> None:
        """Refuse what the administrator switched off.

        Raises:
            NotImplementedHere
        """
        if self.call.family == "mlflow-artifacts" and not settings.serve_artifacts:
            raise NotImplementedHere(
                f"Endpoint: {path} disabled due to the server running with "
                "`--no-serve-artifacts`. To enable it, run the server with `--serve-artifacts`."
            )
        if self.call.family == "mlflow" and settings.artifacts_only:
            raise NotImplementedHere(
                f"Endpoint: {path} disabled due to the server running in `--artifacts-only` mode. "
                "To enable it, run the server without `--artifacts-only`."
            )

    def check_head(self) -> None:
        """Refuse a body that is not JSON by its own words, or too large.

        Raises:
            InvalidParameterValue
        """
        headers = self.request.headers
        if self.request.method in {"POST", "PUT"}:
            check_json(headers.get("Content-Type", ""))
        if announced(headers) > self.call.max_body:
            raise self._too_large()

    def receive(self, chunk: bytes) -> None:
        """Keep a part of the body.

        Raises:
            InvalidParameterValue: it is larger than this call takes.
        """
        self.received += len(chunk)
        if len(self._body) + len(chunk) > self.call.max_body:
            self._body.clear()
            raise self._too_large()
        self._body += chunk

    def decode(self) -> Any:
        """The request, when the body is whole.

        Raises:
            TrackingError: what is wrong with it.
        """
        cls, body, verb = self.call.request, bytes(self._body), self.request.method
        from_query = verb == "GET" or (verb == "DELETE" and not body)
        if from_query and (self.request.query or not body):
            return wire.decode_query(cls, _query(self.request), self._fields)
        return wire.decode_json(cls, body, self._fields)

    def _too_large(self) -> InvalidParameterValue:
        return InvalidParameterValue(
            f"The body of this request may have at most {self.call.max_body} bytes; "
            "split it into several requests."
        )


def _query(request: HTTPServerRequest) -> dict[str, list[str]]:
    try:
        return {
            name: [value.decode() for value in values] for name, values in request.query_arguments.items()
        }
    except UnicodeDecodeError:
        raise InvalidParameterValue("The query of the URL is not UTF-8.") from None
