"""Runs as plain data: a list of flat dictionaries, which pandas takes as it is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from importlib import import_module
from typing import Any

from .protocol.runs import Run
from .protocol.wire import from_double

TAG_PREFIX = "mlflow."
"""Tags that clients set for themselves begin with this."""


class Runs(list[dict[str, Any]]):
    """Runs, each a dictionary with the keys that ``mlflow.search_runs`` gives its columns.

    ``run_id``, ``run_name``, ``experiment_id``, ``status``, ``start_time``, ``end_time``, ``artifact_uri``,
    then ``metrics.<key>`` (float), ``params.<key>`` and ``tags.<key>`` (text).
    """

    def to_pandas(self) -> Any:
        """As a ``pandas.DataFrame``; a column for each key that any of the runs has.

        Raises:
            ImportError: pandas is not installed.
        """
        return import_module("pandas").DataFrame(list(self))


def flat(runs: Iterable[Run]) -> Runs:
    """Runs of the protocol as dictionaries."""
    return Runs(flat_run(run) for run in runs)


def flat_run(run: Run) -> dict[str, Any]:
    """One run as a dictionary; times are aware datetimes."""
    info = run.info
    found: dict[str, Any] = {
        "run_id": info.run_id,
        "run_name": info.run_name,
        "experiment_id": info.experiment_id,
        "status": info.status.value,
        "start_time": _time(info.start_time),
        "end_time": _time(info.end_time),
        "artifact_uri": info.artifact_uri,
    }
    found.update((f"metrics.{metric.key}", from_double(metric.value)) for metric in run.data.metrics)
    found.update((f"params.{param.key}", param.value) for param in run.data.params)
    found.update((f"tags.{tag.key}", tag.value) for tag in run.data.tags)
    return found


def duration(run: dict[str, Any]) -> timedelta | None:
    """How long a run took, or has been going on."""
    start, end = run["start_time"], run["end_time"] or datetime.now(timezone.utc)
    return end - start if start is not None and (run["end_time"] or run["status"] == "RUNNING") else None


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
