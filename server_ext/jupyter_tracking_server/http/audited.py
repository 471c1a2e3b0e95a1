"""Which calls the audit log keeps, and what it says they were done to."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from jupyter_tracking.protocol import Call
from jupyter_tracking.protocol.call import Action

from ..services import SERVICES, Log

__all__ = ["audited", "made_by", "subject_of"]

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
)
"""The fields of requests that say what is meant; values that people store are in none of them."""
_MADE = ("run_id", "model_id", "experiment_id", "upload_id")
_LARGEST = 65_536


@lru_cache(maxsize=256)
def audited(call: Call[Any, Any]) -> Action | None:
    """What the call does to things, if the audit log keeps it; None for reads and for logging to a run."""
    return None if call.action == "read" or isinstance(SERVICES[call], Log) else call.action


def subject_of(request: Any) -> dict[str, str]:
    """What a request is about."""
    found = {name: getattr(request, name, None) for name in _IDS}
    return {name: value for name, value in found.items() if isinstance(value, str) and value}


def made_by(reply: bytes) -> dict[str, str]:
    """The ids of what a call has made, from its reply: experiments, runs, logged models, uploads."""
    if len(reply) > _LARGEST:
        return {}
    level: Any = msgspec.json.decode(reply)
    # An id is at the top, or in the info of the one thing that the reply holds.
    for name in ("run", "model", "info"):
        if isinstance(level, dict) and isinstance(level.get(name), dict):
            level = level[name]
    if not isinstance(level, dict):
        return {}
    return {name: level[name] for name in _MADE if isinstance(level.get(name), str)}
