"""The wire contract, shared by server and client: standard library and msgspec only.

``CALLS`` is the one list of methods; routes, permissions, the client and the documents derive from it.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from . import (
    artifacts,
    audit,
    datasets,
    experiments,
    grants,
    logged_models,
    metrics,
    params,
    permissions,
    quotas,
    runs,
    share_links,
    tags,
    tokens,
    users,
)
from .call import Call, Empty

__all__ = [
    "API_VERSION",
    "CALLS",
    "Call",
    "Empty",
    "artifacts",
    "audit",
    "datasets",
    "experiments",
    "grants",
    "logged_models",
    "metrics",
    "params",
    "permissions",
    "quotas",
    "runs",
    "share_links",
    "tags",
    "tokens",
    "users",
]

API_VERSION = "3.3.2"
"""The MLflow version whose API is served. Clients take 3.4 or above as a promise of ``/v1/traces``."""

_NOUNS: tuple[ModuleType, ...] = (
    experiments,
    runs,
    metrics,
    params,
    tags,
    datasets,
    logged_models,
    artifacts,
    grants,
    permissions,
    share_links,
    quotas,
    audit,
    tokens,
    users,
)

CALLS: tuple[Call[Any, Any], ...] = tuple(
    value for noun in _NOUNS for value in vars(noun).values() if isinstance(value, Call)
)
