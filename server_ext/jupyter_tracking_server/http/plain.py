"""The routes that are no calls: health, version, capabilities and landing page, open to all, and counters."""

from __future__ import annotations

import asyncio

import msgspec

from jupyter_tracking.protocol import API_VERSION
from jupyter_tracking.protocol.errors import PermissionDenied

from ..metrics import CONTENT_TYPE
from .handler import TrackingHandler

__all__ = ["HealthHandler", "LandingHandler", "MetricsHandler", "ServerInfoHandler", "VersionHandler"]


class ServerInfo(msgspec.Struct, frozen=True):
    """What newer clients ask before they choose how to move files."""

    store_type: str = "SqlStore"
    workspaces_enabled: bool = False
    trace_archival_enabled: bool = False
    multipart_uploads_enabled: bool = False
    multipart_downloads_enabled: bool = False
    presigned_upload_run_id_supported: bool = False
    presigned_upload_model_id_supported: bool = False
    features_enabled: dict[str, bool] = {}


class HealthHandler(TrackingHandler):
    """``OK``: the server answers; 503 from the signal to stop on, so that balancers send nothing more."""

    endpoint = "health"

    async def get(self) -> None:
        """Say it."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        if self.front.closing:
            self.set_status(503)
        await self.finish("stopping" if self.front.closing else "OK")


class VersionHandler(TrackingHandler):
    """The MLflow version whose API is served, as bare text."""

    endpoint = "version"

    async def get(self) -> None:
        """Say it."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        await self.finish(API_VERSION)


class ServerInfoHandler(TrackingHandler):
    """What this server can do."""

    endpoint = "server_info"

    async def get(self) -> None:
        """Say it."""
        self.set_header("Content-Type", "application/json")
        server = self.front.server
        info = ServerInfo(
            multipart_uploads_enabled=server.settings.serve_artifacts,
            multipart_downloads_enabled=server.signs_urls,
        )
        await self.finish(msgspec.json.encode(info))


class MetricsHandler(TrackingHandler):
    """The counters, for Prometheus; its scraper sends a token: an administrator's where users have rights."""

    endpoint = "metrics"

    async def get(self) -> None:
        """Write them out."""
        caller = await self.authenticate("read")
        if not self.front.server.access.is_admin(caller):
            raise PermissionDenied("Only an administrator of this server may read its counters.")
        metrics = self.front.server.observer.metrics
        self.set_header("Content-Type", CONTENT_TYPE)
        await self.finish(await asyncio.to_thread(metrics.exposition))


class LandingHandler(TrackingHandler):
    """The root: clients print links to it, so a browser that follows one is sent somewhere useful."""

    endpoint = "landing"

    async def get(self) -> None:
        """Send a browser to Lab if it is there; else say what this is."""
        if self.front.home:
            # What follows the # in a link, the browser keeps.
            self.redirect(self.front.home)
            return
        if "text/html" in self.request.headers.get("Accept", ""):
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.set_header("Content-Security-Policy", "default-src 'none'")
            await self.finish(_PAGE)
            return
        self.set_header("Content-Type", "application/json")
        await self.finish(msgspec.json.encode({"name": "Jupyter Tracking", "api_version": API_VERSION}))


_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Jupyter Tracking</title></head>
<body>
<h1>Jupyter Tracking</h1>
<p>This is a tracking server. It speaks the API of MLflow {API_VERSION}:
set <code>MLFLOW_TRACKING_URI</code> to this address,
or open JupyterLab with the extension jupyter-tracking.</p>
<p><a href="health">health</a> · <a href="version">version</a></p>
</body>
</html>
"""
