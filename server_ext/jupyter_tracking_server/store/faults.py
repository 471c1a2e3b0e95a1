"""What the errors of databases and their drivers mean to a caller: translated here, and only here.

No message carries SQL, a value or an address; the original stays as the cause, for the server's log.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy import exc

from jupyter_tracking.protocol.errors import (
    InternalError,
    InvalidParameterValue,
    ResourceConflict,
    TemporarilyUnavailable,
    TrackingError,
)

_RACES = frozenset({"40001", "40P01"})
"""SQLSTATE of a serialization failure and of a deadlock."""
_AWAY = ("08", "53", "57", "55P03", "25006")
"""SQLSTATE classes: connection, resources, operator intervention; lock not available, read only."""
_SQLITE_AWAY = (
    "database is locked",
    "database is busy",
    "database or disk is full",
    "disk i/o error",
    "unable to open",
    "readonly",
    "locking protocol",
)


class LostTransaction(TemporarilyUnavailable):
    """The whole transaction is gone, not only the part of it that raised."""


class LostRace(LostTransaction):
    """The transaction came off worse against another one; the writer runs it again."""


def translate(error: Exception) -> TrackingError:
    """A database's error as one of the protocol's; anything not of a database is a defect of ours."""
    cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    if isinstance(error, exc.TimeoutError):
        return TemporarilyUnavailable("All connections to the tracking database are in use; try again.")
    if isinstance(cause, sqlite3.Error):
        return _from_sqlite(cause)
    return _from_postgresql(cause)


def _from_sqlite(error: sqlite3.Error) -> TrackingError:
    text = str(error).lower()
    if isinstance(error, sqlite3.OperationalError) and any(words in text for words in _SQLITE_AWAY):
        return TemporarilyUnavailable("The tracking database is busy or cannot be written now; try again.")
    if isinstance(error, sqlite3.IntegrityError):
        return ResourceConflict("Another request changed the same thing first.")
    return _defect()


def _from_postgresql(error: BaseException) -> TrackingError:
    state = getattr(error, "sqlstate", None)
    kinds = {cls.__name__ for cls in type(error).__mro__}
    if state in _RACES:
        return LostRace("The tracking database is busy; try again.")
    if state is None and "OperationalError" in kinds:
        return TemporarilyUnavailable("The tracking database is away; try again.")
    if state is not None and state.startswith(_AWAY):
        return TemporarilyUnavailable("The tracking database cannot answer now; try again.")
    if "IntegrityError" in kinds:
        return ResourceConflict("Another request changed the same thing first.")
    if "DataError" in kinds:
        return InvalidParameterValue("A value in the request cannot be stored.")
    return _defect()


def _defect() -> TrackingError:
    return InternalError("The tracking database refused a request of the server; its log says why.")
