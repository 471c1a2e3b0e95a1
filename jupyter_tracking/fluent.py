"""Logging in short sentences, named and ordered as in ``mlflow``: ``log_param("lr", 0.1)``.

What is logged goes to the *active run*; if there is none, one is started, and it stays active over cells.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from . import artifact_values
from .client.progress import Progress
from .current_run import ActiveRun
from .progress_bar import watched
from .protocol import metrics, params, runs, tags
from .protocol.artifacts import FileInfo
from .protocol.enums import RunStatus
from .protocol.errors import InvalidParameterValue, InvalidState
from .protocol.experiments import Experiment
from .protocol.wire import from_double, to_double
from .run_list import Runs, flat, flat_run
from .tracker import now, tracker

SEARCH_LIMIT = 100_000


def set_tracking_uri(uri: str | None) -> None:
    """Log to the server at this http(s) address; None looks for one, as at the start."""
    tracker.use(uri)


def get_tracking_uri() -> str:
    """The address of the server in use."""
    return tracker.client.url


def environment() -> dict[str, str]:
    """The variables by which ``mlflow``, here or in another process, finds the server in use."""
    found = {"MLFLOW_TRACKING_URI": tracker.client.url}
    token = tracker.server.token or os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {**found, **({"MLFLOW_TRACKING_TOKEN": token} if token else {})}


def set_experiment(experiment_name: str | None = None, experiment_id: str | None = None) -> Experiment:
    """Choose the experiment in which runs start; one that is named and not there is made."""
    return tracker.set_experiment(experiment_name, experiment_id)


def start_run(
    run_id: str | None = None,
    experiment_id: str | None = None,
    run_name: str | None = None,
    nested: bool = False,
    tags: Mapping[str, object] | None = None,
) -> ActiveRun:
    """Start a run, or go on with the one whose id is given here or in ``MLFLOW_RUN_ID``.

    Used in a ``with`` statement it ends with the block.

    Raises:
        InvalidState: a run is active and ``nested`` is not said.
    """
    active = tracker.active(here=True)
    if active is not None and not nested:
        raise InvalidState(
            f"Run {active.name} is active already; end it with end_run(), or start inside it by nested=True."
        )
    run_id = run_id or os.environ.pop("MLFLOW_RUN_ID", None)
    if run_id:
        run = tracker.resume(run_id)
        if tags:
            set_tags(tags)
        return run
    return tracker.start(experiment_id=experiment_id, name=run_name, nested=nested, tags=tags or {})


def end_run(status: str = "FINISHED") -> None:
    """End the active run of this thread, if there is one."""
    active = tracker.active(here=True)
    if active is not None:
        active.end(status)


def active_run() -> ActiveRun | None:
    """The active run, also one that ``mlflow`` started; None if there is none."""
    return tracker.active()


def last_active_run() -> ActiveRun | None:
    """The active run, or else the one that was active last; None if there was none."""
    return tracker.active() or tracker.last


def log_param(key: str, value: Any) -> Any:
    """Log a param, as text; the value is returned.

    Raises:
        InvalidParameterValue: the run has this param with another value.
    """
    run, text = _run(), str(value)
    if run.params.get(key) != text:
        tracker.client.send(params.log_param, params.LogParam(run.run_id, key, text))
        run.params[key] = text
    return value


def log_params(params: Mapping[str, Any]) -> None:
    """Log several params."""
    log_batch(params=params)


def log_metric(key: str, value: float, step: int | None = None, timestamp: int | None = None) -> None:
    """Log a point of a metric; ``timestamp`` in milliseconds, now by default."""
    point = metrics.LogMetric(
        run_id=_run().run_id,
        key=key,
        value=to_double(_number(key, value)),
        timestamp=now() if timestamp is None else timestamp,
        step=step or 0,
    )
    tracker.client.send(metrics.log_metric, point)


def log_metrics(metrics: Mapping[str, float], step: int | None = None, timestamp: int | None = None) -> None:
    """Log a point of several metrics."""
    log_batch(metrics=metrics, step=step, timestamp=timestamp)


def log_batch(
    metrics: Mapping[str, float] | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    step: int | None = None,
    timestamp: int | None = None,
) -> None:
    """Log metrics, params and tags together: all of them or, if one is refused, none."""
    run = _run()
    texts = {key: str(value) for key, value in (params or {}).items()}
    tracker.client.log_batch(
        run.run_id,
        _points(metrics or {}, step or 0, now() if timestamp is None else timestamp),
        _params({key: text for key, text in texts.items() if run.params.get(key) != text}),
        _tags(tags or {}),
    )
    run.params.update(texts)


def set_tag(key: str, value: Any) -> None:
    """Set a tag of the active run; an older value is replaced."""
    tracker.client.send(tags.set_tag, tags.SetTag(_run().run_id, key, str(value)))


def set_tags(tags: Mapping[str, Any]) -> None:
    """Set several tags of the active run."""
    log_batch(tags=tags)


def delete_tag(key: str) -> None:
    """Remove a tag of the active run."""
    tracker.client.send(tags.delete_tag, tags.DeleteTag(_run().run_id, key))


def log_artifact(
    local_path: str | os.PathLike[str], artifact_path: str | None = None, progress: Progress | None = None
) -> None:
    """Store a file, or a folder under its own name, as artifacts of the active run.

    What the run has already is not sent again, and a large file that broke off goes on where it stopped.

    Args:
        local_path: what to store.
        artifact_path: the folder in the run's artifacts; their root by default.
        progress: called with (path, bytes so far, all bytes); a bar is shown if it is not given.
    """
    source = Path(local_path).expanduser()
    watched(
        lambda watcher: tracker.artifacts(_run().run_id, watcher).upload(source, artifact_path or ""),
        progress,
    )


def log_artifacts(
    local_dir: str | os.PathLike[str], artifact_path: str | None = None, progress: Progress | None = None
) -> None:
    """Store what is in a folder as artifacts of the active run."""
    source = Path(local_dir).expanduser()
    if not source.is_dir():
        raise InvalidParameterValue(f"There is no folder {str(source)!r}.")
    watched(
        lambda watcher: tracker.artifacts(_run().run_id, watcher).upload_folder(source, artifact_path or ""),
        progress,
    )


def log_text(text: str, artifact_file: str) -> None:
    """Store text as an artifact."""
    _log_file(artifact_file, artifact_values.text(text))


def log_dict(dictionary: Any, artifact_file: str) -> None:
    """Store a dictionary or list as JSON, or as YAML if the name ends so."""
    _log_file(artifact_file, artifact_values.data(dictionary, _suffix(artifact_file)))


def log_figure(figure: Any, artifact_file: str) -> None:
    """Store a figure of matplotlib or plotly; the name's ending says in which form."""
    _log_file(artifact_file, artifact_values.figure(figure, _suffix(artifact_file)))


