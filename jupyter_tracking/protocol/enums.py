"""The enumerations of the wire. Replies carry names; requests may carry a name or its number."""

from __future__ import annotations

from enum import Enum

__all__ = ["NUMBERS", "LifecycleStage", "LoggedModelStatus", "RunStatus", "ViewType"]


class RunStatus(str, Enum):
    """Where a run stands."""

    RUNNING = "RUNNING"
    SCHEDULED = "SCHEDULED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


class ViewType(str, Enum):
    """Which lifecycle stages a search looks at."""

    ACTIVE_ONLY = "ACTIVE_ONLY"
    DELETED_ONLY = "DELETED_ONLY"
    ALL = "ALL"


class LoggedModelStatus(str, Enum):
    """Where the upload of a logged model stands."""

    UNSPECIFIED = "LOGGED_MODEL_STATUS_UNSPECIFIED"
    PENDING = "LOGGED_MODEL_PENDING"
    READY = "LOGGED_MODEL_READY"
    UPLOAD_FAILED = "LOGGED_MODEL_UPLOAD_FAILED"


class LifecycleStage(str, Enum):
    """Active, or deleted and restorable."""

    ACTIVE = "active"
    DELETED = "deleted"


NUMBERS: dict[type[Enum], dict[int, Enum]] = {
    RunStatus: dict(enumerate(RunStatus, start=1)),
    ViewType: dict(enumerate(ViewType, start=1)),
    LoggedModelStatus: dict(enumerate(LoggedModelStatus, start=0)),
}
"""The protobuf numbers of the enums that requests carry; those of our own have names alone."""
