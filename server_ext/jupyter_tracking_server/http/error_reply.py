"""From an error to what the client sees; the only place that knows status codes.

Every reply that is not a success has one shape, ``{"error_code": …, "message": …}``, whoever raised it: our
own services, tornado, Jupyter, or a defect. Of a defect the client sees an id, and the log the rest.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import msgspec
from tornado.log import app_log
from tornado.web import HTTPError

from jupyter_tracking.protocol.errors import (
    BadRequest,
    EndpointNotFound,
    InternalError,
    InvalidParameterValue,
    PermissionDenied,
    TemporarilyUnavailable,
    TrackingError,
    Unauthenticated,
)

__all__ = ["STATUS", "ErrorReply", "explain", "log_defect"]

STATUS: dict[str, int] = {
    "INVALID_PARAMETER_VALUE": 400,
    "BAD_REQUEST": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_LIMIT_EXCEEDED": 403,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "ENDPOINT_NOT_FOUND": 404,
    "RESOURCE_CONFLICT": 409,
    "PRECONDITION_FAILED": 412,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "INTERNAL_ERROR": 500,
    "INVALID_STATE": 500,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
}
"""The status of each code: the table by which clients of the protocol read it back."""


class _Body(msgspec.Struct, frozen=True):
    error_code: str
    message: str


@dataclass(frozen=True)
class ErrorReply:
    """Status, further headers and JSON body of a reply."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def explain(error: BaseException | None, defect_id: str = "") -> ErrorReply:
    """The reply for an error; ``defect_id`` is what ``log_defect`` gave for an unexpected one."""
    known = _known(error)
    if known is None:
        known = InternalError(f"Internal error {defect_id}; the log of the server says more.")
    headers = {}
    if isinstance(known, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="Jupyter Tracking"'
    if isinstance(known, TemporarilyUnavailable):
        headers["Retry-After"] = str(known.retry_after)
    body = msgspec.json.encode(_Body(known.error_code, known.message))
    return ErrorReply(STATUS.get(known.error_code, 500), body, headers)


def log_defect(error: BaseException | None, request: str) -> str:
    """Log an error that nobody expected, and return the id under which it is found; else ``""``."""
    if _known(error) is not None:
        return ""
    defect_id = secrets.token_hex(6)
    trace = None if error is None else (type(error), error, error.__traceback__)
    app_log.error("Internal error %s in %s", defect_id, request, exc_info=trace)
    return defect_id


def _known(error: BaseException | None) -> TrackingError | None:
    if isinstance(error, TrackingError) and not isinstance(error, InternalError):
        return error
    if isinstance(error, HTTPError) and error.status_code < 500:
        return _from_http(error)
    return None


def _from_http(error: HTTPError) -> TrackingError:
    """Tornado and Jupyter know status codes only; their texts are theirs, so ours stand in."""
    text = error.log_message or ""
    if error.status_code == 401:
        return Unauthenticated("A credential is needed.")
    if error.status_code == 403:
        return PermissionDenied(_XSRF if "xsrf" in text.lower() else "Not allowed.")
    if error.status_code in {404, 405}:
        return EndpointNotFound("There is no such endpoint, or not with this method.")
    if error.status_code == 413:
        return InvalidParameterValue("The body of the request is too large.")
    return BadRequest("The request cannot be read.")


_XSRF = "A browser must send the XSRF token of this server in the header X-XSRFToken."