def log_image(image: Any, artifact_file: str) -> None:
    """Store an image of Pillow or an array of pixels; the name's ending says in which form."""
    _log_file(artifact_file, artifact_values.image(image, _suffix(artifact_file)))


def log_value(value: Any, artifact_file: str) -> str:
    """Store text, data, a table, a figure, an image or an array as an artifact, by its type.

    A ``Path`` stands for the file or folder that it leads to.

    Returns:
        The artifact's name, completed by an ending if it had none.
    """
    if isinstance(value, Path):
        watched(lambda watcher: tracker.artifacts(_run().run_id, watcher).upload(value, name=artifact_file))
        return artifact_file
    name, content = artifact_values.to_file(value, artifact_file)
    _log_file(name, content)
    return name


def list_artifacts(run_id: str | None = None, artifact_path: str = "") -> list[FileInfo]:
    """The artifacts in one folder of a run, the active one by default."""
    return tracker.artifacts(run_id or _active().run_id).list(artifact_path)


def download_artifacts(
    run_id: str | None = None,
    artifact_path: str = "",
    dst_path: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> str:
    """Fetch an artifact, or a folder of them, of a run, the active one by default.

    A download that broke off goes on where it stopped.

    Returns:
        The local path, in ``dst_path`` or else the current folder's ``artifacts/<run id>``.
    """
    run_id = run_id or _active().run_id
    target = Path("artifacts", run_id) if dst_path is None else Path(dst_path)
    return watched(
        lambda watcher: tracker.artifacts(run_id, watcher).download(artifact_path, target), progress
    ).path


def search_runs(
    experiment_ids: Iterable[str] | None = None,
    filter_string: str = "",
    max_results: int = SEARCH_LIMIT,
    order_by: Iterable[str] | None = None,
    experiment_names: Iterable[str] | None = None,
) -> Runs:
    """Find runs, newest first, of the current experiment if none is given.

    Returns:
        A list of dictionaries; its ``to_pandas()`` makes the data frame that ``mlflow.search_runs`` gives.

    Raises:
        InvalidParameterValue: the filter can't be read, or there is no experiment of such a name.
    """
    chosen = list(experiment_ids or [])
    for name in experiment_names or []:
        found = tracker.client.experiment_by_name(name)
        if found is None:
            raise InvalidParameterValue(f"There is no experiment {name!r}.")
        chosen.append(found.experiment_id)
    chosen = chosen or [tracker.experiment_id()]
    return flat(tracker.client.search_runs(chosen, filter_string, list(order_by or []), limit=max_results))


def get_run(run_id: str | None = None) -> dict[str, Any]:
    """One run, the active one by default, as ``search_runs`` gives them."""
    return flat_run(tracker.client.run(run_id or _active().run_id))


def get_metric_history(key: str, run_id: str | None = None) -> list[tuple[int, int, float]]:
    """All points of a metric of a run, the active one by default: (step, timestamp in ms, value)."""
    points = tracker.client.metric_history(run_id or _active().run_id, key)
    return [(point.step, point.timestamp, from_double(point.value)) for point in points]


def delete_run(run_id: str) -> None:
    """Mark a run deleted; it can be restored."""
    tracker.client.send(runs.delete_run, runs.DeleteRun(run_id))


def search_experiments() -> list[Experiment]:
    """All active experiments, newest first."""
    return list(tracker.client.all_experiments())


def _run() -> ActiveRun:
    return tracker.active() or start_run()


def _active() -> ActiveRun:
    active = tracker.active()
    if active is None:
        raise InvalidState("No run is active; give a run's id.")
    return active


def _log_file(name: str, content: bytes) -> None:
    tracker.artifacts(_run().run_id).upload_bytes(content, name)


def _suffix(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    if not suffix:
        raise InvalidParameterValue(
            f"{name!r} needs an ending that says its form, such as {name}.png or {name}.json."
        )
    return suffix


def _number(key: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidParameterValue(f"Metric {key!r} needs a number, not {value!r:.60}.") from None


def _points(values: Mapping[str, Any], step: int, timestamp: int) -> list[metrics.MetricEntry]:
    return [
        metrics.MetricEntry(key, to_double(_number(key, value)), timestamp, step)
        for key, value in values.items()
    ]


def _params(texts: Mapping[str, str]) -> list[params.ParamEntry]:
    return [params.ParamEntry(key, text) for key, text in texts.items()]


def _tags(values: Mapping[str, Any]) -> list[tags.TagEntry]:
    return [tags.TagEntry(key, str(value)) for key, value in values.items()]


__all__ = [
    "ActiveRun",
    "RunStatus",
    "Runs",
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
    "start_run",
]
