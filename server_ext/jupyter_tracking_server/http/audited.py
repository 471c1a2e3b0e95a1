"""Which calls the audit log keeps, and what it says they were done to."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import Any

import msgspec

from jupyter_tracking.protocol import Call
from jupyter_tracking.protocol.artifacts import get_presigned_download
from jupyter_tracking.protocol.call import Action
from jupyter_tracking.protocol.errors import PermissionDenied, ResourceLimitExceeded

from ..access import Denied
from ..services import SERVICES, Log

__all__ = ["audited", "is_refusal", "made_by", "subject_of"]

_IDS = (
    "experiment_id",
    "run_id",
    "model_id",
    "name",
    "new_name",
    "key",
    "artifact_path",
    "path",
    "upload_id",
    "id",
    "kind",
    "role",
    "user",
    "username",
    "is_admin",
    "permission",
    "max_bytes",
    "max_runs",
)
"""The fields of requests that say what is meant; values that people store are in none of them."""
_MADE = ("run_id", "model_id", "experiment_id", "upload_id", "id")
_LARGEST = 65_536


@lru_cache(maxsize=256)
def audited(call: Call[Any, Any]) -> Action | None:
    """What the call does to things, if the audit log keeps it; None for reads and for logging to a run."""
    if call is get_presigned_download:
        # Whoever has the address reads the artifact from the store itself.
        return "read"
    looks = call.action == "read" or set(call.verbs) == {"GET"}
    return None if looks or isinstance(SERVICES[call], Log) else call.action


def is_refusal(error: BaseException) -> bool:
    """Whether the caller may not do or know what was asked, so that the audit log says of what."""
    return isinstance(error, (PermissionDenied, ResourceLimitExceeded)) or isinstance(error.__cause__, Denied)


def subject_of(request: Any) -> dict[str, str]:
    """What a request is about."""
    found = {name: _plain(getattr(request, name, None)) for name in _IDS}
    if getattr(request, "resource_type", "") == "experiment":
        # As MLflow's client for permissions calls it.
        found["experiment_id"] = _plain(request.resource_id)
    return {name: value for name, value in found.items() if value}


def _plain(value: object) -> str:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else ""


def made_by(reply: bytes) -> dict[str, str]:
    """The ids of what a call has made, from its reply: experiments, runs, logged models, uploads, links."""
    if len(reply) > _LARGEST:
        return {}
    level: Any = msgspec.json.decode(reply)
    # An id is at the top, or in the info of the one thing that the reply holds.
    for name in ("run", "model", "info", "share_link"):
        if isinstance(level, dict) and isinstance(level.get(name), dict):
            level = level[name]
    if not isinstance(level, dict):
        return {}
    return {name: level[name] for name in _MADE if isinstance(level.get(name), str)}
