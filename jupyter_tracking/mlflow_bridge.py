"""Shares active runs with ``mlflow``, if it is loaded and logs to the same server.

mlflow keeps a stack of active runs (for each thread, in newer versions). While both are in use that stack
is the one truth: the tracker reads it before it looks at its own, and puts its own runs onto it. ``mlflow``
is never imported from here; if it is imported later, ``watch`` notices.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import logging
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

logger = logging.getLogger("jupyter_tracking")


class MlflowStack:
    """The active runs of ``mlflow`` in this thread."""

    def __init__(self, mlflow: ModuleType, runs: list[Any]) -> None:
        self._mlflow = mlflow
        self._runs = runs

    def ids(self) -> list[str]:
        """The active runs, the innermost last."""
        return [run.info.run_id for run in self._runs]

    def push(self, run_id: str) -> bool:
        """Make a run the active one; False if mlflow won't have it, which is said once."""
        try:
            self._runs.append(self._mlflow.ActiveRun(self._mlflow.get_run(run_id)))
        except Exception as error:
            _say_once(f"mlflow does not share the active run: {error}")
            return False
        return True

    def remove(self, run_id: str) -> None:
        """Let mlflow forget a run that has ended, and stop measuring the machine for it."""
        self._runs[:] = [run for run in self._runs if run.info.run_id != run_id]
        monitor = getattr(_fluent(), "run_id_to_system_metrics_monitor", {}).pop(run_id, None)
        if monitor is not None:
            monitor.finish()

    def experiment_id(self) -> str | None:
        """The experiment that the user chose in mlflow."""
        return getattr(_fluent(), "_active_experiment_id", None)

    def set_experiment(self, experiment_id: str) -> None:
        """Choose an experiment."""
        if self.experiment_id() != experiment_id:
            self._mlflow.set_experiment(experiment_id=experiment_id)


def is_loaded() -> bool:
    """Whether mlflow is loaded, as far as it concerns us."""
    return _loaded() is not None


def stack(tracking_url: str) -> MlflowStack | None:
    """The stack of mlflow; None if it is not loaded, or logs elsewhere (which is said once)."""
    mlflow, fluent = _loaded(), _fluent()
    if mlflow is None or fluent is None:
        return None
    elsewhere = str(mlflow.get_tracking_uri())
    if _normal(elsewhere) != _normal(tracking_url):
        _say_once(
            f"mlflow logs to {elsewhere} and Jupyter Tracking to {tracking_url}, so they do not share runs. "
            "To make mlflow log here too: import os, jupyter_tracking; "
            "os.environ.update(jupyter_tracking.environment())"
        )
        return None
    runs = getattr(fluent, "_active_run_stack", None)
    if runs is not None and not isinstance(runs, list):
        runs = runs.get()
    if not isinstance(runs, list):
        _say_once("This version of mlflow keeps its active run in a way not known here; runs are not shared.")
        return None
    return MlflowStack(mlflow, runs)


def watch(then: Callable[[], None]) -> None:
    """Call ``then`` as soon as mlflow has been imported; at most one watcher is kept."""
    unwatch()
    if "mlflow" not in sys.modules:
        sys.meta_path.insert(0, _Watcher(then))


def unwatch() -> None:
    """Stop watching."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Watcher)]


def _loaded() -> ModuleType | None:
    mlflow = sys.modules.get("mlflow")
    return mlflow if hasattr(mlflow, "ActiveRun") and hasattr(mlflow, "get_run") else None


def _fluent() -> ModuleType | None:
    return sys.modules.get("mlflow.tracking.fluent")


def _normal(url: str) -> tuple[str, str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower().replace("localhost", "127.0.0.1"), parts.path.rstrip("/")


_said: set[str] = set()


def _say_once(text: str) -> None:
    if text not in _said:
        _said.add(text)
        logger.warning(text)


class _Watcher(importlib.abc.MetaPathFinder):
    """Finds nothing itself; lets the others find mlflow, and hears when it has been executed."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the shape of a finder
        target: ModuleType | None = None,  # noqa: ARG002 - as above
    ) -> ModuleSpec | None:
        if fullname != "mlflow":
            return None
        unwatch()
        spec = importlib.util.find_spec("mlflow")
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._then)
        return spec


class _Loader(importlib.abc.Loader):
    """Loads a module by another loader, which it leaves in its place, and then makes a call."""

    def __init__(self, loader: Any, then: Callable[[], None]) -> None:
        self._loader = loader
        self._then = then

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._then()
