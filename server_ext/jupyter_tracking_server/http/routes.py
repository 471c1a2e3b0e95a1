"""Which path leads where. What no route knows ends at ``CallHandler`` too, which refuses it.

Plain calls do not come this far where ``Lane`` stands before the routes.
"""

from __future__ import annotations

from typing import Any

from jupyter_tracking.protocol.call import PREFIXES

from .artifact_stream import artifact_routes
from .call_handler import CallHandler
from .call_table import CallTable
from .handler import Embed, Front
from .plain import HealthHandler, LandingHandler, MetricsHandler, ServerInfoHandler, VersionHandler
from .share import ShareHandler

__all__ = ["Route", "routes"]

Route = tuple[str, type[Any], dict[str, Any]]
"""Pattern of the whole path, handler class, what its ``initialize`` gets."""


def routes(front: Front, embed: Embed) -> list[Route]:
    """Every route below ``front.root``, as patterns that begin with a slash.

    Args:
        front: what the handlers share.
        embed: makes the handler classes fit the host.
    """
    common: dict[str, Any] = {"front": front}
    info = f"/(?:{'|'.join(PREFIXES)})/3\\.0/mlflow/server-info"
    found: list[Route] = [
        (r"/health", HealthHandler, common),
        (r"/version", VersionHandler, common),
        (info, ServerInfoHandler, common),
        (r"/metrics", MetricsHandler, common),
        (r"/?", LandingHandler, common),
        *((pattern, handler, {**common, **more}) for pattern, handler, more in artifact_routes()),
        (r"/share/.+", ShareHandler, common),
        (r"/.*", CallHandler, {**common, "table": CallTable()}),
    ]
    return [(pattern, embed(handler), kwargs) for pattern, handler, kwargs in found]
