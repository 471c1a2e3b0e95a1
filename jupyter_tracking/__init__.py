"""Experiment tracking from a notebook: log params, metrics and artifacts of runs to an MLflow-style server.

Importing this package costs next to nothing: its parts are loaded when they are first used. In IPython the
import, as ``%load_ext jupyter_tracking`` does, makes the ``%track`` magics known.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client.client import TrackingClient
    from .fluent import (
        ActiveRun,
        Runs,
        active_run,
        delete_run,
        delete_tag,
        download_artifacts,
        end_run,
        environment,
        get_metric_history,
        get_run,
        get_tracking_uri,
        last_active_run,
        list_artifacts,
        log_artifact,
        log_artifacts,
        log_batch,
        log_dict,
        log_figure,
        log_image,
        log_metric,
        log_metrics,
        log_param,
        log_params,
        log_text,
        log_value,
        search_experiments,
        search_runs,
        set_experiment,
        set_tag,
        set_tags,
        set_tracking_uri,
        start_run,
    )
    from .protocol.errors import TrackingError
    from .sharing import share, shared_with, unshare
    from .widgets.artifact_browser import ArtifactBrowser
    from .widgets.run_table import RunTable

__version__ = "0.1.0"

__all__ = [
    "ActiveRun",
    "ArtifactBrowser",
    "RunTable",
    "Runs",
    "TrackingClient",
    "TrackingError",
    "active_run",
    "delete_run",
    "delete_tag",
    "download_artifacts",
    "end_run",
    "environment",
    "get_metric_history",
    "get_run",
    "get_tracking_uri",
    "last_active_run",
    "list_artifacts",
    "log_artifact",
    "log_artifacts",
    "log_batch",
    "log_dict",
    "log_figure",
    "log_image",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_text",
    "log_value",
    "search_experiments",
    "search_runs",
    "set_experiment",
    "set_tag",
    "set_tags",
    "set_tracking_uri",
    "share",
    "shared_with",
    "start_run",
    "unshare",
]

_ELSEWHERE = {
    "ArtifactBrowser": "widgets.artifact_browser",
    "RunTable": "widgets.run_table",
    "TrackingClient": "client.client",
    "TrackingError": "protocol.errors",
    "share": "sharing",
    "shared_with": "sharing",
    "unshare": "sharing",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_ELSEWHERE.get(name, 'fluent')}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """Make the magics known to an IPython shell; harmless when they are already."""
    from .magic_table import register  # noqa: PLC0415 - only in IPython

    register(shell)


def _shell() -> Any | None:
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_ipython() if get_ipython is not None else None


if (_running := _shell()) is not None:
    load_ipython_extension(_running)
