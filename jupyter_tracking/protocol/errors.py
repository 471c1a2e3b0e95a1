"""The errors of the protocol: one class for each meaning, shared by server and client.

    TrackingError                     anything below; ``error_code`` is the name on the wire
    ├── InvalidParameterValue         a field is missing, malformed or out of bounds
    ├── BadRequest                    the request as a whole cannot be read
    ├── ResourceAlreadyExists         a name is taken
    ├── ResourceDoesNotExist          no such experiment, run, model, artifact … (or not yours)
    ├── EndpointNotFound              no such route
    ├── Unauthenticated               no credential, or one that is not known
    ├── PermissionDenied              known, but may not
    ├── InvalidState                  the thing is in a state that forbids this
    ├── ResourceConflict              another request got there first
    ├── PreconditionFailed            an artifact is not the version that the request names
    ├── RequestLimitExceeded          too many requests at once
    ├── ResourceLimitExceeded         a user or group holds as much as they may
    ├── NotImplementedHere            a permanent refusal: this server does not do that
    ├── TemporarilyUnavailable        try again: a queue is full, a database is away
    └── InternalError                 a defect of the server; the message carries an id, the log the detail

HTTP status codes are the business of ``http/error_reply.py`` alone.
"""

from __future__ import annotations

__all__ = [
    "BadRequest",
    "EndpointNotFound",
    "InternalError",
    "InvalidParameterValue",
    "InvalidState",
    "NotImplementedHere",
    "PermissionDenied",
    "PreconditionFailed",
    "RequestLimitExceeded",
    "ResourceAlreadyExists",
    "ResourceConflict",
    "ResourceDoesNotExist",
    "ResourceLimitExceeded",
    "TemporarilyUnavailable",
    "TrackingError",
    "Unauthenticated",
    "error_from_code",
]


class TrackingError(Exception):
    """Base of all errors that cross the wire. ``message`` is safe to show to the caller."""

    error_code = "INTERNAL_ERROR"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidParameterValue(TrackingError):
    """A field is missing, malformed or out of bounds; the message names it and the cure."""

    error_code = "INVALID_PARAMETER_VALUE"


class BadRequest(TrackingError):
    """The request as a whole cannot be read or is not allowed here."""

    error_code = "BAD_REQUEST"


class ResourceAlreadyExists(TrackingError):
    """The name is taken, perhaps by something deleted."""

    error_code = "RESOURCE_ALREADY_EXISTS"


class ResourceDoesNotExist(TrackingError):
    """There is no such thing, or the caller may not know of it."""

    error_code = "RESOURCE_DOES_NOT_EXIST"


class EndpointNotFound(TrackingError):
    """No such route or method."""

    error_code = "ENDPOINT_NOT_FOUND"


class Unauthenticated(TrackingError):
    """No credential was sent, or one that this server does not know."""

    error_code = "UNAUTHENTICATED"


class PermissionDenied(TrackingError):
    """The caller is known but may not do this."""

    error_code = "PERMISSION_DENIED"


class InvalidState(TrackingError):
    """The thing is in a state that forbids the request (clients see status 500, as upstream)."""

    error_code = "INVALID_STATE"


class ResourceConflict(TrackingError):
    """Another request changed the same thing first."""

    error_code = "RESOURCE_CONFLICT"


class PreconditionFailed(TrackingError):
    """An artifact is not, or not there as, the version that the request asks for."""

    error_code = "PRECONDITION_FAILED"


class RequestLimitExceeded(TrackingError):
    """Too many requests at once."""

    error_code = "REQUEST_LIMIT_EXCEEDED"


class ResourceLimitExceeded(TrackingError):
    """A user or group holds as much as they may; clients do not retry it."""

    error_code = "RESOURCE_LIMIT_EXCEEDED"


class NotImplementedHere(TrackingError):
    """A permanent refusal; clients do not retry it."""

    error_code = "NOT_IMPLEMENTED"


class TemporarilyUnavailable(TrackingError):
    """The server cannot answer now; clients retry after ``retry_after`` seconds."""

    error_code = "TEMPORARILY_UNAVAILABLE"

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class InternalError(TrackingError):
    """A defect of the server."""

    error_code = "INTERNAL_ERROR"


_BY_CODE: dict[str, type[TrackingError]] = {cls.error_code: cls for cls in TrackingError.__subclasses__()}


def error_from_code(error_code: str, message: str) -> TrackingError:
    """The error that a reply's ``error_code`` stands for; an unknown code keeps its name."""
    cls = _BY_CODE.get(error_code)
    if cls is not None:
        return cls(message)
    error = TrackingError(message)
    error.error_code = error_code
    return error
