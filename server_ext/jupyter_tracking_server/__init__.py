"""The server half of Jupyter Tracking: an extension of Jupyter Server, and a server of its own."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Tell JupyterLab's tools where the prebuilt front end is."""
    return [{"src": "labextension", "dest": "jupyter-tracking"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell Jupyter Server which application to load."""
    # The command line, and tools that only ask for paths, need no server.
    from jupyter_tracking_server.app import TrackingExtension  # noqa: PLC0415 - see above

    return [{"module": "jupyter_tracking_server.app", "app": TrackingExtension}]
